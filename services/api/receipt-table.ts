/**
 * How far the members of one followed lane are, as its followers are to be told. Marks come in as they are stored, and are
 * shown at the beats of the process: what several marks have moved between two beats moves once.
 *
 * Of a lane of at most SMALL_MEMBERS everybody's marks are held; of a larger one those of its followers' own users.
 */
import type { LaneId, UserId } from '../../schema/ids.ts';
import type { Mark } from '../../schema/receipts.ts';
import type { Loaded } from '../journal/lanes.ts';
import type { Logger } from '../logger.ts';
import type { Settings } from '../views/devices.ts';
import type { Mine, ReceiptBoard } from '../views/receipts.ts';
import type { Unread } from '../views/unread.ts';
import type { Viewer } from './gate.ts';
import { type Entry, entryAfter, raisedBy, receiptFrameOf } from './receipt-entry.ts';
import type { ReceiptFrame } from './sources.ts';
import { UnreadCounts } from './unread-counts.ts';

/** Others' marks are told in lanes of at most so many members. Source: CONTRACT, on `ReceiptMoved`. */
export const SMALL_MEMBERS = 100;
/** Followers wait so long for the first look at the store; then they are told without it, and of what it holds later. */
const PATIENCE_MS = 1_000;
/** After a failed look. */
const AGAIN_MS = 5_000;
/** More users than this are looked up with all others of their lane. */
const FEW_USERS = 16;

export interface TableOptions {
  readonly board: Pick<ReceiptBoard, 'of' | 'ofUser'>;
  readonly unread: Pick<Unread, 'of'>;
  /** Undefined: it cannot be read. Never rejects. */
  readonly settings: (users: readonly UserId[]) => Promise<ReadonlyMap<UserId, Settings> | undefined>;
  readonly log: Logger;
}
/** The lane as its hub has it. */
export interface TableLane {
  readonly loaded: Loaded | undefined;
  /** Followers are to ask again. */
  wake(): void;
}

/** A user who follows the lane here. */
interface Own {
  followers: number;
  isKnown: boolean;
}

export class ReceiptTable {
  readonly id: LaneId;
  readonly #options: TableOptions;
  readonly #lane: TableLane;
  readonly #entries = new Map<UserId, Entry>();
  readonly #own = new Map<UserId, Own>();
  readonly #unread: UnreadCounts;
  /** Marks that came since the last beat, by maximum. */
  #pending = new Map<UserId, Mine>();
  /** Whose `hides` is not known, of a small lane. */
  readonly #unsure = new Set<UserId>();
  /** Everybody's marks are in `#entries`, of a small lane. */
  #isWhole = false;
  #isLooking = false;
  /** Followers are not held up: the store takes too long, or is out of reach. */
  #goOn = false;
  /** Of patience, or until the next look. */
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** Rises with each entry that moves. */
  version = 0;

  constructor(id: LaneId, lane: TableLane, options: TableOptions) {
    this.id = id;
    this.#lane = lane;
    this.#options = options;
    this.#unread = new UnreadCounts(options.unread, () => lane.wake());
  }

  join(user: UserId): void {
    const own = this.#own.get(user);
    if (own) own.followers++;
    else this.#own.set(user, { followers: 1, isKnown: false });
  }

