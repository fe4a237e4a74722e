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

test('the place is written soon, also where nothing more comes, and never backwards', async () => {
  const journal = new MemoryJournal({ partitions: 1, clock: Date.now });
  const put = (n: number) =>
    journal.put(laneId('c1'), encodeRecord({ v: 1, id: `r${n}`, lane: laneId('c1'), events: [] }));
  const written: Revision[] = [];
  let begun = 0;
  let goOn = (): void => undefined;
  const first = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const ledger: PartitionParts['ledger'] = {
    position: async () => undefined,
    decide: async () => undefined,
    advance: async (_, revision) => {
      begun++;
      await first;
      written.push(revision);
    },
  };
  const metrics = { decidedLate: () => undefined } as unknown as NotifierMetrics;
  const lanes = new Lanes(journal, { maxWeight: 1_000, log: silent });
  const parts = { journal, ledger, lanes, metrics, graceMs: 0, clock: Date.now, log: silent, onSent: () => undefined };
  const stop = new AbortController();
  const signals = { signal: stop.signal, giveUp: new AbortController().signal };
  put(1);
  const running = notifyPartition(parts as unknown as PartitionParts, 0, { w: 0 }, signals);
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
  stop.abort();
  await running;
  expect(written).toEqual([...written].sort((a, b) => a - b));
});
