/**
 * What MongoDB knows, for readers. History alone may be behind the lane; `reads.ts` puts the lane's own records on top.
 */
import type { Db } from 'mongodb';
import type { LaneEvent } from '../../schema/events.ts';
import { type ClientKey, type LaneId, type Revision, revisionOf, type Seq, type UserId } from '../../schema/ids.ts';
import type { MongoAddress } from '../config.ts';
import type { RememberedKey } from '../lane/keys.ts';
import type { Logger } from '../logger.ts';
import { askMongo, HistoryUnavailable } from './ask.ts';
import { Mongo } from './connect.ts';
import { type ListedConversation, listConversations } from './conversations.ts';
import { type CurrentGeneration, Generations, READ_WITHIN_MS } from './generation.ts';
import { type Person, readPeople, writePeople } from './people.ts';
import { eventOf } from './project.ts';
import {
  type EventDocument,
  eventId,
  type Generation,
  generationOf,
  KEY_INDEX,
  type PositionDocument,
  positionId,
  positionsOf,
  rangeOf,
} from './views.ts';

export { HistoryUnavailable } from './ask.ts';

/** A watermark this old is read again, aside: an old one is true, but says less. */
const POSITION_REFRESH_MS = 1_000;

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

/** Every method throws HistoryUnavailable, within about 2 s, and at once when MongoDB has been down for a while. */
export interface History {
  /** `atLeast`: a remembered watermark that reaches so far will do. */
  at(partition: number, atLeast?: Revision): Promise<HistoryAt>;
  /** The partition's watermark as it was last read by this process, whatever became of MongoDB since. Never throws. */
  knownWatermark(partition: number): Revision | undefined;
  /** The user's conversations, newest activity first, ties by id; `after`: the last one of the page before. May lag. */
  conversationsOf(
    user: UserId,
    page: { readonly limit: number; readonly after?: ListedConversation | undefined },
  ): Promise<ListedConversation[]>;
  people(ids: readonly UserId[]): Promise<ReadonlyMap<UserId, Person>>;
  rememberPeople(people: readonly (Person & { readonly id: UserId })[]): Promise<void>;
  close(): Promise<void>;
}

/** Does not wait for MongoDB. */
export function openHistory(config: { readonly mongo: MongoAddress }, log: Logger): History {
  return new MongoHistory(new Mongo(config.mongo, log, { socketTimeoutMs: 5_000, maxPoolSize: 64 }), log);
}

interface KnownPosition {
  readonly generation: string;
  readonly position: Pick<PositionDocument, 'w' | 'parked' | 'halted'>;
  readonly readAt: number;
}
const NOTHING_PROJECTED = { w: revisionOf(0), parked: 0 };

class MongoHistory implements History {
  readonly #mongo: Mongo;
  readonly #log: Logger;
  readonly #generations: Generations;
  readonly #positions = new Map<number, KnownPosition>();
  readonly #reading = new Map<number, Promise<KnownPosition>>();

  constructor(mongo: Mongo, log: Logger) {
    this.#mongo = mongo;
    this.#log = log;
    this.#generations = new Generations(() => mongo.db());
  }

  at(partition: number, atLeast = revisionOf(Number.MAX_SAFE_INTEGER)): Promise<HistoryAt> {
    return this.#ask(async (db) => {
      const current = await this.#generations.current();
      const { name } = current;
      if (name === undefined) return new NoHistory();
      const { position } = await this.#position(db, name, partition, atLeast);
      if (position.halted !== undefined) throw new HistoryUnavailable(`partition ${partition}: ${position.halted}`);
      const read = <T>(work: (generation: Generation) => Promise<T>) => this.#pinned(current, name, work);
      return new Pinned(position.w, position.parked > 0, read);
    });
  }

  knownWatermark(partition: number): Revision | undefined {
    return this.#positions.get(partition)?.position.w;
  }

  conversationsOf(user: UserId, page: { limit: number; after?: ListedConversation | undefined }) {
    return this.#ask(async () => {
      const current = await this.#generations.current();
      const { name } = current;
      if (name === undefined) return [];
      return this.#pinned(current, name, (generation) => listConversations(generation, user, page));
    });
  }

  people(ids: readonly UserId[]): Promise<ReadonlyMap<UserId, Person>> {
    return this.#ask((db) => readPeople(db, ids));
  }

  rememberPeople(people: readonly (Person & { readonly id: UserId })[]): Promise<void> {
    return this.#ask((db) => writePeople(db, people));
  }

  close(): Promise<void> {
    return this.#mongo.close();
  }

  async #position(db: Db, generation: string, partition: number, atLeast: Revision): Promise<KnownPosition> {
    const known = this.#positions.get(partition);
    if (known?.generation !== generation || known.position.w < atLeast)
      return this.#readPosition(db, generation, partition);
    if (performance.now() - known.readAt > POSITION_REFRESH_MS)
      this.#readPosition(db, generation, partition).catch(() => undefined);
    return known;
  }

  /** Readers of one moment share one read: any watermark that was read is true from then on. */
  #readPosition(db: Db, generation: string, partition: number): Promise<KnownPosition> {
    const reading = this.#reading.get(partition);
    if (reading)
      return reading.then((known) =>
        known.generation === generation ? known : this.#readPosition(db, generation, partition),
      );
    const read = async (): Promise<KnownPosition> => {
      const found = await positionsOf(db).findOne({ _id: positionId(generation, partition) });
      const known = { generation, position: found ?? NOTHING_PROJECTED, readAt: performance.now() };
      this.#positions.set(partition, known);
      return known;
    };
    const begun = read().finally(() => this.#reading.delete(partition));
    this.#reading.set(partition, begun);
    return begun;
  }

  #pinned<T>(current: CurrentGeneration, name: string, work: (generation: Generation) => Promise<T>): Promise<T> {
    return this.#ask(async (db) => {
      const result = await work(generationOf(db, name));
      if (performance.now() - current.confirmedAt > READ_WITHIN_MS)
        throw new HistoryUnavailable('history was rebuilt while it was read');
      return result;
    });
  }

  #ask<T>(work: (db: Db) => Promise<T>): Promise<T> {
    return askMongo(this.#mongo, this.#log, work);
  }
}

type Read = <T>(work: (generation: Generation) => Promise<T>) => Promise<T>;

class Pinned implements HistoryAt {
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
class NoHistory implements HistoryAt {
  readonly watermark = revisionOf(0);
  events = async () => [];
  boundary = async () => 0 as Seq;
  count = async () => 0;
  keys = async (_: LaneId, wanted: readonly WantedKey[]) => wanted.map(() => undefined);
  parked = async () => false;
}
