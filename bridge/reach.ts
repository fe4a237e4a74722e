/** How far an integration's events have come, partition by partition, and what is known of its stream. */
import { type Millis, revisionOf } from '../schema/ids.ts';
import type { Place, RecordId } from '../services/journal/place.ts';

/** Everything up to `positions[p]` is in the stream or was; nothing below `since[p]` ever was, in this stream. */
export interface Reach {
  positions: number[];
  /** Of the record at each position; null: it was not written down. */
  records: (Known | null)[];
  since: number[];
  /** Which stream it was, and whether it saw everything: '' where there was none. */
  stream: string;
  /** How often an operator said where to go on in a partition that is another one than was read; and how each of them stands. */
  restores: number;
  rebuilt: (Rebuilt | null)[];
}
export interface Known {
  readonly id: RecordId;
  readonly at: Millis;
}
/**
 * The partition was restored: what lies in the integration's stream up to `upTo` may be of events that are none any more, where
 * the lane has others from revision `from` on.
 */
export interface Rebuilt {
  readonly from: number;
  readonly upTo: number;
}

export const reachFrom = (positions: number[]): Reach => ({
  positions,
  records: positions.map(() => null),
  since: positions.map((at) => at + 1),
  stream: '',
  restores: 0,
  rebuilt: positions.map(() => null),
});

export function placeOf({ positions, records }: Reach, partition: number): Place {
  const { id, at } = records[partition] ?? {};
  return { revision: revisionOf(positions[partition] as number), id, at };
}

/** True: the position has moved. It never goes back. */
export function move(reach: Reach, partition: number, place: Place): boolean {
  if ((reach.positions[partition] as number) >= place.revision) return false;
  put(reach, partition, place);
  return true;
}

function put(reach: Reach, partition: number, { revision, id, at }: Place): void {
  reach.positions[partition] = revision;
  reach.records[partition] = id === undefined || at === undefined ? null : { id, at };
}

/** The partition is another one than was read, and is gone on with behind this place. `last`: of the integration's stream. */
export function restore(reach: Reach, partition: number, place: Place, last: number): void {
  put(reach, partition, place);
  reach.since[partition] = place.revision + 1;
  reach.rebuilt[partition] = { from: place.revision + 1, upTo: last };
  reach.restores++;
}

/** Takes over what an operator said meanwhile. The partitions that it is about. */
export function adopt(reach: Reach, stored: Reach): readonly number[] {
  if (stored.restores <= reach.restores) return [];
  const adopted: number[] = [];
  for (const [partition, rebuilt] of stored.rebuilt.entries()) {
    if (!rebuilt || isSame(rebuilt, reach.rebuilt[partition])) continue;
    put(reach, partition, placeOf(stored, partition));
    reach.since[partition] = stored.since[partition] as number;
    reach.rebuilt[partition] = rebuilt;
    adopted.push(partition);
  }
  reach.restores = stored.restores;
  return adopted;
}

/** What an operator said counts; of two streams under the name the newer: what was delivered to the older is not in it. */
export function mergedOf(one: Reach, other: Reach): Reach {
  if (one.restores > other.restores) return aheadOf(one, other);
  if (other.restores > one.restores) return aheadOf(other, one);
  const isAhead = (p: number): boolean => (one.positions[p] as number) > (other.positions[p] as number);
  const positions = one.positions.map((at, p) => Math.max(at, other.positions[p] as number));
  const records = one.records.map((record, p) => (isAhead(p) ? record : (other.records[p] as Known | null)));
  const newer = one.stream > other.stream ? one : other;
  const since =
    one.stream === other.stream ? one.since.map((at, p) => Math.min(at, other.since[p] as number)) : [...newer.since];
  return { ...newer, positions, records, since };
}

/** `told`, and how far the other one is in the partitions of which both know the same. */
function aheadOf(told: Reach, other: Reach): Reach {
  const merged = { ...told, positions: [...told.positions], records: [...told.records] };
  for (const [p, rebuilt] of told.rebuilt.entries())
    if (isSame(rebuilt, other.rebuilt[p])) move(merged, p, placeOf(other, p));
  return merged;
}

const isSame = (one: Rebuilt | null | undefined, other: Rebuilt | null | undefined): boolean =>
  one?.from === other?.from && one?.upTo === other?.upTo;
