/**
 * I1: from the subscription to `InboxCaughtUp` for a user in 10,000 conversations of which three have news, beside the driver's
 * bare reading of what has to be known. I2: resident memory of one more idle inbox beside one more idle stream of a conversation.
 */
import { MongoClient } from 'mongodb';
import { pino } from 'pino';
import type { LaneEvent, LaneRecord } from '../../schema/events.ts';
import { type DeviceId, type LaneId, revisionOf, seqOf, type UserId } from '../../schema/ids.ts';
import type { Mark } from '../../schema/receipts.ts';
import { openJetStreamJournal } from '../../services/journal/jetstream.ts';
import { Receipts } from '../../services/journal/receipts.ts';
import { openJetStreamReceipts } from '../../services/journal/receipts-jetstream.ts';
import { Mongo } from '../../services/views/connect.ts';
import { openDevices } from '../../services/views/devices.ts';
import { freePort } from '../support/servers.ts';
import { type Figure, figureOf, ratioAtMost, type Sample, valueAtMost } from './figure.ts';
import type { Fanout, Receiver } from './generate/fanout.ts';
import { wait } from './generate/load.ts';
import { openGraphqlWire, openInbox } from './generate/subscriber.ts';
import { startGenerator } from './generator.ts';
import { heldBy } from './inspector.ts';
import { PARTITIONS, type Rig } from './rig.ts';
import { byTurns, type Pace } from './rounds.ts';

const DEVICE = 'phone';
const AT_ONCE = 32;
const WITHIN_MS = 120_000;

const CONVERSATIONS = 10_000;
const NEWS = 3;
const STARTS = 10;

const LANES = 1_000;
const LANES_EACH = 10;
const FROM = 1_000;
const TO = 8_000;

