/** A user's conversations by their last activity. */
import type { LaneId, Millis, UserId } from '../../schema/ids.ts';
import { type Generation, type MembershipDocument, prefixOf } from './views.ts';

export interface ListedConversation {
  readonly lane: LaneId;
  readonly lastActivityAt: Millis;
}

export async function listConversations(
  { memberships, conversations }: Generation,
  user: UserId,
  { limit, after }: { readonly limit: number; readonly after?: ListedConversation | undefined },
): Promise<ListedConversation[]> {
  const mine = await memberships
    .find(
      { ...prefixOf<MembershipDocument['_id']>('u', 'l', user), member: true },
      { projection: { _id: 1 }, batchSize: 20_000 },
    )
    .toArray();
  if (mine.length === 0) return [];
  const older = after && {
    $or: [{ at: { $lt: after.lastActivityAt } }, { at: after.lastActivityAt, _id: { $lt: after.lane } }],
  };
  const found = await conversations
    .find(
      { $and: [{ _id: { $in: mine.map(({ _id }) => _id.l) } }, older ?? {}] },
      { sort: { at: -1, _id: -1 }, limit, batchSize: limit + 1, projection: { at: 1 } },
    )
    .toArray();
  return found.map(({ _id, at }) => ({ lane: _id, lastActivityAt: at }));
}
