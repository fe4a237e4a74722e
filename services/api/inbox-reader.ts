/**
 * One reader of one inbox. It holds no events: while it keeps up it is handed each record's frames as they are delivered, and
 * its place is the feed's. What it could not take, or had to wait for, is owed lane by lane: then it is handed nothing of that
 * lane, which is read again from its own place.
 *
 * Of each lane what it gives rises by one, but for a `Reset`; between lanes there is no order.
 */
import type { GraphQLError } from 'graphql';
import type { DeviceId, LaneId, Millis, UserId } from '../../schema/ids.ts';
import { inTurn, type Turns } from './catch-up.ts';
import { publicError } from './errors.ts';
import type { Operation } from './frames.ts';
import { type CatchUpParts, catchUp, type From } from './inbox-catch-up.ts';
import { cursorOf, type InboxPlace } from './inbox-cursor.ts';
import type { IndexedUser } from './inbox-index.ts';
import { type Part, SharedPayload, type Sink } from './sink.ts';
import type { InboxMark, ReceiptFrame } from './sources.ts';

/** Lanes that one reader reads at once. */
const READS_AT_ONCE = 4;
/** Records of a lane that are held while it is read, so that a busy one comes to an end. */
const HELD_MAX = 64;
/** Lanes whose leaving is remembered; whoever comes back into another is given what it may see again. */
const LEFT_MAX = 200;
/** Lanes whose marks are told at the end of a catch-up. */
const NEWS_MAX = 1_000;

/** What all readers of a process share. */
export interface ReaderParts extends CatchUpParts, Turns {
  /** Where the feed is. */
  readonly place: () => InboxPlace;
  /** What the reader is to be told of marks before it is told that it has caught up. Never rejects. */
  readonly marksFor: (
    reader: InboxReader,
    news: ReadonlySet<LaneId>,
    isFirst: boolean,
  ) => Promise<readonly ReceiptFrame[]>;
  readonly onEnd: (reader: InboxReader) => void;
}

interface Held {
  readonly first: number;
  readonly last: number;
  readonly payload: SharedPayload;
}
/** What a reader is owed of a lane. */
interface Owed {
  from: From;
  upTo: number;
  /** What came while it was read; undefined: too much, or not all of it. */
  held: Held[] | undefined;
  isRead: boolean;
}
export interface Debt {
  readonly lane: LaneId;
  readonly from: From;
  readonly upTo: number;
}
/** From where a reader begins. */
export interface Beginning {
  readonly debts: readonly Debt[];
  /** Lanes that the user has left, and of which the reader has all up to there, or is owed it. */
  readonly left: ReadonlyMap<LaneId, number>;
}

export class InboxReader {
  readonly user: UserId;
  readonly device: DeviceId;
  readonly operation: Operation;
  /** Its user among those who are connected; undefined before it has begun. */
  indexed: IndexedUser | undefined;
  /** When its device was registered. */
  #since: Millis = 0;
  readonly #parts: ReaderParts;
  readonly #sink: Sink;
  #mode: 'starting' | 'open' | 'ended' = 'starting';
  /** Its sink is full. */
  #isParked = false;
  #owed: Map<LaneId, Owed> | undefined;
  #reading = 0;
  /** It is to be told that it has caught up. */
  #isTellingDue = true;
  #isTelling = false;
  #wasTold = false;
  /** Lanes that it has read, or whose marks it missed, since it was told. */
  #news: Set<LaneId> | undefined;
  #left: Map<LaneId, number> | undefined;
  /** Frames were given since its place was. */
  #flowed = false;

  constructor(parts: ReaderParts, who: Pick<InboxReader, 'user' | 'device' | 'operation'>, sink: Sink) {
    this.#parts = parts;
    this.user = who.user;
    this.device = who.device;
    this.operation = who.operation;
    this.#sink = sink;
  }

  get hasEnded(): boolean {
    return this.#mode === 'ended';
  }

  /** It gets whatever is delivered, and nothing is owed to it. */
  get isLive(): boolean {
    return this.#mode === 'open' && !this.#isTellingDue && !this.#isParked;
  }

