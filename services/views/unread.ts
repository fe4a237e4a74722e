/** How many messages a member has not read. */
import type { Db } from 'mongodb';
import { type LaneId, type Seq, seqOf, type UserId } from '../../schema/ids.ts';
import { type Lanes, type Loaded, PoisonedLane } from '../journal/lanes.ts';
import { messagesBetween } from '../lane/asides.ts';
import { type Sight, sightOf } from '../lane/lane.ts';
import { lastSentBy } from '../lane/sent.ts';
import type { Logger } from '../logger.ts';
import { askMongo } from './ask.ts';
import type { Mongo } from './connect.ts';
import { Generations } from './generation.ts';
import type { Reads } from './reads.ts';
import type { Mine, ReceiptBoard } from './receipts.ts';
import { generationOf } from './views.ts';

/** Nobody counts further. */
export const UNREAD_MAX = 1_000;
/** Ids in one question. */
const IDS_MAX = 5_000;
/** Lanes that one call loads at a time. */
const LOADS_AT_ONCE = 32;

/** How far the user has read: what is marked, or the user's own last message. */
export const readSeqOf = ({ lane }: Loaded, user: UserId, mine: Mine | undefined): Seq =>
  seqOf(Math.max(mine?.read ?? 0, lastSentBy(lane.sent, user)));

export interface UnreadOf {
  readonly readSeq: Seq;
  readonly unread: number;
}

export interface Unread {
  /**
   * Messages by others with seq > `readSeq` that `sight` shows, at most UNREAD_MAX; those before the user's own last message
   * count as read. Exact as of `loaded`; without I/O, unless more than 500 changes of members are unread, too.
   * Throws HistoryUnavailable, JournalUnavailable.
   */
  of(loaded: Loaded, sight: Sight, user: UserId, readSeq: number): Promise<number>;
  /**
   * For many lanes at once, of a member. Those that hold nothing new by MongoDB's account cost nothing each, so it may lag behind
   * the lanes by what the projector does. The others are counted by states as new as that account (`listed`, the default), or as
   * new as the call (`fresh`): where somebody's rights hang on it. Lanes that the user does not belong to are left out.
   * Throws HistoryUnavailable, JournalUnavailable, PoisonedLane.
   */
  ofMany(user: UserId, lanes: readonly LaneId[], states?: 'listed' | 'fresh'): Promise<ReadonlyMap<LaneId, UnreadOf>>;
}

export interface UnreadOptions {
  readonly lanes: Lanes;
  readonly reads: Reads;
  readonly board: ReceiptBoard;
  readonly mongo: Mongo;
  readonly log: Logger;
}

export function openUnread({ lanes, reads, board, mongo, log }: UnreadOptions): Unread {
  const generations = new Generations(() => mongo.db());
  const of = (loaded: Loaded, sight: Sight, user: UserId, readSeq: number) =>
    countUnread(reads, loaded, sight, Math.max(readSeq, lastSentBy(loaded.lane.sent, user)));
  const ofOne = async (user: UserId, loaded: Loaded, mine: Mine | undefined) => {
    const sight = sightOf(loaded.lane, user, false);
    if (!sight || !loaded.lane.members.has(user)) return undefined;
    const readSeq = readSeqOf(loaded, user, mine);
    return { readSeq, unread: await of(loaded, sight, user, readSeq) };
  };
  const asListed = async (id: LaneId, end: number | undefined): Promise<Loaded> => {
    const cached = lanes.peek(id);
    return cached && end !== undefined && cached.lane.seq >= end ? cached : lanes.fresh(id);
  };
  return {
    of,
    ofMany: async (user, ids, states = 'listed') => {
      const [marks, last] = await Promise.all([
        board.ofUser(user, ids),
        askMongo(mongo, log, async (db) => readLastSeqs(db, (await generations.current()).name, ids)),
      ]);
      const all = new Map<LaneId, UnreadOf>();
      const waiting: LaneId[] = [];
      for (const id of ids) {
        const [mine, end] = [marks.get(id), endOf(last.get(id), lanes.peek(id))];
        if (mine && end !== undefined && mine.read >= end) all.set(id, { readSeq: seqOf(mine.read), unread: 0 });
        else waiting.push(id);
      }
      const fresh = states === 'fresh' ? await lanes.freshMany(waiting) : undefined;
      const work = async (): Promise<void> => {
        for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
          const loaded = fresh?.get(id) ?? (await asListed(id, endOf(last.get(id), lanes.peek(id))));
          if (loaded instanceof PoisonedLane) throw loaded;
          const one = await ofOne(user, loaded, marks.get(id));
          if (one) all.set(id, one);
        }
      };
      await Promise.all(Array.from({ length: LOADS_AT_ONCE }, work));
      return all;
    },
  };
}

/** Whichever knows more. Undefined: MongoDB knows nothing of it. */
const endOf = (projected: Seq | undefined, cached: Loaded | undefined): number | undefined =>
  projected && Math.max(projected, cached?.lane.seq ?? 0);

async function countUnread(reads: Reads, loaded: Loaded, sight: Sight, readSeq: number): Promise<number> {
  const { asides, seq } = loaded.lane;
  const after = Math.max(readSeq, sight.from - 1);
  const upTo = Math.min(seq, sight.to);
  const all = messagesBetween(asides, after, upTo);
  if (all !== undefined) return Math.min(all, UNREAD_MAX);
  const newest = messagesBetween(asides, asides.from - 1, upTo) ?? 0;
  if (newest >= UNREAD_MAX) return UNREAD_MAX;
  const ask = { after, before: asides.from, first: UNREAD_MAX - newest };
  return newest + (await reads.page(loaded, sight, ask, 'messages')).events.length;
}

async function readLastSeqs(db: Db, generation: string | undefined, lanes: readonly LaneId[]) {
  const all = new Map<LaneId, Seq>();
  if (generation === undefined) return all;
  const { conversations } = generationOf(db, generation);
  for (let i = 0; i < lanes.length; i += IDS_MAX) {
    const some = { _id: { $in: lanes.slice(i, i + IDS_MAX) } };
    for (const { _id, seq } of await conversations.find(some, { projection: { seq: 1 } }).toArray()) all.set(_id, seq);
  }
  return all;
}
