/**
 * The notifier of one process: decides for its share of the partitions, works on what any of them put into the queue, and takes up
 * again what is due. Every undelivered message is pushed at least once or refused for good, whatever is killed when, and however
 * many notifiers work at once.
 */
import { partitionOf } from '../../schema/subjects.ts';
import { OtherStream } from '../journal/place.ts';
import { Abandoned, pause, persist } from '../persist.ts';
import type { Mongo } from '../views/connect.ts';
import { type Lease, Leases } from '../views/leases.ts';
import { createLedger } from '../views/ledger-documents.ts';
import type { ReceiptBoard } from '../views/receipts.ts';
import { Share } from '../views/share.ts';
import { Hearings } from './hearing.ts';
import { Outcomes } from './outcomes.ts';
import { notifyPartition, type PartitionParts, type Reach } from './partition.ts';
import { ReadPushes } from './read-push.ts';
import { SWEPT_AT_ONCE, sweep } from './sweep.ts';
import { Worker, type WorkerParts } from './worker.ts';

export type NotifierParts = Omit<PartitionParts, 'onSent'> &
  Omit<WorkerParts, 'hearings' | 'outcomes'> & { readonly mongo: Mongo; readonly board: ReceiptBoard };

const TICK_MS = 1_000;
const LAG_EVERY_TICKS = 5;
const SWEEP_EVERY_MS = 500;
/** After an outage what was pushed during it is written first, and only then is anything taken for lost. */
const SWEEP_AFTER_OUTAGE_MS = 3_000;
/** Who is not heard of may only be late: after an outage all are. */
const GONE_MS = 3_000;
/** What is under way at the end has so long. */
const DRAIN_MS = 5_000;
const LEAVE_MS = 1_000;

interface Run {
  readonly abort: AbortController;
  readonly done: Promise<void>;
  readonly reach: Reach;
}

export class Notifier {
  readonly #parts: NotifierParts;
  readonly #share: Share;
  readonly #stopping = new AbortController();
  readonly #giveUp = new AbortController();
  readonly #runs = new Map<number, Run>();
  /** Since when others were seen to be gone. */
  readonly #gone = new Map<string, number>();
  readonly #hearings: Hearings;
  readonly #outcomes: Outcomes;
  readonly #worker: Worker;
  readonly #readPushes: ReadPushes;
  readonly #loops: Promise<unknown>;

  constructor(parts: NotifierParts) {
    this.#parts = parts;
    const { mongo, journal, board } = parts;
    this.#share = new Share(new Leases(() => mongo.db(), parts.ledger.owner), journal.partitions, 'notifier');
    this.#hearings = new Hearings(board);
    this.#outcomes = new Outcomes(parts);
    this.#worker = new Worker({ ...parts, hearings: this.#hearings, outcomes: this.#outcomes });
    const isMine = (lane: Parameters<typeof partitionOf>[0]) => this.#runs.has(partitionOf(lane, journal.partitions));
    this.#readPushes = new ReadPushes({ ...parts, isMine });
    this.#loops = Promise.all([this.#lead(), this.#sweepOn()]);
  }

