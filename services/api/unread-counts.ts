/** Unread counts of those who follow one lane: counted once for each mark that moved, however many devices follow. */
import type { UserId } from '../../schema/ids.ts';
import type { Loaded } from '../journal/lanes.ts';
import { sightOf } from '../lane/lane.ts';
import { readSeqOf, type Unread } from '../views/unread.ts';
import type { Entry } from './receipt-entry.ts';

/** A count begun so shortly ago is new enough, whatever came into the lane meanwhile. */
const FRESH_MS = 1_000;
/** A frame waits so long for its count, then it goes without. */
const PATIENCE_MS = 1_000;

interface Count {
  readonly entry: Entry;
  /** The lane's last seq, and the time, when it was begun. */
  readonly seq: number;
  readonly at: number;
  /** Undefined: it is being counted. */
  value: number | null | undefined;
  /** Since when a reader waits for this one, or for one before it that was overtaken. */
  readonly askedAt: number;
}

export class UnreadCounts {
  readonly #unread: Pick<Unread, 'of'>;
  readonly #wake: () => void;
  readonly #counts = new Map<UserId, Count>();

  /** `wake` is called when a count is there that was not when it was asked for. */
  constructor(unread: Pick<Unread, 'of'>, wake: () => void) {
    this.#unread = unread;
    this.#wake = wake;
  }

  forget(user: UserId): void {
    this.#counts.delete(user);
  }

  /** For a reader who has come to `position`. Undefined: it is being counted. Null: it cannot be, or takes too long. */
  of(loaded: Loaded, user: UserId, entry: Entry, position: number): number | null | undefined {
    const now = performance.now();
    const known = this.#counts.get(user);
    const isCurrent = known?.entry === entry;
    if (isCurrent && known.value !== undefined && (known.seq >= position || now - known.at < FRESH_MS))
      return known.value;
    const askedAt = known && known.value === undefined ? known.askedAt : now;
    if (!isCurrent || known.value !== undefined) this.#begin(loaded, user, entry, { at: now, askedAt });
    return now - askedAt > PATIENCE_MS ? null : undefined;
  }

  #begin(loaded: Loaded, user: UserId, entry: Entry, times: Pick<Count, 'at' | 'askedAt'>): void {
    const count: Count = { ...times, entry, seq: loaded.lane.seq, value: undefined };
    this.#counts.set(user, count);
    const counted = (value: number | null): void => {
      count.value = value;
      this.#wake();
    };
    const sight = sightOf(loaded.lane, user, false);
    if (!sight) counted(null);
    else this.#unread.of(loaded, sight, user, readSeqOf(loaded, user, entry)).then(counted, () => counted(null));
  }
}
