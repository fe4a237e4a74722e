/** Writes that put one lane's history right, in place: a reader sees an event's old document or its new one, never neither. */
import type { Db } from 'mongodb';
import type { LaneId, Revision, Seq, UserId } from '../../schema/ids.ts';
import type { Mongo } from './connect.ts';
import type { MembershipChange } from './project.ts';
import { type EventDocument, type EventId, type Generation, generationOf, prefixOf } from './views.ts';

export class Mend {
  readonly #mongo: Mongo;
  readonly #generation: string;

  constructor(mongo: Mongo, generation: string) {
    this.#mongo = mongo;
    this.#generation = generation;
  }

  /** All at once: these documents out, those in, these parked records forgotten. */
  async exchange(
    out: readonly EventId[],
    into: readonly EventDocument[],
    parked: readonly { readonly p: number; readonly rev: Revision }[],
  ): Promise<void> {
    const client = await this.#mongo.client();
    const { history, parked: park } = await this.#views();
    await client.withSession((session) =>
      session.withTransaction(async () => {
        if (out.length > 0) await history.deleteMany({ _id: { $in: [...out] } }, { session });
        if (into.length > 0) await history.insertMany([...into], { session });
        if (parked.length > 0) await park.deleteMany({ _id: { $in: [...parked] } }, { session });
      }),
    );
  }

  /** Everything of a lane that does not exist. */
  async dropLane(lane: LaneId): Promise<void> {
    const { history, memberships, conversations, parked } = await this.#views();
    await history.deleteMany(prefixOf<EventId>('l', 's', lane));
    await memberships.deleteMany({ '_id.l': lane });
    await conversations.deleteOne({ _id: lane });
    await parked.deleteMany({ lane });
  }

  /** Who is in the lane, and its last activity. */
  async dropLists(lane: LaneId): Promise<void> {
    const { memberships, conversations } = await this.#views();
    await memberships.deleteMany({ '_id.l': lane });
    await conversations.deleteOne({ _id: lane });
  }

  /** Events of records after `upTo`. */
  async dropTail(lane: LaneId, upTo: Revision): Promise<void> {
    const { history } = await this.#views();
    await history.deleteMany({ ...prefixOf<EventId>('l', 's', lane), rev: { $gt: upTo } });
  }

  /** As of the lane's event `seq`; what came later is left alone. */
  async setMembers(lane: LaneId, seq: Seq, members: readonly MembershipChange[]): Promise<void> {
    const { memberships } = await this.#views();
    const users: UserId[] = members.map(({ user }) => user);
    await memberships.deleteMany({ '_id.l': lane, '_id.u': { $nin: users }, seq: { $lte: seq } });
    if (members.length === 0) return;
    await memberships.bulkWrite(
      members.map((change) => {
        const isNewer = { $gt: [{ $ifNull: ['$seq', 0] }, seq] };
        const update = [
          {
            $set: {
              member: { $cond: [isNewer, '$member', change.member] },
              seq: { $cond: [isNewer, '$seq', change.seq] },
            },
          },
        ];
        return { updateOne: { filter: { _id: { u: change.user, l: lane } }, update, upsert: true } };
      }),
      { ordered: false },
    );
  }

  async setActivity(lane: LaneId, seq: Seq, at: number): Promise<void> {
    const { conversations } = await this.#views();
    const isNewer = { $gt: [{ $ifNull: ['$seq', 0] }, seq] };
    await conversations.updateOne(
      { _id: lane },
      [{ $set: { at: { $cond: [isNewer, '$at', at] }, seq: { $cond: [isNewer, '$seq', seq] } } }],
      { upsert: true },
    );
  }

  async #views(): Promise<Generation> {
    const db: Db = await this.#mongo.db();
    return generationOf(db, this.#generation);
  }
}
