/**
 * The conversations of one webhook that have something to be sent. Pure but for its own state. A conversation holds its events, or,
 * once it is behind, only the place from which they are read again.
 */
import type { Millis } from '../schema/ids.ts';
import type { Line, SourceEvent } from './webhook-source.ts';
import type { Behind } from './webhook-state.ts';

export interface LaneWork {
  readonly line: Line;
  /** In order; the first may be under way. */
  queue: SourceEvent[];
  /** Where it is read on when the queue is empty. */
  next: number;
  /** The last of its events that the reader has passed. */
  upTo: number;
  isBehind: boolean;
  isSending: boolean;
  /** Of its first event. */
  attempts: number;
  failingSince: Millis | undefined;
  why: string;
  dueAt: Millis;
}

const FRESH = { isSending: false, attempts: 0, failingSince: undefined, why: '', dueAt: 0 };

export class WebhookLanes {
  /** In the order of their turns. */
  readonly #lanes = new Map<Line, LaneWork>();
  readonly #onBehind: (change: 1 | -1) => void;
  #held = 0;
  #behind = 0;

  constructor(onBehind: (change: 1 | -1) => void) {
    this.#onBehind = onBehind;
  }

  /** Events that the reader brought and that are not sent. */
  get held(): number {
    return this.#held;
  }
  /** Conversations. */
  get behind(): number {
    return this.#behind;
  }

  all(): readonly LaneWork[] {
    return [...this.#lanes.values()];
  }

  /** What is stored of the conversations that were behind when that was at `next`. */
  restore(behind: ReadonlyMap<Line, Behind>, next: number, dueAt: () => Millis): void {
    this.clear();
    for (const [line, { next: from, failingSince }] of behind) {
      const work = { ...FRESH, line, queue: [], next: from, upTo: next - 1, isBehind: true };
      this.#lanes.set(line, { ...work, failingSince, dueAt: dueAt() });
      this.#count(1);
    }
  }

  clear(): void {
    this.#lanes.clear();
    this.#held = 0;
    while (this.#behind > 0) this.#count(-1);
  }

  /** The reader has passed it. */
  add(event: SourceEvent): void {
    const work = this.#lanes.get(event.line);
    if (work?.isBehind) {
      work.upTo = event.at;
      return;
    }
    this.#held++;
    if (work) {
      work.queue.push(event);
      work.upTo = event.at;
      return;
    }
    const { line, at } = event;
    this.#lanes.set(line, { ...FRESH, line, queue: [event], next: at, upTo: at, isBehind: false });
  }

  /** The first of the queue is done with. */
  pass(work: LaneWork): void {
    const event = work.queue.shift();
    if (!event) return;
    if (!work.isBehind) this.#held--;
    work.next = event.at + 1;
    work.attempts = 0;
  }

  fallBehind(work: LaneWork): void {
    if (work.isBehind) return;
    work.next = work.queue[0]?.at ?? work.next;
    this.#held -= work.queue.length;
    work.queue = [];
    work.isBehind = true;
    this.#count(1);
  }

  /** After its turn: at the end of the line, or out of it where nothing of it is left. */
  putBack(work: LaneWork): void {
    if (this.#lanes.get(work.line) !== work) return;
    this.#lanes.delete(work.line);
    if (work.isBehind) work.queue = [];
    if (work.queue.length > 0 || work.next <= work.upTo) this.#lanes.set(work.line, work);
    else if (work.isBehind) this.#count(-1);
  }

  /** The first place that may not be forgotten: everything before it was sent, or is of a conversation whose own place is stored. */
  frontier(readerNext: number, isStored: (line: Line) => boolean): number {
    let frontier = readerNext;
    for (const { line, queue, next, isBehind } of this.#lanes.values()) {
      if (isBehind && isStored(line)) continue;
      frontier = Math.min(frontier, isBehind ? next : (queue[0]?.at ?? frontier));
    }
    return frontier;
  }

  *stored(): Iterable<Behind & { readonly line: Line }> {
    for (const { line, next, failingSince = 0, isBehind } of this.#lanes.values())
      if (isBehind) yield { line, next, failingSince };
  }

  #count(change: 1 | -1): void {
    this.#behind += change;
    this.#onBehind(change);
  }
}
