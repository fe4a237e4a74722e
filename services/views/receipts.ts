/**
 * How far members are, for readers: MongoDB up to the projector's position, and the log of receipts itself after it.
 */
import type { Db } from 'mongodb';
import { type DeviceId, type LaneId, type Millis, revisionOf, seqOf, type UserId } from '../../schema/ids.ts';
import type { Mark } from '../../schema/receipts.ts';
import { partitionOf } from '../../schema/subjects.ts';
import { Fresh } from '../journal/fresh.ts';
import { JournalUnavailable, type Stoppable } from '../journal/journal.ts';
import type { ReceiptLog } from '../journal/receipts.ts';
import type { Logger } from '../logger.ts';
import { Unprojected } from '../unprojected-metrics.ts';
import { askMongo, HistoryUnavailable } from './ask.ts';
import type { Mongo } from './connect.ts';
import type { Overlay, Placed } from './receipts-overlay.ts';
import {
  readDeviceMarks,
  readMarksOfLane,
  readMarksOfUser,
  readPositions,
  readReached,
  readUserMarks,
} from './receipts-read.ts';
import type { MarksDocument } from './receipts-store.ts';
import { type Pin, ReceiptTail, Room } from './receipts-tail.ts';
import { firstOf, firstOfThinned, type When, whenOf } from './receipts-when.ts';

/** Seqs; 0: never. `delivered` ≥ `read`. */
export interface Mine {
  readonly delivered: number;
  readonly read: number;
}

export interface Progress extends Mine {
  readonly acknowledged: number;
}

/**
 * Every question is answered as fresh as the log was at the call (asked of its leader), or throws HistoryUnavailable or
 * JournalUnavailable within about 3 s. Nobody's marks are left out instead. Whoever has no mark is not in the map.
 */
export interface ReceiptBoard {
  of(lane: LaneId): Promise<ReadonlyMap<UserId, Mine>>;
  ofUser(user: UserId, lanes: readonly LaneId[]): Promise<ReadonlyMap<LaneId, Mine>>;
  /** What this device has acknowledged; with `since`, only by marks from then on (a device that was registered anew). */
  device(user: UserId, device: DeviceId, since?: Millis): Promise<ReadonlyMap<LaneId, number>>;
  /** Both, of all lanes in which the user has a mark; `acknowledged` is the device's, 0 where it has none. */
  progress(user: UserId, device: DeviceId, since?: Millis): Promise<ReadonlyMap<LaneId, Progress>>;
  /** HistoryUnavailable also where so many marks are not in MongoDB that the first ones to reach a place are not held. */
  when(lane: LaneId, user: UserId, seq: number): Promise<When>;
  /** The same, of many members of one lane, in few requests. Users who have not received it are not in the map. */
  whenAll(lane: LaneId, users: readonly UserId[], seq: number): Promise<ReadonlyMap<UserId, When>>;
  /**
   * Every mark soon after it is stored, in the order of its partition, also those that raise nothing; after a start, some that
   * are older. `onMarks` must not throw.
   */
  listen(onMarks: (marks: readonly Mark[]) => void): Stoppable;
  readonly unprojected: Unprojected;
  stop(): Promise<void>;
}

export interface MarksLimits {
  /** Marks held that MongoDB may not have yet, of 250 bytes each, or 870 where each is of another user and lane: measured. */
  readonly maxMarks?: number | undefined;
  /** Where so many are held, of each user in a lane only those are that say how far it and its devices are. */
  readonly timedMarks?: number | undefined;
}

export interface ReceiptBoardOptions extends MarksLimits {
  readonly receipts: ReceiptLog;
  readonly mongo: Mongo;
  readonly log: Logger;
  /** How often the projector's positions are read, so that what MongoDB holds is dropped here. */
  readonly positionsMs?: number;
}

/** Does not wait for MongoDB or NATS. Neither is closed with it. */
export function openReceiptBoard(options: ReceiptBoardOptions): ReceiptBoard {
  return new Board(options);
}

const MARKS_MAX = 500_000;
const TIMED_PART = 2;
const POSITIONS_MS = 1_000;
const FIRST_POSITIONS_MS = 100;

