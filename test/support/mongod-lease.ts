/** A mongod that the whole run has, for one test file at a time: it comes empty, and goes on to the next one (mongod-pool.ts). */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** Set by the pool: where it listens. */
export const POOL = 'TEST_MONGODS';

/** What its user may do with it; each is answered with an `Answer`. */
export type Wish = 'kill9' | 'restart' | 'stop';
export type Answer = { readonly url: string; readonly pid: number } | { readonly error: string };

export type LeasedMongod = {
  readonly url: string;
  /** 0: it does not run. */
  readonly pid: number;
  kill9(): Promise<void>;
  restart(): Promise<void>;
  /** Ends it; it is still its user's. */
  stop(): Promise<void>;
  /** Gives it back, as the end of this process does. What is in it is removed. */
  release(): Promise<void>;
};

/** Waits until one is there. Rejects where none can be started. */
export async function leaseMongod(pool: string): Promise<LeasedMongod> {
  const socket = connect(pool);
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  const hear = async (): Promise<Extract<Answer, { url: string }>> => {
    const { value } = await lines.next();
    const answer: Answer = value === undefined ? { error: 'the pool of mongods is gone' } : JSON.parse(value);
    if ('error' in answer) throw new Error(answer.error);
    return answer;
  };
  let last = await hear();
  const ask = async (wish: Wish): Promise<void> => {
    socket.write(`${wish}\n`);
    last = await hear();
  };
  return {
    url: last.url,
    get pid() {
      return last.pid;
    },
    kill9: () => ask('kill9'),
    restart: () => ask('restart'),
    stop: () => ask('stop'),
    release: () => closed(socket),
  };
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.once('close', () => resolve());
    socket.resume().end();
  });
