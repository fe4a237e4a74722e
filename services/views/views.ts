/**
 * What MongoDB holds: the documents, the names of their collections and their indexes.
 *
 * Everything that is made from the lanes belongs to a *generation*, a set of collections with one name at their ends, so that
 * a rebuild can be made beside the one in use. A generation's name is never used again.
 */
import { type Binary, type Collection, type Db, MaxKey, MinKey } from 'mongodb';
import type { LaneEventType } from '../../schema/events.ts';
import type { ClientKey, LaneId, Millis, Revision, Seq, UserId } from '../../schema/ids.ts';

/** The order of its two keys is part of the format: it makes a lane's events from one seq to another one range of `_id`. */
export interface EventId {
  readonly l: LaneId;
  readonly s: Seq;
}
export const eventId = (l: LaneId, s: number): EventId => ({ l, s: s as Seq });

/** One event of one lane. */
export interface EventDocument {
  readonly _id: EventId;
  /** The record it came in, and its place there. */
  readonly rid: string;
  readonly i: number;
  readonly rev: Revision;
  readonly t: LaneEventType;
  readonly at: Millis;
  readonly by: UserId;
  readonly via?: UserId;
  readonly key: ClientKey;
  readonly hash: string;
  /** Everything else that the event says, whatever its type. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** Whether a user belongs to a lane, after the event `seq`. Kept after a leaving: `seq` is what makes an old update harmless. */
export interface MembershipDocument {
  readonly _id: { readonly u: UserId; readonly l: LaneId };
  readonly seq: Seq;
  readonly member: boolean;
}

export interface ConversationDocument {
  readonly _id: LaneId;
  readonly seq: Seq;
  readonly at: Millis;
}

/** A record that is not in history, and why. */
export interface ParkedDocument {
  readonly _id: { readonly p: number; readonly rev: Revision };
  readonly lane: LaneId;
  /** The seqs of its events, where they can be told. */
  readonly from?: Seq;
  readonly to?: Seq;
  readonly reason: string;
  readonly payload: Binary;
  readonly storedAt: Millis;
  readonly parkedAt: Date;
}

/** How far a partition is projected. */
export interface PositionDocument {
  readonly _id: string;
  /** The watermark: every record with revision ≤ it is in history or parked, and its memberships are written. */
  readonly w: Revision;
  /** The id of the record at the watermark, null where that is not readable: by it a restored stream is noticed. */
  readonly rid: string | null;
  /** When the record at the watermark was stored. Not there in what an earlier version wrote. */
  readonly at?: Millis;
  /** Up to here `conversations` is written, too. Never above `w`. */
  readonly listed: Revision;
  /** How many of its records are parked; at least those at or below the watermark are counted. */
  readonly parked: number;
  /** Why nothing more is projected: this history was made from another stream. */
  readonly halted?: string;
}

export interface PersonDocument {
  readonly _id: UserId;
  readonly name?: string;
  readonly avatarUrl?: string;
}

export interface LeaseDocument {
  readonly _id: string;
  readonly owner: string;
  /** The owner's process: its machine, its number there, and when it began, since numbers come again. */
  readonly host: string;
  /** Where its number counts: the boot of the machine and the namespace of the processes. Absent: not known. */
  readonly place?: string;
  readonly pid: number;
  readonly began: number;
  readonly until: Date;
}

export interface MetaDocument {
  readonly _id: 'generation';
  readonly current: string;
}

export interface Generation {
  readonly name: string;
  readonly history: Collection<EventDocument>;
  readonly memberships: Collection<MembershipDocument>;
  readonly conversations: Collection<ConversationDocument>;
  readonly parked: Collection<ParkedDocument>;
}

const KINDS = ['history', 'memberships', 'conversations', 'parked'] as const;
const GENERATION_NAME = new RegExp(`^(?:${KINDS.join('|')})_([0-9a-z]+)$`);

export const generationOf = (db: Db, name: string): Generation => ({
  name,
  history: db.collection(`history_${name}`),
  memberships: db.collection(`memberships_${name}`),
  conversations: db.collection(`conversations_${name}`),
  parked: db.collection(`parked_${name}`),
});
export const metaOf = (db: Db): Collection<MetaDocument> => db.collection('meta');
export const positionsOf = (db: Db): Collection<PositionDocument> => db.collection('positions');
export const leasesOf = (db: Db): Collection<LeaseDocument> => db.collection('leases');
export const peopleOf = (db: Db): Collection<PersonDocument> => db.collection('people');
export const positionId = (generation: string, partition: number): string => `${generation}:${partition}`;

/** Names rise with time, and two made in one millisecond on two machines still differ. */
export const newGenerationName = (): string =>
  Date.now().toString(36) +
  Math.floor(Math.random() * 36 ** 4)
    .toString(36)
    .padStart(4, '0');

export const KEY_INDEX = 'lane_sender_key';

/** Makes the collections and indexes of a generation; does nothing where they are there. */
export async function createGeneration(db: Db, name: string): Promise<Generation> {
  const generation = generationOf(db, name);
  await Promise.all([
    // Partial, so that an event type to come may have no key.
    generation.history.createIndex(
      { '_id.l': 1, by: 1, key: 1 },
      { name: KEY_INDEX, unique: true, partialFilterExpression: { key: { $exists: true } } },
    ),
    generation.memberships.createIndex({ '_id.l': 1 }, { name: 'lane' }),
    generation.parked.createIndex({ lane: 1 }, { name: 'lane' }),
  ]);
  return generation;
}

/** Drops every generation but these, with its positions. */
export async function dropOthers(db: Db, keep: readonly string[]): Promise<void> {
  const names = (await db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name);
  const old = names.filter((name) => {
    const generation = GENERATION_NAME.exec(name)?.[1];
    return generation !== undefined && !keep.includes(generation);
  });
  for (const name of old) await db.dropCollection(name);
  await positionsOf(db).deleteMany({ _id: { $not: new RegExp(`^(?:${keep.join('|')}):`) } });
}

/** The events of a lane with `after` < seq ≤ `upTo`. */
export const rangeOf = (lane: LaneId, after: number, upTo: number) => ({
  _id: { $gt: eventId(lane, after), $lte: eventId(lane, upTo) },
});

/** Every `_id: { <first>: value, … }`. */
export const prefixOf = <Id>(first: string, second: string, value: string) => ({
  _id: {
    $gte: { [first]: value, [second]: new MinKey() } as Id,
    $lte: { [first]: value, [second]: new MaxKey() } as Id,
  },
});
