/**
 * What is purged from the log of receipts. It has no limit of age, and refuses new marks when it is full, so nothing leaves it
 * unless MongoDB holds it; and then only what is old, or what is in the way.
 */
import { type Millis, type Revision, revisionOf } from '../../schema/ids.ts';
import type { ReceiptLog, ReceiptLogState } from '../journal/receipts.ts';

/** Kept so long where there is room: what a MongoDB that is restored from a backup of yesterday has to catch up on. */
const KEEP_MS = 7 * 24 * 60 * 60 * 1000;
/** Never younger: readers who were told a position are past it by then. */
const KEEP_LEAST_MS = 60 * 1000;
/** A log that is fuller … */
const FULL_SHARE = 0.5;
/** … is brought down to this. */
const ROOMY_SHARE = 0.4;
const STEPS_MAX = 20;

export interface RetentionFacts {
  readonly state: ReceiptLogState;
  /** Every record up to it is in MongoDB, durably. */
  readonly position: Revision;
  /** The first records that are younger than KEEP_MS and KEEP_LEAST_MS; undefined: none is. */
  readonly firstOfWeek: Revision | undefined;
  readonly firstOfLately: Revision | undefined;
}

/** Records below it may go. The one at the position stays: it tells whether the log is still the same. */
export function purgeBelow({ state, position, firstOfWeek, firstOfLately }: RetentionFacts): Revision {
  const { first, end, bytes, maxBytes } = state;
  const isFull = maxBytes > 0 && bytes > maxBytes * FULL_SHARE;
  const surplus = isFull ? Math.ceil((end - first + 1) * (1 - (maxBytes * ROOMY_SHARE) / bytes)) : 0;
  const inTheWay = Math.min(first + surplus, firstOfLately ?? position);
  return revisionOf(Math.min(position, Math.max(firstOfWeek ?? position, inTheWay)));
}

/** Throws JournalUnavailable. Whether something was purged. */
export async function retain(
  receipts: ReceiptLog,
  partition: number,
  position: Revision,
  now: Millis,
): Promise<boolean> {
  // Records differ in size: what is in the way is found in a few steps.
  for (let step = 0; step < STEPS_MAX; step++) {
    const state = await receipts.state(partition);
    if (state.first >= position) return step > 0;
    const [firstOfWeek, firstOfLately] = await Promise.all([
      receipts.firstSince(partition, now - KEEP_MS),
      receipts.firstSince(partition, now - KEEP_LEAST_MS),
    ]);
    const below = purgeBelow({ state, position, firstOfWeek, firstOfLately });
    if (below <= state.first) return step > 0;
    await receipts.purge(partition, below);
  }
  return true;
}
