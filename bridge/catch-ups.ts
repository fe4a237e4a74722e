/**
 * Integrations that are not in step: new ones, those whose stream did not take something, those that are slower than the others.
 * In each partition those that are near each other read on together, for a while, then the next; until each is in step again.
 */
import type { AppId, Millis } from '../schema/ids.ts';
import { ApiRefusal } from '../services/journal/ask.ts';
import type { Journal } from '../services/journal/journal.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import type { Logger } from '../services/logger.ts';
import { pause } from '../services/persist.ts';
import type { AppFeed, Delivered } from './app-feed.ts';
import type { CompaniesParts } from './companies.ts';
import type { PumpPartition } from './pump-partition.ts';
import { ReadOn } from './read-on.ts';

export interface CatchUpsParts extends CompaniesParts {
  readonly journal: Journal;
  readonly partitions: readonly PumpPartition[];
  readonly clock: () => Millis;
  readonly log: Logger;
  /** The stream is full: somebody should make room. */
  readonly onFull: (feed: AppFeed) => void;
}

/** How it left one partition; `rest`: what it still does there. */
export interface Left {
  readonly partition: number;
  readonly outcome: Delivered;
  readonly rest: Promise<unknown>;
}

/** One that is not in step somewhere. */
export class Behind {
  readonly feed: AppFeed;
  /** What it still does in a partition that it left. */
  readonly rests = new Map<number, Promise<unknown>>();
  /** When it last had its turn in a partition. */
  readonly turns = new Map<number, number>();
  isGone = false;
  /** Its stream did not take something: so often in a row, and not before then again. */
  failures = 0;
  notBefore: Millis = 0;
  needsLook = true;
  saidAt: Millis | undefined;
  /** Goes by itself until then: it was slower than the others. */
  slowUntil: Millis = 0;

  constructor(feed: AppFeed) {
    this.feed = feed;
  }
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 30_000;
/** Who was slow goes by itself for so long, and longer each time. */
const SLOW_MS = 5_000;
const SLOWEST_MS = 5 * 60_000;

export class CatchUps {
  readonly #parts: CatchUpsParts;
  readonly #signal: AbortSignal;
  readonly #behind = new Map<AppId, Behind>();
  readonly #slow = new Map<AppId, Millis>();
  readonly #wakes = new Set<() => void>();
  readonly #loops: readonly Promise<void>[];

  constructor(parts: CatchUpsParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
    this.#loops = parts.partitions.map((partition) => this.#run(partition));
  }

  /** Brings it into step in every partition. */
  bring(feed: AppFeed, left?: Left): void {
    const behind = this.#behind.get(feed.app) ?? new Behind(feed);
    this.#behind.set(feed.app, behind);
    if (left) {
      behind.rests.set(left.partition, left.rest);
      if (left.outcome.kind === 'refused') {
        if (left.outcome.isSlow) this.#noteSlow(behind);
        else this.#refused(behind, left.outcome);
      }
    }
    this.#wake();
  }

  /** There may be room now. */
  poke(app: AppId): void {
    const behind = this.#behind.get(app);
    if (!behind) return;
    behind.notBefore = 0;
    this.#wake();
  }

  drop(app: AppId): void {
    const behind = this.#behind.get(app);
    if (behind) behind.isGone = true;
    this.#behind.delete(app);
    this.#slow.delete(app);
  }

  async stop(): Promise<void> {
    this.#wake();
    await Promise.all(this.#loops);
  }

  #wake(): void {
    for (const wake of this.#wakes) wake();
  }

  #noteSlow(behind: Behind): void {
    const ms = Math.min(SLOWEST_MS, (this.#slow.get(behind.feed.app) ?? SLOW_MS / 2) * 2);
    this.#slow.set(behind.feed.app, ms);
    behind.slowUntil = this.#parts.clock() + ms;
  }

  #refused(behind: Behind, outcome: Extract<Delivered, { kind: 'refused' }>): void {
    const { clock, log, onFull } = this.#parts;
    const now = clock();
    // Several partitions hear of the same trouble.
    if (now < behind.notBefore) return;
    behind.needsLook = true;
    behind.notBefore =
      now + Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** behind.failures++) * (0.5 + Math.random() / 2);
    if (outcome.isFull) onFull(behind.feed);
    if (behind.saidAt !== undefined || behind.failures < 3) return;
    behind.saidAt = now;
    const { app } = behind.feed;
    log.warn(
      { app, reason: outcome.message },
      'an integration’s stream does not take events now; they wait in the lanes',
    );
  }

  async #run(partition: PumpPartition): Promise<void> {
    const { log, clock } = this.#parts;
    const reader = new ReadOn(this.#parts, partition);
    while (!this.#signal.aborted)
      try {
        const group = this.#next(partition);
        if (group.length === 0) await this.#untilSomeone(partition);
        else if (await this.#ready(group, partition))
          await reader.read(group, this.#signal, {
            mayJoin: (behind) => behind.slowUntil <= clock(),
            joined: (behind) => this.#joined(behind),
            refused: (behind, outcome) => this.#refused(behind, outcome),
          });
      } catch (error) {
        if (this.#signal.aborted) return;
        log.error({ err: error, partition: partition.partition }, 'integrations were left behind; it is tried again');
        await pause(1_000, this.#signal);
      }
  }

  /** The one that waits longest, and all that are shortly ahead of it. */
  #next({ partition, has, isStanding }: PumpPartition): readonly Behind[] {
    if (isStanding) return [];
    const now = this.#parts.clock();
    const waiting = [...this.#behind.values()].filter((one) => one.notBefore <= now && !has(one.feed.app));
    const turnOf = (one: Behind): number => one.turns.get(partition) ?? 0;
    const [first] = waiting.sort((a, b) => turnOf(a) - turnOf(b));
    return first ? ReadOn.groupOf(first, waiting, partition) : [];
  }

  /** Settles when somebody may be there. */
  async #untilSomeone({ has, isStanding }: PumpPartition): Promise<void> {
    const now = this.#parts.clock();
    // Of a partition that stands still nobody gets anything: whoever sets it going says so.
    const waits = [...(isStanding ? [] : this.#behind.values())]
      .filter(({ feed }) => !has(feed.app))
      .map(({ notBefore }) => notBefore - now);
    const woken = new AbortController();
    const wake = (): void => woken.abort();
    this.#wakes.add(wake);
    await pause(Math.max(1, Math.min(LONGEST_WAIT_MS, ...waits)), AbortSignal.any([this.#signal, woken.signal]));
    this.#wakes.delete(wake);
  }

  /** Their streams are there, and they have nothing under way. */
  async #ready(group: readonly Behind[], { partition }: PumpPartition): Promise<boolean> {
    await Promise.all(
      group.map(async (behind) => {
        await behind.rests.get(partition);
        behind.rests.delete(partition);
        if (!behind.needsLook) return;
        try {
          await behind.feed.ensure();
          behind.needsLook = false;
        } catch (error) {
          if (!(error instanceof JournalUnavailable || error instanceof ApiRefusal)) throw error;
          this.#refused(behind, { kind: 'refused', message: error.message });
        }
      }),
    );
    return group.some(({ needsLook }) => !needsLook);
  }

  #joined(behind: Behind): void {
    const { app } = behind.feed;
    behind.failures = 0;
    if (!this.#parts.partitions.every((partition) => partition.has(app))) return;
    if (behind.saidAt !== undefined) this.#parts.log.info({ app }, 'an integration is in step again');
    if (this.#behind.get(app) === behind) this.#behind.delete(app);
  }
}