/** All of them, so many at once. */
async function each<T>(all: readonly T[], work: (one: T, i: number) => Promise<unknown>): Promise<void> {
  const waiting = [...all.entries()];
  const worker = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await work(next[1], next[0]);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

interface Stores {
  readonly mongo: MongoClient;
  /** One record. */
  write(lane: string, members: readonly string[], after: number, events: number): Promise<void>;
  register(users: readonly string[]): Promise<void>;
  mark(marks: readonly Mark[]): Promise<void>;
  /** Settles when the projector has folded everything. */
  folded(): Promise<void>;
  close(): Promise<void>;
}

async function openStores(rig: Rig): Promise<Stores> {
  const config = rig.servers.config({ LANES_PARTITIONS: String(PARTITIONS) });
  const log = pino({ level: 'silent' });
  const { nats, storeBytes: maxBytes } = config;
  const journal = await openJetStreamJournal({ ...nats, partitions: PARTITIONS, maxBytes, log, name: 'bench' });
  const receiptLog = await openJetStreamReceipts({ ...nats, partitions: PARTITIONS, log, name: 'bench receipts' });
  const receipts = new Receipts(receiptLog, { clock: Date.now });
  const views = new Mongo(config.mongo, log, { socketTimeoutMs: 10_000, maxPoolSize: AT_ONCE });
  const devices = openDevices(views, log);
  const mongo = await new MongoClient(rig.servers.mongo.url).connect();
  const isFolded = async (): Promise<boolean> => {
    const db = mongo.db();
    const listed = await db.collection<{ _id: string; listed: number }>('positions').find().toArray();
    const marked = await db.collection<{ _id: number; w: number }>('receipt_positions').find().toArray();
    const reached = (p: number) => listed.find(({ _id }) => _id.endsWith(`:${p}`))?.listed ?? 0;
    for (let p = 0; p < PARTITIONS; p++) {
      if ((await journal.partitionEnd(p)) > reached(p)) return false;
      if ((await receiptLog.end(p)) > (marked.find(({ _id }) => _id === p)?.w ?? 0)) return false;
    }
    return true;
  };
  return {
    mongo,
    write: async (lane, members, after, events) => {
      const last = (await journal.last(lane as LaneId))?.revision ?? revisionOf(0);
      const outcome = await journal.append(recordOf(lane, members, after, events), last);
      if (outcome.kind !== 'stored') throw new Error(`lane ${lane}: ${outcome.kind}`);
    },
    register: (users) => each(users, (user) => devices.register(user as UserId, DEVICE as DeviceId, undefined)),
    mark: async (marks) => {
      for (let i = 0; i < marks.length; i += 1_000) await receipts.mark(marks.slice(i, i + 1_000));
    },
    folded: async () => {
      const until = Date.now() + WITHIN_MS;
      while (!(await isFolded())) {
        if (Date.now() > until) throw new Error(`not all folded within ${WITHIN_MS / 1000} s`);
        await wait(100);
      }
    },
    close: async () => {
      await receipts.stop();
      await Promise.all([journal.close(), receiptLog.close(), mongo.close(), views.close()]);
    },
  };
}

function recordOf(lane: string, members: readonly string[], after: number, count: number): LaneRecord {
  const events = Array.from({ length: count }, (_, i) => ({
    ...(after + i === 0
      ? { type: 'ConversationCreated', kind: 'GROUP', members: ['writer', ...members] }
      : { type: 'MessageSent', text: 'Shall we meet at six at the usual place?' }),
    ...{ seq: after + i + 1, at: Date.now(), by: 'writer', key: `k${after + i}`, hash: 'x' },
  }));
  return { v: 1, id: `${lane}-${after}`, lane: lane as LaneId, events: events as unknown as readonly LaneEvent[] };
}

export async function* i1(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const stores = await openStores(rig);
  const projector = await rig.startProjector();
  const user = 'i1user';
  try {
    await stores.register([user]);
    const lanes = Array.from({ length: CONVERSATIONS }, (_, i) => `i1${String(i).padStart(5, '0')}`);
    await each(lanes, (lane) => stores.write(lane, [user], 0, 2));
    const at = Date.now();
    const marks = lanes.map(
      (l): Mark => ({ u: user as UserId, d: DEVICE as DeviceId, l: l as LaneId, k: 'delivered', s: seqOf(2), at }),
    );
    await stores.mark(marks);
    for (const lane of lanes.slice(0, NEWS)) await stores.write(lane, [user], 2, 1);
    await stores.folded();
    const api = await rig.startApi();
    try {
      const cold = await startMs(api.port, rig.tokenOf(user));
      const results = await byTurns(
        pace,
        async () => medianOf(() => bareMs(stores.mongo, user)),
        async () => medianOf(() => startMs(api.port, rig.tokenOf(user))),
      );
      yield figureOf(
        {
          id: 'I1',
          what: `start of an inbox of ${CONVERSATIONS.toLocaleString('en-US')} conversations of which ${NEWS} have news, to InboxCaughtUp`,
          mode: rig.mode,
          unit: 'ms',
          target: valueAtMost(300),
          notes: [
            `the median of ${STARTS} starts, one after the other; the process’s first took ${cold.toFixed(0)} ms`,
            'the limit: the driver reads the user’s memberships, their last seqs, and its marks, as documents, two at a time',
          ],
        },
        results.ours,
        results.limit,
      );
    } finally {
      await api.stop();
    }
  } finally {
    await Promise.all([projector.stop(), stores.close()]);
  }
}

async function startMs(port: number, token: string): Promise<number> {
  const wire = await openGraphqlWire(port, token);
  try {
    const began = performance.now();
    const messages = await openInbox(wire, DEVICE);
    if (messages <= NEWS) throw new Error(`only ${messages} messages came`);
    return performance.now() - began;
  } finally {
    wire.close();
  }
}

async function bareMs(mongo: MongoClient, user: string): Promise<number> {
  const db = mongo.db();
  const generation = (await db.collection<{ _id: string; current: string }>('meta').findOne())?.current;
  const began = performance.now();
  const marks = db.collection('marks').find({ '_id.u': user }).toArray();
  const range = { $gte: { u: user, l: '' }, $lte: { u: user, l: '~' } };
  const mine = await db
    .collection<{ _id: { u: string; l: string } }>(`memberships_${generation}`)
    .find({ _id: range })
    .toArray();
  const ids = mine.map(({ _id }) => _id.l);
  const some = await db
    .collection<{ _id: string }>(`conversations_${generation}`)
    .find({ _id: { $in: ids } })
    .toArray();
  if (some.length !== CONVERSATIONS || (await marks).length !== CONVERSATIONS) throw new Error('not all are there');
  return performance.now() - began;
}

async function medianOf(measure: () => Promise<number>): Promise<Sample> {
  const values: number[] = [];
  for (let i = 0; i < STARTS; i++) values.push(await measure());
  return { value: values.sort((a, b) => a - b)[STARTS >> 1] as number };
}

export async function* i2(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const stores = await openStores(rig);
  const projector = await rig.startProjector();
  try {
    const users = Array.from({ length: TO }, (_, i) => `i2user${String(i).padStart(4, '0')}`);
    const lanes = Array.from({ length: LANES }, (_, i) => `i2${String(i).padStart(4, '0')}`);
    // User i is in the ten lanes from i on, in steps of a hundred.
    const lanesOf = (i: number) =>
      Array.from({ length: LANES_EACH }, (_, k) => lanes[(i + (k * LANES) / LANES_EACH) % LANES] as string);
    const members = new Map(lanes.map((lane): [string, string[]] => [lane, []]));
    for (const [i, user] of users.entries()) for (const lane of lanesOf(i)) members.get(lane)?.push(user);
    await stores.register(users);
    await each(lanes, (lane) => stores.write(lane, members.get(lane) ?? [], 0, 2));
    const at = Date.now();
    await stores.mark(
      users.flatMap((u, i) =>
        lanesOf(i).map(
          (l): Mark => ({ u: u as UserId, d: DEVICE as DeviceId, l: l as LaneId, k: 'delivered', s: seqOf(2), at }),
        ),
      ),
    );
    await stores.folded();
    const receivers = users.map((user, i): Receiver => ({ token: rig.tokenOf(user), lane: lanesOf(i)[0] as string }));
    const results = await byTurns(
      pace,
      () => slopeOf(rig, receivers),
      () =>
        slopeOf(
          rig,
          receivers.map((receiver) => ({ ...receiver, device: DEVICE })),
        ),
      { warmUp: false },
    );
    yield figureOf(
      {
        id: 'I2',
        what: `memory of an idle inbox on its own socket (each user in ${LANES_EACH} of ${LANES.toLocaleString('en-US')} conversations of ${(TO * LANES_EACH) / LANES} members; slope from ${FROM} to ${TO})`,
        mode: rig.mode,
        unit: 'KiB',
        target: ratioAtMost(1.5),
        notes: ['the limit: the same users with a stream of one conversation each'],
      },
      results.ours,
      results.limit,
    );
  } finally {
    await Promise.all([projector.stop(), stores.close()]);
  }
}

/** KiB for each more. */
async function slopeOf(rig: Rig, receivers: readonly Receiver[]): Promise<Sample> {
  const inspector = await freePort();
  const api = await rig.startApi([`--inspect=127.0.0.1:${inspector}`]);
  try {
    const generator = await startGenerator<Fanout>('generate/fanout', { kind: 'ours', port: api.port, receivers });
    try {
      await generator.run({ kind: 'grow', to: FROM });
      const before = await heldBy(api.pid, inspector);
      await generator.run({ kind: 'grow', to: TO });
      const after = await heldBy(api.pid, inspector);
      return { value: (after - before) / 1024 / (TO - FROM) };
    } finally {
      await generator.stop();
    }
  } finally {
    await api.stop();
  }
}
