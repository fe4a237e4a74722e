/** The inboxes of a process: `Subscription.inbox`. Whoever has one open gets everything of all its conversations, for one device. */
import { setMaxListeners } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import type { GraphQLError, GraphQLSchema } from 'graphql';
import { ID_RULE, type Millis, parseDeviceId, type UserId } from '../../schema/ids.ts';
import type { Buckets } from '../buckets.ts';
import { Fresh } from '../journal/fresh.ts';
import type { Journal, Stoppable } from '../journal/journal.ts';
import type { Lanes } from '../journal/lanes.ts';
import type { Logger } from '../logger.ts';
import { Slots } from '../slots.ts';
import { Unprojected } from '../unprojected-metrics.ts';
import type { Reads } from '../views/reads.ts';
import type { Listing, UserLanes } from '../views/user-lanes.ts';
import { PAYERS } from './catch-up.ts';
import { apiError, badInput, publicError } from './errors.ts';
import { Frames } from './frames.ts';
import { InboxAnswers, SharedOperations } from './inbox-answers.ts';
import { BACKLOG_MAX } from './inbox-catch-up.ts';
import { cursorOf, type InboxPlace, laterOf, placeOfCursor } from './inbox-cursor.ts';
import { Dispatch, type Prepared } from './inbox-dispatch.ts';
import { type InboxFeed, openInboxFeed } from './inbox-feed.ts';
import { InboxIndex } from './inbox-index.ts';
import { InboxReader, type ReaderParts } from './inbox-reader.ts';
import { InboxReceipts, type InboxReceiptsParts } from './inbox-receipts.ts';
import { type Start, type StartParts, startInbox } from './inbox-start.ts';
import { RETRY_AFTER_MS } from './limits.ts';
import { SharedPayload, type Sink } from './sink.ts';
import type { InboxMark } from './sources.ts';
import type { StreamOperation } from './stream.ts';
import type { StreamCounts } from './stream-metrics.ts';
import type { OpensStreams } from './subscriptions.ts';

/** Past these a new inbox is refused with the error `RATE_LIMITED`. */
const READERS_MAX = 100_000;
/** Conversations of connected users, each for each user: about 200 bytes. */
const LANES_MAX = 5_000_000;
/** Lanes, and users' comings and goings, that MongoDB does not have yet: 160 to 320 bytes each, measured. Past it no inbox begins. */
const UNPROJECTED_MAX = 1_000_000;
/** Readers that look up where they begin, and lanes that are read, at once, a quarter of them one user's at the most; the others wait their turn. */
const STARTING = { running: 32, each: 8 };
const READING = { running: 32, each: 8 };
/** Source: CONTRACT, on `InboxPosition`. */
const POSITION_MS = 30_000;
/** The partitions are followed for so long after the last reader has gone. */
const LINGER_MS = 60_000;

export interface InboxLimits {
  readonly readers?: number;
  readonly lanes?: number;
  readonly positionMs?: number;
  /** Events of a lane that may wait. */
  readonly backlog?: number;
  readonly unprojected?: number;
}

export interface InboxParts {
  readonly devices: StartParts['devices'] & InboxReceiptsParts['devices'];
  readonly board: StartParts['board'] & InboxReceiptsParts['board'];
  readonly unread: InboxReceiptsParts['unread'];
  readonly schema: GraphQLSchema;
  /** What each user may have made of frames with long lists. */
  readonly work?: Pick<Buckets, 'charge' | 'wait'>;
  readonly journal: Pick<Journal, 'partitions' | 'consume' | 'partitionEnd' | 'onReconnect' | 'lastRevisions' | 'read'>;
  readonly lanes: Lanes;
  readonly reads: Pick<Reads, 'gap' | 'event'>;
  readonly userLanes: UserLanes;
  readonly counts: StreamCounts;
  readonly clock: () => Millis;
  readonly log: Logger;
  readonly limits?: InboxLimits | undefined;
}

