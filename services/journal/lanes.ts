/**
 * The folded states of lanes in this process: a cache, bounded by weight, that is never trusted to be new. A state from before
 * the connection was made anew is not even trusted to be of this store: its last record is looked for first.
 */
import { type LaneId, type Revision, revisionOf } from '../../schema/ids.ts';
import { emptyLane, evolve, type Lane, weightOf } from '../lane/lane.ts';
import { laneOfSnapshot, snapshotOf } from '../lane/snapshot.ts';
import type { Logger } from '../logger.ts';
import { Fresh } from './fresh.ts';
import { type Journal, JournalUnavailable, type StoredRecord } from './journal.ts';
import { readLane } from './read-lane.ts';

/** A lane's state after its record `revision`; revision 0 and no recordId where the lane has no record. */
export interface Loaded {
  readonly lane: Lane;
  readonly revision: Revision;
  readonly recordId: string;
}

/** The lane has a record that this version cannot read: folding on would guess. It accepts nothing until that is settled. */
export class PoisonedLane extends Error {
  override readonly name = 'PoisonedLane';
}

/** A snapshot is written when this many events came since the last: what a cold start folds at the most. */
const SNAPSHOT_EVENTS = 1_000;
const SNAPSHOT_WRITES_AT_ONCE = 2;
const READ_PAGE = 1_000;
/** Lanes that one call reads at a time. */
const LANES_AT_ONCE = 32;

interface Entry {
  readonly loaded: Loaded;
  readonly weight: number;
  /** The seq of the newest snapshot that this process read or wrote. */
  snapshotSeq: number;
  /** The connection on which the lane was last seen to have the record that the state ends at. */
  connection: number;
}

export interface LanesOptions {
  readonly maxWeight: number;
  readonly log: Logger;
  /** Settles where a lane without a record is one that never was; throws JournalUnavailable where it may have been lost. */
  readonly confirmEmpty?: (id: LaneId) => Promise<void>;
}

export class Lanes {
  readonly #journal: Journal;
  readonly #options: LanesOptions;
  #weight = 0;
  /** In order of use, the longest unused first. */
  readonly #cache = new Map<LaneId, Entry>();
  readonly #loading = new Map<LaneId, Promise<Loaded>>();
  readonly #checks = new Fresh<LaneId, Loaded>((id) => this.#check(id));
  #snapshotWrites = 0;
  /** Counts them: behind each new one may be a store that was restored, or made anew. */
  #connection = 0;

