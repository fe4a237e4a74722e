/**
 * The hubs of a process: one for each lane that somebody follows, made for the first and dropped after the last, and one
 * subscription of the store's live copy each, however many follow.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import type { LaneId } from '../../schema/ids.ts';
import type { Journal, Stoppable } from '../journal/journal.ts';
import type { Lanes } from '../journal/lanes.ts';
import type { Logger } from '../logger.ts';
import { Slots } from '../slots.ts';
import { PAYERS } from './catch-up.ts';
import { apiError } from './errors.ts';
import type { GapReader } from './feed.ts';
import type { Follower } from './follow.ts';
import type { Asked, Frames } from './frames.ts';
import type { Viewer } from './gate.ts';
import { Hub, type HubOptions } from './hub.ts';
import { RETRY_AFTER_MS } from './limits.ts';
import type { ReceiptFeed } from './receipt-feed.ts';
import { RING_EVENTS } from './ring.ts';
import type { Sink } from './sink.ts';
import type { StreamCounts } from './stream-metrics.ts';

/** Past these a new stream is refused with the error `RATE_LIMITED`. */
const FOLLOWERS_MAX = 100_000;
const HUBS_MAX = 20_000;
/** A reader that is further behind gets a `Reset`: pages of history are quicker. */
const CATCH_UP_MAX = 50_000;
/** Streams that read the lane or history at once, a quarter of them one user's at the most; the others wait where they are. */
const CATCHING_UP = { running: 32, each: 8 };
/** How long a lost live copy goes unnoticed at the most, while nothing follows it. Source: ARCHITECTURE, "Silence". */
const COMPARE_MS = 10_000;
/** Lanes in one comparison, and those that are read at a time: after a reconnect, all that have nothing new. */
const COMPARE_LANES = 1_000;
const READ_LANES = 32;

export interface StreamLimits {
  readonly followers?: number;
  readonly hubs?: number;
  readonly ringEvents?: number;
  readonly catchUpEvents?: number;
}

export interface GatewayOptions {
  readonly journal: Pick<Journal, 'listen' | 'read' | 'lastRevisions' | 'onReconnect'>;
  readonly lanes: Lanes;
  readonly reads: GapReader;
  readonly frames: Frames;
  readonly log: Logger;
  readonly counts: StreamCounts;
  /** Undefined: streams bring no marks of members. */
  readonly receipts?: ReceiptFeed | undefined;
  readonly limits?: StreamLimits | undefined;
}

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #hubOptions: HubOptions;
  readonly #maxFollowers: number;
  readonly #maxHubs: number;
  readonly #hubs = new Map<LaneId, Hub>();
  readonly #stopping = new AbortController();
  readonly #reconnects: Stoppable;
  readonly #timer: NodeJS.Timeout;
  #comparing = false;
  #compareAgain = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#maxFollowers = options.limits?.followers ?? FOLLOWERS_MAX;
    this.#maxHubs = options.limits?.hubs ?? HUBS_MAX;
    const { signal } = this.#stopping;
    // Each that catches up may pause.
    setMaxListeners(0, signal);
    this.#hubOptions = {
      ...options,
      slots: new Slots(CATCHING_UP),
      payers: new Slots(PAYERS),
      ring: { events: options.limits?.ringEvents ?? RING_EVENTS, budget: { bytes: 0 } },
      answers: { bytes: 0 },
      catchUpMax: options.limits?.catchUpEvents ?? CATCH_UP_MAX,
      pause: (ms) => wait(ms, undefined, { signal, ref: false }),
    };
    this.#reconnects = options.journal.onReconnect(() => {
      for (const { feed } of this.#hubs.values()) feed.doubt();
      this.ringAll();
    });
    this.#timer = setInterval(() => this.ringAll(), COMPARE_MS).unref();
  }

  /** Never throws; what goes wrong goes to the sink's end. Undefined: it was refused. */
  follow(asked: Asked, viewer: Viewer, sink: Sink): Follower | undefined {
    const hub = this.#hubFor(asked.lane);
    if (!hub) {
      this.#options.counts.refused++;
      sink.end(apiError('RATE_LIMITED', 'This server follows as much as it can.', RETRY_AFTER_MS));
      return undefined;
    }
    const follower = hub.join(asked.operation, viewer, sink);
    void follower.start(asked.after);
    return follower;
  }

  /** As if the lane's doorbell had rung: whoever knows that something was stored, and not whether it was heard. */
  ring(lane: LaneId): void {
    const hub = this.#hubs.get(lane);
    if (hub) void this.#compare([hub]);
  }

  /** As `ring`, for all. One comparison at a time; a call during one is answered by another after it. */
  ringAll(): void {
    this.#compareAgain = true;
    if (this.#comparing || this.#stopping.signal.aborted) return;
    this.#comparing = true;
    void this.#compareAll().finally(() => {
      this.#comparing = false;
    });
  }

  /** Drops all hubs and followers. Their sinks hear nothing: whoever owns the connections closes them. */
  stop(): void {
    this.#stopping.abort();
    clearInterval(this.#timer);
    this.#reconnects.stop();
    for (const hub of [...this.#hubs.values()]) this.#drop(hub);
  }

  #hubFor(lane: LaneId): Hub | undefined {
    const { counts } = this.#options;
    if (this.#stopping.signal.aborted || counts.followers >= this.#maxFollowers) return undefined;
    let hub = this.#hubs.get(lane);
    if (hub) return hub;
    if (this.#hubs.size >= this.#maxHubs) return undefined;
    hub = new Hub(lane, this.#hubOptions, (empty) => this.#drop(empty));
    this.#hubs.set(lane, hub);
    counts.hubs = this.#hubs.size;
    return hub;
  }

  #drop(hub: Hub): void {
    this.#hubs.delete(hub.feed.lane);
    this.#options.counts.hubs = this.#hubs.size;
    hub.stop();
  }

  async #compareAll(): Promise<void> {
    while (this.#compareAgain && !this.#stopping.signal.aborted) {
      this.#compareAgain = false;
      const hubs = [...this.#hubs.values()];
      for (let i = 0; i < hubs.length; i += COMPARE_LANES) await this.#compare(hubs.slice(i, i + COMPARE_LANES));
    }
  }

  /** Never rejected. With the store out of reach nothing is learnt: its return rings again. */
  async #compare(hubs: readonly Hub[]): Promise<void> {
    const before = hubs.map(({ feed }) => feed.ring.revision);
    try {
      const last = await this.#options.journal.lastRevisions(hubs.map(({ feed }) => feed.lane));
      for (let i = 0; i < hubs.length; i += READ_LANES)
        await Promise.all(
          hubs.slice(i, i + READ_LANES).map(({ feed }, k) => {
            const [revision, had] = [last.get(feed.lane), before[i + k]];
            return revision === undefined || had === undefined ? undefined : feed.compare(revision, had);
          }),
        );
    } catch (error) {
      this.#options.log.debug({ err: error }, 'lanes could not be compared');
    }
  }
}
