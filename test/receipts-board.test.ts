/**
 * What readers are told of receipts is what a list of the marks says, wherever the projector is, whatever it did twice and
 * wherever it died: a real mongod, and a log that is written step by step.
 */
import { performance } from 'node:perf_hooks';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DeviceId, LaneId, UserId } from '../schema/ids.ts';
import type { Mark } from '../schema/receipts.ts';
import { partitionOf } from '../schema/subjects.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import { MemoryReceipts } from '../services/journal/receipts-memory.ts';
import { projectReceipts } from '../services/projector/receipts-partition.ts';
import { ReceiptsSession } from '../services/projector/receipts-session.ts';
import { resumeReceipts } from '../services/projector/resume.ts';
import { Mongo } from '../services/views/connect.ts';
import { HistoryUnavailable } from '../services/views/history.ts';
import { openReceiptBoard, type ReceiptBoard } from '../services/views/receipts.ts';
import {
  type FoldedMarks,
  markLogOf,
  marksOf,
  ReceiptStore,
  receiptPositionsOf,
} from '../services/views/receipts-store.ts';
import { markOf, receiptsOf } from './receipts.contract.ts';
import { silent } from './support/projecting.ts';
import { until } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';

const PARTITIONS = 2;
const LANES = ['c1', 'c2', 'c3', 'c4'] as LaneId[];
const USERS = ['alice', 'bob', 'carol'] as UserId[];
const DEVICES = ['phone', 'constructor'] as DeviceId[];
const SEQS = 12;

let servers: TestServers;
let mongo: Mongo;
beforeAll(async () => {
  servers = await startServers({ nats: false });
  mongo = new Mongo(servers.config().mongo, silent, { socketTimeoutMs: 5_000, maxPoolSize: 16 });
});
afterAll(async () => {
  await mongo?.close();
  await servers?.stop();
});

const forgetAll = async (): Promise<void> => {
  const db = await mongo.db();
  await Promise.all([marksOf(db), markLogOf(db), receiptPositionsOf(db)].map((all) => all.deleteMany({} as never)));
};
const unseen = { written: () => undefined, unreadable: () => undefined, halted: () => undefined };
const openSession = (store = new ReceiptStore(() => mongo.db())) =>
  new ReceiptsSession(store, { log: silent, observe: unseen, roundMs: 0 });

/** Up to where `share` of each partition's log is. */
async function project(log: MemoryReceipts, share = 1, session = openSession()): Promise<void> {
  const { signal } = new AbortController();
  await Promise.all(
    Array.from({ length: PARTITIONS }, async (_, p) => {
      const wanted = Math.ceil((await log.end(p)) * share);
      if (wanted > 0) await projectReceipts(log, session, p, { signal, until: wanted });
    }),
  );
}

/** As a projector that is killed in the midst of a write: `log` is written and nothing else, or all but the position. */
async function projectAndDie(log: MemoryReceipts, after: 'log' | 'marks'): Promise<void> {
  let died: () => void = () => undefined;
  const death = new Promise<void>((resolve) => {
    died = resolve;
  });
  class Dying extends ReceiptStore {
    override async write(folded: FoldedMarks): Promise<void> {
      await super.write(after === 'log' ? { ...folded, marks: [] } : folded);
      died();
      await new Promise(() => undefined);
    }
  }
  const session = openSession(new Dying(() => mongo.db()));
  const projecting = project(log, 1, session);
  projecting.catch(() => undefined);
  await Promise.race([death, projecting]);
}

/** The model: the marks of each partition in their order. */
const modelOf = (log: readonly Mark[]) => {
  const theirs = (lane: LaneId, user: UserId) => log.filter((mark) => mark.l === lane && mark.u === user);
  const most = (marks: readonly Mark[]) => Math.max(0, ...marks.map(({ s }) => s));
  const mine = (lane: LaneId, user: UserId) => {
    const marks = theirs(lane, user);
    return marks.length === 0
      ? undefined
      : { delivered: most(marks), read: most(marks.filter(({ k }) => k === 'read')) };
  };
  const when = (lane: LaneId, user: UserId, seq: number) => {
    const delivered = theirs(lane, user).find(({ s }) => s >= seq);
    const read = theirs(lane, user).find(({ s, k }) => s >= seq && k === 'read');
    return {
      ...(delivered ? { deliveredAt: delivered.at } : {}),
      ...(delivered?.d ? { deliveredTo: delivered.d } : {}),
      ...(read ? { readAt: read.at } : {}),
    };
  };
  const device = (user: UserId, d: DeviceId) => {
    const all = LANES.map((lane): [LaneId, number] => [
      lane,
      most(theirs(lane, user).filter((mark) => mark.d === d && mark.k === 'delivered')),
    ]);
    return new Map(all.filter(([, seq]) => seq > 0));
  };
  return { mine, when, device };
};

