/** Deliberately broken notifiers on real servers: the checker catches each, and finds nothing in the right one that went the same way. */

import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DeviceId, type LaneId, seqOf } from '../schema/ids.ts';
import { openJetStreamJournal } from '../services/journal/jetstream.ts';
import { Receipts } from '../services/journal/receipts.ts';
import { openJetStreamReceipts } from '../services/journal/receipts-jetstream.ts';
import { openStores } from '../services/notifier/main.ts';
import { notifierMetrics } from '../services/notifier/metrics.ts';
import { Notifier } from '../services/notifier/notifier.ts';
import { openProviders } from '../services/notifier/providers.ts';
import { Outlets } from '../services/notifier/queue.ts';
import { start as startProjector } from '../services/projector/main.ts';
import type { Running } from '../services/run.ts';
import { Mongo } from '../services/views/connect.ts';
import { type Devices, openDevices } from '../services/views/devices.ts';
import { Ledger } from '../services/views/ledger.ts';
import type { ReceiptBoard } from '../services/views/receipts.ts';
import { checkPushes } from './faults/check-pushes.ts';
import { factsOf } from './faults/facts.ts';
import { Gateways } from './faults/gateways.ts';
import { blindBoard, HastyLedger, UnclaimingLedger } from './faults/notifier-builds.ts';
import { pushFactsOf } from './faults/push-facts.ts';
import { readPushStores, readUnfinished } from './faults/push-stores.ts';
import type { AppDevice } from './faults/push-trace.ts';
import { Recorder } from './faults/recorder.ts';
import { PARTITIONS, readLanes } from './faults/stores.ts';
import type { Invariant } from './faults/trace.ts';
import { silent } from './support/projecting.ts';
import { laneId, Scribe, until, userId } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';

const GRACE_MS = 300;
const settings = {
  LANES_PARTITIONS: String(PARTITIONS),
  LANES_ADMIN_PORT: '0',
  LANES_NOTIFY_GRACE_MS: String(GRACE_MS),
};

let servers: TestServers;
let gateways: Gateways;
let recorder: Recorder;
let mongo: Mongo;
let devices: Devices;
let scribe: Scribe;
let receipts: Receipts;
const closing: { stop(): Promise<unknown> }[] = [];

beforeAll(async () => {
  recorder = new Recorder();
  [servers, gateways] = await Promise.all([startServers(), Gateways.open(recorder)]);
  const config = servers.config(settings);
  const options = { ...config.nats, partitions: PARTITIONS, log: silent };
  const journal = await openJetStreamJournal({ ...options, maxBytes: config.storeBytes, name: 'test' });
  const log = await openJetStreamReceipts({ ...options, name: 'test receipts' });
  mongo = new Mongo(config.mongo, silent, { socketTimeoutMs: 5_000, maxPoolSize: 8 });
  devices = openDevices(mongo, silent);
  scribe = new Scribe(journal, Date.now);
  receipts = new Receipts(log, { clock: Date.now });
  const projector = await startProjector(config, silent);
  closing.push(projector, receipts, ...[journal, log, mongo].map((one) => ({ stop: () => one.close() })));
});
afterAll(async () => {
  for (const one of closing) await one.stop();
  await servers?.stop();
  await gateways?.stop();
});

interface Build {
  readonly ledger?: new (db: ConstructorParameters<typeof Ledger>[0]) => Ledger;
  readonly board?: (board: ReceiptBoard) => ReceiptBoard;
}

async function startNotifier(build: Build): Promise<Running> {
  const config = servers.config({ ...settings, ...gateways.settings });
  const opened: (() => Promise<unknown>)[] = [];
  const registry = new Registry();
  const providers = openProviders(config.push, { log: silent, clock: Date.now, registry });
  const stores = await openStores(config, silent, undefined, opened);
  const notifier = new Notifier({
    ...stores,
    ledger: new (build.ledger ?? Ledger)(() => mongo.db()),
    board: build.board?.(stores.board) ?? stores.board,
    metrics: notifierMetrics(registry, () => undefined),
    providers: new Set(providers.on.keys()),
    outlets: new Outlets(providers.on),
    ...{ graceMs: GRACE_MS, privacy: false, clock: Date.now, log: silent },
  });
  return {
    stop: async () => {
      await notifier.stop();
      await providers.stop();
      for (const one of opened.reverse()) await one();
    },
  };
}

let runs = 0;

/** Bob has one message in time, another not, while his provider is in trouble once; what the checker finds in the end. */
async function found(build: Build): Promise<Invariant[]> {
  const [user, lane] = [`bob${++runs}`, laneId(`lane${runs}`)];
  const device: AppDevice = { user, device: 'phone', gateway: 'FCM', token: `token${runs}` };
  await devices.register(userId(user), 'phone' as DeviceId, { provider: 'FCM', token: device.token });
  await scribe.create(lane, user);
  const notifier = await startNotifier(build);
  try {
    await scribe.say(lane, 1);
    await acknowledge(user, lane, 2);
    gateways.begin('FCM', 'unavailable');
    await scribe.say(lane, 1);
    await until(() => recorder.pushes.some(({ token, met }) => token === device.token && met === 'trouble'), Boolean);
    gateways.end('FCM');
    await until(
      () => readUnfinished(servers),
      (left) => left === '',
      30_000,
    );
  } finally {
    gateways.end('FCM');
    await notifier.stop();
  }
  return checked(lane, device);
}

async function acknowledge(user: string, lane: LaneId, seq: number): Promise<void> {
  const sentAt = Date.now();
  const [u, d] = [userId(user), 'phone' as DeviceId];
  const outcome = await receipts.mark([{ u, d, l: lane, k: 'delivered', s: seqOf(seq), at: sentAt }]);
  if (outcome.kind !== 'stored') throw new Error(outcome.message);
  const answer = { kind: 'stored' } as const;
  recorder.mark({ user, device: 'phone', kind: 'delivered', lane, seq, sentAt, answeredAt: Date.now(), answer });
}

/** Of this lane alone. */
async function checked(lane: LaneId, device: AppDevice): Promise<Invariant[]> {
  const isOf = (one: { readonly lane: string }) => one.lane === lane;
  const { entries, decisions, stored } = await readPushStores(servers);
  const lanes = new Map([...(await readLanes(servers))].filter(([name]) => name === lane));
  const trace = recorder.traceOf({ stores: { lanes, history: new Map(), parked: [] } });
  const pushing = {
    ...{ graceMs: GRACE_MS, devices: [device], muted: [], outages: [], inboxes: [], deliveries: [] },
    ...{ marks: recorder.marks.filter(isOf), pushes: recorder.pushes.filter(isOf) },
    ...{ entries: entries.filter(isOf), decisions: decisions.filter(isOf), stored: stored.filter(isOf) },
  };
  const violations = checkPushes(pushFactsOf(trace, pushing, factsOf(trace)));
  return [...new Set(violations.map(({ invariant }) => invariant))];
}

describe('broken notifiers', () => {
  test('decides without reading receipts', async () => expect(await found({ board: blindBoard })).toContain('I10'));
  test('pushes what it did not claim', async () => expect(await found({ ledger: UnclaimingLedger })).toContain('I10'));
  test('takes a provider’s trouble for its last word', async () =>
    expect(await found({ ledger: HastyLedger })).toContain('I9'));
  test('the right one passes', async () => expect(await found({})).toEqual([]));
});
