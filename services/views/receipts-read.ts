/** Questions to what the projector has folded of the receipts. By themselves they may be behind the log; the board is not. */
import type { Db } from 'mongodb';
import type { DeviceId, LaneId, Seq, UserId } from '../../schema/ids.ts';
import type { MarkKind } from '../../schema/receipts.ts';
import type { Place } from '../journal/place.ts';
import {
  type DeviceMark,
  laneRange,
  MAXIMA,
  type MarkLogDocument,
  type MarksDocument,
  markLogOf,
  marksOf,
  receiptPositionsOf,
} from './receipts-store.ts';

/** Above so many lanes all of a user's are read: one range of an index instead of that many ids. */
const LANES_BY_ID = 200;
/** In one answer of MongoDB. */
const DEVICE_LANES_AT_ONCE = 20_000;
/** Stages in one aggregation. */
const UNIONS_MAX = 100;

export async function readPositions(db: Db): Promise<ReadonlyMap<number, Place>> {
  const found = await receiptPositionsOf(db).find().toArray();
  return new Map(found.map(({ _id, w: revision, rid }) => [_id, { revision, id: rid || null }]));
}

export function readMarksOfLane(db: Db, lane: LaneId): Promise<MarksDocument[]> {
  return marksOf(db).find(laneRange(lane), { projection: MAXIMA }).toArray();
}

/** May give other lanes, too. */
export function readMarksOfUser(db: Db, user: UserId, lanes: readonly LaneId[]): Promise<MarksDocument[]> {
  const which = lanes.length > LANES_BY_ID ? { '_id.u': user } : { _id: { $in: lanes.map((l) => ({ l, u: user })) } };
  return marksOf(db).find(which, { projection: MAXIMA }).toArray();
}

/** By lane. */
export async function readDeviceMarks(db: Db, user: UserId, device: DeviceId): Promise<Map<LaneId, DeviceMark>> {
  const field = `dev.${device}`;
  const theirs = marksOf(db).find(
    { '_id.u': user, [field]: { $exists: true } },
    { projection: { [field]: 1 }, batchSize: DEVICE_LANES_AT_ONCE },
  );
  const all = new Map<LaneId, DeviceMark>();
  for await (const { _id, dev } of theirs) if (dev) all.set(_id.l, dev[device] as DeviceMark);
  return all;
}

export interface UserMarks {
  readonly lane: LaneId;
  readonly d: number;
  readonly r: number;
  /** The device's; 0: none. */
  readonly s: number;
  readonly at: number;
}
interface Columns {
  readonly ids: readonly LaneId[];
  readonly ds: readonly number[];
  readonly rs: readonly number[];
  readonly ss: readonly number[];
  readonly ats: readonly number[];
}
/** An answer is made of so many documents by chance: one alone could be larger than MongoDB's 16 MB. */
const PIECES = 8;

/** Of all of a user's lanes. As columns of few documents: that is several times faster than as a document for each. */
export async function readUserMarks(db: Db, user: UserId, device: DeviceId): Promise<UserMarks[]> {
  const or0 = (field: string) => ({ $push: { $ifNull: [field, 0] } });
  const pieces = await marksOf(db)
    .aggregate<Columns>([
      { $match: { '_id.u': user } },
      {
        $group: {
          _id: { $floor: { $multiply: [{ $rand: {} }, PIECES] } },
          ids: { $push: '$_id.l' },
          ds: or0('$d'),
          rs: or0('$r'),
          ss: or0(`$dev.${device}.s`),
          ats: or0(`$dev.${device}.at`),
        },
      },
    ])
    .toArray();
  return pieces.flatMap(({ ids, ds, rs, ss, ats }) =>
    ids.map((lane, i) => ({ lane, d: ds[i] ?? 0, r: rs[i] ?? 0, s: ss[i] ?? 0, at: ats[i] ?? 0 })),
  );
}

/** For each asked user and kind the mark by which the maximum first reached `seq`; those that have not reached it are left out. */
export async function readReached(
  db: Db,
  lane: LaneId,
  asks: readonly { readonly user: UserId; readonly kind: MarkKind }[],
  seq: Seq,
): Promise<MarkLogDocument[]> {
  const firsts = asks.map(({ user: u, kind: k }) => [
    { $match: { _id: { $gte: { l: lane, u, k, s: seq }, $lte: { l: lane, u, k, s: Number.MAX_SAFE_INTEGER } } } },
    { $sort: { _id: 1 } },
    { $limit: 1 },
  ]);
  const found: MarkLogDocument[] = [];
  for (let i = 0; i < firsts.length; i += UNIONS_MAX) {
    const [first = [], ...others] = firsts.slice(i, i + UNIONS_MAX);
    const unions = others.map((pipeline) => ({ $unionWith: { coll: 'mark_log', pipeline } }));
    found.push(
      ...(await markLogOf(db)
        .aggregate<MarkLogDocument>([...first, ...unions])
        .toArray()),
    );
  }
  return found;
}
