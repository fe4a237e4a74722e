/** Partitions shared by leases: who is gone is told, and who was only late comes back. */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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

describe('whoever holds a lease', () => {
  const leases = new Leases(() => mongo.db(), randomUUID());
  const holdsOf = async (name: string) => (await leases.list()).find((lease) => lease.name === name)?.holds;

  test('is gone at once where its process is, and is not judged from another place', async () => {
    const { pid = 0 } = spawnSync(process.execPath, ['--version']);
    await leases.take('judged');
    expect(await holdsOf('judged')).toBe(true);
    const change = async ($set: object, $unset: Record<string, true> = {}) =>
      void (await leasesOf(await mongo.db()).updateOne({ _id: 'judged' }, { $set, $unset }));
    await change({ pid });
    expect(await holdsOf('judged')).toBe(false);
    // Of the same machine: a container has its own numbers, and so had the machine before it was started anew.
    const { place = '' } = (await leasesOf(await mongo.db()).findOne({ _id: 'judged' })) ?? {};
    const [boot, namespace] = place.split(' ');
    await change({ place: `${boot} pid:[1]` });
    expect(await holdsOf('judged')).toBe(true);
    await change({ place: `${randomUUID()} ${namespace}` });
    expect(await holdsOf('judged')).toBe(true);
    // As earlier versions wrote it.
    await change({}, { place: true });
    expect(await holdsOf('judged')).toBe(true);
    await change({ until: new Date(0) });
    expect(await holdsOf('judged')).toBe(false);
    await change({ place, pid: process.pid, until: new Date(Date.now() + 60_000) });
    expect(await holdsOf('judged')).toBe(true);
  });

  test('is forgotten only if it said nothing since', async () => {
    const other = new Leases(() => mongo.db(), randomUUID());
    await other.take('late');
    await leasesOf(await mongo.db()).updateOne({ _id: 'late' }, { $set: { until: new Date(0) } });
    const [seen] = (await leases.list()).filter(({ name }) => name === 'late');
    if (!seen) throw new Error('not listed');
    await other.renew(['late']);
    await leases.forget([seen]);
    expect(await holdsOf('late')).toBe(true);
  });
});
