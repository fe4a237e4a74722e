/**
 * What goes from the streams of integrations: what is older than their retention, and the oldest when room gets short. Nothing
 * goes by itself. Where something of a conversation goes that a durable consumer has not acknowledged, all that lies of it goes,
 * and a Reset takes its place: a reader that reads on is told where it goes on, and never passes over a hole.
 */
import type { AppId } from '../schema/ids.ts';
import { appStream } from '../schema/subjects.ts';
import { ApiRefusal } from '../services/journal/ask.ts';
import type { Integrations } from '../services/journal/integrations.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import type { Logger } from '../services/logger.ts';
import { pause } from '../services/persist.ts';
import type { AppFeed } from './app-feed.ts';
import { readStream } from './app-streams.ts';
import { listConsumers, unreadOf } from './lag.ts';
import { dropDead, dropReplays, isShortOfRoom, type TrimParts, trimEvents } from './trims.ts';
import { webhookReaders } from './webhook-readers.ts';

export interface RetentionParts extends TrimParts {
  readonly integrations: Integrations;
  readonly feedOf: (app: AppId) => AppFeed | undefined;
  readonly log: Logger;
  /** There may be room again. */
  readonly onRoom: (app: AppId) => void;
  readonly onUnread: (app: AppId, unread: number) => void;
}

const EVERY_MS = 10_000;
/** Who is asked for room without end makes no more work than this. */
const AGAIN_MS = 200;
/** So long what was read this moment may take to be known: acknowledgements are under way, and a webhook stores its place now and then. */
const READ_LATE_MS = 750;

export class Retention {
  readonly #parts: RetentionParts;
  readonly #stopping = new AbortController();
  readonly #short = new Set<AppId>();
  /** Since when, though all that was read is gone. */
  readonly #shortSince = new Map<AppId, number>();
  #wake: (() => void) | undefined;
  readonly #loop: Promise<void>;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
    this.#loop = this.#run();
  }

  /** Room is short for it: it is looked at next. */
  makeRoom(app: AppId): void {
    this.#short.add(app);
    this.#wake?.();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    let nextAt = 0;
    while (!signal.aborted) {
      const isTime = performance.now() >= nextAt;
      const apps = isTime ? this.#parts.integrations.list().map(({ app }) => app) : [...this.#short];
      if (isTime) nextAt = performance.now() + EVERY_MS;
      for (const app of apps) {
        this.#short.delete(app);
        if (!signal.aborted) await this.#tend(app);
      }
      await pause(AGAIN_MS, signal);
      if (this.#short.size > 0) continue;
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      await pause(Math.max(0, nextAt - performance.now()), AbortSignal.any([signal, woken.signal]));
    }
  }

  /** Never rejects. */
  async #tend(app: AppId): Promise<void> {
    const { questions, integrations, feedOf, onUnread, onRoom, log } = this.#parts;
    const { signal } = this.#stopping;
    try {
      const name = appStream(app);
      const [info, feed] = [await readStream(questions, name), feedOf(app)];
      if (!info) return void this.#shortSince.delete(app);
      // A webhook reads, too: what it has not sent is unread, whatever consumers have acknowledged.
      const webhook = integrations.get(app)?.webhook ? await webhookReaders(questions, app) : [];
      const consumers = [...(await listConsumers(questions, app)), ...webhook];
      if (feed) onUnread(app, unreadOf(consumers, info.state.messages));
      const unreadToo = performance.now() - (this.#shortSince.get(app) ?? Number.POSITIVE_INFINITY) >= READ_LATE_MS;
      const trimmed = { app, name, consumers, feed, unreadToo, signal };
      await dropReplays(this.#parts, { ...trimmed, info });
      await dropDead(this.#parts, { ...trimmed, info });
      const told = await trimEvents(this.#parts, { ...trimmed, info: (await readStream(questions, name)) ?? info });
      if (told > 0)
        log.warn({ app, conversations: told }, 'an integration is too far behind: what it had not read is gone');
      const left = isShortOfRoom(info) ? await readStream(questions, name) : undefined;
      if (!left || !isShortOfRoom(left)) this.#shortSince.delete(app);
      else {
        if (!this.#shortSince.has(app)) this.#shortSince.set(app, performance.now());
        this.#short.add(app);
      }
      if (feed) await feed.ensure();
      onRoom(app);
      if (!feed && info.state.messages === 0) await this.#dropStream(app, name);
    } catch (error) {
      if (!(error instanceof JournalUnavailable || error instanceof ApiRefusal)) throw error;
      log.debug({ err: error, app }, 'a stream cannot be tended now');
    }
  }

  /** Of one that was revoked, and whose retention has passed. */
  async #dropStream(app: AppId, name: string): Promise<void> {
    const { questions, integrations, log } = this.#parts;
    if (integrations.get(app)?.revokedAt === undefined) return;
    await questions.api(`STREAM.DELETE.${name}`);
    log.info({ app }, 'the empty stream of a revoked integration is gone');
  }
}
