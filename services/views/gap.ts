/** What a reader who comes back has missed: history for what is old, the lane for the rest, or for all of it. */
import type { LaneEvent } from '../../schema/events.ts';
import { type Revision, revisionOf } from '../../schema/ids.ts';
import { partitionOf } from '../../schema/subjects.ts';
import { type Journal, JournalUnavailable } from '../journal/journal.ts';
import type { Loaded } from '../journal/lanes.ts';
import { readLane } from '../journal/read-lane.ts';
import { type History, HistoryUnavailable } from './history.ts';
import type { StoredEvent } from './history-at.ts';
import { eventsOf } from './tail.ts';

const PAGE = 500;
/** A place in the lane that is found by search may be this many events before the one wanted. */
const NEAR = 500;

/**
 * The events after `after`, in order without a hole, in pages, at least up to `loaded`. Memory: one page. With MongoDB down or
 * incomplete it goes on from the lane alone. Throws JournalUnavailable, PoisonedLane.
 */
export async function* readGap(
  history: History,
  journal: Journal,
  loaded: Loaded,
  after: number,
): AsyncGenerator<readonly LaneEvent[]> {
  let position = after;
  let from: Revision | undefined;
  for await (const page of fromHistory(history, journal, loaded, after)) {
    position = page.events.at(-1)?.seq ?? position;
    from = page.next;
    if (page.events.length > 0) yield page.events;
  }
  if (position >= loaded.lane.seq) return;
  for (let sought = false; ; sought = true) {
    from = sought || from === undefined ? await seek(journal, loaded, position + 1) : from;
    const rest = await firstOf(journal, loaded, from, position);
    if (rest.kind === 'follows') break;
    if (sought) throw new JournalUnavailable(`lane ${loaded.lane.id}: it does not show its event ${position + 1}`);
  }
  for await (const page of fromLane(journal, loaded, from, position)) yield page;
}

/** Whether the lane from revision `from` on goes on where the reader is. */
async function firstOf(journal: Journal, { lane }: Loaded, from: Revision, position: number) {
  const { records } = await journal.read(lane.id, from, { limit: 1 });
  const first = records[0] && eventsOf(records[0])[0]?.event.seq;
  return { kind: first !== undefined && first <= position + 1 ? 'follows' : 'leaves-a-hole' } as const;
}

/** As much as history has for certain; `next`: the revision from which the lane has what follows. Does not throw HistoryUnavailable. */
async function* fromHistory(history: History, journal: Journal, { lane, revision }: Loaded, after: number) {
  let position = after;
  try {
    const at = await history.at(partitionOf(lane.id, journal.partitions), revision);
    yield { events: [], next: revisionOf(at.watermark + 1) };
    while (position < lane.seq) {
      const range = { after: position, upTo: lane.seq, limit: PAGE, newestFirst: false };
      const sure = certain(await at.events(lane.id, range), position, at.watermark);
      const last = sure.at(-1);
      if (!last) return;
      position = last.event.seq;
      yield { events: sure.map(({ event }) => event), next: last.revision };
      if (sure.length < PAGE) return;
    }
  } catch (error) {
    if (!(error instanceof HistoryUnavailable)) throw error;
  }
}

/** Up to the first that is above the watermark, or does not follow. */
function certain(found: readonly StoredEvent[], after: number, watermark: Revision): readonly StoredEvent[] {
  const end = found.findIndex(({ event, revision }, i) => revision > watermark || event.seq !== after + 1 + i);
  return end < 0 ? found : found.slice(0, end);
}

async function* fromLane(journal: Journal, { lane, revision }: Loaded, from: Revision, after: number) {
  let position = after;
  for await (const records of readLane(journal, lane.id, from, revision)) {
    const events = records
      .flatMap(eventsOf)
      .map(({ event }) => event)
      .filter(({ seq }) => seq > position);
    const last = events.at(-1);
    if (!last) continue;
    if (last.seq !== position + events.length)
      throw new JournalUnavailable(`lane ${lane.id}: its events do not follow each other after ${position}`);
    position = last.seq;
    yield events;
  }
}

/** The revision of a record at or shortly before the event `seq`, by halving: a lane is read by revision only. */
async function seek(journal: Journal, { lane, revision }: Loaded, seq: number): Promise<Revision> {
  let low = 1;
  let high = revision + 1;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const { records } = await journal.read(lane.id, revisionOf(middle), { limit: 1 });
    const record = records[0];
    const first = record && eventsOf(record)[0]?.event.seq;
    if (record === undefined || first === undefined || first > seq) high = middle;
    else {
      low = record.revision;
      if (seq - first <= NEAR) break;
    }
  }
  return revisionOf(low);
}
