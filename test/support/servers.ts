/**
 * Real servers for tests, benchmarks and fault runs: the same code that `npm start` uses, on free ports, in a folder of
 * their own under the temporary folder. Whoever starts them stops them.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, type Environment, environmentOf, mongoUrlOf, readSettings } from '../../services/config.ts';
import { openConfig, openDataDir } from '../../services/embedded/data-dir.ts';
import { findServer } from '../../services/embedded/find.ts';
import { lockDataDir } from '../../services/embedded/lock.ts';
import { MONGOD, type Mongod, mongoRuntimeOf, startMongod } from '../../services/embedded/mongod.ts';
import { NATS, type NatsServer, natsRuntimeOf, startNatsServer } from '../../services/embedded/nats-server.ts';
import { endOrphan, readLivePid } from '../../services/embedded/process.ts';
import { leaseMongod, POOL } from './mongod-lease.ts';

export type TestServer = {
  readonly pid: number;
  /** SIGKILL; settles when the process is gone. */
  kill9(): Promise<void>;
  /** Starts it again on the same port and data; stops it first if it runs. Settles when it is ready. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};
export type TestNats = TestServer & {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** Where third parties come in; null: not asked for. */
  readonly webSocketUrl: string | null;
  readonly mqttUrl: string | null;
};
/** `url` carries the user info: `new MongoClient(url)` is enough. */
export type TestMongo = TestServer & { readonly url: string };
export type TestServers = {
  readonly nats: TestNats;
  readonly mongo: TestMongo;
  /** The installation's `LANES_DATA`. */
  readonly dir: string;
  /** The settings of a room on these servers, as environment of a child process. `more` wins. */
  environment(more?: Environment): Record<string, string>;
  /** The same, for a room inside the test. */
  config(more?: Environment): Config;
  /** Ends both and removes the folder, unless it was given. */
  stop(): Promise<void>;
};
export type ServerOptions = {
  /** Default `default`: fast, and enough unless the machine itself is cut off. */
  readonly fsync?: 'always' | 'default';
  /** false: not started, and its address leads nowhere. */
  readonly nats?: boolean;
  readonly mongo?: boolean;
  /** true: a mongod on `dir`, with its secrets. Else, in a run of tests, it is one that was emptied after another file. */
  readonly ownMongo?: boolean;
  /** true: nats-server listens for WebSocket and MQTT, too. */
  readonly listeners?: boolean;
  /** true: nats-server encrypts what it asks of who somebody is. */
  readonly encrypted?: boolean;
  readonly dir?: string;
};

/** Below the ports that outgoing connections are given (from 32,768, usually), so that none of those takes one meanwhile. */
/** Of which nothing is taken beforehand: enough for as many integrations as a test makes. */
const STORE_BYTES = 256 * 1024 ** 3;
const FIRST_PORT = 15_000;
const PORTS = 17_000;

export const freePort = (): Promise<number> => freePorts(1);

