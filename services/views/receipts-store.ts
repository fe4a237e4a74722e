/**
 * Receipts in MongoDB, folded: how far everybody is, how far each device is, and when each place was reached. What the
 * projector writes may be repeated, by anybody, in any order of repetitions, with the same end. In no generation: a rebuild
 * of history does not touch it.
 */
import type { Collection, Db } from 'mongodb';
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
import type { Place } from '../journal/place.ts';
import { DUPLICATE_KEY, writeErrorsOf } from './store.ts';
import { prefixOf } from './views.ts';

/**
 * Of one user in one lane. The order of the keys in each `_id` is part of the format: what is asked for is one range of it.
 */
export interface MarksDocument {
  readonly _id: { readonly l: LaneId; readonly u: UserId };
  /** Delivered and read up to; `d` ≥ `r`, absent: never. */
  readonly d?: Seq;
  readonly r?: Seq;
  /** What each of the user's devices has acknowledged. In here, because a second document would cost a second write. */
  readonly dev?: Readonly<Record<DeviceId, DeviceMark>>;
}
export interface DeviceMark {
  readonly s: Seq;
  /** Of its latest mark. */
  readonly at: Millis;
}

/** A mark that raised the user's maximum of its kind; what a `read` mark raised of `delivered` has a document of its own. */
export interface MarkLogDocument {
  readonly _id: { readonly l: LaneId; readonly u: UserId; readonly k: MarkKind; readonly s: Seq };
  readonly at: Millis;
  readonly dev?: DeviceId;
  /** The record that the mark was in: which of two came first. */
  readonly rev: Revision;
}

/** Every record of the partition's log up to `w`, whose id is `rid`, is folded. */
export interface ReceiptPosition {
  readonly _id: number;
  readonly w: Revision;
  readonly rid: string;
  /** When that record was stored. Not there in what an earlier version wrote. */
  readonly at?: Millis;
}

export const marksOf = (db: Db): Collection<MarksDocument> => db.collection('marks');
export const markLogOf = (db: Db): Collection<MarkLogDocument> => db.collection('mark_log');
export const receiptPositionsOf = (db: Db): Collection<ReceiptPosition> => db.collection('receipt_positions');

/** What one round of the projector brings, of any partitions, folded. */
export interface FoldedMarks {
  /** Each user and lane once; of `dev`, the devices that have marked. */
  readonly marks: readonly MarksDocument[];
  readonly log: readonly MarkLogDocument[];
}

/** Without the devices. */
export const MAXIMA = { d: 1, r: 1 } as const;
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
      found.push(...(await marks.find({ _id: { $in: ids.slice(i, i + IDS_MAX) } }, { projection: MAXIMA }).toArray()));
    return found;
  }

  /**
   * The log before the maxima: whoever sees a maximum finds in the log when it was reached, also after a crash between the
   * two. Both are waited for on the disks of a majority: a primary that is lost in between, or another shard's, keeps no order.
   */
  async write({ marks, log }: FoldedMarks): Promise<void> {
    const db = await this.#ready();
    try {
      if (log.length > 0) await markLogOf(db).insertMany(log, { ordered: false });
    } catch (error) {
      const other = writeErrorsOf(error).find(({ code }) => code !== DUPLICATE_KEY);
      if (other) throw new Error(`receipts not written: ${other.errmsg}`);
    }
    const raises = marks.map((document) => ({
      updateOne: { filter: { _id: document._id }, update: { $max: maximaOf(document) }, upsert: true },
    }));
    if (raises.length > 0) await marksOf(db).bulkWrite(raises, { ordered: false });
  }

  async position(partition: number): Promise<Omit<ReceiptPosition, '_id'>> {
    const found = await receiptPositionsOf(await this.#ready()).findOne({ _id: partition });
    return found ?? { w: revisionOf(0), rid: '' };
  }

  /** Never lowers one. Not waited for on the disk: what it promises is durable already. */
  async advance(positions: readonly ReceiptPosition[]): Promise<void> {
    if (positions.length === 0) return;
    await receiptPositionsOf(await this.#ready()).bulkWrite(
      positions.map(({ _id, w, rid, at }) => {
        const isNewer = { $gt: [w, { $ifNull: ['$w', 0] }] };
        const ifNewer = (value: unknown, had: string) => ({ $cond: [isNewer, value, had] });
        const update = [{ $set: { rid: ifNewer(rid, '$rid'), at: ifNewer(at, '$at'), w: { $max: [w, '$w'] } } }];
        return { updateOne: { filter: { _id }, update, upsert: true } };
      }),
      { ordered: false, writeConcern: { w: 1 } },
    );
  }

  /** Where the projector goes on, chosen by an operator while it stands still. */
  async moveTo(partition: number, { revision: w, id, at }: Place): Promise<void> {
    const positions = receiptPositionsOf(await this.#ready());
    await positions.replaceOne(
      { _id: partition },
      { w, rid: id ?? '', ...(at === undefined ? {} : { at }) },
      { upsert: true },
    );
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

/** By the names of the fields. An id of a device is one, too: it has no dot and no dollar sign. */
function maximaOf({ d, r, dev = {} }: MarksDocument): Record<string, number> {
  return Object.fromEntries([
    ...(d === undefined ? [] : [['d', d]]),
    ...(r === undefined ? [] : [['r', r]]),
    ...Object.entries(dev).flatMap(([device, { s, at }]) => [
      [`dev.${device}.s`, s],
      [`dev.${device}.at`, at],
    ]),
  ]);
}

/** What a device had acknowledged is forgotten with it. */
export async function dropDeviceMarks(db: Db, user: UserId, device: DeviceId): Promise<void> {
  const field = `dev.${device}`;
  await marksOf(db).updateMany({ '_id.u': user, [field]: { $exists: true } }, { $unset: { [field]: '' } });
}

export const laneRange = (lane: LaneId) => prefixOf<MarksDocument['_id']>('l', 'u', lane);
