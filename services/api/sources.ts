/**
 * What the resolvers of a subscription's frames get as their source. Every value here is the same for all who may see it:
 * that is what lets one execution serve them all.
 */
import type { LaneEvent } from '../../schema/events.ts';
import type { LaneId } from '../../schema/ids.ts';

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
export type FrameSource = MarkFrame | ResetFrame | EventFrame;
