/**
 * Appends to one integration's stream. Every message of a subject names the sequence that it expects the subject's last one to
 * have: nothing is stored twice or out of order, whoever else writes, and whatever became of an answer.
 *
 * Many are under way at once all the same: what goes over one connection is stored in its order, so the sequence of a message
 * that is not answered yet is foretold. A wrong foretelling is a conflict, never a wrong place.
 */
import type { Msg } from 'nats';
import { outcomeOf } from '../services/journal/append-outcome.ts';
import type { AppendOutcome } from '../services/journal/journal.ts';
import type { Asker, Link } from '../services/journal/link.ts';
import { answerOf, headersOf } from '../services/journal/message.ts';

export interface Item {
  readonly seq: number;
  /** `Nats-Msg-Id`. */
  readonly id?: string | undefined;
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
  /** One after the other: after a conflict. */
  readonly serial?: boolean;
  /** Leaves room for what is live. */
  readonly behind?: boolean;
}

/** Of one integration, written and not answered. */
const IN_FLIGHT = 256;
const IN_FLIGHT_BEHIND = 128;
const ANSWER_MS = 3_000;
const STOPPED = { kind: 'stopped', message: 'stopped' } as const;

interface Answered {
  readonly outcome: AppendOutcome;
}

export class AppWriter {
  readonly #link: Link;
  #inFlight = 0;
  readonly #waiting: { readonly live: (() => void)[]; readonly behind: (() => void)[] } = { live: [], behind: [] };
  /** Messages sent so far; a stored one's sequence less its number here, as of the last answer. */
  #sent = 0;
  #ahead: number | undefined;
  /** Stored by this writer, for the account of what the stream holds. */
  bytes = 0;

  constructor(link: Link) {
    this.#link = link;
  }

  /** The stream may be another now: nothing is foretold until an answer came. */
  forget(): void {
    this.#ahead = undefined;
  }

  /** In order, until one of them is not stored. Never rejects. */
  async write(subject: string, tail: Tail, items: readonly Item[], options: WriteOptions): Promise<Written> {
    const { signal, serial = false, behind = false } = options;
    const under: Promise<Answered>[] = [];
    let expected: number | undefined = tail.at;
    let failed = false;
    for (const item of items) {
      await this.#place(behind);
      if (signal.aborted || failed) {
        this.#leave();
        break;
      }
      if (expected === undefined) {
        const { outcome } = (await under.at(-1)) as Answered;
        if (outcome.kind !== 'stored') {
          this.#leave();
          break;
        }
        expected = outcome.revision;
      }
      const { answered, foretold } = this.#send(subject, expected, item);
      under.push(answered);
      answered.then(({ outcome }) => {
        failed ||= outcome.kind !== 'stored';
      });
      expected = serial ? undefined : foretold;
    }
    const outcomes = (await Promise.all(under)).map(({ outcome }) => outcome);
    return writtenOf(outcomes, items, tail);
  }

  #send(subject: string, expected: number, { id, payload }: Item) {
    const headers = `Nats-Expected-Last-Subject-Sequence: ${expected}${id === undefined ? '' : `\r\nNats-Msg-Id: ${id}`}`;
    const number = this.#sent++;
    const foretold = this.#ahead === undefined ? undefined : this.#ahead + number;
    const answered = new Promise<Answered>((resolve) => {
      const settle = (outcome: AppendOutcome): void => {
        if (outcome.kind === 'stored') {
          this.#ahead = outcome.revision - number;
          this.bytes += payload.length + subject.length + headers.length + 48;
        } else if (outcome.kind === 'unknown') this.#ahead = undefined;
        else if (this.#ahead !== undefined) this.#ahead--;
        this.#leave();
        resolve({ outcome });
      };
      try {
        if (!this.#link.ask(new Put(settle), subject, payload, headersOf(headers)))
          settle({ kind: 'busy', message: 'not connected' });
      } catch (error) {
        settle({ kind: 'busy', message: `not sent: ${(error as Error).message}` });
      }
    });
    return { answered, foretold };
  }

  #place(behind: boolean): Promise<void> | void {
    if (this.#inFlight < (behind ? IN_FLIGHT_BEHIND : IN_FLIGHT)) {
      this.#inFlight++;
      return;
    }
    return new Promise((go) => (behind ? this.#waiting.behind : this.#waiting.live).push(go));
  }

  /** The place goes to the next in line, what is live before what is behind, or back. */
  #leave(): void {
    this.#inFlight--;
    const { live, behind } = this.#waiting;
    const next = live.shift() ?? (this.#inFlight < IN_FLIGHT_BEHIND ? behind.shift() : undefined);
    if (!next) return;
    this.#inFlight++;
    next();
  }
}

/** What expected a later one to be there, and was stored, proves those before it. */
function writtenOf(outcomes: readonly AppendOutcome[], items: readonly Item[], before: Tail): Written {
  const last = outcomes.findLastIndex(({ kind }) => kind === 'stored');
  const found = outcomes[last];
  const tail = found?.kind === 'stored' ? { seq: (items[last] as Item).seq, at: found.revision } : before;
  const stored = last + 1;
  if (stored === items.length) return { kind: 'stored', stored, tail, message: '' };
  const failure = outcomes[stored];
  if (!failure || failure.kind === 'stored') return { ...STOPPED, stored, tail };
  return { kind: failure.kind, stored, tail, message: 'message' in failure ? failure.message : 'wrong last sequence' };
}

class Put implements Asker {
  readonly deadline = performance.now() + ANSWER_MS;
  readonly #settle: (outcome: AppendOutcome) => void;

  constructor(settle: (outcome: AppendOutcome) => void) {
    this.#settle = settle;
  }

  answered(message: Msg): true {
    this.#settle(outcomeOf(answerOf(message)));
    return true;
  }

  lost(why: 'disconnected' | 'timeout'): void {
    this.#settle({ kind: 'unknown', message: why === 'timeout' ? 'no answer in time' : 'the connection was lost' });
  }
}
