/**
 * Integrations that are not in step: new ones, those whose stream did not take something, those that are slower than the others.
 * Each reads the partitions for itself from where it is, a few at a time and for a while each, until it is in step again.
 */
import type { AppId, Millis } from '../schema/ids.ts';
import { revisionOf } from '../schema/ids.ts';
import { ApiRefusal } from '../services/journal/ask.ts';
import type { Journal, StoredRecord } from '../services/journal/journal.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import type { Logger } from '../services/logger.ts';
import { pause, persist } from '../services/persist.ts';
import type { AppFeed, Delivered } from './app-feed.ts';
import { Companies, type CompaniesParts } from './companies.ts';
import { deliverWork, type PumpPartition, workOf } from './pump-partition.ts';

export interface CatchUpsParts extends CompaniesParts {
  readonly journal: Journal;
  readonly partitions: readonly PumpPartition[];
  readonly clock: () => Millis;
  readonly log: Logger;
  /** The stream is full: somebody should make room. */
  readonly onFull: (feed: AppFeed) => void;
}

const APPS_AT_ONCE = 4;
const PARTITIONS_AT_ONCE = 4;
const BATCH_RECORDS = 256;
const COMPANIES = 2_000;
/** Then the next in line reads on. */
const TURN_MS = 5_000;
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 30_000;
/** Who was slow goes by itself for so long, and longer each time. */
const SLOW_MS = 5_000;
const SLOWEST_MS = 5 * 60_000;

type Turn = 'in step' | 'more' | Delivered;

interface Behind {
  readonly feed: AppFeed;
  readonly abort: AbortController;
  /** What it still does in the partitions that it left. */
  readonly rests: Promise<unknown>[];
  poke: (() => void) | undefined;
}

export class CatchUps {
  readonly #parts: CatchUpsParts;
  readonly #signal: AbortSignal;
  readonly #behind = new Map<AppId, Behind>();
  readonly #running = new Set<Promise<void>>();
  /** Not in step before then, and how long the last such wait was. */
  readonly #slow = new Map<AppId, { readonly until: Millis; readonly ms: number }>();
  #places = APPS_AT_ONCE;
  readonly #waiting: (() => void)[] = [];

