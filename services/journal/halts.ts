/**
 * Consumers that stand still in a partition because its stream is another one than they had read: it lost its end, or was
 * restored or made anew. Nobody but an operator knows where to go on: `lanes resume`. Other partitions go on meanwhile.
 */
import type { Service } from '../halt-metrics.ts';
import type { Logger } from '../logger.ts';
import { pause, persist } from '../persist.ts';
import type { Place } from './place.ts';

/** It is looked so often whether the stream, or the place, is another now. */
const LOOK_MS = 2_000;

export interface StandParts<P extends Place> {
  readonly service: Service;
  readonly partition: number;
  /** As it is stored now. */
  readonly placeOf: () => Promise<P>;
  readonly whyOther: (place: P) => Promise<string | undefined>;
  /** Awaited before anything else is done. */
  readonly onHalt: (reason: string | undefined, place: P) => void | Promise<void>;
  readonly log: Logger;
}

/**
 * The place to go on at, as soon as the stream is the one that it was reached in. Until then this stands still, with an alarm,
 * looking now and then: somebody may restore the stream, or choose another place. Throws Abandoned when `signal` aborts.
 */
export async function untilSame<P extends Place>(parts: StandParts<P>, signal: AbortSignal): Promise<P> {
  const { service, partition, placeOf, whyOther, onHalt, log } = parts;
  const trying = { signal, log };
  for (let said: string | undefined; ; ) {
    const place = await persist('position', placeOf, trying);
    const reason = await persist('the end of the stream', () => whyOther(place), trying);
    await onHalt(reason, place);
    if (reason === undefined) return place;
    if (reason !== said)
      log.error(
        { alarm: 'halted', service, partition, reason },
        `nothing more is done in this partition until "lanes resume ${service} --partition ${partition}"`,
      );
    said = reason;
    await pause(LOOK_MS, signal);
  }
}
