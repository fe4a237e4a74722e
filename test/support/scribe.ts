/** Writes lanes as `submit` would, and keeps what it wrote: the model that history is compared with. */
import type { LaneEvent, LaneRecord } from '../../schema/events.ts';
import { type ClientKey, type LaneId, type Revision, revisionOf, type Seq, type UserId } from '../../schema/ids.ts';
import type { Journal } from '../../services/journal/journal.ts';
import { until } from './until.ts';

export { until };

export const laneId = (id: string): LaneId => id as LaneId;
export const userId = (id: string): UserId => id as UserId;

/** An event without its place and its key. */
export type Said =
  | { type: 'ConversationCreated'; kind: 'GROUP' | 'DIRECT'; members: string[]; title?: string }
  | { type: 'MessageSent'; text: string }
  | { type: 'MembersAdded'; members: string[]; hideHistory?: true }
  | { type: 'MemberRemoved'; member: string };

const START = 1_700_000_000_000;

export class Scribe {
  readonly #journal: Journal;
  readonly #clock: (() => number) | undefined;
  readonly lanes = new Map<LaneId, LaneEvent[]>();
  #records = 0;
  #keys = 0;

  /** Without a clock, times of long ago. */
  constructor(journal: Journal, clock?: () => number) {
    this.#journal = journal;
    this.#clock = clock;
  }

  /** One record. */
  async write(lane: LaneId, said: readonly Said[], by = 'alice'): Promise<LaneRecord> {
    const before = this.lanes.get(lane) ?? [];
    const events = said.map((one, i) => {
      const key = `k${++this.#keys}` as ClientKey;
      const seq = (before.length + i + 1) as Seq;
      return {
        ...one,
        seq,
        at: this.#clock?.() ?? START + this.#keys,
        by: userId(by),
        key,
        hash: `h${key}`,
      } as LaneEvent;
    });
    const record: LaneRecord = { v: 1, id: `r${++this.#records}-${lane}`, lane, events };
    await this.#append(record, (await this.#journal.last(lane))?.revision ?? revisionOf(0));
    this.lanes.set(lane, [...before, ...events]);
    return record;
  }

  /**
   * As `submit` does: an append whose answer was lost is repeated until it is known what became of it. Otherwise the next record
   * would have the same `seq` as one that is stored.
   */
  async #append(record: LaneRecord, expected: Revision): Promise<void> {
    const first = await this.#journal.append(record, expected);
    if (first.kind === 'stored') return;
    if (first.kind !== 'unknown') throw new Error(`not stored: ${first.kind}`);
    const settled = await until(
      async () => {
        const { kind } = await this.#journal.append(record, expected);
        if (kind !== 'conflict') return kind;
        const last = await this.#journal.last(record.lane).catch(() => 'unknown' as const);
        if (last === 'unknown') return last;
        return last?.record?.id === record.id ? 'stored' : kind;
      },
      (kind) => kind === 'stored' || kind === 'conflict' || kind === 'full',
    );
    if (settled !== 'stored') throw new Error(`not stored: ${settled}`);
  }

  create(lane: LaneId, ...members: string[]): Promise<LaneRecord> {
    return this.write(lane, [{ type: 'ConversationCreated', kind: 'GROUP', members: ['alice', ...members] }]);
  }

  /** `count` messages in records of `each`. */
  async say(lane: LaneId, count: number, each = 1, by = 'alice'): Promise<void> {
    for (let i = 0; i < count; i += each) {
      const said = Array.from({ length: Math.min(each, count - i) }, (_, k) => ({
        type: 'MessageSent' as const,
        text: `message ${i + k}`,
      }));
      await this.write(lane, said, by);
    }
  }

  events(lane: LaneId): readonly LaneEvent[] {
    return this.lanes.get(lane) ?? [];
  }
}
