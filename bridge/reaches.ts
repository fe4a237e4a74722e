/**
 * How far the bridges have come for each integration, kept in a stream: one message each. Whoever writes it merges it with what
 * another bridge wrote: what any of them has delivered is delivered.
 */
import { type AppId, revisionOf } from '../schema/ids.ts';
import { BRIDGE_STREAM, bridgePosition } from '../schema/subjects.ts';
import { outcomeOf } from '../services/journal/append-outcome.ts';
import type { Questions } from '../services/journal/ask.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import type { Link } from '../services/journal/link.ts';
import { expectedHeader } from '../services/journal/message.ts';
import type { AppFeed } from './app-feed.ts';
import { readLast } from './app-streams.ts';
import { type Known, mergedOf, type Reach, type Rebuilt } from './reach.ts';

interface Stored {
  readonly v: 1;
  /** Positions by partition. */
  readonly p: readonly number[];
  readonly s: readonly number[];
  readonly stream: string;
  /** Counts the restores that were noticed. */
  readonly e?: number;
  readonly r?: readonly (Rebuilt | null)[];
  /** Of the record at each position. Not there in what an earlier version wrote. */
  readonly i?: readonly (Known | null)[];
}

const TRIES = 5;

export class Reaches {
  readonly #link: Link;
  readonly #questions: Questions;
  readonly #partitions: number;
  /** The revision of what this bridge wrote last. */
  readonly #written = new Map<AppId, number>();

  constructor(link: Link, questions: Questions, partitions: number) {
    this.#link = link;
    this.#questions = questions;
    this.#partitions = partitions;
  }

  /** Undefined: nobody has begun with it. Throws JournalUnavailable. */
  async read(app: AppId): Promise<Reach | undefined> {
    return (await this.#read(app)).reach;
  }

  /** Throws JournalUnavailable; then it may be written or not, and both are true. */
  async write(feed: Pick<AppFeed, 'app' | 'reach' | 'isMoved'>): Promise<void> {
    let at = this.#written.get(feed.app);
    this.#written.delete(feed.app);
    for (let tries = 0; tries < TRIES; tries++) {
      const there = at === undefined ? await this.#read(feed.app) : { at, reach: undefined };
      at = undefined;
      feed.isMoved = false;
      try {
        const revision = await this.#put(
          feed.app,
          there.reach ? mergedOf(there.reach, feed.reach) : feed.reach,
          there.at,
        );
        if (revision === undefined) continue;
        this.#written.set(feed.app, revision);
        return;
      } catch (error) {
        feed.isMoved = true;
        throw error;
      }
    }
    feed.isMoved = true;
  }

  forget(app: AppId): void {
    this.#written.delete(app);
  }

  /** Undefined: another bridge was first. */
  async #put(app: AppId, reach: Reach, expected: number): Promise<number | undefined> {
    const { positions: p, records: i, since: s, stream, restores: e, rebuilt: r } = reach;
    const stored: Stored = { v: 1, p, i, s, stream, ...(e === 0 ? {} : { e, r }) };
    const payload = Buffer.from(JSON.stringify(stored));
    const answer = await this.#questions.publish(bridgePosition(app), payload, expectedHeader(revisionOf(expected)));
    const outcome = answer && outcomeOf(answer);
    if (outcome?.kind === 'stored') return outcome.revision;
    if (outcome?.kind === 'conflict') return undefined;
    throw new JournalUnavailable(`a position cannot be stored now: ${outcome?.kind}`);
  }

  async #read(app: AppId): Promise<{ readonly at: number; readonly reach: Reach | undefined }> {
    const parts = { link: this.#link, questions: this.#questions };
    const last = await readLast(parts, BRIDGE_STREAM, bridgePosition(app));
    const stored = last?.body as Stored | undefined;
    const fits = stored?.v === 1 && stored.p.length === this.#partitions;
    const reach = fits
      ? {
          ...{ positions: [...stored.p], since: [...stored.s], stream: stored.stream },
          records: [...(stored.i ?? stored.p.map(() => null))],
          ...{ restores: stored.e ?? 0, rebuilt: [...(stored.r ?? stored.p.map(() => null))] },
        }
      : undefined;
    return { at: last?.at ?? 0, reach };
  }
}
