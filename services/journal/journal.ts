/**
 * The port to the store of all lanes. What is written here is what both adapters guarantee and the contract suite checks.
 */
import type { LaneRecord } from '../../schema/events.ts';
import type { LaneId, Millis, Revision } from '../../schema/ids.ts';
import type { LaneSnapshot } from '../lane/snapshot.ts';
import type { ConsumeOptions } from './consume.ts';
import type { Place } from './place.ts';

export interface StoredRecord {
  readonly lane: LaneId;
  readonly revision: Revision;
  readonly storedAt: Millis;
  readonly payload: Uint8Array;
  /** Undefined: the payload is not a record of this lane that this version can read (a poison record). */
  readonly record: LaneRecord | undefined;
}

/**
 * What became of one append. Only `stored` and `unknown` may have written. `conflict` says that the lane's last revision is
 * not the expected one, perhaps by an earlier attempt of the same record: whoever gets it looks before concluding.
 */
export type AppendOutcome =
  | { readonly kind: 'stored'; readonly revision: Revision }
  | { readonly kind: 'conflict' }
  /** Certainly not stored; the server is busy, leaderless or not reached. */
  | { readonly kind: 'busy'; readonly message: string }
  /** Certainly not stored; the stream is at its limit or the disk is full. */
  | { readonly kind: 'full'; readonly message: string }
  /** No answer, or the connection went: it may be stored, or be stored later. */
  | { readonly kind: 'unknown'; readonly message: string };

/** The store could not answer a read. Nothing is known; the same read may be answered later. */
export class JournalUnavailable extends Error {
  override readonly name = 'JournalUnavailable';
}

export interface ReadOptions {
  /** Records at most; the adapter may return fewer, then `complete` is false. */
  readonly limit?: number;
}
export interface ReadResult {
  /** Rising by revision, all of one lane, without a hole. */
  readonly records: readonly StoredRecord[];
  /** True: the lane had no further record when the last one was read. */
  readonly complete: boolean;
}

/** A lane's folded state after the record `revision` with id `recordId`. */
export interface StoredSnapshot {
  readonly revision: Revision;
  readonly recordId: string;
  readonly state: LaneSnapshot;
}

export interface Stoppable {
  stop(): void;
}

export interface Journal {
  readonly partitions: number;
  /**
   * Stores the record durably if the lane's last revision is `expected` (0: the lane has none). Waits at most about 2 s.
   * Never throws. Appending the same record twice with the same `expected` stores it at most once.
   */
  append(record: LaneRecord, expected: Revision): Promise<AppendOutcome>;
  /** The lane's last record as its leader has it now: every append answered before this call is seen. Throws JournalUnavailable. */
  last(lane: LaneId): Promise<StoredRecord | undefined>;
  /** As `last`, for many lanes in few requests, revisions only; 0 where there is none. Throws JournalUnavailable. */
  lastRevisions(lanes: readonly LaneId[]): Promise<ReadonlyMap<LaneId, Revision>>;
  /**
   * The lane's records with revision ≥ `from`. May answer from a replica that is a little behind: whoever needs the newest
   * compares with `last`. Never returns a partial answer as whole: a stalled read throws JournalUnavailable.
   */
  read(lane: LaneId, from: Revision, options?: ReadOptions): Promise<ReadResult>;
  /** The lane's first record with revision ≥ `from` as its leader has it; undefined: there is none. Throws JournalUnavailable. */
  next(lane: LaneId, from: Revision): Promise<StoredRecord | undefined>;
  /** Undefined: none, or not readable, or of another version. Throws JournalUnavailable. */
  readSnapshot(lane: LaneId): Promise<StoredSnapshot | undefined>;
  /** Compare-and-set by revision: never replaces a newer snapshot. Best effort; false when it was not written. Never throws. */
  writeSnapshot(lane: LaneId, snapshot: StoredSnapshot): Promise<boolean>;
  /**
   * The lossy copy of each record after it is stored, usually in order, at most once. A doorbell, not a promise.
   * `onRecord` must not throw.
   */
  listen(lane: LaneId, onRecord: (record: StoredRecord) => void): Stoppable;
  /** Called after each reconnect, perhaps twice: whatever `listen` should have brought may be missing, and the store another. */
  onReconnect(callback: () => void): Stoppable;
  /**
   * The stream sequence of the partition's last record now; 0: empty. `figure`: as its leader has it, which of several servers may
   * be of the past, and costs no append. Throws JournalUnavailable.
   */
  partitionEnd(partition: number, as?: 'figure'): Promise<Revision>;
  /**
   * Every record of a partition from stream sequence `from` on, in order, without holes, across reconnects, for ever: after
   * the last one it waits for the next. Batches of 1 to `maxBatch` records, as many as are there. Backpressure: no more than
   * a few batches are held. Ends when `signal` aborts; does not throw for an outage, it goes on after it. `after`: the id of the
   * record before `from`, where it is known. Throws OtherStream, and gives nothing more, where the record before the next one
   * is not the one that was given, or that is known: at the start, after every reconnect, and within about 2 s.
   */
  consume(partition: number, from: Revision, options: ConsumeOptions): AsyncIterable<readonly StoredRecord[]>;
  /** Why the partition is not the one in which that place was reached; undefined: it is. Throws JournalUnavailable. */
  whyOther(partition: number, place: Place): Promise<string | undefined>;
  /** Every lane of a partition that has a record, with its last revision. Throws JournalUnavailable. */
  lanes(partition: number): AsyncIterable<readonly { readonly lane: LaneId; readonly revision: Revision }[]>;
  close(): Promise<void>;
}
