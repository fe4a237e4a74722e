/** A lane's newest records, read from the lane itself. */
import { type LaneId, type Revision, revisionOf } from '../../schema/ids.ts';
import { type Journal, JournalUnavailable, type StoredRecord } from '../journal/journal.ts';
import { type Loaded, PoisonedLane } from '../journal/lanes.ts';
import type { StoredEvent } from './history-at.ts';
import { eventOf, project } from './project.ts';

/** What one answer may fold from the lane; a projector that far behind makes history unavailable, not the process slow. */
const TAIL_MAX_RECORDS = 10_000;
const TAIL_MAX_BYTES = 16 * 1024 * 1024;
const PAGE = 1_000;
/** A replica that lags behind what is known to be stored is asked again, in all for about 1 s. */
const LAGGING_READS = 20;
const LAGGING_STEP_MS = 5;

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

/**
 * The lane's records from revision `from` on, in order, until `upTo` is among them, in pages; perhaps some newer ones.
 * Throws JournalUnavailable.
 */
export async function* readLane(
  journal: Journal,
  lane: LaneId,
  from: Revision,
  upTo: Revision,
): AsyncGenerator<readonly StoredRecord[]> {
  let next = from;
  let lagging = 0;
  while (next <= upTo) {
    const { records, complete } = await journal.read(lane, next, { limit: PAGE });
    const last = records.at(-1);
    if (last) {
      next = revisionOf(last.revision + 1);
      yield records;
    }
    if (!complete || next > upTo) continue;
    if (lagging++ >= LAGGING_READS)
      throw new JournalUnavailable(`lane ${lane}: it does not show its record at stream sequence ${upTo}`);
    await new Promise((resolve) => setTimeout(resolve, lagging * LAGGING_STEP_MS));
  }
}

/** Throws PoisonedLane. */
export function eventsOf(stored: StoredRecord): StoredEvent[] {
  const projected = project(stored);
  if (projected.kind === 'poison')
    throw new PoisonedLane(`lane ${stored.lane}, stream sequence ${stored.revision}: ${projected.reason}`);
  return projected.documents.map((document) => ({ event: eventOf(document), revision: stored.revision }));
}
