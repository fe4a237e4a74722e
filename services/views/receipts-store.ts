/**
 * Receipts in MongoDB, folded: how far everybody is, how far each device is, and when each place was reached. What the
 * projector writes may be repeated, by anybody, in any order of repetitions, with the same end. In no generation: a rebuild
 * of history does not touch it.
 */
import { type Collection, type Db, MaxKey, MinKey } from 'mongodb';
import {
  type DeviceId,
  type LaneId,
  type Millis,
  type Revision,
  revisionOf,
  type Seq,
  type UserId,
} from '../../schema/ids.ts';
import type { MarkKind } from '../../schema/receipts.ts';
import { DUPLICATE_KEY, writeErrorsOf } from './store.ts';
import { prefixOf } from './views.ts';

/** The order of the keys in each `_id` is part of the format: what is asked for is one range of it. */
export interface MarksDocument {
  readonly _id: { readonly l: LaneId; readonly u: UserId };
  /** Delivered and read up to; `d` ≥ `r`, absent: never. */
  readonly d?: Seq;
  readonly r?: Seq;
}

/** A mark that raised the user's maximum of its kind; what a `read` mark raised of `delivered` has a document of its own. */
export interface MarkLogDocument {
  readonly _id: { readonly l: LaneId; readonly u: UserId; readonly k: MarkKind; readonly s: Seq };
  readonly at: Millis;
  readonly dev?: DeviceId;
  /** The record that the mark was in: which of two came first. */
  readonly rev: Revision;
}

export interface DeviceMarkDocument {
  readonly _id: { readonly u: UserId; readonly d: DeviceId; readonly l: LaneId };
  readonly s: Seq;
  /** Of its latest mark. */
  readonly at: Millis;
}

/** Every record of the partition's log up to `w`, whose id is `rid`, is folded. */
export interface ReceiptPosition {
  readonly _id: number;
  readonly w: Revision;
  readonly rid: string;
}

export const marksOf = (db: Db): Collection<MarksDocument> => db.collection('marks');
export const markLogOf = (db: Db): Collection<MarkLogDocument> => db.collection('mark_log');
export const deviceMarksOf = (db: Db): Collection<DeviceMarkDocument> => db.collection('device_marks');
export const receiptPositionsOf = (db: Db): Collection<ReceiptPosition> => db.collection('receipt_positions');

/** What one round of the projector brings, of any partitions, folded. */
export interface FoldedMarks {
  /** Each user and lane once. */
  readonly marks: readonly MarksDocument[];
  readonly log: readonly MarkLogDocument[];
  /** Each user, device and lane once. */
  readonly devices: readonly DeviceMarkDocument[];
}

/** Ids in one question. */
const IDS_MAX = 1_000;

export class ReceiptStore {
  readonly #db: () => Promise<Db>;
  #indexed: Promise<void> | undefined;

  constructor(db: () => Promise<Db>) {
    this.#db = db;
  }

  /** As they are; whoever has none is not in the map. */
  async maxima(ids: readonly MarksDocument['_id'][]): Promise<MarksDocument[]> {
    const marks = marksOf(await this.#ready());
    const found: MarksDocument[] = [];
    for (let i = 0; i < ids.length; i += IDS_MAX)
      found.push(...(await marks.find({ _id: { $in: ids.slice(i, i + IDS_MAX) } }).toArray()));
    return found;
  }

  /**
   * The log before the maxima: whoever sees a maximum finds in the log when it was reached, also after a crash between the
   * two. The server's own log keeps that order, so only the last write is waited for on the disk.
   */
  async write({ marks, log, devices }: FoldedMarks): Promise<void> {
    const db = await this.#ready();
    try {
      if (log.length > 0) await markLogOf(db).insertMany(log, { ordered: false, writeConcern: { w: 1 } });
    } catch (error) {
      const other = writeErrorsOf(error).find(({ code }) => code !== DUPLICATE_KEY);
      if (other) throw new Error(`receipts not written: ${other.errmsg}`);
    }
    const raises = marks.map(({ _id, d, r }) => {
      const $max = { ...(d === undefined ? {} : { d }), ...(r === undefined ? {} : { r }) };
      return { updateOne: { filter: { _id }, update: { $max }, upsert: true } };
    });
    const theirs = devices.map(({ _id, s, at }) => ({
      updateOne: { filter: { _id }, update: { $max: { s, at } }, upsert: true },
    }));
    await Promise.all([
      raises.length > 0 && marksOf(db).bulkWrite(raises, { ordered: false }),
      theirs.length > 0 && deviceMarksOf(db).bulkWrite(theirs, { ordered: false }),
    ]);
  }

  async position(partition: number): Promise<Omit<ReceiptPosition, '_id'>> {
    const found = await receiptPositionsOf(await this.#ready()).findOne({ _id: partition });
    return found ?? { w: revisionOf(0), rid: '' };
  }

  /** Never lowers one. Not waited for on the disk: what it promises is durable already. */
  async advance(positions: readonly ReceiptPosition[]): Promise<void> {
    if (positions.length === 0) return;
    await receiptPositionsOf(await this.#ready()).bulkWrite(
      positions.map(({ _id, w, rid }) => {
        const isNewer = { $gt: [w, { $ifNull: ['$w', 0] }] };
        const update = [{ $set: { rid: { $cond: [isNewer, rid, '$rid'] }, w: { $max: [w, '$w'] } } }];
        return { updateOne: { filter: { _id }, update, upsert: true } };
      }),
      { ordered: false, writeConcern: { w: 1 } },
    );
  }

  /** The log is another one than at `from`: it is folded from its beginning. */
  async restart(partition: number, from: Revision): Promise<void> {
    const positions = receiptPositionsOf(await this.#ready());
    await positions.updateOne({ _id: partition, w: from }, { $set: { w: revisionOf(0), rid: '' } });
  }

  async #ready(): Promise<Db> {
    const db = await this.#db();
    this.#indexed ??= createIndexes(db);
    await this.#indexed.catch((error: unknown) => {
      this.#indexed = undefined;
      throw error;
    });
    return db;
  }
}

async function createIndexes(db: Db): Promise<void> {
  await marksOf(db).createIndex({ '_id.u': 1 }, { name: 'user' });
}

/** What a device had acknowledged is forgotten with it. */
export async function dropDeviceMarks(db: Db, user: UserId, device: DeviceId): Promise<void> {
  await deviceMarksOf(db).deleteMany(deviceRange(user, device));
}

export const deviceRange = (u: UserId, d: DeviceId) => ({
  _id: {
    $gte: { u, d, l: new MinKey() } as unknown as DeviceMarkDocument['_id'],
    $lte: { u, d, l: new MaxKey() } as unknown as DeviceMarkDocument['_id'],
  },
});
export const laneRange = (lane: LaneId) => prefixOf<MarksDocument['_id']>('l', 'u', lane);
