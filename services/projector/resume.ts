/**
 * History and receipts go on after a loss. What history holds of records that the stream has lost goes first: others come in
 * their place, with the same numbers. What history holds of the records before is kept.
 */
import { type Revision, revisionOf } from '../../schema/ids.ts';
import { partitionOf } from '../../schema/subjects.ts';
import type { Place } from '../journal/place.ts';
import type { ReceiptLog } from '../journal/receipts.ts';
import { placeToResume, resumableLanes, resumableReceipts, type Target } from '../journal/resume.ts';
import type { Mongo } from '../views/connect.ts';
import { ensureGeneration } from '../views/generation.ts';
import { ReceiptStore } from '../views/receipts-store.ts';
import { Store } from '../views/store.ts';
import { cutLane } from './mend.ts';
import type { Stores } from './stores.ts';

export interface Resumed {
  /** It goes on behind it. */
  readonly place: Place;
  /** Conversations whose history was cut. */
  readonly lanes: number;
}

/** Undefined: it does not stand still. Throws ConfigError, JournalUnavailable, what MongoDB throws; then it may be repeated. */
export async function resumeProjector(
  { journal, mongo }: Stores,
  partition: number,
  target: Target,
  signal: AbortSignal,
): Promise<Resumed | undefined> {
  const generation = await ensureGeneration(await mongo.db());
  const store = new Store(() => mongo.db(), generation);
  const { w: revision, rid: id, at } = await store.position(partition);
  const had: Place = { revision, id, at };
  const place = await placeToResume(resumableLanes(journal, partition, signal), had, target);
  if (!place) return undefined;
  // No reader believes what it finds meanwhile, though no projector may be there to say so; `moveTo` ends it.
  await store.setHalted(
    partition,
    'its history is cut where records were lost ("lanes resume projector", which may be repeated)',
  );
  const from: Revision = revisionOf(place.revision + 1);
  let lanes = 0;
  for await (const lane of store.lanesFrom(from)) {
    if (partitionOf(lane, journal.partitions) !== partition) continue;
    await cutLane({ journal, mongo }, generation, lane, place.revision);
    lanes++;
  }
  await store.forgetParked(partition, from);
  await store.moveTo(partition, place);
  return { place, lanes };
}

/** As `resumeProjector`. What was folded stays: marks only rise. */
export async function resumeReceipts(
  { receipts, mongo }: { readonly receipts: ReceiptLog; readonly mongo: Mongo },
  partition: number,
  target: Target,
  signal: AbortSignal,
): Promise<Resumed | undefined> {
  const store = new ReceiptStore(() => mongo.db());
  const { w: revision, rid, at } = await store.position(partition);
  const had: Place = { revision, id: rid || null, at };
  const place = await placeToResume(resumableReceipts(receipts, partition, signal), had, target);
  if (!place) return undefined;
  await store.moveTo(partition, place);
  return { place, lanes: 0 };
}
