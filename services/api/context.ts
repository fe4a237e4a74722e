/** What the resolvers of one request share: who asks, each lane as it was read once, and how many rows it may still ask for. */
import type { LaneId } from '../../schema/ids.ts';
import type { Lanes, Loaded } from '../journal/lanes.ts';
import type { Identity } from './auth.ts';
import { apiError } from './errors.ts';
import { MAX_ROWS } from './limits.ts';

export interface RequestContext {
  readonly identity: Identity;
  /** The lane at least as new as when this request came; read once, however many fields ask. Throws JournalUnavailable, PoisonedLane. */
  fresh(id: LaneId): Promise<Loaded>;
  /** Called before rows are read. Throws BAD_USER_INPUT when it is more than one request may have. */
  charge(rows: number): void;
}

export function contextOf(identity: Identity, lanes: Pick<Lanes, 'fresh'>): RequestContext {
  const read = new Map<LaneId, Promise<Loaded>>();
  let rows = 0;
  return {
    identity,
    fresh: (id) => {
      const reading = read.get(id) ?? lanes.fresh(id);
      read.set(id, reading);
      return reading;
    },
    charge: (more) => {
      rows += more;
      if (rows > MAX_ROWS)
        throw apiError('BAD_USER_INPUT', `One request asks for at most ${MAX_ROWS} rows in all its pages.`);
    },
  };
}
