/**
 * A stream's records in order, without holes, for ever. The live copies are taken as they come while each is the next one;
 * whatever is missing between is read from the stream. The server keeps no state for it: there is no consumer to lose, to
 * find again or to clean up, and the position is the caller's.
 *
 * Every read begins with the record that was given last, and nothing is given unless that is still the same: at the start,
 * after each reconnect, and at each poll. So a stream that lost its end is noticed, however far it was filled again.
 */
import { type Revision, revisionOf } from '../../schema/ids.ts';
import type { Logger } from '../logger.ts';
import { pause } from '../persist.ts';
import { JournalUnavailable } from './journal.ts';
import type { Link } from './link.ts';
import { LiveTail, POLL_MS } from './live-tail.ts';
import type { Answer } from './message.ts';
import { askWhyOther, OtherStream, type RecordId, type Standing } from './place.ts';

const RETRY_MS = 100;
const RETRY_MAX_MS = 1_000;
/** A replica that has not yet what was announced is asked again after this. */
const LAGGING_MS = 20;

export interface ConsumeOptions {
  readonly maxBatch: number;
  readonly signal: AbortSignal;
  /** Of the record before `from`. Undefined: what is there is believed. */
  readonly after?: RecordId | undefined;
}

/** A stream that one partition is kept in, as far as reading it in order goes. */
export interface Source<T> {
  readonly partition: number;
  /** Where the server republishes what it has stored. */
  readonly liveSubjects: string;
  recordOf(answer: Answer): T;
  idOf(record: T): RecordId;
  /** Whether it is for whoever reads. Undefined: each is. What is not may be gone later, and leaves a hole that is no alarm. */
  readonly isGiven?: (record: T) => boolean;
  /** The records from stream sequence `from` on; from whichever replica. Throws JournalUnavailable. */
  read(from: number, limit: number): Promise<{ readonly records: readonly T[]; readonly complete: boolean }>;
  /** The first stored sequence ≥ `from` as the leader has it; undefined: there is none. Throws JournalUnavailable. */
  firstFrom(from: number): Promise<number | undefined>;
  /** Around one sequence, as the leader has it. Throws JournalUnavailable. */
  standing(sequence: number): Promise<Standing>;
}
interface Placed {
  readonly revision: Revision;
}