export class Inboxes implements OpensStreams {
  readonly unprojected: Unprojected;
  readonly #parts: InboxParts;
  readonly #limits: Required<Pick<InboxLimits, 'readers' | 'lanes'>>;
  readonly #frames: Frames;
  readonly #index = new InboxIndex();
  readonly #dispatch: Dispatch;
  readonly #receipts: InboxReceipts;
  readonly #readerParts: ReaderParts;
  readonly #startParts: StartParts;
  readonly #starting = new Slots(STARTING);
  readonly #stopping = new AbortController();
  readonly #positions: NodeJS.Timeout;
  readonly #readers = new Set<InboxReader>();
  readonly #operations = new SharedOperations();
  #feeding: Promise<InboxFeed<Prepared>> | undefined;
  #feed: InboxFeed<Prepared> | undefined;
  #linger: NodeJS.Timeout | undefined;

  /** Throws if the schema has no such subscription. */
  constructor(parts: InboxParts) {
    this.#parts = parts;
    const {
      readers = READERS_MAX,
      lanes = LANES_MAX,
      positionMs = POSITION_MS,
      backlog = BACKLOG_MAX,
      unprojected: max = UNPROJECTED_MAX,
    } = parts.limits ?? {};
    this.unprojected = new Unprojected({ what: 'inboxes', max, log: parts.log });
    this.#limits = { readers, lanes };
    this.#frames = new Frames(parts, 'inbox');
    const answers = new InboxAnswers(this.#frames);
    const { signal } = this.#stopping;
    // Each that reads may pause.
    setMaxListeners(0, signal);
    const pause = (ms: number) => wait(ms, undefined, { signal, ref: false });
    this.#receipts = new InboxReceipts({ ...parts, index: this.#index, frames: this.#frames });
    this.#dispatch = new Dispatch({ ...parts, index: this.#index, frames: this.#frames, answers, pause });
    const listings = new Fresh<UserId, Listing>((user) => parts.userLanes.of(user));
    this.#startParts = { ...parts, listings };
    this.#readerParts = {
      ...parts,
      frames: this.#frames,
      backlogMax: backlog,
      answers,
      pause,
      slots: new Slots(READING),
      payers: new Slots(PAYERS),
      place: () => this.#place(),
      marksFor: (reader, news, isFirst) => this.#receipts.marksFor(reader, news, isFirst),
      onEnd: (reader) => this.#left(reader),
    };
    this.#positions = setInterval(() => this.#givePlaces(), positionMs).unref();
  }

  get size(): number {
    return this.#readers.size;
  }

  /** Conversations of connected users, each for each user. */
  get lanes(): number {
    return this.#index.size;
  }

