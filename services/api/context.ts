/** What the resolvers of one request share: who asks, and each lane as it was read once. */
import type { LaneId } from '../../schema/ids.ts';
import type { Lanes, Loaded } from '../journal/lanes.ts';
import type { Identity } from './auth.ts';

export interface RequestContext {
  readonly identity: Identity;
  /** The lane at least as new as when this request came; read once, however many fields ask. Throws JournalUnavailable, PoisonedLane. */
  fresh(id: LaneId): Promise<Loaded>;
}

export function contextOf(identity: Identity, lanes: Lanes): RequestContext {
  const read = new Map<LaneId, Promise<Loaded>>();
  return {
    identity,
    fresh: (id) => {
      const reading = read.get(id) ?? lanes.fresh(id);
      read.set(id, reading);
      return reading;
    },
  };
}