/** The first of so many in a row. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = FIRST_PORT + Math.floor(Math.random() * (PORTS - count));
    const all = await Promise.all(Array.from({ length: count }, (_, i) => isFree(first + i)));
    if (all.every(Boolean)) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

const PREFIX = 'lanes-test-';
const print = (line: string): void => void process.stderr.write(`${line}\n`);

/** Ends and removes what a killed test run left: folders whose owner is known and dead. */
async function sweep(): Promise<void> {
  const folders = readdirSync(tmpdir()).filter((name) => name.startsWith(PREFIX));
  for (const folder of folders.map((name) => join(tmpdir(), name))) {
    const isOwned = existsSync(join(folder, 'run', 'supervisor.pid'));
    if (!isOwned || readLivePid(folder, 'supervisor') !== undefined) continue;
    await Promise.all([NATS, MONGOD].map((name) => endOrphan(folder, name, 2000)));
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function startServers(options: ServerOptions = {}): Promise<TestServers> {
  await sweep();
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), PREFIX));
  openDataDir(dir);
  const unlock = lockDataDir(dir);
  const [natsPort, mongoPort] = [await freePort(), await freePort()];
  const { cacheDir } = readSettings();
  const where = { dataDir: dir, natsPort, mongoPort };
  const listeners = options.listeners
    ? { mqttPort: await freePort(), wsPort: await freePort() }
    : { mqttPort: 0, wsPort: 0 };
  const [nats, mongo] = await Promise.all([
    serverOf(options.nats ?? true, async () => {
      const { binary } = await findServer('nats-server', { cacheDir, print });
      return () =>
        startNatsServer({
          ...{ ...where, binary, listeners, fsync: options.fsync ?? 'default', storeBytes: STORE_BYTES },
          encrypted: options.encrypted ?? false,
        });
    }),
    mongoOf(options, where, cacheDir),
  ]);
  const runtime = natsRuntimeOf(where, listeners);
  const { user, password, servers } = runtime.nats;
  const settings = {
    LANES_DATA: dir,
    LANES_NATS_URL: servers.join(','),
    LANES_NATS_USER: user ?? '',
    LANES_NATS_PASSWORD: password ?? '',
    LANES_NATS_SYS_USER: runtime.natsSys?.user ?? '',
    LANES_NATS_SYS_PASSWORD: runtime.natsSys?.password ?? '',
    LANES_NATS_BRIDGE_USER: runtime.natsBridge.user,
    LANES_NATS_BRIDGE_PASSWORD: runtime.natsBridge.password,
    LANES_NATS_CALLOUT_SEED_FILE: runtime.natsCalloutSeedFile,
    LANES_NATS_WS_PUBLIC_URL: runtime.natsPublic.webSocket ?? '',
    LANES_MQTT_PUBLIC_URL: runtime.natsPublic.mqtt ?? '',
    LANES_MONGO_URL: mongo.url,
    LANES_BRIDGE_PORT: '0',
    LANES_STORE_BYTES: String(STORE_BYTES),
    LANES_LOG_LEVEL: 'warn',
  };
  return {
    nats: Object.assign(nats, {
      url: servers.join(','),
      user: user ?? '',
      password: password ?? '',
      webSocketUrl: runtime.natsPublic.webSocket,
      mqttUrl: runtime.natsPublic.mqtt,
    }),
    mongo,
    dir,
    environment: (more = {}) => ({
      ...environmentOf(openConfig(readSettings(settings))),
      ...definedOf({ ...settings, ...more }),
    }),
    config: (more = {}) => openConfig(readSettings({ ...settings, ...more })),
    stop: async () => {
      await Promise.all([nats.stop(), mongo.release()]);
      unlock();
      if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** `release` is for whoever is done with it. */
async function mongoOf(
  { mongo: isWanted = true, ownMongo = false, dir }: ServerOptions,
  where: { readonly dataDir: string; readonly mongoPort: number },
  cacheDir: string,
): Promise<TestMongo & { release(): Promise<void> }> {
  const pool = process.env[POOL];
  if (isWanted && !ownMongo && dir === undefined && pool !== undefined) return leaseMongod(pool);
  const server = await serverOf(isWanted, async () => {
    const { binary } = await findServer('mongod', { cacheDir, print });
    return () => startMongod({ ...where, binary });
  });
  return Object.assign(server, { url: mongoUrlOf(mongoRuntimeOf(where)), release: () => server.stop() });
}

const definedOf = (environment: Environment): Record<string, string> =>
  Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined));

async function serverOf(
  wanted: boolean,
  prepare: () => Promise<() => Promise<NatsServer | Mongod>>,
): Promise<TestServer> {
  if (!wanted) return { pid: 0, kill9: async () => {}, restart: async () => {}, stop: async () => {} };
  const start = await prepare();
  let running: NatsServer | Mongod | undefined = await start();
  const stop = async () => {
    await running?.stop();
    running = undefined;
  };
  return {
    get pid() {
      return running?.pid ?? 0;
    },
    kill9: async () => {
      if (running === undefined) return;
      process.kill(running.pid, 'SIGKILL');
      await running.exited;
      running = undefined;
    },
    restart: async () => {
      await stop();
      running = await start();
    },
    stop,
  };
}
