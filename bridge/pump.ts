/**
 * The lanes' events, into the stream of each integration that may see them: durable, at least once, in order per conversation.
 * Every bridge reads every partition; what another has delivered is found there, so that two of them do no harm. Nothing here
 * needs MongoDB.
 */
import type { Registry } from 'prom-client';
import type { AppId, Millis } from '../schema/ids.ts';
import { bridgeStreamsOf } from '../schema/streams.ts';
import type { OnHalt } from '../services/halt-metrics.ts';
import { ApiRefusal, Questions } from '../services/journal/ask.ts';
import { firstSince } from '../services/journal/by-time.ts';
import type { Integration, Integrations } from '../services/journal/integrations.ts';
import type { Journal } from '../services/journal/journal.ts';
import { Lanes } from '../services/journal/lanes.ts';
import type { Link } from '../services/journal/link.ts';
import { OtherStream, type Place } from '../services/journal/place.ts';
import type { Logger } from '../services/logger.ts';
import { Abandoned, pause, persist } from '../services/persist.ts';
import { AppFeed, type Delivered, type FeedParts } from './app-feed.ts';
import { ensureStream } from './app-streams.ts';
import { CatchUps, type Left } from './catch-ups.ts';
import { Companies } from './companies.ts';
import { DeadLetters } from './dead-letters.ts';
import { eventMetrics } from './event-metrics.ts';
import { behindOf } from './lag.ts';
import { PumpPartition } from './pump-partition.ts';
import { type Reach, reachFrom } from './reach.ts';
import { Reaches } from './reaches.ts';
import { type ReplayAnswer, type ReplayAsk, Replays } from './replays.ts';
import { Retention } from './retention.ts';
import { placeToGoOn } from './stand-still.ts';
import { Tails } from './tails.ts';

export interface PumpParts {
  readonly journal: Journal;
  readonly lanes: Lanes;
  readonly integrations: Integrations;
  /** In the integrations' account; its owner closes it, after the pump has stopped. */
  readonly link: Link;
  /** What an integration's stream holds at the most. */
  readonly appStreams: { readonly retentionMs: number; readonly maxBytes: number };
  /** What all streams of the installation may hold. */
  readonly storeBytes: number;
  readonly registry: Registry;
  readonly onHalt: OnHalt;
  readonly clock: () => Millis;
  readonly log: Logger;
}
export interface Pump {
  /** Throws JournalUnavailable, PoisonedLane. */
  replay(app: AppId, ask: ReplayAsk): Promise<ReplayAnswer>;
  /** Gives up what is under way, writes down how far it came, and settles within a few seconds. */
  stop(): Promise<void>;
}

/** Lanes whose integrations are known, in all partitions: some 200 bytes each. */
const COMPANIES = 200_000;
const LANES_WEIGHT = 20_000;
/** Conversations of integrations whose last event is known: some 250 bytes each. */
const TAILS = 200_000;
/** The clock of whoever adds an integration, and the server's, may differ by so much. */
const CLOCKS_MS = 5_000;
/** What was delivered since is looked at again after a kill, and found. */
const WRITE_EVERY_MS = 1_000;
/** The position of one that got nothing is written in every so many of them: nothing is looked for again but what it is not told of. */
const IDLE_TICKS = 10;
const LEAVE_MS = 2_000;
const ADMIT_AT_ONCE = 8;

/** Settles when every integration that is known is being delivered to, however long NATS takes; `signal` ends the waiting. */
export async function openPump(parts: PumpParts, signal: AbortSignal = NEVER): Promise<Pump> {
  const { link, log } = parts;
  const questions = new Questions(link);
  const replicas = link.isClustered ? 3 : 1;
  const trying = { signal, log };
  for (const stream of bridgeStreamsOf({ replicas, maxBytes: parts.storeBytes }))
    await persist('streams', () => ensureStream(questions, stream), trying);
  const pump = new EventPump(parts, questions, replicas);
  await pump.start(signal);
  return pump;
}

const NEVER = new AbortController().signal;

class EventPump implements Pump {
  readonly #parts: PumpParts;
  readonly #feedParts: FeedParts;
  readonly #reaches: Reaches;
  readonly #replays: Replays;
  readonly #metrics;
  readonly #stopping = new AbortController();
  readonly #feeds = new Map<AppId, AppFeed>();
  readonly #admitting = new Map<AppId, Promise<void>>();
  #partitions: readonly PumpPartition[] = [];
  #catchUps: CatchUps | undefined;
  #dead: DeadLetters | undefined;
  #retention: Retention | undefined;
  #running: Promise<unknown> = Promise.resolve();

