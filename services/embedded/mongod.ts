/** Runs a mongod of our own: loopback, a replica set of one in `LANES_DATA/mongo`, with a user and a key that we make. */
import { chmodSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { MongoClient } from 'mongodb';
import { ConfigError, type MongoAddress, type Settings } from '../config.ts';
import { pathsOf, readSecret } from './data-dir.ts';
import { claimPort, type Exit, readLogTail, startProcess, unlessStopped } from './process.ts';

export const MONGOD = 'mongod';
const HOST = '127.0.0.1';
const SET = 'lanes';
const READY_MS = 120_000;
const STOP_MS = 15_000;
const CACHE_GB = 0.5;
const OPLOG_MB = 990;

export type Mongod = {
  readonly pid: number;
  readonly port: number;
  readonly exited: Promise<Exit>;
  stop(): Promise<void>;
};
export type MongodOptions = Pick<Settings, 'dataDir' | 'mongoPort'> & { readonly binary: string };

/** The address of the mongod that these settings start; its password is made at the first call. */
export function mongoRuntimeOf({ dataDir, mongoPort }: Pick<Settings, 'dataDir' | 'mongoPort'>): MongoAddress {
  return {
    url: `mongodb://${HOST}:${mongoPort}/lanes?replicaSet=${SET}&authSource=admin`,
    database: 'lanes',
    auth: { username: 'lanes', password: readSecret(dataDir, 'mongo-password') },
  };
}

/** Starts it and settles when it is primary and knows our user. Its owner stops it. */
export async function startMongod(options: MongodOptions, stopping?: AbortSignal): Promise<Mongod> {
  const { binary, dataDir, mongoPort: port } = options;
  await claimPort(port, HOST, MONGOD, 'LANES_MONGO_PORT');
  const running = await startProcess({ name: MONGOD, command: binary, args: argsOf(options), dataDir, output: 'log' });
  const over = new AbortController();
  const ended = running.exited.then((exit) => {
    over.abort();
    throw mongodErrorOf(dataDir, exit);
  });
  ended.catch(() => undefined);
  try {
    await unlessStopped(Promise.race([untilPrimary(options, over.signal), ended]), stopping);
  } catch (error) {
    over.abort();
    await running.stop(STOP_MS);
    throw error;
  }
  return { pid: running.pid, port, exited: running.exited, stop: () => running.stop(STOP_MS) };
}

function argsOf({ dataDir, mongoPort }: MongodOptions): string[] {
  const key = join(pathsOf(dataDir).secrets, 'mongo-key');
  readSecret(dataDir, 'mongo-key', 96, 'base64');
  chmodSync(key, 0o600);
  const parameters = {
    // A signalled shutdown would else wait 15 s for an election that nobody can win.
    shutdownTimeoutMillisForSignaledShutdown: 100,
    diagnosticDataCollectionEnabled: false,
  };
  return [
    ...['--port', String(mongoPort), '--bind_ip', HOST, '--dbpath', pathsOf(dataDir).mongo, '--nounixsocket'],
    ...[
      '--replSet',
      SET,
      '--keyFile',
      key,
      '--oplogSize',
      String(OPLOG_MB),
      '--wiredTigerCacheSizeGB',
      String(CACHE_GB),
    ],
    // Nobody here gains by compression, and a mongod before 6.0.27 gives away its memory by it (CVE-2025-14847).
    ...['--networkMessageCompressors', 'disabled'],
    // A slow operation would be logged with all that is in it: texts of messages, tokens of devices.
    ...['--slowOpSampleRate', '0'],
    '--quiet',
    ...Object.entries(parameters).flatMap(([name, value]) => ['--setParameter', `${name}=${value}`]),
  ];
}

function mongodErrorOf(dataDir: string, exit: Exit): Error {
  const tail = readLogTail(dataDir, MONGOD);
  if (/no space left|ENOSPC/i.test(tail))
    return new ConfigError(
      `the disk of ${dataDir} is full, mongod cannot start: make room or set LANES_DATA to another disk`,
    );
  if (/permission denied|IllegalOperation.*read-only|not writable/i.test(tail))
    return new ConfigError(
      `mongod has no right to write ${dataDir}: make it writable or set LANES_DATA to another folder`,
    );
  if (/address already in use/i.test(tail))
    return new ConfigError('the port of mongod is taken: set LANES_MONGO_PORT to a free port');
  if (/featureCompatibilityVersion|incompatible|UPGRADE PROBLEM/i.test(tail))
    return new ConfigError(
      `this mongod cannot read ${pathsOf(dataDir).mongo}, another version wrote it: see log/mongod.log`,
    );
  const last = tail.trim().split('\n').at(-1) ?? '';
  return new Error(`mongod ended at its start (${exit.signal ?? exit.code}): ${last.slice(0, 400)}`);
}

/**
 * The first start makes the set and the user, through the exception that a mongod without users makes for its own
 * machine; later ones log in. Each step may be where an earlier start was killed, so each is repeated until it holds.
 * A client whose first connection failed stays closed for ever, so each round has its own.
 */
async function untilPrimary(options: MongodOptions, over: AbortSignal): Promise<void> {
  const { MongoClient } = await import('mongodb');
  const { auth } = mongoRuntimeOf(options);
  const url = `mongodb://${HOST}:${options.mongoPort}/admin?directConnection=true`;
  const limits = { serverSelectionTimeoutMS: 2000, connectTimeoutMS: 2000, socketTimeoutMS: 10_000, maxPoolSize: 1 };
  const until = Date.now() + READY_MS;
  let state = 'it does not listen';
  while (state !== 'primary' && !over.aborted) {
    if (Date.now() > until) throw new Error(`mongod is not ready after ${READY_MS / 1000} s: ${state}`);
    await new Promise((wake) => setTimeout(wake, 20));
    if (!(await listens(options.mongoPort))) continue;
    const known = new MongoClient(url, { ...limits, ...(auth === null ? {} : { auth }) });
    const stranger = new MongoClient(url, limits);
    try {
      state = await stepOf(known, stranger, options);
    } catch (error) {
      state = (error as Error).message;
    } finally {
      await Promise.all([known.close(), stranger.close()]);
    }
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** What a member of a set says of itself; absent where it is in no set, or not in this one. */
type Hello = {
  readonly isWritablePrimary?: boolean;
  readonly secondary?: boolean;
  readonly isreplicaset?: boolean;
  readonly setName?: string;
  readonly me?: string;
};

async function stepOf(known: MongoClient, stranger: MongoClient, options: MongodOptions): Promise<string> {
  const hello = (await stranger.db('admin').command({ hello: 1 })) as Hello;
  const host = `${HOST}:${options.mongoPort}`;
  if (hello.isWritablePrimary === true && hello.me === host) {
    try {
      await known.db('admin').command({ connectionStatus: 1 });
      return 'primary';
    } catch (error) {
      if ((error as { code?: number }).code !== 18) throw error;
      await createUser(stranger, options);
      return 'user made';
    }
  }
  if (hello.isreplicaset === true && hello.setName === undefined) {
    const config = { _id: SET, members: [{ _id: 0, host }] };
    try {
      await stranger.db('admin').command({ replSetInitiate: config });
    } catch (error) {
      if ((error as { code?: number }).code === 13) return moveSet(known, host);
      throw error;
    }
    return 'set made';
  }
  if (hello.setName !== undefined && hello.secondary !== true && hello.me !== host) return moveSet(known, host);
  return 'not primary yet';
}

/** The set's own record still has the port of an earlier start: it is told the new one. */
async function moveSet(known: MongoClient, host: string): Promise<string> {
  const admin = known.db('admin');
  const { config } = await admin.command({ replSetGetConfig: 1 });
  if (config.members[0].host === host) return 'not primary yet';
  config.members[0].host = host;
  config.version += 1;
  await admin.command({ replSetReconfig: config, force: true });
  return 'set moved';
}

async function createUser(stranger: MongoClient, options: MongodOptions): Promise<void> {
  const { auth } = mongoRuntimeOf(options);
  await stranger.db('admin').command({
    createUser: auth?.username,
    pwd: auth?.password,
    roles: [{ role: 'root', db: 'admin' }],
    writeConcern: { w: 'majority', j: true },
  });
}
