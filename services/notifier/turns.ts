/**
 * Which of the items that were taken from the queue is worked on next. Of each lane one at a time, in their order, and the lanes
 * take turns: one that has much to do holds up nobody else. An item has a place only while it is worked on.
 */
import type { LaneId } from '../../schema/ids.ts';

export interface TurnsLimits {
  /** Worked on at once. */
  readonly running: number;
  /** Held, whether worked on or not. */
  readonly held: number;
  /** Of one lane, where more than half of `held` is taken: what comes beyond is not held. */
  readonly heldOfLane: number;
}
/** Must not reject. */
export type Job = () => Promise<void>;

export class Turns {
  readonly #limits: TurnsLimits;
  /** The first of each runs, or is ready. */
  readonly #lines = new Map<LaneId, Job[]>();
  readonly #ready: (() => Promise<void>)[] = [];
  #held = 0;
  #running = 0;
  #left: (() => void) | undefined;

  constructor(limits: TurnsLimits) {
    this.#limits = limits;
  }

  get held(): number {
    return this.#held;
  }
  /** How many more may be added. */
  get room(): number {
    return this.#limits.held - this.#held;
  }

  /** False: too much of its lane is held already, and this is not. */
  add(lane: LaneId, job: Job): boolean {
    const { held, heldOfLane } = this.#limits;
    const line = this.#lines.get(lane);
    if (line && line.length >= heldOfLane && this.#held >= held / 2) return false;
    this.#held++;
    if (line) line.push(job);
    else {
      this.#lines.set(lane, [job]);
      this.#ready.push(() => this.#runFirst(lane));
    }
    this.#start();
    return true;
  }

  /** Settles when one more is done. One call at a time. */
  left(): Promise<void> {
    return new Promise((resolve) => {
      this.#left = resolve;
    });
  }

  async #runFirst(lane: LaneId): Promise<void> {
    const line = this.#lines.get(lane) ?? [];
    await line[0]?.();
    line.shift();
    if (line.length > 0) this.#ready.push(() => this.#runFirst(lane));
    else this.#lines.delete(lane);
  }

  #start(): void {
    while (this.#running < this.#limits.running) {
      const next = this.#ready.shift();
      if (!next) return;
      this.#running++;
      void next().finally(() => {
        this.#running--;
        this.#held--;
        this.#start();
        this.#left?.();
      });
    }
  }
}
