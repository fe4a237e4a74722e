/** A projector that is killed leaves nothing in MongoDB that stays: the others forget it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { start } from '../services/projector/main.ts';
import type { Running } from '../services/run.ts';
import { Mongo } from '../services/views/connect.ts';
import { leasesOf } from '../services/views/views.ts';
import { silent } from './support/projecting.ts';
import { startServers, type TestServers } from './support/servers.ts';
import { until } from './support/until.ts';

const MAIN = fileURLToPath(new URL('../services/cli/main.ts', import.meta.url));
const SETTINGS = { LANES_PARTITIONS: '2', LANES_ADMIN_PORT: '0', LANES_LOG_LEVEL: 'silent' };

let servers: TestServers;
let mongo: Mongo;
let projector: Running;
beforeAll(async () => {
  servers = await startServers();
  mongo = new Mongo(servers.config().mongo, silent, { socketTimeoutMs: 5_000, maxPoolSize: 8 });
  projector = await start(servers.config(SETTINGS), silent);
});
afterAll(async () => {
  await projector?.stop();
  await mongo?.close();
  await servers?.stop();
});

const present = async () =>
  (
    await leasesOf(await mongo.db())
      .find({ _id: /@/ })
      .toArray()
  ).map(({ _id, owner }) => ({
    kind: _id.split('@')[0],
    owner,
  }));

test('the leases of a killed projector are forgotten by another, of history and of receipts', async () => {
  const own = await until(present, (found) => found.length === 2);
  expect(own.map(({ kind }) => kind).sort()).toEqual(['projector', 'receipts']);
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, 'projector'], {
    stdio: 'ignore',
    env: servers.environment(SETTINGS),
  });
  await until(present, (found) => found.length === 4);
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  await until(present, (found) => found.length === 2);
  expect(await present()).toEqual(expect.arrayContaining(own));
});
