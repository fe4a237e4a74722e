/**
 * One record's append, repeated until its end is certain. After an answer that was lost, an empty look-up proves nothing: the
 * append may still be on its way. The same append again, with the same record id and expected revision, is stored at most once.
 */
import type { LaneRecord } from '../../schema/events.ts';
import { type LaneId, type Revision, revisionOf } from '../../schema/ids.ts';
import type { Logger } from '../logger.ts';
import type { AppendOutcome, Journal } from './journal.ts';
import type { Lanes } from './lanes.ts';

export type Appended =
  | { readonly kind: 'stored'; readonly revision: Revision }
  /** Another record is in its place: it is not stored, and never will be. */
  | { readonly kind: 'lost' }
  /** Certainly not stored, as `unavailable`. */
  | { readonly kind: 'full' }
  | { readonly kind: 'unavailable' }
  /** It may be stored, or be stored later. */
  | { readonly kind: 'unknown' };

export interface AppendObserver {
  appended(tookMs: number, kind: AppendOutcome['kind'], events: number): void;
  /** A record whose answer was lost was found in its lane: whoever listens there may have missed it too. */
  found(lane: LaneId): void;
}

export interface AppendParts {
  readonly journal: Pick<Journal, 'append' | 'last' | 'read'>;
  readonly lanes: Pick<Lanes, 'forget'>;
  readonly log: Logger;
  readonly observer: AppendObserver | undefined;
  readonly wait: (ms: number) => Promise<void>;
  /** Past so many it is given up. */
  readonly attempts: number;
}
/** Who waits for it. */
export interface AppendWaiters {
  /** Before each attempt: while it is under way it may be stored. */
  attempted(): void;
  /** After each attempt. True: nobody waits longer, and it ends with what is known then. */
  isOver(mayBeStored: boolean): boolean;
}

/** Never throws. */
export async function appendUntilCertain(
  parts: AppendParts,
  record: LaneRecord,
  expected: Revision,
  waiters: AppendWaiters,
): Promise<Appended> {
  let mayBeStored = false;
  for (let attempt = 1; ; attempt++) {
    const startedAt = performance.now();
    waiters.attempted();
    const outcome = await parts.journal.append(record, expected);
    parts.observer?.appended(performance.now() - startedAt, outcome.kind, record.events.length);
    if (outcome.kind === 'stored') return outcome;
    if (outcome.kind === 'unknown') mayBeStored = true;
    if (outcome.kind === 'conflict' || (outcome.kind === 'full' && mayBeStored)) {
      const found = await find(parts, record, expected);
      if (found.kind !== 'unsettled') return found;
    } else if (outcome.kind === 'full') return { kind: 'full' };
    if (waiters.isOver(mayBeStored) || attempt >= parts.attempts)
      return { kind: mayBeStored ? 'unknown' : 'unavailable' };
    await parts.wait(Math.min(5 * 2 ** (attempt - 1), 1_000) * (0.5 + Math.random() / 2));
  }
}

/**
 * After a conflict, or a full store that may have our record: the record after `expected` is ours, or somebody else's and
 * ours can never be stored, or there is none and nothing is settled.
 */
async function find(
  { journal, lanes, observer, log }: AppendParts,
  record: LaneRecord,
  expected: Revision,
): Promise<Appended | { readonly kind: 'unsettled' }> {
  try {
    const last = await journal.last(record.lane);
    if ((last?.revision ?? 0) < expected) {
      lanes.forget(record.lane);
      return { kind: 'lost' };
    }
    if (!last || last.revision === expected) return { kind: 'unsettled' };
    const next =
      last.record?.id === record.id
        ? last
        : (await journal.read(record.lane, revisionOf(expected + 1), { limit: 1 })).records[0];
    if (!next) return { kind: 'unsettled' };
    if (next.record?.id !== record.id) return { kind: 'lost' };
    observer?.found(record.lane);
    return { kind: 'stored', revision: next.revision };
  } catch (error) {
    log.warn({ lane: record.lane, err: error }, 'an append is not settled');
    return { kind: 'unsettled' };
  }
}
