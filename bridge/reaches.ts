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
import type { AppFeed, Reach } from './app-feed.ts';
import { readLast } from './app-streams.ts';

interface Stored {
  readonly v: 1;
  /** Positions by partition. */
  readonly p: readonly number[];
  readonly s: readonly number[];
  readonly stream: string;
}

const TRIES = 5;

export class Reaches {
  readonly #link: Link;
  readonly #questions: Questions;
  readonly #partitions: number;

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
  async write(feed: AppFeed): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const { at, reach } = await this.#read(feed.app);
      feed.isMoved = false;
      const merged = reach ? mergedOf(reach, feed.reach) : feed.reach;
      const stored: Stored = { v: 1, p: merged.positions, s: merged.since, stream: merged.stream };
      try {
        const payload = Buffer.from(JSON.stringify(stored));
        const answer = await this.#questions.publish(bridgePosition(feed.app), payload, expectedHeader(revisionOf(at)));
        const outcome = answer && outcomeOf(answer);
        if (outcome?.kind === 'stored') return;
        if (outcome?.kind === 'conflict') continue;
        throw new JournalUnavailable(`a position cannot be stored now: ${outcome?.kind}`);
      } catch (error) {
        feed.isMoved = true;
        throw error;
      }
    }
    feed.isMoved = true;
  }

  async #read(app: AppId): Promise<{ readonly at: number; readonly reach: Reach | undefined }> {
    const parts = { link: this.#link, questions: this.#questions };
    const last = await readLast(parts, BRIDGE_STREAM, bridgePosition(app));
    const stored = last?.body as Stored | undefined;
    const fits = stored?.v === 1 && stored.p.length === this.#partitions;
    const reach = fits ? { positions: [...stored.p], since: [...stored.s], stream: stored.stream } : undefined;
    return { at: last?.at ?? 0, reach };
  }
}

/** Of two streams under the name the newer counts: what was delivered to the older does not lie in it. */
export function mergedOf(one: Reach, other: Reach): Reach {
  const positions = one.positions.map((at, p) => Math.max(at, other.positions[p] as number));
  if (one.stream !== other.stream) {
    const newer = one.stream > other.stream ? one : other;
    return { positions, since: [...newer.since], stream: newer.stream };
  }
  const since = one.since.map((at, p) => Math.min(at, other.since[p] as number));
  return { positions, since, stream: one.stream };
}
