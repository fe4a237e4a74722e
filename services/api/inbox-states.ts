/** The states of lanes, as far as inboxes tell of them. */
import type { LaneId } from '../../schema/ids.ts';
import { type Lanes, type Loaded, PoisonedLane } from '../journal/lanes.ts';
import type { InboxIndex } from './inbox-index.ts';

export interface StatesParts {
  readonly index: InboxIndex;
  readonly lanes: Pick<Lanes, 'peek' | 'freshMany'>;
}

/**
 * As new as what readers were given of each lane, which the feed compares with the streams' ends (inbox-feed.ts): what is
 * cached and is older costs one question for all of them. A lane that cannot be read for good is left out. Throws JournalUnavailable.
 */
export async function statesAsGiven(
  { index, lanes }: StatesParts,
  ids: readonly LaneId[],
): Promise<ReadonlyMap<LaneId, Loaded>> {
  const states = new Map<LaneId, Loaded>();
  for (const id of ids) {
    const known = lanes.peek(id);
    const given = index.lanes.get(id)?.seq ?? Number.POSITIVE_INFINITY;
    if (known && known.lane.seq >= given) states.set(id, known);
  }
  const others = ids.filter((id) => !states.has(id));
  if (others.length === 0) return states;
  for (const [id, loaded] of await lanes.freshMany(others))
    if (!(loaded instanceof PoisonedLane)) states.set(id, loaded);
  return states;
}
