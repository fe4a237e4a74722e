/**
 * A lane's state, and how an event changes it. Pure: the state given is never altered, and shares what did not change
 * with the one returned. Folding the same events always gives the same state.
 */
import type { ConversationKind, LaneEvent, MemberRole } from '../../schema/events.ts';
import type { LaneId, Millis, Seq, UserId } from '../../schema/ids.ts';
import { type Asides, NO_ASIDES, noteAside } from './asides.ts';
import { type Keys, keysHeld, NO_KEYS, rememberKey } from './keys.ts';
import { NOBODY_SENT, noteSent, type Sent, withoutSender } from './sent.ts';

export interface Member {
  readonly role: MemberRole;
  readonly joinedAt: Millis;
  readonly joinedSeq: Seq;
  /** The first event this member may see. */
  readonly firstSeq: Seq;
}

/** Somebody who was here: sees from `firstSeq` up to its own removal, in streams only. */
export interface Former {
  readonly firstSeq: Seq;
  readonly leftSeq: Seq;
}

/** Kept for streams that come back after a removal; the longest gone are forgotten, and then are strangers. */
const FORMER_MAX = 10_000;

export interface Lane {
  readonly id: LaneId;
  /** The last event's seq; 0: no such conversation. */
  readonly seq: Seq;
  readonly lastAt: Millis;
  readonly kind: ConversationKind;
  readonly title: string | undefined;
  readonly createdAt: Millis;
  /** In the order of joining. */
  readonly members: ReadonlyMap<UserId, Member>;
  readonly owners: number;
  readonly former: ReadonlyMap<UserId, Former>;
  readonly keys: Keys;
  /** Each sender's last message: who wrote has read so far. Of members and former ones. */
  readonly sent: Sent;
  /** Where the events are that are no messages: what unread counts leave out. */
  readonly asides: Asides;
}

export const emptyLane = (id: LaneId): Lane => ({
  id,
  seq: 0 as Seq,
  lastAt: 0,
  kind: 'GROUP',
  title: undefined,
  createdAt: 0,
  members: new Map(),
  owners: 0,
  former: new Map(),
  keys: NO_KEYS,
  sent: NOBODY_SENT,
  asides: NO_ASIDES,
});

/** The next event of the lane. An event out of its place is a broken promise of the store: it throws. */
export function evolve(lane: Lane, event: LaneEvent): Lane {
  if (event.seq !== lane.seq + 1) throw new Error(`lane ${lane.id}: event ${event.seq} does not follow ${lane.seq}`);
  const keys = rememberKey(lane.keys, event.by, event.key, { seq: event.seq, at: event.at, hash: event.hash });
  const { sent, asides } =
    event.type === 'MessageSent'
      ? { sent: noteSent(lane.sent, event.by, event.seq), asides: lane.asides }
      : { sent: lane.sent, asides: noteAside(lane.asides, event.seq) };
  return changed({ ...lane, seq: event.seq, lastAt: event.at, keys, sent, asides }, event);
}

function changed(lane: Lane, event: LaneEvent): Lane {
  switch (event.type) {
    case 'MessageSent':
      return lane;
    case 'ConversationCreated': {
      const owner = event.kind === 'GROUP' ? event.by : undefined;
      const { kind, title, at: createdAt } = event;
      const members = new Map(event.members.map((user) => [user, memberFrom(event, user === owner, 1 as Seq)]));
      return { ...lane, kind, title, createdAt, members, owners: owner ? 1 : 0 };
    }
    case 'MembersAdded': {
      const members = new Map(lane.members);
      const former = new Map(lane.former);
      for (const user of event.members) {
        members.set(user, memberFrom(event, false, event.hideHistory ? event.seq : (1 as Seq)));
        former.delete(user);
      }
      // A group that everybody left has no owner; who comes first into it owns it.
      const [first] = event.members;
      if (lane.members.size > 0 || first === undefined) return { ...lane, members, former };
      members.set(first, { ...(members.get(first) as Member), role: 'OWNER' });
      return { ...lane, members, former, owners: 1 };
    }
    case 'MemberRemoved':
      return removed(lane, event.member, event.seq, event.newOwner);
    default:
      event satisfies never;
      // Met only in a lane that a later version wrote: the event has its place and its key, and changes nothing known here.
      return lane;
  }
}

const memberFrom = (event: LaneEvent, owner: boolean, firstSeq: Seq): Member => ({
  role: owner ? 'OWNER' : 'MEMBER',
  joinedAt: event.at,
  joinedSeq: event.seq,
  firstSeq,
});

function removed(lane: Lane, user: UserId, seq: Seq, newOwner: UserId | undefined): Lane {
  const gone = lane.members.get(user);
  if (!gone) return lane;
  const members = new Map(lane.members);
  members.delete(user);
  const heir = newOwner === undefined ? undefined : members.get(newOwner);
  if (newOwner !== undefined && heir) members.set(newOwner, { ...heir, role: 'OWNER' });
  const former = new Map(lane.former).set(user, { firstSeq: gone.firstSeq, leftSeq: seq });
  const [longestGone] = former.keys();
  const forgotten = former.size > FORMER_MAX ? longestGone : undefined;
  if (forgotten !== undefined) former.delete(forgotten);
  const sent = forgotten === undefined ? lane.sent : withoutSender(lane.sent, forgotten);
  const owners = lane.owners - (gone.role === 'OWNER' ? 1 : 0) + (heir && heir.role !== 'OWNER' ? 1 : 0);
  return { ...lane, members, former, owners, sent };
}

/** What one reader may see of a lane: the events from `from` to `to`, both included. */
export interface Sight {
  readonly from: Seq;
  /** Infinity while the reader belongs to it. */
  readonly to: number;
}

/**
 * The one rule of who sees what, asked by every door on the lane's own state. Undefined: to this reader there is no such
 * conversation. An administrator sees everything.
 */
export function sightOf(lane: Lane, user: UserId, admin: boolean): Sight | undefined {
  if (lane.seq === 0) return undefined;
  if (admin) return { from: 1 as Seq, to: Number.POSITIVE_INFINITY };
  const member = lane.members.get(user);
  if (member) return { from: member.firstSeq, to: Number.POSITIVE_INFINITY };
  const former = lane.former.get(user);
  return former && { from: former.firstSeq, to: former.leftSeq };
}

export const visible = (lane: Lane, user: UserId, admin: boolean, seq: number): boolean => {
  const sight = sightOf(lane, user, admin);
  return sight !== undefined && seq >= sight.from && seq <= sight.to;
};

/** How much memory a lane's state takes, in entries of about 150 bytes. */
export const weightOf = (lane: Lane): number =>
  8 +
  lane.members.size +
  lane.former.size +
  keysHeld(lane.keys) +
  (lane.sent.size >> 2) +
  (lane.asides.seqs.length >> 4);
