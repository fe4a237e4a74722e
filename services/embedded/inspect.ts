/** What a server that already runs says of itself; for `lanes doctor`. Each connection is closed again. */
import { readFileSync } from 'node:fs';
import { MongoClient } from 'mongodb';
import { type ConnectionOptions, connect, credsAuthenticator } from 'nats';
import type { MongoAddress, NatsAddress } from '../config.ts';

const CONNECT_MS = 3000;

export type NatsReport = { readonly version: string; readonly roundTripMs: number };
export type MongoReport = {
  readonly version: string;
  readonly set: string | null;
  readonly writable: boolean;
  /** How it would compress what it is sent, where it is asked for zlib. */
  readonly compressors: readonly string[];
  readonly roundTripMs: number;
};

type Hello = {
  readonly setName?: string;
  readonly isWritablePrimary?: boolean;
  readonly compression?: readonly string[];
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

export async function inspectMongo({ url, auth }: MongoAddress): Promise<MongoReport> {
  const client = new MongoClient(url, {
    serverSelectionTimeoutMS: CONNECT_MS,
    connectTimeoutMS: CONNECT_MS,
    appName: 'lanes doctor',
    ...(auth === null ? {} : { auth }),
  });
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
    };
  } finally {
    await client.close();
  }
}
