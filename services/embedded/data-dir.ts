/**
 * What lies in `LANES_DATA`: `secrets/` (mode 0600, made once), `run/` (pid files, the running servers' addresses), `log/`,
 * and the stores of the embedded servers. Everything in it belongs to this installation and to nobody else.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { appBytesOf } from '../../schema/streams.ts';
import {
  bridgeAddressOf,
  type Config,
  ConfigError,
  type MongoAddress,
  type NatsAddress,
  type PublicAddresses,
  type Settings,
} from '../config.ts';

/** The embedded streams get this part of the disk's free space at the first start; the rest is MongoDB's and everybody's. */
const STORE_SHARE = 0.4;
const STORE_BYTES_MAX = 256 * 1024 ** 3;
/** With servers of one's own nothing is known of their disks; `LANES_STORE_BYTES` says better. */
const STORE_BYTES_ELSEWHERE = 16 * 1024 ** 3;

/** The embedded servers of a running installation, as other processes on this machine find them. Holds credentials. */
export type Runtime = {
  readonly nats?: NatsAddress;
  readonly natsSys?: Settings['natsSys'];
  readonly natsBridge?: NonNullable<Settings['natsBridge']>;
  readonly natsCalloutSeedFile?: string;
  readonly natsPublic?: PublicAddresses;
  readonly mongo?: MongoAddress;
};

export const pathsOf = (dataDir: string) => ({
  secrets: join(dataDir, 'secrets'),
  run: join(dataDir, 'run'),
  log: join(dataDir, 'log'),
  nats: join(dataDir, 'nats'),
  mongo: join(dataDir, 'mongo'),
  runtime: join(dataDir, 'run', 'servers.json'),
});

/** Makes the folders, private to the user. Throws `ConfigError` where that is not allowed or there is no room. */
export function openDataDir(dataDir: string): void {
  const { secrets, run, log, nats, mongo } = pathsOf(dataDir);
  try {
    for (const folder of [dataDir, secrets, run, log, nats, mongo]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    writePrivate(join(run, 'probe'), 'x'.repeat(4096));
    rmSync(join(run, 'probe'));
  } catch (error) {
    throw diskErrorOf(error, dataDir) ?? error;
  }
}

/** A missing right or a full disk as one line that names the setting that helps; undefined: something else. */
export function diskErrorOf(error: unknown, dataDir: string): ConfigError | undefined {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new ConfigError(`no right to write ${dataDir}: make it writable or set LANES_DATA to another folder`);
    case 'ENOSPC':
    case 'EDQUOT':
      return new ConfigError(`the disk of ${dataDir} is full: make room or set LANES_DATA to another disk`);
    case 'ENOTDIR':
    case 'EEXIST':
      return new ConfigError(`${dataDir} is not a folder: set LANES_DATA to one`);
    default:
      return undefined;
  }
}

/** Whole or not at all, readable by its owner alone. */
export function writePrivate(path: string, content: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, content, { mode: 0o600, flush: true });
  renameSync(temporary, path);
}

/** The secret of that name, made at its first use: `bytes` random bytes. */
export function readSecret(dataDir: string, name: string, bytes = 32, encoding: 'hex' | 'base64' = 'hex'): string {
  return readOrMake(secretPathOf(dataDir, name), () => randomBytes(bytes).toString(encoding));
}

export const secretPathOf = (dataDir: string, name: string): string => join(pathsOf(dataDir).secrets, name);

/**
 * The file's content, made first where there is none. Of two processes that make it at once both get the same one: a link
 * is made whole or not at all, and only once.
 */
export function readOrMake(path: string, make: () => string): string {
  if (!existsSync(path)) {
    const temporary = `${path}.${process.pid}.tmp`;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(temporary, make(), { mode: 0o600, flush: true });
      linkSync(temporary, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw diskErrorOf(error, dirname(path)) ?? error;
    } finally {
      rmSync(temporary, { force: true });
    }
  }
  const content = readFileSync(path, 'utf8').trim();
  if (content === '') throw new ConfigError(`${path} is empty: remove it, a new one is made`);
  return content;
}

