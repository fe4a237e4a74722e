/** One generation of history as a reader holds it: nothing read from it is older than its watermark, or of another generation. */
import type { LaneEvent } from '../../schema/events.ts';
import { type ClientKey, type LaneId, type Revision, revisionOf, type Seq, type UserId } from '../../schema/ids.ts';
import type { RememberedKey } from '../lane/keys.ts';
import { eventOf } from './project.ts';
import { type EventDocument, eventId, type Generation, KEY_INDEX, rangeOf } from './views.ts';

export interface StoredEvent {
  readonly event: LaneEvent;
  readonly revision: Revision;
}
export interface EventRange {
  /** `after` < seq ≤ `upTo`. */
  readonly after: number;
  readonly upTo: number;
  readonly limit: number;
  readonly newestFirst: boolean;
  readonly only?: 'messages' | undefined;
}
export interface WantedKey {
  readonly sender: UserId;
  readonly key: ClientKey;
}

/** One generation of history, for one partition, with a watermark that was true before anything is read from it. */
export interface HistoryAt {
  /** Every record with revision ≤ it is in history or parked. */
  readonly watermark: Revision;
  /** There may be newer events among them, with holes between: those with a revision above the watermark. */
  events(lane: LaneId, range: EventRange): Promise<StoredEvent[]>;
  /** The last event with seq ≤ `upTo` of the records up to the watermark; 0: none. */
  boundary(lane: LaneId, upTo: Seq): Promise<Seq>;
  /** How many of these events are there. */
  count(lane: LaneId, seqs: readonly number[]): Promise<number>;
  /** For each wanted key the event that has it. Absent means nothing beyond the boundary. */
  keys(lane: LaneId, wanted: readonly WantedKey[]): Promise<(RememberedKey | undefined)[]>;
  /** Whether a record is parked that may hold an event with `from` ≤ seq ≤ `to`. */
  parked(lane: LaneId, from: number, to: number): Promise<boolean>;
}

type Read = <T>(work: (generation: Generation) => Promise<T>) => Promise<T>;

export class Pinned implements HistoryAt {
  readonly watermark: Revision;
  readonly #anyParked: boolean;
  readonly #read: Read;

  constructor(watermark: Revision, anyParked: boolean, read: Read) {
    this.watermark = watermark;
    this.#anyParked = anyParked;
    this.#read = read;
  }

  events(lane: LaneId, { after, upTo, limit, newestFirst, only }: EventRange): Promise<StoredEvent[]> {
    return this.#read(async ({ history }) => {
      const filter = only ? { ...rangeOf(lane, after, upTo), t: 'MessageSent' as const } : rangeOf(lane, after, upTo);
      const order = { _id: newestFirst ? (-1 as const) : (1 as const) };
      // One more than the limit, so that the first answer is the whole one.
      const found = await history.find(filter, { sort: order, limit, batchSize: limit + 1 }).toArray();
      return found.map((document) => ({ event: eventOf(document), revision: document.rev }));
    });
  }

  boundary(lane: LaneId, upTo: Seq): Promise<Seq> {
    return this.#read(async ({ history }) => {
      const filter = { ...rangeOf(lane, 0, upTo), rev: { $lte: this.watermark } };
      const last = await history.findOne(filter, { sort: { _id: -1 }, projection: { _id: 1 } });
      return last?._id.s ?? (0 as Seq);
    });
  }

  count(lane: LaneId, seqs: readonly number[]): Promise<number> {
    return this.#read(async ({ history }) => {
      const ids = seqs.map((seq) => eventId(lane, seq));
      return (await history.find({ _id: { $in: ids } }, { projection: { _id: 1 } }).toArray()).length;
    });
  }

  keys(lane: LaneId, wanted: readonly WantedKey[]): Promise<(RememberedKey | undefined)[]> {
    if (wanted.length === 0) return Promise.resolve([]);
    return this.#read(async ({ history }) => {
      const bySender = new Map<UserId, ClientKey[]>();
      for (const { sender, key } of wanted) bySender.set(sender, [...(bySender.get(sender) ?? []), key]);
      const some = [...bySender].map(([by, keys]) => ({ '_id.l': lane, by, key: { $in: keys } }));
      const found = await history
        .find({ $or: some }, { hint: KEY_INDEX, projection: { by: 1, key: 1, at: 1, hash: 1 } })
        .toArray();
      const events = new Map(found.map((event) => [`${event.by} ${event.key}`, event]));
      return wanted.map(({ sender, key }) => rememberedOf(events.get(`${sender} ${key}`)));
    });
  }

  parked(lane: LaneId, from: number, to: number): Promise<boolean> {
    if (!this.#anyParked) return Promise.resolve(false);
    return this.#read(async ({ parked }) => {
      const somewhere = {
        $or: [{ from: { $exists: false } }, { from: { $lte: to as Seq }, to: { $gte: from as Seq } }],
      };
      return (await parked.countDocuments({ lane, ...somewhere }, { limit: 1 })) > 0;
    });
  }
}

const rememberedOf = (event: EventDocument | undefined): RememberedKey | undefined =>
  event && { seq: event._id.s, at: event.at, hash: event.hash };

/** Before the first projector ran. */
export class NoHistory implements HistoryAt {
  readonly watermark = revisionOf(0);
  events = async () => [];
  boundary = async () => 0 as Seq;
  count = async () => 0;
  keys = async (_: LaneId, wanted: readonly WantedKey[]) => wanted.map(() => undefined);
  parked = async () => false;
}
