/** The two stores, for a command that works on both and ends. */
import { type Config, ConfigError } from '../config.ts';
import { openJetStreamJournal } from '../journal/jetstream.ts';
import type { Journal } from '../journal/journal.ts';
import type { Logger } from '../logger.ts';
import { Mongo, MongoDown } from '../views/connect.ts';

const CONNECT_MS = 20_000;
const MONGO_ANSWER_MS = 60_000;

export interface Stores {
  readonly journal: Journal;
  readonly mongo: Mongo;
}

/** Runs `work` with both open, and closes them. Throws ConfigError, in one line, where one cannot be reached. */
export async function withStores<T>(
  config: Config,
  log: Logger,
  name: string,
  work: (stores: Stores) => Promise<T>,
): Promise<T> {
  const { partitions, nats, storeBytes: maxBytes } = config;
  const signal = AbortSignal.timeout(CONNECT_MS);
  const mongo = new Mongo(config.mongo, log, { socketTimeoutMs: MONGO_ANSWER_MS, maxPoolSize: 16 });
  let journal: Journal | undefined;
  try {
    journal = await openJetStreamJournal({ ...nats, partitions, maxBytes, log, name, signal });
    return await work({ journal, mongo });
  } catch (error) {
    if (signal.reason !== undefined && error === signal.reason)
      throw new ConfigError(`NATS at ${nats.servers.join(', ')} does not answer: is it running? (LANES_NATS_URL)`);
    if (error instanceof MongoDown) throw new ConfigError('MongoDB does not answer: is it running? (LANES_MONGO_URL)');
    throw error;
  } finally {
    await Promise.all([journal?.close(), mongo.close()]);
  }
}
