/**
 * One lane in this process, while somebody follows it: what was heard of it last, and who is to get it.
 *
 * The live copy of a record is a doorbell: what directly follows is taken, what is old is dropped, and anything else makes
 * the hub read the lane.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { LaneEvent } from '../../schema/events.ts';
import { type LaneId, type Revision, revisionOf } from '../../schema/ids.ts';
import { type Journal, JournalUnavailable, type Stoppable, type StoredRecord } from '../journal/journal.ts';
import type { Lanes, Loaded } from '../journal/lanes.ts';
import { evolve } from '../lane/lane.ts';
import type { Logger } from '../logger.ts';
import { type AnswerBudget, Audience } from './audience.ts';
import { Follower, type Viewer } from './follow.ts';
import type { Frames, Operation } from './frames.ts';
import { RING_EVENTS, Ring, type RingBudget } from './ring.ts';
import type { Sink } from './sink.ts';
import type { Slots } from './slots.ts';
import type { StreamCounts } from './stream-metrics.ts';

/** Catching up reads by this. `gap` gives the events after `after` in order, up to at least the state's last, in pages. */
export interface GapReader {
  gap(loaded: Loaded, after: number): AsyncIterable<readonly LaneEvent[]>;
}

/** What all hubs of a process share. */
export interface HubOptions {
  readonly journal: Pick<Journal, 'listen' | 'read'>;
  readonly lanes: Lanes;
  readonly reads: GapReader;
  readonly frames: Frames;
  readonly log: Logger;
  readonly counts: StreamCounts;
  readonly slots: Slots;
  readonly rings: RingBudget;
  readonly answers: AnswerBudget;
  /** Settles after so many milliseconds; rejects when the process stops. */
  readonly pause: (ms: number) => Promise<void>;
}

/** Followers that get their turn before others of the process do. */
const TURN = 1_024;
/** Records read at once: their followers get their turn before the next are read, so that these don't push them out of the ring. */
const READ_RECORDS = 64;
/** The ring reaches back to a multiple of this, so that readers from many positions share few reads. */
const REACH = 64;
const FIRST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 2_000;
/** A lane that does not have what was heard of it is looked at anew after so many reads. */
const FRUITLESS_READS = 8;

type Taken = 'taken' | 'old' | 'not-next' | 'unreadable';

export class Hub {
  readonly lane: LaneId;
  readonly ring: Ring;
  readonly reads: GapReader;
  readonly frames: Frames;
  readonly log: Logger;
  readonly counts: StreamCounts;
  readonly slots: Slots;
  readonly pause: (ms: number) => Promise<void>;
  /** The lane's state at the ring's head or later; undefined until it was read first. */
  loaded: Loaded | undefined;
  readonly #options: HubOptions;
  readonly #onEmpty: (hub: Hub) => void;
  readonly #listening: Stoppable;
  readonly #followers: Follower[] = [];
  readonly #audiences = new Map<string, Audience>();
  /** The revision that the lane is known to have. */
  #wanted = revisionOf(0);
  #syncing = false;
  #reaching: Promise<void> | undefined;
  /** Raised when the lane turned out to be another than the one followed so far: answers asked for before say nothing. */
  #epoch = 0;
  #stopped = false;
  #pumping = false;
  /** Something came for all; `#next` is the place before which followers had no turn yet. */
  #news = false;
  #walking = false;
  #next = 0;
  readonly #due: Follower[] = [];

  constructor(lane: LaneId, options: HubOptions, onEmpty: (hub: Hub) => void) {
    this.lane = lane;
    this.#options = options;
    this.#onEmpty = onEmpty;
    this.ring = new Ring(lane, options.rings);
    this.reads = options.reads;
    this.frames = options.frames;
    this.log = options.log;
    this.counts = options.counts;
    this.slots = options.slots;
    this.pause = options.pause;
    // Listening comes before the first look at the lane: what is stored between the two is heard.
    this.#listening = options.journal.listen(lane, (record) => this.#hear(record));
  }

  join(operation: Operation, viewer: Viewer, sink: Sink): Follower {
    let audience = this.#audiences.get(operation.key);
    if (!audience) {
      const { frames, answers } = this.#options;
      audience = new Audience({ operation, frames, ring: this.ring, budget: answers, wake: () => this.wake() });
      this.#audiences.set(operation.key, audience);
    }
    audience.size++;
    const follower = new Follower(this, audience, viewer, sink);
    follower.place = this.#followers.push(follower) - 1;
    this.counts.followers++;
    return follower;
  }

