import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { WorkItem } from '../schema/delivery.ts';
import { revisionOf, seqOf } from '../schema/ids.ts';
import type { DeliveryBell, Ring } from '../services/journal/bell.ts';
import { type JetStreamJournal, openJetStreamJournal } from '../services/journal/jetstream.ts';
import type { Taken, UndeliveredQueue } from '../services/journal/undelivered.ts';
import { openUndelivered } from '../services/journal/undelivered-jetstream.ts';
import { silent } from './support/projecting.ts';
import { laneId, until, userId } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';

const partitions = 2;
let servers: TestServers;
let journal: JetStreamJournal;

beforeAll(async () => {
  servers = await startServers({ mongo: false });
  const { nats, storeBytes: maxBytes } = servers.config();
  journal = await openJetStreamJournal({ ...nats, partitions, maxBytes, log: silent, name: 'test' });
});
afterAll(async () => {
  await journal?.close();
  await servers?.stop();
});

const opened: UndeliveredQueue[] = [];
const open = async (): Promise<{ queue: UndeliveredQueue; bell: DeliveryBell }> => {
  const both = await openUndelivered({ ...servers.config().nats, partitions, log: silent, name: 'queue' });
  opened.push(both.queue);
  return both;
};
let queue: UndeliveredQueue;
beforeEach(async () => {
  ({ queue } = await open());
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

const items = (name: string, count: number): WorkItem[] =>
  Array.from({ length: count }, (_, i) => ({
    v: 1,
    l: laneId(name),
    s: seqOf(i + 1),
    r: revisionOf(i + 1),
    at: 5,
    c: 0,
    u: [userId('bob')],
  }));
const forEver = new AbortController().signal;

/** Takes until there are so many. */
async function takeAll(from: UndeliveredQueue, count: number): Promise<Taken[]> {
  const taken: Taken[] = [];
  while (taken.length < count) {
    const some = await from.take(16, forEver);
    if (some.length === 0) throw new Error('the queue was closed');
    taken.push(...some);
  }
  return taken;
}
const itemsOf = (taken: readonly Taken[]) => taken.map(({ item }) => item);
const allDone = async (taken: readonly Taken[]) => {
  expect(await Promise.all(taken.map((one) => one.done()))).toEqual(taken.map(() => true));
};

describe('the queue of what is to be pushed', () => {
  test('gives what was put, in order, and what is done never again', async () => {
    const put = items('order', 40);
    await queue.put(0, put);
    const taken = await takeAll(queue, 40);
    expect(itemsOf(taken)).toEqual(put);
    await allDone(taken);
    await until(
      () => queue.depth(),
      (depth) => depth === 0,
    );
    await queue.put(1, items('after', 1));
    const next = await queue.take(16, forEver);
    expect(itemsOf(next)).toEqual(items('after', 1));
    await allDone(next);
  });

  test('wakes a taker that waits', async () => {
    const taking = queue.take(4, forEver);
    await queue.put(0, items('waited', 1));
    const taken = await taking;
    expect(itemsOf(taken)).toEqual(items('waited', 1));
    await allDone(taken);
  });

  test('gives again what comes back, and not before its time', async () => {
    await queue.put(0, items('again', 2));
    const [first, second] = await takeAll(queue, 2);
    const began = performance.now();
    first?.again(600);
    second?.again(0);
    const once = await queue.take(1, forEver);
    expect(itemsOf(once)).toEqual([second?.item]);
    const later = await queue.take(1, forEver);
    expect(itemsOf(later)).toEqual([first?.item]);
    expect(performance.now() - began).toBeGreaterThan(550);
    await allDone([...once, ...later]);
  });

  test('two takers share the work, and what one had taken in when it closed goes to the other', async () => {
    const { queue: other } = await open();
    await queue.put(0, items('shared', 30));
    // Asks for many and takes one: the others wait inside.
    const [first] = await queue.take(1, forEver);
    const more = await queue.take(16, forEver);
    await allDone([first as Taken]);
    opened.splice(opened.indexOf(queue), 1);
    for (const one of more) one.again(0);
    await queue.close();
    const rest = await takeAll(other, 29);
    expect(
      itemsOf(rest)
        .map(({ s }) => s)
        .sort((a, b) => a - b),
    ).toEqual(
      items('shared', 30)
        .slice(1)
        .map(({ s }) => s),
    );
    await allDone(rest);
  });

  test('an aborted taker gets nothing, and nothing is lost by it', async () => {
    const stop = new AbortController();
    const taking = queue.take(4, stop.signal);
    stop.abort();
    expect(await taking).toEqual([]);
    await queue.put(0, items('kept', 1));
    const taken = await takeAll(queue, 1);
    expect(itemsOf(taken)).toEqual(items('kept', 1));
    await allDone(taken);
  });

  test('outlives the server: what was stored is given after it', async () => {
    await queue.put(0, items('outage', 3));
    await servers.nats.kill9();
    const waiting = takeAll(queue, 3);
    await servers.nats.restart();
    const taken = await waiting;
    expect(itemsOf(taken)).toEqual(items('outage', 3));
    await allDone(taken);
    await until(
      () =>
        queue.put(1, items('after', 1)).then(
          () => true,
          () => false,
        ),
      (stored) => stored,
    );
    await allDone(await takeAll(queue, 1));
  });
});

test('the bell rings for its lane alone, with the users where they are few', async () => {
  const { bell } = await open();
  const { bell: other } = await open();
  const rung: Ring[] = [];
  const listening = other.listen(laneId('c1'), (ring) => rung.push(ring));
  const many = Array.from({ length: 101 }, (_, i) => userId(`u${i}`));
  await until(
    () => {
      bell.ring({ lane: laneId('c2'), seq: seqOf(1), users: [userId('bob')] });
      bell.ring({ lane: laneId('c1'), seq: seqOf(2), users: [userId('bob')] });
      bell.ring({ lane: laneId('c1'), seq: seqOf(3), users: many });
      return rung.length;
    },
    (count) => count >= 2,
  );
  expect(rung.slice(0, 2)).toEqual([
    { lane: 'c1', seq: 2, users: ['bob'] },
    { lane: 'c1', seq: 3, users: undefined },
  ]);
  listening.stop();
});