  /** From now on it is handed what is delivered. */
  begin(indexed: IndexedUser, since: Millis, { debts, left }: Beginning): void {
    if (this.#mode !== 'starting') return;
    this.#mode = 'open';
    this.indexed = indexed;
    this.#since = since;
    for (const [lane, seq] of left) this.left(lane, seq);
    if (debts.length > 0)
      this.#owed = new Map(debts.map(({ lane, from, upTo }) => [lane, { from, upTo, held: undefined, isRead: false }]));
    this.#run();
  }

  /** The events of a lane from `first` to `last`, which follow what it had or is owed. Without payload it reads them for itself. */
  offer(lane: LaneId, first: number, last: number, payload: SharedPayload | undefined): void {
    if (this.#mode !== 'open') return;
    const owed = this.#owed?.get(lane);
    if (owed) {
      owed.upTo = last;
      if (payload && owed.held && owed.held.length < HELD_MAX) owed.held.push({ first, last, payload });
      else owed.held = undefined;
    } else if (!payload || !this.#write(payload)) this.owe(lane, { kind: 'seq', seq: first - 1 }, last);
  }

  /** It reads the lane for itself, up to `upTo` at least. */
  owe(lane: LaneId, from: From, upTo: number): void {
    if (this.#mode !== 'open') return;
    const owed = this.#owed?.get(lane);
    if (owed) {
      owed.upTo = upTo;
      owed.held = undefined;
      return;
    }
    this.#owed ??= new Map();
    this.#owed.set(lane, { from, upTo, held: undefined, isRead: false });
    if (!this.#isTellingDue) this.#parts.counts.falls++;
    this.#isTellingDue = true;
    this.#run();
  }

  /** Its user has left the lane by the event `seq`, the last that it was given or is owed. */
  left(lane: LaneId, seq: number): void {
    this.#left ??= new Map();
    if (this.#left.size < LEFT_MAX) this.#left.set(lane, seq);
  }

  /** The last event of the lane that it had before its user left; 0: none, or not remembered. */
  hadOf(lane: LaneId): number {
    const seq = this.#left?.get(lane) ?? 0;
    this.#left?.delete(lane);
    return seq;
  }

  /** A mark in a lane, which has no place in its order. Where the reader does not keep up it is told anew when it has caught up. */
  tell(lane: LaneId, payload: SharedPayload): void {
    if (this.#mode !== 'open' || (this.isLive && this.#write(payload))) return;
    this.miss(lane);
  }

  /** A mark in the lane has moved, of which it was not told. */
  miss(lane: LaneId): void {
    this.#note(lane);
    this.#isTellingDue = true;
    this.#run();
  }

  /** Its place, the feed's, where frames have flowed since it was given one. */
  givePlace(payloadFor: (operation: Operation) => SharedPayload | undefined): void {
    if (!this.isLive || !this.#flowed) return;
    const payload = payloadFor(this.operation);
    if (payload && this.#write(payload)) this.#flowed = false;
  }

  /** The reader is gone; its sink hears nothing more. */
  stop(): void {
    if (this.#mode === 'ended') return;
    this.#mode = 'ended';
    this.#owed = undefined;
    this.#parts.onEnd(this);
  }

  finish(error?: GraphQLError): void {
    if (this.#mode === 'ended') return;
    this.stop();
    this.#sink.end(error);
  }

  #run(): void {
    if (this.#mode !== 'open' || this.#isParked) return;
    for (const [lane, owed] of this.#owed ?? []) {
      if (this.#reading >= READS_AT_ONCE) return;
      if (owed.isRead) continue;
      owed.isRead = true;
      this.#reading++;
      void this.#read(lane, owed).finally(() => {
        owed.isRead = false;
        this.#reading--;
        this.#run();
      });
    }
    if (this.#hasAll && this.#isTellingDue && !this.#isTelling) void this.#tellCaughtUp();
  }

  get #hasAll(): boolean {
    return this.#owed === undefined || this.#owed.size === 0;
  }

  /** Never rejected. */
  async #read(lane: LaneId, owed: Owed): Promise<void> {
    const still = (): boolean => this.#mode === 'open' && !this.#isParked && this.#owed?.get(lane) === owed;
    try {
      while (still()) {
        owed.held = [];
        const owing = this.#owing(lane, owed, still);
        const read = async () => {
          const had = still() ? await catchUp(this.#parts, owing) : 'had';
          // What comes while it waits for its budget is read with the rest.
          if (had === 'spent') owed.held = undefined;
          return had;
        };
        await inTurn(this.#parts, this.user, still, read);
        if (still() && this.#settle(lane, owed, owing.upTo)) return;
      }
    } catch (error) {
      if (!this.hasEnded) this.finish(publicError(error, this.#parts.log));
    } finally {
      owed.held = undefined;
    }
  }

  #owing(lane: LaneId, owed: Owed, still: () => boolean) {
    const { user, operation } = this;
    const since = this.#since;
    const { upTo } = owed;
    return {
      ...{ lane, user, operation, since, upTo, still },
      get from() {
        return owed.from;
      },
      give: (payload: SharedPayload, to: number): boolean => {
        if (!this.#write(payload)) return false;
        owed.from = { kind: 'seq', seq: to };
        return true;
      },
      pass: (to: number): void => {
        owed.from = { kind: 'seq', seq: to };
      },
    };
  }

  /** Everything up to `had` was given: what came meanwhile is given too, if it was held. True: nothing more can be done now. */
  #settle(lane: LaneId, owed: Owed, had: number): boolean {
    const { held } = owed;
    if (!held || owed.from.kind !== 'seq' || owed.from.seq < had) return false;
    for (const { first, last, payload } of held) {
      if (last <= had) continue;
      if (!this.#write(payload)) {
        owed.from = { kind: 'seq', seq: first - 1 };
        return true;
      }
    }
    this.#owed?.delete(lane);
    if (this.#hasAll) this.#owed = undefined;
    this.#note(lane);
    return true;
  }

  #note(lane: LaneId): void {
    this.#news ??= new Set();
    if (this.#news.size < NEWS_MAX) this.#news.add(lane);
  }

  /** False: its sink is full. */
  #write(payload: SharedPayload): boolean {
    if (this.#isParked) return false;
    const { length } = payload.parts;
    if (length > 0 && !this.#sink.write(payload, 0)) {
      this.#park();
      return false;
    }
    this.#flowed = true;
    this.#parts.counts.deliveries += length;
    return true;
  }

  #park(): void {
    this.#isParked = true;
    this.#sink.onDrain(() => {
      if (this.#mode !== 'open') return;
      this.#isParked = false;
      this.#run();
    });
  }

  /** Never rejected. */
  async #tellCaughtUp(): Promise<void> {
    const { marksFor, frames, place } = this.#parts;
    this.#isTelling = true;
    const news = this.#news ?? new Set<LaneId>();
    this.#news = undefined;
    try {
      const marks: Part[] = [];
      for (const frame of await marksFor(this, news, !this.#wasTold))
        marks.push(await frames.execute(this.operation, frame));
      if (this.#mode !== 'open') return;
      // What came meanwhile comes first.
      if (!this.#hasAll || (marks.length > 0 && !this.#write(new SharedPayload(marks, 0)))) {
        for (const lane of news) this.#note(lane);
        return;
      }
      this.#wasTold = true;
      const { at, ...rest } = place();
      const mark: InboxMark = { __typename: 'InboxCaughtUp', seq: 0, at, cursor: cursorOf({ at, ...rest }) };
      const part = frames.execute(this.operation, mark);
      const payload = new SharedPayload([part instanceof Promise ? await part : part], 0);
      if (this.#mode !== 'open' || !this.#write(payload)) return;
      this.#isTellingDue = !this.#hasAll || this.#news !== undefined;
      this.#flowed = false;
    } catch (error) {
      if (!this.hasEnded) this.finish(publicError(error, this.#parts.log));
    } finally {
      this.#isTelling = false;
      this.#run();
    }
  }
}
