/**
 * The port to the work queue of messages that are to be pushed. An item that was put is given to one taker at a time, again and
 * again until one of them says that it is done.
 */
import type { WorkItem } from '../../schema/delivery.ts';

export interface Taken {
  readonly item: WorkItem;
  /** It is done and is never given again; settles when that is certain. False: it may be given once more. */
  done(): Promise<boolean>;
  /** Not now: it is given again, to whoever takes next, not before `afterMs`. */
  again(afterMs: number): void;
  /** It takes longer: for the next 10 s nobody else gets it. */
  working(): void;
}

export interface UndeliveredQueue {
  /** Settles when all are stored durably. Throws JournalUnavailable; then some may be, and putting them again is harmless. */
  put(partition: number, items: readonly WorkItem[]): Promise<void>;
  /**
   * 1 to `max` items, as many as are there, in the order in which they were put; waits for them. None: `signal` aborted. Outages
   * are waited out. One call at a time. A taker that is not heard of for 10 s loses the item to another.
   */
  take(max: number, signal: AbortSignal): Promise<readonly Taken[]>;
  /** Items that are not done. Throws JournalUnavailable. */
  depth(): Promise<number>;
  close(): Promise<void>;
}
