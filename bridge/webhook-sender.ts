/**
 * One integration's webhook. A reader goes along its stream and hands each event to its conversation; a conversation has one event
 * under way at a time, conversations go on beside each other. One whose event is not taken falls behind: of it only the place is
 * kept, and it is read again from there when its time comes, while the reader goes on. So nothing waits for it, and what is held
 * in memory is bounded: a page of events, and a place for each conversation that is behind.
 */
import type { AppId, Millis } from '../schema/ids.ts';
import type { Webhook } from '../services/journal/integrations.ts';
import { JournalUnavailable, type Stoppable } from '../services/journal/journal.ts';
import type { Logger } from '../services/logger.ts';
import { pause } from '../services/persist.ts';
import { backOffMs, type Failure, type Patience, Receiver, spread } from './receiver.ts';
import { type LaneWork, WebhookLanes } from './webhook-lanes.ts';
import type { WebhookMetrics } from './webhook-metrics.ts';
import type { WebhookPoster } from './webhook-post.ts';
import { WebhookProgress } from './webhook-progress.ts';
import type { SourceEvent, WebhookSource } from './webhook-source.ts';
import { Overtaken, type Read, type WebhookState } from './webhook-state.ts';

export interface SenderParts {
  readonly app: AppId;
  /** As it is now; another URL or secret counts from the next event on. */
  readonly webhook: () => Webhook | undefined;
  readonly source: WebhookSource;
  readonly state: WebhookState;
  readonly poster: WebhookPoster;
  /** Writes a dead letter. Throws JournalUnavailable. */
  readonly bury: (event: SourceEvent, reason: string, deliveries: number) => Promise<void>;
  /** The receiver wants no more. */
  readonly onGone: () => void;
  /** Conversations behind, of all integrations together. */
  readonly budget: { behind: number };
  /** Nothing is sent and nothing stored once it says no. */
  readonly mayGo: () => boolean;
  readonly patience: Patience;
  readonly clock: () => Millis;
  readonly metrics: WebhookMetrics;
  readonly log: Logger;
}

/** Conversations that are sent at once. */
const AT_ONCE = 16;
/** Events read ahead, and the pages that they come in. */
const WINDOW = 64;
const PAGE = { events: 32, bytes: 128 * 1024 };
const LINE_PAGE = { events: 16, bytes: 64 * 1024 };
/** So many events of one conversation before another has its turn. */
const TURN_EVENTS = 16;
/** Of one integration, and of all. At the limit the reader waits: the newest conversations wait with those that are behind. */
const BEHIND_MAX = 1_000;
const BEHIND_TOTAL = 20_000;
/** After a crash the events of this last time are sent again. */
const STORE_EVERY_MS = 250;
const AGAIN_MS = 1_000;
/** The doorbell may be missed; a replica may not have yet what it rang for. */
const POLL_MS = 5_000;
const ECHO_MS = 200;
/** How often it is looked whether the stream is still the same one. */
const LOOK_MS = 30_000;
const WAKE_MOST_MS = 60_000;

export class WebhookSender {
  readonly #parts: SenderParts;
  readonly #receiver: Receiver;
  readonly #progress: WebhookProgress;
  readonly #lanes: WebhookLanes;
  readonly #log: Logger;
  /** The reader's place, and whether there may be something. */
  #next = 1;
  /** The last event that was read, and whether the stream may have lost it. */
  #last: Read | undefined;
  #mayBeCut = false;
  #mayHaveMore = true;
  #isReading = false;
  #isStoring = false;
  #isOpen = false;
  #sending = 0;
  readonly #stopping = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  readonly #timers: NodeJS.Timeout[];
  #storeTimer: NodeJS.Timeout | undefined;
  #wakeTimer: NodeJS.Timeout | undefined;
  readonly #bells: readonly Stoppable[];

