/**
 * How far members are, for readers: MongoDB up to the projector's position, and the log of receipts itself after it.
 */
import type { DeviceId, LaneId, Millis, UserId } from '../../schema/ids.ts';
import type { Mark } from '../../schema/receipts.ts';
import type { Stoppable } from '../journal/journal.ts';
import type { ReceiptLog } from '../journal/receipts.ts';
import type { Logger } from '../logger.ts';
import type { Mongo } from './connect.ts';

/** Seqs; 0: never. `delivered` ≥ `read`. */
export interface Mine {
  readonly delivered: number;
  readonly read: number;
}

/** When a user's maximum first reached a seq. Absent: it has not yet. */
export interface When {
  readonly deliveredAt?: Millis;
  /** The device whose mark did it; absent where it named none. */
  readonly deliveredTo?: DeviceId;
  readonly readAt?: Millis;
}

/**
 * Every question is answered as fresh as the log was at the call (asked of its leader), or throws HistoryUnavailable or
 * JournalUnavailable within about 2 s. Nobody's marks are left out instead. Whoever has no mark is not in the map.
 */
export interface ReceiptBoard {
  of(lane: LaneId): Promise<ReadonlyMap<UserId, Mine>>;
  ofUser(user: UserId, lanes: readonly LaneId[]): Promise<ReadonlyMap<LaneId, Mine>>;
  /** What this device has acknowledged; with `since`, only by marks from then on (a device that was registered anew). */
  device(user: UserId, device: DeviceId, since?: Millis): Promise<ReadonlyMap<LaneId, number>>;
  when(lane: LaneId, user: UserId, seq: number): Promise<When>;
  /** The same, of many members of one lane, in few requests. Users who have not received it are not in the map. */
  whenAll(lane: LaneId, users: readonly UserId[], seq: number): Promise<ReadonlyMap<UserId, When>>;
  /**
   * Every mark soon after it is stored, in the order of its partition, also those that raise nothing; after a start, some that
   * are older. `onMarks` must not throw.
   */
  listen(onMarks: (marks: readonly Mark[]) => void): Stoppable;
  stop(): Promise<void>;
}

export interface ReceiptBoardOptions {
  readonly receipts: ReceiptLog;
  readonly mongo: Mongo;
  readonly log: Logger;
}

/** Does not wait for MongoDB or NATS. Neither is closed with it. */
export declare function openReceiptBoard(options: ReceiptBoardOptions): ReceiptBoard;
