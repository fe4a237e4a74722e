/**
 * One lane's newest events and state in this process, kept up to the lane.
 *
 * The live copy of a record is a doorbell: what directly follows is taken, what is old is dropped, and anything else makes
 * the feed read the lane. After a reconnect nothing is taken before the lane was seen to have the record that was taken last:
 * it may have lost its end, and others may stand in its place.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LaneEvent } from '../../schema/events.ts';
import { type LaneId, type Revision, revisionOf } from '../../schema/ids.ts';
import { type Journal, JournalUnavailable, type Stoppable, type StoredRecord } from '../journal/journal.ts';
import type { Lanes, Loaded } from '../journal/lanes.ts';
import { evolve } from '../lane/lane.ts';
import type { Logger } from '../logger.ts';
import { Ring, type RingLimits } from './ring.ts';
import type { StreamCounts } from './stream-metrics.ts';

/** Catching up reads by this: the events after `after` in order, at least up to the state's last, in pages. */
export interface GapReader {
  gap(loaded: Loaded, after: number): AsyncIterable<readonly LaneEvent[]>;
}

export interface FeedOptions {
  readonly journal: Pick<Journal, 'listen' | 'read'>;
  readonly lanes: Lanes;
  readonly reads: GapReader;
  readonly log: Logger;
  readonly counts: StreamCounts;
  readonly ring: RingLimits;
  /** Settles after so many milliseconds; rejects when the process stops. */
  readonly pause: (ms: number) => Promise<void>;
}

export interface FeedEvents {
  /** The ring has more. */
  news(): void;
  /** True while somebody has not had a turn to take what the ring has: nothing more is read meanwhile. */
  busy(): boolean;
  /** The lane is not the one that was followed so far: it was restored from an earlier copy. The ring is empty. */
  rebuilt(loaded: Loaded): void;
}

const READ_RECORDS = 64;
/** The ring reaches back to a multiple of this, so that readers from many positions share few reads. */
const REACH = 64;
const FIRST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 2_000;
/** A lane that does not have what was heard of it is looked at anew after so many reads. */
const FRUITLESS_READS = 8;

type Taken = 'taken' | 'old' | 'not-next' | 'unreadable';

export class Feed {
  readonly lane: LaneId;
  readonly ring: Ring;
  readonly #options: FeedOptions;
  readonly #events: FeedEvents;
  readonly #listening: Stoppable;
  #loaded: Loaded | undefined;
  /** The revision that the lane is known to have. */
  #wanted = revisionOf(0);
  #syncing = false;
  /** The lane was not seen, since the last reconnect, to be the one that was followed. */
  #isDoubtful = false;
  #doubts = 0;
  #reaching: Promise<void> | undefined;
  /** Raised with each `rebuilt`: answers to questions from before say nothing. */
  #epoch = 0;
  #stopped = false;

  constructor(lane: LaneId, options: FeedOptions, events: FeedEvents) {
    this.lane = lane;
    this.#options = options;
    this.#events = events;
    this.ring = new Ring(lane, options.ring);
    // Listening comes before the first look at the lane: what is stored between the two is heard.
    this.#listening = options.journal.listen(lane, (record) => this.#hear(record));
  }

  /** The lane's state at the ring's head or later; undefined until `fresh` was answered first. */
  get loaded(): Loaded | undefined {
    return this.#loaded;
  }

  stop(): void {
    this.#stopped = true;
    this.#listening.stop();
    this.ring.reset(0, revisionOf(0), '');
  }

