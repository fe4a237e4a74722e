/**
 * The followers of one lane who asked for the same operation. A frame is executed and serialised once for all of them, and
 * what several of them are to get next is put together once.
 */
import type { Millis, UserId } from '../../schema/ids.ts';
import type { Frames, Operation } from './frames.ts';
import type { Ring } from './ring.ts';
import { type Part, SharedPayload } from './sink.ts';
import type { FrameSource, ReceiptFrame } from './sources.ts';

/** What one write carries at most; a single larger frame is a write of its own. */
export const RUN_PARTS = 64;
export const RUN_BYTES = 128 * 1024;
/** What is kept of an audience's answers for those who come a little later … */
const KEPT_PARTS = 128;
const KEPT_BYTES = 512 * 1024;
/** … unless all audiences of the process together keep more than this. */
const ALL_KEPT_BYTES = 64 * 1024 * 1024;

/** Bytes of answers kept by all audiences of a process. */
export interface AnswerBudget {
  bytes: number;
}

/** The frames after `from` up to `to`; without parts where none of them can be shown. */
export interface Run {
  readonly from: number;
  readonly to: number;
  readonly payload: SharedPayload;
}

export class Audience {
  readonly operation: Operation;
  readonly #frames: Frames;
  readonly #ring: Ring;
  readonly #budget: AnswerBudget;
  readonly #wake: () => void;
  /** How many share it. With one alone nothing is kept. */
  size = 0;
  /** By seq, or by a mark's name; in order of coming. A promise stays until it is settled. */
  readonly #answers = new Map<number | string, Part | Promise<Part>>();
  #keptBytes = 0;
  #lastRun: Run | undefined;

  constructor(options: { operation: Operation; frames: Frames; ring: Ring; budget: AnswerBudget; wake: () => void }) {
    this.operation = options.operation;
    this.#frames = options.frames;
    this.#ring = options.ring;
    this.#budget = options.budget;
    this.#wake = options.wake;
  }

  /**
   * What of the ring comes after `from` and not after `upTo`, made for `user` where it is not there yet. Undefined: it is not
   * ready, and `wake` will be called. A number: so many milliseconds `user` has to wait.
   */
  run(from: number, upTo: number, user: UserId): Run | Millis | undefined {
    const ring = this.#ring;
    const last = this.#lastRun;
    if (last?.from === from && last.to <= upTo && (last.to === ring.head || isFull(last.payload))) return last;
    const parts: Part[] = [];
    const end = Math.min(ring.head, upTo);
    let bytes = 0;
    let to = from;
    let wait: Millis = 0;
    while (to < end && parts.length < RUN_PARTS && bytes < RUN_BYTES) {
      const frame = ring.at(to + 1);
      if (this.#frames.shows(frame.__typename)) {
        if (!this.#answers.has(frame.seq)) wait = this.#frames.wait(frame, user);
        if (wait > 0) break;
        const part = this.#answer(frame.seq, frame, { payer: user });
        if (!part) break;
        parts.push(part);
        bytes += part.utf8.byteLength;
      }
      to++;
    }
    if (to === from) return wait > 0 ? wait : undefined;
    const run = { from, to, payload: new SharedPayload(parts, to) };
    this.#lastRun = this.size > 1 ? run : undefined;
    this.#keepLess();
    return run;
  }

  /** A frame that is not in the lane. Undefined: it is not ready, and `wake` will be called. */
  mark(source: FrameSource): SharedPayload | undefined {
    const reason = source.__typename === 'Reset' && 'resetReason' in source ? source.resetReason : '';
    const part = this.#answer(`${source.__typename} ${source.seq} ${reason}`, source);
    if (!part) return undefined;
    this.#keepLess();
    return new SharedPayload([part], source.seq);
  }

  /** Marks of members, in one write; `seq` is where they leave the reader. Undefined: they are not ready, and `wake` will be called. */
  receipts(sources: readonly ReceiptFrame[], seq: number): SharedPayload | undefined {
    const parts: Part[] = [];
    for (const source of sources) {
      const { user, delivered, read, unread } = source;
      const name = `${source.__typename} ${user} ${delivered} ${read} ${unread}`;
      // With a count it is for that user alone, and kept for nobody.
      const part = this.#answer(name, source, { kept: unread === null });
      if (part) parts.push(part);
    }
    if (parts.length < sources.length) return undefined;
    this.#keepLess();
    return new SharedPayload(parts, seq);
  }

  /** Forgets all answers: the places in the lane mean something else now, or nobody is here any more. */
  forget(): void {
    this.#answers.clear();
    this.#budget.bytes -= this.#keptBytes;
    this.#keptBytes = 0;
    this.#lastRun = undefined;
  }

  #answer(
    name: number | string,
    source: FrameSource,
    { kept = true, payer }: { readonly kept?: boolean; readonly payer?: UserId } = {},
  ): Part | undefined {
    const known = this.#answers.get(name);
    if (known) return known instanceof Promise ? undefined : known;
    const answer = this.#frames.execute(this.operation, source, payer);
    if (!(answer instanceof Promise)) {
      if (kept) this.#keep(name, answer);
      return answer;
    }
    this.#answers.set(name, answer);
    void answer.then((part) => {
      if (this.#answers.get(name) !== answer) return;
      this.#answers.delete(name);
      this.#keep(name, part);
      this.#wake();
    });
    return undefined;
  }

  #keep(name: number | string, part: Part): void {
    this.#answers.set(name, part);
    this.#count(part.utf8.byteLength);
  }

  /** Called when something was taken: what came last is the last to go. */
  #keepLess(): void {
    const spare = this.size > 1 && this.#budget.bytes <= ALL_KEPT_BYTES;
    for (const [name, part] of this.#answers) {
      if (spare && this.#answers.size <= KEPT_PARTS && this.#keptBytes <= KEPT_BYTES) return;
      if (part instanceof Promise) continue;
      this.#answers.delete(name);
      this.#count(-part.utf8.byteLength);
    }
  }

  #count(bytes: number): void {
    this.#keptBytes += bytes;
    this.#budget.bytes += bytes;
  }
}

const isFull = ({ parts, byteLength }: SharedPayload): boolean => parts.length >= RUN_PARTS || byteLength >= RUN_BYTES;
