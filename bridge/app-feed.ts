/**
 * What one integration gets: its stream, how far each partition is in it, and how an event comes to stand there. An event is
 * appended only where it follows what the integration has of its conversation; where it cannot, a Reset stands in between.
 */
import { randomUUID } from 'node:crypto';
import { type AppId, type LaneId, type Millis, messageIdOf, type Revision, revisionOf } from '../schema/ids.ts';
import { appStreamOf } from '../schema/streams.ts';
import { appEvent, appStream, partitionOf } from '../schema/subjects.ts';
import { ApiRefusal, type Questions } from '../services/journal/ask.ts';
import { type Journal, JournalUnavailable } from '../services/journal/journal.ts';
import type { Link } from '../services/journal/link.ts';
import type { Place } from '../services/journal/place.ts';
import type { Logger } from '../services/logger.ts';
import { ensureStream, readLast } from './app-streams.ts';
import { AppWriter, type Item, type Tail, type WriteOptions } from './app-writer.ts';
import { externalReset, type ResetReason } from './external.ts';
import { move, type Reach, reachFrom } from './reach.ts';
import type { Tails } from './tails.ts';

export interface FeedParts {
  readonly link: Link;
  readonly questions: Questions;
  readonly journal: Pick<Journal, 'read' | 'partitions'>;
  readonly tails: Tails;
  readonly maxBytes: number;
  readonly replicas: number;
  readonly log: Logger;
}

export interface FeedEvent {
  readonly seq: number;
  readonly at: Millis;
  /** Of the record that holds it. */
  readonly revision: Revision;
  /** Nothing of the conversation before it is the integration's. */
  readonly begins: boolean;
  readonly payload: () => Uint8Array;
}
/** `refused`: the stream does not take it now; whatever was stored is found there. */
export type Delivered =
  | { readonly kind: 'done' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'refused'; readonly isFull?: boolean; readonly isSlow?: boolean; readonly message: string };

/** Above this share of its bytes a stream takes only what makes room in it. */
const FULL_SHARE = 0.95;
/** The account of what the stream holds is made anew after so much. */
const COUNTED_SHARE = 0.02;
const TRIES = 12;
/** A lane's times run no further ahead of the server's. */
const AHEAD_MS = 2_000;
const DOWN_WAIT_MS = 1_000;
const AGAIN_MS = 50;
const DONE: Delivered = { kind: 'done' };

export class AppFeed {
  readonly app: AppId;
  readonly seesAll: boolean;
  readonly writer: AppWriter;
  readonly name: string;
  reach: Reach;
  /** The reach has changed since it was written down. */
  isMoved = false;
  readonly #parts: FeedParts;
  /** Counts the streams that this process has met under the name. */
  #stream = 0;
  #bytes = 0;
  #news = false;
  #maxBytes: number;
  #ensuring: Promise<void> | undefined;

  constructor(parts: FeedParts, app: AppId, seesAll: boolean, reach: Reach) {
    this.#parts = parts;
    this.app = app;
    this.seesAll = seesAll;
    this.name = appStream(app);
    this.reach = reach;
    this.writer = new AppWriter(parts.link);
    this.#maxBytes = parts.maxBytes;
  }

  /** What the stream may hold, and holds: read when it was last looked at, and what was stored since. */
  get maxBytes(): number {
    return this.#maxBytes;
  }
  get bytes(): number {
    return this.#bytes + this.writer.bytes;
  }
  get isFull(): boolean {
    return this.bytes >= FULL_SHARE * this.#maxBytes;
  }

  /** Something was stored since the last call. */
  hasNews(): boolean {
    const had = this.#news;
    this.#news = false;
    return had;
  }

  moveTo(partition: number, place: Place): void {
    if (move(this.reach, partition, place)) this.isMoved = true;
  }

  /** What lies there is read again before anything is left out because it lies there: the server may have lost some of it. */
  forgetTails(): void {
    this.#stream++;
    this.writer.forget();
  }

