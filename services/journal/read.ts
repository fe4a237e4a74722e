/** What is read of the lanes: by lane, in batches, from whichever replica; and the newest, from the leader. */
import type { LaneId, Revision } from '../../schema/ids.ts';
import { revisionOf } from '../../schema/ids.ts';
import {
  barrierSubject,
  isBarrier,
  laneOfSubject,
  laneStream,
  laneSubject,
  laneSubjects,
  partitionOf,
} from '../../schema/subjects.ts';
import { asUnavailable, type Questions } from './ask.ts';
import { Barriers } from './barriers.ts';
import type { ReadOptions, ReadResult, StoredRecord } from './journal.ts';
import { lagged } from './lagging.ts';
import type { Link } from './link.ts';
import { headerOf, numberOf, recordFrom, storedRecordOf } from './message.ts';

/** Of one answer; what is more comes with the next read. */
const BATCH_RECORDS = 1_000;
export const BATCH_BYTES = 4 * 1024 * 1024;
/** Lanes in one question for last revisions. The server gives up at 1,024. */
const LANES_PER_QUESTION = 500;
/** The last record of a lane is looked for in the last so many places, then in so many times as many. */
const FIRST_LOOK_BACK = 4;
const LOOK_FARTHER = 8;

interface StreamInfo {
  readonly total?: number;
  readonly state: { readonly last_seq: number; readonly subjects?: Readonly<Record<string, number>> };
}

export class Reads {
  readonly #link: Link;
  readonly #questions: Questions;
  readonly #partitions: number;
  readonly #barriers: Barriers;

  constructor(link: Link, questions: Questions, partitions: number) {
    this.#barriers = new Barriers(questions);
    this.#link = link;
    this.#questions = questions;
    this.#partitions = partitions;
  }

