/** How a work item becomes pushes: what is heard of a recipient meanwhile, at whichever moment, is told in the ledger. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { WorkItem } from '../schema/delivery.ts';
import { type DeviceId, revisionOf, seqOf } from '../schema/ids.ts';
import type { Mark } from '../schema/receipts.ts';
import { Lanes } from '../services/journal/lanes.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import type { Taken, UndeliveredQueue } from '../services/journal/undelivered.ts';
import { Hearings } from '../services/notifier/hearing.ts';
import { Outcomes } from '../services/notifier/outcomes.ts';
import { Outlets } from '../services/notifier/queue.ts';
import { Worker, type WorkerParts } from '../services/notifier/worker.ts';
import { Mongo } from '../services/views/connect.ts';
import { openDevices } from '../services/views/devices.ts';
import { Ledger } from '../services/views/ledger.ts';
import { createLedger } from '../services/views/ledger-documents.ts';
import { readStories } from '../services/views/ledger-reads.ts';
import { silent } from './support/projecting.ts';
import { laneId, Scribe, until, userId } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';

const LANE = laneId('c1');
const BOB = userId('bob');

let servers: TestServers;
let mongo: Mongo;
beforeAll(async () => {
  servers = await startServers({ nats: false });
  mongo = new Mongo(servers.config().mongo, silent, { socketTimeoutMs: 5_000, maxPoolSize: 8 });
  await createLedger(await mongo.db());
});
afterAll(async () => {
  await mongo?.close();
  await servers?.stop();
});

/** Calls `during` while it writes down who is not to be pushed any more. */
class InterruptedLedger extends Ledger {
  during: () => void = () => undefined;
  override async withdraw(...given: Parameters<Ledger['withdraw']>): Promise<void> {
    await super.withdraw(...given);
    this.during();
  }
}

/** Gives one item, once. */
function queueOf(item: WorkItem, onDone: () => void): UndeliveredQueue {
  const working = { item, again: () => undefined, working: () => undefined };
  const done = async (): Promise<boolean> => {
    onDone();
    return true;
  };
  let given: readonly Taken[] = [{ ...working, done }];
  return {
    put: async () => undefined,
    take: async (_, signal) => {
      const taken = given;
      given = [];
      if (taken.length === 0) await new Promise((resolve) => signal.addEventListener('abort', resolve));
      return taken;
    },
    depth: async () => 0,
    close: async () => undefined,
  };
}

test('who acknowledges between the look and the claim is not pushed, and the ledger says why', async () => {
  const journal = new MemoryJournal({ partitions: 1, clock: Date.now });
  const scribe = new Scribe(journal, Date.now);
  await scribe.create(LANE, 'bob');
  await scribe.say(LANE, 1);
  const devices = openDevices(mongo, silent);
  await devices.register(BOB, 'phone' as DeviceId, { provider: 'FCM', token: 'bob-phone' });
  const ledger = new InterruptedLedger(() => mongo.db());
  let tell: (marks: readonly Mark[]) => void = () => undefined;
  const board = {
    of: async () => new Map(),
    listen: (onMarks: typeof tell) => {
      tell = onMarks;
      return { stop: () => undefined };
    },
  };
  const at = Date.now();
  const subject = { lane: LANE, seq: seqOf(2), revision: revisionOf(2), acceptedAt: at, part: 0 };
  await ledger.decide([{ subject, push: [BOB], no: new Map(), asOf: at }]);
  ledger.during = () =>
    tell([{ u: BOB, d: 'phone' as DeviceId, l: LANE, k: 'delivered', s: seqOf(2), at: Date.now() }]);
  const pushed: string[] = [];
  const firebase = {
    provider: 'FCM' as const,
    push: async () => {
      pushed.push('bob');
      return { kind: 'sent' as const };
    },
    stop: async () => undefined,
  };
  const outcomes = new Outcomes({ ledger, bell: { ring: () => undefined }, log: silent });
  let isDone = false;
  const item: WorkItem = { v: 1, l: LANE, s: seqOf(2), r: revisionOf(2), at, c: 0, u: [BOB] };
  const parts = {
    ...{ journal, lanes: new Lanes(journal, { maxWeight: 1_000, log: silent }), board, devices, ledger, outcomes },
    ...{
      providers: new Set(['FCM']),
      outlets: new Outlets(new Map([['FCM', firebase]])),
      hearings: new Hearings(board),
    },
    metrics: { held: () => undefined, putOff: () => undefined },
    queue: queueOf(item, () => {
      isDone = true;
    }),
    ...{ history: { people: async () => new Map() }, lanesOf: { of: async () => new Map() }, privacy: false },
    ...{ unread: { of: async () => 1, ofMany: async () => new Map() }, clock: Date.now, log: silent },
  };
  const worker = new Worker(parts as unknown as WorkerParts);
  await until(() => isDone, Boolean);
  await worker.stop();
  await outcomes.stop(5_000);
  const story = (await readStories(await mongo.db(), LANE, seqOf(2), [BOB])).get(BOB);
  expect(pushed).toEqual([]);
  expect(story?.isOpen).toBe(false);
  expect([story?.late, ...(story?.closed ?? [])]).toContain('DELIVERED_IN_TIME');
});
