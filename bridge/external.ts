/**
 * An event as third parties get it, on NATS, MQTT and in webhooks: one form, everything needed in it, described by one JSON
 * Schema per type in `schema/events/`. Fields are added, never removed.
 */
import type { LaneEvent } from '../schema/events.ts';
import { type LaneId, messageIdOf, type UserId } from '../schema/ids.ts';

/** What every event has, whatever its type: `at` is RFC 3339 in UTC with milliseconds. */
export interface ExternalEvent {
  readonly type: string;
  readonly conversationId: LaneId;
  readonly seq: number;
  readonly at: string;
  readonly by: { readonly id: UserId };
}

const userOf = (id: UserId): { readonly id: UserId } => ({ id });

/**
 * Pure. An event of a later version keeps its place in the order: its type and its stamp are given, and nothing of what it
 * says, since only that version knows what may be shown of it.
 */
export function externalEvent(lane: LaneId, event: LaneEvent): ExternalEvent {
  const at = new Date(event.at).toISOString();
  const stamp = { type: event.type, conversationId: lane, seq: event.seq, at, by: userOf(event.by) };
  switch (event.type) {
    case 'ConversationCreated': {
      const title = event.title === undefined ? {} : { title: event.title };
      return Object.assign(stamp, { kind: event.kind, ...title, members: event.members.map(userOf) });
    }
    case 'MessageSent':
      return Object.assign(stamp, {
        message: {
          id: messageIdOf(lane, event.seq),
          seq: event.seq,
          sender: userOf(event.by),
          text: event.text,
          sentAt: at,
          clientKey: event.key,
        },
      });
    case 'MembersAdded':
      return Object.assign(stamp, { members: event.members.map(userOf) });
    case 'MemberRemoved':
      return Object.assign(stamp, { member: userOf(event.member) });
    default:
      event satisfies never;
      return stamp;
  }
}

/** `STORE_REBUILT`: the lane was restored to an earlier state; what was had after `seq` is forgotten. */
export type ResetReason = 'TOO_FAR_BEHIND' | 'STORE_REBUILT';

/**
 * In an event's place: what lay here up to `seq` is gone unread, or never was here. Whoever has not everything up to it reads
 * `history`; the next event is seq + 1. To whoever has, it says nothing.
 */
export const externalReset = (lane: LaneId, seq: number, resetReason: ResetReason) => ({
  type: 'Reset',
  conversationId: lane,
  seq,
  resetReason,
});

/** The end of a replay: everything up to `seq` that may be seen has been sent. */
export const externalCaughtUp = (lane: LaneId, seq: number) => ({ type: 'CaughtUp', conversationId: lane, seq });
