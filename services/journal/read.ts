/** What is read of the lanes: by lane, in batches, from whichever replica; and the newest, from the leader. */
import type { LaneId, Revision } from '../../schema/ids.ts';
import { revisionOf } from '../../schema/ids.ts';
import { laneOfSubject, laneStream, laneSubject, laneSubjects, partitionOf } from '../../schema/subjects.ts';
import { ApiRefusal, type Questions } from './ask.ts';
import { JournalUnavailable, type ReadOptions, type ReadResult, type StoredRecord } from './journal.ts';
import type { Link } from './link.ts';
import { headerOf, numberOf, recordFrom, storedRecordOf } from './message.ts';

/** Of one answer; what is more comes with the next read. */
const BATCH_RECORDS = 1_000;
export const BATCH_BYTES = 4 * 1024 * 1024;
/** Lanes in one question for last revisions. The server gives up at 1,024. */
const LANES_PER_QUESTION = 500;
const NO_MESSAGE = 10037;

interface MessageGet {
  readonly message: { readonly subject: string; readonly seq: number; readonly data?: string; readonly time: string };
}
interface StreamInfo {
  readonly total?: number;
  readonly state: { readonly last_seq: number; readonly subjects?: Readonly<Record<string, number>> };
}

export class Reads {
  readonly #link: Link;
  readonly #questions: Questions;
  readonly #partitions: number;

  constructor(link: Link, questions: Questions, partitions: number) {
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

  /** Alone, a server answers directly from its store; of several, only the leader answers `STREAM.MSG.GET`. */
  async last(lane: LaneId): Promise<StoredRecord | undefined> {
    const partition = partitionOf(lane, this.#partitions);
    const subject = laneSubject(partition, lane);
    if (this.#link.isClustered) return this.#fromLeader(partition, { last_by_subj: subject });
    const answer = await this.#questions.one(`$JS.API.DIRECT.GET.${laneStream(partition)}.${subject}`);
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

  async partitionEnd(partition: number): Promise<Revision> {
    return revisionOf((await this.#info(partition)).state.last_seq);
  }

  async *lanes(partition: number): AsyncIterable<readonly { readonly lane: LaneId; readonly revision: Revision }[]> {
    for (let offset = 0; ; ) {
      const { state, total = 0 } = await this.#info(partition, { subjects_filter: laneSubjects(partition), offset });
      const lanes = Object.keys(state.subjects ?? {}).map(laneOfSubject);
      for (const chunk of chunksOf(lanes, LANES_PER_QUESTION)) {
        const found = await this.#lastOf(partition, chunk);
        const stored = found.filter(([, revision]) => revision > 0);
        if (stored.length > 0) yield stored.map(([lane, revision]) => ({ lane, revision }));
      }
      offset += lanes.length;
      if (lanes.length === 0 || offset >= total) return;
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
    try {
      const { message } = await this.#questions.api<MessageGet>(`STREAM.MSG.GET.${laneStream(partition)}`, request);
      const payload = Buffer.from(message.data ?? '', 'base64');
      return recordFrom(laneOfSubject(message.subject), message.seq, message.time, payload);
    } catch (error) {
      if (error instanceof ApiRefusal && error.code === NO_MESSAGE) return undefined;
      throw asUnavailable(error);
    }
  }

  /**
   * Last revisions of lanes of one partition. The answer names the stream's end as the answering server had it: where that
   * is not behind the leader's end at our call, the answer is as good as the leader's.
   */
  async #lastOf(partition: number, lanes: readonly LaneId[]): Promise<(readonly [LaneId, Revision])[]> {
    const leaderEnd = this.#link.isClustered ? await this.partitionEnd(partition) : 0;
    const found = new Map(lanes.map((lane) => [lane, revisionOf(0)]));
    let from = 0;
    let bound = 0;
    for (;;) {
      const batch = await this.#questions.batch(laneStream(partition), {
        multi_last: lanes.map((lane) => laneSubject(partition, lane)),
        batch: LANES_PER_QUESTION,
        max_bytes: BATCH_BYTES,
        ...(from > 0 ? { seq: from, up_to_seq: bound } : {}),
      });
      for (const { head } of batch.messages) {
        from = numberOf(head, 'Nats-Sequence') + 1;
        found.set(laneOfSubject(headerOf(head, 'Nats-Subject')), revisionOf(from - 1));
      }
      bound ||= batch.upTo;
      if (bound < leaderEnd)
        return Promise.all(
          lanes.map(async (lane) => [lane, (await this.last(lane))?.revision ?? revisionOf(0)] as const),
        );
      if (batch.pending === 0 || batch.messages.length === 0) return [...found];
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

/** A refused read, too, says nothing about what is stored. */
const asUnavailable = (error: unknown): unknown =>
  error instanceof ApiRefusal
    ? new JournalUnavailable(`the store cannot be read now: ${error.message}`, { cause: error })
    : error;
