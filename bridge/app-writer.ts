/**
 * Appends to one integration's stream. Every message names the sequence that it expects the last one of its subject to have:
 * nothing is stored twice or out of order, whoever else writes, and whatever became of an answer.
 *
 * Many are under way at once all the same: the sequence of a message that is not answered yet is foretold. That alone would not do:
 * at the foretold place another bridge's message of the same subject may lie. So what is sent while something is under way also
 * names the id of the message sent before it, which must be the stream's last. Messages that hang together like this are stored
 * one right after the other, or none of them from the first that is not. Where somebody else writes, too, they do not hang
 * together, and each of a subject waits for the answer to the one before it.
 */
import type { Msg } from 'nats';
import { outcomeOf } from '../services/journal/append-outcome.ts';
import type { AppendOutcome } from '../services/journal/journal.ts';
import type { Asker, Link } from '../services/journal/link.ts';
import { answerOf, headersOf } from '../services/journal/message.ts';

export interface Item {
  readonly seq: number;
  /** `Nats-Msg-Id`: no other message of the stream has it. */
  readonly id: string;
  readonly payload: Uint8Array;
}
/** The last message of a subject: the event's seq, and the message's sequence in the stream; 0 where there is none. */
export interface Tail {
  readonly seq: number;
  readonly at: number;
}
/** `tail`: of the subject after what was stored. What is left was not stored, or nobody knows (`unknown`). */
export interface Written {
  readonly kind: 'stored' | 'conflict' | 'busy' | 'full' | 'unknown' | 'stopped';
  readonly stored: number;
  readonly tail: Tail;
  readonly message: string;
}
export interface WriteOptions {
  readonly signal: AbortSignal;
  /** Leaves room for what is live. */
  readonly behind?: boolean;
}

/** Of one integration, written and not answered. */
const IN_FLIGHT = 384;
const IN_FLIGHT_BEHIND = 256;
/** Who waits goes on when so many places are free: what goes out together is one write. */
const TOGETHER = 64;
const ANSWER_MS = 3_000;
/** So long after a conflict everything waits for the answers to what it follows. */
const ALONE_AGAIN_MS = 1_000;
/** After so long others may well have written something: dead letters, another bridge. */
const IDLE_MS = 20;
/** What the server stores beside subject, headers and payload. */
const OVERHEAD_BYTES = 48;
const WRONG_LAST_ID = '(10070)';

interface Sent {
  /** Undefined: only the answer tells. */
  readonly foretold: number | undefined;
  readonly run: number;
}

/** What one call has sent. */
class Under {
  readonly outcomes: (AppendOutcome | undefined)[] = [];
  last: Sent | undefined;
  failed = false;
  #open = 0;
  #wake: (() => void) | undefined;

  sent(sent: Sent): number {
    this.last = sent;
    this.#open++;
    return this.outcomes.push(undefined) - 1;
  }