async function checkAll(board: ReceiptBoard, marks: readonly Mark[]): Promise<void> {
  const model = modelOf(marks);
  for (const lane of LANES)
    for (const seq of [1, 4, SEQS]) {
      const all = await board.whenAll(lane, USERS, seq);
      for (const user of USERS)
        expect(all.get(user) ?? {}, `${lane} ${user} ${seq}`).toEqual(model.when(lane, user, seq));
    }
  await checkMaxima(board, marks);
}

/** All but when a place was reached. */
async function checkMaxima(board: ReceiptBoard, marks: readonly Mark[]): Promise<void> {
  const model = modelOf(marks);
  for (const lane of LANES) {
    const expected = USERS.map((user) => [user, model.mine(lane, user)] as const).filter(([, mine]) => mine);
    expect(await board.of(lane)).toEqual(new Map(expected as [UserId, never][]));
  }
  for (const user of USERS) {
    const expected = LANES.map((lane) => [lane, model.mine(lane, user)] as const).filter(([, mine]) => mine);
    expect(await board.ofUser(user, LANES)).toEqual(new Map(expected as [LaneId, never][]));
    for (const device of DEVICES) {
      const acknowledged = model.device(user, device);
      expect(await board.device(user, device)).toEqual(acknowledged);
      const progress = expected.map(([lane, mine]) => [lane, { ...mine, acknowledged: acknowledged.get(lane) ?? 0 }]);
      expect(await board.progress(user, device)).toEqual(new Map(progress as [LaneId, never][]));
    }
  }
}

const anyMark = fc.record({
  u: fc.constantFrom(...USERS),
  l: fc.constantFrom(...LANES),
  k: fc.constantFrom('delivered' as const, 'delivered' as const, 'read' as const),
  s: fc.integer({ min: 1, max: SEQS }),
  d: fc.option(fc.constantFrom(...DEVICES), { nil: undefined }),
});
const anyStep = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('mark' as const),
      marks: fc.array(anyMark, { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('project' as const), share: fc.constantFrom(0.5, 1) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('die' as const),
      after: fc.constantFrom('log' as const, 'marks' as const),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'two' as const }) },
  { weight: 1, arbitrary: fc.constant({ type: 'replay' as const }) },
  { weight: 2, arbitrary: fc.constant({ type: 'check' as const }) },
);