  /** The state as the lane's leader has it. Throws JournalUnavailable, PoisonedLane. */
  async fresh(): Promise<Loaded> {
    for (;;) {
      const [epoch, doubts] = [this.#epoch, this.#doubts];
      const opened = this.#loaded !== undefined;
      const { revision, recordId } = this.ring;
      const loaded = await this.#options.lanes.fresh(this.lane);
      if (this.#stopped) return loaded;
      if (epoch !== this.#epoch) continue;
      const shorter = loaded.revision < revision;
      const other = loaded.revision === revision && loaded.recordId !== recordId;
      if (opened && (shorter || other)) this.#rebuild(loaded);
      else {
        // A later revision says nothing of the one that was taken last: what follows is read with it.
        if (!opened || loaded.revision === revision) this.#believe(doubts);
        this.#adopt(loaded);
      }
      return loaded;
    }
  }

  /** The connection was gone: the lane may be another one now. `compare` is to follow. */
  doubt(): void {
    this.#doubts++;
    this.#isDoubtful = true;
  }

  #believe(doubts: number): void {
    if (doubts === this.#doubts) this.#isDoubtful = false;
  }

  /** What the lane's leader said about its last revision, asked for when the ring was at `before`. Settles when that is dealt with, or on its way. */
  async compare(last: Revision, before: Revision): Promise<void> {
    if (this.#stopped) return;
    if (!this.#loaded) this.#wanted = maxOf(this.#wanted, last);
    else if (last > this.ring.revision) this.#want(last, 'the live copy did not come');
    else if (last < before || this.#isDoubtful) await this.fresh().catch((error: unknown) => this.#failed(error));
  }

  /** Whether the ring may be made to reach back to what comes after `seq`. */
  canReach(seq: number): boolean {
    return seq >= this.ring.head - this.#options.ring.events;
  }

  /** Reads older events into the ring, for all who need them; it may reach less far than asked. Throws what `gap` throws. */
  reachBack(seq: number): Promise<void> {
    this.#reaching ??= this.#reachBack(seq).finally(() => {
      this.#reaching = undefined;
    });
    return this.#reaching;
  }

  async #reachBack(seq: number): Promise<void> {
    const { ring } = this;
    const epoch = this.#epoch;
    const from = Math.max(0, ring.head - this.#options.ring.events, Math.floor(seq / REACH) * REACH);
    const to = ring.first - 1;
    if (!this.#loaded || from >= to) return;
    const older: LaneEvent[] = [];
    for await (const events of this.#options.reads.gap(this.#loaded, from)) {
      for (const event of events) if (event.seq <= to) older.push(event);
      if ((older.at(-1)?.seq ?? 0) >= to) break;
    }
    const dense = older.every((event, i) => event.seq === from + 1 + i);
    if (epoch === this.#epoch && !this.#stopped && dense) ring.extendBack(older);
  }

  #hear(record: StoredRecord): void {
    if (this.#stopped) return;
    try {
      // Not opened yet: the look at the lane that is under way may or may not see it.
      if (!this.#loaded) this.#wanted = maxOf(this.#wanted, record.revision);
      else if (this.#isDoubtful) this.#want(record.revision, 'the lane may be another one');
      else if (this.#take(record) === 'not-next') this.#want(record.revision, 'the live copy was not the next');
    } catch (error) {
      this.#failed(error);
    }
  }

  #take(stored: StoredRecord): Taken {
    const { ring } = this;
    const { record, revision } = stored;
    if (revision <= ring.revision) return 'old';
    if (!record) return 'unreadable';
    if (record.events[0]?.seq !== ring.head + 1) return 'not-next';
    this.#fold(stored);
    ring.push(record.events, revision, record.id);
    this.#events.news();
    return 'taken';
  }

  /** Keeps the state at the ring's head or later; the cache's own, where it has it. */
  #fold(stored: StoredRecord): void {
    const known = this.#options.lanes.advance([stored]);
    const had = this.#loaded;
    if (!had || had.revision >= stored.revision) return;
    if (known && known.revision >= stored.revision) {
      this.#loaded = known;
      return;
    }
    let { lane } = had;
    for (const event of stored.record?.events ?? []) lane = evolve(lane, event);
    this.#loaded = { lane, revision: stored.revision, recordId: stored.record?.id ?? '' };
  }

  #adopt(loaded: Loaded): void {
    if (!this.#loaded) this.ring.reset(loaded.lane.seq, loaded.revision, loaded.recordId);
    if (!this.#loaded || loaded.revision > this.#loaded.revision) this.#loaded = loaded;
    this.#want(maxOf(this.#wanted, loaded.revision));
  }

  #rebuild(loaded: Loaded): void {
    const { lane, ring } = this;
    this.#options.log.warn({ lane, had: ring.head, has: loaded.lane.seq }, 'the lane was restored: streams are reset');
    this.#epoch++;
    this.#isDoubtful = false;
    this.#loaded = loaded;
    this.#wanted = loaded.revision;
    ring.reset(loaded.lane.seq, loaded.revision, loaded.recordId);
    this.#events.rebuilt(loaded);
  }

  /** As `fresh`, when the lane is known not to be the one followed so far. */
  async #another(): Promise<void> {
    const { lanes } = this.#options;
    lanes.forget(this.lane);
    const loaded = await lanes.fresh(this.lane);
    if (!this.#stopped) this.#rebuild(loaded);
  }

  /** The lane has this revision: if the ring does not, the lane is read. `why`: how it came that it was not heard. */
  #want(revision: Revision, why?: string): void {
    if (revision <= this.ring.revision) return;
    this.#wanted = maxOf(this.#wanted, revision);
    if (why) {
      this.#options.counts.gaps++;
      this.#options.log.debug({ lane: this.lane, has: this.ring.revision, wants: revision, why }, 'the lane is read');
    }
    if (this.#syncing || this.#stopped) return;
    this.#syncing = true;
    this.#sync()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#syncing = false;
      });
  }

  async #sync(): Promise<void> {
    for (let fruitless = 0; !this.#stopped && this.#wanted > this.ring.revision; fruitless++) {
      const taken = await this.#readSome();
      switch (taken) {
        case 'taken':
          fruitless = -1;
          while (this.#events.busy()) await nextTurn();
          break;
        case 'unreadable':
          this.#wanted = this.ring.revision;
          break;
        case 'not-next':
          this.#wanted = this.ring.revision;
          await this.#another();
          break;
        case 'old':
          await this.#options.pause(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** fruitless));
          if (fruitless < FRUITLESS_READS) break;
          // What was heard of the lane is not there, or the store is out of reach for long.
          this.#wanted = this.ring.revision;
          await this.fresh();
          break;
        default:
          taken satisfies never;
      }
    }
  }

  /** `old`: nothing new came, or the store is out of reach. `not-next`: the lane is not the one that was followed. */
  async #readSome(): Promise<Taken> {
    const [epoch, doubts] = [this.#epoch, this.#doubts];
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
    this.#believe(doubts);
    let taken: Taken = 'old';
    for (const record of records) {
      const now = this.#take(record);
      if (now === 'taken') taken = now;
      else if (now !== 'old') {
        if (now === 'unreadable')
          this.#options.log.error({ lane: this.lane, revision: record.revision }, 'a record cannot be read');
        return now;
      }
    }
    return taken;
  }

  #failed(error: unknown): void {
    if (!this.#stopped) this.#options.log.warn({ err: error, lane: this.lane }, 'the lane could not be read');
  }
}

const maxOf = (a: Revision, b: Revision): Revision => (a > b ? a : b);
