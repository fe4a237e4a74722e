/**
 * Each stored record to the readers whom it concerns: those whose users belong to its lane, and those whom it names. Frames are
 * executed once for all who asked alike, before the moment of delivery, at which nothing waits.
 */
import type { LaneEvent, LaneRecord } from '../../schema/events.ts';
import type { LaneId } from '../../schema/ids.ts';
import { JournalUnavailable, type StoredRecord } from '../journal/journal.ts';
import { type Lanes, type Loaded, PoisonedLane } from '../journal/lanes.ts';
import { sightOf } from '../lane/lane.ts';
import type { Logger } from '../logger.ts';
import type { Frames, Operation } from './frames.ts';
import type { InboxAnswers } from './inbox-answers.ts';
import type { FeedWork } from './inbox-feed.ts';
import { hasUser, type InboxIndex, type IndexedLane, type IndexedUser, usersOf } from './inbox-index.ts';
import type { InboxReader } from './inbox-reader.ts';
import { namedIn } from './inbox-tail.ts';
import { eventFrameOf } from './resolvers/events.ts';
import { type Part, SharedPayload } from './sink.ts';
import type { EventFrame } from './sources.ts';

const RETRY_MS = 50;
const RETRY_MAX_MS = 2_000;

export interface DispatchParts {
  readonly index: InboxIndex;
  readonly lanes: Pick<Lanes, 'advance' | 'peek' | 'fresh'>;
  readonly answers: InboxAnswers;
  readonly frames: Pick<Frames, 'wait'>;
  readonly log: Logger;
  /** Settles after so many milliseconds; rejects when the process stops. */
  readonly pause: (ms: number) => Promise<void>;
}

/** What was made of a record beforehand. */
export interface Prepared {
  /** The lane's state after the record or later. Undefined: it cannot be had, and readers look for themselves. */
  readonly loaded: Loaded | undefined;
  /** By operation, for each event; undefined for one that cannot be shown. */
  readonly answers: ReadonlyMap<string, readonly (Part | undefined)[]>;
}
/** By operation, for each event of a record. */
type Answers = ReadonlyMap<string, readonly (Part | Promise<Part> | undefined)[]>;
/** An event takes a connected user in, or out. */
interface Move {
  readonly index: number;
  readonly member: boolean;
}

export class Dispatch implements Omit<FeedWork<Prepared>, 'broken'> {
  readonly #parts: DispatchParts;

  constructor(parts: DispatchParts) {
    this.#parts = parts;
  }

  prepare(stored: StoredRecord): Prepared | undefined | Promise<Prepared | undefined> {
    const { record, lane: id } = stored;
    if (!record) return undefined;
    const lane = this.#parts.index.lanes.get(id);
    const moves = this.#movesIn(record);
    if (!lane && moves.size === 0) return undefined;
    const frames = record.events.map((event) => eventFrameOf(id, event));
    const loaded = this.#stateNow(stored);
    const answers = this.#answersFor([...usersOf(lane), ...moves.keys()], frames);
    if (!loaded || [...answers.values()].some((some) => some.some((answer) => answer instanceof Promise)))
      return this.#prepareLater(stored, loaded, answers);
    return { loaded, answers: answers as ReadonlyMap<string, readonly (Part | undefined)[]> };
  }

  /** What these have asked for, each made for the first who may have it made. Who finds nothing reads the lane for itself. */
  #answersFor(users: readonly IndexedUser[], frames: readonly EventFrame[]): Answers {
    const answers = new Map<string, readonly (Part | Promise<Part> | undefined)[]>();
    for (const { user, readers } of users)
      for (const { operation } of readers) {
        if (answers.has(operation.key) || frames.some((frame) => this.#parts.frames.wait(frame, user) > 0)) continue;
        answers.set(
          operation.key,
          frames.map((frame) => this.#parts.answers.of(operation, frame, user)),
        );
      }
    return answers;
  }

  deliver({ record, lane: id }: StoredRecord, prepared: Prepared | undefined): void {
    const last = record?.events.at(-1);
    if (!record || !last || !prepared) return;
    const delivery = new Delivery(this.#parts.index, id, record.events, prepared);
    const moves = this.#movesIn(record);
    const lane = this.#parts.index.lanes.get(id);
    if (lane) {
      lane.seq = last.seq;
      lane.at = last.at;
    }
    for (const user of usersOf(lane)) if (!moves.has(user)) delivery.give(user, 0, record.events.length - 1);
    for (const [user, some] of moves) delivery.walk(user, lane, some);
  }

  /** Never rejected. */
  async #prepareLater(stored: StoredRecord, known: Loaded | undefined, asked: Answers): Promise<Prepared | undefined> {
    const loaded = known ?? (await this.#stateLater(stored));
    const made = [...asked].map(async ([key, answers]) => [key, await Promise.all(answers)] as const);
    return { loaded, answers: new Map(await Promise.all(made)) };
  }

  #stateNow(stored: StoredRecord): Loaded | undefined {
    const { lanes } = this.#parts;
    const { lane, revision } = stored;
    try {
      const known = lanes.advance([stored]) ?? lanes.peek(lane);
      return known && known.revision >= revision ? known : undefined;
    } catch (error) {
      if (error instanceof PoisonedLane) return undefined;
      throw error;
    }
  }

  async #stateLater({ lane, revision }: StoredRecord): Promise<Loaded | undefined> {
    const { lanes, log, pause } = this.#parts;
    for (let wait = RETRY_MS; ; wait = Math.min(2 * wait, RETRY_MAX_MS)) {
      try {
        const loaded = await lanes.fresh(lane);
        if (loaded.revision >= revision) return loaded;
        log.warn({ lane, revision, has: loaded.revision }, 'a lane does not show a record that was delivered');
        return undefined;
      } catch (error) {
        if (!(error instanceof JournalUnavailable)) {
          log.error({ err: error, lane }, 'a lane cannot be folded; its inboxes look for themselves');
          return undefined;
        }
      }
      try {
        await pause(wait);
      } catch {
        return undefined;
      }
    }
  }

  #movesIn({ events }: LaneRecord): ReadonlyMap<IndexedUser, readonly Move[]> {
    const moves = new Map<IndexedUser, Move[]>();
    for (const [index, event] of events.entries()) {
      if (event.type === 'MessageSent') continue;
      for (const user of namedIn(event)) {
        const indexed = this.#parts.index.users.get(user);
        if (!indexed) continue;
        const move = { index, member: event.type !== 'MemberRemoved' };
        const some = moves.get(indexed);
        if (some) some.push(move);
        else moves.set(indexed, [move]);
      }
    }
    return moves;
  }
}

