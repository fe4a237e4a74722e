/** What a server that already runs says of itself; for `lanes doctor`. Each connection is closed again. */
import { readFileSync } from 'node:fs';
import { MongoClient, type MongoClientOptions } from 'mongodb';
import { type ConnectionOptions, connect, credsAuthenticator } from 'nats';
import type { MongoAddress, NatsAddress } from '../config.ts';

const CONNECT_MS = 3000;
const BEHIND_MS = 10_000;

export type NatsReport = { readonly version: string; readonly roundTripMs: number };
export type MongoReport = {
  readonly version: string;
  readonly set: string | null;
  readonly writable: boolean;
  /** How it would compress what it is sent, where it is asked for zlib. */
  readonly compressors: readonly string[];
  readonly roundTripMs: number;
  /** Members of the set that do not answer, are neither primary nor secondary, or are more than 10 s behind. */
  readonly lame: readonly string[];
};

type Hello = {
  readonly setName?: string;
  readonly isWritablePrimary?: boolean;
  readonly compression?: readonly string[];
  readonly secondary?: boolean;
  readonly hosts?: readonly string[];
  readonly lastWrite?: { readonly lastWriteDate?: Date };
};

/** Rejects where it cannot be reached, does not let us in, or has no JetStream. */
export async function inspectNats(address: NatsAddress): Promise<NatsReport> {
  const connection = await connect(natsOptionsOf(address));
  try {
    const roundTripMs = await connection.rtt();
    await connection.jetstreamManager({ timeout: CONNECT_MS });
    return { version: connection.info?.version ?? '0.0.0', roundTripMs };
  } finally {
    await connection.close();
  }
}

function natsOptionsOf({ servers, user, password, credsFile }: NatsAddress): ConnectionOptions {
  return {
    servers: [...servers],
    timeout: CONNECT_MS,
    reconnect: false,
    name: 'lanes doctor',
    ...(user === null ? {} : { user }),
    ...(password === null ? {} : { pass: password }),
    ...(credsFile === null ? {} : { authenticator: credsAuthenticator(readFileSync(credsFile)) }),
  };
}

export async function inspectMongo(address: MongoAddress): Promise<MongoReport> {
  const client = mongoClientOf(address, {});
  try {
    await client.connect();
    const admin = client.db('admin');
    const started = performance.now();
    const hello = (await admin.command({ hello: 1, compression: ['zlib'] })) as Hello;
    const roundTripMs = performance.now() - started;
    const { version } = await admin.command({ buildInfo: 1 });
    return {
      version: String(version),
      set: hello.setName ?? null,
      writable: hello.isWritablePrimary === true,
      compressors: hello.compression ?? [],
      roundTripMs,
      lame: await lameOf(address, hello),
    };
  } finally {
    await client.close(true);
  }
}

const mongoClientOf = ({ url, auth }: MongoAddress, more: MongoClientOptions): MongoClient =>
  new MongoClient(url, {
    ...{ serverSelectionTimeoutMS: CONNECT_MS, connectTimeoutMS: CONNECT_MS, socketTimeoutMS: CONNECT_MS },
    ...{ appName: 'lanes doctor', ...more },
    ...(auth === null ? {} : { auth }),
  });

/** Each member is asked itself: what the others say of it needs a right that our user may not have. */
async function lameOf(address: MongoAddress, { hosts = [], lastWrite }: Hello): Promise<string[]> {
  const newest = lastWrite?.lastWriteDate?.getTime() ?? 0;
  const asked = hosts.map(async (host) => {
    const hello = await helloOf(address, host).catch(() => undefined);
    const isMember = hello?.isWritablePrimary === true || hello?.secondary === true;
    const behindMs = newest - (hello?.lastWrite?.lastWriteDate?.getTime() ?? 0);
    return isMember && behindMs <= BEHIND_MS ? [] : [host];
  });
  return (await Promise.all(asked)).flat();
}

/** What a member says of itself needs no login. */
async function helloOf({ url }: MongoAddress, host: string): Promise<Hello> {
  const options = new URL(url.replace(/,[^/]*/, '')).searchParams;
  for (const name of ['replicaSet', 'authSource', 'authMechanism', 'readPreference']) options.delete(name);
  options.set('directConnection', 'true');
  const client = mongoClientOf({ url: `mongodb://${host}/?${options}`, database: 'admin', auth: null }, {});
  try {
    return (await client.db('admin').command({ hello: 1 })) as Hello;
  } finally {
    await client.close(true);
  }
}