  constructor(parts: PumpParts, questions: Questions, replicas: number) {
    const { journal, link, log, appStreams, registry } = parts;
    this.#parts = parts;
    const tails = new Tails(TAILS);
    this.#feedParts = { link, questions, journal, tails, maxBytes: appStreams.maxBytes, replicas, log };
    this.#reaches = new Reaches(link, questions, journal.partitions);
    this.#metrics = eventMetrics(registry);
    const feedOf = (app: AppId) => this.#feeds.get(app);
    const onShort = (app: AppId) => this.#retention?.makeRoom(app);
    this.#replays = new Replays({ ...parts, feedOf, onShort, onReplayed: this.#metrics.replayed });
  }

  async start(signal: AbortSignal): Promise<void> {
    const { integrations, journal, log, clock, appStreams } = this.#parts;
    const live = integrations.list().filter(({ revokedAt }) => revokedAt === undefined);
    for (let i = 0; i < live.length; i += ADMIT_AT_ONCE)
      await Promise.all(live.slice(i, i + ADMIT_AT_ONCE).map((integration) => this.#open(integration, signal)));
    const indexes = Array.from({ length: journal.partitions }, (_, p) => p);
    // Lanes that are looked at once are not kept: who is in them is.
    const lanes = new Lanes(journal, { maxWeight: LANES_WEIGHT, log });
    const companies = new Companies({ journal, lanes, log }, COMPANIES);
    const partitionParts = {
      ...{ journal, companies, log },
      onLeft: (feed: AppFeed, partition: number, outcome: Delivered, rest: Promise<unknown>) =>
        this.#left(feed, { partition, outcome, rest }),
      onDelivered: (events: number, storedAt: Millis) => this.#metrics.delivered(events, clock() - storedAt),
    };
    this.#partitions = indexes.map((p) => new PumpPartition(partitionParts, p));
    const onFull = ({ app }: AppFeed) => this.#retention?.makeRoom(app);
    const catchUps = new CatchUps(
      { journal, lanes, clock, log, partitions: this.#partitions, onFull },
      this.#stopping.signal,
    );
    this.#catchUps = catchUps;
    for (const feed of this.#feeds.values()) catchUps.bring(feed);
    const listening = integrations.listen((integration) => this.#changed(integration));
    const returns = this.#parts.link.onChange((up) => {
      if (up) for (const feed of this.#feeds.values()) feed.forgetTails();
    });
    for (const one of [listening, returns]) this.#stopping.signal.addEventListener('abort', () => one.stop());
    for (const integration of integrations.list()) this.#changed(integration);
    const { questions } = this.#feedParts;
    this.#dead = new DeadLetters({ ...this.#parts, questions, onDead: this.#metrics.dead });
    this.#retention = new Retention({
      ...{ questions, integrations, clock, log, retentionMs: appStreams.retentionMs },
      feedOf: (app) => this.#feeds.get(app),
      onRoom: (app) => catchUps.poke(app),
      onReset: this.#metrics.reset,
      onUnread: (app, unread) => this.#measure(app, unread),
    });
    this.#running = Promise.all([...this.#partitions.map((partition) => this.#run(partition)), this.#writeOn()]);
  }

  replay(app: AppId, ask: ReplayAsk): Promise<ReplayAnswer> {
    return this.#replays.start(app, ask);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#running, this.#catchUps?.stop(), this.#replays.stop(), ...this.#admitting.values()]);
    await Promise.all([this.#dead?.stop(), this.#retention?.stop()]);
    const leaving = { signal: AbortSignal.timeout(LEAVE_MS), log: this.#parts.log };
    const writes = [...this.#feeds.values()].filter(({ isMoved }) => isMoved);
    await Promise.all(
      writes.map((feed) => persist('positions', () => this.#reaches.write(feed), leaving).catch(() => undefined)),
    );
  }

  async #run(partition: PumpPartition): Promise<void> {
    const { signal } = this.#stopping;
    const { log } = this.#parts;
    while (!signal.aborted)
      try {
        partition.goOnAt(await this.#placeToGoOn(partition));
        for (const feed of this.#feeds.values()) if (!partition.has(feed.app)) this.#catchUps?.bring(feed);
        await partition.run(signal);
      } catch (error) {
        if (error instanceof Abandoned) return;
        partition.isStanding = true;
        const index = partition.partition;
        if (error instanceof OtherStream)
          log.warn({ partition: index, reason: error.message }, 'a partition is another one');
        else log.error({ err: error, partition: index }, 'a partition stopped; it is begun again');
        await pause(WRITE_EVERY_MS, signal);
      }
  }

  #placeToGoOn(partition: PumpPartition): Promise<Place> {
    const { journal, log, onHalt } = this.#parts;
    return placeToGoOn(
      {
        ...{ journal, log },
        feeds: () => [...this.#feeds.values()],
        readReach: ({ app }) => this.#reaches.read(app),
        onAdopted: (feed, partitions) => {
          feed.forgetTails();
          for (const p of partitions) this.#partitions[p]?.leave(feed.app);
        },
        onHalt,
      },
      partition.partition,
      this.#stopping.signal,
    );
  }

  #left(feed: AppFeed, left: Left): void {
    if (this.#feeds.get(feed.app) !== feed) return;
    const { outcome } = left;
    const reason = outcome.kind === 'refused' ? outcome.message : outcome.kind;
    this.#parts.log.debug({ app: feed.app, partition: left.partition, reason }, 'an integration falls out of step');
    this.#catchUps?.bring(feed, left);
  }

  #changed(integration: Integration): void {
    const { app, scope, revokedAt } = integration;
    const feed = this.#feeds.get(app);
    if (feed && (revokedAt !== undefined || feed.seesAll !== (scope === 'all'))) this.#drop(feed);
    if (revokedAt !== undefined || this.#feeds.has(app) || this.#admitting.has(app)) return;
    const admitting = this.#open(integration, this.#stopping.signal)
      .then((opened) => this.#catchUps?.bring(opened))
      .catch((error: unknown) => {
        if (!(error instanceof Abandoned)) this.#parts.log.error({ err: error, app }, 'an integration gets no events');
      })
      .finally(() => {
        this.#admitting.delete(app);
        // What changed meanwhile is looked at again.
        const now = this.#parts.integrations.get(app);
        if (now && now !== integration && !this.#stopping.signal.aborted) this.#changed(now);
      });
    this.#admitting.set(app, admitting);
  }

  #drop(feed: AppFeed): void {
    this.#feeds.delete(feed.app);
    this.#reaches.forget(feed.app);
    this.#catchUps?.drop(feed.app);
    for (const partition of this.#partitions) partition.leave(feed.app);
    this.#metrics.gone(feed.app);
  }

  /** Rejects with Abandoned alone, and what is no outage. */
  async #open({ app, scope, createdAt }: Integration, signal: AbortSignal): Promise<AppFeed> {
    const trying = { signal, log: this.#parts.log };
    const begun = await persist('positions', () => this.#reaches.read(app), trying);
    const reach = begun ?? (await persist('beginning', () => this.#begin(createdAt, signal), trying));
    const feed = new AppFeed(this.#feedParts, app, scope === 'all', reach);
    await feed.ensure().catch((error: unknown) => {
      if (error instanceof ApiRefusal)
        this.#parts.log.warn({ err: error, app }, 'an integration’s stream cannot be made');
    });
    if (!begun) feed.isMoved = true;
    this.#feeds.set(app, feed);
    return feed;
  }

  /** What was accepted from its creation on. */
  async #begin(createdAt: Millis, signal: AbortSignal): Promise<Reach> {
    const { journal } = this.#parts;
    const positions: number[] = [];
    for (let p = 0; p < journal.partitions; p++) {
      const end = await journal.partitionEnd(p);
      positions.push((await firstSince(journal, p, end, createdAt - CLOCKS_MS, signal)) - 1);
    }
    return reachFrom(positions);
  }

  #measure(app: AppId, unread: number): void {
    const feed = this.#feeds.get(app);
    if (!feed) return;
    behindOf(this.#parts.journal, feed.reach.positions).then(
      (records) => this.#feeds.has(app) && this.#metrics.behind(app, records, unread),
      // The journal is down: how far behind this is cannot be told.
      () => undefined,
    );
  }

  async #writeOn(): Promise<void> {
    const { signal } = this.#stopping;
    const { log } = this.#parts;
    for (let tick = 1; !signal.aborted; tick++) {
      await pause(WRITE_EVERY_MS, signal);
      const isTime = tick % IDLE_TICKS === 0;
      const moved = [...this.#feeds.values()].filter((feed) => feed.isMoved && (isTime || feed.hasNews()));
      for (const feed of moved)
        await this.#reaches
          .write(feed)
          .catch((error: unknown) => log.debug({ err: error }, 'a position is not written now'));
    }
  }
}
