/**
 * Marks as one request asks for them: what many of its fields want is asked for together, once. Each answer is as fresh as the
 * log of receipts was when the request came, or later.
 */
import type { LaneId, Millis, UserId } from '../../schema/ids.ts';
import type { Devices } from '../views/devices.ts';
import type { Mine, ReceiptBoard } from '../views/receipts.ts';
import type { RequestContext } from './context.ts';

export interface MarkStores {
  readonly board: Pick<ReceiptBoard, 'of' | 'ofUser'>;
  readonly devices: Pick<Devices, 'settings' | 'mutesOf'>;
  readonly clock: () => Millis;
}

/** Answers questions in batches: those that are asked in one turn of the loop are one. Remembered until `forget`. */
class Batched<K, V> {
  readonly #read: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>;
  readonly #asked = new Map<K, Promise<V | undefined>>();
  #batch: { readonly keys: K[]; readonly answers: Promise<ReadonlyMap<K, V>> } | undefined;

  constructor(read: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>) {
    this.#read = read;
  }

  ask(key: K): Promise<V | undefined> {
    const known = this.#asked.get(key);
    if (known) return known;
    const batch = this.#batch ?? this.#begin();
    batch.keys.push(key);
    const answer = batch.answers.then((answers) => answers.get(key));
    this.#asked.set(key, answer);
    return answer;
  }

  forget(): void {
    this.#asked.clear();
  }

  #begin() {
    const keys: K[] = [];
    const answers = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      this.#batch = undefined;
      return this.#read(keys);
    });
    this.#batch = { keys, answers };
    return this.#batch;
  }
}

export class RequestMarks {
  readonly #board: MarkStores['board'];
  readonly #own: Batched<LaneId, Mine>;
  readonly #mutes: Batched<LaneId, Millis>;
  readonly #hiding: Batched<UserId, boolean>;
  readonly #all = new Map<LaneId, Promise<ReadonlyMap<UserId, Mine>>>();

  constructor({ board, devices, clock }: MarkStores, user: UserId) {
    this.#board = board;
    this.#own = new Batched((lanes) => board.ofUser(user, lanes));
    this.#mutes = new Batched((lanes) => devices.mutesOf(user, lanes, clock()));
    this.#hiding = new Batched(async (users) => {
      const settings = await devices.settings(users);
      return new Map([...settings].map(([one, { hideReadMarks }]) => [one, hideReadMarks]));
    });
  }

  /** The caller's own in a lane. Undefined: none. Throws HistoryUnavailable, JournalUnavailable, as all of these. */
  own(lane: LaneId): Promise<Mine | undefined> {
    return this.#own.ask(lane);
  }

  /** Everybody's in a lane. */
  all(lane: LaneId): Promise<ReadonlyMap<UserId, Mine>> {
    const asked = this.#all.get(lane) ?? this.#board.of(lane);
    this.#all.set(lane, asked);
    return asked;
  }

  /** Whether this user hides what it has read. */
  async hides(user: UserId): Promise<boolean> {
    return (await this.#hiding.ask(user)) ?? false;
  }

  /** Until when the caller has muted a lane. */
  mutedUntil(lane: LaneId): Promise<Millis | undefined> {
    return this.#mutes.ask(lane);
  }

  /** What was read so far is old: the caller has changed something. */
  forget(): void {
    this.#own.forget();
    this.#all.clear();
    this.#mutes.forget();
    this.#hiding.forget();
  }
}

/** Of each request, its own. */
export function requestMarks(stores: MarkStores): (context: RequestContext) => RequestMarks {
  const known = new WeakMap<RequestContext, RequestMarks>();
  return (context) => {
    const marks = known.get(context) ?? new RequestMarks(stores, context.identity.actor.user);
    known.set(context, marks);
    return marks;
  };
}
