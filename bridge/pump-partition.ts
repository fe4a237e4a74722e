/**
 * One partition's way to the integrations that are in step: each batch of records to all of them, and only then the next. Who
 * does not take it is left behind, at its own position, and holds up nobody (catch-ups.ts brings it back).
 */
import type { LaneEvent } from '../schema/events.ts';
import { type AppId, type LaneId, revisionOf } from '../schema/ids.ts';
import type { Journal, StoredRecord } from '../services/journal/journal.ts';
import type { Place } from '../services/journal/place.ts';
import type { Logger } from '../services/logger.ts';
import { pause, persist } from '../services/persist.ts';
import type { AppFeed, Delivered, FeedEvent } from './app-feed.ts';
import type { Companies } from './companies.ts';
import { type Company, toldOf } from './company.ts';
import { externalEvent } from './external.ts';

export interface PartitionParts {
  readonly journal: Pick<Journal, 'consume'>;
  readonly companies: Companies;
  readonly log: Logger;
  /** It was in step and is not any more; its position is where it was before the batch. `rest`: what it still does. */
  readonly onLeft: (feed: AppFeed, partition: number, outcome: Delivered, rest: Promise<unknown>) => void;
  readonly onDelivered: (events: number, oldestStoredAt: number) => void;
}

export const BATCH_RECORDS = 64;
/** A tenth of the time after which who is left over is slower than others. */
const STEP_MS = 50;
const SLOW_STEPS = 10;
const SLOW: Delivered = { kind: 'refused', isSlow: true, message: 'slower than others' };

export type Work = ReadonlyMap<LaneId, readonly FeedEvent[]>;

export class PumpPartition {
  readonly partition: number;
  readonly #parts: PartitionParts;
  readonly #inStep = new Map<AppId, AppFeed>();
  /** Every record up to it was delivered to whoever was in step; and what is under way. */
  #cursor: Place = { revision: revisionOf(0) };
  #handed = revisionOf(0);
  /** It is not known, or not so, that its stream is the one that was read: nobody gets anything of it. */
  isStanding = true;

  constructor(parts: PartitionParts, partition: number) {
    this.#parts = parts;
    this.partition = partition;
  }

