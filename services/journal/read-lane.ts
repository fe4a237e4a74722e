/** A lane's records up to one that is known to be stored, though the replica that answers may not show it yet. */
import { type LaneId, type Revision, revisionOf } from '../../schema/ids.ts';
import type { Journal, StoredRecord } from './journal.ts';
import { lagged } from './lagging.ts';

const PAGE = 1_000;

/**
 * The lane's records from revision `from` on, in order, until `upTo` is among them, in pages; perhaps some newer ones.
 * Throws JournalUnavailable.
 */
export async function* readLane(
  journal: Pick<Journal, 'read'>,
  lane: LaneId,
  from: Revision,
  upTo: Revision,
): AsyncGenerator<readonly StoredRecord[]> {
  let next = from;
  let lagging = 0;
  while (next <= upTo) {
    const { records, complete } = await journal.read(lane, next, { limit: PAGE });
    const last = records.at(-1);
    if (last) {
      next = revisionOf(last.revision + 1);
      yield records;
    }
    if (!complete || next > upTo) continue;
    await lagged(lagging++, `lane ${lane}: it does not show its record at stream sequence ${upTo}`);
  }
}
