/** One partition read once more, for integrations that are near each other in it, until they are in step or had their turn. */
import { revisionOf } from '../schema/ids.ts';
import type { Journal, StoredRecord } from '../services/journal/journal.ts';
import type { Logger } from '../services/logger.ts';
import { persist } from '../services/persist.ts';
import type { AppFeed, Delivered } from './app-feed.ts';
import type { Behind } from './catch-ups.ts';
import { Companies, type CompaniesParts } from './companies.ts';
import { deliverWork, type PumpPartition, placeAt, workOf } from './pump-partition.ts';
import { placeOf } from './reach.ts';

export interface ReadOnParts extends CompaniesParts {
  readonly journal: Journal;
  readonly log: Logger;
}
export interface Hearing {
  mayJoin(behind: Behind): boolean;
  joined(behind: Behind): void;
  refused(behind: Behind, outcome: Extract<Delivered, { kind: 'refused' }>): void;
}

const BATCH_RECORDS = 256;
const COMPANIES = 4_000;
/** Then the next in line reads on. */
const TURN_MS = 2_000;
/** Records: who is farther ahead has a turn of its own. */
const NEAR = 10_000;

export class ReadOn {
  readonly #parts: ReadOnParts;
  readonly #partition: PumpPartition;
  readonly #companies: Companies;

  constructor(parts: ReadOnParts, partition: PumpPartition) {
    this.#parts = parts;
    this.#partition = partition;
    this.#companies = new Companies(parts, COMPANIES);
  }

  static groupOf(first: Behind, all: readonly Behind[], partition: number): readonly Behind[] {
    const positionOf = ({ feed }: Behind): number => feed.reach.positions[partition] as number;
    const from = positionOf(first);
    return all.filter((one) => positionOf(one) >= from && positionOf(one) <= from + NEAR);
  }

  async read(group: readonly Behind[], signal: AbortSignal, hearing: Hearing): Promise<void> {
    const { journal, log } = this.#parts;
    const { partition } = this.#partition;
    const now = performance.now();
    for (const behind of group) behind.turns.set(partition, now);
    let left = this.#join(
      group.filter((behind) => !behind.needsLook && !behind.isGone),
      hearing,
    );
    if (left.length === 0) return;
    const { revision, id } = left
      .map(({ feed }) => placeOf(feed.reach, partition))
      .reduce((least, place) => (place.revision < least.revision ? place : least));
    const turn = AbortSignal.any([signal, AbortSignal.timeout(TURN_MS)]);
    const options = { maxBatch: BATCH_RECORDS, signal: turn, after: id };
    for await (const batch of journal.consume(partition, revisionOf(revision + 1), options)) {
      const feeds = left.map(({ feed }) => feed);
      const make = () => workOf(this.#companies, batch, feeds, partition);
      const work = await persist('companies', make, { signal, log });
      const end = placeAt(batch.at(-1) as StoredRecord);
      const outcomes = await Promise.all(left.map(({ feed }) => deliver(feed, work.get(feed), signal)));
      const took: Behind[] = [];
      for (const [i, behind] of left.entries()) {
        const outcome = outcomes[i] as Delivered;
        if (outcome.kind === 'refused') hearing.refused(behind, outcome);
        if (outcome.kind !== 'done' || behind.isGone) continue;
        behind.feed.moveTo(partition, end);
        took.push(behind);
      }
      left = this.#join(took, hearing);
      if (left.length === 0) return;
    }
  }

  /** Those that are not in step yet. */
  #join(group: readonly Behind[], hearing: Hearing): readonly Behind[] {
    return group.filter((behind) => {
      if (behind.isGone) return false;
      if (!hearing.mayJoin(behind) || !this.#partition.join(behind.feed)) return true;
      hearing.joined(behind);
      return false;
    });
  }
}

const deliver = async (
  feed: AppFeed,
  work: Parameters<typeof deliverWork>[1] | undefined,
  signal: AbortSignal,
): Promise<Delivered> => (work ? deliverWork(feed, work, { signal, behind: true }) : { kind: 'done' });
