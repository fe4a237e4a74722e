/** Three real mongods as one replica set; each can be frozen, killed and started again. */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { readSettings } from '../../services/config.ts';
import { openDataDir, pathsOf, readSecret, secretPathOf } from '../../services/embedded/data-dir.ts';
import { findServer } from '../../services/embedded/find.ts';
import { MONGOD } from '../../services/embedded/mongod.ts';
import { startProcess } from '../../services/embedded/process.ts';
import { type ClusterNode, nodeOf } from './nats-cluster.ts';
import { until } from './scribe.ts';
import { freePorts } from './servers.ts';

export interface MongoSet {
  readonly url: string;
  readonly nodes: readonly ClusterNode[];
  /** Undefined: there is none that says so. */
  primary(): Promise<ClusterNode | undefined>;
  stop(): Promise<void>;
}

const COUNT = 3;
const SET = 'lanes';
const USER = 'lanes';

export async function startMongoSet(dir: string): Promise<MongoSet> {
  openDataDir(dir);
  const key = secretPathOf(dir, 'mongo-key');
  readSecret(dir, 'mongo-key', 96, 'base64');
  chmodSync(key, 0o600);
  const { binary } = await findServer(MONGOD, { cacheDir: readSettings().cacheDir, print: () => undefined });
  const first = await freePorts(COUNT);
  const hosts = Array.from({ length: COUNT }, (_, i) => `127.0.0.1:${first + i}`);
  const nodes = await Promise.all(
    hosts.map((host, i) => {
      const dataDir = join(dir, `m${i + 1}`);
      openDataDir(dataDir);
      const args = [
        ...[
          '--port',
          String(first + i),
          '--bind_ip',
          '127.0.0.1',
          '--dbpath',
          pathsOf(dataDir).mongo,
          '--nounixsocket',
        ],
        ...['--replSet', SET, '--keyFile', key, '--oplogSize', '990', '--wiredTigerCacheSizeGB', '0.25', '--quiet'],
        ...['--setParameter', 'diagnosticDataCollectionEnabled=false'],
      ];
      const start = () => startProcess({ name: MONGOD, command: binary, args, dataDir, output: 'log' });
      return nodeOf({ name: `m${i + 1}`, url: `mongodb://${host}` }, start);
    }),
  );
  const password = readSecret(dir, 'mongo-password');
  await initiate(hosts, password);
  const url = `mongodb://${USER}:${password}@${hosts.join(',')}/lanes?replicaSet=${SET}&authSource=admin`;
  return {
    ...{ url, nodes },
    primary: () =>
      asked(url, async (client) => {
        const { primary } = await client.db('admin').command({ hello: 1 });
        return nodes.find((node) => node.url === `mongodb://${primary}`);
      }),
    stop: async () => {
      for (const node of nodes) node.wake();
      await Promise.all(nodes.map((node) => node.kill9()));
    },
  };
}

/** Through the exception that a mongod without users makes for its own machine. */
async function initiate(hosts: readonly string[], password: string): Promise<void> {
  const [host = ''] = hosts;
  const direct = `mongodb://${host}/admin?directConnection=true`;
  const config = {
    _id: SET,
    // The first is preferred, so that it is known who makes the user.
    members: hosts.map((one, i) => ({ _id: i, host: one, priority: i === 0 ? 2 : 1 })),
    settings: { electionTimeoutMillis: 2_000, heartbeatIntervalMillis: 500 },
  };
  await until(
    () =>
      asked(direct, (client) =>
        client
          .db('admin')
          .command({ replSetInitiate: config })
          .then(
            () => true,
            (error) => error.codeName === 'AlreadyInitialized',
          ),
      ),
    Boolean,
    60_000,
  );
  await until(
    () =>
      asked(direct, async (client) => {
        const { isWritablePrimary } = await client.db('admin').command({ hello: 1 });
        if (!isWritablePrimary) return false;
        await client.db('admin').command({ createUser: USER, pwd: password, roles: ['root'] });
        return true;
      }),
    Boolean,
    60_000,
  );
}

async function asked<T>(url: string, ask: (client: MongoClient) => Promise<T>): Promise<T | undefined> {
  const client = new MongoClient(url, {
    serverSelectionTimeoutMS: 2_000,
    connectTimeoutMS: 2_000,
    socketTimeoutMS: 5_000,
  });
  try {
    return await ask(client);
  } catch {
    return undefined;
  } finally {
    await client.close();
  }
}
