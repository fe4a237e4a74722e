/**
 * A lane's state as plain data, and back. A snapshot is a cache: one of another version is not read, and the lane is folded
 * from its first record instead.
 */
import type { ConversationKind, MemberRole } from '../../schema/events.ts';
import type { LaneId, Seq, UserId } from '../../schema/ids.ts';
import type { Asides } from './asides.ts';
import { type KeysSnapshot, keysOfSnapshot, snapshotOfKeys } from './keys.ts';
import type { Former, Lane, Member } from './lane.ts';
import { sendersOf, sentOf } from './sent.ts';

/** Raised whenever the state's meaning changes. */
export const SNAPSHOT_VERSION = 2;

export interface LaneSnapshot {
  readonly v: typeof SNAPSHOT_VERSION;
  readonly id: string;
  readonly seq: number;
  readonly lastAt: number;
  readonly kind: ConversationKind;
  readonly title?: string;
  readonly createdAt: number;
  readonly members: readonly (readonly [
    user: string,
    role: MemberRole,
    joinedAt: number,
    joinedSeq: number,
    firstSeq: number,
  ])[];
  readonly former: readonly (readonly [user: string, firstSeq: number, leftSeq: number])[];
  readonly keys: KeysSnapshot;
  readonly sent: readonly (readonly [user: string, seq: number])[];
  readonly asides: { readonly from: number; readonly seqs: readonly number[] };
}

export const snapshotOf = (lane: Lane): LaneSnapshot => ({
  v: SNAPSHOT_VERSION,
  id: lane.id,
  seq: lane.seq,
  lastAt: lane.lastAt,
  kind: lane.kind,
  ...(lane.title === undefined ? {} : { title: lane.title }),
  createdAt: lane.createdAt,
  members: [...lane.members].map(([user, m]) => [user, m.role, m.joinedAt, m.joinedSeq, m.firstSeq] as const),
  former: [...lane.former].map(([user, f]) => [user, f.firstSeq, f.leftSeq] as const),
  keys: snapshotOfKeys(lane.keys),
  sent: sendersOf(lane.sent),
  asides: lane.asides,
});

export function laneOfSnapshot(from: LaneSnapshot): Lane {
  const members = from.members.map(([user, role, joinedAt, joinedSeq, firstSeq]): [UserId, Member] => [
    user as UserId,
    { role, joinedAt, joinedSeq: joinedSeq as Seq, firstSeq: firstSeq as Seq },
  ]);
  const former = from.former.map(([user, firstSeq, leftSeq]): [UserId, Former] => [
    user as UserId,
    { firstSeq: firstSeq as Seq, leftSeq: leftSeq as Seq },
  ]);
  return {
    id: from.id as LaneId,
    seq: from.seq as Seq,
    lastAt: from.lastAt,
    kind: from.kind,
    title: from.title,
    createdAt: from.createdAt,
    members: new Map(members),
    owners: from.members.filter(([, role]) => role === 'OWNER').length,
    former: new Map(former),
    keys: keysOfSnapshot(from.keys),
    sent: sentOf(from.sent as readonly (readonly [UserId, Seq])[]),
    asides: from.asides as Asides,
  };
}
