/** Where in a partition the notifier goes on, or begins. */
import { PUSH_EXPIRES_MS } from '../../schema/delivery.ts';
import { type Millis, revisionOf } from '../../schema/ids.ts';
import { firstSince } from '../journal/by-time.ts';
import { untilSame } from '../journal/halts.ts';
import type { Journal } from '../journal/journal.ts';
import type { Place } from '../journal/place.ts';
import type { Logger } from '../logger.ts';
import type { Ledger } from '../views/ledger.ts';
import type { NotifierMetrics } from './metrics.ts';

export interface StartParts {
  readonly journal: Pick<Journal, 'partitionEnd' | 'consume' | 'whyOther'>;
  readonly ledger: Pick<Ledger, 'position'>;
  readonly metrics: Pick<NotifierMetrics, 'halted'>;
  readonly clock: () => Millis;
  readonly log: Logger;
}

/**
 * The last record that is decided, once it is certain that the stream is the one in which it was. Where there is no position, the
 * place before the first record that anybody may still want to hear of. Throws Abandoned when `signal` aborts.
 */
export function startOf(parts: StartParts, partition: number, signal: AbortSignal): Promise<Place> {
  const { ledger, journal, metrics, clock, log } = parts;
  return untilSame(
    {
      ...{ service: 'notifier', partition, log },
      placeOf: async (): Promise<Place> => {
        const position = await ledger.position(partition);
        if (position) return { revision: position.w, id: position.rid };
        const end = await journal.partitionEnd(partition);
        return {
          revision: revisionOf((await firstSince(journal, partition, end, clock() - PUSH_EXPIRES_MS, signal)) - 1),
        };
      },
      whyOther: (place) => journal.whyOther(partition, place),
      onHalt: (reason) => metrics.halted(partition, reason),
    },
    signal,
  );
}
