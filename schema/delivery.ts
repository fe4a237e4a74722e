/**
 * What becomes of a message for one recipient, and why no push went where none did. The names have their home here. They are
 * stored: names are added, never changed or removed.
 */
import type { LaneId, Millis, Revision, Seq, UserId } from './ids.ts';

/** The furthest that was reached: each is a fact of its own, with its time. */
export const DELIVERY_STATES = ['ACCEPTED', 'NOTIFIED', 'DELIVERED', 'READ'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** What one attempt came to. `SENT`: the provider has it. `DROPPED`: given up before anything was sent. */
export type PushOutcome = 'SENT' | 'REFUSED' | 'RETRYING' | 'DROPPED';

/** Why a recipient got no push, in words for people. `open`: not the last word. */
export const NO_PUSH_REASONS = {
  WAITING_GRACE: {
    open: true,
    words: 'it is not decided yet: the time of grace runs, or the notifier has not come to it',
  },
  WAITING_PROVIDER: { open: true, words: 'it is to be pushed: that is under way, or tried again later' },
  DELIVERED_IN_TIME: { open: false, words: 'a device of the recipient had it before it was to be pushed' },
  MUTED: { open: false, words: 'the recipient had muted the conversation' },
  DO_NOT_DISTURB: { open: false, words: 'it was in the recipient’s do-not-disturb time' },
  NO_DEVICE: { open: false, words: 'the recipient had no device' },
  NO_PUSH_ADDRESS: { open: false, words: 'no device of the recipient had an address for pushes' },
  TOKEN_DEAD: { open: false, words: 'the provider said that the device’s token is dead' },
  PROVIDER_OFF: { open: false, words: 'the provider of the recipient’s devices is not set up here' },
  PROVIDER_REFUSED: { open: false, words: 'the provider refused this push for good' },
  SUPERSEDED: { open: false, words: 'the device already had a push for a later message of the conversation' },
  EXPIRED: { open: false, words: 'it was too old when it could have been pushed' },
  NOT_A_MEMBER: { open: false, words: 'the recipient was no longer a member when it was to be pushed' },
} as const satisfies Record<string, { readonly open: boolean; readonly words: string }>;
export type NoPushReason = keyof typeof NO_PUSH_REASONS;

/** After it nobody is told any more of a message that was accepted then. */
export const PUSH_EXPIRES_MS = 24 * 60 * 60 * 1000;
/** How long decisions and attempts are remembered. */
export const DELIVERY_DAYS = 30;
/** Recipients of one decision and one work item. */
export const RECIPIENTS_MAX = 500;

/** One JetStream message of the work queue: who is to be told of one message. Nothing of what it says is in here. */
export interface WorkItem {
  readonly v: 1;
  readonly l: LaneId;
  readonly s: Seq;
  /** The record that the message is in. */
  readonly r: Revision;
  /** When it was accepted. */
  readonly at: Millis;
  /** Which part of the message's recipients; 0, 1, … */
  readonly c: number;
  readonly u: readonly UserId[];
  /** Of what was tried before: the entries of the ledger that are due then, to the millisecond, are this item's. */
  readonly due?: Millis;
}