  async read(lane: LaneId, from: Revision, { limit = BATCH_RECORDS }: ReadOptions = {}): Promise<ReadResult> {
    const partition = partitionOf(lane, this.#partitions);
    const { messages, pending } = await this.#questions.batch(laneStream(partition), {
      seq: Math.max(1, from),
      next_by_subj: laneSubject(partition, lane),
      batch: Math.min(limit, BATCH_RECORDS),
      max_bytes: BATCH_BYTES,
    });
    return { records: messages.map(storedRecordOf), complete: pending === 0 };
  }

  async last(lane: LaneId): Promise<StoredRecord | undefined> {
    const partition = partitionOf(lane, this.#partitions);
    const subject = laneSubject(partition, lane);
    if (this.#link.isClustered) return (await this.#newest(partition, [lane])).get(lane);
    const answer = await this.#questions.direct(`${laneStream(partition)}.${subject}`);
    return answer && storedRecordOf(answer);
  }

  next(lane: LaneId, from: Revision): Promise<StoredRecord | undefined> {
    const partition = partitionOf(lane, this.#partitions);
    return this.#fromLeader(partition, { seq: Math.max(1, from), next_by_subj: laneSubject(partition, lane) });
  }

  async lastRevisions(lanes: readonly LaneId[]): Promise<ReadonlyMap<LaneId, Revision>> {
    const byPartition = new Map<number, LaneId[]>();
    for (const lane of new Set(lanes)) {
      const partition = partitionOf(lane, this.#partitions);
      const group = byPartition.get(partition);
      if (group) group.push(lane);
      else byPartition.set(partition, [lane]);
    }
    const questions = [...byPartition].flatMap(([partition, group]) =>
      chunksOf(group, LANES_PER_QUESTION).map((chunk) => this.#lastOf(partition, chunk)),
    );
    return new Map((await Promise.all(questions)).flat());
  }

  async partitionEnd(partition: number, as?: 'figure'): Promise<Revision> {
    if (!this.#link.isClustered) return revisionOf((await this.#info(partition)).state.last_seq);
    const floor = as === 'figure' ? (await this.#info(partition)).state.last_seq : await this.#floor(partition);
    return this.#endBefore(partition, floor);
  }

  /** Of several servers: whether a quorum took an append of this partition just now, or takes one. Throws JournalUnavailable. */
  accepts(partition: number): Promise<unknown> {
    return this.#barriers.recent(partition);
  }

  async *lanes(partition: number): AsyncIterable<readonly { readonly lane: LaneId; readonly revision: Revision }[]> {
    for (let offset = 0; ; ) {
      const { state, total = 0 } = await this.#info(partition, { subjects_filter: laneSubjects(partition), offset });
      const subjects = Object.keys(state.subjects ?? {});
      const lanes = subjects.map(laneOfSubject).filter((lane) => !isBarrier(lane));
      for (const chunk of chunksOf(lanes, LANES_PER_QUESTION)) {
        const found = await this.#lastOf(partition, chunk);
        const stored = found.filter(([, revision]) => revision > 0);
        if (stored.length > 0) yield stored.map(([lane, revision]) => ({ lane, revision }));
      }
      offset += subjects.length;
      if (subjects.length === 0 || offset >= total) return;
    }
  }

  /** A partition's records from stream sequence `from` on, of all lanes; from whichever replica. */
  async partition(partition: number, from: number, limit: number): Promise<ReadResult> {
    const { messages, pending } = await this.#questions.batch(laneStream(partition), {
      seq: Math.max(1, from),
      batch: limit,
      max_bytes: BATCH_BYTES,
    });
    return { records: messages.map(storedRecordOf), complete: pending === 0 };
  }

  /** The first stored sequence ≥ `from` as the leader has it; undefined: there is none. */
  async firstFrom(partition: number, from: number): Promise<number | undefined> {
    const request = { seq: Math.max(1, from), next_by_subj: laneSubjects(partition), no_hdr: true };
    return (await this.#fromLeader(partition, request))?.revision;
  }

  #info(partition: number, request?: Record<string, unknown>): Promise<StreamInfo> {
    return this.#orUnavailable(this.#questions.api<StreamInfo>(`STREAM.INFO.${laneStream(partition)}`, request));
  }

  async #fromLeader(partition: number, request: Record<string, unknown>): Promise<StoredRecord | undefined> {
    const stored = await this.#orUnavailable(this.#questions.stored(laneStream(partition), request));
    return stored && recordFrom(laneOfSubject(stored.subject), stored.seq, stored.time, stored.data);
  }

  /** Last revisions of lanes of one partition. */
  async #lastOf(partition: number, lanes: readonly LaneId[]): Promise<(readonly [LaneId, Revision])[]> {
    if (this.#link.isClustered) {
      const newest = await this.#newest(partition, lanes);
      return lanes.map((lane) => [lane, newest.get(lane)?.revision ?? revisionOf(0)]);
    }
    const found = new Map(lanes.map((lane) => [lane, revisionOf(0)]));
    let from = 0;
    let bound = 0;
    for (;;) {
      const batch = await this.#questions.batch(laneStream(partition), {
        multi_last: lanes.map((lane) => laneSubject(partition, lane)),
        ...{ batch: LANES_PER_QUESTION, max_bytes: BATCH_BYTES },
        ...(from > 0 ? { seq: from, up_to_seq: bound } : {}),
      });
      for (const { head } of batch.messages) {
        from = numberOf(head, 'Nats-Sequence') + 1;
        found.set(laneOfSubject(headerOf(head, 'Nats-Subject')), revisionOf(from - 1));
      }
      bound ||= batch.upTo;
      if (batch.pending === 0 || batch.messages.length === 0) return [...found];
    }
  }

  /** Of several servers: what a replica has to have stored, so that its answer is not older than this call. */
  async #floor(partition: number): Promise<number> {
    // A full stream takes nothing new: what there is of its newest is its leader's word.
    return (await this.#barriers.above(partition)) ?? (await this.#info(partition)).state.last_seq;
  }

  /**
   * Of several servers: the last records of those lanes that have one. The answer names the stream's end as the answering
   * server had it, which tells whether it is certain.
   */
  async #newest(partition: number, lanes: readonly LaneId[]): Promise<ReadonlyMap<LaneId, StoredRecord>> {
    const floor = await this.#floor(partition);
    const found = new Map<LaneId, StoredRecord>();
    for (let lagging = 0; ; ) {
      const open = lanes.filter((lane) => !found.has(lane));
      const batch = await this.#questions.batch(laneStream(partition), {
        // The barrier is there in any case, so that the answer of a stream without any of the lanes names its end, too.
        multi_last: [...open.map((lane) => laneSubject(partition, lane)), barrierSubject(partition)],
        ...{ batch: LANES_PER_QUESTION + 1, max_bytes: BATCH_BYTES },
      });
      if (batch.upTo < floor) {
        await lagged(lagging++, `partition ${partition}: a replica does not show stream sequence ${floor}`);
        continue;
      }
      const records = batch.messages.map(storedRecordOf).filter(({ lane }) => !isBarrier(lane));
      for (const record of records) found.set(record.lane, record);
      if (batch.pending === 0 || records.length === 0) return found;
    }
  }

  /** Of several servers: the last lane's record, where nothing that is wanted lies above `floor`. Barriers that are gone are holes. */
  async #endBefore(partition: number, floor: number): Promise<Revision> {
    for (let back = FIRST_LOOK_BACK; ; back *= LOOK_FARTHER) {
      const from = Math.max(1, floor - back);
      let end = 0;
      let next = from;
      for (let lagging = 0; next <= floor; ) {
        const { records, complete } = await this.partition(partition, next, BATCH_RECORDS);
        for (const { lane, revision } of records) {
          if (!isBarrier(lane)) end = revision;
          next = revision + 1;
        }
        if (complete && next <= floor)
          await lagged(lagging++, `partition ${partition}: a replica does not show stream sequence ${floor}`);
      }
      if (end > 0 || from === 1) return revisionOf(end);
    }
  }

  #orUnavailable<T>(asked: Promise<T>): Promise<T> {
    return asked.catch((error: unknown) => {
      throw asUnavailable(error);
    });
  }
}

const chunksOf = <T>(all: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
