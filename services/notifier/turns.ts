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
  /** Of one lane, where more than half of `held` is taken. What comes beyond is told so, and does not wait for the others. */
  readonly heldOfLane: number;
}
/** Must not reject. `isBeyond`: there are too many of its lane, and it runs beside them, one such at a time. */
export type Job = (isBeyond: boolean) => Promise<void>;

export class Turns {
  readonly #limits: TurnsLimits;
  /** Of each lane, and of what is beyond. The first of each runs, or is ready. */
  readonly #lines = new Map<string, Job[]>();
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

  add(lane: LaneId, job: Job): void {
    this.#held++;
    const ofLane = this.#lines.get(lane)?.length ?? 0;
    const isBeyond = ofLane >= this.#limits.heldOfLane && this.#held > this.#limits.held / 2;
    const name = isBeyond ? `${lane} beyond` : lane;
    const line = this.#lines.get(name);
    if (line) line.push(job);
    else {
      this.#lines.set(name, [job]);
      this.#ready.push(() => this.#runFirst(name, isBeyond));
    }
    this.#start();
  }

  /** Settles when one more is done. One call at a time. */
  left(): Promise<void> {
    return new Promise((resolve) => {
      this.#left = resolve;
    });
  }

  async #runFirst(name: string, isBeyond: boolean): Promise<void> {
    const line = this.#lines.get(name) ?? [];
    await line[0]?.(isBeyond);
    line.shift();
    if (line.length > 0) this.#ready.push(() => this.#runFirst(name, isBeyond));
    else this.#lines.delete(name);
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
