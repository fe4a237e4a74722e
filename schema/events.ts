/**
 * The facts of a lane as they are stored, and the record that holds them.
 *
 * The stored form is a contract with every lane already on disk: fields and types are added, never changed or removed.
 * A reader that meets an event type it does not know keeps its place in the order and shows nothing of it.
 */
import type { ClientKey, LaneId, Millis, Seq, UserId } from './ids.ts';

export type ConversationKind = 'DIRECT' | 'GROUP';
export type MemberRole = 'OWNER' | 'MEMBER';

interface Stamp {
  /** The event's dense place in its lane. */
  readonly seq: Seq;
  /** When it was accepted; never falls within a lane. */
  readonly at: Millis;
  readonly by: UserId;
  /** The server that acted for `by`, where one did (scope `lanes:server`), or the administrator's own id. */
  readonly via?: UserId;
  /** The command's key and the hash of its body: what makes a repeated command the same one, and another body a refusal. */
  readonly key: ClientKey;
  readonly hash: string;
}

/** Always seq 1. The creator is among the members, and the owner in a group. */
export interface ConversationCreated extends Stamp {
  readonly type: 'ConversationCreated';
  readonly kind: ConversationKind;
  readonly title?: string;
  readonly members: readonly UserId[];
}

export interface MessageSent extends Stamp {
  readonly type: 'MessageSent';
  readonly text: string;
}

export interface MembersAdded extends Stamp {
  readonly type: 'MembersAdded';
  /** Only those who were not members before. */
  readonly members: readonly UserId[];
  /** They see the lane from this event on, not from its beginning. */
  readonly hideHistory?: true;
}

/** Somebody left, or was removed. */
export interface MemberRemoved extends Stamp {
  readonly type: 'MemberRemoved';
  readonly member: UserId;
  /** Who became owner by it, when the last owner went. */
  readonly newOwner?: UserId;
}

export type LaneEvent = ConversationCreated | MessageSent | MembersAdded | MemberRemoved;
export type LaneEventType = LaneEvent['type'];

/** One JetStream message: one or more events of one lane, in order, decided together. */
export interface LaneRecord {
  readonly v: 1;
  /** Unique to this append; how its own writer finds it again after a lost answer. */
  readonly id: string;
  readonly lane: LaneId;
  /** Never empty; seqs rise by one. */
  readonly events: readonly LaneEvent[];
}

/** A record is closed at this many bytes of JSON. Source: NATS `max_payload` is 1 MiB by default; a sync is amortised long before. */
export const RECORD_MAX_BYTES = 256 * 1024;
