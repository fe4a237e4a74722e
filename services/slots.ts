/**
 * The way to what is costly: so many at once, and a line for the others, in which those who ask (users, addresses,
 * integrations) take turns.
 * Whoever comes with many holds up another by one turn each.
 */
export interface SlotLimits {
  readonly running: number;
  /** Of one who asks, at once; the others of its own wait, whatever is free. Default: `running`. */
  readonly each?: number;
  /** What all that wait may weigh. Default: who waits is bounded by who may ask. */
  readonly waiting?: number;
}

interface Waiter {
  readonly weight: number;
  readonly told: (isTurn: boolean) => void;
}
interface Line {
  readonly waiters: Waiter[];
  weight: number;
}

export class Slots {
  readonly #running: number;
  readonly #each: number;
  readonly #mayWait: number;
  #free: number;
  #waiting = 0;
  /** How many are running, of those who have any. */
  readonly #own = new Map<string, number>();
  /** Whose turn is next stands first; none is empty. */
  readonly #lines = new Map<string, Line>();

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
  async tryHold<T>(who: string, work: () => Promise<T>, weight = 1): Promise<T | undefined> {
    if (this.#free > 0 && this.#mayRun(who)) this.#begin(who);
    else if (!(await this.#turn(who, weight))) return undefined;
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

  #turn(who: string, weight: number): Promise<boolean> {
    return new Promise((told) => {
      if (!this.#makeRoom(who, weight)) return told(false);
      const line = this.#lines.get(who) ?? { waiters: [], weight: 0 };
      line.waiters.push({ weight, told });
      line.weight += weight;
      this.#waiting += weight;
      this.#lines.set(who, line);
    });
  }

  /** The last ones of whoever has most go. False: `who` would then have as much. */
  #makeRoom(who: string, weight: number): boolean {
    while (this.#waiting + weight > this.#mayWait) {
      const own = (this.#lines.get(who)?.weight ?? 0) + weight;
      let longest: readonly [string, Line] | undefined;
      for (const entry of this.#lines) if (entry[1].weight > (longest?.[1].weight ?? own)) longest = entry;
      if (!longest) return false;
      this.#remove(longest[0], longest[1], longest[1].waiters.pop())?.told(false);
    }
    return true;
  }

  #remove(who: string, line: Line, waiter: Waiter | undefined): Waiter | undefined {
    if (!waiter) return undefined;
    line.weight -= waiter.weight;
    this.#waiting -= waiter.weight;
    if (line.waiters.length === 0) this.#lines.delete(who);
    return waiter;
  }

  /** Whoever may go next has its turn at once, so that nobody who comes meanwhile is before it. */
  #next(): void {
    for (const [who, line] of this.#lines) {
      if (!this.#mayRun(who)) continue;
      // Behind the others.
      this.#lines.delete(who);
      this.#lines.set(who, line);
      this.#begin(who);
      this.#remove(who, line, line.waiters.shift())?.told(true);
      return;
    }
  }
}
