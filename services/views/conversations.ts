/** A user's conversations by their last activity. */
import type { LaneId, Millis, UserId } from '../../schema/ids.ts';
import { type Generation, type MembershipDocument, prefixOf } from './views.ts';

/** Of a user in more conversations, only so many are looked at. Their ids are one document of at most 16 MB. */
const CONVERSATIONS_MAX = 150_000;

export interface ListedConversation {
  readonly lane: LaneId;
  readonly lastActivityAt: Millis;
}

/**
 * First the ids, as one array: that is several times faster than as documents. Then the newest of them, by their ids alone:
 * an index by time would be written with every message, and would be walked far for who has only old ones.
 */
export async function listConversations(
  { memberships, conversations }: Generation,
  user: UserId,
  { limit, after }: { readonly limit: number; readonly after?: ListedConversation | undefined },
): Promise<ListedConversation[]> {
  const mine = await memberships
    .aggregate<{ ids: LaneId[] }>([
      { $match: { ...prefixOf<MembershipDocument['_id']>('u', 'l', user), member: true } },
      { $limit: CONVERSATIONS_MAX },
      { $group: { _id: null, ids: { $push: '$_id.l' } } },
    ])
    .toArray();
  const ids = mine[0]?.ids ?? [];
  if (ids.length === 0) return [];
  const older = after && {
    $or: [{ at: { $lt: after.lastActivityAt } }, { at: after.lastActivityAt, _id: { $lt: after.lane } }],
  };
  const found = await conversations
    .find(
      { $and: [{ _id: { $in: ids } }, older ?? {}] },
      { sort: { at: -1, _id: -1 }, limit, batchSize: limit + 1, projection: { at: 1 }, hint: '_id_' },
    )
    .toArray();
  return found.map(({ _id, at }) => ({ lane: _id, lastActivityAt: at }));
}
