import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { LaneEvent } from '../schema/events.ts';
import { type ClientKey, type LaneId, revisionOf, type Seq } from '../schema/ids.ts';
import { Lanes, type Loaded } from '../services/journal/lanes.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { Mongo } from '../services/views/connect.ts';
import { type History, HistoryUnavailable, openHistory } from '../services/views/history.ts';
import type { PageAsk } from '../services/views/page.ts';
import { openReads, type Reads } from '../services/views/reads.ts';
import { leaveHoles, projectNow, silent } from './support/projecting.ts';
import { laneId, type Said, Scribe, userId } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';

const C1 = laneId('c1');
const ALL = { from: 1 as Seq, to: Number.POSITIVE_INFINITY };

let servers: TestServers;
let mongo: Mongo;
let history: History;
let journal: MemoryJournal;
let scribe: Scribe;
let reads: Reads;

beforeAll(async () => {
  servers = await startServers({ nats: false });
  mongo = new Mongo(servers.config().mongo, silent, { socketTimeoutMs: 5_000, maxPoolSize: 8 });
});
afterAll(async () => {
  await Promise.all([mongo?.close(), history?.close()]);
  await servers?.stop();
});

/** Nothing in MongoDB, nothing in the lanes. */
async function fresh(partitions = 1): Promise<void> {
  await (await mongo.db()).dropDatabase();
  await history?.close();
  history = openHistory(servers.config(), silent);
  journal = new MemoryJournal({ partitions });
  scribe = new Scribe(journal);
  reads = openReads(history, journal);
}
beforeEach(() => fresh());

const load = (lane: LaneId): Promise<Loaded> => new Lanes(journal, { maxWeight: 1e6, log: silent }).fresh(lane);
const seqs = (events: readonly LaneEvent[]): number[] => events.map(({ seq }) => seq);

/** The rule of a page, said with a list. */
function pageOf(events: readonly LaneEvent[], from: number, to: number, ask: PageAsk, only?: 'messages') {
  const seen = events.filter((e) => e.seq >= from && e.seq <= to && (!only || e.type === 'MessageSent'));
  const inWindow = seen.filter((e) => e.seq > (ask.after ?? 0) && e.seq < (ask.before ?? Number.POSITIVE_INFINITY));
  let chosen: LaneEvent[];
  if (ask.aroundSeq !== undefined) {
    const limit = ask.first ?? ask.last ?? 50;
    const split = inWindow.filter((e) => e.seq < (ask.aroundSeq as number)).length;
    let start = Math.max(0, split - Math.floor(limit / 2));
    start = Math.max(0, Math.min(start, inWindow.length - limit));
    chosen = inWindow.slice(start, start + limit);
  } else if (ask.first !== undefined) {
    chosen = inWindow.slice(0, ask.first);
    if (ask.last !== undefined) chosen = chosen.slice(Math.max(0, chosen.length - ask.last));
  } else chosen = inWindow.slice(Math.max(0, inWindow.length - (ask.last ?? 50)));
  const low = chosen[0]?.seq ?? Math.min(Number.POSITIVE_INFINITY, (ask.after ?? 0) + 1);
  const high = chosen.at(-1)?.seq ?? Math.max(low - 1, Math.min((ask.before ?? Number.POSITIVE_INFINITY) - 1, to));
  return {
    seqs: seqs(chosen),
    before: seen.some((e) => e.seq < low),
    after: chosen.length > 0 ? seen.some((e) => e.seq > high) : undefined,
  };
}

const said = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('MessageSent' as const), text: fc.string({ maxLength: 8 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('MembersAdded' as const), members: fc.constant<string[]>(['bob']) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('MemberRemoved' as const), member: fc.constant('bob') }) },
);
const small = fc.option(fc.integer({ min: 0, max: 45 }), { nil: undefined });
const ask: fc.Arbitrary<PageAsk> = fc.record({
  first: fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined }),
  last: fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined }),
  after: small,
  before: small,
  aroundSeq: fc.option(fc.integer({ min: 0, max: 45 }), { nil: undefined, freq: 2 }),
});

