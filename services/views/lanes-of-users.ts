/** Which conversations users belong to, of many users in one question: for the notifier, which counts what each has not read. */
import type { Db } from 'mongodb';
import type { LaneId, UserId } from '../../schema/ids.ts';
import type { Logger } from '../logger.ts';
import { askMongo, HistoryUnavailable } from './ask.ts';
import type { Mongo } from './connect.ts';
import { Generations, READ_WITHIN_MS } from './generation.ts';
import { generationOf, type MembershipDocument, prefixOf } from './views.ts';

export interface LanesOfUsers {
  /**
   * By user, at most `limit` of each, which these are is not said; who has none is not in the map. May be behind the lanes by what
   * the projector is. Throws HistoryUnavailable.
   */
  of(users: readonly UserId[], limit: number): Promise<ReadonlyMap<UserId, readonly LaneId[]>>;
}

/** Users in one question. */
const USERS_AT_ONCE = 100;

export function openLanesOfUsers(mongo: Mongo, log: Logger): LanesOfUsers {
  const generations = new Generations(() => mongo.db());
  return {
    of: async (users, limit) => {
      const parts = Array.from({ length: Math.ceil(users.length / USERS_AT_ONCE) }, (_, i) =>
        users.slice(i * USERS_AT_ONCE, (i + 1) * USERS_AT_ONCE),
      );
      const found = await Promise.all(
        parts.map((some) =>
          askMongo(mongo, log, async (db) => {
            const { name, confirmedAt } = await generations.current();
            if (name === undefined) return [];
            const lanes = await readLanes(db, name, some, limit);
            if (performance.now() - confirmedAt > READ_WITHIN_MS)
              throw new HistoryUnavailable('history was rebuilt while it was read');
            return lanes;
          }),
        ),
      );
      return new Map(found.flat().map(({ _id, lanes }) => [_id, lanes]));
    },
  };
}

function readLanes(db: Db, generation: string, users: readonly UserId[], limit: number) {
  const theirs = users.map((user) => prefixOf<MembershipDocument['_id']>('u', 'l', user));
  return generationOf(db, generation)
    .memberships.aggregate<{ readonly _id: UserId; readonly lanes: readonly LaneId[] }>([
      { $match: { $or: theirs, member: true } },
      { $group: { _id: '$_id.u', lanes: { $firstN: { input: '$_id.l', n: limit } } } },
    ])
    .toArray();
}