class Board implements ReceiptBoard {
  readonly unprojected: Unprojected;
  readonly #mongo: Mongo;
  readonly #log: Logger;
  readonly #tails: readonly ReceiptTail[];
  readonly #lanes = new Fresh<LaneId, ReadonlyMap<UserId, Mine>>((lane) => this.#readLane(lane));
  readonly #listeners = new Set<(marks: readonly Mark[]) => void>();
  readonly #positionsMs: number;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: ReceiptBoardOptions) {
    const { receipts, mongo, log, maxMarks: max = MARKS_MAX, positionsMs = POSITIONS_MS } = options;
    this.#positionsMs = positionsMs;
    this.#mongo = mongo;
    this.#log = log;
    this.unprojected = new Unprojected({ what: 'marks', max, log });
    const room = new Room(this.unprojected, options.timedMarks ?? max / TIMED_PART);
    const onMarks = (marks: readonly Mark[]): void => {
      for (const tell of this.#listeners) tell(marks);
    };
    this.#tails = Array.from(
      { length: receipts.partitions },
      (_, partition) => new ReceiptTail({ receipts, partition, room, log, onMarks }),
    );
    void this.#learnPositions();
  }

  of(lane: LaneId): Promise<ReadonlyMap<UserId, Mine>> {
    return this.#lanes.ask(lane);
  }

  #readLane(lane: LaneId): Promise<ReadonlyMap<UserId, Mine>> {
    const read = (db: Db) => readMarksOfLane(db, lane);
    return this.#fresh([lane], read, (documents, overlayOf) => {
      const all = new Map(documents.map((document): [UserId, Mine] => [document._id.u, mineOf(document)]));
      const overlay = overlayOf(lane);
      for (const user of overlay.usersOf(lane)) all.set(user, raised(all.get(user), overlay.of(user, lane)));
      return all;
    });
  }

  ofUser(user: UserId, lanes: readonly LaneId[]): Promise<ReadonlyMap<LaneId, Mine>> {
    const read = (db: Db) => readMarksOfUser(db, user, lanes);
    return this.#fresh(lanes, read, (documents, overlayOf) => {
      const known = new Map(documents.map((document) => [document._id.l, mineOf(document)]));
      const all = new Map<LaneId, Mine>();
      for (const lane of lanes) {
        const placed = overlayOf(lane).of(user, lane);
        const had = known.get(lane);
        if (had || placed.length > 0) all.set(lane, raised(had, placed));
      }
      return all;
    });
  }

  device(user: UserId, device: DeviceId, since: Millis = 0): Promise<ReadonlyMap<LaneId, number>> {
    const read = (db: Db) => readDeviceMarks(db, user, device);
    return this.#freshAll(read, (documents, overlays) => {
      const all = new Map<LaneId, number>();
      for (const [lane, { s, at }] of documents) if (at >= since) all.set(lane, s);
      for (const overlay of overlays)
        for (const [lane, placed] of overlay.lanesOf(user))
          for (const { mark } of placed)
            if (mark.d === device && mark.k === 'delivered' && mark.at >= since)
              all.set(lane, Math.max(mark.s, all.get(lane) ?? 0));
      return all;
    });
  }

  progress(user: UserId, device: DeviceId, since: Millis = 0): Promise<ReadonlyMap<LaneId, Progress>> {
    const read = (db: Db) => readUserMarks(db, user, device);
    return this.#freshAll(read, (marks, overlays) => {
      const all = new Map<LaneId, Progress>();
      for (const { lane, d, r, s, at } of marks)
        all.set(lane, { delivered: Math.max(d, r), read: r, acknowledged: at >= since ? s : 0 });
      for (const overlay of overlays)
        for (const [lane, placed] of overlay.lanesOf(user)) {
          const own = placed.flatMap(({ mark: { d, k, at, s } }) =>
            d === device && k === 'delivered' && at >= since ? s : [],
          );
          const had = all.get(lane);
          all.set(lane, { ...raised(had, placed), acknowledged: Math.max(had?.acknowledged ?? 0, ...own) });
        }
      return all;
    });
  }

  async when(lane: LaneId, user: UserId, seq: number): Promise<When> {
    return (await this.whenAll(lane, [user], seq)).get(user) ?? {};
  }

  whenAll(lane: LaneId, users: readonly UserId[], seq: number): Promise<ReadonlyMap<UserId, When>> {
    const asks = users.flatMap((user) => [
      { user, kind: 'delivered' as const },
      { user, kind: 'read' as const },
    ]);
    const read = (db: Db) => readReached(db, lane, asks, seqOf(seq));
    return this.#fresh([lane], read, (documents, overlayOf) => {
      const folded = new Map(documents.map((document) => [`${document._id.k} ${document._id.u}`, document]));
      const overlay = overlayOf(lane);
      return new Map(
        users.flatMap((user): [UserId, When][] => {
          const placed = overlay.of(user, lane);
          const first = overlay.isThinned(user, lane) ? firstOfThinned : firstOf;
          const delivered = first(placed, folded.get(`delivered ${user}`), seq);
          const seen = placed.filter(({ mark }) => mark.k === 'read');
          const when = whenOf(delivered, first(seen, folded.get(`read ${user}`), seq));
          return when ? [[user, when]] : [];
        }),
      );
    });
  }

  listen(onMarks: (marks: readonly Mark[]) => void): Stoppable {
    const tell = (marks: readonly Mark[]): void => onMarks(marks);
    this.#listeners.add(tell);
    return { stop: () => this.#listeners.delete(tell) };
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    for (const tail of this.#tails) tail.stop();
    return Promise.resolve();
  }

  async #fresh<Found, Answer>(
    lanes: readonly LaneId[],
    read: (db: Db) => Promise<Found>,
    fold: (found: Found, overlayOf: (lane: LaneId) => Overlay) => Answer,
  ): Promise<Answer> {
    const placeOf = (lane: LaneId): number => partitionOf(lane, this.#tails.length);
    const partitions = [...new Set(lanes.map(placeOf))];
    return this.#together(partitions, read, (found, overlays) =>
      fold(found, (lane) => overlays.get(placeOf(lane)) as Overlay),
    );
  }

  #freshAll<Found, Answer>(
    read: (db: Db) => Promise<Found>,
    fold: (found: Found, overlays: Iterable<Overlay>) => Answer,
  ): Promise<Answer> {
    return this.#together([...this.#tails.keys()], read, (found, overlays) => fold(found, overlays.values()));
  }

  /**
   * One round: MongoDB is read while the log is followed to its end. What MongoDB has from then on reaches at least to the
   * watermarks, and nothing after them is dropped before both are put together.
   */
  async #together<Found, Answer>(
    partitions: readonly number[],
    read: (db: Db) => Promise<Found>,
    fold: (found: Found, overlays: ReadonlyMap<number, Overlay>) => Answer,
  ): Promise<Answer> {
    const pins = new Map<number, Pin>();
    try {
      const tails = partitions.map((partition) => this.#tails[partition] as ReceiptTail);
      const pinned = await Promise.allSettled(tails.map((tail) => tail.pin()));
      for (const [i, one] of pinned.entries())
        if (one.status === 'fulfilled') pins.set(partitions[i] as number, one.value);
      for (const one of pinned) if (one.status === 'rejected') throw one.reason;
      const [found] = await Promise.all([
        askMongo(this.#mongo, this.#log, read),
        ...tails.map((tail) => tail.upToEnd()),
      ]);
      for (const { isWhole } of pins.values())
        if (!isWhole) throw new JournalUnavailable('the log of receipts was begun anew while it was read');
      return fold(found, new Map([...pins].map(([partition, { overlay }]) => [partition, overlay])));
    } finally {
      for (const pin of pins.values()) pin.release();
    }
  }

  async #learnPositions(): Promise<void> {
    try {
      const positions = await askMongo(this.#mongo, this.#log, readPositions);
      await Promise.all(this.#tails.map((tail, p) => tail.learn(positions.get(p) ?? { revision: revisionOf(0) })));
    } catch (error) {
      if (!(error instanceof HistoryUnavailable)) this.#log.error({ err: error }, 'positions of receipts not read');
    }
    if (this.#isStopped) return;
    const isWhole = this.#tails.every((tail) => tail.isFollowing);
    this.#timer = setTimeout(() => void this.#learnPositions(), isWhole ? this.#positionsMs : FIRST_POSITIONS_MS);
  }
}

const mineOf = ({ d = seqOf(0), r = seqOf(0) }: MarksDocument): Mine => ({ delivered: Math.max(d, r), read: r });

function raised(mine: Mine | undefined, placed: readonly Placed[]): Mine {
  let { delivered, read } = mine ?? { delivered: 0, read: 0 };
  for (const { mark } of placed) {
    delivered = Math.max(delivered, mark.s);
    if (mark.k === 'read') read = Math.max(read, mark.s);
  }
  return { delivered, read };
}
