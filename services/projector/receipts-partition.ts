/** One partition's receipts on their way into MongoDB: from the position on, in order. */
import { type Revision, revisionOf } from '../../schema/ids.ts';
import { untilSame } from '../journal/halts.ts';
import { OtherStream, type Place } from '../journal/place.ts';
import type { ReceiptLog } from '../journal/receipts.ts';
import { Abandoned } from '../persist.ts';
import { PartitionRun, type ReceiptsSession } from './receipts-session.ts';

const BATCH_RECORDS = 200;

export interface ReceiptsRunOptions {
  readonly signal: AbortSignal;
  /** The last record that is wanted. */
  readonly until?: number;
  /** Everything up to it is in MongoDB. */
  readonly onReached?: (revision: Revision) => void;
}

/** Projects until `signal` aborts, or the record `until` is in MongoDB; what is under way is finished. Throws Abandoned when the session ends before, OtherStream as the projector does. */
export async function projectReceipts(
  receipts: ReceiptLog,
  session: ReceiptsSession,
  partition: number,
  { signal, until = Number.POSITIVE_INFINITY, onReached }: ReceiptsRunOptions,
): Promise<void> {
  const place = await startOf(receipts, session, partition, signal).catch((error: unknown) => {
    if (error instanceof Abandoned && signal.aborted) return undefined;
    throw error;
  });
  if (!place || place.revision >= until) return;
  onReached?.(place.revision);
  const run = new PartitionRun(partition);
  const failure = new AbortController();
  const options = { maxBatch: BATCH_RECORDS, signal: AbortSignal.any([signal, failure.signal]), after: place.id };
  let settled: Promise<void> = Promise.resolve();
  try {
    for await (const batch of receipts.consume(partition, revisionOf(place.revision + 1), options)) {
      const wanted = batch.filter(({ revision }) => revision <= until);
      for (const { id, revision } of wanted) if (id === '') passOver(session, partition, revision);
      const last = wanted.at(-1)?.revision;
      const { done } = await session.write(run, wanted);
      settled = done.then(() => last !== undefined && onReached?.(last)).then(() => undefined);
      settled.catch(() => failure.abort());
      if ((batch.at(-1)?.revision ?? 0) >= until) break;
    }
  } catch (error) {
    // The position is written first: it is what the log is compared with.
    if (error instanceof OtherStream) await settled;
    throw error;
  }
  await settled;
}

function passOver(session: ReceiptsSession, partition: number, revision: Revision): void {
  session.log.error(
    { alarm: 'unreadable', partition, revision },
    'a record of receipts cannot be read and is passed over',
  );
  session.observe.unreadable(partition);
}

/** The position, once it is certain that the log is the one that it was reached in. Throws Abandoned. */
async function startOf(
  receipts: ReceiptLog,
  { store, observe, log, signal: ending }: ReceiptsSession,
  partition: number,
  signal: AbortSignal,
): Promise<Required<Pick<Place, 'revision' | 'id'>>> {
  return untilSame(
    {
      ...{ service: 'receipts', partition, log },
      placeOf: async () => {
        const { w, rid } = await store.position(partition);
        return { revision: w, id: rid || null };
      },
      whyOther: (place) => receipts.whyOther(partition, place),
      onHalt: (reason) => observe.halted(partition, reason),
    },
    // A stop must not wait for a log that is down.
    AbortSignal.any([ending, signal]),
  );
}
