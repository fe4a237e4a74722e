/**
 * One partition's log of receipts from MongoDB's position on, followed into an overlay. What is held begins after the
 * *watermark*, the position as it was last read: whatever is read from MongoDB from then on holds everything up to it.
 */
import { type Revision, revisionOf } from '../../schema/ids.ts';
import type { Mark } from '../../schema/receipts.ts';
import { Fresh } from '../journal/fresh.ts';
import { JournalUnavailable } from '../journal/journal.ts';
import type { Place } from '../journal/place.ts';
import type { ReceiptLog } from '../journal/receipts.ts';
import type { Logger } from '../logger.ts';
import type { Unprojected } from '../unprojected-metrics.ts';
import { HistoryUnavailable } from './ask.ts';
import { Overlay } from './receipts-overlay.ts';

const BATCH_RECORDS = 100;
/** Who waits for the log to be followed, and to its end. */
const BEGIN_MS = 1_000;
const END_MS = 2_000;

/**
 * What the tails of one process may hold together; past it they follow no further until MongoDB has caught up. Past `timed`
 * they hold how far everybody is, and no longer when that was, until MongoDB has taken most of it.
 */
export class Room {
  readonly #unprojected: Unprojected;
  readonly #timed: number;
  readonly #waiting = new Set<() => void>();
  #thins = false;

  constructor(unprojected: Unprojected, timed: number) {
    this.#unprojected = unprojected;
    this.#timed = timed;
  }

  get thins(): boolean {
    this.#thins ||= this.#unprojected.held >= this.#timed;
    return this.#thins;
  }

  /** So many marks are held more than before; below 0: less. */
  take(marks: number): void {
    this.#unprojected.held += marks;
  }

