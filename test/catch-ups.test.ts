/** Integrations that are not in step, where their partition stands still. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AppFeed } from '../bridge/app-feed.ts';
import { CatchUps } from '../bridge/catch-ups.ts';
import { PumpPartition } from '../bridge/pump-partition.ts';
import { reachFrom } from '../bridge/reach.ts';
import { app } from './support/bridging.ts';
import { silent as log } from './support/projecting.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** So much time, with a turn of the event loop after each part of it. */
async function pass(parts: number): Promise<void> {
  for (let i = 0; i < parts; i++) {
    vi.advanceTimersByTime(10);
    await new Promise((go) => setImmediate(go));
  }
}

test('nobody looks for work in a partition that stands still, until it is said that there is some', async () => {
  let looks = 0;
  const clock = (): number => {
    looks++;
    return 1_000_000;
  };
  const unused = {} as never;
  const partition = new PumpPartition(
    { journal: unused, companies: unused, log, onLeft: () => undefined, onDelivered: () => undefined },
    0,
  );
  const stopping = new AbortController();
  const parts = { journal: unused, lanes: unused, partitions: [partition], clock, log, onFull: () => undefined };
  const catchUps = new CatchUps(parts, stopping.signal);
  const feed = new AppFeed({ link: unused } as never, app('one'), true, reachFrom([0]));
  catchUps.bring(feed);
  await pass(100);
  expect(partition.isStanding).toBe(true);
  expect(looks).toBeLessThan(5);
  const before = looks;
  catchUps.bring(feed);
  await pass(1);
  expect(looks).toBeGreaterThan(before);
  stopping.abort();
  await catchUps.stop();
});
