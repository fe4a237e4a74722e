/**
 * The port to the log of receipts, and the way of marks into it. What is written at the port is what both adapters guarantee
 * and the contract suite checks.
 */
import { randomUUID } from 'node:crypto';
import type { Millis, Revision } from '../../schema/ids.ts';
import { type Mark, RECEIPT_MARKS_MAX, type ReceiptRecord } from '../../schema/receipts.ts';
import { partitionOf } from '../../schema/subjects.ts';
import type { ConsumeOptions } from './consume.ts';
import type { Place } from './place.ts';

/** One stored record. Without marks: its bytes are no record that this version can read. */
export interface StoredReceipts {
  readonly partition: number;
  readonly revision: Revision;
  readonly storedAt: Millis;
  /** The record's id; '' where it cannot be read. */
  readonly id: string;
  readonly marks: readonly Mark[];
}

/** What became of one append. Only `stored` and `unknown` may have written; to append the same record again is harmless. */
export type ReceiptOutcome =
  | { readonly kind: 'stored'; readonly revision: Revision }
  /** `busy`, `full`: certainly not stored. `unknown`: it may be stored, or be stored later. */
  | { readonly kind: 'busy' | 'full' | 'unknown'; readonly message: string };

/** How a partition's log stands; sizes in bytes. */
export interface ReceiptLogState {
  /** The first record that is kept; end + 1 where there is none. */
  readonly first: Revision;
  readonly end: Revision;
  readonly bytes: number;
  readonly maxBytes: number;
}

export interface ReceiptLog {
  readonly partitions: number;
  /** Stores the record durably behind all others of the partition. Waits at most about 2 s. Never throws. */
  append(partition: number, record: ReceiptRecord): Promise<ReceiptOutcome>;
  /** The last record's revision as the leader has it now: every append answered before this call is seen. Throws JournalUnavailable. */
  end(partition: number): Promise<Revision>;
  /**
   * Every record from revision `from` on, in order, without holes (what was purged is left out), across reconnects, for ever.
   * Batches of 1 to `maxBatch` records. Ends when `signal` aborts; does not throw for an outage, it goes on after it. Throws
   * OtherStream as the journal's does.
   */
  consume(partition: number, from: Revision, options: ConsumeOptions): AsyncIterable<readonly StoredReceipts[]>;
  /** As of the journal. */
  whyOther(partition: number, place: Place): Promise<string | undefined>;
  /** As the leader has it now. Throws JournalUnavailable. */
  state(partition: number): Promise<ReceiptLogState>;
  /** The first record stored at or after `since`; undefined: there is none. Throws JournalUnavailable. */
  firstSince(partition: number, since: Millis): Promise<Revision | undefined>;
  /** Removes every record with revision < `below`, which is at most the end. Throws JournalUnavailable; then it may have been done. */
  purge(partition: number, below: Revision): Promise<void>;
  close(): Promise<void>;
}

/** What happens, for whoever counts it. */
export interface ReceiptsObserver {
  appended(tookMs: number, kind: ReceiptOutcome['kind'], marks: number): void;
}

export interface ReceiptsLimits {
  /** Marks waiting in this process, those in flight included; past it `unavailable`. */
  readonly waiting: number;
  /** After this long a mark is answered with what is known. */
  readonly answerMs: number;
  /** Between the beginnings of two appends of one partition. */
  readonly paceMs: number;
  /** How long `stop` lets what is in flight settle. */
  readonly stopMs: number;
}
export const DEFAULT_RECEIPTS_LIMITS: ReceiptsLimits = { waiting: 100_000, answerMs: 8_000, paceMs: 10, stopMs: 5_000 };

export interface ReceiptsOptions {
  readonly clock: () => Millis;
  readonly limits?: Partial<ReceiptsLimits>;
  readonly observer?: ReceiptsObserver;
  readonly wait?: (ms: number) => Promise<void>;
}

export type MarksOutcome =
  /** Every mark is stored durably. */
  | { readonly kind: 'stored' }
  /** `unavailable`: not all of them are, and none will be later. `unknown`: some may still be. To mark again is harmless. */
  | { readonly kind: 'unknown' | 'unavailable'; readonly message: string };

/** Marks of one call for one partition, on their way together. */
interface Part {
  readonly marks: readonly Mark[];
  readonly since: Millis;
  answer: ((outcome: MarksOutcome) => void) | undefined;
}
interface Queue {
  readonly partition: number;
  pending: Part[];
  isRunning: boolean;
  begunAt: Millis;
}

const STORED: MarksOutcome = { kind: 'stored' };
const unavailable = (message: string): MarksOutcome => ({ kind: 'unavailable', message });
const UNAVAILABLE = unavailable('The store cannot be reached now. Mark it again.');
const FULL = unavailable('The store of receipts is full. Mark it again later.');
const STOPPING = unavailable('This server is stopping. Mark it again.');
const CROWDED = unavailable('This server has too much to do. Mark it again later.');
const UNKNOWN: MarksOutcome = { kind: 'unknown', message: 'The store did not answer. Mark it again.' };

/**
 * Group commit: one append is in flight per partition, and what comes meanwhile goes together into the next. Under load the
 * appends of a partition begin 10 ms apart: nobody waits for a receipt, and a record costs the same with one mark or many.
 */
