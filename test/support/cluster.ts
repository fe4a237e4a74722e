/** What an installation of several machines runs on: three nats-servers, and a replica set of three mongods where they are wanted. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, type Environment, environmentOf, readSettings } from '../../services/config.ts';
import { openConfig, openDataDir } from '../../services/embedded/data-dir.ts';
import { lockDataDir } from '../../services/embedded/lock.ts';
import { natsRuntimeOf } from '../../services/embedded/nats-server.ts';
import { type MongoSet, startMongoSet } from './mongo-set.ts';
import { type ClusterNode, type NatsCluster, startNatsCluster } from './nats-cluster.ts';

export interface TestCluster {
  readonly nats: NatsCluster;
  /** Undefined: not asked for, and its address leads nowhere. */
  readonly mongo: MongoSet | undefined;
  readonly dir: string;
  /** For a room inside the test; it connects to `first`, which tells it of the other nodes. */
  config(more?: Environment, first?: ClusterNode): Config;
  /** For a room as a process of its own. */
  environment(more?: Environment, first?: ClusterNode): Record<string, string>;
  stop(): Promise<void>;
}

export async function startCluster({
  mongo: isWanted = false,
}: {
  readonly mongo?: boolean;
} = {}): Promise<TestCluster> {
  const dir = mkdtempSync(join(tmpdir(), 'lanes-cluster-'));
  openDataDir(dir);
  const unlock = lockDataDir(dir);
  const [nats, mongo] = await Promise.all([
    startNatsCluster(join(dir, 'cluster')),
    isWanted ? startMongoSet(join(dir, 'set')) : undefined,
  ]);
  const settingsOf = (more: Environment, first?: ClusterNode) => {
    const { servers, user, password } = nats.address(first);
    const { natsBridge, natsCalloutSeedFile } = natsRuntimeOf({ dataDir: join(dir, 'cluster'), natsPort: 0 });
    return {
      LANES_DATA: dir,
      LANES_NATS_URL: servers.join(','),
      LANES_NATS_USER: user ?? '',
      LANES_NATS_PASSWORD: password ?? '',
      LANES_NATS_SYS_USER: nats.sys.user,
      LANES_NATS_SYS_PASSWORD: nats.sys.password,
      LANES_NATS_BRIDGE_USER: natsBridge.user,
      LANES_NATS_BRIDGE_PASSWORD: natsBridge.password,
      LANES_NATS_CALLOUT_SEED_FILE: natsCalloutSeedFile,
      LANES_MONGO_URL: mongo?.url ?? 'mongodb://127.0.0.1:1/lanes?replicaSet=lanes',
      LANES_PARTITIONS: '2',
      LANES_STORE_BYTES: String(2 * 1024 ** 3),
      LANES_BRIDGE_PORT: '0',
      LANES_LOG_LEVEL: 'warn',
      ...more,
    };
  };
  const config: TestCluster['config'] = (more = {}, first = undefined) =>
    openConfig(readSettings(settingsOf(more, first)));
  return {
    ...{ nats, mongo, dir, config },
    environment: (more = {}, first = undefined) =>
      ({ ...environmentOf(config(more, first)), ...settingsOf(more, first) }) as Record<string, string>,
    stop: async () => {
      await Promise.all([nats.stop(), mongo?.stop()]);
      unlock();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
