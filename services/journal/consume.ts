/**
 * A stream's records in order, without holes, for ever. The live copies are taken as they come while each is the next one;
 * whatever is missing between is read from the stream. The server keeps no state for it: there is no consumer to lose, to
 * find again or to clean up, and the position is the caller's.
 */
import type { Msg } from 'nats';
import type { Revision } from '../../schema/ids.ts';
import type { Logger } from '../logger.ts';
import { JournalUnavailable, type Stoppable } from './journal.ts';
import type { Link } from './link.ts';
import { type Answer, answerOf, numberOf } from './message.ts';

/** A live copy may be lost: this often the stream itself is asked. */
const POLL_MS = 1_000;
const RETRY_MS = 100;
const RETRY_MAX_MS = 1_000;
/** A replica that has not yet what was announced is asked again after this. */
const LAGGING_MS = 20;
/** Live copies held for a reader who is behind; past it they are dropped and read from the stream. */
const HELD_BATCHES = 4;
const HELD_BYTES = 8 * 1024 * 1024;

export interface ConsumeOptions {
  readonly maxBatch: number;
  readonly signal: AbortSignal;
}

/** A stream that one partition is kept in, as far as reading it in order goes. */
export interface Source<T> {
  readonly partition: number;
  /** Where the server republishes what it has stored. */
  readonly liveSubjects: string;
  recordOf(answer: Answer): T;
  /** The records from stream sequence `from` on; from whichever replica. Throws JournalUnavailable. */
  read(from: number, limit: number): Promise<{ readonly records: readonly T[]; readonly complete: boolean }>;
  /** The first stored sequence ≥ `from` as the leader has it; undefined: there is none. Throws JournalUnavailable. */
  firstFrom(from: number): Promise<number | undefined>;
}
interface Placed {
  readonly revision: Revision;
}

