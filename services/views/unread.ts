/** How many messages a member has not read. */
import type { LaneId, UserId } from '../../schema/ids.ts';
import type { Loaded } from '../journal/lanes.ts';
import type { Sight } from '../lane/lane.ts';
import type { Mine } from './receipts.ts';

/** Nobody counts further. */
export const UNREAD_MAX = 1_000;

/** How far the user has read: what is marked, or the user's own last message. */
export declare function readSeqOf(loaded: Loaded, user: UserId, mine: Mine | undefined): number;

export interface Unread {
  /**
   * Messages by others with seq > `readSeq` that `sight` shows, at most UNREAD_MAX; `readSeq` by `readSeqOf`. Exact as of
   * `loaded`, nearly always without I/O. Throws HistoryUnavailable, JournalUnavailable.
   */
  of(loaded: Loaded, sight: Sight, user: UserId, readSeq: number): Promise<number>;
  /**
   * For many lanes at once, of a member: those that hold nothing new by MongoDB's account cost nothing each; the others are loaded. May
   * lag behind the lanes by what the projector does. Lanes that the user does not belong to are left out. Throws as `of`.
   */
  ofMany(
    user: UserId,
    lanes: readonly LaneId[],
  ): Promise<ReadonlyMap<LaneId, { readonly readSeq: number; readonly unread: number }>>;
}
