/** Where a consumer that stands still is to go on: what an operator chose, as a place in the stream as it is now. */
import { type Millis, type Revision, revisionOf } from '../../schema/ids.ts';
import { ConfigError } from '../config.ts';
import { firstSince, recordAt } from './by-time.ts';
import { type Journal, JournalUnavailable } from './journal.ts';
import type { Place } from './place.ts';
import type { ReceiptLog } from './receipts.ts';

export type Target =
  /** The first record that was stored after the one that was reached: everything that came in place of what was lost. */
  { readonly kind: 'after the lost' } | { readonly kind: 'from'; readonly revision: number } | { readonly kind: 'end' };

/** One partition of lanes or of receipts. Every method throws JournalUnavailable. */
export interface Resumable {
  whyOther(place: Place): Promise<string | undefined>;
  end(): Promise<Revision>;
  /** The first record stored at or after that time; end + 1: there is none. */
  firstSince(time: Millis, end: Revision): Promise<Revision>;
  at(revision: Revision): Promise<Place>;
}

/** Undefined: it does not stand still at that place. Throws ConfigError where it cannot go on as chosen, JournalUnavailable. */
export async function placeToResume(log: Resumable, place: Place, target: Target): Promise<Place | undefined> {
  if ((await log.whyOther(place)) === undefined) return undefined;
  const end = await log.end();
  const next = await nextOf(log, place, target, end);
  return next <= 1 ? { revision: revisionOf(0), id: null } : log.at(revisionOf(next - 1));
}

async function nextOf(log: Resumable, place: Place, target: Target, end: Revision): Promise<number> {
  switch (target.kind) {
    case 'end':
      return end + 1;
    case 'from':
      if (target.revision > end + 1) throw new ConfigError(`the stream ends at ${end}`);
      return target.revision;
    case 'after the lost':
      if (place.at === undefined)
        throw new ConfigError('it is not known when the lost records were stored: choose with --from or --end');
      return log.firstSince(place.at + 1, end);
    default:
      return target satisfies never;
  }
}

export function resumableLanes(journal: Journal, partition: number, signal: AbortSignal): Resumable {
  return {
    whyOther: (place) => journal.whyOther(partition, place),
    end: () => journal.partitionEnd(partition),
    firstSince: (time, end) => firstSince(journal, partition, end, time, signal),
    at: async (revision) => {
      const found = await recordAt(journal, partition, revision, signal);
      if (!found) throw new JournalUnavailable(`partition ${partition}: it could not be read in time`);
      if (found.revision !== revision) throw new ConfigError(`there is no record at stream sequence ${revision}`);
      return { revision, id: found.record?.id ?? null, at: found.storedAt };
    },
  };
}

export function resumableReceipts(receipts: ReceiptLog, partition: number, signal: AbortSignal): Resumable {
  return {
    whyOther: (place) => receipts.whyOther(partition, place),
    end: () => receipts.end(partition),
    firstSince: async (time, end) => (await receipts.firstSince(partition, time)) ?? revisionOf(end + 1),
    at: async (revision) => {
      for await (const [found] of receipts.consume(partition, revision, { maxBatch: 1, signal }))
        if (found?.revision === revision) return { revision, id: found.id || null, at: found.storedAt };
        else break;
      // It was purged: of what is behind it, nothing is known.
      return { revision };
    },
  };
}
