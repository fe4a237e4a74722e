/**
 * What rooms read of a conversation: exact as of the lane state that they loaded, whatever the projector has done so far.
 * Rights are the caller's: it gives the `sight`, or asks only for what the reader may see.
 */
import type { LaneEvent, MessageSent } from '../../schema/events.ts';
import type { Seq } from '../../schema/ids.ts';
import { partitionOf } from '../../schema/subjects.ts';
import type { Journal } from '../journal/journal.ts';
import type { Loaded } from '../journal/lanes.ts';
import type { KeyHistory } from '../journal/submit.ts';
import type { RememberedKey } from '../lane/keys.ts';
import type { Sight } from '../lane/lane.ts';
import { readGap } from './gap.ts';
import { type History, HistoryUnavailable } from './history.ts';
import type { WantedKey } from './history-at.ts';
import { viewLane } from './lane-view.ts';
import { type Page, type PageAsk, readPage } from './page.ts';
import { Tails } from './tail.ts';

/** Every method may throw HistoryUnavailable, JournalUnavailable and PoisonedLane; none of them ever leaves something out instead. */
export interface Reads extends KeyHistory {
  /** A page of what `sight` bounds; without `first`, `last` or `aroundSeq` the last 50. `only`: the messages among the events. */
  page(loaded: Loaded, sight: Sight, ask: PageAsk, only?: 'messages'): Promise<Page>;
  /** Undefined: the lane has no such event. */
  event(loaded: Loaded, seq: number): Promise<LaneEvent | undefined>;
  lastMessage(loaded: Loaded, sight: Sight): Promise<MessageSent | undefined>;
  /**
   * For catching up: the events after `after`, in order without a hole, in pages, at least up to `loaded`. Works without MongoDB.
   */
  gap(loaded: Loaded, after: number): AsyncIterable<readonly LaneEvent[]>;
}

export function openReads(history: History, journal: Journal): Reads {
  const tails = new Tails(journal);
  return {
    page: async (loaded, sight, ask, only) =>
      readPage(await viewLane(history, journal, tails, loaded), sight, ask, only),
    event: async (loaded, seq) => {
      if (!Number.isSafeInteger(seq) || seq < 1 || seq > loaded.lane.seq) return undefined;
      const view = await viewLane(history, journal, tails, loaded);
      return (await view.take({ after: seq - 1, upTo: seq, limit: 1, newestFirst: true }))[0];
    },
    lastMessage: async (loaded, sight) => {
      const view = await viewLane(history, journal, tails, loaded);
      const upTo = Math.min(view.top, sight.to);
      const found = await view.take({ after: sight.from - 1, upTo, limit: 1, newestFirst: true, only: 'messages' });
      return found[0] as MessageSent | undefined;
    },
    gap: (loaded, after) => readGap(history, journal, loaded, after),
    findKeys: (loaded, wanted) => findKeys(history, journal, tails, loaded, wanted),
  };
}

/**
 * A key is absent only if history and the lane's tail together hold every event that the lane's state has forgotten. What
 * history does hold is looked at, not taken from the watermark: a dropped history must not turn every key into a new one.
 */
async function findKeys(
  history: History,
  journal: Journal,
  tails: Tails,
  loaded: Loaded,
  wanted: readonly WantedKey[],
): Promise<{ upTo: Seq; found: readonly (RememberedKey | undefined)[] }> {
  const { id, seq, keys } = loaded.lane;
  const at = await history.at(partitionOf(id, journal.partitions), loaded.revision);
  const [found, boundary, parked] = await Promise.all([
    at.keys(id, wanted),
    at.boundary(id, seq),
    at.parked(id, 1, seq),
  ]);
  if (parked) throw new HistoryUnavailable(`lane ${id}: a record of it is parked, and may hold any key`);
  if (boundary >= keys.from - 1) return { upTo: boundary, found };
  const tail = await tails.read(loaded, at.watermark);
  const first = tail.kind === 'whole' ? tail.events[0]?.event.seq : undefined;
  if (tail.kind !== 'whole' || first === undefined || first > boundary + 1)
    throw new HistoryUnavailable(`lane ${id}: history reaches to event ${boundary}, ${keys.from - 1} is needed`);
  const above = new Map(tail.events.map(({ event }) => [`${event.by} ${event.key}`, event]));
  const both = wanted.map(({ sender, key }, i) => found[i] ?? above.get(`${sender} ${key}`));
  return { upTo: seq, found: both.map((event) => event && { seq: event.seq, at: event.at, hash: event.hash }) };
}
