/** What a real server can do to the journal: end, hang, stall, fill up. Nothing is lost, doubled, or answered in part. */
import { connect as connectNats } from 'nats';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LaneRecord } from '../schema/events.ts';
import { type LaneId, type Revision, revisionOf } from '../schema/ids.ts';
import { laneStream, partitionOf } from '../schema/subjects.ts';
import { outcomeOf } from '../services/journal/append-outcome.ts';
import { inspectTopology, type JetStreamJournal, openJetStreamJournal } from '../services/journal/jetstream.ts';
import { JournalUnavailable, type StoredRecord } from '../services/journal/journal.ts';
import { type Counts, fill, newLane, readAll, recordOf, store, until } from './journal.contract.ts';
import { startServers, type TestServers } from './support/servers.ts';
import { startStallingProxy } from './support/stalling-proxy.ts';

const log = pino({ level: 'silent' });
const PARTITIONS = 2;
const GIB = 1024 ** 3;

describe('the journal, when its server', () => {
  let servers: TestServers;
  let journal: JetStreamJournal;
  const open = (more: { servers?: string[]; maxBytes?: number } = {}): Promise<JetStreamJournal> =>
    openJetStreamJournal({
      ...servers.config().nats,
      name: 'test',
      log,
      partitions: PARTITIONS,
      maxBytes: GIB,
      ...more,
    });

  beforeAll(async () => {
    servers = await startServers({ mongo: false });
    journal = await open();
  });
  afterAll(async () => {
    await journal?.close();
    await servers?.stop();
  });

  const lanesOf = (partition: number, count: number): LaneId[] => {
    const lanes: LaneId[] = [];
    while (lanes.length < count) {
      const lane = newLane('of');
      if (partitionOf(lane, PARTITIONS) === partition) lanes.push(lane);
    }
    return lanes;
  };

  it('is killed during appends: each record is in its lane once, in order, and whoever follows a partition gets all', async () => {
    const lanes = Array.from({ length: 100 }, () => newLane('killed'));
    const counts: Counts = {};
    const written = new Map<LaneId, { ids: string[]; revisions: number[] }>();
    const stop = new AbortController();
    const ends = await Promise.all([0, 1].map((partition) => journal.partitionEnd(partition)));
    const followed: StoredRecord[][] = [[], []];
    const following = followed.map(async (into, partition) => {
      const from = revisionOf((ends[partition] ?? 0) + 1);
      for await (const batch of journal.consume(partition, from, { maxBatch: 50, signal: stop.signal }))
        into.push(...batch);
    });
    let rings = 0;
    const ringing = journal.onReconnect(() => rings++);
    let isKilling = true;
    const writers = lanes.map(async (lane) => {
      const mine = { ids: [] as string[], revisions: [] as number[] };
      written.set(lane, mine);
      let expected = revisionOf(0);
      for (let seq = 1; isKilling || seq <= 20; seq++) {
        const record = recordOf(lane, seq);
        expected = await store(journal, record, expected, counts);
        mine.ids.push(record.id);
        mine.revisions.push(expected);
      }
    });
    for (let kill = 1; kill <= 3; kill++) {
      const before = counts.stored ?? 0;
      await until('appends are stored', () => (counts.stored ?? 0) >= before + 2_000);
      await servers.nats.kill9();
      await until('the end of the server is noticed', async () => !(await journal.status()).isReady);
      await servers.nats.restart();
      await until('the reconnect was told', () => rings >= kill);
    }
    isKilling = false;
    await Promise.all(writers);
    ringing.stop();
    const total = [...written.values()].reduce((sum, { ids }) => sum + ids.length, 0);
    await until('everything was followed', () => followed.reduce((sum, { length }) => sum + length, 0) >= total);
    stop.abort();
    await Promise.all(following);
    for (const [lane, { ids, revisions }] of written) {
      const stored = await readAll(journal, lane);
      expect(stored.map(({ record }) => record?.id)).toEqual(ids);
      expect(stored.map(({ revision }) => revision)).toEqual(revisions);
    }
    for (const [partition, records] of followed.entries())
      expect(records.map(({ revision }) => revision)).toEqual(records.map((_, i) => (ends[partition] ?? 0) + 1 + i));
    expect(followed.flat()).toHaveLength(total);
    expect(counts.unknown, 'appends were under way at a kill').toBeGreaterThan(0);
    expect(counts.full).toBeUndefined();
  }, 60_000);

  it('is gone: appends are busy at once and never stored, reads are unavailable soon', async () => {
    const [lane, other] = [newLane(), newLane()];
    const listened: StoredRecord[] = [];
    const listening = journal.listen(lane, (record) => listened.push(record));
    await journal.last(lane);
    await servers.nats.kill9();
    // Reads and appends have a connection each, and one is known to be lost a moment before the other.
    const gone = async () => (await journal.append(recordOf(other, 1), revisionOf(0))).kind === 'busy';
    await until('it is noticed', async () => !(await journal.status()).isReady && (await gone()));
    const startedAt = performance.now();
    const outcomes = await Promise.all(
      Array.from({ length: 500 }, (_, i) => journal.append(recordOf(i % 2 ? lane : other, 1), revisionOf(0))),
    );
    expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['busy']));
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    const reads = [
      journal.last(lane),
      journal.lastRevisions([lane, other]),
      journal.read(lane, revisionOf(1)),
      journal.readSnapshot(lane),
      journal.partitionEnd(0),
    ];
    for (const read of reads) await expect(read).rejects.toThrow(JournalUnavailable);
    expect(performance.now() - startedAt).toBeLessThan(2_500);
    expect(await journal.writeSnapshot(lane, { revision: revisionOf(1), recordId: '', state: {} as never })).toBe(
      false,
    );
    await servers.nats.restart();
    await until('it is back', async () => (await journal.status()).isReady);
    expect(await journal.lastRevisions([lane, other])).toEqual(
      new Map([
        [lane, 0],
        [other, 0],
      ] as never),
    );
    const [revision] = await fill(journal, lane, 1);
    await until('listeners hear again', () => listened.length > 0);
    expect(listened.map((record) => record.revision)).toEqual([revision]);
    listening.stop();
  });

  it('hangs: an append is unknown within 2 s, and may land afterwards', async () => {
    const lane = newLane();
    const record = recordOf(lane, 1);
    await journal.last(lane);
    process.kill(servers.nats.pid, 'SIGSTOP');
    try {
      const startedAt = performance.now();
      const reads = Array.from({ length: 500 }, () =>
        expect(journal.read(lane, revisionOf(1))).rejects.toThrow(JournalUnavailable),
      );
      expect(await journal.append(record, revisionOf(0))).toMatchObject({ kind: 'unknown' });
      await Promise.all(reads);
      expect(performance.now() - startedAt).toBeLessThan(2_500);
      expect(await journal.status()).toMatchObject({ isReady: false });
    } finally {
      process.kill(servers.nats.pid, 'SIGCONT');
    }
    await store(journal, record, revisionOf(0));
    expect((await readAll(journal, lane)).map((stored) => stored.record?.id)).toEqual([record.id]);
  });

  it('hangs under load: whoever waits for a place is busy within the time, and was not stored', async () => {
    const lanes = Array.from({ length: 1_200 }, () => newLane('crowd'));
    await journal.last(lanes[0] as LaneId);
    process.kill(servers.nats.pid, 'SIGSTOP');
    const startedAt = performance.now();
    let outcomes: { kind: string }[];
    try {
      outcomes = await Promise.all(lanes.map((lane) => journal.append(recordOf(lane, 1), revisionOf(0))));
      expect(performance.now() - startedAt).toBeLessThan(2_500);
    } finally {
      process.kill(servers.nats.pid, 'SIGCONT');
    }
    expect(outcomes.filter(({ kind }) => kind === 'unknown')).toHaveLength(512);
    expect(outcomes.filter(({ kind }) => kind === 'busy')).toHaveLength(1_200 - 512);
    // Asked after them on the same connection.
    await fill(journal, newLane(), 1);
    const revisions = await journal.lastRevisions(lanes);
    const busy = lanes.filter((_, i) => outcomes[i]?.kind === 'busy');
    expect(busy.filter((lane) => revisions.get(lane))).toEqual([]);
  });

  it('does not answer for one partition: the others go on, and it is said', async () => {
    const { servers: urls, user, password } = servers.config().nats;
    const nc = await connectNats({ servers: [...urls], user: user ?? '', pass: password ?? '' });
    const jsm = await nc.jetstreamManager();
    const stream = laneStream(1);
    const { config } = await jsm.streams.info(stream);
    await jsm.streams.update(stream, { ...config, no_ack: true });
    try {
      const [dumb, sound] = [lanesOf(1, 400), lanesOf(0, 50)];
      const silence = await Promise.all(dumb.map((lane) => journal.append(recordOf(lane, 1), revisionOf(0))));
      expect(new Set(silence.map(({ kind }) => kind))).toEqual(new Set(['unknown', 'busy']));
      const more = dumb.map((lane) => journal.append(recordOf(lane, 1), revisionOf(0)));
      const startedAt = performance.now();
      const outcomes = await Promise.all(sound.map((lane) => journal.append(recordOf(lane, 1), revisionOf(0))));
      expect(performance.now() - startedAt).toBeLessThan(2_000);
      expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['stored']));
      expect(await journal.status()).toMatchObject({ isReady: true });
      await Promise.all(more);
      expect(
        (await inspectTopology({ ...servers.config().nats, name: 'test', log, partitions: PARTITIONS, maxBytes: GIB }))
          .streams,
      ).toContainEqual(expect.objectContaining({ name: stream, state: 'differs' }));
      // The next start mends it.
      await (await open()).close();
      await fill(journal, lanesOf(1, 1)[0] as LaneId, 3);
    } finally {
      await nc.close();
    }
  });

  it('stalls in the middle of a read: the read is unavailable, never a part', async () => {
    const lane = newLane();
    await fill(journal, lane, 50, 'x'.repeat(100_000));
    const proxy = await startStallingProxy(Number(new URL(servers.nats.url).port));
    const through = await open({ servers: [`nats://127.0.0.1:${proxy.port}`] });
    try {
      for (const bytes of [0, 200_000, 2_000_000]) {
        await until('reads pass', async () => (await through.last(lane)) !== undefined);
        proxy.allow(bytes);
        const startedAt = performance.now();
        await expect(through.read(lane, revisionOf(1))).rejects.toThrow(JournalUnavailable);
        expect(performance.now() - startedAt).toBeLessThan(3_000);
        proxy.allow(Number.POSITIVE_INFINITY);
      }
      expect(await readAll(through, lane)).toHaveLength(50);
      proxy.allow(300_000);
      const cut = through.read(lane, revisionOf(1));
      const failed = expect(cut).rejects.toThrow(JournalUnavailable);
      await until('a part came', () => proxy.passed > 300_000);
      proxy.cut();
      proxy.allow(Number.POSITIVE_INFINITY);
      await failed;
      await until('the connection is back', async () => (await through.status()).isReady);
      expect(await readAll(through, lane)).toHaveLength(50);
    } finally {
      await through.close();
      await proxy.stop();
    }
  });

  it('is asked by a closed journal: nothing hangs', async () => {
    const closing = await open();
    const consuming = closing.consume(0, revisionOf(1), { maxBatch: 10, signal: new AbortController().signal });
    await consuming[Symbol.asyncIterator]().next();
    await closing.close();
    expect(await closing.append(recordOf(newLane(), 1), revisionOf(0))).toMatchObject({ kind: 'busy' });
    await expect(closing.last(newLane())).rejects.toThrow(JournalUnavailable);
    expect(await closing.status()).toMatchObject({ isReady: false });
    for await (const _ of consuming) break;
    closing.listen(newLane(), () => undefined).stop();
  });

  it('has a lane of 100,000 events: its tail is read without the rest, and all of it in pages', async () => {
    const lane = newLane('long');
    let expected = revisionOf(0);
    for (let record = 0; record < 250; record++) {
      const events = Array.from({ length: 400 }, (_, i) => recordOf(lane, record * 400 + i + 1).events[0]);
      const outcome = await journal.append({ ...recordOf(lane, 1), events: events as LaneRecord['events'] }, expected);
      if (outcome.kind !== 'stored') throw new Error(outcome.kind);
      expected = outcome.revision;
    }
    const tail = await journal.read(lane, expected);
    expect(tail.records.map(({ record }) => record?.events.at(-1)?.seq)).toEqual([100_000]);
    const all = await readAll(journal, lane);
    const seqs = all.flatMap(({ record }) => record?.events.map(({ seq }) => seq) ?? []);
    expect(seqs).toEqual(Array.from({ length: 100_000 }, (_, i) => i + 1));
  });
});

