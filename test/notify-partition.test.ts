/** How a notifier goes through a partition: when its place is written. */
import { expect, test } from 'vitest';
import type { Revision } from '../schema/ids.ts';
import { Lanes } from '../services/journal/lanes.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { encodeRecord } from '../services/journal/record.ts';
import type { NotifierMetrics } from '../services/notifier/metrics.ts';
import { notifyPartition, type PartitionParts } from '../services/notifier/partition.ts';
import { silent } from './support/projecting.ts';
import { laneId, until } from './support/scribe.ts';

/** A partition of records without messages, and a notifier's way through it. */
function rigOf(advance: (revision: Revision) => Promise<void>) {
  const journal = new MemoryJournal({ partitions: 1, clock: Date.now });
  const ledger: PartitionParts['ledger'] = {
    position: async () => undefined,
    decide: async () => undefined,
    advance: (_, { revision }) => advance(revision),
  };
  const metrics = { decidedLate: () => undefined, halted: () => undefined } as unknown as NotifierMetrics;
  const lanes = new Lanes(journal, { maxWeight: 1_000, log: silent });
  const parts = { journal, ledger, lanes, metrics, graceMs: 0, clock: Date.now, log: silent, onSent: () => undefined };
  const stopping = new AbortController();
  const signals = { signal: stopping.signal, giveUp: new AbortController().signal };
  return {
    put: (n: number) => journal.put(laneId('c1'), encodeRecord({ v: 1, id: `r${n}`, lane: laneId('c1'), events: [] })),
    run: () => notifyPartition(parts as unknown as PartitionParts, 0, { w: 0 }, signals),
    stop: () => stopping.abort(),
  };
}

test('the place is written soon, also where nothing more comes, and never backwards', async () => {
  const written: Revision[] = [];
  let begun = 0;
  let goOn = (): void => undefined;
  const first = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const { put, run, stop } = rigOf(async (revision) => {
    begun++;
    await first;
    written.push(revision);
  });
  put(1);
  const running = run();
  await until(
    () => begun,
    (count) => count === 1,
  );
  // They come while the first write takes its time.
  for (const n of [2, 3, 4]) put(n);
  goOn();
  await until(
    () => written.at(-1),
    (w) => w === 4,
    3_000,
  );
  put(5);
  stop();
  await running;
  expect(written).toEqual([...written].sort((a, b) => a - b));
});

test('where much is due at the start, the first place is written after a little of it', async () => {
  const written: Revision[] = [];
  const { put, run, stop } = rigOf(async (revision) => void written.push(revision));
  for (let n = 1; n <= 500; n++) put(n);
  const running = run();
  await until(
    () => written.at(-1),
    (w) => w === 500,
    3_000,
  );
  stop();
  await running;
  expect(written[0]).toBeLessThanOrEqual(8);
});