  /** Before `run`. Who is not there yet has first to read on. */
  goOnAt(place: Place): void {
    this.#cursor = place;
    this.#handed = place.revision;
    this.isStanding = false;
    for (const feed of this.#inStep.values())
      if ((feed.reach.positions[this.partition] as number) < place.revision) this.leave(feed.app);
  }

  /** True: from now on it gets what comes. False: it has first to read on. */
  join(feed: AppFeed): boolean {
    if ((feed.reach.positions[this.partition] as number) < this.#handed) return false;
    this.#inStep.set(feed.app, feed);
    return true;
  }

  leave(app: AppId): void {
    this.#inStep.delete(app);
  }

  readonly has = (app: AppId): boolean => this.#inStep.has(app);

  /** Until `signal` aborts; what is under way then is given up where it stands. Throws OtherStream. */
  async run(signal: AbortSignal): Promise<void> {
    const { journal, log } = this.#parts;
    const { revision, id: after } = this.#cursor;
    const options = { maxBatch: BATCH_RECORDS, signal, after };
    for await (const batch of journal.consume(this.partition, revisionOf(revision + 1), options)) {
      const end = placeAt(batch.at(-1) as StoredRecord);
      this.#handed = end.revision;
      const feeds = [...this.#inStep.values()];
      if (feeds.length > 0) {
        const work = () => workOf(this.#parts.companies, batch, feeds, this.partition);
        await this.#deliver(feeds, await persist('companies', work, { signal, log }), batch, signal);
      }
      if (signal.aborted) return;
      this.#cursor = end;
    }
  }

  async #deliver(
    feeds: readonly AppFeed[],
    work: ReadonlyMap<AppFeed, Work>,
    batch: readonly StoredRecord[],
    signal: AbortSignal,
  ): Promise<void> {
    const end = placeAt(batch.at(-1) as StoredRecord);
    const late = new AbortController();
    const either = AbortSignal.any([signal, late.signal]);
    const open = new Set<AppFeed>();
    const all = feeds.map(async (feed) => {
      const mine = work.get(feed);
      if (!mine) return this.#took(feed, end);
      open.add(feed);
      const outcome = await deliverWork(feed, mine, { signal: either });
      if (!open.delete(feed)) return;
      if (outcome.kind === 'done') this.#took(feed, end);
      else if (!signal.aborted) this.#left(feed, outcome, Promise.resolve());
    });
    const over = new AbortController();
    const everyone = Promise.all(all).then(() => over.abort());
    const count = open.size;
    await Promise.race([
      everyone,
      count > 1 ? untilSlow(open, count, AbortSignal.any([over.signal, signal])) : everyone,
    ]);
    for (const feed of open) if (!signal.aborted) this.#left(feed, SLOW, everyone);
    if (open.size > 0) late.abort();
    open.clear();
    const events = [...work.values()].reduce(
      (sum, one) => sum + [...one.values()].reduce((n, e) => n + e.length, 0),
      0,
    );
    if (events > 0) this.#parts.onDelivered(events, (batch[0] as StoredRecord).storedAt);
  }

  #took(feed: AppFeed, end: Place): void {
    if (this.#inStep.get(feed.app) === feed) feed.moveTo(this.partition, end);
  }

  #left(feed: AppFeed, outcome: Delivered, rest: Promise<unknown>): void {
    if (this.#inStep.get(feed.app) !== feed) return;
    this.#inStep.delete(feed.app);
    this.#parts.onLeft(feed, this.partition, outcome, rest);
  }
}

export const placeAt = ({ revision, record, storedAt: at }: StoredRecord): Place => ({
  ...{ revision, id: record?.id ?? null, at },
});

/**
 * Settles when at most half of them are left, and nothing has come of these for so long. What this process or the whole store was
 * slow at is nobody's slowness: only steps that took no longer than they should count.
 */
async function untilSlow(open: ReadonlySet<AppFeed>, count: number, signal: AbortSignal): Promise<void> {
  let left = open.size;
  for (let steps = 0; steps < SLOW_STEPS && !signal.aborted; ) {
    const from = performance.now();
    await pause(STEP_MS, signal);
    const isPrompt = performance.now() - from < 2 * STEP_MS;
    if (open.size < left || open.size > count / 2) steps = 0;
    else if (isPrompt) steps++;
    left = open.size;
  }
}

/** What each of these integrations is told of these records, which follow each other. Throws JournalUnavailable. */
export async function workOf(
  companies: Companies,
  records: readonly StoredRecord[],
  feeds: readonly AppFeed[],
  partition: number,
): Promise<ReadonlyMap<AppFeed, Work>> {
  const before = await companies.before(records);
  const byApp = new Map(feeds.map((feed) => [feed.app, feed]));
  const seeing = feeds.filter(({ seesAll }) => seesAll);
  const work = new Map<AppFeed, Map<LaneId, FeedEvent[]>>();
  for (const [i, stored] of records.entries()) {
    let company = before[i];
    for (const event of stored.record?.events ?? []) {
      const told = company && toldOf(company, event);
      company = told?.after;
      const payload = once(stored.lane, event);
      const put = (feed: AppFeed, begins: boolean): void => {
        if ((feed.reach.positions[partition] as number) >= stored.revision) return;
        const mine = work.get(feed) ?? new Map<LaneId, FeedEvent[]>();
        work.set(feed, mine);
        const events = mine.get(stored.lane) ?? [];
        events.push({ seq: event.seq, at: event.at, revision: stored.revision, begins, payload });
        mine.set(stored.lane, events);
      };
      for (const feed of seeing) put(feed, event.seq === 1);
      if (told) tell(told.apps, byApp, (feed) => put(feed, told.begins.has(feed.app)));
    }
  }
  return work;
}

function tell(apps: Company, feeds: ReadonlyMap<AppId, AppFeed>, put: (feed: AppFeed) => void): void {
  for (const app of apps) {
    const feed = feeds.get(app);
    if (feed && !feed.seesAll) put(feed);
  }
}

/** Written once, however many are told. */
function once(lane: LaneId, event: LaneEvent): () => Uint8Array {
  let payload: Uint8Array | undefined;
  return () => {
    payload ??= Buffer.from(JSON.stringify(externalEvent(lane, event)));
    return payload;
  };
}

/** All conversations at once, each in its order; the first that is refused is the answer. Never rejects. */
export async function deliverWork(
  feed: AppFeed,
  work: Work,
  options: { readonly signal: AbortSignal; readonly behind?: boolean },
): Promise<Delivered> {
  const outcomes = await Promise.all([...work].map(([lane, events]) => feed.deliver(lane, events, options)));
  return outcomes.find(({ kind }) => kind !== 'done') ?? { kind: 'done' };
}
