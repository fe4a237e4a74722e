/** What an integration reads once. Every method throws BadInput, HistoryUnavailable, JournalUnavailable and PoisonedLane. */
import type { LaneId, UserId } from '../schema/ids.ts';
import { type Lanes, type Loaded, PoisonedLane } from '../services/journal/lanes.ts';
import { type Sight, sightOf } from '../services/lane/lane.ts';
import type { Logger } from '../services/logger.ts';
import { activityCursor, activityOfCursor } from '../services/views/connection.ts';
import type { Devices } from '../services/views/devices.ts';
import { type History, HistoryUnavailable } from '../services/views/history.ts';
import { membersPage } from '../services/views/members.ts';
import type { Reads } from '../services/views/reads.ts';
import type { Mine, ReceiptBoard } from '../services/views/receipts.ts';
import { readSeqOf, type Unread } from '../services/views/unread.ts';
import { externalEvent } from './external.ts';
import {
  type ConversationParts,
  conversationShape,
  memberShape,
  messageShape,
  type People,
  usersIn,
} from './shapes.ts';
import type { ReadAsk } from './translate.ts';

export interface AppReadsParts {
  readonly lanes: Pick<Lanes, 'fresh' | 'freshMany'>;
  readonly reads: Pick<Reads, 'page' | 'event' | 'lastMessage'>;
  readonly history: Pick<History, 'conversationsOf' | 'people'>;
  readonly board: Pick<ReceiptBoard, 'of' | 'ofUser'>;
  readonly devices: Pick<Devices, 'settings'>;
  readonly unread: Pick<Unread, 'of'>;
  readonly log: Logger;
}
/** Who reads. `all`: it sees every conversation, as an administrator does. */
export interface Reader {
  readonly user: UserId;
  readonly all: boolean;
}

/** Bytes of JSON in one reply, from about: what a server of NATS takes is 1 MiB, usually. A page ends earlier, and says so. */
const REPLY_BYTES = 512 * 1024;
/** Conversations of a page that are read at a time. */
const AT_ONCE = 16;
const NO_PEOPLE: People = new Map();

/** Undefined: there is no such conversation, or it is not the reader's. */
export type ReadResult = object | undefined;

export class AppReads {
  readonly #parts: AppReadsParts;

  constructor(parts: AppReadsParts) {
    this.#parts = parts;
  }

  read(reader: Reader, ask: ReadAsk): Promise<ReadResult> {
    switch (ask.verb) {
      case 'conversation':
        return this.conversation(reader, ask.lane);
      case 'conversations':
        return this.#conversations(reader, ask);
      case 'members':
        return this.#members(reader, ask);
      case 'message':
        return this.#message(reader, ask);
      case 'history':
        return this.#history(reader, ask);
      default:
        return ask satisfies never;
    }
  }

