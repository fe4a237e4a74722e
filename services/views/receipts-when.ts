/** When members had received and read a message: of MongoDB's marks and the overlay's, whichever were in the log first. */
import type { DeviceId, Millis } from '../../schema/ids.ts';
import { HistoryUnavailable } from './ask.ts';
import type { Placed } from './receipts-overlay.ts';
import type { MarkLogDocument } from './receipts-store.ts';

/** When a user's maximum first reached a seq. Absent: it has not yet. */
export interface When {
  readonly deliveredAt?: Millis;
  /** The device whose mark did it; absent where it named none. */
  readonly deliveredTo?: DeviceId;
  readonly readAt?: Millis;
}

interface Reached {
  readonly at: Millis;
  readonly device: DeviceId | undefined;
}

/** Whichever was in the log first: what MongoDB has is a raise; of the overlay, the first that reaches so far. */
export function firstOf(
  placed: readonly Placed[],
  folded: MarkLogDocument | undefined,
  seq: number,
): Reached | undefined {
  const first = placed.find(({ mark }) => mark.s >= seq);
  if (folded && !(first && first.revision < folded.rev)) return { at: folded.at, device: folded.dev };
  return first && { at: first.mark.at, device: first.mark.d };
}

/** MongoDB's, which has every mark before it; else nobody has what was first. */
export function firstOfThinned(
  placed: readonly Placed[],
  folded: MarkLogDocument | undefined,
  seq: number,
): Reached | undefined {
  if (folded) return firstOf([], folded, seq);
  if (placed.some(({ mark }) => mark.s >= seq))
    throw new HistoryUnavailable('when this place was reached is not known before a projector has caught up');
  return undefined;
}

export function whenOf(delivered: Reached | undefined, read: Reached | undefined): When | undefined {
  if (!delivered) return undefined;
  return {
    deliveredAt: delivered.at,
    ...(delivered.device === undefined ? {} : { deliveredTo: delivered.device }),
    ...(read === undefined ? {} : { readAt: read.at }),
  };
}
