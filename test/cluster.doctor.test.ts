/** `lanes doctor` on three nats-servers and three mongods: it says what is wrong with one of them, and ends. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { connect } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { laneStream } from '../schema/subjects.ts';
import { openJetStreamJournal } from '../services/journal/jetstream.ts';
import { startCluster, type TestCluster } from './support/cluster.ts';
import type { ClusterNode } from './support/nats-cluster.ts';
import { silent } from './support/projecting.ts';
import { until } from './support/scribe.ts';

const MAIN = fileURLToPath(new URL('../services/cli/main.ts', import.meta.url));

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster({ mongo: true });
  const { nats, partitions, storeBytes: maxBytes } = cluster.config();
  await (await openJetStreamJournal({ ...nats, partitions, maxBytes, name: 'test', log: silent })).close();
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);

/** What it says of the servers; no room runs here. */
async function doctor(): Promise<string[]> {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, 'doctor'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: cluster.environment({ LANES_PORT: '1', LANES_ADMIN_PORT: '1' }),
  });
  let said = '';
  child.stdout.on('data', (bytes) => {
    said += bytes;
  });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  expect(code).toBe(1);
  return said.split('\n').filter((line) => /^(ok|warning|BAD) +(nats|streams|cluster|mongo) /.test(line));
}
const badOf = (lines: readonly string[]): string[] => lines.filter((line) => line.startsWith('BAD'));

describe('the doctor', { timeout: 120_000 }, () => {
  it('finds nothing bad while all are up', async () => {
    await until(doctor, (lines) => badOf(lines).length === 0 && lines.length >= 3, 60_000);
  });

  it('names a node that is down, and one that is frozen', async () => {
    const [first, , third] = cluster.nats.nodes as [ClusterNode, ClusterNode, ClusterNode];
    await third.kill9();
    try {
      await until(doctor, (lines) => badOf(lines).some((line) => /cluster +n3 is down/.test(line)), 60_000);
    } finally {
      await third.restart();
    }
    await until(doctor, (lines) => badOf(lines).length === 0, 60_000);
    first.freeze();
    try {
      await until(doctor, (lines) => badOf(lines).some((line) => /cluster +n1 is down, frozen/.test(line)), 60_000);
    } finally {
      first.wake();
    }
  });

  it('names a mongod that is frozen', async () => {
    const nodes = cluster.mongo?.nodes ?? [];
    const primary = await until(() => cluster.mongo?.primary(), Boolean, 30_000);
    const secondary = nodes.find((node) => node !== primary) as ClusterNode;
    secondary.freeze();
    try {
      const { host } = new URL(secondary.url);
      expect(badOf(await doctor()).filter((line) => line.includes('mongo'))).toEqual([
        expect.stringContaining(`${host} of set lanes is down, frozen or behind`),
      ]);
    } finally {
      secondary.wake();
    }
  });

  it('names streams with too few replicas', { timeout: 150_000 }, async () => {
    const { servers, user, password } = cluster.nats.address();
    const nc = await connect({ servers: [...servers], user: user ?? '', pass: password ?? '' });
    const lowered = async (): Promise<boolean> => {
      const { streams } = await nc.jetstreamManager();
      const { config } = await streams.info(laneStream(1));
      return (await streams.update(laneStream(1), { ...config, num_replicas: 1 })).config.num_replicas === 1;
    };
    // The stream may have no leader yet.
    await until(() => lowered().catch(() => false), Boolean, 60_000);
    await nc.close();
    await until(
      doctor,
      (lines) => badOf(lines).some((line) => /1 streams have fewer than 3 replicas: LANES_1/.test(line)),
      60_000,
    );
  });
});
