/**
 * Which conversations a user belongs to or has left, as MongoDB has it. By itself it may be behind the lanes; whoever asks folds the lanes'
 * own records from `listed` on over it.
 */
import type { Db } from 'mongodb';
import { type LaneId, type Millis, type Revision, revisionOf, type Seq, type UserId } from '../../schema/ids.ts';
import type { Logger } from '../logger.ts';
import { askMongo, HistoryUnavailable } from './ask.ts';
import type { Mongo } from './connect.ts';
import { Generations, READ_WITHIN_MS } from './generation.ts';
import { type Generation, generationOf, type MembershipDocument, positionId, positionsOf, prefixOf } from './views.ts';

/** Past it `of` answers `too-many`. The ids are one document of at most 16 MB. */
export const LANES_PER_USER = 100_000;
/** Conversations in one question: MongoDB works on several at once. */
const LANES_AT_ONCE = 5_000;

export interface ListedLane {
  /** The lane's last event, and its time. */
  readonly seq: Seq;
  readonly at: Millis;
  /** The event by which the user has left; undefined: it belongs to the lane. */
  readonly left?: Seq | undefined;
}

export type Listing =
  | {
      readonly kind: 'listed';
      /** By partition: of records with a revision ≤ it everything is in `lanes`; of newer ones there may be something. */
      readonly listed: readonly Revision[];
      readonly lanes: ReadonlyMap<LaneId, ListedLane>;
    }
  | { readonly kind: 'too-many' };

/** Every method throws HistoryUnavailable within about 2 s, also where history was made from other streams than there are. */
export interface UserLanes {
  /** By partition, as in a listing. */
  listed(): Promise<readonly Revision[]>;
  of(user: UserId): Promise<Listing>;
}

export interface UserLanesOptions {
  readonly mongo: Mongo;
  readonly partitions: number;
  readonly log: Logger;
}

/** Does not wait for MongoDB. */
export function openUserLanes({ mongo, partitions, log }: UserLanesOptions): UserLanes {
  const generations = new Generations(() => mongo.db());
  return {
    listed: () => askMongo(mongo, log, async (db) => readListed(db, (await generations.current()).name, partitions)),
    of: (user) =>
      askMongo(mongo, log, async (db) => {
        const current = await generations.current();
        const { name } = current;
        // The positions first: what is read after them holds at least what they promise.
        const listed = await readListed(db, name, partitions);
        if (name === undefined) return { kind: 'listed', listed, lanes: new Map() };
        const lanes = await readLanes(generationOf(db, name), user);
        if (performance.now() - current.confirmedAt > READ_WITHIN_MS)
          throw new HistoryUnavailable('history was rebuilt while it was read');
        return lanes ? { kind: 'listed', listed, lanes } : { kind: 'too-many' };
      }),
  };
}

async function readListed(db: Db, generation: string | undefined, partitions: number): Promise<readonly Revision[]> {
  const all = Array.from({ length: partitions }, () => revisionOf(0));
  if (generation === undefined) return all;
  const ids = all.map((_, partition) => positionId(generation, partition));
  for (const { _id, listed, halted } of await positionsOf(db)
    .find({ _id: { $in: ids } })
    .toArray()) {
    if (halted !== undefined) throw new HistoryUnavailable(`${_id}: ${halted}`);
    all[ids.indexOf(_id)] = listed;
  }
  return all;
}

/** As columns of one document: that is several times faster than as documents. */
interface Memberships {
  readonly ids: readonly LaneId[];
  readonly seqs: readonly Seq[];
  readonly members: readonly boolean[];
}
interface Activities {
  readonly ids: readonly LaneId[];
  readonly seqs: readonly Seq[];
  readonly ats: readonly Millis[];
}

/** Undefined: there are too many. */
async function readLanes({ memberships, conversations }: Generation, user: UserId) {
  const found = await memberships
    .aggregate<Memberships>([
      { $match: prefixOf<MembershipDocument['_id']>('u', 'l', user) },
      { $limit: LANES_PER_USER + 1 },
      { $group: { _id: null, ids: { $push: '$_id.l' }, seqs: { $push: '$seq' }, members: { $push: '$member' } } },
    ])
    .toArray();
  const { ids, seqs, members } = found[0] ?? { ids: [], seqs: [], members: [] };
  if (ids.length > LANES_PER_USER) return undefined;
  // A conversation that is not there yet is one whose records are above `listed`.
  const left = (i: number): Seq | undefined => (members[i] ? undefined : seqs[i]);
  const all = new Map(ids.map((id, i): [LaneId, ListedLane] => [id, { seq: 0 as Seq, at: 0, left: left(i) }]));
  const questions: Promise<Activities[]>[] = [];
  for (let i = 0; i < ids.length; i += LANES_AT_ONCE)
    questions.push(
      conversations
        .aggregate<Activities>([
          { $match: { _id: { $in: ids.slice(i, i + LANES_AT_ONCE) } } },
          { $group: { _id: null, ids: { $push: '$_id' }, seqs: { $push: '$seq' }, ats: { $push: '$at' } } },
        ])
        .toArray(),
    );
  for (const activities of (await Promise.all(questions)).flat())
    for (const [i, id] of activities.ids.entries())
      all.set(id, { seq: activities.seqs[i] as Seq, at: activities.ats[i] as Millis, left: all.get(id)?.left });
  return all;
}
