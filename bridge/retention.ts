/**
 * What goes from an integration's stream: what is older than its retention, and the oldest when room gets short. Nothing goes by
 * itself. Where something of a conversation goes that a durable consumer has not acknowledged, all that lies of it goes, and a
 * Reset takes its place: a reader that reads on is told where it goes on, and never passes over a hole.
 *
 * Each step may be the last before a kill, and be done again: the Reset is stored first, and what it replaces goes afterwards.
 */
import { type AppId, isName, type LaneId, type Millis } from '../schema/ids.ts';
import { appEvent, appEventAgain, appReplays, branchOfSubject } from '../schema/subjects.ts';
import { ApiRefusal, type Questions } from '../services/journal/ask.ts';
import type { Integrations } from '../services/journal/integrations.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import { headerOf, numberOf } from '../services/journal/message.ts';
import type { Logger } from '../services/logger.ts';
import { pause } from '../services/persist.ts';
import type { AppFeed } from './app-feed.ts';
import { readStream, type StreamInfo } from './app-streams.ts';
import { type ConsumerInfo, listConsumers, unreadOf } from './lag.ts';
import { isUnread } from './unread.ts';
import { webhookReaders } from './webhook-readers.ts';

export interface RetentionParts {
  readonly questions: Questions;
  readonly integrations: Integrations;
  readonly feedOf: (app: AppId) => AppFeed | undefined;
  readonly retentionMs: number;
  readonly clock: () => Millis;
  readonly log: Logger;
  /** There is room again. */
  readonly onRoom: (app: AppId) => void;
  readonly onReset: (app: AppId) => void;
  readonly onUnread: (app: AppId, unread: number) => void;
}

/** Above the first share room is made, down to the second. */
const SHORT_SHARE = 0.85;
const ENOUGH_SHARE = 0.7;
const EVERY_MS = 10_000;
const CHUNK = 500;
const CHUNK_BYTES = 1024 * 1024;
/** Nobody replays for so long. */
const REPLAY_MS = 24 * 60 * 60 * 1000;

interface Lying {
  readonly bytes: number;
  readonly at: number;
  readonly subject: string;
  readonly storedAt: Millis;
}

/** Those that are old, and at least as many as hold `bytes`. */
function oldestOf(chunk: readonly Lying[], olderThan: Millis, bytes: number): readonly Lying[] {
  let freed = 0;
  const end = chunk.findIndex((message) => {
    const stays = message.storedAt >= olderThan && freed >= bytes;
    freed += message.bytes;
    return stays;
  });
  return end < 0 ? chunk : chunk.slice(0, end);
}

