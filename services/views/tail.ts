/** A lane's newest records, read from the lane itself. */
import { type Revision, revisionOf } from '../../schema/ids.ts';
import type { Journal, StoredRecord } from '../journal/journal.ts';
import { type Loaded, PoisonedLane } from '../journal/lanes.ts';
import { readLane } from '../journal/read-lane.ts';
import type { StoredEvent } from './history-at.ts';
import { eventOf, project } from './project.ts';

/** What one answer may fold from the lane; a projector that far behind makes history unavailable, not the process slow. */
const TAIL_MAX_RECORDS = 10_000;
const TAIL_MAX_BYTES = 16 * 1024 * 1024;

export type Tail = { readonly kind: 'whole'; readonly events: readonly StoredEvent[] } | { readonly kind: 'too-long' };

export class Tails {
  readonly #journal: Journal;
  readonly #reading = new Map<string, Promise<Tail>>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /**
   * The events of the lane's records with revision > `after`, up to `loaded`. Readers of one moment share one read.
   * Throws JournalUnavailable, PoisonedLane.
   */
  read(loaded: Loaded, after: Revision): Promise<Tail> {
    const name = `${loaded.lane.id} ${after} ${loaded.revision}`;
    const reading = this.#reading.get(name) ?? this.#read(loaded, after).finally(() => this.#reading.delete(name));
    this.#reading.set(name, reading);
    return reading;
  }

  async #read({ lane, revision }: Loaded, after: Revision): Promise<Tail> {
    const events: StoredEvent[] = [];
    let records = 0;
    let bytes = 0;
    for await (const page of readLane(this.#journal, lane.id, revisionOf(after + 1), revision)) {
      for (const record of page) {
        bytes += record.payload.length;
        events.push(...eventsOf(record).filter(({ event }) => event.seq <= lane.seq));
      }
      records += page.length;
      if (records > TAIL_MAX_RECORDS || bytes > TAIL_MAX_BYTES) return { kind: 'too-long' };
    }
    return { kind: 'whole', events };
  }
}

/** Throws PoisonedLane. */
export function eventsOf(stored: StoredRecord): StoredEvent[] {
  const projected = project(stored);
  if (projected.kind === 'poison')
    throw new PoisonedLane(`lane ${stored.lane}, stream sequence ${stored.revision}: ${projected.reason}`);
  return projected.documents.map((document) => ({ event: eventOf(document), revision: stored.revision }));
}
