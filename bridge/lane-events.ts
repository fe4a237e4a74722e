/** A lane's events from any of them on, read from the lane itself: nothing else needs to be up, or up to date. */
import type { LaneEvent } from '../schema/events.ts';
import type { LaneId, Revision } from '../schema/ids.ts';
import { revisionOf } from '../schema/ids.ts';
import { type Journal, JournalUnavailable, type StoredRecord } from '../services/journal/journal.ts';
import { lagged } from '../services/journal/lagging.ts';
import { type Loaded, PoisonedLane } from '../services/journal/lanes.ts';

const PAGE = 1_000;
/** A place that is found by search may be this many events before the one wanted. */
const NEAR = 200;

/**
 * The events after `after` up to `loaded` at least, in order without a hole, in pages; the next page is on its way while one is
 * worked on. Throws JournalUnavailable, PoisonedLane.
 */
export async function* readEvents(
  journal: Pick<Journal, 'read'>,
  { lane: { id, seq: end }, revision }: Loaded,
  after: number,
): AsyncGenerator<readonly LaneEvent[]> {
  if (after >= end) return;
  let position = after;
  let lagging = 0;
  let next = read(journal, id, await seek(journal, id, revision, after + 1));
  while (position < end) {
    const { records, complete } = await next;
    const from = revisionOf((records.at(-1)?.revision ?? revision - 1) + 1);
    const events = records.flatMap(eventsOf).filter(({ seq }) => seq > position);
    const [first, last] = [events[0], events.at(-1)];
    if (first && first.seq !== position + 1)
      throw new JournalUnavailable(`lane ${id}: its event ${position + 1} is not shown now`);
    position = last?.seq ?? position;
    if (complete && position < end) await lagged(lagging++, `lane ${id}: its event ${end} is not shown now`);
    if (position < end) next = read(journal, id, from);
    if (last) yield events;
  }
}

/** Looked at by whoever waits for it, perhaps never. */
function read(journal: Pick<Journal, 'read'>, lane: LaneId, from: Revision): ReturnType<Journal['read']> {
  const reading = journal.read(lane, from, { limit: PAGE });
  reading.catch(() => undefined);
  return reading;
}

function eventsOf({ lane, record, revision }: StoredRecord): readonly LaneEvent[] {
  if (record) return record.events;
  throw new PoisonedLane(`lane ${lane}: its record at stream sequence ${revision} cannot be read`);
}

/** The revision of a record at or shortly before the event `seq`, by halving: a lane is read by revision only. */
async function seek(journal: Pick<Journal, 'read'>, lane: LaneId, end: Revision, seq: number): Promise<Revision> {
  let [low, high] = [1, end + 1];
  while (high - low > 1 && seq > 1) {
    const middle = (low + high) >> 1;
    const [found] = (await journal.read(lane, revisionOf(middle), { limit: 1 })).records;
    const first = found?.record?.events[0]?.seq;
    if (found === undefined || first === undefined || first > seq) high = middle;
    else {
      low = found.revision;
      if (seq - first <= NEAR) break;
    }
  }
  return revisionOf(low);
}