/** Throws OtherStream where the record before what is to be given next is not the one that it was. */
export async function* consume<T extends Placed>(
  { link, source, log }: { readonly link: Link; readonly source: Source<T>; readonly log: Logger },
  from: number,
  { maxBatch, signal, after }: ConsumeOptions,
): AsyncGenerator<readonly T[], void, void> {
  const tail = new LiveTail(link, source, maxBatch);
  const onAbort = (): void => tail.wake();
  signal.addEventListener('abort', onAbort);
  const stream = new StreamReader({ source, maxBatch, log, link, tail });
  let next = Math.max(1, from);
  let known = after;
  try {
    while (!signal.aborted) {
      let batch: readonly T[] = tail.take(next, known);
      if (batch.length === 0 && (tail.isPast(next) || tail.mayHaveMissed())) {
        const read = await stream.read(next, known, signal);
        batch = read.records;
        known = read.known;
        if (read.doubts !== undefined) tail.believe(read.doubts);
        if (stream.isBehind) tail.ring();
        else if (batch.length === 0 && tail.isPast(next)) await pause(LAGGING_MS, signal);
      }
      if (signal.aborted) return;
      const last = batch.at(-1);
      if (last) {
        next = last.revision + 1;
        known = source.idOf(last);
        stream.readAhead(next);
        const given = source.isGiven ? batch.filter(source.isGiven) : batch;
        if (given.length > 0) yield given;
      } else if (!tail.isPast(next)) await tail.bell(POLL_MS);
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    tail.stop();
  }
}

interface Read<T> {
  readonly records: readonly T[];
  /** Of the record before them. */
  readonly known: RecordId | undefined;
  /** The stream was compared when there were so many doubts. */
  readonly doubts?: number;
}
interface ReaderParts<T> {
  readonly source: Source<T>;
  readonly maxBatch: number;
  readonly log: Logger;
  readonly link: Pick<Link, 'isClustered'>;
  readonly tail: { readonly doubts: number };
}
interface Ahead<T> {
  readonly from: number;
  readonly doubts: number;
  readonly result: Promise<readonly T[] | JournalUnavailable>;
}

/** Reads the stream itself, one batch ahead of its caller; waits outages out. Throws OtherStream alone. */
class StreamReader<T extends Placed> {
  readonly #parts: ReaderParts<T>;
  #ahead: Ahead<T> | undefined;
  /** The last answer said that there is more. */
  isBehind = false;

  constructor(parts: ReaderParts<T>) {
    this.#parts = parts;
  }

  /** The next records, without a hole; none: the end, as a replica knew it. Outages are waited out. */
  async read(next: number, known: RecordId | undefined, signal: AbortSignal): Promise<Read<T>> {
    const { partition } = this.#parts.source;
    for (let failures = 0; !signal.aborted; failures++) {
      const ahead = this.#ahead?.from === next ? this.#ahead : this.#ask(next);
      this.#ahead = undefined;
      const read = await this.#compared(next, known, ahead, signal);
      if (!(read instanceof JournalUnavailable)) {
        if (failures > 0) this.#parts.log.info({ partition, from: next }, 'the partition is read again');
        return read;
      }
      if (failures === 0) this.#parts.log.warn({ partition, reason: read.message }, 'a partition cannot be read');
      await pause(Math.min(RETRY_MS * 2 ** failures, RETRY_MAX_MS), signal);
    }
    return { records: [], known };
  }

  /** While the caller works on a batch, the next one is on its way. */
  readAhead(next: number): void {
    if (!this.isBehind || this.#ahead) return;
    this.#ahead = this.#ask(next);
    this.#ahead.result.catch(() => undefined);
  }

  #ask(next: number): Ahead<T> {
    const { source, maxBatch, tail } = this.#parts;
    const asked = next > 1 ? source.read(next - 1, maxBatch + 1) : source.read(next, maxBatch);
    const result = asked.then(({ records, complete }) => {
      this.isBehind = !complete;
      return records;
    }, unavailableOf);
    return { from: next, doubts: tail.doubts, result };
  }

  async #compared(
    next: number,
    known: RecordId | undefined,
    { doubts, result }: Ahead<T>,
    signal: AbortSignal,
  ): Promise<Read<T> | JournalUnavailable> {
    const records = await result;
    if (records instanceof JournalUnavailable) return records;
    const { source, link } = this.#parts;
    if (next === 1) return { records: await this.#whole(next, records, signal), known, doubts };
    const place = revisionOf(next - 1);
    const [before] = records;
    const isThere = before?.revision === place;
    const after = isThere ? records.slice(1) : records;
    const id = before && isThere ? source.idOf(before) : undefined;
    if (id !== undefined && (known === undefined || known === id))
      return { records: await this.#whole(next, after, signal), known: id, doubts };
    const options = { isClustered: link.isClustered, signal };
    const asked = await askWhyOther({ revision: place, id: known }, () => source.standing(place), options).catch(
      unavailableOf,
    );
    if (asked instanceof JournalUnavailable) return asked;
    if (asked.why !== undefined) throw new OtherStream(`partition ${source.partition}: ${asked.why}`);
    // It was removed: what follows is believed. Or the replica has not come so far.
    if (asked.standing.id === undefined) return { records: await this.#whole(next, after, signal), known, doubts };
    await pause(LAGGING_MS, signal);
    this.isBehind = true;
    return { records: [], known: asked.standing.id };
  }

  /** Up to the first hole that the leader does not have, too. A hole is said aloud, unless it is one that barriers leave. */
  async #whole(next: number, records: readonly T[], signal: AbortSignal): Promise<readonly T[]> {
    const { source, log } = this.#parts;
    const holes = records.flatMap(({ revision: to }, at) => {
      const from = at === 0 ? next : (records[at - 1] as T).revision + 1;
      return from === to ? [] : [{ at, from, to }];
    });
    const there = await Promise.all(holes.map(({ from }) => source.firstFrom(from).catch(() => undefined)));
    for (const [i, { at, from, to }] of holes.entries()) {
      if (there[i] === to) {
        if (!source.isGiven)
          log.error({ partition: source.partition, from, to: to - 1 }, 'records were removed from a partition');
        continue;
      }
      if (at === 0) await pause(LAGGING_MS, signal);
      this.isBehind = true;
      return records.slice(0, at);
    }
    return records;
  }
}

function unavailableOf(error: unknown): JournalUnavailable {
  if (error instanceof JournalUnavailable) return error;
  throw error;
}
