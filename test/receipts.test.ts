/** The log of receipts: its contract over both adapters, the group commit into it, and what a real server can do to both. */
import { connect as connectNats } from 'nats';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LaneId, seqOf } from '../schema/ids.ts';
import type { Mark, ReceiptRecord } from '../schema/receipts.ts';
import { partitionOf, receiptSubject } from '../schema/subjects.ts';
import { openJetStreamJournal } from '../services/journal/jetstream.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import { type ReceiptLog, type ReceiptOutcome, Receipts } from '../services/journal/receipts.ts';
import { openJetStreamReceipts } from '../services/journal/receipts-jetstream.ts';
import { MemoryReceipts } from '../services/journal/receipts-memory.ts';
import { purgeBelow, retain } from '../services/projector/receipts-retention.ts';
import { markOf, readReceipts, receiptsContract, receiptsOf, storeReceipts } from './receipts.contract.ts';
import { until } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';

const log = pino({ level: 'silent' });
const GIB = 1024 ** 3;

receiptsContract('memory', async () => {
  const receipts = new MemoryReceipts({ partitions: 2 });
  return {
    log: receipts,
    other: receipts,
    put: async (partition, payload) => void receipts.put(partition, payload),
    stop: () => receipts.close(),
  };
});

/** The streams are made by the journal. */
async function openReceipts(servers: TestServers, maxBytes = GIB): Promise<() => Promise<ReceiptLog>> {
  const { nats } = servers.config();
  await (await openJetStreamJournal({ ...nats, name: 'test', log, partitions: 2, maxBytes })).close();
  return () => openJetStreamReceipts({ ...nats, name: 'test', log, partitions: 2 });
}

receiptsContract('JetStream', async () => {
  const servers = await startServers({ mongo: false });
  const open = await openReceipts(servers);
  const [receipts, other] = await Promise.all([open(), open()]);
  const { nats } = servers.config();
  const raw = await connectNats({ servers: [...nats.servers], user: nats.user ?? '', pass: nats.password ?? '' });
  return {
    log: receipts,
    other,
    put: async (partition, payload) => {
      await raw.request(receiptSubject(partition), payload);
    },
    stop: async () => {
      await Promise.all([receipts.close(), other.close(), raw.close()]);
      await servers.stop();
    },
  };
});

