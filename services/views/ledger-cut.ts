/** What the ledger holds of messages that their lanes have lost. */
import type { Db } from 'mongodb';
import type { LaneId, Revision, Seq } from '../../schema/ids.ts';
import { decisionsOf, entriesOf, noticesOf } from './ledger-documents.ts';

/**
 * Forgets the pushes of every message in a record with revision ≥ `from`, of these lanes, what was decided of them, and that
 * devices had them. How many messages. Reads all of the ledger.
 */
export async function forgetPushes(db: Db, from: Revision, isOurs: (lane: LaneId) => boolean): Promise<number> {
  const messages = entriesOf(db).aggregate<{ readonly _id: { readonly l: LaneId; readonly s: Seq } }>([
    { $match: { r: { $gte: from } } },
    { $group: { _id: { l: '$_id.l', s: '$_id.s' } } },
  ]);
  let forgotten = 0;
  for await (const { _id } of messages) {
    const { l, s } = _id;
    if (!isOurs(l)) continue;
    await noticesOf(db).deleteMany({ '_id.l': l, s: { $gte: s } });
    await decisionsOf(db).deleteMany({ '_id.l': l, '_id.s': s });
    // Last, so that a repetition finds the message again.
    await entriesOf(db).deleteMany({ '_id.l': l, '_id.s': s, r: { $gte: from } });
    forgotten++;
  }
  return forgotten;
}