describe('the board of receipts', () => {
  beforeEach(forgetAll);

  it('says what a list of the marks says, wherever the projector is and whatever becomes of it', async () => {
    let at = 1_700_000_000_000;
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 3, maxLength: 25 }), async (steps) => {
        await forgetAll();
        const log = new MemoryReceipts({ partitions: PARTITIONS });
        const board = openReceiptBoard({ receipts: log, mongo, log: silent, positionsMs: 5 });
        const marks: Mark[] = [];
        try {
          for (const step of [...steps, { type: 'check' as const }])
            switch (step.type) {
              case 'mark': {
                const some = step.marks.map(({ d, ...mark }): Mark => {
                  // Clocks of different processes: later in the log is not always later by the clock.
                  at += 7;
                  return markOf(mark.u, mark.l, mark.s, { k: mark.k, at: at - (at % 3) * 5, ...(d ? { d } : {}) });
                });
                for (let p = 0; p < PARTITIONS; p++) {
                  const here = some.filter(({ l }) => partitionOf(l, PARTITIONS) === p);
                  if (here.length > 0) await log.append(p, receiptsOf(...here));
                }
                marks.push(...some);
                break;
              }
              case 'project':
                await project(log, step.share);
                break;
              case 'die':
                await projectAndDie(log, step.after);
                break;
              case 'two':
                await Promise.all([project(log), project(log), project(log, 0.5)]);
                break;
              case 'replay':
                // As after a position that was lost: everything once more.
                await receiptPositionsOf(await mongo.db()).deleteMany({});
                await project(log, 0.5);
                break;
              case 'check':
                await checkAll(board, marks);
                break;
              default:
                step satisfies never;
            }
        } finally {
          await board.stop();
          await log.close();
        }
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  it('writes down when each place was reached once, by the mark that reached it', async () => {
    const log = new MemoryReceipts({ partitions: 1 });
    const said = [
      markOf('bob', 'c1', 5, { at: 100 }),
      markOf('bob', 'c1', 3, { at: 200 }),
      markOf('bob', 'c1', 5, { at: 300, k: 'read' }),
      markOf('bob', 'c1', 8, { at: 400, k: 'read' }),
      markOf('bob', 'c1', 7, { at: 500 }),
    ];
    for (const mark of said) await log.append(0, receiptsOf(mark));
    const session = openSession();
    const { signal } = new AbortController();
    await projectReceipts(log, session, 0, { signal, until: 2 });
    await projectReceipts(log, session, 0, { signal, until: 5 });
    const raised = await markLogOf(await mongo.db())
      .find({}, { sort: { _id: 1 } })
      .toArray();
    expect(raised.map(({ _id, at }) => [_id.k, _id.s, at])).toEqual([
      ['delivered', 5, 100],
      ['delivered', 8, 400],
      ['read', 5, 300],
      ['read', 8, 400],
    ]);
    expect(
      await marksOf(await mongo.db())
        .find()
        .toArray(),
    ).toEqual([{ _id: { l: 'c1', u: 'bob' }, d: 8, r: 8 }]);
  });

  it('leaves nothing out that goes into MongoDB while it asks', async () => {
    /** The end is told late: MongoDB has answered by then, what it had not is folded there, and the board knows the position. */
    class LateLog extends MemoryReceipts {
      isLate = false;

      override async end(partition: number) {
        const end = await super.end(partition);
        if (!this.isLate) return end;
        this.isLate = false;
        const db = await mongo.db();
        const wait = async () => {
          for (let i = 0; i < 50; i++) await db.command({ ping: 1 });
        };
        await wait();
        await project(this);
        await wait();
        return end;
      }
    }
    const log = new LateLog({ partitions: PARTITIONS });
    const board = openReceiptBoard({ receipts: log, mongo, log: silent, positionsMs: 1 });
    const lane = LANES[0] as LaneId;
    for (let seq = 1; seq <= 5; seq++) {
      await log.append(partitionOf(lane, PARTITIONS), receiptsOf(markOf('bob', lane, seq)));
      await board.ofUser('bob' as UserId, LANES);
      log.isLate = true;
      expect(await board.of(lane)).toEqual(new Map([['bob', { delivered: seq, read: 0 }]]));
    }
    await board.stop();
  });

  it('begins a device anew where it was registered anew', async () => {
    const log = new MemoryReceipts({ partitions: 1 });
    const board = openReceiptBoard({ receipts: log, mongo, log: silent, positionsMs: 5 });
    const [d] = DEVICES as [DeviceId];
    await log.append(0, receiptsOf(markOf('bob', 'c1', 9, { d, at: 100 }), markOf('bob', 'c2', 3, { d, at: 300 })));
    for (const projected of [false, true]) {
      if (projected) await projectReceipts(log, openSession(), 0, { signal: new AbortController().signal, until: 1 });
      expect(await board.device('bob' as UserId, d, 200)).toEqual(new Map([['c2', 3]]));
      expect((await board.device('bob' as UserId, d)).size).toBe(2);
    }
    await board.stop();
  });

  it('tells marks as they come, and passes over what cannot be read', async () => {
    const log = new MemoryReceipts({ partitions: 1 });
    const board = openReceiptBoard({ receipts: log, mongo, log: silent });
    const heard: number[] = [];
    const listening = board.listen((marks) => heard.push(...marks.map(({ s }) => s)));
    await log.append(0, receiptsOf(markOf('bob', 'c1', 1)));
    log.put(0, new TextEncoder().encode('poison'));
    await log.append(0, receiptsOf(markOf('bob', 'c1', 2), markOf('bob', 'c1', 1)));
    expect(await board.of('c1' as LaneId)).toEqual(new Map([['bob', { delivered: 2, read: 0 }]]));
    expect(heard).toEqual([1, 2, 1]);
    listening.stop();
    await log.append(0, receiptsOf(markOf('bob', 'c1', 3)));
    expect((await board.of('c1' as LaneId)).get('bob' as UserId)?.delivered).toBe(3);
    expect(heard).toEqual([1, 2, 1]);
    await projectReceipts(log, openSession(), 0, { signal: new AbortController().signal, until: 4 });
    expect(
      await marksOf(await mongo.db())
        .find()
        .toArray(),
    ).toEqual([{ _id: { l: 'c1', u: 'bob' }, d: 3 }]);
    await board.stop();
  });

  it('says how far everybody is, though it may hold no more marks than there are people in conversations; not when that was', async () => {
    let at = 1_700_000_000_000;
    await fc.assert(
      fc.asyncProperty(fc.array(anyMark, { minLength: 1, maxLength: 60 }), fc.nat(60), async (steps, projected) => {
        await forgetAll();
        const log = new MemoryReceipts({ partitions: PARTITIONS });
        const board = openReceiptBoard({ receipts: log, mongo, log: silent, timedMarks: 0, positionsMs: 5 });
        try {
          const marks: Mark[] = [];
          for (const [i, { d, ...mark }] of steps.entries()) {
            at += 7;
            marks.push(markOf(mark.u, mark.l, mark.s, { k: mark.k, at: at - (at % 3) * 5, ...(d ? { d } : {}) }));
            await log.append(partitionOf(mark.l, PARTITIONS), receiptsOf(marks.at(-1) as Mark));
            if (i === projected) await project(log);
          }
          await checkMaxima(board, marks);
          const model = modelOf(marks);
          for (const lane of LANES)
            for (const user of USERS)
              for (const seq of [1, 4, SEQS]) {
                const when = await board.when(lane, user, seq).catch((error: unknown) => error);
                if (when instanceof Error) expect(when).toBeInstanceOf(HistoryUnavailable);
                else expect(when).toEqual(model.when(lane, user, seq));
              }
          for (const user of USERS)
            for (const device of DEVICES) {
              const since = (marks[marks.length >> 1] as Mark).at;
              const later = modelOf(marks.filter((mark) => mark.at >= since)).device(user, device);
              expect(await board.device(user, device, since)).toEqual(later);
            }
          await project(log);
          await until(
            () => board.unprojected.held,
            (held) => held === 0,
          );
          await checkAll(board, marks);
        } finally {
          await board.stop();
          await log.close();
        }
      }),
      { numRuns: 25 },
    );
  }, 120_000);

  it('holds no more than it may; it says so, and goes on when the projector has caught up', async () => {
    const log = new MemoryReceipts({ partitions: PARTITIONS });
    const said: { level: number; held: number }[] = [];
    const logger = pino({ level: 'warn' }, { write: (line) => void said.push(JSON.parse(line)) });
    const board = openReceiptBoard({ receipts: log, mongo, log: logger, maxMarks: 1_000, positionsMs: 5 });
    const lane = LANES.find((id) => partitionOf(id, PARTITIONS) === 0) as LaneId;
    const some = (seq: number, of: number, users = 100) =>
      receiptsOf(...Array.from({ length: users }, (_, i) => markOf(`u${of + i}`, lane, seq)));
    for (let seq = 1; seq <= 300; seq++) await log.append(0, some(seq, 0));
    const all = await board.of(lane);
    expect([all.size, ...new Set([...all.values()].map(({ delivered }) => delivered))]).toEqual([100, 300]);
    expect(board.unprojected.held).toBeLessThanOrEqual(600);
    await expect(board.when(lane, 'u1' as UserId, 5)).rejects.toThrow(HistoryUnavailable);
    expect(said.map(({ level }) => level)).toEqual([40]);
    for (let of = 100; of < 3_000; of += 100) await log.append(0, some(7, of));
    await expect(board.of(lane)).rejects.toThrow(JournalUnavailable);
    // A batch of records that was read already is taken whole.
    expect(board.unprojected.held).toBeGreaterThanOrEqual(1_000);
    expect(said.map(({ level }) => level)).toContain(50);
    await project(log);
    const of = await until(
      () => board.of(lane).catch(() => undefined),
      (found) => found !== undefined,
    );
    expect(of?.size).toBe(3_000);
    expect(of?.get('u1' as UserId)?.delivered).toBe(300);
    expect(of?.get('u2999' as UserId)?.delivered).toBe(7);
    expect(await board.when(lane, 'u1' as UserId, 5)).toMatchObject({ deliveredAt: expect.any(Number) });
    await board.stop();
  });

  it('is told nothing of a log that was made anew until somebody says where to go on; then it is folded into what was known', async () => {
    const old = new MemoryReceipts({ partitions: 1 });
    for (let seq = 1; seq <= 5; seq++) await old.append(0, receiptsOf(markOf('bob', 'c1', seq)));
    const { signal } = new AbortController();
    await projectReceipts(old, openSession(), 0, { signal, until: 5 });
    for (const records of [2, 7]) {
      const anew = new MemoryReceipts({ partitions: 1 });
      const board = openReceiptBoard({ receipts: anew, mongo, log: silent, positionsMs: 5 });
      for (let seq = 1; seq <= records; seq++) await anew.append(0, receiptsOf(markOf('carol', 'c1', seq * records)));
      const halted: (string | undefined)[] = [];
      const observe = { ...unseen, halted: (_: number, reason: string | undefined) => void halted.push(reason) };
      const store = new ReceiptStore(() => mongo.db());
      const session = new ReceiptsSession(store, { log: silent, observe, roundMs: 0 });
      const projecting = projectReceipts(anew, session, 0, { signal, until: records });
      await until(
        () => halted.at(-1),
        (reason) => reason !== undefined,
      );
      await expect(board.of('c1' as LaneId)).rejects.toThrow(HistoryUnavailable);
      const resumed = await resumeReceipts({ receipts: anew, mongo }, 0, { kind: 'from', revision: 1 }, signal);
      expect(resumed?.place.revision).toBe(0);
      await projecting;
      expect(halted.at(-1)).toBeUndefined();
      const of = await until(
        () => board.of('c1' as LaneId).catch(() => undefined),
        (found) => found?.get('carol' as UserId)?.delivered === records * records,
      );
      expect(of?.get('bob' as UserId)?.delivered).toBe(5);
      await board.stop();
    }
  });

  it('cannot tell while MongoDB is down, and answers in time; afterwards it is as it was', async () => {
    const log = new MemoryReceipts({ partitions: PARTITIONS });
    const board = openReceiptBoard({ receipts: log, mongo, log: silent, positionsMs: 5 });
    const marks = LANES.map((lane, i) => markOf('bob', lane, i + 1));
    for (const mark of marks) await log.append(partitionOf(mark.l, PARTITIONS), receiptsOf(mark));
    await checkAll(board, marks);
    const session = openSession();
    const stop = new AbortController();
    const projecting = [0, 1].map((p) => projectReceipts(log, session, p, { signal: stop.signal }));
    await servers.mongo.kill9();
    const began = performance.now();
    await expect(board.of(LANES[0] as LaneId)).rejects.toThrow(HistoryUnavailable);
    expect(performance.now() - began).toBeLessThan(3_500);
    const cold = openReceiptBoard({ receipts: log, mongo, log: silent });
    await expect(cold.of(LANES[0] as LaneId)).rejects.toThrow(HistoryUnavailable);
    for (const lane of LANES) {
      const mark = markOf('carol', lane, 3, { k: 'read' });
      marks.push(mark);
      await log.append(partitionOf(lane, PARTITIONS), receiptsOf(mark));
    }
    await servers.mongo.restart();
    for (const one of [board, cold]) {
      await until(
        () => one.of(LANES[0] as LaneId).catch(() => undefined),
        (found) => found !== undefined,
      );
      await checkAll(one, marks);
    }
    await until(
      async () =>
        (
          await receiptPositionsOf(await mongo.db())
            .find()
            .toArray()
        ).map(({ w }) => w),
      (ws) => ws.length === PARTITIONS,
    );
    stop.abort();
    await Promise.all(projecting);
    await Promise.all([board.stop(), cold.stop()]);
  }, 60_000);
});
