/**
 * The time of grace as a delay line: records come in the order in which they were stored, so it is enough to wait for the first
 * of them. Only the batch that the reader gave is held; all that waits behind it waits in the lane's own storage.
 */
import type { Millis } from '../../schema/ids.ts';

export interface DelayOptions {
  readonly graceMs: number;
  readonly clock: () => Millis;
  readonly signal: AbortSignal;
  /** Settles after `ms`, or when the signal aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * The same records in the same order, each when its grace is over, as many together as are due. A server's clock that is ahead
 * of ours makes no record wait longer than its grace from when it was read. Ends with its source, or when the signal aborts.
 */
export async function* afterGrace<T extends { readonly storedAt: Millis }>(
  source: AsyncIterable<readonly T[]>,
  { graceMs, clock, signal, wait }: DelayOptions,
): AsyncGenerator<readonly T[], void, void> {
  for await (const batch of source) {
    const latest = clock() + graceMs;
    const dueAt = (record: T): Millis => Math.min(record.storedAt + graceMs, latest);
    for (let done = 0; done < batch.length && !signal.aborted; ) {
      const now = clock();
      let due = done;
      while (due < batch.length && dueAt(batch[due] as T) <= now) due++;
      if (due > done) yield batch.slice(done, due);
      else await wait(dueAt(batch[done] as T) - now, signal);
      done = due;
    }
  }
}