describe('the log of receipts, when its server', () => {
  let servers: TestServers;
  let receipts: ReceiptLog;
  beforeAll(async () => {
    servers = await startServers({ mongo: false });
    receipts = await (await openReceipts(servers, 64 * 1024 ** 2))();
  });
  afterAll(async () => {
    await receipts?.close();
    await servers?.stop();
  });

  it('is killed during marks: each that was answered as stored is in the log, and whoever follows gets all', async () => {
    const committing = new Receipts(receipts, { clock: Date.now });
    const stop = new AbortController();
    const followed = new Map<string, number>();
    const following = [0, 1].map(async (partition) => {
      const from = (await receipts.end(partition)) + 1;
      for await (const batch of receipts.consume(partition, from as never, { maxBatch: 20, signal: stop.signal }))
        for (const { marks } of batch)
          for (const { u, l, s } of marks) followed.set(`${u} ${l}`, Math.max(s, followed.get(`${u} ${l}`) ?? 0));
    });
    const answered = new Map<string, number>();
    const outcomes = new Map<string, number>();
    let isKilling = true;
    const users = Array.from({ length: 40 }, async (_, i) => {
      const [user, lane] = [`user-${i}`, `lane-${i % 7}`];
      for (let seq = 1; isKilling || seq <= 20; seq++) {
        const { kind } = await committing.mark([markOf(user, lane, seq)]);
        outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1);
        if (kind === 'stored') answered.set(`${user} ${lane}`, seq);
      }
    });
    for (let kill = 0; kill < 3; kill++) {
      const before = outcomes.get('stored') ?? 0;
      await until(
        () => outcomes.get('stored') ?? 0,
        (stored) => stored >= before + 300,
      );
      await servers.nats.kill9();
      await servers.nats.restart();
    }
    isKilling = false;
    await Promise.all(users);
    await until(
      () => [...answered].filter(([name, seq]) => (followed.get(name) ?? 0) < seq),
      (missing) => missing.length === 0,
    );
    stop.abort();
    await Promise.all(following);
    expect(outcomes.get('stored')).toBeGreaterThan(900);
    await committing.stop();
  }, 60_000);

  it('is gone: appends are busy at once, reads are unavailable soon, and a mark is answered in time', async () => {
    await servers.nats.kill9();
    await until(
      () => receipts.append(0, receiptsOf(markOf('bob', 'c1', 1))),
      ({ kind }) => kind === 'busy',
    );
    const began = performance.now();
    for (const read of [receipts.end(0), receipts.state(1), receipts.firstSince(0, 0), receipts.purge(0, 5 as never)])
      await expect(read).rejects.toThrow(JournalUnavailable);
    expect(performance.now() - began).toBeLessThan(5_000);
    const committing = new Receipts(receipts, { clock: Date.now, limits: { answerMs: 300 } });
    expect(await committing.mark([markOf('bob', 'c1', 1)])).toMatchObject({ kind: 'unavailable' });
    const patient = new Receipts(receipts, { clock: Date.now });
    const marking = patient.mark([markOf('bob', 'c1', 1), markOf('bob', 'c2', 1)]);
    await servers.nats.restart();
    expect(await marking).toEqual({ kind: 'stored' });
  }, 30_000);

  it('is full: marks are refused and none is lost; after a purge there is room', async () => {
    const { maxBytes } = await receipts.state(0);
    const large = () => receiptsOf(...Array.from({ length: 700 }, (_, i) => markOf(`u${i}`.padEnd(64, 'x'), 'c1', i)));
    const stored: ReceiptRecord[] = [];
    let outcome: ReceiptOutcome = { kind: 'stored', revision: 0 as never };
    const first = (await receipts.end(0)) + 1;
    while (outcome.kind === 'stored') {
      const record = large();
      outcome = await receipts.append(0, record);
      if (outcome.kind === 'stored') stored.push(record);
    }
    expect(outcome.kind).toBe('full');
    expect(stored.length * 60_000).toBeLessThan(maxBytes);
    const committing = new Receipts(receipts, { clock: Date.now });
    const lane =
      Array.from({ length: 10 }, (_, i) => `lane-${i}`).find((id) => partitionOf(id as LaneId, 2) === 0) ?? '';
    expect(await committing.mark(large().marks.map((mark) => ({ ...mark, l: lane as LaneId })))).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('full'),
    });
    expect((await readReceipts(receipts, 0, first)).map(({ id }) => id)).toEqual(stored.map(({ id }) => id));
    // All of them are young: that they are in the way is no reason yet.
    expect(await retain(receipts, 0, await receipts.end(0), Date.now())).toBe(false);
    expect(await retain(receipts, 0, await receipts.end(0), Date.now() + 6 * 60_000)).toBe(true);
    const { bytes } = await receipts.state(0);
    expect(bytes / maxBytes).toBeGreaterThan(0.2);
    expect(bytes / maxBytes).toBeLessThan(0.5);
    expect(await committing.mark([markOf('bob', lane, 1)])).toEqual({ kind: 'stored' });
  }, 60_000);
});

