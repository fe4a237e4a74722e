/** One budget of all streams: its sum, the embedded server's own limit, and installations of before. */
import { connect, type JetStreamManager, type NatsConnection, StringCodec } from 'nats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureStream } from '../bridge/app-streams.ts';
import type { AppId } from '../schema/ids.ts';
import { parseAppId } from '../schema/ids.ts';
import { appBytesOf, appStreamOf, bridgeStreamsOf, budgetOf, streamsOf, webhookStreamOf } from '../schema/streams.ts';
import { APPS_JETSTREAM, appEvents, MAX_PARTITIONS } from '../schema/subjects.ts';
import { Questions } from '../services/journal/ask.ts';
import { openJetStreamJournal } from '../services/journal/jetstream.ts';
import { openLink } from '../services/journal/link.ts';
import { fill, newLane } from './journal.contract.ts';
import { silent } from './support/doors.ts';
import { startServers, type TestServers } from './support/servers.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

describe('the budget', () => {
  it.each([GIB / 4, GIB, 16 * GIB, 256 * GIB])('of %d bytes adds up', (maxBytes) => {
    const budget = budgetOf(maxBytes);
    const sum = Object.values(budget).reduce((all, part) => all + part, 0);
    expect(Math.abs(sum - maxBytes)).toBeLessThan(16);
    for (const partitions of [1, 16]) {
      const options = { partitions, replicas: 1, maxBytes };
      const all = [...streamsOf(options), ...bridgeStreamsOf(options), webhookStreamOf(options)];
      const held = all.reduce((total, { max_bytes }) => total + max_bytes, 0);
      expect(held + budget.apps + budget.mqtt).toBeLessThanOrEqual(maxBytes);
      expect(held + budget.apps + budget.mqtt).toBeGreaterThan(maxBytes - 64 - partitions * 2);
    }
    expect(appBytesOf(maxBytes, 256 * MIB) * 8).toBeLessThanOrEqual(budget.apps);
  });

  it('is refused where it leaves the lanes nothing, which NATS would take for no limit; the least that is configured does not', () => {
    expect(() => budgetOf(16 * MIB)).toThrow(RangeError);
    const least = { partitions: MAX_PARTITIONS, replicas: 1, maxBytes: 64 * MIB };
    for (const { max_bytes } of [...streamsOf(least), ...bridgeStreamsOf(least), webhookStreamOf(least)])
      expect(max_bytes).toBeGreaterThan(0);
  });
});

