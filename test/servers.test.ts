/** The mongod that test files have one after the other. */
import { MongoClient } from 'mongodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import openPool from './support/mongod-pool.ts';
import { startServers, type TestServers } from './support/servers.ts';

// A pool of this file's own: another file takes nothing from it.
let stopPool: () => Promise<void>;
beforeAll(() => {
  stopPool = openPool();
});
afterAll(() => stopPool());

async function leave<T>(servers: TestServers, use: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(servers.mongo.url);
  try {
    return await use(client);
  } finally {
    await client.close();
    await servers.stop();
  }
}
const databasesOf = async (client: MongoClient): Promise<string[]> => {
  const { databases } = await client.db().admin().listDatabases({ nameOnly: true });
  return databases.map(({ name }) => name).filter((name) => !['admin', 'config', 'local'].includes(name));
};

test('nothing of one user comes to the next', async () => {
  const first = await startServers({ nats: false });
  await leave(first, async (client) => {
    for (const name of ['lanes', 'other']) await client.db(name).collection('c').insertOne({ name });
    expect(await databasesOf(client)).toEqual(['lanes', 'other']);
  });
  const second = await startServers({ nats: false });
  expect(second.mongo.url).toBe(first.mongo.url);
  await leave(second, async (client) => expect(await databasesOf(client)).toEqual([]));
});

test('two at once have one each', async () => {
  const [first, second] = await Promise.all([startServers({ nats: false }), startServers({ nats: false })]);
  expect(first.mongo.url).not.toBe(second.mongo.url);
  await leave(first, (client) => client.db().collection('c').insertOne({}));
  await leave(second, async (client) => expect(await databasesOf(client)).toEqual([]));
});

test('it is killed, stopped and started again as one of its own', async () => {
  const servers = await startServers({ nats: false });
  const before = servers.mongo.pid;
  await servers.mongo.kill9();
  expect(() => process.kill(before, 0)).toThrow('ESRCH');
  await servers.mongo.restart();
  expect(servers.mongo.pid).not.toBe(before);
  await servers.mongo.stop();
  expect(servers.mongo.pid).toBe(0);
  await servers.mongo.restart();
  await leave(servers, async (client) => expect(await databasesOf(client)).toEqual([]));
});

test('who leaves it dead leaves the next a living one', async () => {
  const servers = await startServers({ nats: false });
  await servers.mongo.kill9();
  await servers.stop();
  await leave(await startServers({ nats: false }), async (client) => expect(await databasesOf(client)).toEqual([]));
});
