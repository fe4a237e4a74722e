/**
 * The connection to MongoDB of one process. It is opened without waiting, survives every outage, and says at once when it is
 * down instead of letting callers queue.
 */
import { type Db, MongoClient, type MongoClientOptions } from 'mongodb';
import type { MongoAddress } from '../config.ts';
import type { Logger } from '../logger.ts';

/** No primary can be reached now. Nothing was read or written. */
export class MongoDown extends Error {
  override readonly name = 'MongoDown';
}

/** So long a caller waits for an election or a first connection; after that a server that is down is down at once. */
const PATIENCE_MS = 1_500;
const CONNECT_EVERY_MS = 500;

export interface MongoOptions {
  /** A connection on which nothing comes for so long while an answer is due is given up. */
  readonly socketTimeoutMs: number;
  readonly maxPoolSize: number;
}

export class Mongo {
  readonly #address: MongoAddress;
  readonly #log: Logger;
  readonly #options: MongoClientOptions;
  #client: MongoClient | undefined;
  #up = false;
  #downSince = performance.now();
  /** Until the first attempt has ended nothing is known, however long that takes a busy process. */
  #isFirst = true;
  #closed = false;
  #retry: NodeJS.Timeout | undefined;
  readonly #waiting = new Set<() => void>();

  constructor(address: MongoAddress, log: Logger, { socketTimeoutMs, maxPoolSize }: MongoOptions) {
    this.#address = address;
    this.#log = log;
    this.#options = {
      ...(address.auth === null ? {} : { auth: address.auth }),
      appName: 'lanes',
      writeConcern: { w: 'majority', journal: true },
      readPreference: 'primary',
      maxPoolSize,
      // The driver's 2 would let a burst after an outage wait for its connections one pair at a time.
      maxConnecting: 8,
      waitQueueTimeoutMS: socketTimeoutMs,
      serverSelectionTimeoutMS: PATIENCE_MS,
      connectTimeoutMS: 2_000,
      heartbeatFrequencyMS: 1_000,
      socketTimeoutMS: socketTimeoutMs,
    };
    void this.#connect();
  }

  get up(): boolean {
    return this.#up && this.#client !== undefined;
  }

  /** Throws MongoDown: at once when it has been down for a while, else after at most 1.5 s. */
  async db(): Promise<Db> {
    return (await this.client()).db(this.#address.database);
  }

  async client(): Promise<MongoClient> {
    if (!this.up) await this.#patience();
    if (!this.#client) throw new MongoDown('MongoDB was never reached');
    return this.#client;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#setUp(false);
    for (const wake of this.#waiting) wake();
    await this.#client?.close();
  }

  async #patience(): Promise<void> {
    const left = this.#isFirst ? PATIENCE_MS : PATIENCE_MS - (performance.now() - this.#downSince);
    if (left > 0 && !this.#closed)
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          this.#waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, left);
        this.#waiting.add(wake);
      });
    if (!this.up) throw new MongoDown(this.#closed ? 'the connection to MongoDB was closed' : 'MongoDB is down');
  }

  /** A client whose first connection failed stays closed for ever, so each attempt has its own. */
  async #connect(): Promise<void> {
    const client = new MongoClient(this.#address.url, this.#options);
    client.on('topologyDescriptionChanged', ({ newDescription }) =>
      this.#setUp([...newDescription.servers.values()].some((server) => server.isWritable)),
    );
    try {
      await client.connect();
      if (this.#closed) return void (await client.close());
      this.#client = client;
      this.#isFirst = false;
      this.#wake();
    } catch (error) {
      this.#isFirst = false;
      client.removeAllListeners();
      await client.close().catch(() => undefined);
      this.#log.debug({ err: error }, 'MongoDB not reached');
      if (!this.#closed) this.#retry = setTimeout(() => void this.#connect(), CONNECT_EVERY_MS);
    }
  }

  #setUp(up: boolean): void {
    if (up === this.#up) return;
    this.#up = up;
    if (!up) this.#downSince = performance.now();
    if (!up && !this.#closed) this.#log.warn('MongoDB is down');
    if (up && this.#client) this.#log.info('MongoDB is up again');
    this.#wake();
  }

  #wake(): void {
    if (this.up) for (const wake of this.#waiting) wake();
  }
}