export async function* consume<T extends Placed>(
  { link, source, log }: { readonly link: Link; readonly source: Source<T>; readonly log: Logger },
  from: number,
  { maxBatch, signal }: ConsumeOptions,
): AsyncGenerator<readonly T[], void, void> {
  const tail = new LiveTail(link, source, maxBatch);
  const onAbort = (): void => tail.wake();
  signal.addEventListener('abort', onAbort);
  const stream = new StreamReader(source, maxBatch, log);
  let next = Math.max(1, from);
  try {
    while (!signal.aborted) {
      let batch: readonly T[] = tail.take(next);
      if (batch.length === 0 && (tail.isPast(next) || tail.mayHaveMissed())) {
        batch = await stream.read(next, signal);
        if (stream.isBehind) tail.ring();
        else if (batch.length === 0 && tail.isPast(next)) await pause(LAGGING_MS, signal);
      }
      if (signal.aborted) return;
      const last = batch.at(-1);
      if (last) {
        next = last.revision + 1;
        stream.readAhead(next);
        yield batch;
      } else if (!tail.isPast(next)) await tail.bell(POLL_MS);
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    tail.stop();
  }
}

/** The newest live copies, a run without holes; dropped as a whole when it breaks or grows too long. */
class LiveTail<T> {
  readonly #source: Source<T>;
  readonly #maxBatch: number;
  readonly #stops: readonly Stoppable[];
  #run: Answer[] = [];
  /** The sequence of the run's first. */
  #first = 0;
  #bytes = 0;
  #missed = true;
  #askedAt = 0;
  #wake: (() => void) | undefined;

  constructor(link: Link, source: Source<T>, maxBatch: number) {
    this.#source = source;
    this.#maxBatch = maxBatch;
    this.#stops = [
      link.subscribe(source.liveSubjects, (message) => this.#came(message)),
      link.onChange(() => this.ring()),
    ];
  }

  /** Up to `maxBatch` records from `next` on; none where the run does not hold `next`. */
  take(next: number): T[] {
    const passed = next - this.#first;
    if (passed < 0 || this.#run.length === 0) return [];
    const taken = this.#run.slice(passed, passed + this.#maxBatch);
    this.#drop(passed + taken.length);
    return taken.map((answer) => this.#source.recordOf(answer));
  }

  /** There are records from `next` on that the run does not hold. */
  isPast(next: number): boolean {
    return this.#run.length > 0 && this.#first > next;
  }

  /** True once for each reason to ask the stream itself. */
  mayHaveMissed(): boolean {
    const now = performance.now();
    const missed = this.#missed || now - this.#askedAt >= POLL_MS;
    if (missed) this.#askedAt = now;
    this.#missed = false;
    return missed;
  }

  ring(): void {
    this.#missed = true;
    this.wake();
  }

  wake(): void {
    this.#wake?.();
  }

  /** Settles at the next copy, ring or wake; at once where one came since the last look. */
  async bell(ms: number): Promise<void> {
    if (this.#missed || this.#run.length > 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  stop(): void {
    for (const stoppable of this.#stops) stoppable.stop();
    this.#drop(this.#run.length);
  }

  #came(message: Msg): void {
    const answer = answerOf(message);
    const sequence = numberOf(answer.head, 'Nats-Sequence');
    if (!Number.isSafeInteger(sequence)) {
      this.ring();
      return;
    }
    const isFull = this.#run.length >= HELD_BATCHES * this.#maxBatch || this.#bytes >= HELD_BYTES;
    if (this.#run.length > 0 && (isFull || sequence !== this.#first + this.#run.length)) {
      this.#drop(this.#run.length);
      this.#missed = true;
    }
    if (this.#run.length === 0) this.#first = sequence;
    this.#run.push(answer);
    this.#bytes += answer.data.length;
    this.wake();
  }

  #drop(count: number): void {
    for (let i = 0; i < count && i < this.#run.length; i++) this.#bytes -= (this.#run[i] as Answer).data.length;
    this.#run = count >= this.#run.length ? [] : this.#run.slice(count);
    this.#first += count;
  }
}

/** Reads the stream itself, one batch ahead of its caller; never throws, tries again instead. */
class StreamReader<T extends Placed> {
  readonly #source: Source<T>;
  readonly #maxBatch: number;
  readonly #log: Logger;
  #ahead: { readonly from: number; readonly result: Promise<readonly T[] | JournalUnavailable> } | undefined;
  /** The last answer said that there is more. */
  isBehind = false;

  constructor(source: Source<T>, maxBatch: number, log: Logger) {
    this.#source = source;
    this.#maxBatch = maxBatch;
    this.#log = log;
  }

  /** The next records, without a hole; none: the end, as a replica knew it. Outages are waited out. */
  async read(next: number, signal: AbortSignal): Promise<readonly T[]> {
    for (let failures = 0; !signal.aborted; failures++) {
      const ahead = this.#ahead?.from === next ? this.#ahead : undefined;
      this.#ahead = undefined;
      const result = await (ahead?.result ?? this.#ask(next));
      if (!(result instanceof JournalUnavailable)) {
        if (failures > 0)
          this.#log.info({ partition: this.#source.partition, from: next }, 'the partition is read again');
        return this.#whole(next, result, signal);
      }
      if (failures === 0)
        this.#log.warn({ partition: this.#source.partition, reason: result.message }, 'a partition cannot be read');
      await pause(Math.min(RETRY_MS * 2 ** failures, RETRY_MAX_MS), signal);
    }
    return [];
  }

  /** While the caller works on a batch, the next one is on its way. */
  readAhead(next: number): void {
    if (!this.isBehind || this.#ahead) return;
    const result = this.#ask(next);
    result.catch(() => undefined);
    this.#ahead = { from: next, result };
  }

  async #ask(next: number): Promise<readonly T[] | JournalUnavailable> {
    try {
      const { records, complete } = await this.#source.read(next, this.#maxBatch);
      this.isBehind = !complete;
      return records;
    } catch (error) {
      if (error instanceof JournalUnavailable) return error;
      throw error;
    }
  }

  /** Up to the first hole. A hole at the very beginning is believed only if the leader has it, too, and then said aloud. */
  async #whole(next: number, records: readonly T[], signal: AbortSignal): Promise<readonly T[]> {
    const first = records[0];
    if (!first) return records;
    if (first.revision !== next) {
      const there = await this.#source.firstFrom(next).catch(() => undefined);
      if (there !== first.revision) {
        await pause(LAGGING_MS, signal);
        this.isBehind = true;
        return [];
      }
      this.#log.error(
        { partition: this.#source.partition, from: next, to: there - 1 },
        'records were removed from a partition',
      );
    }
    const hole = records.findIndex(({ revision }, i) => revision !== first.revision + i);
    if (hole < 0) return records;
    this.isBehind = true;
    return records.slice(0, hole);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
