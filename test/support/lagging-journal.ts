/** A journal whose reads are answered by a replica that is behind its leader by a time, or for good. */
import type { LaneId, Revision } from '../../schema/ids.ts';
import type { Journal, ReadOptions, ReadResult, StoredRecord } from '../../services/journal/journal.ts';
import { FaultyJournal, GOOD_DAY } from './faulty-journal.ts';

export class LaggingJournal extends FaultyJournal {
  /** How long a record needs to the replica. */
  lagMs: number;
  /** How the replica shows a record, where that is not how the leader has it. */
  shown: (record: StoredRecord) => StoredRecord = (record) => record;
  /** When each record was first asked for. */
  readonly #since = new Map<Revision, number>();

  constructor(inner: Journal, lagMs: number) {
    super(inner, GOOD_DAY);
    this.lagMs = lagMs;
    const read = this.read;
    this.read = async (lane: LaneId, from: Revision, options?: ReadOptions): Promise<ReadResult> => {
      const { records, complete } = await read(lane, from, options);
      const there = records.filter(({ revision }) => this.#hasCome(revision)).map((record) => this.shown(record));
      return { records: there, complete: complete || there.length < records.length };
    };
  }

  #hasCome(revision: Revision): boolean {
    const now = performance.now();
    const since = this.#since.get(revision) ?? now;
    this.#since.set(revision, since);
    return now - since >= this.lagMs;
  }
}
