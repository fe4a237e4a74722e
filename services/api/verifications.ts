/**
 * The way to what is costly to find out: so many at once, and a bounded line for the others, in which the addresses take turns.
 * Whoever comes with many holds up those of other addresses by one turn each.
 */
import { FairLine } from '../fair-line.ts';

export interface VerificationLimits {
  readonly running: number;
  readonly waiting: number;
}

type Waiter = (isTurn: boolean) => void;

export class Verifications {
  readonly #limits: VerificationLimits;
  readonly #line = new FairLine<string, Waiter>();
  #running = 0;

  constructor(limits: VerificationLimits) {
    this.#limits = limits;
  }

  /** What `work` gives. Undefined: the line is full, mostly of requests from `address`; nothing was done. */
  async run<T>(address: string, work: () => Promise<T>): Promise<T | undefined> {
    if (this.#running < this.#limits.running) this.#running++;
    else if (!(await this.#turn(address))) return undefined;
    try {
      return await work();
    } finally {
      const next = this.#line.next();
      if (next) next(true);
      else this.#running--;
    }
  }

  #turn(address: string): Promise<boolean> {
    return new Promise((resolve) => {
      const isFull = this.#line.size >= this.#limits.waiting;
      const leaving = isFull ? this.#line.makeRoom(address) : undefined;
      leaving?.(false);
      if (isFull && !leaving) resolve(false);
      else this.#line.add(address, resolve);
    });
  }
}