describe('the journal, when its store', () => {
  it('is full, says so, stores nothing more, reads on, and takes more when it gets room', async () => {
    const servers = await startServers({ mongo: false });
    const open = (maxBytes: number) =>
      openJetStreamJournal({ ...servers.config().nats, name: 'test', log, partitions: 1, maxBytes });
    let journal = await open(64 * 1024 * 1024);
    try {
      const lane = newLane();
      const revisions: Revision[] = [];
      const kinds: string[] = [];
      while (kinds.length < 3) {
        const outcome = await journal.append(
          recordOf(lane, revisions.length + 1, 'x'.repeat(200_000)),
          revisions.at(-1) ?? revisionOf(0),
        );
        if (outcome.kind === 'stored') revisions.push(outcome.revision);
        else kinds.push(outcome.kind);
      }
      expect(kinds).toEqual(['full', 'full', 'full']);
      expect(revisions.length).toBeGreaterThan(5);
      expect((await readAll(journal, lane)).map(({ revision }) => revision)).toEqual(revisions);
      await journal.close();
      journal = await open(128 * 1024 * 1024);
      const more = await journal.append(
        recordOf(lane, revisions.length + 1, 'x'.repeat(200_000)),
        revisions.at(-1) as Revision,
      );
      expect(more.kind).toBe('stored');
    } finally {
      await journal.close();
      await servers.stop();
    }
  });
});

