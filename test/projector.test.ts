import { connect } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { LaneRecord } from '../schema/events.ts';
import { type LaneId, revisionOf } from '../schema/ids.ts';
import { laneSubject, partitionOf } from '../schema/subjects.ts';
import { type JetStreamJournal, openJetStreamJournal } from '../services/journal/jetstream.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { encodeRecord } from '../services/journal/record.ts';
import { start } from '../services/projector/main.ts';
import { projectPartition } from '../services/projector/partition.ts';
import { verifyHistory } from '../services/projector/verify.ts';
import type { Running } from '../services/run.ts';
import { Mongo } from '../services/views/connect.ts';
import { readGeneration } from '../services/views/generation.ts';
import { eventOf } from '../services/views/project.ts';
import { Store } from '../services/views/store.ts';
import { generationOf, positionId, positionsOf } from '../services/views/views.ts';
import { dyingSession, openSession, projectNow, silent } from './support/projecting.ts';
import { laneId, Scribe, until } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';

let servers: TestServers;
let mongo: Mongo;

beforeAll(async () => {
  servers = await startServers();
  mongo = new Mongo(servers.config().mongo, silent, { socketTimeoutMs: 5_000, maxPoolSize: 8 });
});
afterAll(async () => {
  await mongo?.close();
  await servers?.stop();
});

const views = async () => {
  const db = await mongo.db();
  return generationOf(db, (await readGeneration(db)) ?? 'none');
};
const historyOf = async (lane: LaneId) =>
  (await (await views()).history.find({ '_id.l': lane }, { sort: { _id: 1 } }).toArray()).map(eventOf);
const parkedOf = async (lane: LaneId) =>
  (await (await views()).parked.find({ lane }).toArray()).map(({ _id }) => _id.rev);
const watermarkOf = async (partition: number) => {
  const db = await mongo.db();
  return (await positionsOf(db).findOne({ _id: positionId((await readGeneration(db)) ?? 'none', partition) }))?.w ?? 0;
};
const memberOf = async (user: string, lane: LaneId) =>
  (await (await views()).memberships.findOne({ _id: { u: user, l: lane } as never }))?.member;

