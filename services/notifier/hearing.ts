/** Hears who acknowledges a message while it is being pushed: what is on its way then is called back, if it still can be. */
import type { LaneId, Seq, UserId } from '../../schema/ids.ts';
import type { Mark } from '../../schema/receipts.ts';
import type { Stoppable } from '../journal/journal.ts';
import type { ReceiptBoard } from '../views/receipts.ts';

export interface Hearing {
  /** True: the user has the message, by a mark that came since. */
  has(user: UserId): boolean;
  /** Fires when the user has it, or when everything is called back. */
  signalOf(user: UserId): AbortSignal;
  stop(): void;
}

export class Hearings {
  readonly #hearings = new Map<LaneId, Set<OneHearing>>();
  readonly #listening: Stoppable;

  constructor(board: Pick<ReceiptBoard, 'listen'>) {
    this.#listening = board.listen((marks) => {
      for (const mark of marks) for (const hearing of this.#hearings.get(mark.l) ?? []) hearing.heard(mark);
    });
  }

  /** Hears from now on: whoever asks the board after this call misses nothing between. */
  open(lane: LaneId, seq: Seq): Hearing {
    const hearing = new OneHearing(seq, () => {
      hearings.delete(hearing);
      if (hearings.size === 0 && this.#hearings.get(lane) === hearings) this.#hearings.delete(lane);
    });
    const hearings = this.#hearings.get(lane) ?? new Set();
    this.#hearings.set(lane, hearings.add(hearing));
    return hearing;
  }

  callBackAll(): void {
    for (const hearings of this.#hearings.values()) for (const hearing of hearings) hearing.callBack();
  }

  stop(): void {
    this.#listening.stop();
  }
}

class OneHearing implements Hearing {
  readonly #seq: Seq;
  readonly #onStop: () => void;
  readonly #have = new Set<UserId>();
  readonly #calls = new Map<UserId, AbortController>();
  #isOver = false;

  constructor(seq: Seq, onStop: () => void) {
    this.#seq = seq;
    this.#onStop = onStop;
  }

  has(user: UserId): boolean {
    return this.#have.has(user);
  }

  signalOf(user: UserId): AbortSignal {
    const call = this.#calls.get(user) ?? new AbortController();
    this.#calls.set(user, call);
    if (this.#isOver) call.abort();
    return call.signal;
  }

  heard({ u, s }: Mark): void {
    if (s < this.#seq) return;
    this.#have.add(u);
    this.#calls.get(u)?.abort();
  }

  callBack(): void {
    this.#isOver = true;
    for (const call of this.#calls.values()) call.abort();
  }

  stop(): void {
    this.#onStop();
  }
}
