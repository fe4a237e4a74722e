/** Partitions shared by leases: who is gone is told, and who was only late comes back. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Mongo } from '../services/views/connect.ts';
import { Leases } from '../services/views/leases.ts';
import { Share } from '../services/views/share.ts';
import { leasesOf } from '../services/views/views.ts';
import { silent } from './support/projecting.ts';
import { startServers, type TestServers } from './support/servers.ts';

let servers: TestServers;
let mongo: Mongo;
beforeAll(async () => {
  servers = await startServers({ nats: false });
  mongo = new Mongo(servers.config().mongo, silent, { socketTimeoutMs: 5_000, maxPoolSize: 8 });
});
afterAll(async () => {
  await mongo?.close();
  await servers?.stop();
});

test('who does not keep its leases is gone until it is forgotten, or until it keeps them again', async () => {
  const owners = [randomUUID(), randomUUID()] as const;
  const [one, two] = owners.map((owner) => new Share(new Leases(() => mongo.db(), owner), 4, 'notifier')) as [
    Share,
    Share,
  ];
  await one.keep();
  await two.keep();
  const both = await one.keep();
  expect(both.gone).toEqual([]);
  expect(both.surplus).toHaveLength(2);
  await one.release(both.surplus);
  // Nothing is heard of the second for longer than its leases last.
  const leases = leasesOf(await mongo.db());
  await leases.updateMany({ owner: owners[1] }, { $set: { until: new Date(0) } });
  const alone = await one.keep();
  expect(alone.gone.map(({ owner }) => owner)).toEqual([owners[1]]);
  expect(alone.mine).toHaveLength(4);
  await one.forget(alone.gone);
  expect((await one.keep()).gone).toEqual([]);
  // It was only late.
  await two.keep();
  const again = await one.keep();
  expect(again.gone).toEqual([]);
  expect(again.surplus).toHaveLength(2);
});