  open({ viewer, lastSeen, ...given }: StreamOperation, sink: Sink): Stoppable {
    const read = this.#frames.read({ ...given, admin: viewer.admin });
    if (read.kind === 'bad') return refused(sink, read.error);
    const { device: id, after } = read.args;
    const device = parseDeviceId(id);
    if (!device) return refused(sink, badInput('device', ID_RULE));
    const places: InboxPlace[] = [];
    for (const [field, cursor] of [['after', after] as const, ['Last-Event-ID', lastSeen] as const]) {
      if (cursor === undefined || cursor === null) continue;
      const place = placeOfCursor(String(cursor), this.#parts.journal.partitions);
      if (!place) return refused(sink, badInput(field, 'a cursor of an inbox of this installation'));
      places.push(place);
    }
    if (this.#stopping.signal.aborted || this.#readers.size >= this.#limits.readers) {
      this.#parts.counts.refused++;
      return refused(sink, tooMany());
    }
    const operation = this.#operations.take(read.operation);
    const reader = new InboxReader(this.#readerParts, { user: viewer.user, device, operation }, sink);
    this.#readers.add(reader);
    clearTimeout(this.#linger);
    void this.#start(reader, places.length > 0 ? places.reduce(laterOf) : undefined);
    return reader;
  }

  /** Ends following. Sinks hear nothing of it: whoever owns the connections closes them. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#positions);
    this.#receipts.stop();
    clearTimeout(this.#linger);
    for (const reader of [...this.#readers]) reader.stop();
    const feed = await this.#feeding?.catch(() => undefined);
    feed?.stop();
  }

  /** Never rejected. */
  async #start(reader: InboxReader, place: InboxPlace | undefined): Promise<void> {
    const { user, device } = reader;
    try {
      await this.#starting.hold(user, async () => {
        if (reader.hasEnded) return;
        const feed = await this.#follow();
        await startInbox(this.#startParts, feed, { user, device, place }, (start) => this.#begin(reader, feed, start));
      });
    } catch (error) {
      if (!reader.hasEnded) reader.finish(publicError(error, this.#parts.log));
    }
  }

  /** At one moment of the feed's. */
  #begin(reader: InboxReader, feed: InboxFeed<Prepared>, start: Start): void {
    if (reader.hasEnded) return;
    if (feed !== this.#feed || feed.isStopped) throw apiError('UNAVAILABLE', 'The inbox begins anew. Come again.');
    if (this.#index.size + start.lanes.size > this.#limits.lanes) {
      this.#parts.counts.refused++;
      throw tooMany();
    }
    const indexed = this.#index.join(reader, reader.user, start.lanes);
    reader.begin(indexed, start.since, start.beginning(indexed));
  }

  #follow(): Promise<InboxFeed<Prepared>> {
    if (this.#feeding) return this.#feeding;
    const { prepare, deliver } = this.#dispatch;
    const work = {
      prepare: prepare.bind(this.#dispatch),
      deliver: deliver.bind(this.#dispatch),
      broken: () => this.#broken(),
    };
    const feeding = openInboxFeed({ ...this.#parts, unprojected: this.unprojected }, work).then((feed) => {
      this.#feed = feed;
      return feed;
    });
    this.#feeding = feeding;
    feeding.catch(() => {
      if (this.#feeding === feeding) this.#feeding = undefined;
    });
    return feeding;
  }

  #broken(): void {
    this.#forgetFeed();
    for (const reader of [...this.#readers])
      reader.finish(apiError('UNAVAILABLE', 'The store was restored. Come again with your place.'));
  }

  #forgetFeed(): void {
    this.#feed?.stop();
    this.#feed = undefined;
    this.#feeding = undefined;
    this.#readerParts.answers.forget();
  }

  #left(reader: InboxReader): void {
    const { user, device, indexed } = reader;
    this.#readers.delete(reader);
    this.#operations.leave(reader.operation);
    if (indexed) this.#index.leave(reader, indexed);
    if (this.#stopping.signal.aborted) return;
    // Until now it was there; that this is not written down is no harm.
    if (indexed) this.#parts.devices.seen(user, device).catch(() => undefined);
    if (this.#readers.size > 0) return;
    this.#linger = setTimeout(() => {
      if (this.#readers.size === 0 && this.#feed) this.#forgetFeed();
    }, LINGER_MS).unref();
  }

  #place(): InboxPlace {
    return this.#feed?.place ?? { at: this.#parts.clock(), revisions: [], prints: [] };
  }

  /** To all who have had frames since they had their place last: it is the same for all who keep up. */
  #givePlaces(): void {
    const feed = this.#feed;
    if (!feed) return;
    const place = feed.place;
    const mark: InboxMark = { __typename: 'InboxPosition', seq: 0, at: place.at, cursor: cursorOf(place) };
    const payloads = new Map<string, SharedPayload | undefined>();
    for (const reader of [...this.#readers])
      reader.givePlace((operation) => {
        if (!payloads.has(operation.key)) {
          const part = this.#frames.execute(operation, mark);
          payloads.set(operation.key, part instanceof Promise ? undefined : new SharedPayload([part], 0));
        }
        return payloads.get(operation.key);
      });
  }
}

const tooMany = (): GraphQLError => apiError('RATE_LIMITED', 'This server follows as much as it can.', RETRY_AFTER_MS);

function refused(sink: Sink, error: GraphQLError): Stoppable {
  sink.end(error);
  return { stop: () => {} };
}
