/** What an app's icon shows: the user's unread messages, from the server's own account. */
import type { UserId } from '../../schema/ids.ts';
import { type Loaded, PoisonedLane } from '../journal/lanes.ts';
import { sightOf } from '../lane/lane.ts';
import type { History } from '../views/history.ts';
import type { Unread } from '../views/unread.ts';

/** Those with the newest activity, as for `Me.unreadMessages`. */
const COUNTED_CONVERSATIONS = 10_000;

export interface BadgeParts {
  readonly unread: Unread;
  readonly history: Pick<History, 'conversationsOf'>;
}

/**
 * Over all conversations; the one that is given is counted exactly, the others may lag behind by what the projector does.
 * Throws HistoryUnavailable, JournalUnavailable.
 */
export async function badgeOf(
  { unread, history }: BadgeParts,
  user: UserId,
  exact?: { readonly loaded: Loaded; readonly readSeq: number },
): Promise<{ readonly unread: number; readonly badge: number }> {
  const sight = exact && sightOf(exact.loaded.lane, user, false);
  const here = exact && sight ? await unread.of(exact.loaded, sight, user, exact.readSeq) : 0;
  const listed = await history.conversationsOf(user, { limit: COUNTED_CONVERSATIONS });
  const others = listed.map(({ lane }) => lane).filter((lane) => lane !== exact?.loaded.lane.id);
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
