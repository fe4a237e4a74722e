/** A notifier whose replica is behind, or whose lane cannot be read: nothing is passed over as if there were nothing. */
import { expect, test } from 'vitest';
import { JournalUnavailable } from '../services/journal/journal.ts';
import { Lanes } from '../services/journal/lanes.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { freshLanes, type JudgeParts } from '../services/notifier/judge.ts';
import { LaggingJournal } from './support/lagging-journal.ts';
import { silent } from './support/projecting.ts';
import { laneId, Scribe } from './support/scribe.ts';

const LANE = laneId('c1');

async function partsWith(lagMs: number): Promise<JudgeParts> {
  const store = new MemoryJournal({ partitions: 1, clock: Date.now });
  const scribe = new Scribe(store, Date.now);
  await scribe.create(LANE, 'bob');
  await scribe.say(LANE, 1);
  const journal = new LaggingJournal(store, lagMs);
  return { journal, lanes: new Lanes(journal, { maxWeight: 1_000, log: silent }), log: silent } as never;
}

test('a lane that a replica shows late is decided on as it is', async () => {
  expect((await freshLanes(await partsWith(60), [LANE])).get(LANE)?.lane.seq).toBe(2);
});

test('a lane that a replica does not show is not left out: its messages are decided later', async () => {
  await expect(freshLanes(await partsWith(Number.POSITIVE_INFINITY), [LANE])).rejects.toBeInstanceOf(
    JournalUnavailable,
  );
});