  constructor(journal: Journal, options: LanesOptions) {
    this.#journal = journal;
    this.#options = options;
    journal.onReconnect(() => this.#connection++);
  }

  /** What is cached, which may be old: good for what holds of old states, too, or where its age is known. Nobody's rights. */
  peek(id: LaneId): Loaded | undefined {
    const entry = this.#cache.get(id);
    return entry?.connection === this.#connection ? entry.loaded : undefined;
  }

  /** The state, perhaps old: good enough to decide on, since an append says if it was. Throws JournalUnavailable, PoisonedLane. */
  load(id: LaneId): Loaded | Promise<Loaded> {
    const entry = this.#use(id);
    if (!entry) return this.#readOnce(id);
    return entry.connection === this.#connection ? entry.loaded : this.fresh(id);
  }

  /**
   * The state at least as new as the lane was at the call. Calls of one moment share one read.
   * Throws JournalUnavailable, PoisonedLane.
   */
  fresh(id: LaneId): Promise<Loaded> {
    return this.#checks.ask(id);
  }

  /**
   * As `fresh`, for many: one question for all whose cached states are the newest, and reads of the others alone. What cannot
   * be read for good is its PoisonedLane. Throws JournalUnavailable.
   */
  async freshMany(ids: readonly LaneId[]): Promise<ReadonlyMap<LaneId, Loaded | PoisonedLane>> {
    const waiting = [...new Set(ids)];
    const known = new Map(waiting.map((id) => [id, this.peek(id)?.revision ?? 0]));
    const ends = await this.#journal.lastRevisions(waiting);
    const all = new Map<LaneId, Loaded | PoisonedLane>();
    const work = async (): Promise<void> => {
      for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
        const end = ends.get(id) ?? 0;
        all.set(id, await orPoisoned(this.#upTo(id, end, (known.get(id) ?? 0) > end)));
      }
    };
    const works = Array.from({ length: Math.min(LANES_AT_ONCE, waiting.length) }, work);
    await Promise.all(works).finally(() => waiting.splice(0));
    return all;
  }

  /** Applies the records that directly follow what is cached, and leaves out all others. */
  advance(records: readonly StoredRecord[]): Loaded | undefined {
    const id = records[0]?.lane;
    const cached = id && this.peek(id);
    if (!cached) return undefined;
    let loaded = cached;
    for (const record of records) {
      if (record.revision <= loaded.revision) continue;
      if (record.record?.events[0]?.seq !== loaded.lane.seq + 1) break;
      loaded = fold(loaded, record);
    }
    if (loaded !== cached) this.#keep(loaded);
    return loaded;
  }

  /** The state after a record that this process wrote on the state of revision `before`; its snapshot is kept from growing old. */
  stored(before: Revision, after: Loaded): void {
    const { id } = after.lane;
    const cached = this.peek(id);
    if (!cached || cached.revision === before) this.#keep(after);
    const entry = this.#cache.get(id);
    if (entry && entry.loaded.lane.seq - entry.snapshotSeq >= SNAPSHOT_EVENTS) this.#writeSnapshot(entry);
  }

  /** Forgets a lane, so that its state is read again. */
  forget(id: LaneId): void {
    const entry = this.#cache.get(id);
    if (!entry) return;
    this.#cache.delete(id);
    this.#weight -= entry.weight;
  }

  async #check(id: LaneId): Promise<Loaded> {
    const connection = this.#connection;
    // As it was before the question: what is cached when the answer comes may be newer than the answer.
    const known = this.#cache.get(id);
    const last = await this.#journal.last(id);
    const end = last?.revision ?? revisionOf(0);
    if (known && (await this.#stands(known, last))) known.connection = connection;
    else if (known) this.forget(id);
    if (last) this.advance([last]);
    const loaded = this.#use(id)?.loaded ?? (await this.#readOnce(id));
    let now = loaded;
    for await (const page of readLane(this.#journal, id, revisionOf(loaded.revision + 1), end))
      now = await this.#folded(now, page);
    return now === loaded ? loaded : this.#newest(now, connection);
  }

  /** Whether the lane has the record that a state ends at. A lane that is shorter, or has another one there, was restored. */
  async #stands({ loaded, connection }: Entry, last: StoredRecord | undefined): Promise<boolean> {
    const { revision, recordId } = loaded;
    if (revision >= (last?.revision ?? 0)) return revision === last?.revision && recordId === (last.record?.id ?? '');
    if (connection === this.#connection) return true;
    const { records } = await this.#journal.read(loaded.lane.id, revision, { limit: 1 });
    return records[0]?.revision === revision && recordId === (records[0].record?.id ?? '');
  }

  /** The state at `end` or later; `isOther`: what is cached is of another store. */
  async #upTo(id: LaneId, end: number, isOther: boolean): Promise<Loaded> {
    const loaded = isOther ? undefined : await this.load(id);
    return loaded && loaded.revision >= end ? loaded : this.fresh(id);
  }

  #use(id: LaneId): Entry | undefined {
    const entry = this.#cache.get(id);
    if (!entry) return undefined;
    this.#cache.delete(id);
    this.#cache.set(id, entry);
    return entry;
  }

  #readOnce(id: LaneId): Promise<Loaded> {
    const loading = this.#loading.get(id) ?? this.#read(id).finally(() => this.#loading.delete(id));
    this.#loading.set(id, loading);
    return loading;
  }

  async #read(id: LaneId): Promise<Loaded> {
    const connection = this.#connection;
    const snapshot = await this.#journal.readSnapshot(id);
    let loaded: Loaded = { lane: emptyLane(id), revision: revisionOf(0), recordId: '' };
    if (snapshot) {
      const { records } = await this.#journal.read(id, snapshot.revision, { limit: 1 });
      const head = records[0];
      // A snapshot ahead of its lane, or of another lane that stood in its place, is no snapshot.
      if (head?.revision === snapshot.revision && head.record?.id === snapshot.recordId)
        loaded = { lane: laneOfSnapshot(snapshot.state), revision: snapshot.revision, recordId: snapshot.recordId };
    }
    loaded = await this.#readOn(loaded, connection, loaded.lane.seq);
    if (loaded.revision === 0) await this.#options.confirmEmpty?.(id);
    const entry = this.#cache.get(id);
    if (entry && entry.loaded.lane.seq - entry.snapshotSeq >= SNAPSHOT_EVENTS) this.#writeSnapshot(entry);
    return loaded;
  }

  /** Folds what the lane has after `loaded`, which was seen to be the lane's on `connection`. */
  async #readOn(loaded: Loaded, connection: number, snapshotSeq?: number): Promise<Loaded> {
    let now = loaded;
    for (;;) {
      const { records, complete } = await this.#journal.read(now.lane.id, revisionOf(now.revision + 1), {
        limit: READ_PAGE,
      });
      now = await this.#folded(now, records);
      if (complete) return this.#newest(now, connection, snapshotSeq);
    }
  }

  /** Keeps `now`, unless what is cached is newer. */
  #newest(now: Loaded, connection: number, snapshotSeq?: number): Loaded {
    const cached = this.peek(now.lane.id);
    if (cached && cached.revision >= now.revision) return cached;
    this.#keep(now, connection, snapshotSeq);
    return now;
  }

  /** Poison is only what the leader shows, too: any other odd record is one replica's, and the lane cannot be read now. */
  async #folded(loaded: Loaded, records: readonly StoredRecord[]): Promise<Loaded> {
    let now = loaded;
    for (const record of records) {
      try {
        now = fold(now, record);
      } catch (error) {
        if (!(error instanceof PoisonedLane)) throw error;
        const said = await this.#journal.next(record.lane, revisionOf(now.revision + 1));
        if (said?.revision === record.revision && Buffer.compare(said.payload, record.payload) === 0) throw error;
        throw new JournalUnavailable(`${error.message}; its leader shows another`, { cause: error });
      }
    }
    return now;
  }

  #keep(loaded: Loaded, connection?: number, snapshotSeq?: number): void {
    const { id } = loaded.lane;
    const had = this.#cache.get(id);
    this.forget(id);
    // A lane without records is not worth a place: anybody can name such lanes without end.
    if (loaded.revision === 0) return;
    const weight = weightOf(loaded.lane);
    this.#cache.set(id, {
      loaded,
      weight,
      snapshotSeq: snapshotSeq ?? had?.snapshotSeq ?? 0,
      connection: connection ?? had?.connection ?? this.#connection,
    });
    this.#weight += weight;
    for (const longestUnused of this.#cache.keys()) {
      if (this.#weight <= this.#options.maxWeight || longestUnused === id) break;
      this.forget(longestUnused);
    }
  }

  /** Behind the send path; a snapshot that is not written now is written a few events later. */
  #writeSnapshot(entry: Entry): void {
    if (this.#snapshotWrites >= SNAPSHOT_WRITES_AT_ONCE) return;
    const { lane, revision, recordId } = entry.loaded;
    this.#snapshotWrites++;
    entry.snapshotSeq = lane.seq;
    this.#journal
      .writeSnapshot(lane.id, { revision, recordId, state: snapshotOf(lane) })
      .then((written) => this.#options.log.debug({ lane: lane.id, seq: lane.seq, written }, 'snapshot'))
      .finally(() => this.#snapshotWrites--);
  }
}

function fold(loaded: Loaded, { revision, record, lane: id }: StoredRecord): Loaded {
  if (!record) throw new PoisonedLane(`lane ${id}: its record at stream sequence ${revision} cannot be read`);
  let { lane } = loaded;
  if (record.events[0]?.seq !== lane.seq + 1)
    throw new PoisonedLane(`lane ${id}: its record at stream sequence ${revision} does not follow event ${lane.seq}`);
  for (const event of record.events) lane = evolve(lane, event);
  return { lane, revision, recordId: record.id };
}

const orPoisoned = (reading: Promise<Loaded>): Promise<Loaded | PoisonedLane> =>
  reading.catch((error: unknown) => {
    if (error instanceof PoisonedLane) return error;
    throw error;
  });
