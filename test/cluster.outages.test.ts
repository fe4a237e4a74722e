/** Three nats-servers and an api: what it does, and what it says of itself, while some of them are frozen or gone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { laneStream } from '../schema/subjects.ts';
import type { Environment } from '../services/config.ts';
import { type Client, clientOf, startApi, type TestApi } from './support/api.ts';
import { groupOf } from './support/chat.ts';
import { startCluster, type TestCluster } from './support/cluster.ts';
import type { ClusterNode } from './support/nats-cluster.ts';
import { until } from './support/scribe.ts';
import { freePort } from './support/servers.ts';

const SEND = 'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } refused { code } } }';
const MAIN = fileURLToPath(new URL('../services/cli/main.ts', import.meta.url));

let cluster: TestCluster;
let api: TestApi;
let alice: Client;
const children: ChildProcess[] = [];

beforeAll(async () => {
  cluster = await startCluster();
  const [first] = cluster.nats.nodes;
  api = await startApi({ config: (more: Environment) => cluster.config(more, first) } as never);
  alice = await clientOf(api, 'alice');
}, 60_000);
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await api?.stop();
  await cluster?.stop();
}, 60_000);

const ready = async (port = api.port) => {
  const began = performance.now();
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
  return { status: answer.status, says: (await answer.text()).trim(), tookMs: performance.now() - began };
};
const accepts = async (id: string): Promise<boolean> => {
  const { data } = await alice.post(SEND, { input: { conversationId: id, text: 'hi', clientKey: randomUUID() } });
  return Boolean(data?.sendMessage?.accepted);
};
const leaderOf = async (stream: string): Promise<ClusterNode> =>
  (await until(() => cluster.nats.leaderOf(stream), Boolean, 60_000)) as ClusterNode;

describe('an api on three servers', () => {
  it('gives up a node that froze, and goes on with another', { timeout: 60_000 }, async () => {
    const id = await groupOf(alice, ['bob']);
    const [first, second] = cluster.nats.nodes as [ClusterNode, ClusterNode];
    for (const partition of [0, 1]) await cluster.nats.lead(laneStream(partition), second);
    expect(await accepts(id)).toBe(true);
    first.freeze();
    const began = performance.now();
    try {
      await until(() => accepts(id), Boolean, 30_000);
      // 3 s of silence, and what it takes to connect; 10 to 12 s before.
      expect(performance.now() - began).toBeLessThan(8_000);
    } finally {
      first.wake();
    }
  });

  it('is ready while the lanes go on, whatever becomes of the leader of the cluster', { timeout: 90_000 }, async () => {
    const meta = await until(() => cluster.nats.metaLeader(), Boolean, 30_000);
    const others = cluster.nats.nodes.filter((node) => node !== meta);
    for (const partition of [0, 1]) await cluster.nats.lead(laneStream(partition), others[0] as ClusterNode);
    await until(ready, ({ says }) => says === 'ready', 30_000);
    await meta?.kill9();
    try {
      const seen = new Set<string>();
      // Until there is another one.
      await until(
        async () => {
          const { status, says, tookMs } = await ready();
          expect(tookMs).toBeLessThan(3_000);
          seen.add(`${status} ${says}`);
          return cluster.nats.metaLeader();
        },
        (now) => now !== undefined && now !== meta,
        60_000,
      );
      // It may have been the node that the api was connected to: then it says so until it is connected to another.
      seen.delete('503 not connected to NATS');
      expect([...seen]).toEqual(['200 ready']);
    } finally {
      await meta?.restart();
    }
  });

  it('is not ready when no quorum takes a send, and says so within 3 s', { timeout: 90_000 }, async () => {
    await until(ready, ({ says }) => says === 'ready', 60_000);
    const leader = await leaderOf(laneStream(0));
    const others = cluster.nats.nodes.filter((node) => node !== leader);
    for (const node of others) node.freeze();
    try {
      const { says, tookMs } = await until(ready, ({ status }) => status === 503, 10_000);
      expect(says).toMatch(/2 of 2 partitions have no leader|not connected/);
      expect(tookMs).toBeLessThan(3_000);
    } finally {
      for (const node of others) node.wake();
    }
    await until(ready, ({ status }) => status === 200, 60_000);
  });

  it('waits at its start for a cluster that has no leader', { timeout: 90_000 }, async () => {
    const leader = await leaderOf(laneStream(0));
    const others = cluster.nats.nodes.filter((node) => node !== leader);
    for (const node of others) await node.kill9();
    const port = await freePort();
    const child = spawn(process.execPath, ['--import', 'tsx', MAIN, 'api'], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: cluster.environment({ LANES_PORT: String(port), LANES_ADMIN_PORT: '0' }, leader),
    });
    children.push(child);
    let ended: number | null | undefined;
    child.once('exit', (code) => {
      ended = code;
    });
    try {
      await until(
        () => ready(port).catch(() => undefined),
        (seen) => seen?.status === 503 || ended !== undefined,
        30_000,
      );
      // What a node that lost its quorum answers changes with time: it is left alone until it says so itself.
      await until(async () => ended !== undefined || (await cluster.nats.isLeaderless(leader)), Boolean, 40_000);
      expect(ended).toBeUndefined();
    } finally {
      for (const node of others) await node.restart();
    }
    await until(
      () => ready(port).catch(() => undefined),
      (seen) => seen?.status === 200 || ended !== undefined,
      60_000,
    );
    expect(ended).toBeUndefined();
  });
});