describe('the projector, on servers', () => {
  const partitions = 4;
  const running: Running[] = [];
  let journal: JetStreamJournal;
  let scribe: Scribe;

  beforeAll(async () => {
    const { nats, storeBytes: maxBytes } = config();
    journal = await openJetStreamJournal({ ...nats, partitions, maxBytes, log: silent, name: 'test' });
    scribe = new Scribe(journal);
  });
  afterEach(() => Promise.all(running.splice(0).map((room) => room.stop())));
  afterAll(() => journal?.close());

  const config = () => servers.config({ LANES_PARTITIONS: String(partitions), LANES_ADMIN_PORT: '0' });
  const projector = async () => {
    const room = await start(config(), silent);
    running.push(room);
    return room;
  };
  const lanes = (name: string, count: number) => Array.from({ length: count }, (_, i) => laneId(`${name}-${i}`));
  const differences = async () => {
    const lines: string[] = [];
    await verifyHistory({ journal, mongo }, { print: (line) => lines.push(line) });
    return lines;
  };
  const caughtUp = async () => {
    const ends = await Promise.all(Array.from({ length: partitions }, (_, p) => journal.partitionEnd(p)));
    for (const [p, end] of ends.entries())
      await until(
        () => watermarkOf(p),
        (w) => w >= end,
        40_000,
      );
  };

  test('history is the lanes, event for event, and a conversation is listed with its members', async () => {
    await projector();
    const some = lanes('plain', 12);
    for (const lane of some) await scribe.create(lane, 'bob');
    await Promise.all(some.map((lane, i) => scribe.say(lane, 30 + i, 1 + (i % 5))));
    await scribe.write(some[0] as LaneId, [{ type: 'MemberRemoved', member: 'bob' }]);
    await caughtUp();
    for (const lane of some) expect(await historyOf(lane)).toEqual(scribe.events(lane));
    expect([await memberOf('bob', some[0] as LaneId), await memberOf('bob', some[1] as LaneId)]).toEqual([false, true]);
    const last = scribe.events(some[3] as LaneId).at(-1);
    await until(
      async () => (await views()).conversations.findOne({ _id: some[3] as LaneId }),
      (listed) => listed?.seq === last?.seq && listed?.at === last?.at,
    );
    expect(await differences()).toEqual([]);
  });

  test('mongod killed twice in the midst: nothing is missing, nothing twice', async () => {
    await projector();
    const some = lanes('killed', 8);
    for (const lane of some) await scribe.create(lane, 'bob');
    let writing = true;
    const writers = some.map(async (lane) => {
      while (writing) await scribe.say(lane, 5, 2);
    });
    for (let kill = 0; kill < 2; kill++) {
      const before = await watermarkOf(0);
      await until(
        () => watermarkOf(0),
        (w) => w > before,
      );
      await servers.mongo.kill9();
      const end = await journal.partitionEnd(0);
      await until(
        () => journal.partitionEnd(0),
        (now) => now > end + 100,
      );
      await servers.mongo.restart();
      await until(
        () => watermarkOf(0).catch(() => 0),
        (w) => w > end,
      );
    }
    writing = false;
    await Promise.all(writers);
    await caughtUp();
    for (const lane of some) expect(await historyOf(lane)).toEqual(scribe.events(lane));
    expect(await differences()).toEqual([]);
  });

  test('two projectors share the partitions, and one goes on when the other ends', async () => {
    const first = await projector();
    const holders = async () => {
      const leases = await (await mongo.db()).collection<{ _id: string; owner: string }>('leases').find().toArray();
      return new Set(leases.filter(({ _id }) => _id.startsWith('projector:')).map(({ owner }) => owner)).size;
    };
    await until(holders, (n) => n === 1);
    await projector();
    await until(holders, (n) => n === 2);
    const some = lanes('shared', 8);
    for (const lane of some) await scribe.create(lane);
    await Promise.all(some.map((lane) => scribe.say(lane, 40)));
    await first.stop();
    running.splice(0, 1);
    await Promise.all(some.map((lane) => scribe.say(lane, 40)));
    await caughtUp();
    expect(await differences()).toEqual([]);
  });

  test('a poison record is parked with an alarm while the other lanes go on', async () => {
    const [bad, good] = lanes('poison', 2) as [LaneId, LaneId];
    await projector();
    await scribe.create(bad, 'bob');
    const { url, user, password } = servers.nats;
    const nats = await connect({ servers: url, user, pass: password });
    const poison = await nats.jetstream().publish(laneSubject(partitionOf(bad, partitions), bad), 'no record');
    await nats.close();
    await scribe.create(good);
    await scribe.say(good, 50);
    await caughtUp();
    expect(await parkedOf(bad)).toEqual([poison.seq]);
    expect(await historyOf(bad)).toEqual(scribe.events(bad));
    expect(await historyOf(good)).toEqual(scribe.events(good));
    expect(await differences()).toEqual([expect.stringMatching(`^${bad}: .*parked`)]);
  });
});

