/**
 * The receipts' projector of one process: folds its share of the partitions into MongoDB, and purges from the log what it may.
 * Two on one partition do no harm: what both write is the same, and their leases keep them apart.
 */
import { randomUUID } from 'node:crypto';
import type { Millis, Revision } from '../../schema/ids.ts';
import { OtherStream } from '../journal/place.ts';
import type { ReceiptLog } from '../journal/receipts.ts';
import type { Logger } from '../logger.ts';
import { Abandoned, pause, persist } from '../persist.ts';
import type { Mongo } from '../views/connect.ts';
import { Leases } from '../views/leases.ts';
import { ReceiptStore } from '../views/receipts-store.ts';
import { Share } from '../views/share.ts';
import { projectReceipts } from './receipts-partition.ts';
import { retain } from './receipts-retention.ts';
import { type ReceiptsProjected, ReceiptsSession } from './receipts-session.ts';

const TICK_MS = 1_000;
const LAG_EVERY_TICKS = 5;
const RETAIN_EVERY_TICKS = 15;
/** What is under way at the end has so long. */
const DRAIN_MS = 8_000;
const LEAVE_MS = 1_000;

export interface ReceiptsObserver extends ReceiptsProjected {
  purged(): void;
  /** Records of the partition that are not in MongoDB yet. */
  behind(partition: number, records: number): void;
  /** The partition is another's now. */
  gone(partition: number): void;
}

export interface ReceiptsProjectorOptions {
  readonly receipts: ReceiptLog;
  readonly mongo: Mongo;
  readonly observe: ReceiptsObserver;
  /** As records are stamped. */
  readonly clock: () => Millis;
  readonly log: Logger;
}

interface Run {
  readonly abort: AbortController;
  readonly done: Promise<void>;
  reached: Revision | undefined;
}

export class ReceiptsProjector {
  readonly #options: ReceiptsProjectorOptions;
  readonly #share: Share;
  readonly #session: ReceiptsSession;
  readonly #stopping = new AbortController();
  readonly #runs = new Map<number, Run>();
  readonly #loop: Promise<void>;

  constructor(options: ReceiptsProjectorOptions) {
    this.#options = options;
    const { mongo, receipts, observe, log } = options;
    this.#share = new Share(new Leases(() => mongo.db(), randomUUID()), receipts.partitions, 'receipts');
    this.#session = new ReceiptsSession(new ReceiptStore(() => mongo.db()), { log, observe });
    this.#loop = this.#run();
  }

  /** Finishes what is under way, gives up its leases. Settles within about 10 s. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    const held = [...this.#runs.keys()];
    for (const { abort } of this.#runs.values()) abort.abort();
    const giveUp = setTimeout(() => this.#session.stop(), this.#options.mongo.up ? DRAIN_MS : LEAVE_MS);
    await Promise.all([...this.#runs.values()].map(({ done }) => done));
    clearTimeout(giveUp);
    this.#session.stop();
    const leaving = { signal: AbortSignal.timeout(LEAVE_MS), log: this.#options.log };
    await persist('leases', () => this.#share.leave(held), leaving).catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { log } = this.#options;
    for (let tick = 1; !signal.aborted; tick++) {
      try {
        await this.#tick();
      } catch (error) {
        log.debug({ err: error }, 'leases of receipts not renewed');
      }
      if (tick % LAG_EVERY_TICKS === 0) void this.#measureLag();
      if (tick % RETAIN_EVERY_TICKS === 0) void this.#retain();
      await pause(TICK_MS, signal);
    }
  }

  async #tick(): Promise<void> {
    const { mine, surplus, gone } = await this.#share.keep();
    await this.#share.forget(gone);
    for (const [partition, { abort }] of this.#runs) if (!mine.includes(partition)) abort.abort();
    for (const partition of mine) if (!this.#runs.has(partition)) this.#startRun(partition);
    const idle = surplus.filter((partition) => !this.#runs.has(partition));
    if (idle.length > 0) await this.#share.release(idle);
  }

  #startRun(partition: number): void {
    const { receipts, log, observe } = this.#options;
    const abort = new AbortController();
    const onReached = (revision: Revision): void => {
      run.reached = revision;
    };
    const done = projectReceipts(receipts, this.#session, partition, { signal: abort.signal, onReached })
      .catch((error: unknown) => {
        if (error instanceof OtherStream)
          log.warn({ partition, reason: error.message }, 'a log of receipts is another one');
        else if (!(error instanceof Abandoned))
          log.error({ err: error, partition }, 'receipts of a partition stopped; they are begun again');
      })
      .then(() => {
        this.#runs.delete(partition);
        observe.gone(partition);
      });
    const run: Run = { abort, done, reached: undefined };
    this.#runs.set(partition, run);
  }

  async #measureLag(): Promise<void> {
    const { receipts, observe } = this.#options;
    for (const [partition, { reached }] of this.#runs) {
      if (reached === undefined) continue;
      try {
        observe.behind(partition, Math.max(0, (await receipts.end(partition)) - reached));
      } catch {
        // The log is down: what is behind cannot be told, and its own alarms ring.
      }
    }
  }

  async #retain(): Promise<void> {
    const { receipts, observe, clock, log } = this.#options;
    for (const [partition, { reached }] of this.#runs) {
      if (reached === undefined) continue;
      try {
        if (await retain(receipts, partition, reached, clock())) observe.purged();
      } catch (error) {
        log.debug({ err: error, partition }, 'receipts not purged');
      }
    }
  }
}