  leave(follower: Follower): void {
    const last = this.#followers.pop() as Follower;
    if (last !== follower) {
      this.#followers[follower.place] = last;
      last.place = follower.place;
    }
    this.counts.followers--;
    const { audience } = follower;
    if (--audience.size === 0) {
      audience.forget();
      this.#audiences.delete(audience.operation.key);
    }
    if (this.#followers.length === 0 && !this.#stopped) this.#onEmpty(this);
  }

  /** Ends listening. Followers that are still here hear nothing more. */
  stop(): void {
    this.#stopped = true;
    this.#listening.stop();
    for (const follower of [...this.#followers]) follower.stop();
    this.ring.reset(0, revisionOf(0), '');
  }

  /** Something came that every follower may have to get. */
  wake(): void {
    this.#news = true;
    this.#schedule();
  }

  /** Something came for this one. */
  ready(follower: Follower): void {
    this.#due.push(follower);
    this.#schedule();
  }

  /** The state as the lane's leader has it. Throws JournalUnavailable, PoisonedLane. */
  async fresh(): Promise<Loaded> {
    for (;;) {
      const epoch = this.#epoch;
      const opened = this.loaded !== undefined;
      const { revision, recordId } = this.ring;
      const loaded = await this.#options.lanes.fresh(this.lane);
      if (this.#stopped) return loaded;
      if (epoch !== this.#epoch) continue;
      const shorter = loaded.revision < revision;
      const other = loaded.revision === revision && loaded.recordId !== recordId;
      if (opened && (shorter || other)) this.#rebuild(loaded);
      else this.#adopt(loaded);
      return loaded;
    }
  }

  /** As `fresh`, when the lane is known not to be the one followed so far. */
  async #another(): Promise<void> {
    const { lanes } = this.#options;
    lanes.forget(this.lane);
    const loaded = await lanes.fresh(this.lane);
    if (!this.#stopped) this.#rebuild(loaded);
  }

  /** What the lane's leader said about its last revision, asked for when the ring was at `before`. */
  compare(last: Revision, before: Revision): void {
    if (!this.loaded || this.#stopped) return;
    if (last > this.ring.revision) this.#want(last, 'the live copy did not come');
    else if (last < before) void this.fresh().catch((error: unknown) => this.#failed(error));
  }

  /** Whether the ring may be made to reach back to what comes after `seq`. */
  canReach(seq: number): boolean {
    return seq >= this.ring.head - RING_EVENTS;
  }

  /** Reads older events into the ring, for all who need them; it may reach less far than asked. Throws what `gap` throws. */
  reachBack(seq: number): Promise<void> {
    this.#reaching ??= this.#reachBack(seq).finally(() => {
      this.#reaching = undefined;
    });
    return this.#reaching;
  }

  async #reachBack(seq: number): Promise<void> {
    const { ring, loaded } = this;
    const epoch = this.#epoch;
    const from = Math.max(0, ring.head - RING_EVENTS, Math.floor(seq / REACH) * REACH);
    const to = ring.first - 1;
    if (!loaded || from >= to) return;
    const older: LaneEvent[] = [];
    for await (const events of this.reads.gap(loaded, from)) {
      for (const event of events) if (event.seq <= to) older.push(event);
      if ((older.at(-1)?.seq ?? 0) >= to) break;
    }
    const dense = older.every((event, i) => event.seq === from + 1 + i);
    if (epoch === this.#epoch && !this.#stopped && dense) ring.extendBack(older);
  }

  #hear(record: StoredRecord): void {
    if (this.#stopped) return;
    // Not opened yet: the look at the lane that is under way may or may not see it.
    if (!this.loaded) this.#wanted = maxOf(this.#wanted, record.revision);
    else if (this.#take(record) === 'not-next') this.#want(record.revision, 'the live copy was not the next');
  }

  #take(stored: StoredRecord): Taken {
    const { ring } = this;
    const { record, revision } = stored;
    if (revision <= ring.revision) return 'old';
    if (!record) return 'unreadable';
    if (record.events[0]?.seq !== ring.head + 1) return 'not-next';
    this.#fold(stored);
    ring.push(record.events, revision, record.id);
    this.wake();
    return 'taken';
  }

  /** Keeps the state at the ring's head or later; the cache's own, where it has it. */
  #fold(stored: StoredRecord): void {
    const known = this.#options.lanes.advance([stored]);
    const had = this.loaded;
    if (!had || had.revision >= stored.revision) return;
    if (known && known.revision >= stored.revision) {
      this.loaded = known;
      return;
    }
    let { lane } = had;
    for (const event of stored.record?.events ?? []) lane = evolve(lane, event);
    this.loaded = { lane, revision: stored.revision, recordId: stored.record?.id ?? '' };
  }

  #adopt(loaded: Loaded): void {
    if (!this.loaded) this.ring.reset(loaded.lane.seq, loaded.revision, loaded.recordId);
    if (!this.loaded || loaded.revision > this.loaded.revision) this.loaded = loaded;
    this.#want(maxOf(this.#wanted, loaded.revision));
  }

  #rebuild(loaded: Loaded): void {
    this.log.warn(
      { lane: this.lane, had: this.ring.head, has: loaded.lane.seq },
      'the lane was restored: streams are reset',
    );
    this.#epoch++;
    this.loaded = loaded;
    this.#wanted = loaded.revision;
    this.ring.reset(loaded.lane.seq, loaded.revision, loaded.recordId);
    for (const audience of this.#audiences.values()) audience.forget();
    for (const follower of [...this.#followers]) follower.rebuilt(loaded);
  }

  /** The lane has this revision: if the ring does not, the lane is read. `why`: how it came that it was not heard. */
  #want(revision: Revision, why?: string): void {
    if (revision <= this.ring.revision) return;
    this.#wanted = maxOf(this.#wanted, revision);
    if (why) {
      this.counts.gaps++;
      this.log.debug({ lane: this.lane, has: this.ring.revision, wants: revision, why }, 'the lane is read');
    }
    this.#sync();
  }

  #sync(): void {
    if (this.#syncing || this.#stopped) return;
    this.#syncing = true;
    this.#readOn()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#syncing = false;
      });
  }

  async #readOn(): Promise<void> {
    for (let fruitless = 0; !this.#stopped && this.#wanted > this.ring.revision; fruitless++) {
      const taken = await this.#readSome();
      if (taken === 'taken') fruitless = -1;
      else if (taken === 'unreadable') this.#wanted = this.ring.revision;
      else if (taken === 'not-next') {
        this.#wanted = this.ring.revision;
        await this.#another();
      } else if (taken === 'old') {
        await this.pause(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** fruitless));
        if (fruitless < FRUITLESS_READS) continue;
        // What was heard of the lane is not there, or the store is out of reach for long.
        this.#wanted = this.ring.revision;
        await this.fresh();
      }
      while (this.#pumping) await turn();
    }
  }

  /** `old`: nothing new came, or the store is out of reach. `not-next`: the lane is not the one that was followed. */
  async #readSome(): Promise<Taken> {
    const epoch = this.#epoch;
    const { revision, recordId } = this.ring;
    let records: readonly StoredRecord[];
    try {
      // The record at hand is read again: it shows that this is still the lane that was followed.
      ({ records } = await this.#options.journal.read(this.lane, revision, { limit: READ_RECORDS }));
    } catch (error) {
      if (error instanceof JournalUnavailable) return 'old';
      throw error;
    }
    if (epoch !== this.#epoch || this.#stopped) return 'old';
    const head = revision > 0 ? records[0] : undefined;
    if (head && (head.revision !== revision || head.record?.id !== recordId)) return 'not-next';
    let taken: Taken = 'old';
    for (const record of records) {
      const now = this.#take(record);
      if (now === 'taken') taken = now;
      else if (now !== 'old') {
        if (now === 'unreadable')
          this.log.error({ lane: this.lane, revision: record.revision }, 'a record cannot be read');
        return now;
      }
    }
    return taken;
  }

  #failed(error: unknown): void {
    if (!this.#stopped) this.log.warn({ err: error, lane: this.lane }, 'the lane could not be read');
  }

  #schedule(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(this.#pump);
  }

  readonly #pump = (): void => {
    for (let turns = 0; turns < TURN; turns++) {
      const follower = this.#takeTurn();
      if (!follower) {
        this.#pumping = false;
        return;
      }
      follower.advance();
    }
    setImmediate(this.#pump);
  };

  /** From the last to the first: then whoever takes the place of one who leaves has had its turn. */
  #takeTurn(): Follower | undefined {
    const due = this.#due.pop();
    if (due) return due;
    this.#next = Math.min(this.#next, this.#followers.length);
    if (this.#next === 0) {
      // All have had what was there when their round began.
      if (this.#walking) this.ring.trim();
      this.#walking = this.#news;
      this.#news = false;
      if (!this.#walking) return undefined;
      this.#next = this.#followers.length;
    }
    return this.#followers[--this.#next];
  }
}

const maxOf = (a: Revision, b: Revision): Revision => (a > b ? a : b);