  constructor(parts: SenderParts) {
    this.#parts = parts;
    this.#receiver = new Receiver(parts.patience);
    this.#progress = new WebhookProgress(parts.app, parts.source, parts.state);
    this.#lanes = new WebhookLanes((change) => {
      parts.budget.behind += change;
    });
    this.#log = parts.log.child({ app: parts.app });
    const onReturn = (): void => {
      this.#mayBeCut = true;
      this.#ring();
    };
    this.#bells = [parts.source.listen(() => this.#ring()), parts.source.onReconnect(onReturn)];
    this.#timers = [setInterval(() => this.#ring(), POLL_MS), setInterval(() => this.#track(this.#look()), LOOK_MS)];
    this.#track(this.#open());
  }

  get behind(): number {
    return this.#lanes.behind;
  }
  get isDown(): boolean {
    return this.#receiver.downSince !== undefined;
  }

  /** The receiver may be another one: what waits for it is tried at once. */
  changed(): void {
    this.#receiver.took();
    for (const work of this.#lanes.all()) work.dueAt = 0;
    this.#turn();
  }

  /** Settles when nothing is under way and what is known is stored. Never rejects. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#wakeTimer);
    clearTimeout(this.#storeTimer);
    for (const bell of this.#bells) bell.stop();
    await this.#parts.poster.stop();
    await Promise.all(this.#underWay);
    if (this.#isOpen && this.#parts.mayGo()) await this.#store().catch(() => undefined);
    this.#lanes.clear();
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.#log.error({ err: error }, 'a webhook'))
      .finally(() => this.#underWay.delete(tracked));
    this.#underWay.add(tracked);
  }

  // ── where it stands

  /** From the store, again and again until it can be read. */
  async #open(): Promise<void> {
    const { webhook, clock, patience } = this.#parts;
    while (!this.#isStopped) {
      try {
        this.#mayBeCut = false;
        const { next, last, downSince, behind } = await this.#progress.load(webhook()?.since ?? 0);
        this.#next = next;
        this.#last = last;
        this.#receiver.restore(downSince);
        this.#lanes.restore(behind, next, () => clock() + spread(patience.firstMs));
        this.#isOpen = true;
        this.#mayHaveMore = true;
        return this.#turn();
      } catch (error) {
        if (!(error instanceof JournalUnavailable || error instanceof Overtaken)) throw error;
        this.#log.debug({ err: error }, 'the place of a webhook cannot be read now');
        await pause(AGAIN_MS, this.#stopping.signal);
      }
    }
  }

  /** Somebody else wrote, or the stream is another: everything is forgotten, and read again. */
  #reopen(why: string): void {
    if (!this.#isOpen || this.#isStopped) return;
    this.#log.warn({ reason: why }, 'the place of a webhook is read again');
    this.#isOpen = false;
    this.#track(Promise.all([...this.#underWay]).then(() => this.#open()));
  }

  async #look(): Promise<void> {
    if (!this.#isOpen) return;
    try {
      if (!(await this.#isSame())) this.#reopen('another stream, or one that lost its end');
    } catch (error) {
      if (!(error instanceof JournalUnavailable)) throw error;
    }
  }

  /** Throws JournalUnavailable. */
  #isSame(): Promise<boolean> {
    return this.#progress.isSameStream(this.#next, this.#last);
  }

  #toStore(): void {
    this.#storeTimer ??= setTimeout(() => {
      this.#storeTimer = undefined;
      if (!this.#isStopped && this.#isOpen) this.#track(this.#storeNow());
    }, STORE_EVERY_MS);
  }

  async #storeNow(): Promise<void> {
    if (this.#isStoring || !this.#parts.mayGo()) return;
    this.#isStoring = true;
    try {
      await this.#store();
    } catch (error) {
      if (error instanceof Overtaken) this.#reopen('another bridge has written it');
      else if (error instanceof JournalUnavailable) setTimeout(() => this.#toStore(), AGAIN_MS).unref();
      else throw error;
    } finally {
      this.#isStoring = false;
    }
  }

  #store(): Promise<void> {
    return this.#progress.store(() => ({
      next: this.#lanes.frontier(this.#next, (line) => this.#progress.has(line)),
      last: this.#last,
      downSince: this.#receiver.downSince,
      behind: this.#lanes.stored(),
    }));
  }

  // ── reading

  #ring(): void {
    this.#mayHaveMore = true;
    this.#turn();
  }

  #mayRead(): boolean {
    const { budget, clock, patience } = this.#parts;
    if (!this.#mayHaveMore || this.#isReading || this.#lanes.held >= WINDOW) return false;
    if (this.#lanes.behind >= BEHIND_MAX || budget.behind >= BEHIND_TOTAL) return false;
    const { downSince, deadSince } = this.#receiver;
    // Of a receiver that has been down for so long, everything that is as old is a dead letter.
    if (downSince === undefined || (deadSince !== undefined && deadSince <= clock() - patience.giveUpMs)) return true;
    // It may refuse those conversations alone that ask it: there has to be another one to ask it with.
    return this.#lanes.held === 0;
  }

  async #read(): Promise<void> {
    this.#isReading = true;
    this.#mayHaveMore = false;
    try {
      if (this.#mayBeCut) {
        this.#mayBeCut = false;
        if (!(await this.#isSame())) return this.#reopen('another stream, or one that lost its end');
      }
      const { events, isLast } = await this.#parts.source.read(this.#next, PAGE);
      for (const event of events) {
        this.#next = event.at + 1;
        this.#last = { at: event.at, id: event.id, storedAt: event.storedAt };
        this.#lanes.add(event);
      }
      if (!isLast) this.#mayHaveMore = true;
      else if (events.length > 0) setTimeout(() => this.#ring(), ECHO_MS).unref();
      if (events.length > 0) this.#toStore();
    } catch (error) {
      if (!(error instanceof JournalUnavailable)) throw error;
      this.#mayBeCut = true;
      setTimeout(() => this.#ring(), AGAIN_MS).unref();
    } finally {
      this.#isReading = false;
      this.#turn();
    }
  }

  /** Of a conversation that is behind, what comes next; undefined: nothing that the reader has passed. */
  async #readOn(work: LaneWork): Promise<SourceEvent | undefined> {
    if (work.next > work.upTo) return undefined;
    const { events } = await this.#parts.source.readLine(work.line, work.next, LINE_PAGE);
    // What the reader has not passed yet, it will bring.
    work.queue = events.filter(({ at }) => at <= work.upTo);
    if (work.queue.length === 0) work.next = work.upTo + 1;
    return work.queue[0];
  }

  // ── sending

  /** Starts whatever may start now. */
  #turn(): void {
    if (!this.#isOpen || this.#isStopped || !this.#parts.mayGo()) return;
    if (this.#mayRead()) this.#track(this.#read());
    const now = this.#parts.clock();
    let wakeAt = Number.POSITIVE_INFINITY;
    for (const work of this.#inTurn()) {
      if (this.#sending >= AT_ONCE) break;
      if (work.isSending) continue;
      if (work.dueAt > now) {
        wakeAt = Math.min(wakeAt, work.dueAt);
        continue;
      }
      work.isSending = true;
      this.#sending++;
      this.#track(this.#serve(work));
    }
    clearTimeout(this.#wakeTimer);
    if (wakeAt < Number.POSITIVE_INFINITY)
      this.#wakeTimer = setTimeout(() => this.#turn(), Math.min(Math.max(wakeAt - now, 1), WAKE_MOST_MS));
  }

  /** A receiver that is down is asked with what it has not refused yet, before what it has. */
  #inTurn(): readonly LaneWork[] {
    const all = this.#lanes.all();
    return this.isDown ? [...all.filter(({ isBehind }) => !isBehind), ...all.filter(({ isBehind }) => isBehind)] : all;
  }

  async #serve(work: LaneWork): Promise<void> {
    try {
      for (let served = 0; served < TURN_EVENTS && !this.#isStopped && this.#isOpen && this.#parts.mayGo(); served++) {
        const event = work.queue[0] ?? (await this.#readOn(work));
        if (event === undefined || !(await this.#settle(work, event))) return;
      }
    } catch (error) {
      if (!(error instanceof JournalUnavailable)) throw error;
      work.dueAt = this.#parts.clock() + spread(AGAIN_MS);
    } finally {
      work.isSending = false;
      this.#sending--;
      this.#lanes.putBack(work);
      this.#toStore();
      // What is due at once has its turn after everybody else's.
      setImmediate(() => this.#turn());
    }
  }

  /** True: the event is done with, and the next one may go. */
  async #settle(work: LaneWork, event: SourceEvent): Promise<boolean> {
    const { metrics, bury } = this.#parts;
    const hopeless = this.#hopeless(work, event);
    if (hopeless === undefined) return this.#offer(work, event);
    await bury(event, hopeless, work.attempts);
    metrics.attempt('dead');
    this.#lanes.pass(work);
    return true;
  }

  async #offer(work: LaneWork, event: SourceEvent): Promise<boolean> {
    const { clock, poster, webhook, metrics, onGone } = this.#parts;
    const to = webhook();
    if (to === undefined) return false;
    const admission = this.#receiver.admit(clock());
    if (typeof admission === 'object') {
      work.dueAt = Math.max(work.dueAt, admission.until);
      return false;
    }
    const attempt = await poster.post(to, event);
    metrics.attempt(attempt.kind);
    switch (attempt.kind) {
      case 'taken':
        this.#receiver.took();
        [work.failingSince, work.dueAt] = [undefined, 0];
        this.#lanes.pass(work);
        return true;
      case 'gone':
        this.#receiver.leave(admission);
        work.dueAt = Number.POSITIVE_INFINITY;
        onGone();
        return false;
      case 'stopped':
        this.#receiver.leave(admission);
        return false;
      case 'failed':
        this.#receiver.failed(work.line, admission, attempt, clock());
        this.#failed(work, attempt);
        return false;
      default:
        return attempt satisfies never;
    }
  }

  #failed(work: LaneWork, { why, retryAfterMs = 0 }: Failure): void {
    const { clock, patience, metrics } = this.#parts;
    const now = clock();
    work.attempts++;
    work.why = why;
    work.failingSince ??= now;
    work.dueAt = now + Math.max(backOffMs(work.attempts, patience), Math.min(retryAfterMs, patience.pauseMs));
    if (work.isBehind) return;
    this.#lanes.fallBehind(work);
    metrics.fellBehind();
    this.#log.debug({ line: work.line, reason: why }, 'a conversation waits for its webhook');
  }

  /** Why the event is not tried any more; undefined: it is. */
  #hopeless({ attempts, failingSince, why }: LaneWork, { storedAt }: SourceEvent): string | undefined {
    const before = this.#parts.clock() - this.#parts.patience.giveUpMs;
    if (storedAt > before) return undefined;
    if (attempts > 0 && failingSince !== undefined && failingSince <= before) return why;
    const { deadSince, why: whyDown } = this.#receiver;
    if (deadSince === undefined || deadSince > before) return undefined;
    return `the receiver took nothing for so long: ${whyDown}`;
  }
}