  /** Finishes what is under way, writes what pushes came to, gives up its leases. Settles within about 10 s. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loops;
    const held = [...this.#runs.keys()];
    for (const { abort } of this.#runs.values()) abort.abort();
    const timer = setTimeout(() => this.#giveUp.abort(), this.#parts.mongo.up ? DRAIN_MS : LEAVE_MS);
    await Promise.all([...this.#runs.values()].map(({ done }) => done));
    clearTimeout(timer);
    await this.#readPushes.stop();
    await this.#worker.stop();
    this.#hearings.stop();
    await this.#outcomes.stop(this.#parts.mongo.up ? DRAIN_MS : LEAVE_MS);
    const leaving = { signal: AbortSignal.timeout(LEAVE_MS), log: this.#parts.log };
    await persist('leases', () => this.#share.leave(held), leaving).catch(() => undefined);
  }

  /** Keeps the leases, and the runs as they are. */
  async #lead(): Promise<void> {
    const { signal } = this.#stopping;
    const { log, mongo } = this.#parts;
    let isReady = false;
    let down = false;
    for (let tick = 0; !signal.aborted; tick++) {
      try {
        if (!isReady) await createLedger(await mongo.db());
        isReady = true;
        await this.#tick();
        if (tick % LAG_EVERY_TICKS === 0) void this.#measure();
        if (down) log.info('MongoDB answers again');
        down = false;
      } catch (error) {
        if (!down) log.warn({ err: error }, 'MongoDB does not answer; pushes wait, none is lost');
        down = true;
      }
      await pause(TICK_MS, signal);
    }
  }

  async #tick(): Promise<void> {
    const { mine, surplus, gone } = await this.#share.keep();
    for (const [partition, { abort }] of this.#runs) if (!mine.includes(partition)) abort.abort();
    for (const partition of mine) if (!this.#runs.has(partition)) this.#startRun(partition);
    const idle = surplus.filter((partition) => !this.#runs.has(partition));
    if (idle.length > 0) await this.#share.release(idle);
    if (this.#runs.has(0)) await this.#freeClaims(gone);
  }

  /** What was claimed by who is gone is not waited for. */
  async #freeClaims(gone: readonly Lease[]): Promise<void> {
    const now = performance.now();
    for (const owner of this.#gone.keys()) if (!gone.some((lease) => lease.owner === owner)) this.#gone.delete(owner);
    for (const { owner } of gone) if (!this.#gone.has(owner)) this.#gone.set(owner, now);
    const lost = gone.filter(({ owner }) => now - (this.#gone.get(owner) ?? now) >= GONE_MS);
    if (lost.length === 0) return;
    const { ledger, clock, log } = this.#parts;
    const pushes = await ledger.free(
      lost.map(({ owner }) => owner),
      clock(),
    );
    await this.#share.forget(lost);
    log.info({ notifiers: lost.length, pushes }, 'what notifiers that are gone had begun is taken up');
  }

  #startRun(partition: number): void {
    const { log, metrics } = this.#parts;
    const abort = new AbortController();
    const reach: Reach = { w: 0 };
    const onSent: PartitionParts['onSent'] = (user, lane, seq) => this.#readPushes.note(user, lane, seq);
    const parts = { ...this.#parts, onSent };
    const done = notifyPartition(parts, partition, reach, { signal: abort.signal, giveUp: this.#giveUp.signal })
      .catch((error: unknown) => {
        if (error instanceof OtherStream) log.warn({ partition, reason: error.message }, 'a partition is another one');
        else if (!(error instanceof Abandoned))
          log.error({ err: error, partition }, 'a partition stopped; it is begun again');
      })
      .then(() => {
        this.#runs.delete(partition);
        metrics.gone(partition);
      });
    this.#runs.set(partition, { abort, done, reach });
  }

  /** Whoever has the first partition does it for all. */
  async #sweepOn(): Promise<void> {
    const { signal } = this.#stopping;
    const { journal, log } = this.#parts;
    let notBefore = performance.now();
    while (!signal.aborted) {
      let found = 0;
      if (this.#runs.has(0) && performance.now() >= notBefore)
        try {
          found = await sweep({ ...this.#parts, partitions: journal.partitions });
        } catch (error) {
          log.debug({ err: error }, 'what is due cannot be taken up now');
          notBefore = performance.now() + SWEEP_AFTER_OUTAGE_MS;
        }
      if (found < SWEPT_AT_ONCE) await pause(SWEEP_EVERY_MS, signal);
    }
  }

  async #measure(): Promise<void> {
    const { journal, queue, metrics } = this.#parts;
    try {
      metrics.queued(await queue.depth());
      for (const [partition, { reach }] of this.#runs)
        metrics.behind(partition, Math.max(0, (await journal.partitionEnd(partition, 'figure')) - reach.w));
    } catch {
      // The journal is down: how far behind this is cannot be told, and its own alarms ring.
    }
  }
}
