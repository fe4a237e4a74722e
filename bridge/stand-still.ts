/**
 * Where the pump begins in a partition, or goes on: at the farthest place that an integration's events have come to, once every
 * one of those places is known to be in this stream. Until then the partition stands still. Without integrations, at the end.
 */
import { revisionOf } from '../schema/ids.ts';
import type { OnHalt } from '../services/halt-metrics.ts';
import { untilSame } from '../services/journal/halts.ts';
import type { Journal } from '../services/journal/journal.ts';
import type { Place } from '../services/journal/place.ts';
import type { Logger } from '../services/logger.ts';
import type { AppFeed } from './app-feed.ts';
import { adopt, placeOf, type Reach } from './reach.ts';

export interface StandStillParts {
  readonly journal: Pick<Journal, 'whyOther' | 'partitionEnd'>;
  readonly feeds: () => readonly AppFeed[];
  /** As it is stored. Throws JournalUnavailable. */
  readonly readReach: (feed: AppFeed) => Promise<Reach | undefined>;
  /** An operator said where these partitions go on for it. */
  readonly onAdopted: (feed: AppFeed, partitions: readonly number[]) => void;
  readonly onHalt: OnHalt;
  readonly log: Logger;
}
interface Standing extends Place {
  readonly places: ReadonlyMap<string, Place>;
}

/** Throws Abandoned when `signal` aborts. */
export async function placeToGoOn(parts: StandStillParts, partition: number, signal: AbortSignal): Promise<Place> {
  const { journal, feeds, readReach, onAdopted, onHalt, log } = parts;
  let isHalted = false;
  const standing = async (): Promise<Standing> => {
    const all = feeds().map(({ reach }) => placeOf(reach, partition));
    const least = all.length === 0 ? await journal.partitionEnd(partition) : revisionOf(0);
    const farthest = all.reduce((far, place) => (place.revision > far.revision ? place : far), { revision: least });
    // Most integrations are at the same place.
    return { ...farthest, places: new Map(all.map((place) => [`${place.revision} ${place.id}`, place])) };
  };
  return untilSame<Standing>(
    {
      ...{ service: 'bridge', partition, log },
      placeOf: async () => {
        if (isHalted)
          for (const feed of feeds()) {
            const stored = await readReach(feed);
            const adopted = stored ? adopt(feed.reach, stored) : [];
            if (adopted.length > 0) onAdopted(feed, adopted);
          }
        return standing();
      },
      whyOther: async ({ places }) => {
        for (const place of places.values()) {
          const reason = await journal.whyOther(partition, place);
          if (reason !== undefined) return reason;
        }
        return undefined;
      },
      onHalt: (reason) => {
        isHalted = reason !== undefined;
        // The places that are none any more are written down: `lanes resume` begins with them.
        if (isHalted) for (const feed of feeds()) feed.isMoved = true;
        onHalt(partition, reason);
      },
    },
    signal,
  );
}
