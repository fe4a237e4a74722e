/** What an integration needs of Lanes, over NATS: requests that are asked until they are answered, and events read durably. */
import { readFileSync } from 'node:fs';
import { AckPolicy, type ConsumerConfig, connect, DeliverPolicy, type NatsConnection, nanos } from 'nats';

/** As `lanes integration add` prints it. */
export interface Credentials {
  readonly app: string;
  readonly user: string;
  readonly nats: {
    readonly url: string;
    readonly user: string;
    readonly password: string;
    readonly inboxPrefix: string;
  };
}
export interface Answer {
  readonly accepted?: { readonly conversationId: string; readonly seq: number; readonly repeated: boolean };
  readonly refused?: {
    readonly code: string;
    readonly message: string;
    readonly retryable: boolean;
    readonly retryAfterMs: number | null;
  };
  readonly result?: Readonly<Record<string, unknown>>;
  readonly errors?: readonly [
    {
      readonly message: string;
      readonly extensions: { readonly code: string; readonly retryable: boolean; readonly retryAfterMs?: number };
    },
  ];
}
/** `schema/events/` describes each type; types that you do not know are to be passed over. */
export interface LanesEvent {
  readonly type: string;
  readonly conversationId: string;
  readonly seq: number;
  readonly at?: string;
  readonly by?: { readonly id: string };
  readonly message?: { readonly id: string; readonly text: string | null; readonly clientKey: string };
}
export interface Given {
  readonly event: LanesEvent;
  /** It is dealt with, and does not come again. */
  done(): void;
  /** It comes again after so many milliseconds, also if this process is gone by then. */
  later(ms: number): void;
}

const ANSWER_MS = 5_000;
const AGAIN_MS = 500;
const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

export class Lanes {
  readonly user: string;
  readonly #app: string;
  readonly #connection: NatsConnection;

  private constructor({ app, user }: Credentials, connection: NatsConnection) {
    this.user = user;
    this.#app = app;
    this.#connection = connection;
  }

  static async connect(path: string): Promise<Lanes> {
    const credentials = JSON.parse(readFileSync(path, 'utf8')) as Credentials;
    const { url, user, password: pass, inboxPrefix } = credentials.nats;
    const servers = url.split(',');
    // Without the prefix no answer comes.
    const connection = await connect({
      servers,
      user,
      pass,
      inboxPrefix,
      maxReconnectAttempts: -1,
      waitOnFirstConnect: true,
    });
    return new Lanes(credentials, connection);
  }

  /** Asks until there is an answer that stays. A command has a `clientKey`, so that asking again is not doing it again. */
  async ask(verb: string, body: object): Promise<Answer> {
    for (;;) {
      const answer = await this.#once(verb, body);
      const [error] = answer?.errors ?? [];
      const again = answer === undefined || error?.extensions.retryable || answer.refused?.retryable;
      if (!again) return answer;
      await pause(error?.extensions.retryAfterMs ?? answer?.refused?.retryAfterMs ?? AGAIN_MS);
    }
  }

  /** Undefined: no answer. It may have been done all the same. */
  async #once(verb: string, body: object): Promise<Answer | undefined> {
    try {
      const subject = `chat.app.${this.#app}.cmd.${verb}`;
      return (await this.#connection.request(subject, JSON.stringify(body), { timeout: ANSWER_MS })).json<Answer>();
    } catch {
      return undefined;
    }
  }

  /**
   * Every event from the first that the stream has, once each unless this process dies in between. With `max_ack_pending: 1` an
   * event comes when the one before it is done: in order, whatever happens.
   */
  async *events(durable: string, more: Partial<ConsumerConfig> = {}): AsyncGenerator<Given> {
    const stream = `APP_${this.#app}`;
    const manager = await this.#connection.jetstreamManager({ checkAPI: false });
    const config = {
      durable_name: durable,
      filter_subject: `chat.app.${this.#app}.event.>`,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      ack_wait: nanos(10_000),
      ...more,
    };
    // The stream is made when the bridge first hears of the integration.
    while (
      !(await manager.consumers.add(stream, config).then(
        () => true,
        () => false,
      ))
    )
      await pause(AGAIN_MS);
    const consumer = await this.#connection.jetstream().consumers.get(stream, durable);
    for await (const message of await consumer.consume({ max_messages: 32, expires: 5_000 }))
      yield {
        event: message.json<LanesEvent>(),
        done: () => message.ack(),
        later: (ms) => message.nak(Math.max(1, ms)),
      };
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
