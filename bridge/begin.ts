/** Where a partition begins for an integration that nothing was delivered to yet. */
import type { Millis, Revision } from '../schema/ids.ts';
import { revisionOf } from '../schema/ids.ts';
import type { Journal, StoredRecord } from '../services/journal/journal.ts';

/** The first record stored at or after `since`, by bisection; end + 1: there is none. Throws JournalUnavailable. */
export async function firstSince(
  journal: Pick<Journal, 'partitionEnd' | 'consume'>,
  partition: number,
  since: Millis,
  signal: AbortSignal,
): Promise<Revision> {
  let [low, high] = [1, (await journal.partitionEnd(partition)) + 1];
  while (low < high && !signal.aborted) {
    const middle = (low + high) >> 1;
    const record = await recordAt(journal, partition, revisionOf(middle), signal);
    if (record && record.storedAt < since) low = record.revision + 1;
    else high = middle;
  }
  return revisionOf(low);
}

async function recordAt(
  journal: Pick<Journal, 'consume'>,
  partition: number,
  revision: Revision,
  signal: AbortSignal,
): Promise<StoredRecord | undefined> {
  for await (const [record] of journal.consume(partition, revision, { maxBatch: 1, signal })) return record;
  return undefined;
}
