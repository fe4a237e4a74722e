/**
 * The projector of one process: works on its share of the partitions, for the generation that is in use.
 * Every record ends in history or parked, whatever is killed when, and however many projectors work on it at once.
 */
import { randomUUID } from 'node:crypto';
import type { Millis } from '../../schema/ids.ts';
import type { Journal } from '../journal/journal.ts';
import { OtherStream } from '../journal/place.ts';
import type { Logger } from '../logger.ts';
import { Abandoned, pause, persist } from '../persist.ts';
import type { Mongo } from '../views/connect.ts';
import { ensureGeneration, readGeneration } from '../views/generation.ts';
import { Leases } from '../views/leases.ts';
import { Share } from '../views/share.ts';
import { Store } from '../views/store.ts';
import type { ProjectorMetrics } from './metrics.ts';
import { projectPartition } from './partition.ts';
import { Session } from './session.ts';

const TICK_MS = 1_000;
const LAG_EVERY_TICKS = 5;
/** What is under way at the end, or at a change of generation, has so long. */
const DRAIN_MS = 8_000;
const LEAVE_MS = 1_000;

interface Run {
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

export interface ProjectorOptions {
  readonly journal: Journal;
  readonly mongo: Mongo;
  readonly metrics: ProjectorMetrics;
  /** As records are stamped. */
  readonly clock: () => Millis;
  readonly log: Logger;
}

export class Projector {
  readonly #options: ProjectorOptions;
  readonly #share: Share;
  readonly #stopping = new AbortController();
  readonly #runs = new Map<number, Run>();
  #session: Session | undefined;
  #generation: string | undefined;
  readonly #loop: Promise<void>;

  constructor(options: ProjectorOptions) {
    this.#options = options;
    const { mongo, journal } = options;
    this.#share = new Share(new Leases(() => mongo.db(), randomUUID()), journal.partitions);
    this.#loop = this.#run();
  }

  /** Finishes what is under way, gives up its leases. Settles within about 10 s. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    const held = [...this.#runs.keys()];
    await this.#endSession();
    const giveUp = AbortSignal.timeout(LEAVE_MS);
    const leaving = { signal: giveUp, log: this.#options.log };
    await persist('leases', () => this.#share.leave(held), leaving).catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { log } = this.#options;
    let down = false;
    for (let tick = 0; !signal.aborted; tick++) {
      try {
        await this.#tick();
        if (tick % LAG_EVERY_TICKS === 0) void this.#measureLag();
        if (down) log.info('MongoDB answers again');
        down = false;
      } catch (error) {
        if (!down) log.warn({ err: error }, 'MongoDB does not answer; nothing is lost, history waits');
        down = true;
      }
      await pause(TICK_MS, signal);
    }
  }

  async #tick(): Promise<void> {
    const session = await this.#currentSession();
    const { mine, surplus, gone } = await this.#share.keep();
    await this.#share.forget(gone);
    for (const [partition, { abort }] of this.#runs) if (!mine.includes(partition)) abort.abort();
    for (const partition of mine) if (!this.#runs.has(partition)) this.#startRun(session, partition);
    const idle = surplus.filter((partition) => !this.#runs.has(partition));
    if (idle.length > 0) await this.#share.release(idle);
  }

  async #currentSession(): Promise<Session> {
    const { mongo, metrics, clock, log } = this.#options;
    const db = await mongo.db();
    const name = (await readGeneration(db)) ?? (await ensureGeneration(db));
    if (this.#session && name === this.#generation) return this.#session;
    await this.#endSession();
    await ensureGeneration(db);
    log.info({ generation: name }, 'projecting');
    this.#generation = name;
    this.#session = new Session(new Store(() => mongo.db(), name), { log, observe: metrics, clock });
    return this.#session;
  }

  #startRun(session: Session, partition: number): void {
    const { journal, log, metrics } = this.#options;
    const abort = new AbortController();
    const done = projectPartition(journal, session, partition, { signal: abort.signal })
      .catch((error: unknown) => {
        if (error instanceof OtherStream) log.warn({ partition, reason: error.message }, 'a partition is another one');
        else if (!(error instanceof Abandoned))
          log.error({ err: error, partition }, 'a partition stopped; it is begun again');
      })
      .then(() => {
        this.#runs.delete(partition);
        metrics.gone(partition);
      });
    this.#runs.set(partition, { abort, done });
  }

  async #endSession(): Promise<void> {
    const session = this.#session;
    if (!session) return;
    this.#session = undefined;
    for (const { abort } of this.#runs.values()) abort.abort();
    await session.stop(
      this.#options.mongo.up ? DRAIN_MS : LEAVE_MS,
      Promise.all([...this.#runs.values()].map(({ done }) => done)),
    );
  }

  async #measureLag(): Promise<void> {
    const { journal, metrics, clock } = this.#options;
    const session = this.#session;
    for (const partition of this.#runs.keys()) {
      const reach = session?.reach(partition);
      if (!reach) continue;
      try {
        const end = await journal.partitionEnd(partition, 'figure');
        const records = Math.max(0, end - reach.w);
        const sinceMs = records > 0 && reach.storedAt !== undefined ? clock() - reach.storedAt : 0;
        metrics.behind(partition, records, sinceMs);
      } catch {
        // The journal is down: what is behind cannot be told, and its own alarms ring.
      }
    }
  }
}
