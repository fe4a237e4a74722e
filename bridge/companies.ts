/** The companies of lanes as a reader of their records goes along: a bounded cache, filled from the lanes' own states. */
import type { LaneId } from '../schema/ids.ts';
import { revisionOf } from '../schema/ids.ts';
import type { Journal, StoredRecord } from '../services/journal/journal.ts';
import { type Lanes, PoisonedLane } from '../services/journal/lanes.ts';
import { readLane } from '../services/journal/read-lane.ts';
import type { Logger } from '../services/logger.ts';
import { type Company, companyAt, NOBODY, toldOf } from './company.ts';

export interface CompaniesParts {
  readonly journal: Journal;
  readonly lanes: Lanes;
  readonly log: Logger;
}

const LOADS_AT_ONCE = 32;

export class Companies {
  readonly #parts: CompaniesParts;
  readonly #most: number;
  /** In order of use, the longest unused first. Each is the company just after event `seq`. */
  readonly #known = new Map<LaneId, { readonly seq: number; readonly company: Company }>();

  constructor(parts: CompaniesParts, most: number) {
    this.#parts = parts;
    this.#most = most;
  }

  /**
   * The company just before each of these records, in their order; undefined where the record or its lane cannot be read. The
   * records follow each other in their partition. Throws JournalUnavailable; then the same records may be asked for again.
   */
  async before(records: readonly StoredRecord[]): Promise<readonly (Company | undefined)[]> {
    await this.#load(records);
    return records.map((stored) => {
      const known = this.#known.get(stored.lane);
      const first = stored.record?.events[0]?.seq;
      if (!stored.record || !known || first !== known.seq + 1) {
        this.#known.delete(stored.lane);
        return undefined;
      }
      let { company } = known;
      for (const event of stored.record.events) company = toldOf(company, event).after;
      this.#keep(stored.lane, known.seq + stored.record.events.length, company);
      return known.company;
    });
  }

  async #load(records: readonly StoredRecord[]): Promise<void> {
    const firsts = new Map<LaneId, StoredRecord>();
    for (const stored of records) if (stored.record && !firsts.has(stored.lane)) firsts.set(stored.lane, stored);
    const cold = [...firsts.values()].filter(({ lane, record }) => this.#known.get(lane)?.seq !== seqBefore(record));
    const next = async (): Promise<void> => {
      for (let stored = cold.pop(); stored; stored = cold.pop()) await this.#loadOne(stored);
    };
    await Promise.all(Array.from({ length: Math.min(LOADS_AT_ONCE, cold.length) }, next));
  }

  async #loadOne(stored: StoredRecord): Promise<void> {
    const seq = seqBefore(stored.record);
    try {
      this.#keep(stored.lane, seq, seq === 0 ? NOBODY : await this.#companyAt(stored, seq));
    } catch (error) {
      if (!(error instanceof PoisonedLane)) throw error;
      this.#known.delete(stored.lane);
      this.#parts.log.error(
        { alarm: 'poisoned lane', lane: stored.lane, reason: error.message },
        'integrations get nothing of a lane that cannot be read',
      );
    }
  }

  async #companyAt(stored: StoredRecord, seq: number): Promise<Company> {
    const { lanes } = this.#parts;
    const cached = await lanes.load(stored.lane);
    const { lane } = cached.lane.seq < seq ? await lanes.fresh(stored.lane) : cached;
    return companyAt(lane, seq) ?? this.#fold(stored);
  }

  /** From the lane's first record up to this one. */
  async #fold({ lane, revision }: StoredRecord): Promise<Company> {
    let company = NOBODY;
    for await (const page of readLane(this.#parts.journal, lane, revisionOf(1), revision))
      for (const stored of page) {
        if (stored.revision >= revision) return company;
        if (!stored.record) throw new PoisonedLane(`its record at stream sequence ${stored.revision} cannot be read`);
        for (const event of stored.record.events) company = toldOf(company, event).after;
      }
    return company;
  }

  #keep(lane: LaneId, seq: number, company: Company): void {
    this.#known.delete(lane);
    this.#known.set(lane, { seq, company });
    if (this.#known.size <= this.#most) return;
    const [longestUnused] = this.#known.keys();
    if (longestUnused !== undefined) this.#known.delete(longestUnused);
  }
}

const seqBefore = (record: StoredRecord['record']): number => (record?.events[0]?.seq ?? 1) - 1;