describe('reads', () => {
  test('a page, an event, the last message and a gap are those of the lane, wherever the projector stands', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array<Said>(said, { minLength: 1, maxLength: 3 }), { maxLength: 16 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }),
        fc.array(fc.tuple(ask, fc.boolean()), { minLength: 3, maxLength: 3 }),
        fc.integer({ min: 1, max: 20 }),
        fc.option(fc.integer({ min: 1, max: 45 }), { nil: Number.POSITIVE_INFINITY }),
        async (records, share, there, asks, from, to) => {
          await fresh();
          await scribe.create(C1, 'bob');
          for (const record of records) await scribe.write(C1, record);
          await projectNow(journal, mongo, (end) => Math.floor(end * share));
          const loaded = await load(C1);
          // Later records, some of them in history: they must not show.
          await scribe.say(C1, 2);
          const all = (await journal.read(C1, revisionOf(1))).records;
          await leaveHoles(
            mongo,
            all.filter((_, i) => there[i]),
          );
          const events = scribe.events(C1).slice(0, loaded.lane.seq);
          for (const [one, messages] of asks) {
            const only = messages ? ('messages' as const) : undefined;
            const page = await reads.page(loaded, { from: from as Seq, to }, one, only);
            const right = pageOf(events, from, Math.min(to, events.length), one, only);
            expect(page.events).toEqual(right.seqs.map((seq) => events[seq - 1]));
            expect(page.asOf).toBe(Math.max(from - 1, Math.min(to, events.length)));
            if (page.events.length > 0) expect([page.before, page.after]).toEqual([right.before, right.after]);
          }
          expect(await reads.event(loaded, from)).toEqual(events[from - 1]);
          const sight = { from: from as Seq, to };
          const visible = events.filter(({ seq }) => seq >= from && seq <= to);
          expect(await reads.lastMessage(loaded, sight)).toEqual(
            visible.findLast(({ type }) => type === 'MessageSent'),
          );
          const gap: LaneEvent[] = [];
          for await (const some of reads.gap(loaded, from)) gap.push(...some);
          expect(gap.slice(0, Math.max(0, events.length - from))).toEqual(events.slice(from));
          expect(gap.map(({ seq }) => seq)).toEqual(gap.map((_, i) => from + 1 + i));
        },
      ),
      { numRuns: 25 },
    );
  });

  test('a page past either end is empty and says what is on the other side', async () => {
    await scribe.create(C1);
    await scribe.say(C1, 9);
    await projectNow(journal, mongo);
    const loaded = await load(C1);
    expect(await reads.page(loaded, ALL, { first: 5, after: 10 })).toEqual({
      events: [],
      asOf: 10,
      before: true,
      after: false,
    });
    expect(await reads.page(loaded, ALL, { last: 5, before: 1 })).toEqual({
      events: [],
      asOf: 10,
      before: false,
      after: true,
    });
    expect(await reads.page(loaded, ALL, { first: 5, after: 99 }, 'messages')).toMatchObject({
      events: [],
      before: true,
      after: false,
    });
    expect(await reads.event(loaded, 11)).toBeUndefined();
    expect(await reads.event(loaded, 0)).toBeUndefined();
  });

  test('the sight of somebody who came late, or went, bounds everything', async () => {
    await scribe.create(C1);
    await scribe.say(C1, 19);
    await projectNow(journal, mongo, () => 12);
    const loaded = await load(C1);
    const page = await reads.page(loaded, { from: 8 as Seq, to: 15 }, { last: 100 });
    expect(page).toMatchObject({ asOf: 15, before: false, after: false });
    expect(seqs(page.events)).toEqual([8, 9, 10, 11, 12, 13, 14, 15]);
    expect(await reads.lastMessage(loaded, { from: 8 as Seq, to: 15 })).toMatchObject({ seq: 15 });
    expect((await reads.page(loaded, { from: 8 as Seq, to: 15 }, { first: 3 }, 'messages')).before).toBe(false);
  });

  test('before anything was ever projected, all comes from the lane', async () => {
    await scribe.create(C1);
    await scribe.say(C1, 5);
    const page = await reads.page(await load(C1), ALL, {});
    expect(seqs(page.events)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('a dropped history is never taken for an empty conversation, nor for keys that were not used', async () => {
    await scribe.create(C1);
    await scribe.say(C1, 30);
    await projectNow(journal, mongo);
    const loaded = await load(C1);
    const old = { ...loaded, lane: { ...loaded.lane, keys: { ...loaded.lane.keys, from: 20 as Seq } } };
    await reads.page(loaded, ALL, {});
    const db = await mongo.db();
    for (const { name } of await db.listCollections().toArray())
      if (name.startsWith('history_')) await db.collection(name).deleteMany({});
    await expect(reads.page(loaded, ALL, {})).rejects.toThrow(HistoryUnavailable);
    await expect(reads.page(loaded, ALL, {}, 'messages')).rejects.toThrow(HistoryUnavailable);
    await expect(reads.lastMessage(loaded, ALL)).rejects.toThrow(HistoryUnavailable);
    await expect(reads.event(loaded, 3)).rejects.toThrow(HistoryUnavailable);
    await expect(reads.findKeys(old, [{ sender: userId('alice'), key: 'new' as ClientKey }])).rejects.toThrow(
      HistoryUnavailable,
    );
    const gap: LaneEvent[] = [];
    for await (const some of reads.gap(loaded, 3)) gap.push(...some);
    expect(seqs(gap)).toEqual(seqs(scribe.events(C1)).slice(3));
  });

  test('a gap longer than a page comes whole, from history, from the lane and from both', async () => {
    await scribe.create(C1);
    await scribe.say(C1, 2_600, 3);
    for (const share of [0, 0.5, 1]) {
      await (await mongo.db()).dropDatabase();
      await history.close();
      history = openHistory(servers.config(), silent);
      reads = openReads(history, journal);
      await projectNow(journal, mongo, (end) => Math.floor(end * share));
      const gap: LaneEvent[] = [];
      for await (const some of reads.gap(await load(C1), 1_003)) gap.push(...some);
      expect(gap).toEqual(scribe.events(C1).slice(1_003));
    }
  });
});

describe('keys', () => {
  const wanted = (...keys: string[]) => keys.map((key) => ({ sender: userId('alice'), key: key as ClientKey }));
  const forgotten = (loaded: Loaded, from: number): Loaded => ({
    ...loaded,
    lane: { ...loaded.lane, keys: { ...loaded.lane.keys, from: from as Seq } },
  });

  test.each([0, 8, 21])('are found, or certainly absent, with %i of 21 records projected', async (projected) => {
    await scribe.create(C1);
    await scribe.say(C1, 20);
    await projectNow(journal, mongo, () => projected);
    const loaded = forgotten(await load(C1), 15);
    const { upTo, found } = await reads.findKeys(loaded, [
      ...wanted('k5', 'k14', 'nobodys'),
      { sender: userId('bob'), key: 'k5' as ClientKey },
    ]);
    expect(upTo).toBeGreaterThanOrEqual(14);
    expect(found.map((event) => event && [event.seq, event.hash])).toEqual([
      [5, 'hk5'],
      [14, 'hk14'],
      undefined,
      undefined,
    ]);
  });

  test('are not told while a record of the lane is parked', async () => {
    await scribe.create(C1);
    await scribe.say(C1, 20);
    const loaded = forgotten(await load(C1), 15);
    journal.put(C1, new TextEncoder().encode('poison'));
    await projectNow(journal, mongo);
    await expect(reads.findKeys(loaded, wanted('k5'))).rejects.toThrow(HistoryUnavailable);
  });
});

describe('with MongoDB down', () => {
  test('what the tail holds is answered, the rest is unavailable at once, and a gap comes from the lane', async () => {
    await scribe.create(C1);
    await scribe.say(C1, 1_200);
    await projectNow(journal, mongo, (end) => end - 100);
    await reads.page(await load(C1), ALL, {});
    await servers.mongo.kill9();
    const loaded = await load(C1);
    const began = performance.now();
    expect(seqs((await reads.page(loaded, ALL, { last: 20 })).events)).toEqual(
      Array.from({ length: 20 }, (_, i) => 1_182 + i),
    );
    await expect(reads.page(loaded, ALL, { last: 200 })).rejects.toThrow(HistoryUnavailable);
    await expect(reads.event(loaded, 5)).rejects.toThrow(HistoryUnavailable);
    await expect(reads.findKeys(loaded, [])).rejects.toThrow(HistoryUnavailable);
    await expect(history.conversationsOf(userId('alice'), { limit: 5 })).rejects.toThrow(HistoryUnavailable);
    // An election is waited for, once; then a server that is down is down at once.
    expect(performance.now() - began).toBeLessThan(2_500);
    const gap: LaneEvent[] = [];
    for await (const some of reads.gap(loaded, 600)) gap.push(...some);
    expect(gap).toEqual(scribe.events(C1).slice(600));
    await servers.mongo.restart();
    const whole = async () => seqs((await reads.page(loaded, ALL, { last: 200 })).events).length;
    await expect.poll(() => whole().catch(() => 0), { timeout: 20_000 }).toBe(200);
  });
});
