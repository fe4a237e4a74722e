/**
 * A lane exactly as it was when its state was loaded: history up to a boundary, the lane's own records above it.
 *
 * History is written unordered, so events above its watermark may be there with holes between them. The watermark is taken
 * before anything else is read; nothing above it is used.
 */

import type { LaneEvent } from '../../schema/events.ts';
import { revisionOf, type Seq } from '../../schema/ids.ts';
import { partitionOf } from '../../schema/subjects.ts';
import type { Journal } from '../journal/journal.ts';
import type { Loaded } from '../journal/lanes.ts';
import { type History, HistoryUnavailable } from './history.ts';
import type { EventRange, HistoryAt, StoredEvent } from './history-at.ts';
import type { Tails } from './tail.ts';

export class LaneView {
  readonly #loaded: Loaded;
  /** The reason why there is none, where there is none. */
  readonly #history: HistoryAt | HistoryUnavailable;
  /** Every event up to it is history's. */
  readonly #boundary: number;
  /** Every event above it, or undefined: there are too many. */
  readonly #tail: readonly StoredEvent[] | undefined;

  constructor(
    loaded: Loaded,
    history: HistoryAt | HistoryUnavailable,
    boundary: number,
    tail?: readonly StoredEvent[],
  ) {
    this.#loaded = loaded;
    this.#history = history;
    this.#boundary = boundary;
    this.#tail = tail;
  }

  /** The lane's last event. */
  get top(): Seq {
    return this.#loaded.lane.seq;
  }

  /** In the order that the range asks for; all that there are, up to its limit. Throws HistoryUnavailable. */
  async take(range: EventRange): Promise<LaneEvent[]> {
    if (range.limit <= 0 || range.after >= range.upTo) return [];
    if (range.upTo > this.#boundary && !this.#tail) throw new HistoryUnavailable('history is too far behind the lane');
    const above = (this.#tail ?? [])
      .map(({ event }) => event)
      .filter(({ seq, type }) => seq > range.after && seq <= range.upTo && (!range.only || type === 'MessageSent'));
    if (range.newestFirst) {
      const newest = above.reverse().slice(0, range.limit);
      return [...newest, ...(await this.#below({ ...range, limit: range.limit - newest.length }))];
    }
    const oldest = await this.#below(range);
    return [...oldest, ...above.slice(0, range.limit - oldest.length)];
  }

  /** Whether there is an event with `after` < seq ≤ `upTo`. */
  async some(after: number, upTo: number, only?: 'messages'): Promise<boolean> {
    if (after >= upTo) return false;
    return !only || (await this.take({ after, upTo, limit: 1, newestFirst: true, only })).length > 0;
  }

  async #below(range: EventRange): Promise<LaneEvent[]> {
    const upTo = Math.min(range.upTo, this.#boundary);
    if (range.limit <= 0 || range.after >= upTo) return [];
    const history = this.#history;
    if (history instanceof HistoryUnavailable) throw history;
    const { id } = this.#loaded.lane;
    const found = (await history.events(id, { ...range, upTo })).map(({ event }) => event);
    const full = found.length === range.limit;
    const end = found.at(-1)?.seq ?? 0;
    const from = full && range.newestFirst ? end : range.after + 1;
    const to = full && !range.newestFirst ? end : upTo;
    // What is missing must never look like the end of the lane.
    const whole = range.only
      ? full || (await history.count(id, [...new Set([from, to])])) === (from === to ? 1 : 2)
      : found.length === to - from + 1;
    if (!whole || (await history.parked(id, from, to)))
      throw new HistoryUnavailable(`lane ${id}: history has not all events from ${from} to ${to}`);
    return found;
  }
}

/** Throws HistoryUnavailable, JournalUnavailable, PoisonedLane. */
export async function viewLane(history: History, journal: Journal, tails: Tails, loaded: Loaded): Promise<LaneView> {
  const { lane, revision } = loaded;
  const partition = partitionOf(lane.id, journal.partitions);
  let at: HistoryAt | HistoryUnavailable;
  let watermark = history.knownWatermark(partition);
  try {
    at = await history.at(partition, revision);
    watermark = at.watermark;
  } catch (error) {
    // What the lane itself has above the last known watermark is certain without history.
    if (!(error instanceof HistoryUnavailable) || watermark === undefined) throw error;
    at = error;
  }
  if (watermark >= revision) return new LaneView(loaded, at, lane.seq, []);
  const tail = await tails.read(loaded, revisionOf(watermark));
  if (tail.kind === 'whole')
    return new LaneView(loaded, at, (tail.events[0]?.event.seq ?? lane.seq + 1) - 1, tail.events);
  if (at instanceof HistoryUnavailable) throw at;
  return new LaneView(loaded, at, await at.boundary(lane.id, lane.seq));
}