describe('an answer to an append', () => {
  const answer = (data: unknown, head = '') =>
    outcomeOf({ head, data: Buffer.from(data === undefined ? '' : JSON.stringify(data)) });
  const refusal = (err_code: number, description = '') =>
    answer({ error: { code: 400, err_code, description }, stream: 'LANES_0', seq: 0 });

  it.each([
    ['stored', answer({ stream: 'LANES_0', seq: 7 }), { kind: 'stored', revision: 7 }],
    ['stored before', answer({ stream: 'LANES_0', seq: 7, duplicate: true }), { kind: 'stored', revision: 7 }],
    ['another revision', refusal(10071, 'wrong last sequence: 5'), { kind: 'conflict' }],
    ['another write in flight on replicas', refusal(10164), { kind: 'busy' }],
    ['the same id in flight', refusal(10158), { kind: 'unknown' }],
    ['a full queue', refusal(10167), { kind: 'busy' }],
    ['the stream’s limit', refusal(10077, 'maximum bytes exceeded'), { kind: 'full' }],
    ['a failed store of another kind', refusal(10077, 'message size exceeds maximum allowed'), { kind: 'busy' }],
    ['the server’s limit', refusal(10023, 'insufficient resources'), { kind: 'full' }],
    ['the disk', refusal(10047, 'insufficient storage resources available'), { kind: 'full' }],
    ['a stream that lost its place', refusal(10060), { kind: 'unknown' }],
    ['a code of a later version', refusal(19_999), { kind: 'busy' }],
    ['no leader', answer(undefined, 'NATS/1.0 503\r\n\r\n'), { kind: 'busy' }],
    ['nothing', answer(undefined), { kind: 'unknown' }],
    ['no JSON', outcomeOf({ head: '', data: Buffer.from('+OK') }), { kind: 'unknown' }],
    ['no sequence', answer({ stream: 'LANES_0' }), { kind: 'unknown' }],
  ])('of %s', (_name, outcome, expected) => {
    expect(outcome).toMatchObject(expected);
  });
});