  async conversation(reader: Reader, lane: LaneId): Promise<{ readonly conversation: object | null }> {
    const found = await this.#find(reader, lane);
    if (!found) return { conversation: null };
    const marks = await this.#parts.board.ofUser(reader.user, [lane]);
    const parts = await this.#partsOf(reader, found, marks.get(lane));
    return { conversation: conversationShape(reader.user, parts, await this.#people(usersIn(reader.user, parts))) };
  }

  async #message(reader: Reader, { lane, seq }: ReadAsk & { verb: 'message' }): Promise<object> {
    const found = await this.#find(reader, lane);
    if (!found || seq < found.sight.from || seq > found.loaded.lane.seq) return { message: null };
    const event = await this.#parts.reads.event(found.loaded, seq);
    if (event?.type !== 'MessageSent') return { message: null };
    return { message: messageShape(lane, event, await this.#people([event.by])) };
  }

  async #history(reader: Reader, { lane, first, after }: ReadAsk & { verb: 'history' }): Promise<ReadResult> {
    const found = await this.#find(reader, lane);
    if (!found) return undefined;
    const page = await this.#parts.reads.page(found.loaded, found.sight, { first, after });
    const all = page.events.map((event) => externalEvent(lane, event));
    const events = fitting(all);
    return { events, asOf: page.asOf, hasNextPage: page.after || events.length < all.length };
  }

  async #members(reader: Reader, { lane, first, after }: ReadAsk & { verb: 'members' }): Promise<ReadResult> {
    const found = await this.#find(reader, lane);
    if (!found) return undefined;
    const { nodes, pageInfo } = membersPage(found.loaded.lane, first, after, (user, member) => ({ user, member }));
    const users = nodes.map(({ user }) => user);
    const { board, devices } = this.#parts;
    const [marks, settings, people] = await Promise.all([board.of(lane), devices.settings(users), this.#people(users)]);
    const members = nodes.map((placed) => {
      const { user } = placed;
      const isHidden = user !== reader.user && settings.get(user)?.hideReadMarks === true;
      return memberShape(found.loaded, placed, { mine: marks.get(user), isHidden, people });
    });
    return { members, hasNextPage: pageInfo.hasNextPage, endCursor: pageInfo.endCursor };
  }

  async #conversations(reader: Reader, { first, after }: ReadAsk & { verb: 'conversations' }): Promise<ReadResult> {
    const { history } = this.#parts;
    const from = after === undefined ? {} : { after: activityOfCursor('after', after) };
    const listed = await history.conversationsOf(reader.user, { limit: first + 1, ...from });
    const page = listed.slice(0, first);
    const parts = await this.#partsOfMany(
      reader,
      page.map(({ lane }) => lane),
    );
    const people = await this.#people([...parts.values()].flatMap((one) => usersIn(reader.user, one)));
    const nodes = page.map(({ lane, lastActivityAt }) => {
      const one = parts.get(lane);
      const node = one && conversationShape(reader.user, one, people);
      return { node, cursor: activityCursor(lastActivityAt, lane) };
    });
    const shown = fitting(nodes);
    return {
      conversations: shown.flatMap(({ node }) => (node ? [node] : [])),
      hasNextPage: listed.length > first || shown.length < nodes.length,
      endCursor: shown.at(-1)?.cursor ?? null,
    };
  }

  /** Those that the reader may see, by the lanes themselves. One that cannot be read leaves a gap, not the list away. */
  async #partsOfMany(reader: Reader, lanes: readonly LaneId[]): Promise<Map<LaneId, ConversationParts>> {
    const all = new Map<LaneId, ConversationParts>();
    if (lanes.length === 0) return all;
    const [marks, states] = await Promise.all([
      this.#parts.board.ofUser(reader.user, lanes),
      this.#parts.lanes.freshMany(lanes),
    ]);
    const waiting = [...lanes];
    const work = async (): Promise<void> => {
      for (let lane = waiting.pop(); lane !== undefined; lane = waiting.pop()) {
        const loaded = states.get(lane);
        if (loaded instanceof PoisonedLane)
          this.#parts.log.error({ err: loaded, lane }, 'a poisoned lane is left out of a list');
        const found = !loaded || loaded instanceof PoisonedLane ? undefined : seenBy(reader, loaded);
        if (found) all.set(lane, await this.#partsOf(reader, found, marks.get(lane)));
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, lanes.length) }, work));
    return all;
  }

  async #find(reader: Reader, lane: LaneId): Promise<Found | undefined> {
    return seenBy(reader, await this.#parts.lanes.fresh(lane));
  }

  async #partsOf({ user }: Reader, { loaded, sight }: Found, mine: Mine | undefined): Promise<ConversationParts> {
    const { reads, unread } = this.#parts;
    const lastMessage = await reads.lastMessage(loaded, sight);
    const isMember = loaded.lane.members.has(user);
    const count = isMember ? await unread.of(loaded, sight, user, readSeqOf(loaded, user, mine)) : null;
    return { loaded, sight, lastMessage, mine, unread: count };
  }

  /** A name is a courtesy: where it cannot be read there is none. */
  async #people(ids: readonly UserId[]): Promise<People> {
    try {
      return ids.length === 0 ? NO_PEOPLE : await this.#parts.history.people([...new Set(ids)]);
    } catch (error) {
      if (error instanceof HistoryUnavailable) return NO_PEOPLE;
      throw error;
    }
  }
}

interface Found {
  readonly loaded: Loaded;
  readonly sight: Sight;
}

/** Who has left sees nothing any more. */
function seenBy({ user, all }: Reader, loaded: Loaded): Found | undefined {
  const sight = sightOf(loaded.lane, user, all);
  return sight?.to === Number.POSITIVE_INFINITY ? { loaded, sight } : undefined;
}

/** As many as one reply holds, and at least one. */
function fitting<T extends object>(items: readonly T[]): readonly T[] {
  let bytes = 0;
  const end = items.findIndex((item, i) => {
    bytes += Buffer.byteLength(JSON.stringify(item));
    return i > 0 && bytes > REPLY_BYTES;
  });
  return end < 0 ? items : items.slice(0, end);
}
