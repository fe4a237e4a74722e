/** Three nats-servers: a node that was frozen while another became leader wakes, and still takes itself for the leader. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { laneStream } from '../schema/subjects.ts';
import type { Environment } from '../services/config.ts';
import { startApi, type TestApi } from './support/api.ts';
import { startCluster, type TestCluster } from './support/cluster.ts';
import type { ClusterNode } from './support/nats-cluster.ts';
import { NewestLoad } from './support/newest.ts';
import { until } from './support/scribe.ts';

/** A long run: TEST_FREEZES=20. */
const FREEZES = Number(process.env['TEST_FREEZES'] ?? 2);
/** Longer than any election; and as soon as another leads, when the old one has not yet noticed anything by its own clock. */
const FROZEN_MS = [0, 10_000];

describe('a leader that wakes', () => {
  let cluster: TestCluster;
  const apis: TestApi[] = [];

  beforeAll(async () => {
    cluster = await startCluster();
    for (const node of cluster.nats.nodes.slice(0, 2))
      apis.push(await startApi({ config: (more: Environment) => cluster.config(more, node) } as never));
  }, 60_000);
  afterAll(async () => {
    await Promise.all(apis.map((api) => api.stop()));
    await cluster?.stop();
  }, 60_000);

  it(
    `answers no read with what was, and refuses nobody for it, ${FREEZES} times`,
    async () => {
      const load = new NewestLoad(...(apis as [TestApi, TestApi]));
      await load.start(6);
      for (let i = 0; i < FREEZES; i++) {
        // The one that readers are connected to at first, or the one that writers are.
        const leader = cluster.nats.nodes[1 - (Math.floor(i / 2) % 2)] as ClusterNode;
        for (const partition of [0, 1]) await cluster.nats.lead(laneStream(partition), leader);
        leader.freeze();
        const began = performance.now();
        const isLong = () => performance.now() - began > (FROZEN_MS[i % 2] as number);
        const more = () => {
          const { accepted } = load.seen;
          return until(() => load.seen.accepted > accepted + 200 && isLong(), Boolean, 60_000);
        };
        try {
          await more();
        } finally {
          leader.wake();
        }
        await more();
        if (FREEZES > 2) console.log(i + 1, JSON.stringify(load.seen));
      }
      const seen = await load.stop();
      console.log(JSON.stringify(seen));
      expect(seen).toMatchObject({ stale: 0, refused: 0 });
      expect(Math.min(seen.reads, seen.sends)).toBeGreaterThan(100);
    },
    60_000 + FREEZES * 60_000,
  );
});
