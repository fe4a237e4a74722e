/** Brings one command to its end as PROTOCOL.md asks of a client: again with the same key, until it is known. */
import { answerOf, commandRequestOf } from './documents.ts';
import { type Door, post, Sockets, tokenOf } from './doors.ts';
import type { Random } from './random.ts';
import type { Recorder } from './recorder.ts';
import type { Answer, Attempt, Wish } from './trace.ts';

/** The load's pace, not a wait for a fact. */
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const FIRST_WAIT_MS = 40;
const LONGEST_WAIT_MS = 1_000;

export interface Given {
  readonly lane: string;
  readonly key: string;
  readonly wish: Wish;
}

/** One user with a token, at all processes. */
export class Client {
  readonly user: string;
  readonly token: string;
  readonly #doors: readonly Door[];
  readonly #recorder: Recorder;
  readonly #random: Random;
  readonly #sockets: Sockets;
  readonly #door: Attempt['door'];
  /** Commands that are not settled at this time are given up; what became of them stays unknown. */
  readonly #untilAborted: AbortSignal;

  constructor(options: {
    user: string;
    secret: string;
    doors: readonly Door[];
    recorder: Recorder;
    random: Random;
    door: Attempt['door'];
    signal: AbortSignal;
  }) {
    this.user = options.user;
    this.token = tokenOf(options.secret, options.user);
    this.#doors = options.doors;
    this.#recorder = options.recorder;
    this.#random = options.random;
    this.#door = options.door;
    this.#sockets = new Sockets(this.token);
    this.#untilAborted = options.signal;
  }

  anyDoor(): Door {
    return this.#random.pick(this.#doors);
  }

  /** Undefined: given up. */
  async settle(given: Given): Promise<Answer | undefined> {
    for (let wait = FIRST_WAIT_MS; !this.#untilAborted.aborted; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
      const answer = await this.once(given, this.anyDoor());
      if (isSettled(answer)) return answer;
      const least = 'waitMs' in answer ? (answer.waitMs ?? 0) : 0;
      await pause(Math.max(least, wait * (0.5 + this.#random.next() / 2)));
    }
    this.#recorder.count('given up');
    return undefined;
  }

  async once({ lane, key, wish }: Given, door: Door): Promise<Answer> {
    const { user } = this;
    const request = commandRequestOf(lane, key, wish);
    const sentAt = performance.now();
    const bySocket = this.#door === 'ws';
    const reply = await (bySocket ? this.#sockets.ask(door, request) : post(door, this.token, request));
    const [answeredAt, answeredWallAt] = [performance.now(), Date.now()];
    const { lane: named = lane, ...answer } = answerOf(reply);
    if (named !== lane) this.#recorder.surprise(door.name, `answered for ${named}, asked for ${lane}`);
    const [process, by] = [door.name, this.#door];
    this.#recorder.attempt({ user, lane, key, wish, process, door: by, sentAt, answeredAt, answeredWallAt, answer });
    return answer;
  }

  close(): void {
    this.#sockets.close();
  }
}

/** Known for good: nothing but another command would change it. A fault without a name is not asked again. */
const isSettled = (answer: Answer): boolean =>
  answer.kind === 'accepted' || ('retryable' in answer && !answer.retryable);
