/** nats-server comes back without its files, or without some: what history holds is neither called unknown nor made anew. */
import { randomUUID } from 'node:crypto';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { afterEach, describe, expect, it } from 'vitest';
import { partitionOf } from '../schema/subjects.ts';
import { checkStore } from '../services/cli/check-rooms.ts';
import { readSettings } from '../services/config.ts';
import type { Journal } from '../services/journal/journal.ts';
import { createLogger } from '../services/logger.ts';
import { start as startProjector } from '../services/projector/main.ts';
import { rebuild } from '../services/projector/rebuild.ts';
import { resumeProjector } from '../services/projector/resume.ts';
import { withStores } from '../services/projector/stores.ts';
import type { Running } from '../services/run.ts';
import { positionsOf } from '../services/views/views.ts';
import { type Client, clientOf, codesOf, startApi, type TestApi, until } from './support/api.ts';
import { powerCutOf } from './support/power-cut.ts';
import { startServers, type TestServers } from './support/servers.ts';

const PARTITIONS = 2;
const SETTINGS = { LANES_PARTITIONS: String(PARTITIONS) };
const log = createLogger({ logLevel: 'silent' }, 'test', 2);

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function open(ownMongo = false): Promise<{ servers: TestServers; api: TestApi; projector: Running }> {
  const servers = await startServers({ ownMongo });
  stops.push(() => servers.stop());
  const api = await startIn(servers);
  const projector = await startProjector(servers.config({ ...SETTINGS, LANES_ADMIN_PORT: '0' }), log);
  stops.push(() => projector.stop());
  return { servers, api, projector };
}
async function startIn(servers: TestServers): Promise<TestApi> {
  const api = await startApi(servers, SETTINGS);
  stops.push(() => api.stop());
  return api;
}

const CREATE = `mutation($input: CreateConversationInput!) { createConversation(input: $input) {
  accepted { conversationId seq repeated } refused { code } } }`;
const SEND = `mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } refused { code } } }`;
const QUERY = 'query($id: ID!) { conversation(id: $id) { lastSeq } }';
const create = (by: Client, id: string, clientKey = `create-${id}`) =>
  by.post(CREATE, { input: { id, members: [], clientKey } });
const send = (by: Client, conversationId: string) =>
  by.post(SEND, { input: { conversationId, text: 'hi', clientKey: randomUUID() } });

/** Conversations in every partition; all `records` of the store are in history then. */
async function filled(servers: TestServers, by: Client, prefix: string, records: number): Promise<string[]> {
  const ids = Array.from({ length: 12 }, (_, i) => `${prefix}-${i}`);
  for (const id of ids) expect((await create(by, id)).data.createConversation.accepted.seq).toBe(1);
  for (const id of ids) expect((await send(by, id)).data.sendMessage.accepted.seq).toBe(2);
  const mongo = await new MongoClient(servers.mongo.url).connect();
  const reach = async () => (await positionsOf(mongo.db()).find().toArray()).reduce((sum, { w }) => sum + w, 0);
  await until(async () => (await reach()) >= records).finally(() => mongo.close());
  return ids;
}

/** The server's files, as they are in the first start of all. */
const filesOf = ({ nats, dir }: TestServers) => {
  const [store, kept] = [join(dir, 'nats'), join(dir, 'nats-kept')];
  const replaced = async (work: () => void): Promise<void> => {
    await nats.stop();
    work();
    await nats.restart();
  };
  return {
    lose: () =>
      replaced(() => {
        cpSync(store, kept, { recursive: true, preserveTimestamps: true });
        rmSync(store, { recursive: true });
        mkdirSync(store);
      }),
    restore: () =>
      replaced(() => {
        rmSync(store, { recursive: true });
        cpSync(kept, store, { recursive: true, preserveTimestamps: true });
      }),
  };
};

/** Nothing of these is refused or accepted. */
async function areUnavailable(by: Client, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    expect(codesOf(await by.post(QUERY, { id })), id).toEqual(['UNAVAILABLE']);
    expect(codesOf(await send(by, id)), id).toEqual(['UNAVAILABLE']);
    expect(codesOf(await create(by, id)), id).toEqual(['UNAVAILABLE']);
    expect(codesOf(await create(by, id, randomUUID())), id).toEqual(['UNAVAILABLE']);
  }
}
const lostIn = async ({ adminPort }: TestApi): Promise<number> => {
  const figures = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  return [...figures.matchAll(/^lanes_lost_store_partitions\{.*\} 1$/gm)].length;
};
const doctor = ({ adminPort }: TestApi) => checkStore(readSettings({ LANES_ADMIN_PORT: String(adminPort) }));

