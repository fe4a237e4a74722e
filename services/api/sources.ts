/**
 * What the resolvers of a subscription's frames get as their source. Every value here is the same for all who may see it:
 * that is what lets one execution serve them all.
 */
import type { LaneEvent } from '../../schema/events.ts';
import type { LaneId, Millis, UserId } from '../../schema/ids.ts';

export type ResetReason = 'TOO_FAR_BEHIND' | 'AHEAD' | 'STORE_REBUILT';

/** A frame that is not in the lane: `seq` is the position that it leaves its reader at. */
export interface MarkFrame {
  readonly __typename: 'StreamStarted' | 'CaughtUp';
  readonly lane: LaneId;
  readonly seq: number;
}
export interface ResetFrame {
  readonly __typename: 'Reset';
  readonly lane: LaneId;
  readonly seq: number;
  readonly resetReason: ResetReason;
}
export interface EventFrame {
  readonly __typename: LaneEvent['type'];
  readonly lane: LaneId;
  readonly seq: number;
  readonly event: LaneEvent;
}
/** How far a member is now. It is in no lane and moves no position. */
export interface ReceiptFrame {
  readonly __typename: 'ReceiptMoved';
  readonly lane: LaneId;
  readonly seq: 0;
  readonly user: UserId;
  readonly delivered: number;
  /** Null: it is hidden. */
  readonly read: number | null;
  /** Of the reader's own; null: it is another's, or not known. */
  readonly unread: number | null;
}
/** Belongs to no lane: a place in an inbox. */
export interface InboxMark {
  readonly __typename: 'InboxCaughtUp' | 'InboxPosition';
  readonly seq: 0;
  readonly at: Millis;
  readonly cursor: string;
}
export type FrameSource = MarkFrame | ResetFrame | EventFrame | ReceiptFrame;

/** As far as every source of a frame is known. */
export interface Source {
  readonly __typename: string;
  readonly seq: number;
  /** Where it leaves the reader of an inbox. */
  readonly cursor?: string;
}
/** Where a frame of a conversation leaves its reader; undefined: where it was. */
export const positionOf = ({ __typename, seq }: Source): number | undefined =>
  __typename === 'ReceiptMoved' ? undefined : seq;