  give(marks: number): void {
    this.#unprojected.held -= marks;
    if (marks > 0 && this.#unprojected.held < this.#timed / 2) this.#thins = false;
    if (!this.#isFull) this.wake();
  }

  wake(): void {
    for (const go of [...this.#waiting]) go();
  }

  async free(signal: AbortSignal): Promise<void> {
    while (this.#isFull && !signal.aborted)
      await new Promise<void>((resolve) => {
        const go = (): void => {
          this.#waiting.delete(go);
          resolve();
        };
        this.#waiting.add(go);
      });
  }

  get #isFull(): boolean {
    return this.#unprojected.held >= this.#unprojected.max;
  }
}

export interface TailOptions {
  readonly receipts: ReceiptLog;
  readonly partition: number;
  readonly room: Room;
  readonly log: Logger;
  onMarks(marks: readonly Mark[]): void;
}

/** While it is held, nothing after `from` is dropped. */
export interface Pin {
  readonly overlay: Overlay;
  /** False: the log was begun anew meanwhile, and the overlay says nothing. */
  readonly isWhole: boolean;
  release(): void;
}

interface Following {
  readonly overlay: Overlay;
  readonly abort: AbortController;
  watermark: Revision;
  reached: Revision;
}

export class ReceiptTail {
  readonly #options: TailOptions;
  readonly #ends = new Fresh<'end', Revision>(() => this.#options.receipts.end(this.#options.partition));
  #following: Following | undefined;
  #beginning: Promise<void> | undefined;
  /** How many readers began at each watermark. */
  readonly #pins = new Map<Revision, number>();
  readonly #waiting = new Set<() => void>();
  #isStopped = false;

  constructor(options: TailOptions) {
    this.#options = options;
  }

  get isFollowing(): boolean {
    return this.#following !== undefined;
  }

  /** The partition's position as it was read just now. Never throws. */
  async learn(place: Place): Promise<void> {
    const { revision: watermark } = place;
    const following = this.#following;
    if (!following) {
      this.#beginning ??= this.#begin(place).finally(() => {
        this.#beginning = undefined;
      });
      return this.#beginning;
    }
    // Positions rise, unless the log is another one now.
    if (watermark < following.watermark) return this.#forget();
    following.watermark = watermark;
    this.#trim();
  }

  /** Throws HistoryUnavailable where nobody could tell the position yet. */
  async pin(): Promise<Pin> {
    await this.#until(() => this.isFollowing, BEGIN_MS);
    const following = this.#following;
    if (!following) throw new HistoryUnavailable('the position in the log of receipts is not known yet');
    const { watermark } = following;
    this.#pins.set(watermark, (this.#pins.get(watermark) ?? 0) + 1);
    const isWhole = (): boolean => this.#following === following;
    return {
      overlay: following.overlay,
      get isWhole() {
        return isWhole();
      },
      release: () => {
        const others = (this.#pins.get(watermark) ?? 1) - 1;
        if (others > 0) this.#pins.set(watermark, others);
        else this.#pins.delete(watermark);
        if (others === 0) this.#trim();
      },
    };
  }

  /** Settles when everything that was in the log at the call is in the overlay, or was in MongoDB. Throws JournalUnavailable. */
  async upToEnd(): Promise<void> {
    const { partition, log } = this.#options;
    const before = this.#following?.reached ?? 0;
    const end = await this.#ends.ask('end');
    if (end < before) {
      log.error({ partition, end, before }, 'the log of receipts is shorter than it was: it is read anew');
      this.#forget();
    }
    await this.#until(() => (this.#following?.reached ?? -1) >= end, END_MS);
    if ((this.#following?.reached ?? -1) < end)
      throw new JournalUnavailable(`the log of receipts of partition ${partition} is not read up to its end`);
  }

  stop(): void {
    this.#isStopped = true;
    this.#forget();
  }

  async #begin(place: Place): Promise<void> {
    const { receipts, partition, log } = this.#options;
    try {
      const reason = await receipts.whyOther(partition, place);
      if (reason !== undefined) return log.warn({ partition, reason }, 'receipts were folded from another log');
    } catch {
      // The next position comes soon.
      return;
    }
    if (this.#isStopped) return;
    const { revision: watermark, id } = place;
    const following = { overlay: new Overlay(), abort: new AbortController(), watermark, reached: watermark };
    this.#following = following;
    this.#wake();
    void this.#follow(following, id).catch((error: unknown) => {
      log.error({ err: error, partition }, 'receipts are not followed; it is begun again');
      if (this.#following === following) this.#forget();
    });
  }

  async #follow(following: Following, after: Place['id']): Promise<void> {
    const { receipts, partition, room, onMarks } = this.#options;
    const { overlay, abort } = following;
    const options = { maxBatch: BATCH_RECORDS, signal: abort.signal, after };
    for await (const batch of receipts.consume(partition, revisionOf(following.reached + 1), options)) {
      for (const stored of batch) {
        following.reached = stored.revision;
        if (stored.revision <= following.watermark || stored.marks.length === 0) continue;
        const before = overlay.size;
        overlay.add(stored, room.thins);
        room.take(overlay.size - before);
      }
      this.#wake();
      onMarks(batch.flatMap(({ marks }) => marks));
      await room.free(abort.signal);
    }
  }

  #trim(): void {
    const following = this.#following;
    if (!following) return;
    const { overlay, watermark } = following;
    const before = overlay.size;
    overlay.trim(revisionOf(Math.min(watermark, ...this.#pins.keys())));
    this.#options.room.give(before - overlay.size);
  }

  #forget(): void {
    const following = this.#following;
    if (!following) return;
    this.#following = undefined;
    following.abort.abort();
    this.#options.room.give(following.overlay.size);
    this.#options.room.wake();
    this.#wake();
  }

  #wake(): void {
    for (const look of [...this.#waiting]) look();
  }

  /** Settles when it is so, or after `ms`, or when it is stopped. */
  async #until(isSo: () => boolean, ms: number): Promise<void> {
    if (isSo() || this.#isStopped) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve();
      };
      const look = (): void => {
        if (isSo() || this.#isStopped) done();
      };
      const timer = setTimeout(done, ms);
      this.#waiting.add(look);
    });
  }
}
