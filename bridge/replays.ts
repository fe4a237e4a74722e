/**
 * Events once more, from any position, on a subject of their own. A replay lives in this process alone: where it ends without a
 * `CaughtUp`, or with one of a seq below the one promised, the integration asks again after the last seq that it got.
 */
import { randomBytes } from 'node:crypto';
import type { LaneEvent } from '../schema/events.ts';
import { type AppId, type LaneId, type Millis, userOfApp } from '../schema/ids.ts';
import { appReplay } from '../schema/subjects.ts';
import type { Journal } from '../services/journal/journal.ts';
import type { Lanes, Loaded } from '../services/journal/lanes.ts';
import { sightOf } from '../services/lane/lane.ts';
import type { Logger } from '../services/logger.ts';
import { pause } from '../services/persist.ts';
import type { AppFeed } from './app-feed.ts';
import type { Item, Tail } from './app-writer.ts';
import { externalCaughtUp, externalEvent } from './external.ts';
import { readEvents } from './lane-events.ts';

export interface ReplayAsk {
  readonly conversationId: LaneId;
  /** The last seq that the integration has; 0: from the first. */
  readonly after: number;
  readonly upTo?: number | undefined;
}
/** `from` to `to`, both included; nothing where `to` is below `from`. */
export type ReplayAnswer =
  | { readonly kind: 'started'; readonly replayId: string; readonly from: number; readonly to: number }
  | { readonly kind: 'not-found' }
  /** So many are under way, or there is no room in the stream. */
  | { readonly kind: 'busy'; readonly retryAfterMs: number };

export interface ReplaysParts {
  readonly lanes: Lanes;
  readonly journal: Pick<Journal, 'read'>;
  readonly feedOf: (app: AppId) => AppFeed | undefined;
  readonly clock: () => Millis;
  readonly log: Logger;
  readonly onReplayed: (events: number) => void;
  /** There is no room for replays in its stream. */
  readonly onShort: (app: AppId) => void;
}

const OF_ONE_APP = 2;
const OF_ALL = 16;
const EVENTS_MOST = 100_000;
const BYTES_MOST = 64 * 1024 * 1024;
/** What goes out together, and is then looked at. */
const TOGETHER_BYTES = 512 * 1024;
const TOGETHER_SHARE = 0.02;
/** Of what the stream may hold: the rest is for what is live. */
const ROOM_SHARE = 0.7;
const RETRY_AFTER_MS = 1_000;
const TRIES = 20;
const AGAIN_MS = 100;
const TIME_CHARS = 9;
const NOTHING: Tail = { seq: 0, at: 0 };
const bytesOf = (body: object): Uint8Array => Buffer.from(JSON.stringify(body));

/** It begins with its time, so that it can be told how old a replay is. */
const newReplayId = (now: Millis): string =>
  now.toString(36).padStart(TIME_CHARS, '0') + randomBytes(6).toString('hex');
export const startOfReplay = (replayId: string): Millis => Number.parseInt(replayId.slice(0, TIME_CHARS), 36);

interface Running {
  readonly feed: AppFeed;
  readonly loaded: Loaded;
  readonly subject: string;
  readonly replayId: string;
  readonly from: number;
  readonly to: number;
}

export class Replays {
  readonly #parts: ReplaysParts;
  readonly #stopping = new AbortController();
  readonly #running = new Map<Promise<void>, AppId>();

  constructor(parts: ReplaysParts) {
    this.#parts = parts;
  }

