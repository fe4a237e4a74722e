/** Three real nats-servers as one cluster, every stream on all of them; each can be frozen, woken, killed and started again. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'nats';
import { parseCalloutKeys } from '../../services/callout-keys.ts';
import { type NatsAddress, readSettings } from '../../services/config.ts';
import { openDataDir, pathsOf, readSecret } from '../../services/embedded/data-dir.ts';
import { findServer } from '../../services/embedded/find.ts';
import { natsConfigOf } from '../../services/embedded/nats-config.ts';
import { NATS, natsRuntimeOf } from '../../services/embedded/nats-server.ts';
import { type RunningProcess, startProcess } from '../../services/embedded/process.ts';
import { until } from './scribe.ts';
import { freePorts } from './servers.ts';

export interface ClusterNode {
  readonly name: string;
  readonly url: string;
  /** 0: it does not run. */
  readonly pid: number;
  /** SIGSTOP: it answers nothing, and its connections stay. */
  freeze(): void;
  wake(): void;
  /** SIGKILL; settles when it is gone. */
  kill9(): Promise<void>;
  /** After a kill, on the same port and data. */
  restart(): Promise<void>;
}
export interface NatsCluster {
  readonly nodes: readonly ClusterNode[];
  /** Of all nodes; or of the one to connect to first, which tells of the others. */
  address(first?: ClusterNode): NatsAddress;
  /** The system account's. */
  readonly sys: { readonly user: string; readonly password: string };
  /** The node that leads a stream. Undefined: nobody says that he does. */
  leaderOf(stream: string): Promise<ClusterNode | undefined>;
  /** Moves a stream's lead to that node. */
  lead(stream: string, node: ClusterNode): Promise<void>;
  /** The node that leads the cluster, as all say who run. Undefined: they do not agree. */
  metaLeader(): Promise<ClusterNode | undefined>;
  /** The node itself says that the cluster has no leader. */
  isLeaderless(node: ClusterNode): Promise<boolean>;
  /** Settles when JetStream answers. */
  ready(): Promise<void>;
  stop(): Promise<void>;
}

const COUNT = 3;
/** More than any test's LANES_STORE_BYTES. */
const STORE = { total: 2 ** 40, apps: 2 ** 38, mqtt: 2 ** 30 };

/** As docs/operations.md recommends it. `dir`: of an installation, whose secrets these servers have. */
export async function startNatsCluster(dir: string): Promise<NatsCluster> {
  openDataDir(dir);
  const { binary } = await findServer(NATS, { cacheDir: readSettings().cacheDir, print: () => undefined });
  const [first, routes] = [await freePorts(COUNT), await freePorts(COUNT)];
  const parts = { dir, binary, first, routes };
  const nodes = await Promise.all(Array.from({ length: COUNT }, (_, i) => startNode(parts, i)));
  const { nats, natsSys } = natsRuntimeOf({ dataDir: dir, natsPort: first });
  const address: NatsCluster['address'] = (wanted) => ({
    ...nats,
    servers: (wanted ? [wanted] : nodes).map(({ url }) => url),
  });
  const cluster = {
    ...{ nodes, address, sys: natsSys ?? { user: '', password: '' } },
    leaderOf: (stream: string) => leaderOf(address(), nodes, stream),
    lead: async (stream: string, node: ClusterNode) => {
      const leads = async (): Promise<boolean> => (await leaderOf(address(), nodes, stream)) === node;
      const move = async (): Promise<boolean> => {
        if (await leads()) return true;
        await askApi(address(), `STREAM.LEADER.STEPDOWN.${stream}`, { placement: { preferred: node.name } });
        // One that is behind is passed over; another time it may be up to date.
        return until(leads, Boolean, 3_000).catch(() => false);
      };
      await until(move, Boolean, 60_000);
    },
    metaLeader: async () => {
      const asked = nodes.map((node) =>
        ask<Jsz>({ ...address(node), ...natsSys }, '$SYS.REQ.SERVER.PING.JSZ', {}, true),
      );
      const said = (await Promise.all(asked)).filter((jsz) => jsz !== undefined);
      const [name, ...others] = new Set(said.map((jsz) => jsz.data?.meta_cluster?.leader));
      return said.length < 2 || others.length > 0 ? undefined : nodes.find((node) => node.name === name);
    },
    isLeaderless: async (node: ClusterNode) => {
      const answer = await ask<{ error?: { err_code?: number } }>(address(node), '$JS.API.INFO', '', true);
      return answer?.error?.err_code === 10008;
    },
    ready: async () => void (await until(() => askApi(address(), 'INFO'), Boolean, 60_000)),
    stop: async () => {
      for (const node of nodes) node.wake();
      await Promise.all(nodes.map((node) => node.kill9()));
    },
  };
  await cluster.ready();
  return cluster;
}

