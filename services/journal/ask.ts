/**
 * Questions to JetStream that read: each has one end, the whole answer or `JournalUnavailable`. How many are under way at a
 * time is bounded, so that a burst of reads waits here and not in the server's memory.
 */
import type { Msg, MsgHdrs } from 'nats';
import { JournalUnavailable } from './journal.ts';
import type { Asker, Link } from './link.ts';
import { type Answer, answerOf, headerOf, jsonOf, numberOf, statusOf, statusTextOf } from './message.ts';

/** No answer, or no further one, for this long. */
const STALLED_MS = 2_000;
/** Of several servers, one that may be frozen was asked: after so long the next one is, if it is not the same again. */
const OTHER_MS = 1_000;
/** JetStream's own number for a message that is not there. */
const NO_MESSAGE = 10037;
/** What JetStream says where it, or a stream, has no leader now, or too few servers are there to place a stream on. */
const NOT_NOW = [10005, 10008, 10009, 10118];
/** A read that finds the connection down waits for it: most outages are shorter than a reader's patience. */
const DOWN_WAIT_MS = 1_000;
const UNDER_WAY = 64;
const WAITING = 8_192;
/** Who got no place for this long is told so at its turn, so that a store that hangs does not make a queue wait for ever. */
const PLACE_WAIT_MS = 1_000;

const unavailable = (why: string): JournalUnavailable => new JournalUnavailable(`the store cannot be read now: ${why}`);
const lostAs = (why: 'disconnected' | 'timeout'): JournalUnavailable =>
  why === 'timeout' ? new NoAnswer() : unavailable('the connection was lost');

/** There was no answer, or no whole one: another may come at once. */
class NoAnswer extends JournalUnavailable {
  constructor(why = 'it does not answer') {
    super(`the store cannot be read now: ${why}`);
  }
}

interface MessageThere {
  readonly subject: string;
  readonly seq: number;
  readonly time: string;
  readonly data?: string;
}
/** A stored message, whole. */
export interface StoredMessage extends Omit<MessageThere, 'data'> {
  readonly data: Uint8Array;
}

export interface Batch {
  /** In the order of the stream. */
  readonly messages: readonly Answer[];
  /** How many further messages there are. */
  readonly pending: number;
  /** The stream's last sequence as the answering server had it; 0: not said (nothing found, or not a multi-subject read). */
  readonly upTo: number;
}

export class Questions {
  readonly #link: Link;
  #underWay = 0;
  readonly #waiting: (() => void)[] = [];
  /** Reads that wait for the connection. */
  #stranded = 0;

  constructor(link: Link) {
    this.#link = link;
  }

  /** One answer; undefined: no such message (404). Throws JournalUnavailable. */
  one(subject: string, payload?: string): Promise<Answer | undefined> {
    return this.#asked((resolve, reject) => new OneAnswer(resolve, reject), subject, payload);
  }

