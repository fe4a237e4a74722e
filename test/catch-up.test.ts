/** Readers that catch up, of users whose budgets are spent: they wait where nobody else has to wait for them, and come to the end. */
import { expect, it } from 'vitest';
import type { LaneId, UserId } from '../schema/ids.ts';
import { openStreams } from '../services/api/stream.ts';
import { newStreamCounts } from '../services/api/stream-metrics.ts';
import { Buckets } from '../services/buckets.ts';
import { Lanes } from '../services/journal/lanes.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { openReads } from '../services/views/reads.ts';
import { FOLLOW, FRAME_SCHEMA, NO_HISTORY, QUIET, Scribe, TestSink } from './support/stream-rig.ts';
import { until } from './support/until.ts';

const LONG = 25;
const FRAMES = 8;
/** What may be read at once, and by one user. */
const USERS = 4;
const STREAMS = 8;

function rig(work: Buckets) {
  const journal = new MemoryJournal({ partitions: 1 });
  const lanes = new Lanes(journal, { maxWeight: 1_000_000, log: QUIET });
  const reads = openReads(NO_HISTORY, journal);
  const limits = { ringEvents: 4 };
  const counts = newStreamCounts();
  const streams = openStreams({ schema: FRAME_SCHEMA, journal, lanes, reads, log: QUIET, counts, limits, work });
  const scribe = (lane: string) => new Scribe((to, payload) => journal.put(to, payload), lane as LaneId);
  const open = (user: string, lane: string) => {
    const sink = new TestSink();
    const viewer = { user: user as UserId, admin: false };
    streams.open({ document: FOLLOW, variables: { id: lane, after: 0 }, viewer }, sink);
    return sink;
  };
  /** A lane of long lists, too long to be kept. */
  const large = (name: string, users: readonly string[]) => {
    const lane = scribe(name);
    lane.create(users as readonly UserId[]);
    for (let i = 0; i < FRAMES; i++) {
      const members = Array.from({ length: LONG }, (_, j) => `m${i}-${j}` as UserId);
      lane.write({ type: 'MembersAdded', members });
    }
    for (let i = 0; i < 5; i++) lane.say(`after ${i}`);
  };
  return { streams, scribe, open, large };
}
const isCaughtUp = ({ frames }: TestSink): boolean => frames.at(-1)?.__typename === 'CaughtUp';

it('as many as there are places for hold up nobody else', async () => {
  // Once spent it is as good as never filled again.
  const { streams, scribe, open, large } = rig(new Buckets({ perSecond: 0.001, burst: 1 }));
  const users = Array.from({ length: USERS }, (_, i) => `user${i}`);
  large('large', users);
  const small = scribe('small');
  small.create(['bob' as UserId]);
  for (let i = 0; i < 20; i++) small.say(`message ${i}`);
  const spent = users.flatMap((user) => Array.from({ length: STREAMS }, () => open(user, 'large')));
  await until(
    () => users.every((_, i) => spent.slice(i * STREAMS, (i + 1) * STREAMS).some(({ frames }) => frames.length > 2)),
    Boolean,
  );
  const bob = open('bob', 'small');
  await until(() => isCaughtUp(bob), Boolean);
  expect(bob.frames.map(({ seq }) => seq)).toEqual([0, ...Array.from({ length: 21 }, (_, i) => i + 1), 21]);
  expect(spent.filter(isCaughtUp)).toEqual([]);
  await streams.stop();
});

it('come to the end one after the other, and miss nothing', async () => {
  const { streams, open, large } = rig(new Buckets({ perSecond: 1_000, burst: 40 }));
  large('large', ['user0']);
  const sinks = Array.from({ length: 3 }, () => open('user0', 'large'));
  await until(() => sinks.every(isCaughtUp), Boolean, 60_000);
  const last = 1 + FRAMES + 5;
  const seqs = [0, ...Array.from({ length: last }, (_, i) => i + 1), last];
  for (const sink of sinks) expect(sink.frames.map(({ seq }) => seq)).toEqual(seqs);
  await streams.stop();
}, 60_000);