  /** Makes the stream where it is missing, and notices where it is another than before. Throws JournalUnavailable, ApiRefusal. */
  ensure(): Promise<void> {
    this.#ensuring ??= this.#ensure().finally(() => {
      this.#ensuring = undefined;
    });
    return this.#ensuring;
  }

  async #ensure(): Promise<void> {
    const { questions, maxBytes, replicas, log } = this.#parts;
    const { created, state, config } = await ensureStream(questions, appStreamOf(this.app, maxBytes, replicas));
    this.#bytes = state.bytes;
    this.#maxBytes = config.max_bytes;
    this.writer.bytes = 0;
    const stream = `${created} ${this.seesAll ? 'all' : 'member'}`;
    if (stream === this.reach.stream) return;
    if (this.reach.stream !== '')
      log.warn(
        { app: this.app, stream },
        'the stream of an integration is another than before; it goes on in the new one',
      );
    this.forgetTails();
    const { positions, records, restores } = this.reach;
    this.reach = { ...reachFrom(positions), records, restores, stream };
    this.isMoved = true;
  }

  /** The events of one conversation, in order. What is there already is left out. Never rejects. */
  async deliver(lane: LaneId, events: readonly FeedEvent[], options: WriteOptions): Promise<Delivered> {
    const subject = appEvent(this.app, lane);
    let message = '';
    for (let tries = 0; tries < TRIES; tries++) {
      if (options.signal.aborted) return { kind: 'stopped' };
      if (tries > 1) await this.#pause(tries * AGAIN_MS);
      try {
        if (this.writer.bytes > COUNTED_SHARE * this.#maxBytes) await this.ensure();
        const tail = await this.#follow(lane, subject, events, options);
        const rest = events.filter(({ seq }) => seq > tail.seq);
        if (rest.length === 0) return DONE;
        if (this.isFull) return { kind: 'refused', isFull: true, message: 'the stream is full' };
        const items = rest.map(({ seq, payload }): Item => ({ seq, id: messageIdOf(lane, seq), payload: payload() }));
        const written = await this.writer.write(subject, tail, items, options);
        if (written.stored > 0) {
          tries = 0;
          this.#news = true;
          this.#parts.tails.keep(subject, this.#stream, written.tail);
        }
        if (written.kind === 'stored') return DONE;
        if (written.kind === 'stopped') return { kind: 'stopped' };
        this.#parts.tails.forget(subject);
        if (written.kind === 'full') return { kind: 'refused', isFull: true, message: written.message };
        message = written.message;
      } catch (error) {
        if (!(error instanceof JournalUnavailable || error instanceof ApiRefusal)) throw error;
        message = error.message;
        if (tries > 2 && this.#parts.link.up) break;
      }
    }
    return { kind: 'refused', message };
  }

  /**
   * In the place of whatever lies of the conversation: a Reset after the last event that was ever put there. Its own sequence in
   * the stream; 0: nothing is there. Throws JournalUnavailable where it cannot be stored now.
   */
  async reset(lane: LaneId, isStale: (at: number) => boolean): Promise<number> {
    const subject = appEvent(this.app, lane);
    for (let tries = 0; tries < TRIES; tries++) {
      const found = await this.#read(subject);
      if (found.at === 0) return 0;
      if (found.isReset && !isStale(found.at)) return found.at;
      const written = await this.writer.write(subject, found, [resetOf(lane, found.seq)], { signal: NEVER });
      this.#parts.tails.forget(subject);
      if (written.kind === 'stored') return written.tail.at;
    }
    throw new JournalUnavailable(`a Reset of ${lane} cannot be stored in ${this.name} now`);
  }

  /** The last message of a subject of this stream, as the leader has it. Throws JournalUnavailable. */
  tailOf(subject: string): Promise<Tail> {
    return this.#read(subject);
  }

  /** The subject's tail, a Reset behind it where the first of these events that is not there does not follow it. */
  async #follow(lane: LaneId, subject: string, events: readonly FeedEvent[], options: WriteOptions): Promise<Tail> {
    const cached = this.#parts.tails.get(subject, this.#stream);
    const read = cached ? undefined : await this.#read(subject);
    const found = cached ?? (read as Tail);
    const next = this.#isStale(lane, found, events) ? events[0] : read && otherOf(read, events);
    const tail = next ? { seq: next.seq - 1, at: found.at } : found;
    const first = events.find(({ seq }) => seq > tail.seq);
    if (!next && (!first || first.begins || first.seq === tail.seq + 1 || !(await this.#isHole(lane, tail, first)))) {
      if (!cached && tail.at > 0) this.#parts.tails.keep(subject, this.#stream, tail);
      return tail;
    }
    const reset = resetOf(lane, (first ?? (events[0] as FeedEvent)).seq - 1, next ? 'STORE_REBUILT' : 'TOO_FAR_BEHIND');
    const written = await this.writer.write(subject, tail, [reset], options);
    this.#parts.tails.forget(subject);
    if (written.kind !== 'stored') throw new JournalUnavailable(`a Reset cannot be stored now: ${written.message}`);
    return written.tail;
  }

  /** What lies there is of events that the lane had before it was restored. */
  #isStale(lane: LaneId, tail: Tail, events: readonly FeedEvent[]): boolean {
    const rebuilt = this.reach.rebuilt[partitionOf(lane, this.#parts.journal.partitions)];
    const [first] = events;
    return (
      !!rebuilt &&
      !!first &&
      first.revision >= rebuilt.from &&
      tail.at > 0 &&
      tail.at <= rebuilt.upTo &&
      tail.seq >= first.seq
    );
  }

  /** Events before `first` are the integration's and never were in this stream. What was, and went, was read or told of. */
  async #isHole(lane: LaneId, tail: Tail, first: FeedEvent): Promise<boolean> {
    if (tail.at > 0) return true;
    await this.ensure();
    const { journal } = this.#parts;
    const since = this.reach.since[partitionOf(lane, journal.partitions)] as number;
    const { records } = await journal.read(lane, revisionOf(since), { limit: 1 });
    return (records[0]?.revision ?? first.revision) >= first.revision;
  }

  async #read(subject: string): Promise<Lying> {
    const last = await readLast(this.#parts, this.name, subject);
    if (!last) return { seq: 0, at: 0, isReset: false, upTo: 0 };
    const { seq, type, at } = last.body as { readonly seq: number; readonly type: string; readonly at?: string };
    return {
      ...{ seq, at: last.at, isReset: type === 'Reset' },
      upTo: at === undefined ? last.storedAt + AHEAD_MS : Date.parse(at),
    };
  }

  async #pause(ms: number): Promise<void> {
    if (!this.#parts.link.up) await this.#parts.link.whenUp(DOWN_WAIT_MS);
    else await new Promise((resolve) => setTimeout(resolve, ms));
  }
}

/** The last of a conversation. `upTo`: no event with its seq or a lower one has a later time. */
interface Lying extends Tail {
  readonly isReset: boolean;
  readonly upTo: Millis;
}

/**
 * The first of these events that has a seq that lies there already, and a later time than what lies there: that is of an event that
 * its lane lost, and this one came in its place. A lane's times never fall.
 */
const otherOf = ({ seq, upTo }: Lying, events: readonly FeedEvent[]): FeedEvent | undefined =>
  events.find((event) => event.seq <= seq && event.at > upTo);

const NEVER = new AbortController().signal;

const resetOf = (lane: LaneId, seq: number, reason: ResetReason = 'TOO_FAR_BEHIND'): Item => ({
  seq,
  id: `${messageIdOf(lane, seq)}:reset:${randomUUID()}`,
  payload: Buffer.from(JSON.stringify(externalReset(lane, seq, reason))),
});