describe('marks', () => {
  /** Answers when it is told to. */
  class SlowLog extends MemoryReceipts {
    readonly records: ReceiptRecord[] = [];
    readonly #held: (() => void)[] = [];
    outcomes: ReceiptOutcome['kind'][] = [];
    isHeld = false;

    override async append(partition: number, record: ReceiptRecord): Promise<ReceiptOutcome> {
      this.records.push(record);
      if (this.isHeld) await new Promise<void>((go) => this.#held.push(go));
      const kind = this.outcomes.shift() ?? 'stored';
      return kind === 'stored' ? super.append(partition, record) : { kind, message: kind };
    }

    go(): void {
      this.isHeld = false;
      for (const go of this.#held.splice(0)) go();
    }
  }
  const open = (limits = {}) => {
    const slow = new SlowLog({ partitions: 1 });
    const options = { clock: Date.now, limits: { paceMs: 0, ...limits }, wait: async () => undefined };
    return { slow, receipts: new Receipts(slow, options) };
  };
  const some = (count: number, lane = 'c1'): Mark[] =>
    Array.from({ length: count }, (_, i) => markOf(`u${i}`, lane, i + 1));

  it('that come while an append is under way go together into the next', async () => {
    const { slow, receipts } = open();
    slow.isHeld = true;
    const marking = Array.from({ length: 100 }, (_, i) => receipts.mark([markOf(`u${i}`, 'c1', 1)]));
    slow.go();
    expect(await Promise.all(marking)).toEqual(Array(100).fill({ kind: 'stored' }));
    expect(slow.records.map(({ marks }) => marks.length)).toEqual([1, 99]);
  });

  it('are split where they are too many for a record', async () => {
    const { slow, receipts } = open();
    expect(await receipts.mark(some(2_000))).toEqual({ kind: 'stored' });
    expect(slow.records.map(({ marks }) => marks.length)).toEqual([750, 750, 500]);
    expect(slow.records.flatMap(({ marks }) => marks)).toEqual(some(2_000));
    expect(await receipts.mark([])).toEqual({ kind: 'stored' });
  });

  it('are appended again, as the same record, until that is certain', async () => {
    const { slow, receipts } = open();
    slow.outcomes = ['unknown', 'busy', 'unknown', 'stored'];
    expect(await receipts.mark(some(3))).toEqual({ kind: 'stored' });
    expect(new Set(slow.records.map(({ id }) => id)).size).toBe(1);
    expect(slow.records).toHaveLength(4);
  });

  it('are unknown where an answer is missing to the end, and unavailable where nothing can be stored', async () => {
    const { slow, receipts } = open({ answerMs: 0 });
    slow.outcomes = ['unknown'];
    expect(await receipts.mark(some(1))).toMatchObject({ kind: 'unknown' });
    slow.outcomes = ['busy'];
    expect(await receipts.mark(some(1))).toMatchObject({ kind: 'unavailable' });
    slow.outcomes = ['full'];
    expect(await receipts.mark(some(1))).toMatchObject({ kind: 'unavailable', message: expect.stringMatching(/full/) });
  });

  it('are bounded: past it they are turned away, and taken again when there is room', async () => {
    const { slow, receipts } = open({ waiting: 100 });
    slow.isHeld = true;
    const first = receipts.mark(some(60));
    const second = receipts.mark(some(40));
    expect(await receipts.mark(some(1))).toMatchObject({ kind: 'unavailable' });
    slow.go();
    expect(await Promise.all([first, second])).toEqual([{ kind: 'stored' }, { kind: 'stored' }]);
    expect(await receipts.mark(some(100))).toEqual({ kind: 'stored' });
  });

  it('settle before the end, and none is taken after it', async () => {
    const { slow, receipts } = open();
    slow.isHeld = true;
    const marking = receipts.mark(some(5));
    const receiptsNow = new Receipts(slow, { clock: Date.now });
    await receiptsNow.stop();
    const stopping = receipts.stop();
    slow.go();
    await stopping;
    expect(await receipts.mark(some(1))).toMatchObject({ kind: 'unavailable' });
    expect(await marking).toMatchObject({ kind: 'stored' });
  });
});

describe('what is purged', () => {
  const state = (first: number, end: number, bytes = 0) => ({
    first: first as never,
    end: end as never,
    bytes,
    maxBytes: 1_000,
  });
  const facts = { firstOfWeek: 60 as never, firstOfLately: 90 as never };

  it('is what is old, never above the position', () => {
    expect(purgeBelow({ ...facts, state: state(1, 100), position: 95 as never })).toBe(60);
    expect(purgeBelow({ ...facts, state: state(1, 100), position: 50 as never })).toBe(50);
    expect(purgeBelow({ ...facts, state: state(70, 100), position: 95 as never })).toBeLessThanOrEqual(70);
    const nothingLately = { firstOfWeek: undefined, firstOfLately: undefined };
    expect(purgeBelow({ ...nothingLately, state: state(1, 100), position: 100 as never })).toBe(100);
  });

  it('is more where it is full, never what is young', () => {
    expect(purgeBelow({ ...facts, firstOfWeek: 1 as never, state: state(1, 100, 800), position: 95 as never })).toBe(
      51,
    );
    expect(purgeBelow({ ...facts, firstOfWeek: 1 as never, state: state(1, 100, 800), position: 20 as never })).toBe(
      20,
    );
    const young = { firstOfWeek: 1 as never, firstOfLately: 10 as never };
    expect(purgeBelow({ ...young, state: state(1, 100, 800), position: 95 as never })).toBe(10);
    expect(purgeBelow({ ...young, state: state(1, 100, 499), position: 95 as never })).toBe(1);
  });
});

it('a record that was stored is read with the seqs it was stored with', async () => {
  const receipts = new MemoryReceipts({ partitions: 1 });
  await storeReceipts(receipts, 0, receiptsOf(markOf('bob', 'c1', 3)));
  expect((await readReceipts(receipts, 0))[0]?.marks[0]?.s).toBe(seqOf(3));
});
