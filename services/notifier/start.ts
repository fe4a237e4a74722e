/** Where in a partition the notifier goes on, or begins. */
import { PUSH_EXPIRES_MS } from '../../schema/delivery.ts';
import { type Millis, type Revision, revisionOf } from '../../schema/ids.ts';
import { firstSince, recordAt } from '../journal/by-time.ts';
import type { Journal } from '../journal/journal.ts';
import type { Logger } from '../logger.ts';
import type { Ledger } from '../views/ledger.ts';

export interface StartParts {
  readonly journal: Pick<Journal, 'partitionEnd' | 'consume'>;
  readonly ledger: Pick<Ledger, 'position'>;
  readonly clock: () => Millis;
  readonly log: Logger;
}

/**
 * The first record that is not decided. Where there is no position, or the stream is not the one it was of, the first record that
 * anybody may still want to hear of: what was decided before is in the ledger, and is not pushed twice. Throws
 * JournalUnavailable, what MongoDB throws.
 */
export async function startOf(parts: StartParts, partition: number, signal: AbortSignal): Promise<Revision> {
  const { ledger, journal, clock, log } = parts;
  const position = await ledger.position(partition);
  const end = await journal.partitionEnd(partition);
  if (position && position.w <= end) {
    const there = await recordAt(journal, partition, position.w, signal);
    if (there?.revision === position.w && (there.record?.id ?? null) === position.rid) return after(position.w);
  }
  if (position && !signal.aborted)
    log.error(
      { alarm: 'other stream', partition, position: position.w, end },
      'the stream is not the one that was decided up to here: it was restored or made anew; its last day is decided again',
    );
  return firstSince(journal, partition, end, clock() - PUSH_EXPIRES_MS, signal);
}

const after = (revision: Revision): Revision => revisionOf(revision + 1);
