/**
 * All partitions as they are stored, each in order and without a hole, for the inboxes of this process: one subscription of the
 * live copies a partition, however many users and lanes. It runs while somebody has an inbox open.
 */
import { type Millis, type Revision, revisionOf } from '../../schema/ids.ts';
import { Fresh } from '../journal/fresh.ts';
import { type Journal, JournalUnavailable, type Stoppable, type StoredRecord } from '../journal/journal.ts';
import type { Logger } from '../logger.ts';
import type { Unprojected } from '../unprojected-metrics.ts';
import { HistoryUnavailable } from '../views/history.ts';
import type { UserLanes } from '../views/user-lanes.ts';
import { type InboxPlace, printOf } from './inbox-cursor.ts';
import { InboxTail } from './inbox-tail.ts';

const BATCH_RECORDS = 200;
/** How often it is asked what MongoDB has listed. What it had at the time before is dropped: no question takes so long. */
const LISTED_MS = 5_000;
/** How often the streams' ends are compared. Source: ARCHITECTURE, "Silence". */
const COMPARE_MS = 10_000;
/** Who waits for the streams' ends, or for a record. */
const WAIT_MS = 2_000;
const PRINTS_MAX = 20_000;
/** Of what may be held, as much goes at once where it is full; below a quarter also records that MongoDB has are kept. */
const SHRINK_PART = 64;
const ROOMY_PART = 4;

export interface InboxFeedParts {
  readonly journal: Pick<Journal, 'partitions' | 'consume' | 'partitionEnd' | 'onReconnect'>;
  readonly userLanes: Pick<UserLanes, 'listed'>;
  readonly clock: () => Millis;
  readonly log: Logger;
  /** What all tails hold together. Past it the oldest goes, and no inbox begins until MongoDB has that. */
  readonly unprojected: Unprojected;
}

/** What is done with each record. */
export interface FeedWork<Prepared> {
  /** The partition waits for it. Never throws or rejects. */
  prepare(stored: StoredRecord): Prepared | undefined | Promise<Prepared | undefined>;
  /** At one moment with the partition's place: whoever looks between two records sees both before it, or both after. */
  deliver(stored: StoredRecord, prepared: Prepared | undefined): void;
  /** A stream is not the one that was followed: it was restored. The feed has stopped. */
  broken(): void;
}

/** Throws HistoryUnavailable, JournalUnavailable. */
export async function openInboxFeed<Prepared>(
  parts: InboxFeedParts,
  work: FeedWork<Prepared>,
): Promise<InboxFeed<Prepared>> {
  const { journal, userLanes } = parts;
  const listed = await userLanes.listed();
  const ends = await Promise.all(listed.map((_, partition) => journal.partitionEnd(partition)));
  const shorter = ends.findIndex((end, partition) => end < (listed[partition] ?? 0));
  if (shorter >= 0) throw new HistoryUnavailable(`partition ${shorter}: history reaches beyond its end`);
  return new InboxFeed(parts, work, listed);
}

export class InboxFeed<Prepared = unknown> {
  readonly tails: readonly InboxTail[];
  readonly #parts: InboxFeedParts;
  readonly #work: FeedWork<Prepared>;
  readonly #ends: Fresh<'ends', readonly Revision[]>;
  readonly #prints = new Map<string, Promise<number | undefined>>();
  readonly #waiting = new Set<() => void>();
  readonly #stopping = new AbortController();
  readonly #reconnects: Stoppable;
  readonly #timers: readonly NodeJS.Timeout[];
  #listed: readonly Revision[];
  #comparing = false;
  /** The connection was gone: that a stream is long enough does not say that it is the same. */
  #isDoubtful = false;

