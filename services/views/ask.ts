/** A question to MongoDB that has an end soon, whatever becomes of the server. */
import type { Db } from 'mongodb';
import type { Logger } from '../logger.ts';
import type { Mongo } from './connect.ts';

/** MongoDB cannot answer now, or not for certain. Nothing is known; the same question may be answered later. */
export class HistoryUnavailable extends Error {
  override readonly name = 'HistoryUnavailable';
}

/** No answer takes longer; also not one of a server that hangs. */
const ANSWER_MS = 2_000;

/** Throws HistoryUnavailable, whatever went wrong; at once when MongoDB has been down for a while. What was asked may have been done. */
export async function askMongo<T>(mongo: Mongo, log: Logger, work: (db: Db) => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new HistoryUnavailable('MongoDB does not answer')), ANSWER_MS);
  });
  try {
    return await Promise.race([mongo.db().then(work), late]);
  } catch (error) {
    if (error instanceof HistoryUnavailable) throw error;
    log.debug({ err: error }, 'MongoDB not asked');
    throw new HistoryUnavailable('MongoDB cannot answer now', { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
