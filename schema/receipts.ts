/**
 * Receipts: how far a member has received and read a lane. They are no events: they only grow, nobody decides on them, and
 * any order of them folds to the same.
 *
 * The stored form is a contract with every record already on disk: fields are added, never changed or removed.
 */
import type { DeviceId, LaneId, Millis, Seq, UserId } from './ids.ts';

export type MarkKind = 'delivered' | 'read';

/**
 * `delivered`: the device has stored every event of the lane up to `s`. `read`: the user has read everything up to `s`, which
 * implies delivered. Marks of one user, lane and kind fold by maximum: a late lower one changes nothing.
 */
export interface Mark {
  readonly u: UserId;
  /** The device that said so; absent where none was named. Only a `delivered` mark counts for the device itself. */
  readonly d?: DeviceId;
  readonly l: LaneId;
  readonly k: MarkKind;
  /** At most the lane's last seq: whoever makes the mark has looked. */
  readonly s: Seq;
  /** When it came in, by the clock of the process that took it. */
  readonly at: Millis;
}

/** One JetStream message: the marks of many users, all of lanes of one partition, in the order in which they came. */
export interface ReceiptRecord {
  readonly v: 1;
  /** Unique to this record; the same at each repetition of its append. */
  readonly id: string;
  /** Never empty. */
  readonly marks: readonly Mark[];
}

/** A record is closed at this many marks: at most about 250 kB of JSON, below NATS' `max_payload`. */
export const RECEIPT_MARKS_MAX = 750;
