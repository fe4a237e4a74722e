/**
 * History made anew from the lanes: a new generation beside the one in use, until it has caught up; then readers and
 * projectors go over to it, and the old one is dropped when nobody can be reading it any more.
 */
import { randomUUID } from 'node:crypto';
import type { LaneId } from '../../schema/ids.ts';
import { type Config, ConfigError } from '../config.ts';
import type { Logger } from '../logger.ts';
import { pause } from '../persist.ts';
import { DROP_AFTER_MS, ensureGeneration, switchGeneration } from '../views/generation.ts';
import { Leases } from '../views/leases.ts';
import { Store } from '../views/store.ts';
import { createGeneration, dropOthers, newGenerationName } from '../views/views.ts';
import { mendLane } from './mend.ts';
import { projectPartition } from './partition.ts';
import { type Observer, Session } from './session.ts';
import { type Stores, withStores } from './stores.ts';

const LEASE = 'rebuild';
const RENEW_MS = 3_000;
/** Last activities are needed at the end only. */
const LIST_EVERY_MS = 30_000;
/** So few records behind, it may take over: readers fold what is missing from the lanes, and the projector goes on from there. */
const NEAR_RECORDS = 2_000;
const ROUNDS_MAX = 50;
const FLUSH_MS = 60_000;

export interface RebuildOptions {
  readonly conversation?: LaneId;
  /** Gets what was done, in lines. */
  readonly print: (line: string) => void;
  readonly dropAfterMs?: number;
}

/** Opens the stores and rebuilds. Throws ConfigError, one line, when that cannot be done now. */
export const rebuild = (options: RebuildOptions & { readonly config: Config; readonly log: Logger }): Promise<void> =>
  withStores(options.config, options.log, 'rebuild', (stores) => rebuildHistory(stores, options.log, options));

export async function rebuildHistory(stores: Stores, log: Logger, options: RebuildOptions): Promise<void> {
  const { mongo } = stores;
  const leases = new Leases(() => mongo.db(), randomUUID());
  const held = (await leases.list()).find(({ name }) => name === LEASE);
  if (held?.holds || !(await leases.take(LEASE, held)))
    throw new ConfigError('another rebuild is running: wait for its end (or 10 s, if it was killed)');
  const renewing = setInterval(() => void leases.renew([LEASE]).catch(() => undefined), RENEW_MS);
  try {
    const current = await ensureGeneration(await mongo.db());
    if (options.conversation === undefined) return await rebuildAll(stores, log, options);
    const { wrong, missing } = await mendLane(stores, current, options.conversation);
    options.print(`${options.conversation}: ${wrong} wrong events exchanged, ${missing} missing records written`);
  } finally {
    clearInterval(renewing);
    await leases.release([LEASE]).catch(() => undefined);
  }
}

async function rebuildAll(stores: Stores, log: Logger, options: RebuildOptions): Promise<void> {
  const { mongo } = stores;
  const db = await mongo.db();
  const startedAt = performance.now();
  const name = newGenerationName();
  await createGeneration(db, name);
  const events = await fillGeneration(stores, log, name);
  await switchGeneration(db, name);
  const seconds = (performance.now() - startedAt) / 1000;
  options.print(`${events} events written anew in ${seconds.toFixed(1)} s; the new history is in use`);
  await pause(options.dropAfterMs ?? DROP_AFTER_MS, new AbortController().signal);
  // Also what an earlier rebuild left behind, by being killed, or a projector that slept.
  await dropOthers(db, [name]);
  options.print('the old history is dropped');
}

/** Up to the streams' ends, or so near that it makes no difference. The number of events written. */
async function fillGeneration({ journal, mongo }: Stores, log: Logger, name: string): Promise<number> {
  let events = 0;
  const observe: Observer = {
    inserted: (rows) => {
      events += rows;
    },
    projected: () => undefined,
    parked: () => undefined,
    alarm: () => undefined,
    halted: () => undefined,
  };
  const session = new Session(new Store(() => mongo.db(), name), { log, observe, listEveryMs: LIST_EVERY_MS });
  const partitions = Array.from({ length: journal.partitions }, (_, p) => p);
  const { signal } = new AbortController();
  try {
    for (let round = 0, before = 0; ; round++) {
      const ends = await Promise.all(partitions.map((p) => journal.partitionEnd(p)));
      const sum = ends.reduce((total: number, end) => total + end, 0);
      if (round > 0 && (sum - before <= NEAR_RECORDS || round >= ROUNDS_MAX)) return events;
      before = sum;
      await Promise.all(partitions.map((p) => projectPartition(journal, session, p, { signal, until: ends[p] ?? 0 })));
      await session.flush();
    }
  } finally {
    await session.stop(FLUSH_MS);
  }
}