/** One record on its way. */
class Delivery {
  readonly #index: InboxIndex;
  readonly #id: LaneId;
  readonly #events: readonly LaneEvent[];
  readonly #prepared: Prepared;
  /** By operation and range: the same object for all. */
  readonly #payloads = new Map<string, SharedPayload>();

  constructor(index: InboxIndex, id: LaneId, events: readonly LaneEvent[], prepared: Prepared) {
    this.#index = index;
    this.#id = id;
    this.#events = events;
    this.#prepared = prepared;
  }

  /** The events from place `from` to `to`, as far as the user may see them, to all of its readers. */
  give({ user, readers }: IndexedUser, from: number, to: number): void {
    const range = this.#seen(user, from, to);
    if (!range) return;
    for (const reader of readers) this.#offer(reader, range);
  }

  /** To a user whom some of the events take in or out. */
  walk(indexed: IndexedUser, lane: IndexedLane | undefined, moves: readonly Move[]): void {
    let isInside = lane !== undefined && hasUser(lane, indexed);
    let isNew = false;
    let from = 0;
    for (const { index, member } of moves) {
      if (member === isInside) continue;
      isInside = member;
      if (member) {
        isNew = true;
        from = index;
      } else this.#leave(indexed, from, index, isNew);
    }
    if (!isInside) return;
    if (isNew) this.#enter(indexed, from);
    else this.give(indexed, from, this.#events.length - 1);
  }

  #leave(indexed: IndexedUser, from: number, to: number, isNew: boolean): void {
    const { seq } = this.#events[to] as LaneEvent;
    if (isNew) this.#giveNew(indexed, from, to);
    else this.give(indexed, from, to);
    for (const reader of indexed.readers) reader.left(this.#id, seq);
    const lane = this.#index.lanes.get(this.#id);
    if (lane) this.#index.exit(indexed, lane);
  }

  #enter(indexed: IndexedUser, from: number): void {
    const last = this.#events.at(-1) as LaneEvent;
    this.#index.enter(indexed, this.#id, last.seq, last.at);
    this.#giveNew(indexed, from, this.#events.length - 1);
  }

  /** To a user who is new to the lane: with what came before, as far as it may be seen. */
  #giveNew({ user, readers }: IndexedUser, from: number, to: number): void {
    const sight = this.#prepared.loaded && sightOf(this.#prepared.loaded.lane, user, false);
    const range = this.#seen(user, from, to);
    if (!range) return;
    const first = this.#seqAt(range.from);
    for (const reader of readers) {
      const after = Math.max(reader.hadOf(this.#id), (sight?.from ?? 1) - 1);
      if (after >= first - 1) this.#offer(reader, range);
      else reader.owe(this.#id, { kind: 'seq', seq: after }, this.#seqAt(range.to));
    }
  }

  #offer(reader: InboxReader, { from, to }: Range): void {
    reader.offer(this.#id, this.#seqAt(from), this.#seqAt(to), this.#payload(reader.operation, from, to));
  }

  /** By the lane's own state; where there is none, the reader itself will see. Undefined: nothing. */
  #seen(user: IndexedUser['user'], from: number, to: number): Range | undefined {
    const { loaded } = this.#prepared;
    if (!loaded) return { from, to };
    const sight = sightOf(loaded.lane, user, false);
    if (!sight) return undefined;
    const offset = this.#seqAt(0);
    const range = { from: Math.max(from, sight.from - offset), to: Math.min(to, sight.to - offset) };
    return range.from <= range.to ? range : undefined;
  }

  /** Undefined: it was not made, since nobody here had asked so, or the lane's state is not known. */
  #payload({ key }: Operation, from: number, to: number): SharedPayload | undefined {
    const answers = this.#prepared.loaded && this.#prepared.answers.get(key);
    if (!answers) return undefined;
    const name = `${from} ${to} ${key}`;
    let payload = this.#payloads.get(name);
    if (!payload) {
      const parts = answers.slice(from, to + 1).filter((part) => part !== undefined);
      payload = new SharedPayload(parts, 0);
      this.#payloads.set(name, payload);
    }
    return payload;
  }

  #seqAt(place: number): number {
    return (this.#events[place] as LaneEvent).seq;
  }
}
interface Range {
  readonly from: number;
  readonly to: number;
}
