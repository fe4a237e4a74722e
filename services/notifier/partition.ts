/** One partition's way to decisions: read in order, wait for the end of grace, decide, and only then go on. */
import { type LaneId, revisionOf, type Seq, type UserId } from '../../schema/ids.ts';
import type { Journal, StoredRecord } from '../journal/journal.ts';
import { pause, persist } from '../persist.ts';
import type { Ledger } from '../views/ledger.ts';
import { type DeciderParts, decidePushes } from './decide-push.ts';
import { afterGrace } from './delay.ts';
import type { NotifierMetrics } from './metrics.ts';
import { startOf } from './start.ts';

export interface PartitionParts extends DeciderParts {
  readonly journal: Journal;
  readonly ledger: Pick<Ledger, 'decide' | 'position' | 'advance'>;
  readonly graceMs: number;
  readonly metrics: DeciderParts['metrics'] & Pick<NotifierMetrics, 'halted'>;
  /** Who writes has read what came before. */
  readonly onSent: (user: UserId, lane: LaneId, seq: Seq) => void;
}

export interface Reach {
  /** Every record up to it is decided. */
  w: number;
}

/** What is held of a partition while it waits. The rest waits in the lanes' own storage. */
const BATCH_RECORDS = 128;
/** Decided together at first, and twice as many each time: whoever does not live long gets on all the same. */
const FIRST_RECORDS = 8;
/** A position that was not written costs the decisions since then, once more. */
const WRITE_EVERY_MS = 250;

/**
 * Until `signal` aborts; what is under way is finished, unless `giveUp` does. Throws Abandoned after that, and OtherStream where
 * the stream turns out to be another one than was read: begun again, it stands still.
 */
export async function notifyPartition(
  parts: PartitionParts,
  partition: number,
  reach: Reach,
  { signal, giveUp }: { readonly signal: AbortSignal; readonly giveUp: AbortSignal },
): Promise<void> {
  const { journal, ledger, log, clock, graceMs } = parts;
  const { revision, id: after } = await startOf(parts, partition, signal);
  reach.w = revision;
  const trying = { signal: giveUp, log };
  const place = new Moving(({ revision, record, storedAt: at }) =>
    persist('position', () => ledger.advance(partition, { revision, id: record?.id ?? null, at }), trying),
  );
  const records = journal.consume(partition, revisionOf(revision + 1), { maxBatch: BATCH_RECORDS, signal, after });
  try {
    let room = FIRST_RECORDS;
    for await (const due of afterGrace(records, { graceMs, clock, signal, wait: pause }))
      for (let done = 0; done < due.length; ) {
        const some = due.slice(done, done + room);
        done += some.length;
        room = Math.min(2 * room, BATCH_RECORDS);
        await persist('decisions', () => decidePushes(parts, partition, some), trying);
        const [first] = some;
        if (first) parts.metrics.decidedLate(clock() - first.storedAt - graceMs);
        for (const stored of some) noteSent(parts, stored);
        const last = some.at(-1) as StoredRecord;
        reach.w = last.revision;
        place.moved(last);
      }
  } finally {
    await place.stop();
  }
}

/** How far it has come, on its way into the ledger: soon after it moved, also where nothing more comes; one write at a time. */
class Moving {
  readonly #write: (last: StoredRecord) => Promise<void>;
  #last: StoredRecord | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isBegun = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(write: (last: StoredRecord) => Promise<void>) {
    this.#write = write;
  }

  moved(last: StoredRecord): void {
    this.#last = last;
    const write = (): void => void this.#flush().catch(() => undefined);
    if (!this.#isBegun) write();
    else this.#timer ??= setTimeout(write, WRITE_EVERY_MS);
    this.#isBegun = true;
  }

  /** Settles when the last one is written. Rejects with what the write rejected with. */
  stop(): Promise<void> {
    return this.#flush();
  }

  #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(async () => {
      const last = this.#last;
      this.#last = undefined;
      if (last) await this.#write(last);
    });
    return this.#writing;
  }
}

function noteSent({ onSent }: PartitionParts, { lane, record }: StoredRecord): void {
  for (const event of record?.events ?? []) if (event.type === 'MessageSent') onSent(event.by, lane, event.seq);
}
