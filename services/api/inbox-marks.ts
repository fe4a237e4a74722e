/**
 * How far members are, of those lanes of connected users in which a mark has moved lately: read once of each, and kept up with
 * what is heard.
 */
import type { LaneId, UserId } from '../../schema/ids.ts';
import type { Mark } from '../../schema/receipts.ts';
import type { Mine, ReceiptBoard } from '../views/receipts.ts';

/** Lanes whose marks are kept; the one that was not looked at for the longest goes first. */
const LANES_MAX = 20_000;

interface Entry {
  /** Of each of these, how far it is. */
  readonly marks: Map<UserId, Mine>;
  /** Who is not among `marks` has none. */
  isWhole: boolean;
  /** What was heard of others while they were read. */
  readonly early: Map<UserId, Mine>;
  reading: number;
}

export class InboxMarks {
  readonly #board: Pick<ReceiptBoard, 'of' | 'ofUser'>;
  readonly #lanes = new Map<LaneId, Entry>();

  constructor(board: Pick<ReceiptBoard, 'of' | 'ofUser'>) {
    this.#board = board;
  }

  /** What it raises, where that can be told. */
  hear({ u, l, k, s }: Mark): 'nothing' | 'delivered' | 'read' | 'unknown' {
    const entry = this.#lanes.get(l);
    if (!entry) return 'unknown';
    const mine = { delivered: s, read: k === 'read' ? s : 0 };
    const had = entry.marks.get(u) ?? (entry.isWhole ? NONE : undefined);
    if (!had) {
      if (entry.reading > 0) entry.early.set(u, mergedOf(entry.early.get(u), mine));
      return 'unknown';
    }
    const now = mergedOf(had, mine);
    entry.marks.set(u, now);
    if (now.delivered > had.delivered) return 'delivered';
    return now.read > had.read ? 'read' : 'nothing';
  }

  /** Of everybody in the lane. Throws as the board. */
  async ofAll(lane: LaneId): Promise<ReadonlyMap<UserId, Mine>> {
    const entry = this.#entry(lane);
    if (entry.isWhole) return entry.marks;
    await this.#read(entry, async () => {
      const all = await this.#board.of(lane);
      entry.isWhole = true;
      return all;
    });
    return entry.marks;
  }

  /** Of these alone. Throws as the board. */
  async ofSome(lane: LaneId, users: Iterable<UserId>): Promise<ReadonlyMap<UserId, Mine>> {
    const entry = this.#entry(lane);
    const unknown = entry.isWhole ? [] : [...users].filter((user) => !entry.marks.has(user));
    if (unknown.length > 0)
      await this.#read(entry, async () => {
        const each = unknown.map(async (user): Promise<[UserId, Mine]> => {
          return [user, (await this.#board.ofUser(user, [lane])).get(lane) ?? NONE];
        });
        return new Map(await Promise.all(each));
      });
    return entry.marks;
  }

  /** Nobody here is in the lane any more: nothing more is heard of it. */
  forget(lane: LaneId): void {
    this.#lanes.delete(lane);
  }

  async #read(entry: Entry, read: () => Promise<ReadonlyMap<UserId, Mine>>): Promise<void> {
    entry.reading++;
    try {
      for (const [user, mine] of await read()) entry.marks.set(user, mergedOf(entry.marks.get(user), mine));
      for (const [user, mine] of entry.early)
        if (entry.isWhole || entry.marks.has(user)) entry.marks.set(user, mergedOf(entry.marks.get(user), mine));
    } finally {
      if (--entry.reading === 0) entry.early.clear();
    }
  }

  #entry(lane: LaneId): Entry {
    const entry = this.#lanes.get(lane) ?? { marks: new Map(), isWhole: false, early: new Map(), reading: 0 };
    this.#lanes.delete(lane);
    this.#lanes.set(lane, entry);
    for (const oldest of this.#lanes.keys()) {
      if (this.#lanes.size <= LANES_MAX) break;
      this.#lanes.delete(oldest);
    }
    return entry;
  }
}

const NONE: Mine = { delivered: 0, read: 0 };

/** The higher of each; reading implies delivered. */
export function mergedOf(had: Mine | undefined, mine: Mine): Mine {
  const read = Math.max(had?.read ?? 0, mine.read);
  return { delivered: Math.max(had?.delivered ?? 0, mine.delivered, read), read };
}
