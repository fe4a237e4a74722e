/** What the projector writes into one generation. Every write may be repeated, by anybody, with the same end. */
import { isDeepStrictEqual } from 'node:util';
import { type AnyBulkWriteOperation, Binary, type Db, MongoBulkWriteError, type WriteError } from 'mongodb';
import { type LaneId, type Millis, type Revision, revisionOf } from '../../schema/ids.ts';
import type { StoredRecord } from '../journal/journal.ts';
import type { Place } from '../journal/place.ts';
import type { Activity, MembershipChange } from './project.ts';
import {
  type ConversationDocument,
  type EventDocument,
  generationOf,
  type MembershipDocument,
  type PositionDocument,
  positionId,
  positionsOf,
} from './views.ts';

/** A record with what is to be in history of it: all of its documents or none. */
export interface Unit {
  readonly partition: number;
  readonly stored: StoredRecord;
  /** Empty: it cannot be projected. */
  readonly documents: readonly EventDocument[];
}

export interface Watermark {
  readonly partition: number;
  readonly w: Revision;
  readonly rid: string | null;
  /** When the record there was stored. */
  readonly at: Millis;
}

export const DUPLICATE_KEY = 11_000;
/** Of a server that is stopping, changing its role, busy or full: the same write may succeed later. Source: the server's error_codes.yml. */
const PASSING = new Set([
  6, 7, 24, 46, 50, 89, 91, 112, 189, 262, 9_001, 10_058, 10_107, 11_600, 11_602, 13_435, 13_436, 14_031,
]);
const LOOK_UP_MAX = 1_000;

export class Store {
  readonly generation: string;
  readonly #db: () => Promise<Db>;

  constructor(db: () => Promise<Db>, generation: string) {
    this.#db = db;
    this.generation = generation;
  }

  /**
   * For each unit undefined, when all of its documents are in history and durable, or the reason why they cannot be; then
   * some of them may be there. Throws when nothing is known.
   */
  async insert(units: readonly Unit[]): Promise<(string | undefined)[]> {
    const { history } = await this.#views();
    const failed = new Map<number, WriteError>();
    try {
      await history.insertMany(
        units.flatMap(({ documents }) => documents),
        { ordered: false },
      );
    } catch (error) {
      for (const writeError of writeErrorsOf(error)) failed.set(writeError.index, writeError);
    }
    if (failed.size === 0) return units.map(() => undefined);
    let index = 0;
    const errors = units.map(({ documents }) => {
      const some = documents.flatMap((_, i) => failed.get(index + i) ?? []);
      index += documents.length;
      return some;
    });
    const there = await this.#find(units.filter((_, i) => errors[i]?.length).flatMap(({ documents }) => documents));
    return units.map((unit, i) => {
      const [first] = errors[i] ?? [];
      const same = unit.documents.every((document) => isDeepStrictEqual(there.get(nameOf(document)), document));
      return first && !same ? (first.errmsg ?? `error ${first.code}`) : undefined;
    });
  }

  /** Takes a record's documents out of history and keeps its bytes and the reason instead. */
  async park({ partition, stored, documents }: Unit, reason: string): Promise<void> {
    const { parked, history } = await this.#views();
    const seqs = documents.map(({ _id }) => _id.s);
    const [from] = seqs;
    const to = seqs.at(-1);
    await parked.updateOne(
      { _id: { p: partition, rev: stored.revision } },
      {
        $setOnInsert: {
          lane: stored.lane,
          ...(from === undefined || to === undefined ? {} : { from, to }),
          reason,
          payload: new Binary(stored.payload),
          storedAt: stored.storedAt,
          parkedAt: new Date(),
        },
      },
      { upsert: true },
    );
    const rid = documents[0]?.rid;
    if (rid !== undefined)
      await history.deleteMany({ _id: { $in: documents.map(({ _id }) => _id) }, rid, rev: stored.revision });
    await this.countParked(partition);
  }

