import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LaneId, UserId } from '../schema/ids.ts';
import { Mongo } from '../services/views/connect.ts';
import type { ListedConversation } from '../services/views/conversations.ts';
import { ensureGeneration, readGeneration, switchGeneration } from '../services/views/generation.ts';
import { type History, HistoryUnavailable, openHistory } from '../services/views/history.ts';
import { createGeneration, dropOthers, generationOf, newGenerationName } from '../services/views/views.ts';
import { silent } from './support/projecting.ts';
import { laneId, until, userId } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';

let servers: TestServers;
let mongo: Mongo;
let history: History;

beforeAll(async () => {
  servers = await startServers({ nats: false });
  mongo = new Mongo(servers.config().mongo, silent, { socketTimeoutMs: 5_000, maxPoolSize: 8 });
  history = openHistory(servers.config(), silent);
  await ensureGeneration(await mongo.db());
});
afterAll(async () => {
  await Promise.all([mongo?.close(), history?.close()]);
  await servers?.stop();
});

const views = async () => {
  const db = await mongo.db();
  return generationOf(db, (await readGeneration(db)) ?? 'none');
};

describe('the conversations of a user', () => {
  const COUNT = 10_000;
  const ids = Array.from({ length: COUNT }, (_, i) => laneId(`g_${String((i * 7_919) % COUNT).padStart(22, '0')}`));
  /** Several share a moment, so that their order is by id. */
  const at = (i: number) => 1_700_000_000_000 + Math.floor(i / 3);

  beforeAll(async () => {
    const { memberships, conversations } = await views();
    const members = ids.flatMap((l, i) => [
      { _id: { u: userId('alice'), l }, seq: 1, member: i % 10 !== 0 },
      { _id: { u: userId('alicex'), l }, seq: 1, member: true },
    ]);
    await memberships.insertMany(members as never, { ordered: false });
    await conversations.insertMany(ids.map((_id, i) => ({ _id, seq: 1, at: at(i) })) as never, { ordered: false });
  });

  test('come newest activity first, only those the user is in, page after page without a hole or a double', async () => {
    const right = ids
      .map((lane, i) => ({ lane, lastActivityAt: at(i), member: i % 10 !== 0 }))
      .filter(({ member }) => member)
      .sort((a, b) => b.lastActivityAt - a.lastActivityAt || (a.lane < b.lane ? 1 : -1))
      .map(({ lane }) => lane);
    const seen: LaneId[] = [];
    let after: ListedConversation | undefined;
    do {
      const page = await history.conversationsOf(userId('alice'), { limit: 997, after });
      seen.push(...page.map(({ lane }) => lane));
      after = page.at(-1);
    } while (after);
    expect(seen).toEqual(right);
  });

  test('are none for somebody who is in none', async () => {
    expect(await history.conversationsOf(userId('nobody'), { limit: 20 })).toEqual([]);
    expect(await history.conversationsOf(userId('alic'), { limit: 20 })).toEqual([]);
  });
});

test('people are remembered as they were last named; who is unknown is not there', async () => {
  await history.rememberPeople([
    { id: userId('alice'), name: 'Alice', avatarUrl: 'https://a.example/1' },
    { id: userId('bob'), name: '$where: 1' },
  ]);
  await history.rememberPeople([{ id: userId('alice'), name: 'Alicia' }]);
  const people = await history.people(['alice', 'bob', 'carol'].map(userId));
  expect([...people]).toEqual(
    expect.arrayContaining([
      ['alice', { name: 'Alicia' }],
      ['bob', { name: '$where: 1' }],
    ]),
  );
  expect(people.size).toBe(2);
  expect(await history.people([])).toEqual(new Map());
  await history.rememberPeople([]);
});

describe('generations', () => {
  test('of two that begin at once there is one', async () => {
    await (await mongo.db()).collection('meta').deleteMany({});
    const names = await Promise.all([1, 2, 3].map(async () => ensureGeneration(await mongo.db())));
    expect(new Set(names).size).toBe(1);
  });

  test('readers follow a switch within the time they may trust the old one', async () => {
    const db = await mongo.db();
    const reader = openHistory(servers.config(), silent);
    const erin: UserId = userId('erin');
    expect(await reader.conversationsOf(erin, { limit: 1 })).toEqual([]);
    const name = newGenerationName();
    const { memberships, conversations } = await createGeneration(db, name);
    await memberships.insertOne({ _id: { u: erin, l: laneId('new') }, seq: 1, member: true } as never);
    await conversations.insertOne({ _id: laneId('new'), seq: 1, at: 1 } as never);
    await switchGeneration(db, name);
    const began = performance.now();
    await until(
      () => reader.conversationsOf(erin, { limit: 1 }),
      (page) => page.length === 1,
    );
    expect(performance.now() - began).toBeLessThan(5_000);
    await dropOthers(db, [name]);
    expect(await reader.conversationsOf(erin, { limit: 1 })).toHaveLength(1);
    expect((await db.listCollections().toArray()).some((one) => one.name === 'people')).toBe(true);
    await reader.close();
  });
});

describe('without MongoDB', () => {
  const quickly = async (work: Promise<unknown>, withinMs: number) => {
    const began = performance.now();
    await expect(work).rejects.toThrow(HistoryUnavailable);
    expect(performance.now() - began).toBeLessThan(withinMs);
  };

  test('a server that hangs is unavailable within its time, and comes back', async () => {
    process.kill(servers.mongo.pid, 'SIGSTOP');
    await quickly(history.people([userId('alice')]), 2_500);
    await quickly(history.conversationsOf(userId('alice'), { limit: 1 }), 2_500);
    process.kill(servers.mongo.pid, 'SIGCONT');
    await until(
      () => history.people([userId('alice')]).catch(() => undefined),
      (people) => people?.size === 1,
    );
  });

  test('opening does not wait for it, asking fails soon, then at once, and it is found when it comes', async () => {
    await servers.mongo.kill9();
    const late = openHistory(servers.config(), silent);
    const began = performance.now();
    await quickly(late.at(0), 2_500);
    // Each would wait as long as the first one, were they not answered at once.
    for (let i = 0; i < 10; i++) {
      await expect(late.people([userId('alice')])).rejects.toThrow(HistoryUnavailable);
      await expect(late.rememberPeople([{ id: userId('alice') }])).rejects.toThrow(HistoryUnavailable);
    }
    expect(performance.now() - began).toBeLessThan(7_500);
    await servers.mongo.restart();
    await until(
      () => late.people([userId('alice')]).catch(() => undefined),
      (people) => people?.size === 1,
    );
    await late.close();
    await quickly(late.people([userId('alice')]), 100);
  });
});
