/** Unread counts are what a list of the events says: as of the lane, however far the projector is. */
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LaneId, UserId } from '../schema/ids.ts';
import { partitionOf } from '../schema/subjects.ts';
import { Lanes } from '../services/journal/lanes.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { MemoryReceipts } from '../services/journal/receipts-memory.ts';
import { sightOf } from '../services/lane/lane.ts';
import { Mongo } from '../services/views/connect.ts';
import { type History, openHistory } from '../services/views/history.ts';
import { openReads } from '../services/views/reads.ts';
import { openReceiptBoard, type ReceiptBoard } from '../services/views/receipts.ts';
import { openUnread, readSeqOf, UNREAD_MAX, type Unread } from '../services/views/unread.ts';
import { markOf, receiptsOf } from './receipts.contract.ts';
import { projectNow, silent } from './support/projecting.ts';
import { Scribe } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';

const PARTITIONS = 2;
const alice = 'alice' as UserId;
const bob = 'bob' as UserId;

describe('unread', () => {
  let servers: TestServers;
  let mongo: Mongo;
  let history: History;
  let journal: MemoryJournal;
  let receipts: MemoryReceipts;
  let board: ReceiptBoard;
  let lanes: Lanes;
  let unread: Unread;
  let scribe: Scribe;

  beforeAll(async () => {
    servers = await startServers({ nats: false });
    mongo = new Mongo(servers.config().mongo, silent, { socketTimeoutMs: 5_000, maxPoolSize: 16 });
  });
  afterAll(async () => {
    await mongo?.close();
    await servers?.stop();
  });
  beforeEach(async () => {
    await (await mongo.db()).dropDatabase();
    history = openHistory(servers.config(), silent);
    journal = new MemoryJournal({ partitions: PARTITIONS });
    receipts = new MemoryReceipts({ partitions: PARTITIONS });
    board = openReceiptBoard({ receipts, mongo, log: silent });
    lanes = new Lanes(journal, { maxWeight: 1_000_000, log: silent });
    unread = openUnread({ lanes, reads: openReads(history, journal), board, mongo, log: silent });
    scribe = new Scribe(journal);
    return async () => {
      await board.stop();
      await Promise.all([history.close(), journal.close(), receipts.close()]);
    };
  });

  const laneOf = (id: string) => id as LaneId;
  const read = (user: string, lane: LaneId, seq: number) =>
    receipts.append(partitionOf(lane, PARTITIONS), receiptsOf(markOf(user, lane, seq, { k: 'read' })));
  const countOf = async (lane: LaneId, user: UserId, readSeq: number): Promise<number> => {
    const loaded = await lanes.fresh(lane);
    const sight = sightOf(loaded.lane, user, false);
    return sight ? unread.of(loaded, sight, user, readSeq) : -1;
  };
  /** By the events themselves. */
  const modelOf = (lane: LaneId, user: UserId, readSeq: number): number => {
    const events = scribe.events(lane);
    const own = events.findLast(({ type, by }) => type === 'MessageSent' && by === user)?.seq ?? 0;
    return events.filter(({ type, seq }) => type === 'MessageSent' && seq > Math.max(readSeq, own)).length;
  };

  it('is the messages by others after what was read, or after the own last one', async () => {
    let lanesMade = 0;
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ by: fc.constantFrom('alice', 'bob'), count: fc.integer({ min: 1, max: 3 }) }),
      },
      { weight: 1, arbitrary: fc.record({ joins: fc.integer({ min: 0, max: 50 }) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
        const lane = laneOf(`lane-${++lanesMade}`);
        await scribe.create(lane, 'bob');
        for (const one of steps)
          if ('joins' in one) await scribe.write(lane, [{ type: 'MembersAdded', members: [`m${one.joins}`] }]);
          else await scribe.say(lane, one.count, 2, one.by);
        const { length } = scribe.events(lane);
        for (const user of [alice, bob])
          for (let seq = 0; seq <= length; seq++)
            expect(await countOf(lane, user, seq), `${user} ${seq}`).toBe(modelOf(lane, user, seq));
      }),
      { numRuns: 60 },
    );
  });

  it('is counted no further than to its limit, and not before what one may see', async () => {
    const lane = laneOf('long');
    await scribe.create(lane);
    await scribe.say(lane, 1_200, 400);
    await scribe.write(lane, [{ type: 'MembersAdded', members: ['bob'] }]);
    expect(await countOf(lane, bob, 0)).toBe(UNREAD_MAX);
    expect(await countOf(lane, bob, 1_001)).toBe(200);
    const loaded = await lanes.fresh(lane);
    expect(await unread.of(loaded, { from: 1_190 as never, to: Number.POSITIVE_INFINITY }, bob, 0)).toBe(12);
    expect(await unread.of(loaded, { from: 1 as never, to: 1_190 }, bob, 1_180)).toBe(10);
  });

  it('over many conversations it is no older than what this process knows of them, however far the projector is', async () => {
    const lane = laneOf('known');
    await scribe.create(lane, 'bob');
    await scribe.say(lane, 2);
    await projectNow(journal, mongo);
    await read('bob', lane, 3);
    expect((await unread.ofMany(bob, [lane])).get(lane)).toEqual({ readSeq: 3, unread: 0 });
    await scribe.say(lane, 3);
    await lanes.fresh(lane);
    expect((await unread.ofMany(bob, [lane])).get(lane)).toEqual({ readSeq: 3, unread: 3 });
  });

  it('is right, too, where more changes of members are unread than are remembered', async () => {
    const lane = laneOf('restless');
    await scribe.create(lane, 'bob');
    for (let i = 0; i < 700; i++) {
      await scribe.write(lane, [
        { type: 'MembersAdded', members: [`m${i}`] },
        { type: 'MemberRemoved', member: `m${i}` },
      ]);
      if (i % 10 === 0) await scribe.say(lane, 1);
    }
    expect((await lanes.fresh(lane)).lane.asides.from).toBeGreaterThan(1);
    for (const projected of [false, true]) {
      if (projected) await projectNow(journal, mongo);
      for (const seq of [0, 1, 100, 101, 1_000, 1_471])
        expect(await countOf(lane, bob, seq)).toBe(modelOf(lane, bob, seq));
    }
  });

  it('is told of many at once, whatever of them MongoDB has, and only of those that one is in', async () => {
    const ids = Array.from({ length: 40 }, (_, i) => laneOf(`many-${i}`));
    for (const [i, lane] of ids.entries()) {
      await scribe.create(lane, ...(i % 4 === 3 ? [] : ['bob']));
      await scribe.say(lane, i % 5);
      if (i % 7 === 0) await scribe.say(lane, 1, 1, 'bob');
    }
    for (const [i, lane] of ids.entries()) if (i % 2 === 0) await read('bob', lane, 1 + (i % 3));
    const expected = async () =>
      new Map(
        await Promise.all(
          ids.flatMap((lane, i) => {
            if (i % 4 === 3) return [];
            return [
              lanes.fresh(lane).then(async (loaded) => {
                const readSeq = readSeqOf(loaded, bob, (await board.of(lane)).get(bob));
                return [lane, { readSeq, unread: modelOf(lane, bob, readSeq) }] as const;
              }),
            ];
          }),
        ),
      );
    expect(await unread.ofMany(bob, ids)).toEqual(await expected());
    await projectNow(journal, mongo);
    expect(await unread.ofMany(bob, ids)).toEqual(await expected());
    // Read to the end: nothing of it is loaded.
    const cold = openUnread({
      lanes: new Lanes(journal, { maxWeight: 1_000_000, log: silent }),
      reads: openReads(history, journal),
      board,
      mongo,
      log: silent,
    });
    for (const lane of ids) await read('bob', lane, scribe.events(lane).length);
    const all = await cold.ofMany(bob, ids.slice(0, 3));
    expect([...all.values()].map((one) => one.unread)).toEqual([0, 0, 0]);
    await scribe.say(ids[1] as LaneId, 2);
    await projectNow(journal, mongo);
    expect((await cold.ofMany(bob, ids.slice(0, 3))).get(ids[1] as LaneId)?.unread).toBe(2);
  });

  it('of many is counted by states as new as the call, where that is asked for: who was taken in again is not told of what is hidden', async () => {
    const lane = laneOf('again');
    await scribe.create(lane, 'bob');
    await scribe.say(lane, 3);
    await projectNow(journal, mongo);
    expect((await unread.ofMany(bob, [lane], 'fresh')).get(lane)?.unread).toBe(3);
    // By another process, and not in MongoDB yet.
    await scribe.write(lane, [{ type: 'MemberRemoved', member: 'bob' }]);
    expect((await unread.ofMany(bob, [lane], 'fresh')).has(lane)).toBe(false);
    await scribe.write(lane, [{ type: 'MembersAdded', members: ['bob'], hideHistory: true }]);
    await scribe.say(lane, 1);
    expect((await unread.ofMany(bob, [lane], 'fresh')).get(lane)?.unread).toBe(1);
  });
});
