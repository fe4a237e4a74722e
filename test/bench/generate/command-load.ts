/** Sends of integrations as requests on NATS: one connection for each integration, any number of requests in flight on it. */
import { connect, type NatsConnection } from 'nats';
import type { Credentials } from '../../../bridge/credentials.ts';
import { type AppId, parseAppId } from '../../../schema/ids.ts';
import { appCommand } from '../../../schema/subjects.ts';
import type { Done, Load } from './load.ts';
import { keyMaker, TEXT } from './operations.ts';

export interface CommandOptions {
  readonly kind: 'commands';
  readonly apps: readonly AppSender[];
}
export interface AppSender {
  readonly credentials: Pick<Credentials, 'app' | 'nats'>;
  /** Written to in turn. */
  readonly lanes: readonly string[];
}

const ANSWER_MS = 10_000;

export async function openCommandLoad({ apps }: CommandOptions): Promise<Load> {
  const key = keyMaker();
  const senders = await Promise.all(apps.map(openSender));
  let turn = 0;
  return {
    start: (done) => (senders[turn++ % senders.length] as Sender).send(key(), done),
    close: async () => void (await Promise.all(senders.map((sender) => sender.close()))),
  };
}

const openSender = async ({ credentials: { app, nats }, lanes }: AppSender): Promise<Sender> => {
  const { url: servers, user, password: pass, inboxPrefix } = nats;
  const connection = await connect({ servers, user, pass, inboxPrefix });
  return new Sender(connection, parseAppId(app) as AppId, lanes);
};

class Sender {
  readonly #connection: NatsConnection;
  readonly #subject: string;
  readonly #lanes: readonly string[];
  #turn = 0;

  constructor(connection: NatsConnection, app: AppId, lanes: readonly string[]) {
    this.#connection = connection;
    this.#subject = appCommand(app, 'send');
    this.#lanes = lanes;
  }

  send(key: string, done: Done): void {
    const lane = this.#lanes[this.#turn++ % this.#lanes.length] as string;
    const body = `{"conversationId":"${lane}","clientKey":"${key}","text":"${TEXT}"}`;
    this.#connection.request(this.#subject, body, { timeout: ANSWER_MS }).then(
      (message) => {
        const text = message.string();
        if (text.startsWith('{"accepted":{')) done(undefined, text);
        else done(text.slice(0, 600));
      },
      (error: unknown) => done(String(error)),
    );
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
