/**
 * The mongods of a whole run of tests: one takes seconds to start and to stop, and most files do neither. A file has one for
 * itself, may kill it too, and gives it back by the end of its connection; then everything in it is removed before the next has
 * it. There are never more than were in use at once.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { MongoClient } from 'mongodb';
import { type Answer, POOL, type Wish } from './mongod-lease.ts';
import { startServers, type TestServers } from './servers.ts';

/** A mongod that cannot be emptied in this time is not used again. */
const EMPTY_MS = 10_000;
const SERVERS_OWN = ['admin', 'config', 'local'];

/** Called by vitest once, before all files; what it gives is called after them. */
export default function open(): () => Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lanes-mongods-'));
  const pool = new Pool();
  const server = createServer({ allowHalfOpen: true }, (socket) => void pool.serve(socket));
  server.listen(join(folder, 'lease'));
  const outer = process.env[POOL];
  process.env[POOL] = join(folder, 'lease');
  return async () => {
    if (outer === undefined) delete process.env[POOL];
    else process.env[POOL] = outer;
    server.close();
    await pool.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}

class Pool {
  readonly #all = new Set<Promise<TestServers>>();
  readonly #free: Promise<TestServers>[] = [];
  #isOver = false;

  async serve(socket: Socket): Promise<void> {
    socket.on('error', () => undefined);
    const say = (answer: Answer): unknown => socket.writable && socket.write(`${JSON.stringify(answer)}\n`);
    const starting = this.#free.pop() ?? this.#start();
    try {
      const { mongo } = await starting;
      say({ url: mongo.url, pid: mongo.pid });
      for await (const line of createInterface({ input: socket })) {
        const wish = line as Wish;
        const failed = await mongo[wish]().then(
          () => undefined,
          (error: Error) => error.message,
        );
        say(failed === undefined ? { url: mongo.url, pid: mongo.pid } : { error: failed });
      }
      const next = this.#emptied(starting);
      next.catch(() => undefined);
      this.#free.push(next);
      socket.end();
    } catch (error) {
      say({ error: (error as Error).message });
      this.#all.delete(starting);
      socket.end();
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    const started = await Promise.allSettled(this.#all);
    await Promise.all(started.map((one) => one.status === 'fulfilled' && one.value.stop()));
  }

  #start(): Promise<TestServers> {
    const starting = startServers({ nats: false, ownMongo: true });
    // Whoever waits for it hears of its failure.
    starting.catch(() => undefined);
    this.#all.add(starting);
    return starting;
  }

  /** The same one, or another in its place. */
  async #emptied(one: Promise<TestServers>): Promise<TestServers> {
    const servers = await one;
    if (this.#isOver || (servers.mongo.pid !== 0 && (await isEmptied(servers.mongo.url)))) return servers;
    this.#all.delete(one);
    await servers.stop();
    return this.#isOver ? servers : this.#start();
  }
}

async function isEmptied(url: string): Promise<boolean> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: EMPTY_MS, socketTimeoutMS: EMPTY_MS });
  try {
    const { databases } = await client.db('admin').admin().listDatabases({ nameOnly: true });
    for (const { name } of databases) if (!SERVERS_OWN.includes(name)) await client.db(name).dropDatabase();
    return true;
  } catch {
    return false;
  } finally {
    await client.close();
  }
}
