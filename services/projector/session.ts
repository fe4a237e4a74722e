/**
 * What all partitions of one process share while they write one generation: the inserts, and the two positions of each
 * partition. The watermark follows every batch. The conversations' last activity, an update and so the dearest write, is
 * gathered and written about once a second; its position, `listed`, says how far.
 */
import type { LaneId, Millis, Revision } from '../../schema/ids.ts';
import type { Logger } from '../logger.ts';
import { Abandoned, persist } from '../persist.ts';
import type { Activity } from '../views/project.ts';
import type { Store, Watermark } from '../views/store.ts';
import { Writer } from './writer.ts';

/** What happens, for whoever counts it. */
export interface Observer {
  inserted(rows: number): void;
  /** A batch is in history; the age of its oldest record then. */
  projected(ageMs: number): void;
  /** How many of the partition's records are parked now. */
  parked(partition: number, records: number): void;
  /** Somebody has to look: a record was parked. */
  alarm(): void;
  /** Undefined: it goes on. */
  halted(partition: number, reason: string | undefined): void;
}

export interface SessionOptions {
  readonly log: Logger;
  readonly observe: Observer;
  /** As records are stamped. */
  readonly clock?: () => Millis;
  /** How long last activities may be gathered. */
  readonly listEveryMs?: number;
}

const LIST_EVERY_MS = 1_000;
/** Lanes whose activity is gathered, of all partitions; past it, it is written at once and the partitions wait. */
const GATHERED_MAX = 100_000;

export class Session {
  readonly store: Store;
  readonly writer: Writer;
  readonly log: Logger;
  readonly observe: Observer;
  readonly clock: () => Millis;
  /** Aborts what is tried again and again. */
  readonly signal: AbortSignal;
  readonly #abort = new AbortController();
  readonly #watermarks = new Map<number, Watermark>();
  readonly #reach = new Map<number, { readonly w: Revision; readonly storedAt: Millis | undefined }>();
  #advancing: Promise<void> | undefined;
  #activity = new Map<LaneId, Activity>();
  /** By partition: the watermark that the gathered activity reaches to. */
  #reached = new Map<number, Revision>();
  #listing: Promise<void> | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(store: Store, { log, observe, listEveryMs = LIST_EVERY_MS, clock = Date.now }: SessionOptions) {
    this.store = store;
    this.log = log;
    this.observe = observe;
    this.clock = clock;
    this.signal = this.#abort.signal;
    this.writer = new Writer(async (units) => {
      const rows = units.reduce((sum, { documents }) => sum + documents.length, 0);
      const reasons = await this.persist('history', () => store.insert(units));
      observe.inserted(rows);
      return reasons;
    });
    this.#timer = setInterval(() => void this.#list(), listEveryMs);
  }

  persist<T>(what: string, work: () => Promise<T>): Promise<T> {
    return persist(what, work, this);
  }

  /** Everything up to the watermark is written. The newest one of each partition is stored soon, several together. */
  advance(watermark: Watermark): void {
    this.#reach.set(watermark.partition, { w: watermark.w, storedAt: watermark.at });
    this.#watermarks.set(watermark.partition, watermark);
    this.#advancing ??= this.#advance().finally(() => {
      this.#advancing = undefined;
    });
  }

  /** Settles at once, unless too much is gathered. */
  async gather(partition: number, upTo: Revision, activity: readonly Activity[]): Promise<void> {
    for (const one of activity) this.#activity.set(one.lane, one);
    this.#reached.set(partition, upTo);
    if (this.#activity.size > GATHERED_MAX) await this.#list();
  }

  began(partition: number, w: Revision): void {
    this.#reach.set(partition, { w, storedAt: undefined });
  }

  /** How far the partition is written, and when the record there was stored. Undefined: it has not begun. */
  reach(partition: number): { readonly w: Revision; readonly storedAt: Millis | undefined } | undefined {
    return this.#reach.get(partition);
  }

  /**
   * Lets `running` come to its end and writes what is left; what cannot be written within `withinMs` is given up, and will be
   * done again from the positions.
   */
  async stop(withinMs: number, running: Promise<unknown> = Promise.resolve()): Promise<void> {
    clearInterval(this.#timer);
    const giveUp = setTimeout(() => this.#abort.abort(), withinMs);
    await running;
    await this.flush();
    clearTimeout(giveUp);
    this.#abort.abort();
  }

  async flush(): Promise<void> {
    await this.#listing;
    await this.#list();
    await this.#advancing;
  }

  async #advance(): Promise<void> {
    // Those that come in the same moment go together.
    await Promise.resolve();
    while (this.#watermarks.size > 0) {
      const some = [...this.#watermarks.values()];
      this.#watermarks.clear();
      try {
        await this.persist('watermarks', () => this.store.advance(some));
      } catch (error) {
        if (!(error instanceof Abandoned)) throw error;
      }
    }
  }

  #list(): Promise<void> {
    this.#listing ??= this.#listOnce().finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }

  async #listOnce(): Promise<void> {
    if (this.#reached.size === 0) return;
    const activity = [...this.#activity.values()];
    const reached = [...this.#reached].map(([partition, listed]) => ({ partition, listed }));
    this.#activity = new Map();
    this.#reached = new Map();
    try {
      await this.persist('conversations', () => this.store.writeActivity(activity));
      await this.persist('listed positions', () => this.store.setListed(reached));
    } catch (error) {
      if (!(error instanceof Abandoned)) throw error;
    }
  }
}
