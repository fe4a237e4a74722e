/** The lanes in this process's memory, with the guarantees of the port: for tests. Nothing in it waits for time. */
import type { LaneRecord } from '../../schema/events.ts';
import { type LaneId, type Millis, type Revision, revisionOf } from '../../schema/ids.ts';
import { partitionOf } from '../../schema/subjects.ts';
import type { ConsumeOptions } from './consume.ts';
import type {
  AppendOutcome,
  Journal,
  ReadOptions,
  ReadResult,
  Stoppable,
  StoredRecord,
  StoredSnapshot,
} from './journal.ts';
import { OtherStream, type Place, whyOther } from './place.ts';
import { encodeRecord, parseRecord } from './record.ts';

/** As of the JetStream adapter. */
const BATCH_RECORDS = 1_000;

export interface MemoryOptions {
  readonly partitions: number;
  readonly clock?: () => Millis;
}

export class MemoryJournal implements Journal {
  readonly partitions: number;
  readonly #clock: () => Millis;
  /** By partition; a record's revision is its place, from 1. */
  readonly #streams: StoredRecord[][];
  readonly #lanes = new Map<LaneId, StoredRecord[]>();
  readonly #snapshots = new Map<
    LaneId,
    { readonly revision: Revision; readonly recordId: string; readonly json: string }
  >();
  readonly #listeners = new Map<LaneId, Set<(record: StoredRecord) => void>>();
  readonly #onReconnect = new Set<() => void>();
  /** Woken by each append, and by the end. */
  readonly #sleepers = new Set<() => void>();
  #closed = false;

  constructor({ partitions, clock = Date.now }: MemoryOptions) {
    this.partitions = partitions;
    this.#clock = clock;
    this.#streams = Array.from({ length: partitions }, () => []);
  }

  append(record: LaneRecord, expected: Revision): Promise<AppendOutcome> {
    if ((this.#lanes.get(record.lane)?.at(-1)?.revision ?? 0) !== expected)
      return Promise.resolve({ kind: 'conflict' });
    return Promise.resolve({ kind: 'stored', revision: this.put(record.lane, encodeRecord(record)).revision });
  }

  /** Stores bytes as they are, as something that is no process of ours could have. */
  put(lane: LaneId, payload: Uint8Array): StoredRecord {
    const stream = this.#streams[partitionOf(lane, this.partitions)] as StoredRecord[];
    const stored: StoredRecord = {
      lane,
      revision: revisionOf(stream.length + 1),
      storedAt: this.#clock(),
      payload,
      record: parseRecord(lane, payload),
    };
    stream.push(stored);
    const records = this.#lanes.get(lane);
    if (records) records.push(stored);
    else this.#lanes.set(lane, [stored]);
    for (const onRecord of this.#listeners.get(lane) ?? []) queueMicrotask(() => onRecord(stored));
    this.#wake();
    return stored;
  }

  last(lane: LaneId): Promise<StoredRecord | undefined> {
    return Promise.resolve(this.#lanes.get(lane)?.at(-1));
  }

  lastRevisions(lanes: readonly LaneId[]): Promise<ReadonlyMap<LaneId, Revision>> {
    return Promise.resolve(
      new Map(lanes.map((lane) => [lane, this.#lanes.get(lane)?.at(-1)?.revision ?? revisionOf(0)])),
    );
  }

  read(lane: LaneId, from: Revision, { limit = BATCH_RECORDS }: ReadOptions = {}): Promise<ReadResult> {
    const all = this.#lanes.get(lane) ?? [];
    const start = firstAtLeast(all, from);
    const records = all.slice(start, start + Math.min(limit, BATCH_RECORDS));
    return Promise.resolve({ records, complete: start + records.length === all.length });
  }

  next(lane: LaneId, from: Revision): Promise<StoredRecord | undefined> {
    const all = this.#lanes.get(lane) ?? [];
    return Promise.resolve(all[firstAtLeast(all, from)]);
  }

  readSnapshot(lane: LaneId): Promise<StoredSnapshot | undefined> {
    const found = this.#snapshots.get(lane);
    return Promise.resolve(
      found && { revision: found.revision, recordId: found.recordId, state: JSON.parse(found.json) },
    );
  }

  writeSnapshot(lane: LaneId, { revision, recordId, state }: StoredSnapshot): Promise<boolean> {
    const isNewer = revision > (this.#snapshots.get(lane)?.revision ?? 0);
    if (isNewer) this.#snapshots.set(lane, { revision, recordId, json: JSON.stringify(state) });
    return Promise.resolve(isNewer);
  }

  listen(lane: LaneId, onRecord: (record: StoredRecord) => void): Stoppable {
    const listener = (record: StoredRecord): void => {
      if (listeners.has(listener)) onRecord(record);
    };
    const listeners = this.#listeners.get(lane) ?? new Set();
    this.#listeners.set(lane, listeners.add(listener));
    return { stop: () => listeners.delete(listener) };
  }

  onReconnect(callback: () => void): Stoppable {
    this.#onReconnect.add(callback);
    return { stop: () => this.#onReconnect.delete(callback) };
  }

  /** As if the connection had gone and come back. */
  reconnect(): void {
    for (const callback of this.#onReconnect) callback();
  }

  partitionEnd(partition: number): Promise<Revision> {
    return Promise.resolve(revisionOf(this.#streams[partition]?.length ?? 0));
  }

  whyOther(partition: number, place: Place): Promise<string | undefined> {
    const stream = this.#streams[partition] ?? [];
    const there = stream[place.revision - 1];
    const id = there && (there.record?.id ?? null);
    return Promise.resolve(whyOther(place, { first: 1, end: stream.length, id }));
  }

  async *consume(
    partition: number,
    from: Revision,
    { maxBatch, signal, after }: ConsumeOptions,
  ): AsyncIterable<readonly StoredRecord[]> {
    const stream = this.#streams[partition] ?? [];
    let next = Math.max(1, from);
    const why = await this.whyOther(partition, { revision: revisionOf(next - 1), id: after });
    if (why !== undefined) throw new OtherStream(why);
    const onAbort = (): void => this.#wake();
    signal.addEventListener('abort', onAbort);
    try {
      while (!signal.aborted && !this.#closed) {
        const batch = stream.slice(next - 1, next - 1 + maxBatch);
        next += batch.length;
        if (batch.length > 0) yield batch;
        else await new Promise<void>((wake) => this.#sleepers.add(wake));
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async *lanes(partition: number): AsyncIterable<readonly { readonly lane: LaneId; readonly revision: Revision }[]> {
    const lanes = new Map((this.#streams[partition] ?? []).map(({ lane, revision }) => [lane, revision]));
    if (lanes.size > 0) yield [...lanes].map(([lane, revision]) => ({ lane, revision }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#sleepers) wake();
    this.#sleepers.clear();
  }
}

/** The index of the first record with revision ≥ `from`, by bisection. */
function firstAtLeast(records: readonly StoredRecord[], from: Revision): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((records[middle] as StoredRecord).revision < from) low = middle + 1;
    else high = middle;
  }
  return low;
}