describe('a store without its files', () => {
  it('accepts nothing and refuses nothing under an old history, and says so, until the files are back', async () => {
    const { servers, api } = await open();
    const alice = await clientOf(api, 'alice');
    const ids = await filled(servers, alice, 'kept', 24);
    expect(await doctor(api)).toMatchObject([{ state: 'ok' }]);
    const files = filesOf(servers);
    await files.lose();
    // Whoever starts makes the streams anew.
    const second = await startIn(servers);
    for (const by of [await clientOf(second, 'alice'), alice]) {
      await areUnavailable(by, ids);
      expect(codesOf(await create(by, `new-${randomUUID()}`))).toEqual(['UNAVAILABLE']);
    }
    for (const one of [api, second]) {
      await until(async () => (await lostIn(one)) === PARTITIONS);
      expect(await doctor(one)).toMatchObject([{ state: 'bad', what: 'store' }]);
    }
    await files.restore();
    for (const by of [await clientOf(second, 'alice'), alice]) {
      const [id] = ids as [string];
      await until(async () => (await by.post(QUERY, { id })).data?.conversation);
      expect((await create(by, id)).data.createConversation.accepted).toMatchObject({ seq: 1, repeated: true });
      expect((await send(by, id)).data.sendMessage.accepted.seq).toBeGreaterThan(2);
      expect((await create(by, `new-${randomUUID()}`)).data.createConversation.accepted.seq).toBe(1);
    }
    expect(await doctor(api)).toMatchObject([{ state: 'ok' }]);
  });

  it('is told from a new one by who knew it, though MongoDB is down as well; a rebuild of history settles it', async () => {
    const { servers, api } = await open(true);
    const alice = await clientOf(api, 'alice');
    const ids = await filled(servers, alice, 'kept', 24);
    // How far history reaches is learnt at the start and after each reconnect.
    await servers.nats.stop();
    await servers.nats.restart();
    expect(await until(async () => (await create(alice, 'other')).data?.createConversation?.accepted)).toBeDefined();
    await servers.mongo.kill9();
    await filesOf(servers).lose();
    await startIn(servers);
    await areUnavailable(alice, ids.slice(0, 4));
    await servers.mongo.restart();
    await rebuild({ config: servers.config(SETTINGS), log, print: () => undefined, dropAfterMs: 0 });
    const [id] = ids as [string];
    const again = await until(async () => (await create(alice, id)).data?.createConversation?.accepted);
    expect(again).toMatchObject({ seq: 1, repeated: false });
  });
});

describe('a store that lost its newest records', () => {
  it('has the conversations that went with them unavailable, and goes on with all others', async () => {
    const { servers, api, projector } = await open();
    const alice = await clientOf(api, 'alice');
    const power = powerCutOf(servers);
    const kept = await filled(servers, alice, 'kept', 24);
    await power.remember();
    await until(async () => (await create(alice, 'first')).data.createConversation?.accepted);
    const lost = await filled(servers, alice, 'lost', 49);
    await power.cut();
    await power.restart();
    await until(async () => (await alice.post(QUERY, { id: kept[0] })).data?.conversation);
    await areUnavailable(alice, lost);
    for (const id of kept) expect((await send(alice, id)).data.sendMessage.accepted.seq).toBe(3);
    for (let i = 0; i < 12; i++) {
      const id = `new-${i}`;
      expect((await create(alice, id)).data.createConversation.accepted.seq).toBe(1);
      expect((await send(alice, id)).data.sendMessage.accepted.seq).toBe(2);
    }
    // It is longer now than it was, and still another one.
    await areUnavailable(alice, lost);
    expect(await lostIn(api)).toBe(PARTITIONS);
    // Without a projector nobody else says that history is not whole while it is cut.
    await projector.stop();
    await withStores(servers.config(SETTINGS), log, 'test', async (stores) => {
      const positions = positionsOf(await stores.mongo.db());
      await positions.updateMany({}, { $unset: { halted: '' } });
      const halted: unknown[] = [];
      const last: Journal['last'] = async (lane) => {
        halted.push((await positions.findOne({ _id: new RegExp(`:${partitionOf(lane, PARTITIONS)}$`) }))?.halted);
        return stores.journal.last(lane);
      };
      const journal = new Proxy(stores.journal, {
        get: (whole, name) => {
          const value: unknown = name === 'last' ? last : Reflect.get(whole, name, whole);
          return typeof value === 'function' ? value.bind(whole) : value;
        },
      });
      for (let p = 0; p < PARTITIONS; p++)
        expect(
          await resumeProjector({ ...stores, journal }, p, { kind: 'after the lost' }, new AbortController().signal),
        ).toBeDefined();
      expect(halted.length).toBeGreaterThan(0);
      expect(halted).not.toContain(undefined);
      expect(await positions.countDocuments({ halted: { $exists: true } })).toBe(0);
    });
    const next = await startProjector(servers.config({ ...SETTINGS, LANES_ADMIN_PORT: '0' }), log);
    stops.push(() => next.stop());
    const [id] = lost as [string];
    const again = await until(async () => (await create(alice, id)).data?.createConversation?.accepted);
    expect(again).toMatchObject({ seq: 1, repeated: false });
    await until(async () => (await lostIn(api)) === 0);
  });
});
