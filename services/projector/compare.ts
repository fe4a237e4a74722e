/** Lanes against history, record by record, in the order of the stream. Holds one seq for each lane met, and nothing else. */
import { isDeepStrictEqual } from 'node:util';
import { type LaneId, type Revision, revisionOf, type Seq } from '../../schema/ids.ts';
import type { Journal, StoredRecord } from '../journal/journal.ts';
import { type Audit, nameOf, type ParkedRecord } from '../views/audit.ts';
import { type Projected, project } from '../views/project.ts';
import type { EventDocument } from '../views/views.ts';
import type { Source } from './source.ts';

/** Lanes whose ends are looked beyond in one question. */
const LANES_AT_ONCE = 200;
/** Documents beyond the ends that are held until the lanes' newest records say whether they belong there. */
const BEYOND_MAX = 20_000;

export interface Difference {
  readonly kind: 'missing' | 'different' | 'surplus' | 'parked' | 'both' | 'lane' | 'stale';
  readonly lane: LaneId;
  readonly says: string;
  /** What should be there; where it is surplus, what is. */
  readonly document?: EventDocument;
}

export class Comparison {
  readonly #audit: Audit;
  readonly #tell: (difference: Difference) => void;
  /** By revision, of one partition. */
  readonly #parked: Map<Revision, ParkedRecord>;
  /** The last event of each lane that was met. */
  readonly ends = new Map<LaneId, Seq>();
  events = 0;

  constructor(audit: Audit, parked: readonly ParkedRecord[], tell: (difference: Difference) => void) {
    this.#audit = audit;
    this.#tell = tell;
    this.#parked = new Map(parked.map((record) => [record.revision, record]));
  }

  async records(records: readonly StoredRecord[]): Promise<void> {
    const projected = records.map((stored) => ({ stored, projected: project(stored) }));
    const documents = projected.flatMap(({ projected: p }) => (p.kind === 'events' ? p.documents : []));
    const there = documents.length === 0 ? new Map() : await this.#audit.documents(documents.map(({ _id }) => _id));
    for (const { stored, projected: p } of projected) this.#record(stored, p, there);
  }

  #record(stored: StoredRecord, projected: Projected, there: ReadonlyMap<string, EventDocument>): void {
    const { lane, revision } = stored;
    const parked = this.#parked.get(revision);
    this.#parked.delete(revision);
    if (parked)
      this.#tell({
        kind: 'parked',
        lane,
        says: `the record at stream sequence ${revision} is parked: ${parked.reason}`,
      });
    if (projected.kind === 'poison') {
      if (!parked)
        this.#tell({ kind: 'missing', lane, says: `the record at stream sequence ${revision} is not parked` });
      return;
    }
    const { documents } = projected;
    this.events += documents.length;
    const before = this.ends.get(lane) ?? 0;
    const first = documents[0]?._id.s;
    if (first !== before + 1)
      this.#tell({ kind: 'lane', lane, says: `the lane itself goes on with event ${first} after event ${before}` });
    this.ends.set(lane, projected.activity.seq);
    for (const document of documents) this.#document(document, there.get(nameOf(document._id)), parked !== undefined);
  }

  #document(document: EventDocument, found: EventDocument | undefined, isParked: boolean): void {
    const { l: lane, s: seq } = document._id;
    if (!found) {
      if (!isParked) this.#tell({ kind: 'missing', lane, says: `event ${seq} is missing`, document });
    } else if (!isDeepStrictEqual(found, document)) {
      this.#tell({ kind: 'different', lane, says: `event ${seq} differs in ${fieldsOf(found, document)}`, document });
    } else if (isParked)
      this.#tell({ kind: 'both', lane, says: `event ${seq} is in history, though its record is parked`, document });
  }

  /** After all records up to `end`: what history has beyond them. `source` brings what the lanes got since. */
  async beyond(journal: Journal, partition: number, end: Revision, source: Source): Promise<void> {
    for (const { lane, revision } of this.#parked.values())
      if (revision <= end)
        this.#tell({
          kind: 'stale',
          lane,
          says: `a record is parked of stream sequence ${revision}, which the lane has not`,
        });
    const ends = [...this.ends].map(([lane, seq]) => ({ lane, seq }));
    let held = new Map<string, EventDocument>();
    for (let i = 0; i < ends.length; i += LANES_AT_ONCE) {
      for (const document of await this.#audit.outside(ends.slice(i, i + LANES_AT_ONCE)))
        held.set(nameOf(document._id), document);
      if (held.size < BEYOND_MAX) continue;
      await this.#settle(held, source(revisionOf(end + 1), await journal.partitionEnd(partition)));
      held = new Map();
    }
    if (held.size > 0) await this.#settle(held, source(revisionOf(end + 1), await journal.partitionEnd(partition)));
  }

  async #settle(held: Map<string, EventDocument>, newer: AsyncIterable<readonly StoredRecord[]>): Promise<void> {
    for await (const records of newer) {
      for (const stored of records) {
        const projected = project(stored);
        if (projected.kind === 'poison') continue;
        for (const document of projected.documents) {
          const name = nameOf(document._id);
          const found = held.get(name);
          if (found) this.#document(document, found, false);
          held.delete(name);
        }
      }
    }
    for (const document of held.values()) {
      const { _id, rev } = document;
      const says = `event ${String(_id.s)} (of stream sequence ${String(rev)}) is in history and not in the lane`;
      this.#tell({ kind: 'surplus', lane: _id.l, says, document });
    }
  }
}

/** The names of what differs, never the content: lines may be pasted anywhere. */
function fieldsOf(found: EventDocument, document: EventDocument): string {
  const names = new Set([...Object.keys(found), ...Object.keys(document)]);
  const fields = (of: EventDocument) => of as unknown as Record<string, unknown>;
  return [...names].filter((name) => !isDeepStrictEqual(fields(found)[name], fields(document)[name])).join(', ');
}
