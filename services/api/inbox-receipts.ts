/**
 * `ReceiptMoved` in inboxes. What members have received and read is told soon after it has moved, in beats; and to a reader that
 * has caught up, before it is told so. A user's own marks always, those of others in small lanes.
 */
import type { LaneId, UserId } from '../../schema/ids.ts';
import type { Mark } from '../../schema/receipts.ts';
import type { Stoppable } from '../journal/journal.ts';
import type { Lanes, Loaded } from '../journal/lanes.ts';
import { sightOf } from '../lane/lane.ts';
import type { Logger } from '../logger.ts';
import { Slots } from '../slots.ts';
import type { Devices, Settings } from '../views/devices.ts';
import type { Mine, ReceiptBoard } from '../views/receipts.ts';
import { readSeqOf, type Unread } from '../views/unread.ts';
import type { Frames } from './frames.ts';
import { hasUser, type InboxIndex, usersOf } from './inbox-index.ts';
import { InboxMarks, mergedOf } from './inbox-marks.ts';
import type { InboxReader } from './inbox-reader.ts';
import { statesAsGiven } from './inbox-states.ts';
import { SMALL_MEMBERS } from './receipt-table.ts';
import { SharedPayload } from './sink.ts';
import type { ReceiptFrame } from './sources.ts';

/** As of the streams of conversations. */
const BEAT_MS = 100;
/** After a failed look. */
const AGAIN_MS = 2_000;
/** A reader that has caught up waits so long for marks, and then is told without them. */
const PATIENCE_MS = 1_000;
/** Marks that wait for a beat; past it the readers of their lanes are told anew, as if they had to catch up. */
const WAITING_MAX = 50_000;
/** At its first catch-up a reader is told its own marks of so many conversations, those with the newest activity … */
const RECENT_OWN = 150;
/** … of so many, and of those that it has read, what others have received. */
const RECENT_OTHERS = 8;
const NEWS_OTHERS = 100;
/** Lanes that are loaded for no more than a mark. */
const LOADS = 50;
/** Lanes of one beat that are looked up at once. */
const LANES_AT_ONCE = 16;
/** Users whose settings are asked for together. */
const SETTINGS_AT_ONCE = 1_000;

export interface InboxReceiptsParts {
  readonly board: Pick<ReceiptBoard, 'of' | 'ofUser' | 'listen'>;
  readonly devices: Pick<Devices, 'settings'>;
  readonly unread: Pick<Unread, 'of'>;
  readonly lanes: Pick<Lanes, 'peek' | 'freshMany'>;
  readonly log: Logger;
  readonly index: InboxIndex;
  readonly frames: Frames;
}

interface Waiting extends Mine {
  /** It may be told also where what was read is hidden. */
  readonly isOpen: boolean;
}

export class InboxReceipts {
  readonly #parts: InboxReceiptsParts;
  readonly #marks: InboxMarks;
  readonly #listening: Stoppable;
  readonly #lanesTold = new Slots({ running: LANES_AT_ONCE });
  #waiting = new Map<LaneId, Map<UserId, Waiting>>();
  #size = 0;
  #timer: NodeJS.Timeout | undefined;
  #isBeating = false;
  #stopped = false;

