/**
 * The port to the log of receipts, and the group commit into it. What is written here is what both adapters guarantee and the
 * contract suite checks.
 */
import type { Millis, Revision } from '../../schema/ids.ts';
import type { Mark, ReceiptRecord } from '../../schema/receipts.ts';

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
   * Batches of 1 to `maxBatch` records. Ends when `signal` aborts; does not throw for an outage, it goes on after it.
   */
  consume(
    partition: number,
    from: Revision,
    options: { readonly maxBatch: number; readonly signal: AbortSignal },
  ): AsyncIterable<readonly StoredReceipts[]>;
  /** As the leader has it now. Throws JournalUnavailable. */
  state(partition: number): Promise<ReceiptLogState>;
  /** The first record stored at or after `since`; undefined: there is none. Throws JournalUnavailable. */
  firstSince(partition: number, since: Millis): Promise<Revision | undefined>;
  /** Removes every record with revision < `below`. Throws JournalUnavailable; then it may have been done. */
  purge(partition: number, below: Revision): Promise<void>;
  close(): Promise<void>;
}

export type MarksOutcome =
  /** Every mark is stored durably. */
  | { readonly kind: 'stored' }
  /** `unknown`: some may be stored. `unavailable`: none of the last attempt is. Marking again is harmless in both cases. */
  | { readonly kind: 'unknown' | 'unavailable'; readonly message: string };

/** Repeats each append until it is certain. Bounded: past its limits `mark` answers `unavailable`. */
export declare class Receipts {
  constructor(log: ReceiptLog, options: { readonly clock: () => Millis });
  /** Settles when every mark is stored, or after about 8 s. Never throws. A mark beyond what the lane has must not come here. */
  mark(marks: readonly Mark[]): Promise<MarksOutcome>;
  /** Takes nothing more; what is in flight settles, or is answered after about 5 s. */
  stop(): Promise<void>;
}
