/** Reads of one whole generation, for comparing it with the lanes. */
import { type Db, MaxKey, MinKey } from 'mongodb';
import type { LaneId, Revision, Seq } from '../../schema/ids.ts';
import {
  type EventDocument,
  type EventId,
  eventId,
  generationOf,
  KEY_INDEX,
  type PositionDocument,
  positionId,
  positionsOf,
} from './views.ts';

export interface ParkedRecord {
  readonly lane: LaneId;
  readonly revision: Revision;
  readonly reason: string;
}
const LANES_AT_ONCE = 500;

export class Audit {
  readonly generation: string;
  readonly #db: Db;

  constructor(db: Db, generation: string) {
    this.#db = db;
    this.generation = generation;
  }

  async position(partition: number): Promise<PositionDocument | undefined> {
    const found = await positionsOf(this.#db).findOne({ _id: positionId(this.generation, partition) });
    return found ?? undefined;
  }

  /** Those that are there, by `nameOf`. */
  async documents(ids: readonly EventId[]): Promise<ReadonlyMap<string, EventDocument>> {
    const found = await this.#views.history.find({ _id: { $in: [...ids] } }, { batchSize: ids.length + 1 }).toArray();
    return new Map(found.map((document) => [nameOf(document._id), document]));
  }

  /** The documents of these lanes that are before event 1 or after the lane's last. */
  async outside(ends: readonly { readonly lane: LaneId; readonly seq: Seq }[]): Promise<EventDocument[]> {
    if (ends.length === 0) return [];
    const ranges = ends.flatMap(({ lane, seq }) => [
      { _id: { $gt: eventId(lane, seq), $lte: edgeOf(lane, new MaxKey()) } },
      { _id: { $gte: edgeOf(lane, new MinKey()), $lt: eventId(lane, 1) } },
    ]);
    return this.#views.history.find({ $or: ranges }).toArray();
  }

  /** Every lane of which there is a document, in no order, with how many there are. */
  async *lanes(): AsyncGenerator<readonly { readonly lane: unknown; readonly events: number }[]> {
    const cursor = this.#views.history.aggregate<{ _id: unknown; events: number }>(
      [{ $group: { _id: '$_id.l', events: { $sum: 1 } } }],
      { allowDiskUse: true },
    );
    let some: { lane: unknown; events: number }[] = [];
    for await (const { _id: lane, events } of cursor) {
      some.push({ lane, events });
      if (some.length < LANES_AT_ONCE) continue;
      yield some;
      some = [];
    }
    if (some.length > 0) yield some;
  }

  async parked(partition: number, lane?: LaneId): Promise<ParkedRecord[]> {
    const filter = lane === undefined ? { '_id.p': partition } : { '_id.p': partition, lane };
    const found = await this.#views.parked.find(filter, { projection: { payload: 0 } }).toArray();
    return found.map(({ _id, lane: of, reason }) => ({ lane: of, revision: _id.rev, reason }));
  }

  /** Without it the same key could be in history twice. */
  async hasKeyIndex(): Promise<boolean> {
    return this.#views.history.indexExists(KEY_INDEX).catch(() => false);
  }

  get #views() {
    return generationOf(this.#db, this.generation);
  }
}

export const nameOf = ({ l, s }: EventId): string => `${l} ${s}`;
const edgeOf = (lane: LaneId, edge: MinKey | MaxKey): EventId => ({ l: lane, s: edge }) as unknown as EventId;