interface NodeParts {
  readonly dir: string;
  readonly binary: string;
  readonly first: number;
  readonly routes: number;
}

async function startNode({ dir, binary, first, routes }: NodeParts, i: number): Promise<ClusterNode> {
  const name = `n${i + 1}`;
  const dataDir = join(dir, name);
  openDataDir(dataDir);
  const config = join(pathsOf(dataDir).run, 'nats-server.conf');
  writeFileSync(config, configOf(dir, { dataDir, name, port: first + i, route: routes + i, routes }), { mode: 0o600 });
  const start = () => startProcess({ name: NATS, command: binary, args: ['-c', config], dataDir, output: 'log' });
  return nodeOf({ name, url: `nats://127.0.0.1:${first + i}` }, start);
}

/** A server that `start` starts. */
export async function nodeOf(
  who: Pick<ClusterNode, 'name' | 'url'>,
  start: () => Promise<RunningProcess>,
): Promise<ClusterNode> {
  let running: RunningProcess | undefined = await start();
  const signal = (which: NodeJS.Signals): void => void (running && process.kill(running.pid, which));
  return {
    ...who,
    get pid() {
      return running?.pid ?? 0;
    },
    freeze: () => signal('SIGSTOP'),
    wake: () => signal('SIGCONT'),
    kill9: async () => {
      signal('SIGKILL');
      await running?.exited;
      running = undefined;
    },
    restart: async () => {
      running ??= await start();
    },
  };
}

function configOf(
  dir: string,
  {
    dataDir,
    name,
    port,
    route,
    routes,
  }: { dataDir: string; name: string; port: number; route: number; routes: number },
): string {
  const { nats, natsSys, natsBridge, natsCalloutSeedFile } = natsRuntimeOf({ dataDir: dir, natsPort: port });
  mkdirSync(pathsOf(dataDir).nats, { recursive: true });
  const all = Array.from({ length: COUNT }, (_, i) => `"nats://127.0.0.1:${routes + i}"`);
  const one = natsConfigOf({
    ...{ listen: `127.0.0.1:${port}`, storeDir: pathsOf(dataDir).nats, fsync: 'default', store: STORE },
    lanes: { user: nats.user ?? '', password: nats.password ?? '' },
    ...{ bridge: natsBridge, sys: natsSys ?? { user: '', password: '' } },
    issuer: parseCalloutKeys(
      readFileSync(natsCalloutSeedFile, 'utf8').trim(),
      natsCalloutSeedFile,
    ).issuer.getPublicKey(),
    ...{ curve: undefined, mqtt: undefined, webSocket: undefined },
  });
  return `${one.replace('server_name: lanes', `server_name: ${name}`)}
cluster {
  name: "lanes-test"
  listen: "127.0.0.1:${route}"
  routes: [ ${all.join(', ')} ]
  ping_interval: "1s"
  ping_max: 2
  authorization { user: "route", password: "${readSecret(dir, 'nats-route-password')}" }
}
`.replaceAll('"nats://127.0.0.1', `"nats://route:${readSecret(dir, 'nats-route-password')}@127.0.0.1`);
}

/** Whatever is answered; undefined: nothing. `alone`: the first server is asked, and no other. */
async function ask<T>(address: Address, subject: string, request: unknown = '', alone = false): Promise<T | undefined> {
  const connection = await connect({
    servers: [...address.servers],
    ...{ user: address.user ?? '', pass: address.password ?? '', timeout: 2_000, reconnect: false },
    ignoreClusterUpdates: alone,
  }).catch(() => undefined);
  try {
    const answer = await connection?.request(subject, JSON.stringify(request), { timeout: 2_000 });
    return answer?.json<T>();
  } catch {
    return undefined;
  } finally {
    await connection?.close();
  }
}
type Address = Pick<NatsAddress, 'servers' | 'user' | 'password'>;

/** Of one that is an answer, and no refusal. */
async function askApi<T extends object>(address: Address, subject: string, request?: unknown): Promise<T | undefined> {
  const answer = await ask<T>(address, `$JS.API.${subject}`, request);
  return answer && !('error' in answer) ? answer : undefined;
}

async function leaderOf(
  address: Address,
  nodes: readonly ClusterNode[],
  stream: string,
): Promise<ClusterNode | undefined> {
  const info = await askApi<{ cluster?: { leader?: string } }>(address, `STREAM.INFO.${stream}`, {});
  return nodes.find(({ name }) => name === info?.cluster?.leader);
}

interface Jsz {
  readonly data?: { readonly meta_cluster?: { readonly leader?: string } };
}