  constructor(parts: CatchUpsParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  /** Brings it into step in every partition. `rest`: to be waited for first. */
  bring(feed: AppFeed, rest?: Promise<unknown>): void {
    const there = this.#behind.get(feed.app);
    if (there) {
      if (rest) there.rests.push(rest);
      there.poke?.();
      return;
    }
    const behind: Behind = { feed, abort: new AbortController(), rests: rest ? [rest] : [], poke: undefined };
    this.#behind.set(feed.app, behind);
    const run = this.#run(behind)
      .catch((error: unknown) => this.#parts.log.error({ err: error, app: feed.app }, 'an integration was left behind'))
      .finally(() => {
        this.#running.delete(run);
        this.#forget(behind);
      });
    this.#running.add(run);
  }

  noteSlow(app: AppId): void {
    const ms = Math.min(SLOWEST_MS, (this.#slow.get(app)?.ms ?? SLOW_MS / 2) * 2);
    this.#slow.set(app, { until: this.#parts.clock() + ms, ms });
  }

  /** There may be room now. */
  poke(app: AppId): void {
    this.#behind.get(app)?.poke?.();
  }

  drop(app: AppId): void {
    this.#behind.get(app)?.abort.abort();
    this.#behind.delete(app);
    this.#slow.delete(app);
  }

  async stop(): Promise<void> {
    for (const { abort } of this.#behind.values()) abort.abort();
    for (const go of this.#waiting.splice(0)) go();
    await Promise.all(this.#running);
  }

  #forget(behind: Behind): void {
    if (this.#behind.get(behind.feed.app) === behind) this.#behind.delete(behind.feed.app);
  }

  async #run(behind: Behind): Promise<void> {
    const { feed, abort } = behind;
    const signal = AbortSignal.any([abort.signal, this.#signal]);
    const { log } = this.#parts;
    let saidAt: Millis | undefined;
    for (let failures = 0; !signal.aborted; ) {
      await Promise.all(behind.rests.splice(0));
      const turn = await this.#hold(() => this.#turn(feed, signal), signal);
      if (turn === 'in step' || signal.aborted) {
        if (saidAt !== undefined && !signal.aborted) log.info({ app: feed.app }, 'an integration is in step again');
        if (behind.rests.length > 0) continue;
        this.#forget(behind);
        return;
      }
      if (turn === 'more') {
        failures = 0;
        continue;
      }
      if (turn.kind === 'refused') {
        if (turn.isFull) this.#parts.onFull(feed);
        if (saidAt === undefined && failures > 1) {
          saidAt = this.#parts.clock();
          log.warn(
            { app: feed.app, reason: turn.message },
            'an integration’s stream does not take events now; they wait in the lanes',
          );
        }
      }
      await this.#untilPoked(behind, Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures++), signal);
    }
  }

  async #untilPoked(behind: Behind, ms: number, signal: AbortSignal): Promise<void> {
    const poked = new AbortController();
    behind.poke = () => poked.abort();
    await pause(ms * (0.5 + Math.random() / 2), AbortSignal.any([signal, poked.signal]));
    behind.poke = undefined;
  }

  async #turn(feed: AppFeed, signal: AbortSignal): Promise<Turn> {
    try {
      await feed.ensure();
    } catch (error) {
      if (!(error instanceof JournalUnavailable || error instanceof ApiRefusal)) throw error;
      return { kind: 'refused', message: error.message };
    }
    const left = this.#parts.partitions.filter((partition) => !partition.has(feed.app));
    const turns: Turn[] = [];
    const end = performance.now() + TURN_MS;
    const next = async (): Promise<void> => {
      for (let partition = left.pop(); partition; partition = left.pop()) {
        const turn = await this.#readOn(feed, partition, signal, end);
        turns.push(turn);
        if (turn !== 'in step' && turn !== 'more') return;
      }
    };
    await Promise.all(Array.from({ length: PARTITIONS_AT_ONCE }, next));
    const failed = turns.find((turn) => turn !== 'in step' && turn !== 'more');
    return failed ?? (turns.includes('more') || left.length > 0 ? 'more' : 'in step');
  }

  async #readOn(feed: AppFeed, partition: PumpPartition, turn: AbortSignal, end: number): Promise<Turn> {
    if (this.#join(feed, partition)) return 'in step';
    const { journal, log } = this.#parts;
    const companies = new Companies(this.#parts, COMPANIES);
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), Math.max(50, end - performance.now()));
    const signal = AbortSignal.any([turn, over.signal]);
    const index = partition.partition;
    const from = revisionOf((feed.reach.positions[index] as number) + 1);
    try {
      for await (const batch of journal.consume(index, from, { maxBatch: BATCH_RECORDS, signal })) {
        const make = () => workOf(companies, batch, [feed], index);
        const work = (await persist('companies', make, { signal: turn, log })).get(feed);
        const outcome = work && (await deliverWork(feed, work, { signal: turn, behind: true }));
        if (outcome && outcome.kind !== 'done') return outcome;
        feed.moveTo(index, (batch.at(-1) as StoredRecord).revision);
        if (this.#join(feed, partition)) return 'in step';
        if (performance.now() > end) return 'more';
      }
    } finally {
      clearTimeout(timer);
    }
    return turn.aborted ? { kind: 'stopped' } : 'more';
  }

  #join(feed: AppFeed, partition: PumpPartition): boolean {
    const slow = this.#slow.get(feed.app);
    if (slow && slow.until > this.#parts.clock()) return false;
    return partition.join(feed);
  }

  async #hold<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | { readonly kind: 'stopped' }> {
    if (this.#places > 0) this.#places--;
    else await new Promise<void>((go) => this.#waiting.push(go));
    try {
      return signal.aborted ? { kind: 'stopped' } : await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#places++;
    }
  }
}
