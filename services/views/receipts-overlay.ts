/** The marks of one partition that MongoDB may not hold yet, as they stand in the log: found by lane and user, dropped from the oldest on. */
import type { LaneId, Revision, UserId } from '../../schema/ids.ts';
import type { Mark } from '../../schema/receipts.ts';
import type { StoredReceipts } from '../journal/receipts.ts';

export interface Placed {
  readonly mark: Mark;
  readonly revision: Revision;
}
const NONE: readonly Placed[] = [];
const NO_LANES: ReadonlyMap<LaneId, readonly Placed[]> = new Map();

export class Overlay {
  readonly #byUser = new Map<UserId, Map<LaneId, Placed[]>>();
  readonly #byLane = new Map<LaneId, Set<UserId>>();
  /** In order, from `#first` on: to drop the oldest costs nothing, however many there are. */
  #records: StoredReceipts[] = [];
  #first = 0;
  #size = 0;

  /** How many marks. */
  get size(): number {
    return this.#size;
  }

  /** Records come in order. */
  add(stored: StoredReceipts): void {
    this.#records.push(stored);
    this.#size += stored.marks.length;
    for (const mark of stored.marks) {
      const lanes = this.#byUser.get(mark.u) ?? new Map<LaneId, Placed[]>();
      this.#byUser.set(mark.u, lanes);
      const placed = { mark, revision: stored.revision };
      const some = lanes.get(mark.l);
      if (some) some.push(placed);
      else {
        lanes.set(mark.l, [placed]);
        const users = this.#byLane.get(mark.l);
        if (users) users.add(mark.u);
        else this.#byLane.set(mark.l, new Set([mark.u]));
      }
    }
  }

  /** Drops what is at or below `upTo`; how many marks that was. */
  trim(upTo: Revision): number {
    const before = this.#size;
    for (let record = this.#records[this.#first]; record && record.revision <= upTo; ) {
      for (const mark of record.marks) this.#drop(mark, upTo);
      this.#size -= record.marks.length;
      record = this.#records[++this.#first];
    }
    if (this.#first >= 1_024 || this.#first === this.#records.length) {
      this.#records = this.#records.slice(this.#first);
      this.#first = 0;
    }
    return before - this.#size;
  }

  usersOf(lane: LaneId): Iterable<UserId> {
    return this.#byLane.get(lane) ?? [];
  }

  /** In the order of the log. */
  of(user: UserId, lane: LaneId): readonly Placed[] {
    return this.#byUser.get(user)?.get(lane) ?? NONE;
  }

  lanesOf(user: UserId): ReadonlyMap<LaneId, readonly Placed[]> {
    return this.#byUser.get(user) ?? NO_LANES;
  }

  #drop({ u, l }: Mark, upTo: Revision): void {
    const lanes = this.#byUser.get(u);
    const placed = lanes?.get(l);
    // Another mark of the same two took it along.
    if (!lanes || !placed || (placed[0] as Placed).revision > upTo) return;
    const kept = placed.findIndex(({ revision }) => revision > upTo);
    if (kept > 0) {
      placed.splice(0, kept);
      return;
    }
    lanes.delete(l);
    if (lanes.size === 0) this.#byUser.delete(u);
    const users = this.#byLane.get(l);
    users?.delete(u);
    if (users?.size === 0) this.#byLane.delete(l);
  }
}