export class Retention {
  readonly #parts: RetentionParts;
  readonly #stopping = new AbortController();
  readonly #short = new Set<AppId>();
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
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      const isTime = performance.now() >= nextAt;
      const apps = isTime ? this.#parts.integrations.list().map(({ app }) => app) : [...this.#short];
      if (isTime) nextAt = performance.now() + EVERY_MS;
      this.#short.clear();
      for (const app of apps) if (!signal.aborted) await this.#tend(app);
      if (this.#short.size === 0) await pause(EVERY_MS, AbortSignal.any([signal, woken.signal]));
    }
  }

  /** Never rejects. */
  async #tend(app: AppId): Promise<void> {
    const { questions, integrations, feedOf, onUnread, onRoom, log } = this.#parts;
    try {
      const name = `APP_${app}`;
      const info = await readStream(questions, name);
      if (!info) return;
      const webhook = integrations.get(app)?.webhook ? await webhookReaders(questions, app) : [];
      const consumers = [...(await listConsumers(questions, app)), ...webhook];
      const feed = feedOf(app);
      if (feed) onUnread(app, unreadOf(consumers, info.state.messages));
      await this.#dropReplays(app, name, info);
      if (await this.#trim(app, name, info, consumers)) {
        await feed?.ensure();
        onRoom(app);
      }
      if (!feed && info.state.messages === 0) await this.#dropStream(app, name);
    } catch (error) {
      if (!(error instanceof JournalUnavailable || error instanceof ApiRefusal)) throw error;
      log.debug({ err: error, app }, 'a stream cannot be tended now');
    }
  }

  /** True: something went. */
  async #trim(
    app: AppId,
    name: string,
    { state, config }: StreamInfo,
    consumers: readonly ConsumerInfo[],
  ): Promise<boolean> {
    const { retentionMs, clock } = this.#parts;
    const olderThan = clock() - retentionMs;
    let bytes = state.bytes;
    const isShort = bytes > SHORT_SHARE * config.max_bytes;
    let went = false;
    for (let from = state.first_seq; !this.#stopping.signal.aborted; ) {
      const wantsRoom = isShort && bytes > ENOUGH_SHARE * config.max_bytes;
      if (state.messages === 0 || (!wantsRoom && Date.parse(state.first_ts) >= olderThan && !went)) break;
      const chunk = await this.#read(name, from);
      const wanted = wantsRoom ? bytes - ENOUGH_SHARE * config.max_bytes : 0;
      const going = oldestOf(chunk, olderThan, wanted);
      const last = going.at(-1);
      if (!last) break;
      await this.#tell(app, going, consumers);
      await this.#purge(name, { seq: last.at + 1 });
      went = true;
      from = last.at + 1;
      if (going.length < chunk.length) break;
      bytes = (await readStream(this.#parts.questions, name))?.state.bytes ?? 0;
    }
    return went;
  }

  /** Puts a Reset in the place of every conversation of which something goes unread. */
  async #tell(app: AppId, going: readonly Lying[], consumers: readonly ConsumerInfo[]): Promise<void> {
    const feed = this.#parts.feedOf(app);
    if (!feed) return;
    const last = (going.at(-1) as Lying).at;
    const lost = new Set<LaneId>();
    for (const message of going) {
      const { branch, rest } = branchOfSubject(message.subject);
      if (branch === 'event' && isName(rest[0]) && isUnread(message, consumers)) lost.add(rest[0] as LaneId);
    }
    for (const lane of lost) {
      const at = await feed.reset(lane, (reset) => reset <= last);
      this.#parts.onReset(app);
      if (at > 0) await this.#purge(feed.name, { filter: appEvent(app, lane), seq: at });
      await this.#purge(feed.name, { filter: appEventAgain(app, lane), seq: last + 1 });
    }
    if (lost.size > 0)
      this.#parts.log.warn(
        { app, conversations: lost.size },
        'an integration is too far behind: what it had not read is gone',
      );
  }

  /** Whole ones: half of a replay is none. */
  async #dropReplays(app: AppId, name: string, { state }: StreamInfo): Promise<void> {
    const olderThan = this.#parts.clock() - Math.min(REPLAY_MS, this.#parts.retentionMs);
    if (state.messages === 0 || Date.parse(state.first_ts) >= olderThan) return;
    const info = await readStream(this.#parts.questions, name, { subjects_filter: appReplays(app) });
    for (const subject of Object.keys(info?.state.subjects ?? {})) {
      const [first] = await this.#read(name, 1, { next_by_subj: subject, batch: 1 });
      if (first && first.storedAt < olderThan) await this.#purge(name, { filter: subject });
    }
  }

  async #read(name: string, seq: number, more: object = {}): Promise<Lying[]> {
    const request = { seq, batch: CHUNK, max_bytes: CHUNK_BYTES, ...more };
    const { messages } = await this.#parts.questions.batch(name, request);
    return messages.map(({ head, data }) => ({
      bytes: head.length + data.length,
      at: numberOf(head, 'Nats-Sequence'),
      subject: headerOf(head, 'Nats-Subject'),
      storedAt: Date.parse(headerOf(head, 'Nats-Time-Stamp')),
    }));
  }

  #purge(name: string, request: { readonly seq?: number; readonly filter?: string }): Promise<unknown> {
    return this.#parts.questions.api(`STREAM.PURGE.${name}`, request);
  }

  /** Of one that was revoked, and whose retention has passed. */
  async #dropStream(app: AppId, name: string): Promise<void> {
    const { questions, integrations, log } = this.#parts;
    if (integrations.get(app)?.revokedAt === undefined) return;
    await questions.api(`STREAM.DELETE.${name}`);
    log.info({ app }, 'the empty stream of a revoked integration is gone');
  }
}
