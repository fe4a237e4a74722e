/** Marks as users wish them: only of conversations of theirs and of what is there, and then into the log of receipts. */
import { type DeviceId, type LaneId, type Millis, seqOf, type UserId } from '../../schema/ids.ts';
import type { Mark, MarkKind } from '../../schema/receipts.ts';
import { sightOf } from '../lane/lane.ts';
import type { Lanes, Loaded } from './lanes.ts';
import type { Receipts } from './receipts.ts';

/** Marks in one wish. Source: the limits in schema/PROTOCOL.md. */
export const MARKS_MAX = 1_000;
/** Lanes that are looked at together. */
const LANES_AT_ONCE = 64;

export interface Wish {
  readonly lane: LaneId;
  readonly seq: number;
}

export type Marked =
  /** Durably. Lanes that are not in `taken` were passed over: they are not the user's. */
  | { readonly kind: 'stored'; readonly at: Millis; readonly taken: ReadonlySet<LaneId> }
  /** The lane's last event is before the mark. Nothing is stored. */
  | { readonly kind: 'beyond'; readonly lane: LaneId }
  /** As in MarksOutcome. */
  | { readonly kind: 'unknown' | 'unavailable'; readonly message: string };

export interface MarkingOptions {
  readonly lanes: Pick<Lanes, 'peek' | 'fresh'>;
  readonly receipts: Pick<Receipts, 'mark'>;
  readonly clock: () => Millis;
}

export class Marking {
  readonly #options: MarkingOptions;

  constructor(options: MarkingOptions) {
    this.#options = options;
  }

  /** At most MARKS_MAX wishes; `device` says which one has it. Throws JournalUnavailable, PoisonedLane; then nothing is stored. */
  async mark(user: UserId, kind: MarkKind, wishes: readonly Wish[], device?: DeviceId): Promise<Marked> {
    const highest = new Map<LaneId, number>();
    for (const { lane, seq } of wishes) highest.set(lane, Math.max(seq, highest.get(lane) ?? 0));
    const at = this.#options.clock();
    const marks: Mark[] = [];
    const taken = new Set<LaneId>();
    const wanted = [...highest];
    for (let i = 0; i < wanted.length; i += LANES_AT_ONCE) {
      const some = wanted.slice(i, i + LANES_AT_ONCE);
      const places = await Promise.all(some.map(([lane, seq]) => this.#placeOf(user, lane, seq)));
      for (const [j, [lane, seq]] of some.entries()) {
        const place = places[j];
        if (place === 'beyond') return { kind: 'beyond', lane };
        if (place === 'foreign') continue;
        taken.add(lane);
        if (seq > 0) marks.push({ u: user, ...(device ? { d: device } : {}), l: lane, k: kind, s: seqOf(seq), at });
      }
    }
    if (marks.length === 0) return { kind: 'stored', at, taken };
    const outcome = await this.#options.receipts.mark(marks);
    return outcome.kind === 'stored' ? { kind: 'stored', at, taken } : outcome;
  }

  async #placeOf(user: UserId, lane: LaneId, seq: number): Promise<Place> {
    const { lanes } = this.#options;
    const known = lanes.peek(lane);
    // What was so once is enough to take a mark. Only that it is not so has to be asked of the lane as it is now.
    if (known && placeIn(known, user, seq) === 'there') return 'there';
    return placeIn(await lanes.fresh(lane), user, seq);
  }
}

type Place = 'there' | 'beyond' | 'foreign';

/** Who has left may still mark what came before. */
function placeIn({ lane }: Loaded, user: UserId, seq: number): Place {
  const sight = sightOf(lane, user, false);
  if (!sight) return 'foreign';
  if (seq <= Math.min(lane.seq, sight.to)) return 'there';
  return seq > lane.seq && sight.to === Number.POSITIVE_INFINITY ? 'beyond' : 'foreign';
}