  /** As `one`, of a direct get: whichever replica may answer it. */
  direct(subject: string): Promise<Answer | undefined> {
    const ask = (waitMs: number): Promise<Answer | undefined> =>
      this.#asked(
        (resolve, reject) => new OneAnswer(resolve, reject, waitMs),
        `${this.#link.jsApi}.DIRECT.GET.${subject}`,
      );
    return this.#ofSome(ask);
  }

  /** A direct get of many messages, whole up to the batch's own end. Throws JournalUnavailable. */
  batch(stream: string, request: Record<string, unknown>): Promise<Batch> {
    const nothing = 'multi_last' in request ? 'No Results' : 'Message Not Found';
    const ask = (waitMs: number): Promise<Batch> =>
      this.#asked(
        (resolve, reject) => new BatchAnswer(nothing, resolve, reject, waitMs),
        `${this.#link.jsApi}.DIRECT.GET.${stream}`,
        JSON.stringify(request),
      );
    return this.#ofSome(ask);
  }

  /** Of several servers the next is asked where one does not answer. */
  async #ofSome<T>(ask: (waitMs: number) => Promise<T>): Promise<T> {
    if (!this.#link.isClustered) return ask(STALLED_MS);
    try {
      return await ask(OTHER_MS);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      return ask(STALLED_MS);
    }
  }

  /** A question to JetStream's API. `ApiRefusal` where it answers with an error. Throws JournalUnavailable, too. */
  async api<T>(subject: string, request?: unknown): Promise<T> {
    const answer = await this.one(
      `${this.#link.jsApi}.${subject}`,
      request === undefined ? '' : JSON.stringify(request),
    );
    if (!answer) throw unavailable('no answer');
    const parsed = jsonOf(answer.data) as T & { error?: { code: number; err_code?: number; description: string } };
    if (!parsed.error) return parsed;
    const { code, err_code: errorCode = code, description } = parsed.error;
    if (NOT_NOW.includes(errorCode)) throw unavailable(`${description} (${errorCode})`);
    throw new ApiRefusal(errorCode, description);
  }

  /** One message as the stream's leader has it (`STREAM.MSG.GET`); undefined: there is none. Throws as `api` does. */
  async stored(stream: string, request: Record<string, unknown>): Promise<StoredMessage | undefined> {
    try {
      const { message } = await this.api<{ message: MessageThere }>(`STREAM.MSG.GET.${stream}`, request);
      return { ...message, data: Buffer.from(message.data ?? '', 'base64') };
    } catch (error) {
      if (error instanceof ApiRefusal && error.code === NO_MESSAGE) return undefined;
      throw error;
    }
  }

  /** Publishes into a stream that is not a lane's; the answer is what `api` gives. */
  async publish(
    subject: string,
    payload: Uint8Array,
    headers?: MsgHdrs,
    waitMs = STALLED_MS,
  ): Promise<Answer | undefined> {
    return this.#asked((resolve, reject) => new OneAnswer(resolve, reject, waitMs), subject, payload, headers);
  }

  async #asked<T>(
    askerOf: (resolve: (answer: T) => void, reject: (error: Error) => void) => Asker,
    subject: string,
    payload?: string | Uint8Array,
    headers?: MsgHdrs,
  ): Promise<T> {
    if (!this.#link.up) await this.#reconnect();
    await this.#place();
    try {
      return await new Promise<T>((resolve, reject) => {
        if (!this.#link.ask(askerOf(resolve, reject), subject, payload, headers)) reject(unavailable('not connected'));
      });
    } finally {
      this.#leave();
    }
  }

  async #reconnect(): Promise<void> {
    if (this.#stranded >= WAITING) throw unavailable('not connected');
    this.#stranded++;
    const isUp = await this.#link.whenUp(DOWN_WAIT_MS);
    this.#stranded--;
    if (!isUp) throw unavailable('not connected');
  }

  async #place(): Promise<void> {
    if (this.#underWay < UNDER_WAY) {
      this.#underWay++;
      return;
    }
    if (this.#waiting.length >= WAITING) throw unavailable('too many reads wait');
    const since = performance.now();
    await new Promise<void>((go) => this.#waiting.push(go));
    if (performance.now() - since <= PLACE_WAIT_MS) return;
    this.#leave();
    throw unavailable('too many reads are under way');
  }

  /** The place goes to the next in line, or back. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#underWay--;
  }
}

/** JetStream understood, and said no: its `err_code`, and its words. */
export class ApiRefusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(`${message} (${code})`);
    this.code = code;
  }
}

/** A refused read, too, says nothing about what is stored. */
export const asUnavailable = (error: unknown): unknown =>
  error instanceof ApiRefusal
    ? new JournalUnavailable(`the store cannot be read now: ${error.message}`, { cause: error })
    : error;

class OneAnswer implements Asker {
  readonly deadline: number;
  readonly #resolve: (answer: Answer | undefined) => void;
  readonly #reject: (error: Error) => void;

  constructor(
    resolve: (answer: Answer | undefined) => void,
    reject: (error: Error) => void,
    waitMs: number = STALLED_MS,
  ) {
    this.deadline = performance.now() + waitMs;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  answered(message: Msg): true {
    const answer = answerOf(message);
    const status = answer.data.length === 0 ? statusOf(answer.head) : 0;
    if (status === 404) this.#resolve(undefined);
    else if (status >= 300) this.#reject(unavailable(`${status} ${statusTextOf(answer.head)}`));
    else this.#resolve(answer);
    return true;
  }

  lost(why: 'disconnected' | 'timeout'): void {
    this.#reject(lostAs(why));
  }
}

/**
 * Each message names the one before it in the batch, and the end (204) names the last: an answer that was lost on the way is
 * noticed, and a batch whose end did not come is no batch.
 */
class BatchAnswer implements Asker {
  deadline: number;
  readonly #resolve: (batch: Batch) => void;
  readonly #reject: (error: Error) => void;
  /** How the server says that there is nothing; in other words it is a failed read. */
  readonly #nothing: string;
  readonly #messages: Answer[] = [];
  #last = 0;

  readonly #waitMs: number;

  constructor(nothing: string, resolve: (batch: Batch) => void, reject: (error: Error) => void, waitMs: number) {
    this.#waitMs = waitMs;
    this.deadline = performance.now() + waitMs;
    this.#nothing = nothing;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  answered(message: Msg): boolean {
    const answer = answerOf(message);
    const { head } = answer;
    const status = answer.data.length === 0 ? statusOf(head) : 0;
    if (status === 404 && this.#messages.length === 0 && statusTextOf(head) === this.#nothing)
      this.#resolve({ messages: [], pending: 0, upTo: 0 });
    else if (status !== 0 && status !== 204) this.#reject(new NoAnswer(`${status} ${statusTextOf(head)}`));
    // Where a node comes back, two may answer one question.
    else if (numberOf(head, 'Nats-Last-Sequence') !== this.#last) this.#reject(new NoAnswer('an answer was lost'));
    else if (status === 204) {
      const pending = numberOf(head, 'Nats-Num-Pending');
      this.#resolve({ messages: this.#messages, pending, upTo: Number(headerOf(head, 'Nats-UpTo-Sequence')) });
    } else {
      this.#messages.push(answer);
      this.#last = numberOf(head, 'Nats-Sequence');
      this.deadline = performance.now() + this.#waitMs;
      return false;
    }
    return true;
  }

  lost(why: 'disconnected' | 'timeout'): void {
    this.#reject(lostAs(why));
  }
}
