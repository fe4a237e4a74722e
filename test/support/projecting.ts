/** History made on purpose up to a place, without a running projector. */
import type { Journal, StoredRecord } from '../../services/journal/journal.ts';
import { createLogger, type Logger } from '../../services/logger.ts';
import { projectPartition } from '../../services/projector/partition.ts';
import { type Observer, Session } from '../../services/projector/session.ts';
import type { Mongo } from '../../services/views/connect.ts';
import { ensureGeneration } from '../../services/views/generation.ts';
import { project } from '../../services/views/project.ts';
import { Store, type Unit } from '../../services/views/store.ts';

export const silent: Logger = createLogger({ logLevel: 'silent' }, 'test');

export interface Seen {
  alarms: number;
  rows: number;
}
export const observing = (seen: Seen): Observer => ({
  inserted: (rows) => {
    seen.rows += rows;
  },
  alarm: () => {
    seen.alarms++;
  },
  projected: () => undefined,
  parked: () => undefined,
  halted: () => undefined,
});

export async function openSession(mongo: Mongo, seen: Seen = { alarms: 0, rows: 0 }): Promise<Session> {
  const name = await ensureGeneration(await mongo.db());
  return new Session(new Store(() => mongo.db(), name), { log: silent, observe: observing(seen), listEveryMs: 50 });
}

/** As of a process that is killed when this write is done: nothing comes after it. `death` settles then. */
export async function dyingSession(
  mongo: Mongo,
  after: 'insert' | 'writeMemberships' | 'writeActivity' | 'advance' | 'setListed',
): Promise<{ session: Session; death: Promise<void> }> {
  const store = new Store(() => mongo.db(), await ensureGeneration(await mongo.db()));
  let died: () => void = () => undefined;
  const death = new Promise<void>((resolve) => {
    died = resolve;
  });
  const dying = new Proxy(store, {
    get: (target, name) => {
      const method: unknown = Reflect.get(target, name, target);
      if (typeof method !== 'function') return method;
      return async (...args: unknown[]) => {
        const result: unknown = await method.apply(target, args);
        if (name !== after) return result;
        died();
        return new Promise(() => undefined);
      };
    },
  });
  const observe = observing({ alarms: 0, rows: 0 });
  return { session: new Session(dying, { log: silent, observe, listEveryMs: 50 }), death };
}

/** Up to the streams' ends, or up to where `upTo` says for a partition. */
export async function projectNow(
  journal: Journal,
  mongo: Mongo,
  upTo: (end: number, partition: number) => number = (end) => end,
): Promise<Seen> {
  const seen = { alarms: 0, rows: 0 };
  const session = await openSession(mongo, seen);
  const { signal } = new AbortController();
  for (let p = 0; p < journal.partitions; p++) {
    const until = upTo(await journal.partitionEnd(p), p);
    if (until > 0) await projectPartition(journal, session, p, { signal, until });
  }
  await session.stop(10_000);
  return seen;
}

/** As a projector killed in the midst of a batch leaves it: some records are there, and the watermark does not say so. */
export async function leaveHoles(mongo: Mongo, records: readonly StoredRecord[]): Promise<void> {
  const store = new Store(() => mongo.db(), await ensureGeneration(await mongo.db()));
  const units = records.flatMap((stored): Unit[] => {
    const projected = project(stored);
    return projected.kind === 'events' ? [{ partition: 0, stored, documents: projected.documents }] : [];
  });
  if (units.length > 0) await store.insert(units);
}
