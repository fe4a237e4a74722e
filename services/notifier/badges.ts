/** What an app's icon shows: the user's unread messages, from the server's own account. */
import type { LaneId, UserId } from '../../schema/ids.ts';
import { type Loaded, PoisonedLane } from '../journal/lanes.ts';
import { sightOf } from '../lane/lane.ts';
import type { LanesOfUsers } from '../views/lanes-of-users.ts';
import type { Unread } from '../views/unread.ts';

/** Of a user in more conversations, only so many count. */
const COUNTED_CONVERSATIONS = 10_000;

export interface BadgeParts {
  readonly unread: Unread;
  readonly lanesOf: LanesOfUsers;
}
export type Lists = ReadonlyMap<UserId, readonly LaneId[]>;

/** What badges of these users are counted from. Throws HistoryUnavailable. */
export const listsOf = ({ lanesOf }: BadgeParts, users: readonly UserId[]): Promise<Lists> =>
  lanesOf.of(users, COUNTED_CONVERSATIONS);

/**
 * Over all conversations of the list; the one that is given is counted exactly, the others may lag behind by what the projector
 * does. Throws HistoryUnavailable, JournalUnavailable.
 */
export async function badgeOf(
  { unread }: BadgeParts,
  lists: Lists,
  user: UserId,
  exact?: { readonly loaded: Loaded; readonly readSeq: number },
): Promise<{ readonly unread: number; readonly badge: number }> {
  const sight = exact && sightOf(exact.loaded.lane, user, false);
  const here = exact && sight ? await unread.of(exact.loaded, sight, user, exact.readSeq) : 0;
  const others = (lists.get(user) ?? []).filter((lane) => lane !== exact?.loaded.lane.id);
  if (others.length === 0) return { unread: here, badge: here };
  try {
    const counts = await unread.ofMany(user, others);
    return { unread: here, badge: [...counts.values()].reduce((sum, one) => sum + one.unread, here) };
  } catch (error) {
    // A conversation that cannot be read for good must not keep its members from hearing of the others.
    if (error instanceof PoisonedLane) return { unread: here, badge: here };
    throw error;
  }
}
