/**
 * The way to what is costly to find out: so many at once, and a bounded line for the others, in which the addresses take turns.
 * Whoever comes with many holds up those of other addresses by one turn each.
 */
export interface VerificationLimits {
  readonly running: number;
  readonly waiting: number;
}

type Waiter = (isTurn: boolean) => void;

export class Verifications {
  readonly #limits: VerificationLimits;
  #running = 0;
  #waiting = 0;
  /** Whose turn is next stands first; none is empty. */
  readonly #lines = new Map<string, Waiter[]>();

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
      const next = this.#next();
      if (next) next(true);
      else this.#running--;
    }
  }

  #turn(address: string): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#waiting >= this.#limits.waiting && !this.#makeRoom(address)) resolve(false);
      else {
        const line = this.#lines.get(address);
        if (line) line.push(resolve);
        else this.#lines.set(address, [resolve]);
        this.#waiting++;
      }
    });
  }

  /** The last one of the address that has most goes. False: `address` would then have as many. */
  #makeRoom(address: string): boolean {
    const own = this.#lines.get(address)?.length ?? 0;
    let longest: readonly [string, Waiter[]] | undefined;
    for (const entry of this.#lines) if (entry[1].length > (longest?.[1].length ?? own + 1)) longest = entry;
    const last = longest?.[1].pop();
    if (!longest || !last) return false;
    if (longest[1].length === 0) this.#lines.delete(longest[0]);
    this.#waiting--;
    last(false);
    return true;
  }

  #next(): Waiter | undefined {
    const [first] = this.#lines;
    if (!first) return undefined;
    const [address, line] = first;
    this.#lines.delete(address);
    const next = line.shift();
    // Behind the others.
    if (line.length > 0) this.#lines.set(address, line);
    this.#waiting--;
    return next;
  }
}
