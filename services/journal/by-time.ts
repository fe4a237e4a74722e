/** Where in a partition a reader begins that has no position: at a time. */
import { type Millis, type Revision, revisionOf } from '../../schema/ids.ts';
import { type Journal, JournalUnavailable, type StoredRecord } from './journal.ts';

/**
 * The first record up to `end` that was stored at or after `since`, by bisection; end + 1: there is none. Waits an outage out. Throws
 * JournalUnavailable where `signal` aborts before it is found.
 */
export async function firstSince(
  journal: Pick<Journal, 'consume'>,
  partition: number,
  end: Revision,
  since: Millis,
  signal: AbortSignal,
): Promise<Revision> {
  let [low, high] = [1, end + 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    const record = await recordAt(journal, partition, revisionOf(middle), signal);
    if (!record) throw new JournalUnavailable(`partition ${partition}: it could not be read in time`);
    if (record.storedAt < since) low = record.revision + 1;
    else high = middle;
  }
  return revisionOf(low);
}

/** The first record at or after `revision`; waits for one. Undefined: `signal` aborted. */
export async function recordAt(
  journal: Pick<Journal, 'consume'>,
  partition: number,
  revision: Revision,
  signal: AbortSignal,
): Promise<StoredRecord | undefined> {
  for await (const [record] of journal.consume(partition, revision, { maxBatch: 1, signal })) return record;
  return undefined;
}
