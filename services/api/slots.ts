/**
 * The way to what is costly: so many at once, and a line for the others, in which those who ask (users, addresses) take turns.
 * Whoever comes with many holds up another by one turn each.
 */
export interface SlotLimits {
  readonly running: number;
  /** Of one who asks, at once; the others of its own wait, whatever is free. Default: `running`. */
  readonly each?: number;
  /** Default: who waits is bounded by who may ask. */
  readonly waiting?: number;
}

type Waiter = (isTurn: boolean) => void;

export class Slots {
  readonly #running: number;
  readonly #each: number;
  readonly #mayWait: number;
  #free: number;
  #waiting = 0;
  /** How many are running, of those who have any. */
  readonly #own = new Map<string, number>();
  /** Whose turn is next stands first; none is empty. */
  readonly #lines = new Map<string, Waiter[]>();

  constructor({ running, each = running, waiting = Number.POSITIVE_INFINITY }: SlotLimits) {
    this.#running = running;
    this.#each = each;
    this.#mayWait = waiting;
    this.#free = running;
  }

  get running(): number {
    return this.#running - this.#free;
  }

  /** What `work` gives, in `who`'s turn. Where waiting is bounded, see `tryHold`. */
  hold<T>(who: string, work: () => Promise<T>): Promise<T> {
    return this.tryHold(who, work) as Promise<T>;
  }

  /** Undefined: the line is full, mostly of `who`'s own; nothing was done. */
  async tryHold<T>(who: string, work: () => Promise<T>): Promise<T | undefined> {
    if (this.#free > 0 && this.#mayRun(who)) this.#begin(who);
    else if (!(await this.#turn(who))) return undefined;
    try {
      return await work();
    } finally {
      this.#end(who);
    }
  }

  #mayRun(who: string): boolean {
    return (this.#own.get(who) ?? 0) < this.#each;
  }

  #begin(who: string): void {
    this.#free--;
    this.#own.set(who, (this.#own.get(who) ?? 0) + 1);
  }

  #end(who: string): void {
    this.#free++;
    const own = (this.#own.get(who) ?? 1) - 1;
    if (own > 0) this.#own.set(who, own);
    else this.#own.delete(who);
    this.#next();
  }

  #turn(who: string): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#waiting >= this.#mayWait && !this.#makeRoom(who)) resolve(false);
      else {
        const line = this.#lines.get(who);
        if (line) line.push(resolve);
        else this.#lines.set(who, [resolve]);
        this.#waiting++;
      }
    });
  }

  /** The last one of whoever has most goes. False: `who` would then have as many. */
  #makeRoom(who: string): boolean {
    const own = this.#lines.get(who)?.length ?? 0;
    let longest: readonly [string, Waiter[]] | undefined;
    for (const entry of this.#lines) if (entry[1].length > (longest?.[1].length ?? own + 1)) longest = entry;
    const last = longest?.[1].pop();
    if (!longest || !last) return false;
    if (longest[1].length === 0) this.#lines.delete(longest[0]);
    this.#waiting--;
    last(false);
    return true;
  }

  /** Whoever may go next has its turn at once, so that nobody who comes meanwhile is before it. */
  #next(): void {
    for (const [who, line] of this.#lines) {
      if (!this.#mayRun(who)) continue;
      this.#lines.delete(who);
      const next = line.shift();
      // Behind the others.
      if (line.length > 0) this.#lines.set(who, line);
      this.#waiting--;
      this.#begin(who);
      next?.(true);
      return;
    }
  }
}
