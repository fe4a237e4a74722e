/** The log of receipts in this process's memory, with the guarantees of the port: for tests. Nothing in it waits for time. */
import { type Millis, type Revision, revisionOf } from '../../schema/ids.ts';
import type { ReceiptRecord } from '../../schema/receipts.ts';
import type { ConsumeOptions } from './consume.ts';
import { OtherStream, type Place, whyOther } from './place.ts';
import type { ReceiptLog, ReceiptLogState, ReceiptOutcome, StoredReceipts } from './receipts.ts';
import { encodeReceipts, storedReceiptsOf } from './receipts-record.ts';

interface Stream {
  readonly kept: { readonly stored: StoredReceipts; readonly bytes: number }[];
  end: number;
  bytes: number;
}

export interface MemoryReceiptsOptions {
  readonly partitions: number;
  readonly clock?: () => Millis;
  readonly maxBytes?: number;
}

export class MemoryReceipts implements ReceiptLog {
  readonly partitions: number;
  readonly #clock: () => Millis;
  readonly #maxBytes: number;
  readonly #streams: readonly Stream[];
  /** Woken by each append, and by the end. */
  readonly #sleepers = new Set<() => void>();
  #closed = false;

  constructor({ partitions, clock = Date.now, maxBytes = Number.MAX_SAFE_INTEGER }: MemoryReceiptsOptions) {
    this.partitions = partitions;
    this.#clock = clock;
    this.#maxBytes = maxBytes;
    this.#streams = Array.from({ length: partitions }, () => ({ kept: [], end: 0, bytes: 0 }));
  }

  append(partition: number, record: ReceiptRecord): Promise<ReceiptOutcome> {
    return Promise.resolve(this.put(partition, encodeReceipts(record)));
  }

  /** Stores bytes as they are, as something that is no process of ours could have. */
  put(partition: number, payload: Uint8Array): ReceiptOutcome {
    const stream = this.#stream(partition);
    if (stream.bytes + payload.length > this.#maxBytes) return { kind: 'full', message: 'maximum bytes exceeded' };
    stream.end++;
    stream.bytes += payload.length;
    const stored = storedReceiptsOf(partition, stream.end, this.#clock(), payload);
    stream.kept.push({ stored, bytes: payload.length });
    this.#wake();
    return { kind: 'stored', revision: stored.revision };
  }

  end(partition: number): Promise<Revision> {
    return Promise.resolve(revisionOf(this.#stream(partition).end));
  }

  state(partition: number): Promise<ReceiptLogState> {
    const { end, bytes } = this.#stream(partition);
    const first = revisionOf(this.#firstOf(partition));
    return Promise.resolve({ first, end: revisionOf(end), bytes, maxBytes: this.#maxBytes });
  }

  whyOther(partition: number, place: Place): Promise<string | undefined> {
    const { kept, end } = this.#stream(partition);
    const first = this.#firstOf(partition);
    const there = kept[place.revision - first]?.stored;
    return Promise.resolve(whyOther(place, { first, end, id: there && (there.id || null) }));
  }

  async *consume(
    partition: number,
    from: Revision,
    { maxBatch, signal, after }: ConsumeOptions,
  ): AsyncIterable<readonly StoredReceipts[]> {
    const { kept } = this.#stream(partition);
    let next = Math.max(1, from);
    const why = await this.whyOther(partition, { revision: revisionOf(next - 1), id: after });
    if (why !== undefined) throw new OtherStream(why);
    const onAbort = (): void => this.#wake();
    signal.addEventListener('abort', onAbort);
    try {
      while (!signal.aborted && !this.#closed) {
        const start = Math.max(0, next - this.#firstOf(partition));
        const batch = kept.slice(start, start + maxBatch).map(({ stored }) => stored);
        next = (batch.at(-1)?.revision ?? next - 1) + 1;
        if (batch.length > 0) yield batch;
        else await new Promise<void>((wake) => this.#sleepers.add(wake));
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  firstSince(partition: number, since: Millis): Promise<Revision | undefined> {
    const found = this.#stream(partition).kept.find(({ stored }) => stored.storedAt >= since);
    return Promise.resolve(found?.stored.revision);
  }

  purge(partition: number, below: Revision): Promise<void> {
    const stream = this.#stream(partition);
    const purged = stream.kept.splice(0, Math.max(0, below - this.#firstOf(partition)));
    stream.bytes -= purged.reduce((sum, { bytes }) => sum + bytes, 0);
    return Promise.resolve();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
  }

  #firstOf(partition: number): number {
    const { kept, end } = this.#stream(partition);
    return kept[0]?.stored.revision ?? end + 1;
  }

  #stream(partition: number): Stream {
    const stream = this.#streams[partition];
    if (!stream) throw new RangeError(`no partition ${partition}`);
    return stream;
  }

  #wake(): void {
    for (const wake of this.#sleepers) wake();
    this.#sleepers.clear();
  }
}
