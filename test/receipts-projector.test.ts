/** Receipts on real servers: marked by several processes, projected by two rooms at once, while both servers are killed. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type LaneId, revisionOf, type UserId } from '../schema/ids.ts';
import type { Mark } from '../schema/receipts.ts';
import { type JetStreamJournal, openJetStreamJournal } from '../services/journal/jetstream.ts';
import { type ReceiptLog, Receipts } from '../services/journal/receipts.ts';
import { openJetStreamReceipts } from '../services/journal/receipts-jetstream.ts';
import { start } from '../services/projector/main.ts';
import type { Running } from '../services/run.ts';
import { Mongo } from '../services/views/connect.ts';
import { openReceiptBoard, type ReceiptBoard } from '../services/views/receipts.ts';
import { markLogOf, marksOf, receiptPositionsOf } from '../services/views/receipts-store.ts';
import { dropOthers } from '../services/views/views.ts';
import { markOf, readReceipts } from './receipts.contract.ts';
import { silent } from './support/projecting.ts';
import { until } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';

const PARTITIONS = 4;

describe('receipts, on servers', () => {
  let servers: TestServers;
  let mongo: Mongo;
  let journal: JetStreamJournal;
  let receipts: ReceiptLog;
  let board: ReceiptBoard;
  const running: Running[] = [];
  const config = () => servers.config({ LANES_PARTITIONS: String(PARTITIONS), LANES_ADMIN_PORT: '0' });
  const projector = async (): Promise<Running> => {
    const room = await start(config(), silent);
    running.push(room);
    return room;
  };

  beforeAll(async () => {
    servers = await startServers();
    const { nats, storeBytes: maxBytes } = config();
    journal = await openJetStreamJournal({ ...nats, partitions: PARTITIONS, maxBytes, log: silent, name: 'test' });
    receipts = await openJetStreamReceipts({ ...nats, partitions: PARTITIONS, log: silent, name: 'test-receipts' });
    mongo = new Mongo(config().mongo, silent, { socketTimeoutMs: 5_000, maxPoolSize: 16 });
    board = openReceiptBoard({ receipts, mongo, log: silent });
  });
  afterEach(() => Promise.all(running.splice(0).map((room) => room.stop())));
  afterAll(async () => {
    await board?.stop();
    await Promise.all([journal?.close(), receipts?.close(), mongo?.close()]);
    await servers?.stop();
  });

  const positions = async () =>
    new Map(
      (
        await receiptPositionsOf(await mongo.db())
          .find()
          .toArray()
      ).map(({ _id, w }) => [_id, w]),
    );
  const caughtUp = async () => {
    for (let p = 0; p < PARTITIONS; p++) {
      const end = await receipts.end(p);
      await until(
        async () => (await positions().catch(() => undefined))?.get(p) ?? 0,
        (w) => w >= end,
        40_000,
      );
    }
  };
  /** Every mark in the log, in its order. */
  const everything = async (): Promise<Mark[]> => {
    const all = await Promise.all(Array.from({ length: PARTITIONS }, (_, p) => readReceipts(receipts, p)));
    return all.flat().flatMap(({ marks }) => marks);
  };
  /** What MongoDB should hold of them. */
  const folded = (marks: readonly Mark[]) => {
    const most = new Map<string, number>();
    const raises: string[] = [];
    const raise = (name: string, { s, at }: Mark): void => {
      if (s <= (most.get(name) ?? 0)) return;
      most.set(name, s);
      raises.push(`${name} ${s} ${at}`);
    };
    for (const mark of marks) {
      raise(`${mark.l} ${mark.u} delivered`, mark);
      if (mark.k === 'read') raise(`${mark.l} ${mark.u} read`, mark);
    }
    return { most: [...most].map(([name, s]) => `${name} ${s}`).sort(), raises: raises.sort() };
  };
  const inMongo = async () => {
    const db = await mongo.db();
    const most = (await marksOf(db).find().toArray()).flatMap(({ _id: { l, u }, d, r }) => [
      ...(d === undefined ? [] : [`${l} ${u} delivered ${d}`]),
      ...(r === undefined ? [] : [`${l} ${u} read ${r}`]),
    ]);
    const raises = (await markLogOf(db).find().toArray()).map(
      ({ _id: { l, u, k, s }, at }) => `${l} ${u} ${k} ${s} ${at}`,
    );
    return { most: most.sort(), raises: raises.sort() };
  };

  it('are all folded, each raise once, though both servers are killed and two projectors work on it', async () => {
    await Promise.all([projector(), projector()]);
    const { nats } = config();
    const other = await openJetStreamReceipts({ ...nats, partitions: PARTITIONS, log: silent, name: 'test-other' });
    const writers = [receipts, other].map((log) => new Receipts(log, { clock: Date.now }));
    const answered = new Map<string, number>();
    let isKilling = true;
    let stored = 0;
    const users = Array.from({ length: 30 }, async (_, i) => {
      const [user, lane] = [`user-${i}` as UserId, `lane-${i % 9}` as LaneId];
      for (let seq = 1; isKilling || seq <= 30; seq++) {
        const k = seq % 4 === 0 ? 'read' : 'delivered';
        const marks = [markOf(user, lane, seq, { k, at: Date.now() }), markOf(user, 'lane-x', seq, { at: Date.now() })];
        const outcome = await (writers[i % 2] as Receipts).mark(marks);
        if (outcome.kind !== 'stored') continue;
        stored++;
        answered.set(`${lane} ${user}`, seq);
        // Who was answered finds at least that, at once, unless it cannot be told.
        if (seq % 10 !== 0) continue;
        const of = await board.of(lane).catch(() => undefined);
        if (of) expect(of.get(user)?.delivered).toBeGreaterThanOrEqual(seq);
      }
    });
    for (const server of [servers.nats, servers.mongo, servers.nats]) {
      const before = stored;
      await until(
        () => stored,
        (now) => now >= before + 300,
        40_000,
      );
      await server.kill9();
      await server.restart();
    }
    isKilling = false;
    await Promise.all(users);
    await caughtUp();
    expect(await inMongo()).toEqual(folded(await everything()));
    for (const [name, seq] of answered) {
      const [lane, user] = name.split(' ') as [LaneId, UserId];
      expect((await board.of(lane)).get(user)?.delivered).toBeGreaterThanOrEqual(seq);
    }
    await Promise.all(writers.map((writer) => writer.stop()));
    await other.close();
  }, 90_000);

  it('are folded again from the beginning with the same end, and from where another projector stopped', async () => {
    const before = await inMongo();
    expect(before.most.length).toBeGreaterThan(0);
    await receiptPositionsOf(await mongo.db()).deleteMany({});
    const room = await projector();
    await caughtUp();
    expect(await inMongo()).toEqual(before);
    await room.stop();
    running.splice(0);
    const lane = 'lane-0' as LaneId;
    const marking = new Receipts(receipts, { clock: Date.now });
    expect(await marking.mark([markOf('zoe', lane, 3)])).toEqual({ kind: 'stored' });
    expect((await board.of(lane)).get('zoe' as UserId)).toEqual({ delivered: 3, read: 0 });
    expect(await inMongo()).toEqual(before);
    await projector();
    await caughtUp();
    expect(await board.when(lane, 'zoe' as UserId, 3)).toEqual({ deliveredAt: markOf('zoe', lane, 3).at });
    expect((await inMongo()).most).toContain('lane-0 zoe delivered 3');
  }, 60_000);

  it('have a position that outlives a rebuild of history', async () => {
    const had = await positions();
    expect([...had.values()].some((w) => w > revisionOf(0))).toBe(true);
    await dropOthers(await mongo.db(), ['nothing']);
    expect(await positions()).toEqual(had);
    expect((await board.of('lane-0' as LaneId)).size).toBeGreaterThan(0);
  });
});
