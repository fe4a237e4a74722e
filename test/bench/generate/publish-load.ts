/** The limit under every send: the NATS client's own JetStream publish with a message id. */
import { connect } from 'nats';
import type { Done, Load } from './load.ts';
import { keyMaker } from './operations.ts';

export interface PublishOptions {
  readonly kind: 'publish';
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** In turn. */
  readonly subjects: readonly string[];
  readonly payloadBytes: number;
  /** Each is published to two subjects, one after the other. */
  readonly twice?: true;
}

/** `done` is called when the server has acknowledged that it is stored. */
export async function openPublisher({ url, user, password, subjects }: PublishOptions) {
  const connection = await connect({ servers: url, user, pass: password });
  const js = connection.jetstream({ timeout: 5000 });
  const key = keyMaker();
  let turn = 0;
  const publish = (payload: Uint8Array | string, done: Done): void => {
    js.publish(subjects[turn++ % subjects.length] as string, payload, { msgID: key() }).then(
      () => done(),
      (error: unknown) => done(String(error)),
    );
  };
  return { publish, close: () => connection.close() };
}

export async function openPublishLoad(options: PublishOptions): Promise<Load> {
  const { publish, close } = await openPublisher(options);
  const payload = new Uint8Array(options.payloadBytes).fill(120);
  if (!options.twice) return { start: (done) => publish(payload, done), close };
  return {
    start: (done) => publish(payload, (error) => (error === undefined ? publish(payload, done) : done(error))),
    close,
  };
}