  leave(user: UserId): void {
    const own = this.#own.get(user);
    if (!own || --own.followers > 0) return;
    this.#own.delete(user);
    this.#unread.forget(user);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** True: it may move something, at the next beat. */
  hear({ u, k, s }: Mark): boolean {
    if (!this.#isSmall && !this.#own.has(u)) return false;
    const had = this.#pending.get(u) ?? this.#entries.get(u);
    const raised = raisedBy(had, { delivered: s, read: k === 'read' ? s : 0 });
    if (!raised) return false;
    this.#pending.set(u, raised);
    return true;
  }

  /** Whose settings the next beat is to know. */
  get pendingUsers(): readonly UserId[] {
    return [...this.#pending.keys(), ...this.#unsure];
  }

  /** `settings` undefined: they cannot be read, and nothing is shown of what was read by whom it is not known that it may be. */
  beat(settings: ReadonlyMap<UserId, Settings> | undefined): void {
    const pending = this.#pending;
    this.#pending = new Map();
    this.#apply(pending, settings);
  }

  /** There are users of whom it is not known whether what they read may be shown: another beat is wanted. */
  get isUnsure(): boolean {
    return this.#unsure.size > 0;
  }

  /** Whether the marks are there that this reader is to be told before its `CaughtUp`. Else the followers are woken when they are. */
  ready({ user }: Viewer): boolean {
    if (this.#isSmall ? this.#isWhole : this.#own.get(user)?.isKnown !== false) return true;
    if (!this.#isLooking && !this.#stopped && !this.#goOn) void this.#look();
    return this.#goOn;
  }

  /**
   * What has moved after `version` and may be told to this reader, who has come to `position`. Undefined: it is not ready, and
   * the followers will be woken.
   */
  movedAfter(version: number, { user, admin }: Viewer, position: number): readonly ReceiptFrame[] | undefined {
    const { loaded } = this.#lane;
    if (!loaded || version >= this.version) return [];
    const { members } = loaded.lane;
    const own = members.has(user) ? this.#entries.get(user) : undefined;
    const frames: ReceiptFrame[] = [];
    if (own && own.moved > version) {
      const unread = this.#unread.of(loaded, user, own, position);
      if (unread === undefined) return undefined;
      frames.push(receiptFrameOf(loaded, user, own, { read: true, unread }));
    }
    if (!this.#isSmall || !(members.has(user) || admin)) return frames;
    for (const [other, entry] of this.#entries)
      if (entry.shown > version && other !== user && members.has(other))
        frames.push(receiptFrameOf(loaded, other, entry, { read: entry.hides === false, unread: null }));
    return frames;
  }

  get #isSmall(): boolean {
    const { loaded } = this.#lane;
    const isSmall = loaded !== undefined && loaded.lane.members.size <= SMALL_MEMBERS;
    // From now on others' marks are not heard.
    if (!isSmall) this.#isWhole = false;
    return isSmall;
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    this.#timer = setTimeout(() => this.#letGo(), PATIENCE_MS).unref();
    const users = [...this.#own].filter(([, { isKnown }]) => !isKnown).map(([user]) => user);
    try {
      const isSmall = this.#isSmall;
      const marks = isSmall ? await this.#options.board.of(this.id) : await this.#marksOf(users);
      const settings = isSmall ? await this.#options.settings([...marks.keys()]) : undefined;
      if (isSmall && !settings) throw new Error('no settings');
      if (this.#stopped) return;
      this.#apply(marks, settings);
      this.#isWhole = isSmall && this.#isSmall;
      for (const own of users.map((user) => this.#own.get(user))) if (own) own.isKnown = true;
      clearTimeout(this.#timer);
      this.#goOn = false;
      this.#lane.wake();
    } catch (error) {
      clearTimeout(this.#timer);
      if (this.#stopped) return;
      this.#options.log.debug({ err: error, lane: this.id }, 'marks could not be read; tried again');
      this.#timer = setTimeout(() => void this.#look(), AGAIN_MS).unref();
      this.#letGo();
    } finally {
      this.#isLooking = false;
    }
  }

  #letGo(): void {
    this.#goOn = true;
    this.#lane.wake();
  }

  async #marksOf(users: readonly UserId[]): Promise<ReadonlyMap<UserId, Mine>> {
    const { board } = this.#options;
    if (users.length > FEW_USERS) {
      const all = await board.of(this.id);
      return new Map(users.flatMap((user) => (all.has(user) ? [[user, all.get(user) as Mine]] : [])));
    }
    const each = await Promise.all(users.map((user) => board.ofUser(user, [this.id])));
    return new Map(
      each.flatMap((marks, i) => {
        const mine = marks.get(this.id);
        return mine ? [[users[i] as UserId, mine]] : [];
      }),
    );
  }

  #apply(marks: ReadonlyMap<UserId, Mine>, settings: ReadonlyMap<UserId, Settings> | undefined): void {
    const version = this.version + 1;
    const isSmall = this.#isSmall;
    for (const user of new Set([...marks.keys(), ...(settings ? this.#unsure : [])])) {
      if (settings) this.#unsure.delete(user);
      const hidden = settings?.get(user)?.hideReadMarks;
      const entry = entryAfter(this.#entries.get(user), marks.get(user), hidden, version);
      if (!entry) continue;
      this.#entries.set(user, entry);
      if (entry.hides === undefined && isSmall) this.#unsure.add(user);
      this.version = version;
    }
    if (this.version !== version) return;
    this.#forgetOthers();
    this.#lane.wake();
  }

  /** Those who are of no use any more: who has left, or who does not follow a large lane. */
  #forgetOthers(): void {
    if (this.#entries.size <= SMALL_MEMBERS + this.#own.size) return;
    const isSmall = this.#isSmall;
    const members = this.#lane.loaded?.lane.members;
    for (const user of this.#entries.keys())
      if (!this.#own.has(user) && !(isSmall && members?.has(user))) {
        this.#entries.delete(user);
        this.#unsure.delete(user);
      }
  }
}