  settled(index: number, outcome: AppendOutcome): void {
    this.outcomes[index] = outcome;
    this.failed ||= outcome.kind !== 'stored';
    this.#open--;
    if (this.#open === 0 || index === this.outcomes.length - 1) this.#wake?.();
  }

  /** Undefined: it was not stored. */
  async placeOfLast(): Promise<number | undefined> {
    const index = this.outcomes.length - 1;
    while (this.outcomes[index] === undefined) await this.#woken();
    const outcome = this.outcomes[index];
    return outcome?.kind === 'stored' ? outcome.revision : undefined;
  }

  async all(): Promise<void> {
    while (this.#open > 0) await this.#woken();
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

export class AppWriter {
  readonly #link: Link;
  #inFlight = 0;
  readonly #waiting: { readonly live: (() => void)[]; readonly behind: (() => void)[] } = { live: [], behind: [] };
  /** Counts the runs of messages that hang together. */
  #run = 0;
  /** Messages sent so far. A stored one's sequence less its number, where it is of this run. */
  #sent = 0;
  #ahead: number | undefined;
  #lastId: string | undefined;
  #sharedUntil = 0;
  #unanswered = 0;
  #answeredAt = 0;
  /** Stored by this writer, for the account of what the stream holds. */
  bytes = 0;

  constructor(link: Link) {
    this.#link = link;
  }

  /** The stream may be another now. */
  forget(): void {
    this.#begin();
  }

  /** In order, until one of them is not stored. Never rejects. */
  async write(subject: string, tail: Tail, items: readonly Item[], options: WriteOptions): Promise<Written> {
    const { signal, behind = false } = options;
    const under = new Under();
    for (const item of items) {
      if (!this.#hasPlace(behind)) await this.#place(behind);
      let expected = under.last ? this.#foretold(under.last) : tail.at;
      if (expected === undefined) expected = await under.placeOfLast();
      if (signal.aborted || under.failed || expected === undefined) {
        this.#leave();
        break;
      }
      this.#send(subject, expected, item, under);
    }
    await under.all();
    return writtenOf(under.outcomes, items, tail);
  }

  /** Undefined: only the answer tells where it lies. */
  #foretold({ foretold, run }: Sent): number | undefined {
    return run === this.#run && !this.#isShared ? foretold : undefined;
  }

  /** Others write, too; or of several servers, which look at ids when the order is made already. */
  get #isShared(): boolean {
    return this.#link.isClustered || performance.now() < this.#sharedUntil;
  }

  #send(subject: string, expected: number, { id, payload }: Item, under: Under): void {
    const isIdle = this.#unanswered === 0 && performance.now() - this.#answeredAt > IDLE_MS;
    if (this.#isShared || isIdle) this.#begin();
    const follows = this.#lastId === undefined ? '' : `\r\nNats-Expected-Last-Msg-Id: ${this.#lastId}`;
    const headers = `Nats-Expected-Last-Subject-Sequence: ${expected}${follows}\r\nNats-Msg-Id: ${id}`;
    const run = this.#run;
    const number = this.#sent++;
    const index = under.sent({ foretold: this.#ahead === undefined ? undefined : this.#ahead + number, run });
    if (!this.#isShared) this.#lastId = id;
    this.#unanswered++;
    const bytes = payload.length + subject.length + headers.length + OVERHEAD_BYTES;
    const put = new Put(this, { under, index, run, number, bytes });
    try {
      if (!this.#link.ask(put, subject, payload, headersOf(headers)))
        this.settled(put, { kind: 'busy', message: 'not connected' });
    } catch (error) {
      this.settled(put, { kind: 'busy', message: `not sent: ${(error as Error).message}` });
    }
  }

  /** Of one message, by itself alone. */
  settled({ of: { under, index, run, number, bytes } }: Put, outcome: AppendOutcome): void {
    this.#unanswered--;
    this.#answeredAt = performance.now();
    if (outcome.kind === 'stored') {
      if (run === this.#run) this.#ahead = outcome.revision - number;
      this.bytes += bytes;
    } else if (run === this.#run) this.#break();
    under.settled(index, outcome);
    this.#leave();
  }

  /** The next message hangs together with none before it. */
  #begin(): void {
    this.#run++;
    this.#ahead = undefined;
    this.#lastId = undefined;
  }

  #break(): void {
    this.#begin();
    this.#sharedUntil = performance.now() + ALONE_AGAIN_MS;
  }

  #hasPlace(behind: boolean): boolean {
    if (this.#inFlight >= (behind ? IN_FLIGHT_BEHIND : IN_FLIGHT)) return false;
    this.#inFlight++;
    return true;
  }

  #place(behind: boolean): Promise<void> {
    return new Promise((go) => (behind ? this.#waiting.behind : this.#waiting.live).push(go));
  }

  /** Places go to the next in line, what is live before what is behind. */
  #leave(): void {
    this.#inFlight--;
    this.#wake(this.#waiting.live, IN_FLIGHT);
    this.#wake(this.#waiting.behind, IN_FLIGHT_BEHIND);
  }

  #wake(waiting: (() => void)[], most: number): void {
    if (waiting.length === 0 || this.#inFlight > most - TOGETHER) return;
    for (const go of waiting.splice(0, most - this.#inFlight)) {
      this.#inFlight++;
      go();
    }
  }
}

/** What expected a later one to be there, and was stored, proves those before it. */
function writtenOf(outcomes: readonly (AppendOutcome | undefined)[], items: readonly Item[], before: Tail): Written {
  const last = outcomes.findLastIndex((outcome) => outcome?.kind === 'stored');
  const found = outcomes[last];
  const tail = found?.kind === 'stored' ? { seq: (items[last] as Item).seq, at: found.revision } : before;
  const stored = last + 1;
  if (stored === items.length) return { kind: 'stored', stored, tail, message: '' };
  const failure = outcomes[stored];
  if (!failure || failure.kind === 'stored') return { kind: 'stopped', stored, tail, message: 'stopped' };
  const message = 'message' in failure ? failure.message : 'wrong last sequence';
  return { kind: message.endsWith(WRONG_LAST_ID) ? 'conflict' : failure.kind, stored, tail, message };
}

interface Message {
  readonly under: Under;
  readonly index: number;
  readonly run: number;
  readonly number: number;
  readonly bytes: number;
}

class Put implements Asker {
  readonly deadline = performance.now() + ANSWER_MS;
  readonly of: Message;
  readonly #writer: AppWriter;

  constructor(writer: AppWriter, of: Message) {
    this.#writer = writer;
    this.of = of;
  }

  answered(message: Msg): true {
    this.#writer.settled(this, outcomeOf(answerOf(message)));
    return true;
  }

  lost(why: 'disconnected' | 'timeout'): void {
    const message = why === 'timeout' ? 'no answer in time' : 'the connection was lost';
    this.#writer.settled(this, { kind: 'unknown', message });
  }
}
