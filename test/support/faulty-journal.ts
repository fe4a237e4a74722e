/**
 * A journal that behaves as a real one does on a bad day: answers get lost before or after the store, appends land late, reads
 * fail, and its process can die. What is stored is the inner journal's; only what this process gets to know of it is not.
 */
import type { LaneRecord } from '../../schema/events.ts';
import type { LaneId, Revision } from '../../schema/ids.ts';
import {
  type AppendOutcome,
  type Journal,
  JournalUnavailable,
  type StoredSnapshot,
} from '../../services/journal/journal.ts';

export type AppendFault = 'none' | 'lost-before' | 'lost-after' | 'late' | 'spurious-conflict' | 'busy' | 'full';

/** What goes wrong next; asked once for each step. */
export interface Misfortune {
  append(): AppendFault;
  /** True: this read fails. */
  read(): boolean;
}
export const GOOD_DAY: Misfortune = { append: () => 'none', read: () => false };

const LOST: AppendOutcome = { kind: 'unknown', message: 'no answer' };

export class FaultyJournal implements Journal {
  readonly partitions: number;
  readonly #inner: Journal;
  readonly #late: (() => Promise<unknown>)[] = [];
  misfortune: Misfortune;
  #dead = false;

  constructor(inner: Journal, misfortune: Misfortune) {
    this.#inner = inner;
    this.partitions = inner.partitions;
    this.misfortune = misfortune;
  }

  /** The process is gone: it learns nothing more. What it had sent may still land. */
  kill(): void {
    this.#dead = true;
  }

  /** Lets the oldest append that is still on its way arrive. */
  async land(): Promise<void> {
    await this.#late.shift()?.();
  }

  async append(record: LaneRecord, expected: Revision): Promise<AppendOutcome> {
    await this.#step();
    switch (this.misfortune.append()) {
      case 'none':
        return this.#alive(await this.#inner.append(record, expected));
      case 'lost-before':
        return LOST;
      case 'lost-after':
        await this.#inner.append(record, expected);
        return LOST;
      case 'late':
        this.#late.push(() => this.#inner.append(record, expected));
        return LOST;
      case 'spurious-conflict':
        return { kind: 'conflict' };
      case 'busy':
        return { kind: 'busy', message: 'busy' };
      case 'full':
        return { kind: 'full', message: 'full' };
    }
  }

  last = (lane: LaneId) => this.#read(() => this.#inner.last(lane));
  lastRevisions = (lanes: readonly LaneId[]) => this.#read(() => this.#inner.lastRevisions(lanes));
  read: Journal['read'] = (lane, from, options) => this.#read(() => this.#inner.read(lane, from, options));
  next = (lane: LaneId, from: Revision) => this.#read(() => this.#inner.next(lane, from));
  readSnapshot = (lane: LaneId) => this.#read(() => this.#inner.readSnapshot(lane));
  partitionEnd = (partition: number) => this.#read(() => this.#inner.partitionEnd(partition));
  writeSnapshot = (lane: LaneId, snapshot: StoredSnapshot) => this.#inner.writeSnapshot(lane, snapshot);
  listen: Journal['listen'] = (lane, onRecord) => this.#inner.listen(lane, onRecord);
  onReconnect: Journal['onReconnect'] = (callback) => this.#inner.onReconnect(callback);
  whyOther: Journal['whyOther'] = (partition, place) => this.#read(() => this.#inner.whyOther(partition, place));
  consume: Journal['consume'] = (partition, from, options) => this.#inner.consume(partition, from, options);
  lanes: Journal['lanes'] = (partition) => this.#inner.lanes(partition);
  close = async (): Promise<void> => undefined;

  async #read<T>(read: () => Promise<T>): Promise<T> {
    await this.#step();
    if (this.misfortune.read()) throw new JournalUnavailable('no answer');
    return this.#alive(await read());
  }

  /** Every step takes a turn of the event loop, so that processes interleave, and something that is on its way may land. */
  async #step(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#late.length > 2) await this.land();
    await this.#alive(undefined);
  }

  #alive<T>(value: T): Promise<T> {
    return this.#dead ? new Promise<T>(() => undefined) : Promise.resolve(value);
  }
}
