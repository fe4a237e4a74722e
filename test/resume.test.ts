/** Where a consumer goes on is never chosen by half of an answer: history is cut there, and pushes are forgotten. */
import { expect, test } from 'vitest';
import { revisionOf } from '../schema/ids.ts';
import { firstSince } from '../services/journal/by-time.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { placeToResume, resumableLanes } from '../services/journal/resume.ts';
import { fill, newLane } from './journal.contract.ts';

test('a search that is given up in its midst gives no place', async () => {
  let time = 0;
  const journal = new MemoryJournal({ partitions: 1, clock: () => ++time });
  await fill(journal, newLane(), 16);
  const stopping = new AbortController();
  const { signal } = stopping;
  const end = await journal.partitionEnd(0);
  expect(await firstSince(journal, 0, end, 12, signal)).toBe(12);

  let reads = 0;
  const consume: MemoryJournal['consume'] = (...asked) => {
    if (++reads === 1) stopping.abort();
    return journal.consume(...asked);
  };
  const giving = new Proxy(journal, {
    get: (whole, name) => {
      const value: unknown = name === 'consume' ? consume : Reflect.get(whole, name, whole);
      return typeof value === 'function' ? value.bind(whole) : value;
    },
  });
  const log = resumableLanes(giving, 0, signal);
  const place = { revision: revisionOf(99), id: 'lost', at: 11 };
  await expect(placeToResume(log, place, { kind: 'after the lost' })).rejects.toThrow(JournalUnavailable);
  await expect(placeToResume(log, place, { kind: 'from', revision: 3 })).rejects.toThrow(JournalUnavailable);
  const other = resumableLanes(journal, 0, new AbortController().signal);
  expect(await placeToResume(other, place, { kind: 'after the lost' })).toMatchObject({ revision: 11, at: 11 });
});