  constructor(parts: InboxReceiptsParts) {
    this.#parts = parts;
    this.#marks = new InboxMarks(parts.board);
    this.#listening = parts.board.listen((marks) => {
      for (const mark of marks) this.#hear(mark);
      this.#arm(BEAT_MS);
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#listening.stop();
    clearTimeout(this.#timer);
  }

  /** What a reader is to be told when it has read `news`; at its first time, of other conversations too. Never rejects. */
  async marksFor(reader: InboxReader, news: ReadonlySet<LaneId>, isFirst: boolean): Promise<readonly ReceiptFrame[]> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<readonly ReceiptFrame[]>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS, []);
    });
    try {
      return await Promise.race([this.#marksFor(reader, news, isFirst), late]);
    } catch (error) {
      this.#parts.log.debug({ err: error }, 'marks could not be read for an inbox');
      return [];
    } finally {
      clearTimeout(timer);
    }
  }

  async #marksFor({ user }: InboxReader, news: ReadonlySet<LaneId>, isFirst: boolean): Promise<ReceiptFrame[]> {
    const indexed = this.#parts.index.users.get(user);
    if (!indexed) return [];
    const own = [...indexed.lanes].filter(({ lane }) => isFirst || news.has(lane));
    const recent = own.filter(({ lane }) => !news.has(lane)).sort((a, b) => b.at - a.at);
    const some = [...own.filter(({ lane }) => news.has(lane)), ...recent.slice(0, RECENT_OWN)];
    if (some.length === 0) return [];
    const marks = await this.#parts.board.ofUser(
      user,
      some.map(({ lane }) => lane),
    );
    const told = some.flatMap(({ lane, seq }) => {
      const mine = marks.get(lane);
      // That one's devices have received what they have received is no news.
      return mine && (mine.read > 0 || news.has(lane)) ? [{ lane, seq, mine }] : [];
    });
    // Who has read everything has nothing unread: that needs no look at the lane.
    const unread = told.filter(({ seq, mine }) => mine.read < seq).map(({ lane }) => lane);
    let loads = LOADS;
    const states = await this.#statesOf(unread.filter((lane) => this.#parts.lanes.peek(lane) || loads-- > 0));
    const ownFrames = told.map(async ({ lane, seq, mine }): Promise<readonly ReceiptFrame[]> => {
      if (mine.read >= seq) return [frameOf(lane, user, { ...mine, unread: 0 })];
      const loaded = states.get(lane);
      return loaded ? this.#own(loaded, user, mine) : [];
    });
    const others = [...news].slice(0, NEWS_OTHERS).concat(recent.slice(0, RECENT_OTHERS).map(({ lane }) => lane));
    const othersFrames = this.#others(user, others);
    return [...(await Promise.all(ownFrames)).flat(), ...(await othersFrames)];
  }

  async #others(user: UserId, lanes: readonly LaneId[]): Promise<ReceiptFrame[]> {
    const states = [...(await this.#statesOf(lanes)).values()];
    const visible = states.filter((loaded) => loaded.lane.members.has(user) && isSmall(loaded));
    const small = await Promise.all(
      visible.map(async (loaded) => ({ loaded, marks: await this.#marks.ofAll(loaded.lane.id) })),
    );
    const settings = await this.#settings(small.flatMap(({ marks }) => [...marks.keys()]));
    return small.flatMap(({ loaded, marks }) =>
      [...marks].flatMap(([other, mine]) => {
        if (other === user || !loaded.lane.members.has(other)) return [];
        return [othersFrameOf(loaded, other, mine, settings.get(other)?.hideReadMarks ?? true)];
      }),
    );
  }

  #hear(mark: Mark): void {
    const { index, lanes } = this.#parts;
    const lane = index.lanes.get(mark.l);
    if (!lane) {
      this.#marks.forget(mark.l);
      return;
    }
    const raises = this.#marks.hear(mark);
    if (raises === 'nothing') return;
    const indexed = index.users.get(mark.u);
    const isOwn = indexed !== undefined && hasUser(lane, indexed);
    const loaded = lanes.peek(mark.l);
    if (!isOwn && loaded && !isSmall(loaded)) return;
    const isOpen = raises === 'delivered' || (raises === 'unknown' && mark.k === 'delivered');
    this.#wait(mark.l, mark.u, { delivered: mark.s, read: mark.k === 'read' ? mark.s : 0, isOpen });
  }

  #wait(lane: LaneId, user: UserId, mark: Waiting): void {
    if (this.#size >= WAITING_MAX) {
      for (const { readers } of usersOf(this.#parts.index.lanes.get(lane)))
        for (const reader of readers) reader.miss(lane);
      return;
    }
    const users = this.#waiting.get(lane) ?? new Map<UserId, Waiting>();
    this.#waiting.set(lane, users);
    const had = users.get(user);
    if (!had) this.#size++;
    users.set(user, { ...mergedOf(had, mark), isOpen: mark.isOpen || (had?.isOpen ?? false) });
  }

  #arm(afterMs: number): void {
    if (this.#size === 0 || this.#timer || this.#isBeating || this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#isBeating = true;
      void this.#beat().then((againMs) => {
        this.#isBeating = false;
        this.#arm(againMs);
      });
    }, afterMs).unref();
  }

  /** Never rejected; says after how long the next one may come. */
  async #beat(): Promise<number> {
    const waiting = this.#waiting;
    this.#waiting = new Map();
    this.#size = 0;
    const done = await Promise.all(
      [...waiting].map(([lane, users]) => this.#lanesTold.hold(lane, () => this.#tellLane(lane, users))),
    );
    return done.includes(false) ? AGAIN_MS : BEAT_MS;
  }

  /** False: it could not be looked up, and waits again. */
  async #tellLane(lane: LaneId, users: ReadonlyMap<UserId, Waiting>): Promise<boolean> {
    try {
      const loaded = (await this.#statesOf([lane])).get(lane);
      if (!loaded) return true;
      const small = isSmall(loaded);
      const own = [...users.keys()].filter((user) => this.#parts.index.users.has(user));
      const marks = await (small ? this.#marks.ofAll(lane) : this.#marks.ofSome(lane, own));
      const settings = small ? await this.#settings([...users.keys()]) : undefined;
      for (const [user, { isOpen }] of users) {
        const mine = marks.get(user);
        if (!mine || !loaded.lane.members.has(user)) continue;
        const readers = this.#parts.index.users.get(user)?.readers;
        if (readers && readers.size > 0)
          for (const frame of await this.#own(loaded, user, mine)) await this.#tell(readers, frame);
        const hides = settings?.get(user)?.hideReadMarks ?? true;
        // Of a hidden mark nobody else is to learn even that it moved.
        if (!small || (hides && !isOpen)) continue;
        await this.#tell(this.#readersBeside(loaded, user), othersFrameOf(loaded, user, mine, hides));
      }
      return true;
    } catch (error) {
      this.#parts.log.debug({ err: error, lane }, 'a mark is told later');
      for (const [user, mark] of users) this.#wait(lane, user, mark);
      return false;
    }
  }

  #readersBeside({ lane }: Loaded, user: UserId): readonly InboxReader[] {
    const readers: InboxReader[] = [];
    for (const other of usersOf(this.#parts.index.lanes.get(lane.id)))
      if (other.user !== user && lane.members.has(other.user)) readers.push(...other.readers);
    return readers;
  }

  /** The same payload for all who asked alike. */
  async #tell(readers: Iterable<InboxReader>, frame: ReceiptFrame): Promise<void> {
    const payloads = new Map<string, SharedPayload>();
    for (const reader of [...readers]) {
      const { operation } = reader;
      let payload = payloads.get(operation.key);
      if (!payload) {
        payload = new SharedPayload([await this.#parts.frames.execute(operation, frame)], 0);
        payloads.set(operation.key, payload);
      }
      reader.tell(frame.lane, payload);
    }
  }

  /** Nothing where the user is no member any more. */
  async #own(loaded: Loaded, user: UserId, mine: Mine): Promise<ReceiptFrame[]> {
    const sight = sightOf(loaded.lane, user, false);
    if (!sight || !loaded.lane.members.has(user)) return [];
    const read = readSeqOf(loaded, user, mine);
    const unread = await this.#parts.unread.of(loaded, sight, user, read).catch(() => null);
    return [frameOf(loaded.lane.id, user, { delivered: mine.delivered, read, unread })];
  }

  #statesOf(lanes: readonly LaneId[]): Promise<ReadonlyMap<LaneId, Loaded>> {
    return statesAsGiven(this.#parts, lanes);
  }

  async #settings(users: readonly UserId[]): Promise<ReadonlyMap<UserId, Settings>> {
    const all = new Map<UserId, Settings>();
    const each = [...new Set(users)];
    for (let i = 0; i < each.length; i += SETTINGS_AT_ONCE)
      for (const [user, settings] of await this.#parts.devices.settings(each.slice(i, i + SETTINGS_AT_ONCE)))
        all.set(user, settings);
    return all;
  }
}

const isSmall = ({ lane }: Loaded): boolean => lane.members.size <= SMALL_MEMBERS;

const othersFrameOf = (loaded: Loaded, user: UserId, mine: Mine, hides: boolean): ReceiptFrame => {
  const read = readSeqOf(loaded, user, mine);
  return frameOf(loaded.lane.id, user, {
    delivered: Math.max(mine.delivered, read),
    read: hides ? null : read,
    unread: null,
  });
};

function frameOf(
  lane: LaneId,
  user: UserId,
  { delivered, read, unread }: Pick<ReceiptFrame, 'delivered' | 'read' | 'unread'>,
): ReceiptFrame {
  return {
    __typename: 'ReceiptMoved',
    lane,
    seq: 0,
    user,
    delivered: Math.max(delivered, read ?? 0),
    read,
    unread,
  };
}
