/** One partition's receipts on their way into MongoDB: from the position on, in order. */
import { type Revision, revisionOf } from '../../schema/ids.ts';
import type { ReceiptLog } from '../journal/receipts.ts';
import { Abandoned, persist } from '../persist.ts';
import { PartitionRun, type ReceiptsSession } from './receipts-session.ts';

const BATCH_RECORDS = 200;

export interface ReceiptsRunOptions {
  readonly signal: AbortSignal;
  /** The last record that is wanted. */
  readonly until?: number;
  /** Everything up to it is in MongoDB. */
  readonly onReached?: (revision: Revision) => void;
}

/** Projects until `signal` aborts, or the record `until` is in MongoDB; what is under way is finished. Throws Abandoned when the session ends before. */
export async function projectReceipts(
  receipts: ReceiptLog,
  session: ReceiptsSession,
  partition: number,
  { signal, until = Number.POSITIVE_INFINITY, onReached }: ReceiptsRunOptions,
): Promise<void> {
  const position = await startOf(receipts, session, partition, signal);
  if (position === undefined || position >= until) return;
  onReached?.(position);
  const run = new PartitionRun(partition);
  const failure = new AbortController();
  const options = { maxBatch: BATCH_RECORDS, signal: AbortSignal.any([signal, failure.signal]) };
  let settled: Promise<void> = Promise.resolve();
  for await (const batch of receipts.consume(partition, revisionOf(position + 1), options)) {
    const wanted = batch.filter(({ revision }) => revision <= until);
    for (const { id, revision } of wanted) if (id === '') passOver(session, partition, revision);
    const last = wanted.at(-1)?.revision;
    const { done } = await session.write(run, wanted);
    settled = done.then(() => last !== undefined && onReached?.(last)).then(() => undefined);
    settled.catch(() => failure.abort());
    if ((batch.at(-1)?.revision ?? 0) >= until) break;
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

/**
 * The position, once it is certain that the log is the one that it was reached in: the record there is the same. A log that
 * was restored or made anew is folded from its beginning: what is known already changes nothing. Undefined: `signal` aborted.
 */
async function startOf(
  receipts: ReceiptLog,
  session: ReceiptsSession,
  partition: number,
  signal: AbortSignal,
): Promise<Revision | undefined> {
  const { store, log } = session;
  // A stop must not wait for a log that is down.
  const trying = { signal: AbortSignal.any([session.signal, signal]), log };
  try {
    const { w, rid } = await persist('the position of receipts', () => store.position(partition), trying);
    const ask = () => isSameLog(receipts, partition, w, rid, signal);
    const isSame = w === 0 || (await persist('the end of the log of receipts', ask, trying));
    if (signal.aborted) return undefined;
    if (isSame) return w;
    log.error(
      { alarm: 'receipts restarted', partition, position: w },
      'the log of receipts is another one: it is folded anew',
    );
    await persist('the position of receipts', () => store.restart(partition, w), trying);
    return revisionOf(0);
  } catch (error) {
    if (error instanceof Abandoned && signal.aborted) return undefined;
    throw error;
  }
}

async function isSameLog(
  receipts: ReceiptLog,
  partition: number,
  position: Revision,
  id: string,
  signal: AbortSignal,
): Promise<boolean> {
  if ((await receipts.end(partition)) < position) return false;
  // Where it was purged nothing can be told: purged is only what is in MongoDB.
  for await (const [record] of receipts.consume(partition, position, { maxBatch: 1, signal }))
    return record?.revision !== position || record.id === id;
  return true;
}
