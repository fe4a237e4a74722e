/**
 * The places of those events in a lane that are no messages. They are few, so messages between two places are counted without
 * looking at any: all that lie between, less these. Persistent; only the newest are kept.
 */
import type { Seq } from '../../schema/ids.ts';

/** Kept at the least, once there are so many. */
const KEEP = 512;

export interface Asides {
  /** Every aside with seq ≥ this is in `seqs`. */
  readonly from: Seq;
  /** Rising. */
  readonly seqs: readonly Seq[];
}
export const NO_ASIDES: Asides = { from: 1 as Seq, seqs: [] };

export function noteAside({ from, seqs }: Asides, seq: Seq): Asides {
  if (seqs.length < 2 * KEEP) return { from, seqs: [...seqs, seq] };
  const kept = seqs.slice(-KEEP);
  return { from: ((seqs.at(-KEEP - 1) as Seq) + 1) as Seq, seqs: [...kept, seq] };
}

/** Messages with `after` < seq ≤ `upTo`; undefined: some of the asides among them are forgotten. */
export function messagesBetween({ from, seqs }: Asides, after: number, upTo: number): number | undefined {
  if (after >= upTo) return 0;
  if (after + 1 < from) return undefined;
  return upTo - after - (firstAbove(seqs, upTo) - firstAbove(seqs, after));
}

/** The index of the first of them > `seq`, by bisection. */
function firstAbove(seqs: readonly Seq[], seq: number): number {
  let low = 0;
  let high = seqs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((seqs[middle] as Seq) > seq) high = middle;
    else low = middle + 1;
  }
  return low;
}