export class Receipts {
  readonly #log: ReceiptLog;
  readonly #options: ReceiptsOptions;
  readonly #limits: ReceiptsLimits;
  readonly #wait: (ms: number) => Promise<void>;
  readonly #queues: readonly Queue[];
  #waiting = 0;
  #stopAt: Millis | undefined;
  #onIdle: (() => void) | undefined;

  constructor(log: ReceiptLog, options: ReceiptsOptions) {
    this.#log = log;
    this.#options = options;
    this.#limits = { ...DEFAULT_RECEIPTS_LIMITS, ...options.limits };
    this.#wait = options.wait ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms)));
    this.#queues = Array.from({ length: log.partitions }, (_, partition) => ({
      partition,
      pending: [],
      isRunning: false,
      begunAt: Number.NEGATIVE_INFINITY,
    }));
  }

  /** Settles when every mark is stored, or after about `answerMs`. Never throws. No mark may be beyond its lane's last seq. */
  async mark(marks: readonly Mark[]): Promise<MarksOutcome> {
    if (this.#stopAt !== undefined) return STOPPING;
    if (this.#waiting + marks.length > this.#limits.waiting) return CROWDED;
    const outcomes = await Promise.all(partsOf(marks, this.#log.partitions).map((part) => this.#enqueue(...part)));
    return (
      outcomes.find(({ kind }) => kind === 'unknown') ?? outcomes.find(({ kind }) => kind === 'unavailable') ?? STORED
    );
  }

  /** Takes nothing more; what is in flight settles, or is answered after `stopMs`. */
  async stop(): Promise<void> {
    this.#stopAt ??= this.#options.clock() + this.#limits.stopMs;
    if (this.#waiting === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    await Promise.race([idle, this.#wait(this.#limits.stopMs)]);
  }

  #enqueue(partition: number, marks: readonly Mark[]): Promise<MarksOutcome> {
    const queue = this.#queues[partition] as Queue;
    this.#waiting += marks.length;
    return new Promise((answer) => {
      queue.pending.push({ marks, since: this.#options.clock(), answer });
      if (!queue.isRunning) void this.#run(queue);
    });
  }

  async #run(queue: Queue): Promise<void> {
    queue.isRunning = true;
    while (queue.pending.length > 0) {
      const early = queue.begunAt + this.#limits.paceMs - this.#options.clock();
      if (early > 0 && early <= this.#limits.paceMs) await this.#wait(early);
      const parts = taken(queue);
      if (parts.length === 0) continue;
      queue.begunAt = this.#options.clock();
      const outcome = await this.#append(queue, parts);
      for (const part of parts) this.#answer(part, outcome);
    }
    queue.isRunning = false;
  }

  /** Repeats the one append until its end is certain, or its time is over. */
  async #append(queue: Queue, parts: readonly Part[]): Promise<MarksOutcome> {
    const record: ReceiptRecord = { v: 1, id: randomUUID(), marks: parts.flatMap(({ marks }) => marks) };
    let mayBeStored = false;
    for (let attempt = 0; ; attempt++) {
      const startedAt = performance.now();
      const outcome = await this.#log.append(queue.partition, record);
      this.#options.observer?.appended(performance.now() - startedAt, outcome.kind, record.marks.length);
      if (outcome.kind === 'stored') return STORED;
      mayBeStored ||= outcome.kind === 'unknown';
      if (outcome.kind === 'full') return mayBeStored ? UNKNOWN : FULL;
      const now = this.#options.clock();
      for (const part of queue.pending) if (now - part.since >= this.#limits.answerMs) this.#answer(part, UNAVAILABLE);
      const begun = (parts[0] as Part).since;
      if (now - begun >= this.#limits.answerMs || (this.#stopAt !== undefined && now >= this.#stopAt))
        return mayBeStored ? UNKNOWN : UNAVAILABLE;
      await this.#wait(Math.min(5 * 2 ** attempt, 1_000) * (0.5 + Math.random() / 2));
    }
  }

  #answer(part: Part, outcome: MarksOutcome): void {
    if (!part.answer) return;
    part.answer(outcome);
    part.answer = undefined;
    this.#waiting -= part.marks.length;
    if (this.#waiting === 0) this.#onIdle?.();
  }
}

/** The oldest that fit into one record; those that were answered meanwhile are dropped. */
function taken(queue: Queue): readonly Part[] {
  const waiting = queue.pending.filter(({ answer }) => answer);
  let marks = 0;
  const end = waiting.findIndex((part, i) => {
    marks += part.marks.length;
    return i > 0 && marks > RECEIPT_MARKS_MAX;
  });
  queue.pending = end < 0 ? [] : waiting.slice(end);
  return end < 0 ? waiting : waiting.slice(0, end);
}

/** By partition, each small enough for a record. */
function partsOf(marks: readonly Mark[], partitions: number): (readonly [number, readonly Mark[]])[] {
  const byPartition = new Map<number, Mark[]>();
  for (const mark of marks) {
    const partition = partitionOf(mark.l, partitions);
    const some = byPartition.get(partition);
    if (some) some.push(mark);
    else byPartition.set(partition, [mark]);
  }
  return [...byPartition].flatMap(([partition, all]) =>
    Array.from(
      { length: Math.ceil(all.length / RECEIPT_MARKS_MAX) },
      (_, i) => [partition, all.slice(i * RECEIPT_MARKS_MAX, (i + 1) * RECEIPT_MARKS_MAX)] as const,
    ),
  );
}
