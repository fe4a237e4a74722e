/**
 * N1: a message to a group of 1,000 of whom nobody is connected: from the end of its time of grace until all pushes are decided and
 * in the work queue, and until the provider has taken them all and the ledger knows.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Db, MongoClient } from 'mongodb';
import { pino } from 'pino';
import type { LaneEvent, LaneRecord } from '../../schema/events.ts';
import { type DeviceId, type LaneId, type Revision, revisionOf, type UserId } from '../../schema/ids.ts';
import { openJetStreamJournal } from '../../services/journal/jetstream.ts';
import type { Journal } from '../../services/journal/journal.ts';
import { Mongo } from '../../services/views/connect.ts';
import { openDevices } from '../../services/views/devices.ts';
import { type Figure, figureOf, type Sample, valueAtMost } from './figure.ts';
import { wait } from './generate/load.ts';
import { startGenerator } from './generator.ts';
import type { TakingProvider } from './limits/push-provider.ts';
import { settingsIn } from './p9.ts';
import { PARTITIONS, type Rig } from './rig.ts';
import { startRoom } from './room.ts';
import type { Pace } from './rounds.ts';

const MEMBERS = 1_000;
const GRACE_MS = 1_000;
const WITHIN_MS = 60_000;
const LOOK_MS = 5;
const LANE = 'n1' as LaneId;
const memberOf = (i: number): string => `member${String(i).padStart(4, '0')}`;

export async function* n1(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const dir = mkdtempSync(join(tmpdir(), 'lanes-n1-'));
  const provider = await startGenerator<TakingProvider>('limits/push-provider', undefined);
  const config = rig.servers.config({ LANES_PARTITIONS: String(PARTITIONS) });
  const log = pino({ level: 'silent' });
  const { nats, storeBytes: maxBytes } = config;
  const journal = await openJetStreamJournal({ ...nats, partitions: PARTITIONS, maxBytes, log, name: 'bench' });
  const client = await new MongoClient(rig.servers.mongo.url).connect();
  const settings = { ...settingsIn(dir, provider.opened), LANES_NOTIFY_GRACE_MS: String(GRACE_MS) };
  const options = rig.roomOptions('notifier');
  const projector = await rig.startProjector();
  try {
    await registerAll(new Mongo(config.mongo, log, { socketTimeoutMs: 10_000, maxPoolSize: 16 }));
    const notifier = await startRoom({ ...options, environment: { ...options.environment, ...settings } });
    try {
      yield* figures(rig, pace, journal, client.db());
    } finally {
      await notifier.stop();
    }
  } finally {
    await Promise.all([projector.stop(), journal.close(), client.close(), provider.stop()]);
    rmSync(dir, { recursive: true, force: true });
  }
}

async function* figures(rig: Rig, pace: Pace, journal: Journal, db: Db): AsyncGenerator<Figure> {
  const decided: Sample[] = [];
  const pushed: Sample[] = [];
  const members = Array.from({ length: MEMBERS }, (_, i) => memberOf(i));
  let revision = await append(
    journal,
    1,
    { type: 'ConversationCreated', kind: 'GROUP', members: ['writer', ...members] },
    revisionOf(0),
  );
  // The first is not counted: code is compiled as it runs.
  for (let round = 0; round <= pace.rounds; round++) {
    const seq = round + 2;
    revision = await append(journal, seq, { type: 'MessageSent', text: 'Is anybody there?' }, revision);
    const graceOver = Date.now() + GRACE_MS;
    const isDecided = async () => {
      const found = await db.collection('push_decisions').find({ '_id.s': seq }).toArray();
      const items = found.reduce((sum, { push }) => sum + (push as unknown[]).length, 0);
      return items === MEMBERS;
    };
    const isSent = async () =>
      (await db
        .collection('ledger')
        .countDocuments({ '_id.s': seq, due: { $exists: false }, 'attempts.o': 'SENT' })) === MEMBERS;
    const [decidedMs, pushedMs] = [await timeUntil(isDecided, graceOver), await timeUntil(isSent, graceOver)];
    if (round === 0) continue;
    decided.push({ value: decidedMs });
    pushed.push({ value: pushedMs });
  }
  const notes = [
    `${MEMBERS} members with a device each, nobody connected; grace ${GRACE_MS} ms; the group is one of one for each`,
  ];
  const common = { mode: rig.mode, unit: 'ms', notes } as const;
  yield figureOf(
    { ...common, id: 'N1', what: 'from the end of grace to 1,000 pushes decided', target: valueAtMost(2_000) },
    decided,
    [],
  );
  yield figureOf(
    { ...common, id: 'N1p', what: 'from the end of grace to 1,000 pushes taken and in the ledger' },
    pushed,
    [],
  );
}

async function registerAll(mongo: Mongo): Promise<void> {
  const devices = openDevices(mongo, pino({ level: 'silent' }));
  const waiting = Array.from({ length: MEMBERS }, (_, i) => i);
  const work = async (): Promise<void> => {
    for (let i = waiting.pop(); i !== undefined; i = waiting.pop())
      await devices.register(memberOf(i) as UserId, 'phone' as DeviceId, {
        provider: 'APNS',
        token: i.toString(16).padStart(64, '0'),
      });
  };
  await Promise.all(Array.from({ length: 16 }, work));
  await mongo.close();
}

async function append(journal: Journal, seq: number, body: object, expected: Revision): Promise<Revision> {
  const event = { ...body, seq, at: Date.now(), by: 'writer', key: `k${seq}`, hash: 'x' } as unknown as LaneEvent;
  const record: LaneRecord = { v: 1, id: `n1-${seq}`, lane: LANE, events: [event] };
  const outcome = await journal.append(record, expected);
  if (outcome.kind !== 'stored') throw new Error(`not stored: ${outcome.kind}`);
  return outcome.revision;
}

/** Of `Date.now()`, counted from `since`; looking costs a few ms, which are in it. */
async function timeUntil(isSo: () => Promise<boolean>, since: number): Promise<number> {
  const end = Date.now() + WITHIN_MS;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`not so within ${WITHIN_MS} ms`);
    await wait(LOOK_MS);
  }
  return Date.now() - since;
}
