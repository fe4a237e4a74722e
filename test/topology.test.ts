/** The streams: made once, checked at each start, mended where nothing stored is touched. */
import { connect as connectNats, type JetStreamManager, type NatsConnection, type StreamConfig } from 'nats';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { revisionOf } from '../schema/ids.ts';
import { streamsOf } from '../schema/streams.ts';
import { ConfigError } from '../services/config.ts';
import { isSupported } from '../services/journal/installation.ts';
import { inspectTopology, openJetStreamJournal } from '../services/journal/jetstream.ts';
import { fill, newLane, recordOf } from './journal.contract.ts';
import { startServers, type TestServers } from './support/servers.ts';

const log = pino({ level: 'silent' });
const GIB = 1024 ** 3;

describe('the topology', () => {
  let servers: TestServers;
  let nc: NatsConnection;
  let jsm: JetStreamManager;
  const optionsOf = (more: object = {}) => ({
    ...servers.config().nats,
    name: 'test',
    log,
    partitions: 3,
    maxBytes: GIB,
    ...more,
  });
  const openOnce = async (more: object = {}): Promise<void> => (await openJetStreamJournal(optionsOf(more))).close();

  beforeEach(async () => {
    servers = await startServers({ mongo: false });
    const { servers: urls, user, password } = servers.config().nats;
    nc = await connectNats({ servers: [...urls], user: user ?? '', pass: password ?? '' });
    jsm = await nc.jetstreamManager();
  });
  afterEach(async () => {
    await nc?.close();
    await servers?.stop();
  });

  const configOf = async (name: string): Promise<StreamConfig> => (await jsm.streams.info(name)).config;

  it('is made at the first start, within the size it is given, and left alone at the second', async () => {
    await openOnce();
    const lane = await configOf('LANES_2');
    expect(lane).toMatchObject({
      subjects: ['chat.lane.2.*'],
      republish: { src: 'chat.lane.2.*', dest: 'chat.live.2.{{wildcard(1)}}' },
      storage: 'file',
      retention: 'limits',
      discard: 'new',
      allow_direct: true,
      num_replicas: 1,
      max_age: 0,
      max_msgs: -1,
    });
    expect(await configOf('LANE_SNAPSHOTS')).toMatchObject({ max_msgs_per_subject: 1, allow_direct: true });
    const all = await jsm.streams.list().next();
    expect(all).toHaveLength(11);
    expect(all.reduce((sum, { config }) => sum + config.max_bytes, 0)).toBeLessThanOrEqual(GIB);
    let updates = 0;
    nc.subscribe('$JS.EVENT.ADVISORY.STREAM.>', { callback: () => updates++ });
    await nc.flush();
    await openOnce();
    await nc.flush();
    expect(updates).toBe(0);
    expect(await jsm.streams.list().next()).toHaveLength(11);
  });

  it('is reported as data', async () => {
    const before = await inspectTopology(optionsOf());
    expect(before).toMatchObject({ partitions: undefined, expectedPartitions: 3, server: { isSupported: true } });
    expect(before.streams.map(({ state }) => state)).toEqual(Array(11).fill('missing'));
    const journal = await openJetStreamJournal(optionsOf());
    await fill(journal, newLane(), 3);
    await journal.close();
    await jsm.streams.update('LANES_1', { ...(await configOf('LANES_1')), allow_direct: false, max_bytes: 10 * GIB });
    const after = await inspectTopology(optionsOf());
    expect(after.partitions).toBe(3);
    expect(after.streams.map(({ state }) => state)).toEqual(['ok', 'ok', 'ok', 'differs', ...Array(7).fill('ok')]);
    expect(after.streams.find(({ name }) => name === 'LANES_1')?.differences).toEqual([
      { field: 'allow_direct', expected: true, actual: false, kind: 'mended' },
      expect.objectContaining({ field: 'max_bytes', actual: 10 * GIB, kind: 'kept' }),
    ]);
    expect(after.streams.reduce((sum, { messages }) => sum + messages, 0)).toBe(4);
  });

  it('fixes the number of partitions', async () => {
    await openOnce();
    for (const partitions of [1, 2, 4, 16]) {
      const refusal = await openOnce({ partitions }).catch((error: Error) => error);
      expect(refusal).toBeInstanceOf(ConfigError);
      expect((refusal as Error).message).toMatch(/LANES_PARTITIONS is .* made with 3/);
    }
    expect(await jsm.streams.list().next()).toHaveLength(11);
    await jsm.streams.delete('KV_LANES_INSTALLATION');
    await expect(openOnce({ partitions: 4 })).rejects.toThrow('made with 3');
    await openOnce();
    expect(await inspectTopology(optionsOf())).toMatchObject({ partitions: 3 });
  });

  it('is the same for all who start at once, and one number wins', async () => {
    const outcomes = await Promise.allSettled([3, 5, 3, 5, 3].map((partitions) => openOnce({ partitions })));
    const { partitions } = await inspectTopology(optionsOf());
    expect([3, 5]).toContain(partitions);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(partitions === 3 ? 3 : 2);
    expect(await jsm.streams.list().next()).toHaveLength(2 * (partitions ?? 0) + 5);
  });

  it('is made where there is just the room for it, however many start at once', async () => {
    const maxBytes = 256 * GIB;
    await Promise.all(Array.from({ length: 5 }, () => openOnce({ maxBytes })));
    expect(await inspectTopology({ ...optionsOf(), maxBytes })).toMatchObject({ partitions: 3 });
  });

  it('mends what would lose or hide records, and raises sizes', async () => {
    await openOnce();
    await jsm.streams.update('LANES_0', {
      ...(await configOf('LANES_0')),
      discard: 'old' as never,
      max_age: 3_600e9,
      max_msgs: 1_000_000,
      allow_direct: false,
    });
    await jsm.streams.delete('LANES_2');
    await openOnce({ maxBytes: 2 * GIB });
    const [expected] = streamsOf({ partitions: 3, replicas: 1, maxBytes: 2 * GIB }).slice(2);
    expect(await configOf('LANES_0')).toMatchObject(expected ?? {});
    expect((await configOf('LANES_2')).max_bytes).toBe(expected?.max_bytes);
    const journal = await openJetStreamJournal(optionsOf());
    expect((await journal.append(recordOf(newLane(), 1), revisionOf(0))).kind).toBe('stored');
    await journal.close();
  });

  it('refuses a stream that is something else', async () => {
    await jsm.streams.add({ name: 'LANES_1', subjects: ['chat.lane.1.*'], retention: 'workqueue' as never });
    await expect(openOnce()).rejects.toThrow(/stream LANES_1: retention is "workqueue" and must be "limits"/);
    await expect(openOnce()).rejects.toBeInstanceOf(ConfigError);
  });

  it('refuses wrong credentials at once, in a line that says so', async () => {
    const refusal = await openOnce({ password: 'wrong' }).catch((error: Error) => error);
    expect(refusal).toBeInstanceOf(ConfigError);
    expect((refusal as Error).message).toMatch(/refused our credentials.*LANES_NATS_PASSWORD/);
  });

  it('waits for a server that is not there yet', async () => {
    await servers.nats.kill9();
    const opening = openJetStreamJournal(optionsOf());
    await servers.nats.restart();
    const journal = await opening;
    expect(await journal.status()).toEqual({ isReady: true });
    await journal.close();
    await servers.nats.kill9();
    const given = new AbortController();
    const waiting = openOnce({ signal: given.signal });
    given.abort(new Error('told to stop'));
    await expect(waiting).rejects.toThrow('told to stop');
    await servers.nats.restart();
  });

  it('waits where JetStream says that it, or a stream of it, cannot be had now', async () => {
    // As a cluster without a leader answers, one question after the other.
    const refused = new Set<string>();
    nc.subscribe('cluster.>', {
      callback: (_error, message) => {
        const subject = message.subject.replace('cluster.', '$JS.API.');
        const description = 'JetStream system temporarily unavailable';
        if (refused.has(subject)) nc.publish(subject, message.data, message.reply ? { reply: message.reply } : {});
        else message.respond(JSON.stringify({ error: { code: 503, err_code: 10008, description } }));
        refused.add(subject);
      },
    });
    await nc.flush();
    await openOnce({ jsApi: 'cluster' });
    expect(refused.size).toBeGreaterThan(5);
    expect((await inspectTopology(optionsOf())).streams.every(({ state }) => state === 'ok')).toBe(true);
  });
});

it.each([
  ['2.14.3', true],
  ['2.15.1', true],
  ['2.15.0-RC.1', true],
  ['3.0.0', true],
  ['2.14.2', false],
  ['2.9.10', false],
  ['1.99.99', false],
  ['', false],
])('nats-server %s: supported %s', (version, expected) => {
  expect(isSupported(version)).toBe(expected);
});
