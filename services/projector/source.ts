/** Stored records up to a fixed end, of a partition or of one lane. */
import { type LaneId, type Revision, revisionOf } from '../../schema/ids.ts';
import type { Journal, StoredRecord } from '../journal/journal.ts';
import { readLane } from '../journal/read-lane.ts';

/** The records with `from` ≤ revision ≤ `upTo`, in order. */
export type Source = (from: Revision, upTo: Revision) => AsyncIterable<readonly StoredRecord[]>;

const BATCH_RECORDS = 500;

export const partitionSource = (journal: Journal, partition: number): Source =>
  async function* (from, upTo) {
    if (from > upTo) return;
    const { signal } = new AbortController();
    for await (const records of journal.consume(partition, from, { maxBatch: BATCH_RECORDS, signal })) {
      const last = records.at(-1)?.revision ?? 0;
      yield last > upTo ? records.filter(({ revision }) => revision <= upTo) : records;
      if (last >= upTo) return;
    }
  };

/** `upTo` may be further than the lane has come. */
export const laneSource = (journal: Journal, lane: LaneId): Source =>
  async function* (from, upTo) {
    const last = (await journal.last(lane))?.revision ?? 0;
    for await (const records of readLane(journal, lane, from, revisionOf(Math.min(last, upTo))))
      yield records.filter(({ revision }) => revision <= upTo);
  };