export function writeRuntime(dataDir: string, runtime: Runtime): void {
  writePrivate(pathsOf(dataDir).runtime, JSON.stringify(runtime));
}

export function removeRuntime(dataDir: string): void {
  rmSync(pathsOf(dataDir).runtime, { force: true });
}

export function readRuntime(dataDir: string): Runtime | undefined {
  try {
    return JSON.parse(readFileSync(pathsOf(dataDir).runtime, 'utf8')) as Runtime;
  } catch (error) {
    const denied = (error as NodeJS.ErrnoException).code === 'EACCES';
    if (denied) throw new ConfigError(`no right to read ${dataDir}: be the user who started it, or set LANES_DATA`);
    return undefined;
  }
}

/** Settings with an answer for everything: addresses from the settings, else those of the installation that runs on `LANES_DATA`. */
export function openConfig(settings: Settings): Config {
  const runtime = settings.nats === null || settings.mongo === null ? readRuntime(settings.dataDir) : undefined;
  const nats = settings.nats ?? runtime?.nats;
  const mongo = settings.mongo ?? runtime?.mongo;
  if (nats === undefined || mongo === undefined) {
    const [server, setting] = nats === undefined ? ['NATS', 'LANES_NATS_URL'] : ['MongoDB', 'LANES_MONGO_URL'];
    throw new ConfigError(
      `where is ${server}? Set ${setting}, or run "npm start" first (nothing runs on LANES_DATA=${settings.dataDir})`,
    );
  }
  // What belongs to the embedded NATS is used with it alone.
  const embedded = settings.nats === null ? runtime : undefined;
  const bridge = settings.natsBridge ?? embedded?.natsBridge;
  const storeBytes = storeBytesOf(settings);
  return {
    ...settings,
    nats,
    natsSys: settings.natsSys ?? embedded?.natsSys ?? null,
    natsBridge: bridge === undefined ? null : bridgeAddressOf(nats, bridge),
    natsCalloutSeedFile: settings.natsCalloutSeedFile ?? embedded?.natsCalloutSeedFile ?? null,
    natsPublic: {
      nats: settings.natsPublic.nats ?? embedded?.natsPublic?.nats ?? nats.servers.join(','),
      webSocket: settings.natsPublic.webSocket ?? embedded?.natsPublic?.webSocket ?? null,
      mqtt: settings.natsPublic.mqtt ?? embedded?.natsPublic?.mqtt ?? null,
    },
    mongo,
    jwt: tokenTrustOf(settings),
    storeBytes,
    appStreams: { ...settings.appStreams, maxBytes: appBytesOf(storeBytes, settings.appStreams.maxBytes) },
  };
}

/** What tokens are checked with; without a setting (development only) a secret of our own, made at the first start. */
export function tokenTrustOf({ jwt, dataDir, environment }: Settings): Config['jwt'] {
  const { issuer, audience, userClaim } = jwt;
  const common = { issuer, audience, userClaim };
  if (jwt.jwksUrl !== null) return { kind: 'jwks', url: jwt.jwksUrl, ...common };
  const development = environment === 'development';
  return { kind: 'secret', secret: jwt.secret ?? readSecret(dataDir, 'jwt-secret'), development, ...common };
}

/** Fixed at the first start: a limit that followed the free space would fall below what the streams already hold. */
export function storeBytesOf(settings: Pick<Settings, 'storeBytes' | 'nats' | 'dataDir'>): number {
  if (settings.storeBytes !== null) return settings.storeBytes;
  if (settings.nats !== null) return STORE_BYTES_ELSEWHERE;
  const path = join(settings.dataDir, 'store-bytes');
  return Number(
    readOrMake(path, () => {
      const { bavail, bsize } = statfsSync(settings.dataDir);
      return String(Math.min(STORE_BYTES_MAX, Math.max(64 * 1024 ** 2, Math.floor(bavail * bsize * STORE_SHARE))));
    }),
  );
}