  constructor(parts: InboxFeedParts, work: FeedWork<Prepared>, listed: readonly Revision[]) {
    this.#parts = parts;
    this.#work = work;
    this.#listed = listed;
    this.#ends = new Fresh(() => this.#readEnds());
    this.tails = listed.map((from) => new InboxTail(from));
    this.#reconnects = parts.journal.onReconnect(() => {
      this.#isDoubtful = true;
      void this.#compare();
    });
    this.#timers = [
      setInterval(() => void this.#learnListed(), LISTED_MS).unref(),
      setInterval(() => void this.#compare(), COMPARE_MS).unref(),
    ];
    for (const [partition, tail] of this.tails.entries())
      this.#follow(partition, tail).catch((error: unknown) => this.#break(partition, error));
  }

  get isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Everything up to it was delivered. */
  get place(): InboxPlace {
    return {
      at: this.#parts.clock(),
      revisions: this.tails.map(({ to }) => to),
      prints: this.tails.map(({ print }) => print),
    };
  }

  /** Settles when everything that was stored at the call was delivered. Throws JournalUnavailable. */
  async upToEnd(): Promise<void> {
    const ends = await this.#ends.ask('ends');
    const isThere = (): boolean => this.tails.every(({ to }, partition) => to >= (ends[partition] ?? 0));
    await this.#until(isThere);
    if (!isThere()) throw new JournalUnavailable('the partitions are not read up to their ends');
  }

  /** Of the record of that revision, which is not after what was delivered; undefined: there is none. Throws JournalUnavailable. */
  printAt(partition: number, revision: Revision): Promise<number | undefined> {
    const kept = this.tails[partition]?.printAt(revision);
    if (kept !== undefined) return Promise.resolve(kept);
    const name = `${partition} ${revision}`;
    const asked = this.#prints.get(name);
    if (asked) return asked;
    const print = this.#readPrint(partition, revision);
    this.#prints.set(name, print);
    print.catch(() => this.#prints.delete(name));
    for (const oldest of this.#prints.keys()) {
      if (this.#prints.size <= PRINTS_MAX) break;
      this.#prints.delete(oldest);
    }
    return print;
  }

  stop(): void {
    this.#stopping.abort();
    this.#reconnects.stop();
    for (const timer of this.#timers) clearInterval(timer);
    this.#parts.unprojected.held = 0;
    this.#wake();
  }

  async #follow(partition: number, tail: InboxTail): Promise<void> {
    const { signal } = this.#stopping;
    // From the last record that is listed, not behind it: it says which stream this is.
    const from = revisionOf(Math.max(1, tail.from));
    for await (const batch of this.#parts.journal.consume(partition, from, { maxBatch: BATCH_RECORDS, signal })) {
      for (const stored of batch) {
        if (stored.revision > tail.from) {
          const prepared = this.#work.prepare(stored);
          const ready = prepared instanceof Promise ? await prepared : prepared;
          if (signal.aborted) return;
          this.#work.deliver(stored, ready);
        }
        const before = tail.size;
        tail.add(stored);
        this.#grew(tail.size - before);
      }
      this.#wake();
    }
  }

  /** Told of every record: most say nothing new of a list. */
  #grew(entries: number): void {
    if (entries === 0 || this.isStopped) return;
    const { unprojected } = this.#parts;
    unprojected.held += entries;
    while (unprojected.held > unprojected.max) {
      const largest = this.tails.reduce((one, other) => (other.size > one.size ? other : one));
      largest.shrink(Math.max(0, largest.size - Math.ceil(unprojected.max / SHRINK_PART)));
      this.#measure();
    }
  }

  #measure(): void {
    // Another one may be following by now.
    if (this.isStopped) return;
    this.#parts.unprojected.held = this.tails.reduce((sum, { size }) => sum + size, 0);
  }

  #readEnds(): Promise<readonly Revision[]> {
    const { journal } = this.#parts;
    return Promise.all(this.tails.map((_, partition) => journal.partitionEnd(partition)));
  }

  async #readPrint(partition: number, revision: Revision): Promise<number | undefined> {
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(WAIT_MS)]);
    for await (const [record] of this.#parts.journal.consume(partition, revision, { maxBatch: 1, signal }))
      return record?.revision === revision ? printOf(record.record?.id ?? '') : undefined;
    throw new JournalUnavailable(`partition ${partition}: its record ${revision} is not read`);
  }

  async #learnListed(): Promise<void> {
    try {
      const listed = await this.#parts.userLanes.listed();
      if (this.isStopped) return;
      const { held, max } = this.#parts.unprojected;
      // Of another generation, it may be lower.
      for (const [partition, tail] of this.tails.entries())
        tail.trim(revisionOf(Math.min(this.#listed[partition] ?? 0, listed[partition] ?? 0)), held < max / ROOMY_PART);
      this.#listed = listed;
      this.#measure();
    } catch (error) {
      if (!(error instanceof HistoryUnavailable)) throw error;
    }
  }

  /** A stream that ends before what was delivered, or has another record there, was restored. */
  async #compare(): Promise<void> {
    if (this.#comparing || this.isStopped) return;
    this.#comparing = true;
    const isDoubtful = this.#isDoubtful;
    this.#isDoubtful = false;
    try {
      const before = this.tails.map(({ to, print }) => ({ to, print }));
      const ends = await this.#ends.ask('ends');
      for (const [partition, { to, print }] of before.entries()) {
        const end = ends[partition] ?? 0;
        const isOther = isDoubtful && to > 0 && end >= to && (await this.#readPrint(partition, to)) !== print;
        if (end < to || isOther) return this.#break(partition);
      }
    } catch (error) {
      // The store is out of reach: the next time tells.
      this.#isDoubtful ||= isDoubtful;
      if (!(error instanceof JournalUnavailable)) this.#parts.log.error({ err: error }, 'partitions are not compared');
    } finally {
      this.#comparing = false;
    }
  }

  #break(partition: number, error?: unknown): void {
    if (this.isStopped) return;
    this.#parts.log.error(
      { partition, err: error },
      'a partition is not the one that was followed: inboxes begin anew',
    );
    this.stop();
    this.#work.broken();
  }

  #wake(): void {
    for (const look of [...this.#waiting]) look();
  }

  /** Settles when it is so, or after WAIT_MS, or when it is stopped. */
  async #until(isSo: () => boolean): Promise<void> {
    if (isSo() || this.isStopped) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve();
      };
      const look = (): void => {
        if (isSo() || this.isStopped) done();
      };
      const timer = setTimeout(done, WAIT_MS);
      this.#waiting.add(look);
    });
  }
}