describe('on servers', () => {
  let servers: TestServers;
  let lanes: NatsConnection;
  let streams: JetStreamManager['streams'];
  const open = (maxBytes: number, lowers: boolean) =>
    openJetStreamJournal({ ...servers.config().nats, name: 'test', log: silent, partitions: 2, maxBytes, lowers });

  const enter = async (): Promise<void> => {
    const { url, user, password } = servers.nats;
    lanes = await connect({ servers: url, user, pass: password });
    ({ streams } = await lanes.jetstreamManager());
  };
  beforeEach(async () => {
    servers = await startServers({ mongo: false });
    await enter();
  });
  afterEach(async () => {
    await lanes?.close();
    await servers?.stop();
  });

  const sizesOf = async (): Promise<Record<string, number>> =>
    Object.fromEntries((await streams.list().next()).map(({ config }) => [config.name, config.max_bytes]));
  const storeOf = async (): Promise<{ readonly max_storage: number }> => {
    const { natsSys } = servers.config();
    const sys = await connect({ servers: servers.nats.url, user: natsSys?.user ?? '', pass: natsSys?.password ?? '' });
    const answer = await sys.request('$SYS.REQ.SERVER.PING.JSZ', '{}', { timeout: 5_000 });
    await sys.close();
    return (answer.json() as { data: { config: { max_storage: number } } }).data.config;
  };

  it('the embedded one may store what the budget says, and what is needed to start', async () => {
    const { storeBytes } = servers.config();
    const { max_storage } = await storeOf();
    expect(max_storage).toBeGreaterThanOrEqual(storeBytes);
    expect(max_storage).toBeLessThan(storeBytes * 1.03 + 65 * MIB);
  });

  it('a smaller budget lowers streams, deletes nothing and refuses nothing; only where that is asked for', async () => {
    const first = await open(40 * GIB, false);
    const lane = newLane();
    await fill(first, lane, 200);
    await first.close();
    const before = await sizesOf();
    const stored = (await streams.info('LANES_0')).state.bytes + (await streams.info('LANES_1')).state.bytes;
    await (await open(4 * GIB, false)).close();
    expect(await sizesOf()).toEqual(before);
    await (await open(4 * GIB, true)).close();
    const sum = Object.values(await sizesOf()).reduce((all, bytes) => all + bytes, 0);
    expect(sum).toBeLessThanOrEqual(4 * GIB);
    // Far below what is stored: a quarter of room is left above it.
    const tiny = await open(64 * MIB, true);
    await fill(tiny, newLane(), 5);
    const { state, config } = await streams.info('LANES_0');
    expect(config.max_bytes).toBeGreaterThan(state.bytes);
    await tiny.close();
    const after = (await streams.info('LANES_0')).state.bytes + (await streams.info('LANES_1')).state.bytes;
    expect(after).toBeGreaterThanOrEqual(stored);
  });

  it('a stream that holds more than it should is lowered to no less than it holds, and takes more', async () => {
    await (await open(4 * GIB, true)).close();
    await streams.update('RECEIPTS_0', { ...(await streams.info('RECEIPTS_0')).config, max_bytes: 64 * MIB });
    const filler = Buffer.alloc(400_000);
    for (let i = 0; i < 40; i++) await lanes.jetstream().publish('chat.receipt.0', filler);
    const { state } = await streams.info('RECEIPTS_0');
    await (await open(128 * MIB, true)).close();
    const lowered = await streams.info('RECEIPTS_0');
    expect(lowered.state.messages).toBe(state.messages);
    expect(lowered.config.max_bytes).toBeGreaterThan(state.bytes);
    expect(lowered.config.max_bytes).toBeLessThan(64 * MIB);
    await lanes.jetstream().publish('chat.receipt.0', filler);
  });

  it('streams of before that may hold more than the budget are opened and lowered, also in a server that starts anew', async () => {
    const { storeBytes } = servers.config();
    await (await open(storeBytes, true)).close();
    const { config } = await streams.info('LANES_0');
    await streams.update('LANES_0', { ...config, max_bytes: config.max_bytes + 4 * GIB });
    await lanes.close();
    await servers.nats.restart();
    await enter();
    await (await open(storeBytes, true)).close();
    expect((await streams.info('LANES_0')).config.max_bytes).toBe(config.max_bytes);
  });

  it('the streams of integrations are lowered likewise, and together never hold more than their part', async () => {
    const { natsBridge, storeBytes } = servers.config();
    if (natsBridge === null) throw new Error('no user of the bridge');
    const link = await openLink({ ...natsBridge, name: 'test', log: silent });
    const questions = new Questions(link);
    const appOf = (name: string): AppId => parseAppId(name) as AppId;
    await ensureStream(questions, appStreamOf(appOf('a'), GIB, 1));
    const bridge = await connect({
      servers: servers.nats.url,
      user: natsBridge.user ?? '',
      pass: natsBridge.password ?? '',
    });
    const subject = appEvents(appOf('a')).replace('>', 'c1');
    await bridge.jetstream({ apiPrefix: APPS_JETSTREAM }).publish(subject, StringCodec().encode('x'.repeat(100_000)));
    const { config, state } = await ensureStream(questions, appStreamOf(appOf('a'), 64 * 1024, 1));
    expect(config.max_bytes).toBeGreaterThan(state.bytes);
    expect(config.max_bytes).toBeLessThan(MIB);
    const part = budgetOf(storeBytes).apps;
    await ensureStream(questions, appStreamOf(appOf('b'), part - MIB, 1));
    await expect(ensureStream(questions, appStreamOf(appOf('c'), part, 1))).rejects.toThrow(/insufficient storage/);
    await bridge.close();
    await link.close();
  });
});
