import { MongoClient } from 'mongodb';
import { connect } from 'nats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startServers, type TestServers } from './support/servers.ts';

describe('embedded servers', () => {
  let servers: TestServers;
  beforeAll(async () => {
    servers = await startServers();
  });
  afterAll(() => servers.stop());

  test('what is stored survives kill -9 and a restart on the same ports', async () => {
    const { url, user, password } = servers.nats;
    const nats = await connect({ servers: url, user, pass: password, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    const manager = await nats.jetstreamManager();
    await manager.streams.add({ name: 'KEPT', subjects: ['kept'] });
    await nats.jetstream().publish('kept', 'one');
    const mongo = await new MongoClient(servers.mongo.url).connect();
    await mongo
      .db()
      .collection('kept')
      .insertOne({ one: 1 }, { writeConcern: { w: 'majority', journal: true } });

    const before = [servers.nats.pid, servers.mongo.pid];
    await Promise.all([servers.nats.kill9(), servers.mongo.kill9()]);
    await Promise.all([servers.nats.restart(), servers.mongo.restart()]);
    expect([servers.nats.pid, servers.mongo.pid]).not.toEqual(before);

    const again = await connect({ servers: url, user, pass: password });
    expect((await (await again.jetstreamManager()).streams.info('KEPT')).state.messages).toBe(1);
    expect(await mongo.db().collection('kept').countDocuments()).toBe(1);
    await Promise.all([nats.close(), again.close(), mongo.close()]);
  });
});
