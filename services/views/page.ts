/** One page of a lane: Relay's first/after and last/before, or the surroundings of a place, by seq. */
import type { LaneEvent } from '../../schema/events.ts';
import type { Seq } from '../../schema/ids.ts';
import type { Sight } from '../lane/lane.ts';
import type { LaneView } from './lane-view.ts';

export interface PageAsk {
  readonly first?: number | undefined;
  /** Only events behind this seq … */
  readonly after?: number | undefined;
  readonly last?: number | undefined;
  /** … and before this one. */
  readonly before?: number | undefined;
  /** The events next to this seq on both sides, itself included; `first` or `last` says how many. */
  readonly aroundSeq?: number | undefined;
}
export interface Page {
  /** Rising by seq. */
  readonly events: readonly LaneEvent[];
  /** The lane's seq that this page is true for. */
  readonly asOf: Seq;
  /** Whether there are more on each side, of the same kind and within what the reader may see. */
  readonly before: boolean;
  readonly after: boolean;
}

export const PAGE_USUAL = 50;

interface Window {
  /** What the reader may see: `min` < seq ≤ `max`. */
  readonly min: number;
  readonly max: number;
  /** What the page is asked from: `low` < seq ≤ `high`. */
  readonly low: number;
  readonly high: number;
  readonly only: 'messages' | undefined;
}

export async function readPage(view: LaneView, sight: Sight, ask: PageAsk, only?: 'messages'): Promise<Page> {
  const min = sight.from - 1;
  const max = Math.max(min, Math.min(view.top, sight.to));
  const low = Math.min(max, Math.max(min, ask.after ?? min));
  const high = Math.max(low, Math.min(max, (ask.before ?? Number.POSITIVE_INFINITY) - 1));
  const window = { min, max, low, high, only };
  const [{ events, less, more }, isBefore, isBehind] = await Promise.all([
    eventsOf(view, window, ask),
    view.some(min, low, only),
    view.some(high, max, only),
  ]);
  return { events, asOf: max as Seq, before: less || isBefore, after: more || isBehind };
}

/** `less`, `more`: the window has more events before, or behind, these. */
interface Cut {
  readonly events: readonly LaneEvent[];
  readonly less: boolean;
  readonly more: boolean;
}

function eventsOf(view: LaneView, window: Window, ask: PageAsk): Promise<Cut> {
  if (ask.aroundSeq !== undefined) return around(view, window, ask.aroundSeq, ask.first ?? ask.last ?? PAGE_USUAL);
  if (ask.first !== undefined) return oldest(view, window, ask.first, ask.last);
  return newest(view, window, ask.last ?? PAGE_USUAL);
}

async function oldest(view: LaneView, { low, high, only }: Window, first: number, last = first): Promise<Cut> {
  const found = await view.take({ after: low, upTo: high, limit: first + 1, newestFirst: false, only });
  const events = found.slice(0, first);
  const cut = Math.max(0, events.length - last);
  return { events: events.slice(cut), less: cut > 0, more: found.length > first };
}

async function newest(view: LaneView, { low, high, only }: Window, last: number): Promise<Cut> {
  const found = await view.take({ after: low, upTo: high, limit: last + 1, newestFirst: true, only });
  return { events: found.slice(0, last).reverse(), less: found.length > last, more: false };
}

/** Half of them before the place; where one side has too few, the other gives more. */
async function around(view: LaneView, { low, high, only }: Window, seq: number, limit: number): Promise<Cut> {
  const middle = Math.min(high, Math.max(low, seq - 1));
  const [below, above] = await Promise.all([
    view.take({ after: low, upTo: middle, limit: limit + 1, newestFirst: true, only }),
    view.take({ after: middle, upTo: high, limit: limit + 1, newestFirst: false, only }),
  ]);
  const half = Math.floor(limit / 2);
  const before = Math.min(below.length, Math.max(half, limit - above.length));
  const behind = Math.min(above.length, limit - before);
  return {
    events: [...below.slice(0, before).reverse(), ...above.slice(0, behind)],
    less: below.length > before,
    more: above.length > behind,
  };
}