describe('the projector, step by step', () => {
  const C1 = laneId('c1');
  const C2 = laneId('c2');
  let journal: MemoryJournal;
  let scribe: Scribe;
  beforeEach(async () => {
    await (await mongo.db()).dropDatabase();
    journal = new MemoryJournal({ partitions: 1 });
    scribe = new Scribe(journal);
  });
  const differences = async () => {
    const lines: string[] = [];
    await verifyHistory({ journal, mongo }, { print: (line) => lines.push(line) });
    return lines;
  };

  test('twice is once: two sessions on one partition, and all of it again', async () => {
    await scribe.create(C1, 'bob');
    await scribe.say(C1, 700, 3);
    const end = await journal.partitionEnd(0);
    const { signal } = new AbortController();
    const sessions = await Promise.all([openSession(mongo), openSession(mongo)]);
    await Promise.all(sessions.map((session) => projectPartition(journal, session, 0, { signal, until: end })));
    await Promise.all(sessions.map((session) => session.stop(5_000)));
    await positionsOf(await mongo.db()).deleteMany({});
    const seen = await projectNow(journal, mongo);
    expect(seen.alarms).toBe(0);
    expect(await historyOf(C1)).toEqual(scribe.events(C1));
    expect(await differences()).toEqual([]);
  });

  test('a batch that was cut off anywhere is finished by whoever comes next', async () => {
    await scribe.create(C1, 'bob');
    await scribe.say(C1, 60, 4);
    for (const after of ['insert', 'writeMemberships', 'writeActivity', 'advance', 'setListed'] as const) {
      await scribe.say(C1, 20, 3);
      await scribe.write(C1, [{ type: 'MembersAdded', members: [`late-${after}`] }]);
      const { session, death } = await dyingSession(mongo, after);
      const until = await journal.partitionEnd(0);
      void projectPartition(journal, session, 0, { signal: new AbortController().signal, until }).catch(
        () => undefined,
      );
      await death;
      const seen = await projectNow(journal, mongo);
      expect(seen.alarms).toBe(0);
      expect(await historyOf(C1)).toEqual(scribe.events(C1));
      expect(await memberOf(`late-${after}`, C1)).toBe(true);
      const last = scribe.events(C1).at(-1);
      expect(await (await views()).conversations.findOne({ _id: C1 })).toMatchObject({ seq: last?.seq, at: last?.at });
    }
    expect(await differences()).toEqual([]);
  });

  test('a record with a key that another event has is parked whole: none of its events is in history', async () => {
    const first = await scribe.create(C1, 'bob');
    const twice: LaneRecord = {
      ...first,
      id: 'again',
      events: ['kx', 'k1', 'ky'].map((key, i) => ({
        ...({ type: 'MessageSent', text: 'x', at: 5, by: 'alice', hash: 'h' } as object),
        seq: 2 + i,
        key,
      })) as unknown as LaneRecord['events'],
    };
    const { revision } = journal.put(C1, encodeRecord(twice));
    await scribe.create(C2);
    await scribe.say(C2, 20);
    const seen = await projectNow(journal, mongo);
    expect(seen.alarms).toBe(1);
    expect(await parkedOf(C1)).toEqual([revision]);
    expect(await historyOf(C1)).toEqual(scribe.events(C1));
    expect(await historyOf(C2)).toEqual(scribe.events(C2));
    await positionsOf(await mongo.db()).deleteMany({});
    await projectNow(journal, mongo);
    expect(await parkedOf(C1)).toEqual([revision]);
    expect(await historyOf(C1)).toEqual(scribe.events(C1));
  });

  test('"already there" is believed only of the same record: another document in its place parks it, and stays', async () => {
    await scribe.create(C1, 'bob');
    await scribe.say(C1, 3);
    const { history } = await views().then(async () => {
      await projectNow(journal, mongo, () => 2);
      return views();
    });
    await history.insertOne({
      ...(await history.findOne({ '_id.s': 2 as never })),
      _id: { l: C1, s: 4 },
      key: 'other',
    } as never);
    const seen = await projectNow(journal, mongo);
    expect(seen.alarms).toBe(1);
    expect(await parkedOf(C1)).toEqual([4]);
    expect((await historyOf(C1)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    expect(await differences()).toEqual([
      expect.stringContaining('parked'),
      expect.stringContaining('event 4 differs'),
    ]);
  });

  test('an old update never undoes a newer one', async () => {
    await scribe.create(C1, 'bob');
    await projectNow(journal, mongo);
    const store = new Store(() => mongo.db(), (await readGeneration(await mongo.db())) ?? '');
    const change = (seq: number, member: boolean) => ({ user: 'bob', lane: C1, seq, member }) as never;
    await store.writeMemberships([change(5, false)]);
    await store.writeMemberships([change(3, true)]);
    await store.writeMemberships([change(1, true)]);
    expect(await memberOf('bob', C1)).toBe(false);
    await store.writeActivity([{ lane: C1, seq: 9, at: 9e12 } as never]);
    await store.writeActivity([{ lane: C1, seq: 8, at: 8e12 } as never]);
    expect(await (await views()).conversations.findOne({ _id: C1 })).toMatchObject({ seq: 9, at: 9e12 });
    await store.advance([{ partition: 0, w: revisionOf(1), rid: 'old', at: 1 }]);
    expect(await watermarkOf(0)).toBe(1);
  });

  test('a stream that is not the one history was made from is not projected over it', async () => {
    await scribe.create(C1, 'bob');
    await scribe.say(C1, 10);
    await projectNow(journal, mongo);
    for (const length of [3, 30]) {
      const restored = new MemoryJournal({ partitions: 1 });
      const other = new Scribe(restored);
      await other.create(C2);
      await other.say(C2, length);
      const session = await openSession(mongo);
      const stop = new AbortController();
      const done = projectPartition(restored, session, 0, { signal: stop.signal });
      await until(
        async () =>
          (
            await positionsOf(await mongo.db())
              .find()
              .toArray()
          ).map(({ halted }) => halted),
        ([halted]) => halted?.includes('restored') ?? false,
      );
      stop.abort();
      await done;
      await session.stop(1_000);
      expect(await historyOf(C2)).toEqual([]);
    }
    await projectNow(journal, mongo);
    expect(await positionsOf(await mongo.db()).findOne({})).not.toHaveProperty('halted');
    expect(await differences()).toEqual([]);
  });
});