  /** Throws JournalUnavailable, PoisonedLane. */
  async start(app: AppId, { conversationId, after, upTo }: ReplayAsk): Promise<ReplayAnswer> {
    const feed = this.#parts.feedOf(app);
    if (feed && feed.bytes > ROOM_SHARE * feed.maxBytes) {
      this.#parts.onShort(app);
      return { kind: 'busy', retryAfterMs: RETRY_AFTER_MS };
    }
    if (!feed || this.#isBusy(app)) return { kind: 'busy', retryAfterMs: RETRY_AFTER_MS };
    const loaded = await this.#parts.lanes.fresh(conversationId);
    // Others may have begun meanwhile.
    if (this.#isBusy(app)) return { kind: 'busy', retryAfterMs: RETRY_AFTER_MS };
    const sight = sightOf(loaded.lane, userOfApp(app), feed.seesAll);
    // Who has left asks as a stranger does.
    if (!sight || Number.isFinite(sight.to)) return { kind: 'not-found' };
    const from = Math.max(after + 1, sight.from);
    const to = Math.min(upTo ?? loaded.lane.seq, loaded.lane.seq, from + EVENTS_MOST - 1);
    const replayId = newReplayId(this.#parts.clock());
    const subject = appReplay(app, replayId, conversationId);
    const run = this.#run({ feed, loaded, subject, replayId, from, to })
      .catch((error: unknown) => this.#parts.log.warn({ err: error, app, replayId }, 'a replay was given up'))
      .finally(() => this.#running.delete(run));
    this.#running.set(run, app);
    return { kind: 'started', replayId, from, to };
  }

  #isBusy(app: AppId): boolean {
    const ofApp = [...this.#running.values()].filter((one) => one === app).length;
    return ofApp >= OF_ONE_APP || this.#running.size >= OF_ALL;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running.keys());
  }

  async #run({ feed, loaded, subject, replayId, from, to }: Running): Promise<void> {
    const { id } = loaded.lane;
    let tail = NOTHING;
    let [reached, bytes] = [Math.min(from - 1, to), 0];
    const together = Math.min(TOGETHER_BYTES, TOGETHER_SHARE * feed.maxBytes);
    const pages = from > to ? [] : readEvents(this.#parts.journal, loaded, from - 1);
    for await (const events of pages) {
      const wanted = events.filter(({ seq }) => seq >= from && seq <= to);
      for (let i = 0; i < wanted.length && bytes <= BYTES_MOST && !feed.isFull; ) {
        const items: Item[] = [];
        for (let size = 0; i < wanted.length && size < together; i++) {
          const event = wanted[i] as LaneEvent;
          const payload = bytesOf(externalEvent(id, event));
          size += payload.length;
          items.push({ seq: event.seq, id: `${replayId}:${event.seq}`, payload });
        }
        tail = await this.#append(feed, subject, tail, items);
        bytes += items.reduce((sum, { payload }) => sum + payload.length, 0);
        reached = Math.max(reached, tail.seq);
        this.#parts.onReplayed(items.length);
        if (this.#stopping.signal.aborted) return;
      }
      if (reached >= to || bytes > BYTES_MOST || feed.isFull) break;
    }
    const end = { seq: reached + 1, id: `${replayId}:end`, payload: bytesOf(externalCaughtUp(id, reached)) };
    await this.#append(feed, subject, tail, [end]);
  }

  /** All of them, or it throws. */
  async #append(feed: AppFeed, subject: string, before: Tail, items: readonly Item[]): Promise<Tail> {
    const { signal } = this.#stopping;
    let tail = before;
    let why = '';
    for (let tries = 0; tries < TRIES && !signal.aborted; tries++) {
      const rest = items.filter(({ seq }) => seq > tail.seq);
      if (rest.length === 0) return tail;
      if (tries > 0) await pause(tries * AGAIN_MS, signal);
      const written = await feed.writer.write(subject, tail, rest, { signal, behind: true });
      tail = written.tail;
      if (written.kind === 'stored') return tail;
      if (written.stored > 0) tries = 0;
      why = `${written.kind}: ${written.message}`;
      const found = await feed.tailOf(subject).catch(() => tail);
      if (found.seq < tail.seq) throw new Error('what was replayed so far is gone');
      tail = found;
    }
    if (signal.aborted) return tail;
    throw new Error(why);
  }
}
