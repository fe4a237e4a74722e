/**
 * The marks of one partition that MongoDB may not hold yet, found by lane and user, dropped from the oldest on. Either all of
 * them, as they stand in the log, or, of a user in a lane, only those that say how far it and its devices are: then when a place
 * was reached is not known (`isThinned`).
 */
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
  /** In the order of the log. */
  readonly #order = new Set<Placed>();
  readonly #thinned = new WeakSet<readonly Placed[]>();
  #trimmedTo = 0;

  /** How many marks. */
  get size(): number {
    return this.#order.size;
  }

  /** Records come in order. `thins`: of a user in a lane that marks, what another mark makes superfluous is not held. */
  add({ marks, revision }: StoredReceipts, thins: boolean): void {
    for (const mark of marks) {
      const some = this.#some(mark);
      if (thins) {
        if (some.some((had) => covers(had.mark, mark))) continue;
        this.#thin(some, mark);
      }
      const placed = { mark, revision };
      some.push(placed);
      this.#order.add(placed);
    }
  }

  /** Drops what is at or below `upTo`. */
  trim(upTo: Revision): void {
    if (upTo <= this.#trimmedTo) return;
    this.#trimmedTo = upTo;
    for (const placed of this.#order) {
      if (placed.revision > upTo) break;
      this.#order.delete(placed);
      this.#drop(placed.mark, upTo);
    }
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

  /** Whether the first marks to reach a place may be missing. */
  isThinned(user: UserId, lane: LaneId): boolean {
    return this.#thinned.has(this.of(user, lane));
  }

  #some({ u, l }: Mark): Placed[] {
    const lanes = this.#byUser.get(u) ?? new Map<LaneId, Placed[]>();
    this.#byUser.set(u, lanes);
    const had = lanes.get(l);
    if (had) return had;
    const some: Placed[] = [];
    lanes.set(l, some);
    const users = this.#byLane.get(l);
    if (users) users.add(u);
    else this.#byLane.set(l, new Set([u]));
    return some;
  }

  #thin(some: Placed[], mark: Mark): void {
    const superfluous = some.filter((had) => covers(mark, had.mark));
    if (superfluous.length === 0) return;
    for (const had of superfluous) this.#order.delete(had);
    some.splice(0, some.length, ...some.filter((had) => this.#order.has(had)));
    this.#thinned.add(some);
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

/** Whether `b` says nothing of how far its user and its device are that `a` does not say: whatever the device's registration. */
function covers(a: Mark, b: Mark): boolean {
  if (a.s < b.s) return false;
  if (b.k === 'read') return a.k === 'read';
  return b.d === undefined || (a.k === 'delivered' && a.d === b.d && a.at >= b.at);
}
