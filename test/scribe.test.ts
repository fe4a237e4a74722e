/** The tests' own writer: what it believes of a lane is what the lane holds, also where an answer was lost. */
import { expect, test } from 'vitest';
import { revisionOf } from '../schema/ids.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { type AppendFault, FaultyJournal, GOOD_DAY } from './support/faulty-journal.ts';
import { laneId, Scribe } from './support/scribe.ts';

const LANE = laneId('c1');

for (const fault of ['lost-after', 'lost-before', 'late'] satisfies AppendFault[])
  test(`an append that is ${fault} leaves no seq twice and no hole`, async () => {
    const inner = new MemoryJournal({ partitions: 2 });
    const journal = new FaultyJournal(inner, GOOD_DAY);
    const scribe = new Scribe(journal);
    await scribe.create(LANE, 'bob');
    const faults: AppendFault[] = [fault, fault, 'none'];
    journal.misfortune = { ...GOOD_DAY, append: () => faults.shift() ?? 'none' };
    await scribe.say(LANE, 6, 3);
    const { records } = await inner.read(LANE, revisionOf(1));
    expect(records.flatMap(({ record }) => record?.events ?? [])).toEqual(scribe.events(LANE));
    expect(scribe.events(LANE).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });
