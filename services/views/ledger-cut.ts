/** What the ledger holds of messages that their lanes have lost. */
import type { Db } from 'mongodb';
import type { LaneId, Revision, Seq } from '../../schema/ids.ts';
import { decisionsOf, entriesOf, messageRange, noticesOf } from './ledger-documents.ts';

/** Of so many conversations together: what devices had is read as a whole for it. */
const LANES_AT_ONCE = 500;

/**
 * Forgets the pushes of every message in a record with revision ≥ `from`, of these lanes, what was decided of them, and that
 * devices had them. How many messages. Reads all of the ledger.
 */
export async function forgetPushes(db: Db, from: Revision, isOurs: (lane: LaneId) => boolean): Promise<number> {
  const since = { $match: { r: { $gte: from } } };
  const lanes = await entriesOf(db)
    .aggregate<{ readonly _id: LaneId; readonly s: Seq }>([since, { $group: { _id: '$_id.l', s: { $min: '$_id.s' } } }])
    .toArray();
  const ours = lanes.filter(({ _id }) => isOurs(_id));
  for (let i = 0; i < ours.length; i += LANES_AT_ONCE) {
    const some = ours.slice(i, i + LANES_AT_ONCE).map(({ _id, s }) => ({ '_id.l': _id, s: { $gte: s } }));
    await noticesOf(db).deleteMany({ $or: some });
  }
  const messages = entriesOf(db).aggregate<{ readonly _id: { readonly l: LaneId; readonly s: Seq } }>([
    since,
    { $group: { _id: { l: '$_id.l', s: '$_id.s' } } },
  ]);
  let forgotten = 0;
  for await (const { _id } of messages) {
    const { l, s } = _id;
    if (!isOurs(l)) continue;
    await decisionsOf(db).deleteMany(decisionsRange(l, s));
    // Last, so that a repetition finds the message again.
    await entriesOf(db).deleteMany({ ...messageRange(l, s), r: { $gte: from } });
    forgotten++;
  }
  return forgotten;
}

/** Every part of a message's decision. */
const decisionsRange = (l: LaneId, s: Seq) => ({
  _id: { $gte: { l, s, c: 0 }, $lte: { l, s, c: Number.MAX_SAFE_INTEGER } },
});