  /** Readers look for parked records only where the position says that there are some. */
  async countParked(partition: number): Promise<number> {
    const count = await (await this.#views()).parked.countDocuments({ '_id.p': partition });
    await positionsOf(await this.#db()).updateOne({ _id: this.#positionId(partition) }, { $set: { parked: count } });
    return count;
  }

  /** One change for each user and lane. */
  async writeMemberships(changes: readonly MembershipChange[]): Promise<void> {
    const { memberships } = await this.#views();
    // Nothing is older than event 1, so what is there already is right; and an insert costs a quarter of an update.
    const first = changes.filter(({ seq }) => seq === 1);
    const inserting = first.map(({ user: u, lane: l, seq, member }) => ({ _id: { u, l }, seq, member }));
    try {
      if (first.length > 0) await memberships.insertMany(inserting, { ordered: false });
    } catch (error) {
      const other = writeErrorsOf(error).find(({ code }) => code !== DUPLICATE_KEY);
      if (other) throw new Error(`memberships not written: ${other.errmsg}`);
    }
    const updates = changes
      .filter(({ seq }) => seq !== 1)
      .map(({ user: u, lane: l, seq, member }): AnyBulkWriteOperation<MembershipDocument> => {
        const had = { $ifNull: ['$seq', 0] };
        const now = { $cond: [{ $gt: [seq, had] }, member, '$member'] };
        const update = [{ $set: { member: now, seq: { $max: [seq, had] } } }];
        return { updateOne: { filter: { _id: { u, l } }, update, upsert: true } };
      });
    if (updates.length > 0) await memberships.bulkWrite(updates, { ordered: false });
  }

  async writeActivity(activity: readonly Activity[]): Promise<void> {
    if (activity.length === 0) return;
    const { conversations } = await this.#views();
    await conversations.bulkWrite(
      activity.map(
        // A lane's `at` never falls, so the greater of each is the later event's.
        ({ lane, seq, at }): AnyBulkWriteOperation<ConversationDocument> => ({
          updateOne: { filter: { _id: lane }, update: { $max: { seq, at } }, upsert: true },
        }),
      ),
      { ordered: false },
    );
  }

  /** Made where there is none yet. */
  async position(partition: number): Promise<PositionDocument> {
    const made = { w: revisionOf(0), rid: null, listed: revisionOf(0), parked: 0 };
    const position = await positionsOf(await this.#db()).findOneAndUpdate(
      { _id: this.#positionId(partition) },
      { $setOnInsert: made },
      { upsert: true, returnDocument: 'after' },
    );
    return position ?? { _id: this.#positionId(partition), ...made };
  }

  /**
   * Never lowers one. Not waited for on the disk: what it promises is durable already, and a lost watermark is only a lower
   * one. The server's own log keeps the order, so that it cannot outlive what it promises.
   */
  async advance(watermarks: readonly Watermark[]): Promise<void> {
    await positionsOf(await this.#db()).bulkWrite(
      watermarks.map(({ partition, w, rid, at }) => ({
        updateOne: {
          filter: { _id: this.#positionId(partition), w: { $lt: w } },
          update: { $set: { w, rid, at } },
        },
      })),
      { ordered: false, writeConcern: { w: 1 } },
    );
  }

  async setListed(positions: readonly { readonly partition: number; readonly listed: Revision }[]): Promise<void> {
    await positionsOf(await this.#db()).bulkWrite(
      positions.map(({ partition, listed }) => ({
        updateOne: { filter: { _id: this.#positionId(partition) }, update: { $max: { listed } } },
      })),
      { ordered: false, writeConcern: { w: 1 } },
    );
  }

  /** Undefined: it goes on. */
  async setHalted(partition: number, reason: string | undefined): Promise<void> {
    await positionsOf(await this.#db()).updateOne(
      { _id: this.#positionId(partition) },
      reason === undefined ? { $unset: { halted: '' } } : { $set: { halted: reason } },
    );
  }

  /** Where the projector goes on, chosen by an operator while it stands still. */
  async moveTo(partition: number, { revision: w, id: rid = null, at }: Place): Promise<void> {
    const listed = { $min: ['$listed', w] };
    const place = { w, rid, listed, ...(at === undefined ? {} : { at }) };
    await positionsOf(await this.#db()).updateOne({ _id: this.#positionId(partition) }, [
      { $set: place },
      { $unset: ['halted', ...(at === undefined ? ['at'] : [])] },
    ]);
  }

  /** The lanes, of all partitions, that history has a record of with revision ≥ `from`. Reads all of history. */
  async *lanesFrom(from: Revision): AsyncIterable<LaneId> {
    const { history } = await this.#views();
    const lanes = history.aggregate<{ _id: LaneId }>([
      { $match: { rev: { $gte: from } } },
      { $group: { _id: '$_id.l' } },
    ]);
    for await (const { _id } of lanes) yield _id;
  }

  /** Parked records with revision ≥ `from` are forgotten. */
  async forgetParked(partition: number, from: Revision): Promise<void> {
    await (await this.#views()).parked.deleteMany({ '_id.p': partition, '_id.rev': { $gte: from } });
    await this.countParked(partition);
  }

  async #find(documents: readonly EventDocument[]): Promise<ReadonlyMap<string, EventDocument>> {
    const { history } = await this.#views();
    const found = new Map<string, EventDocument>();
    for (let i = 0; i < documents.length; i += LOOK_UP_MAX) {
      const ids = documents.slice(i, i + LOOK_UP_MAX).map(({ _id }) => _id);
      for await (const document of history.find({ _id: { $in: ids } })) found.set(nameOf(document), document);
    }
    return found;
  }

  async #views() {
    return generationOf(await this.#db(), this.generation);
  }

  #positionId(partition: number): string {
    return positionId(this.generation, partition);
  }
}

const nameOf = ({ _id }: { readonly _id: { readonly l: LaneId; readonly s: number } }): string => `${_id.l} ${_id.s}`;

/** The errors of single documents that will not pass; throws the error itself when it is about anything else. */
export function writeErrorsOf(error: unknown): readonly WriteError[] {
  if (!(error instanceof MongoBulkWriteError) || error.result.getWriteConcernError()) throw error;
  const errors = [error.writeErrors].flat();
  if (errors.length === 0 || errors.some(({ code }) => PASSING.has(code))) throw error;
  return errors;
}
