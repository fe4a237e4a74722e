/**
 * For how long a push may take: until its time is over, or until it is given up. What an `AbortSignal` is for, at a tenth of
 * its cost: each push has one of its own, and three who listen.
 */
export type End = 'late' | 'given-up';

export class Patience {
  #end: End | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #listeners: ((end: End) => void)[] = [];

  /** How it ended; undefined while it lasts. */
  get ended(): End | undefined {
    return this.#end;
  }

  /** It ends as `late` after so long from now, unless `release` comes before. */
  limit(ms: number): this {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.end('late'), ms);
    return this;
  }

  end(how: End): void {
    if (this.#end !== undefined) return;
    this.#end = how;
    clearTimeout(this.#timer);
    for (const listener of this.#listeners.splice(0)) listener(how);
  }

  /** `listener` is called once, at the end; at once where that has come. */
  onEnd(listener: (end: End) => void): void {
    if (this.#end === undefined) this.#listeners.push(listener);
    else listener(this.#end);
  }

  off(listener: (end: End) => void): void {
    const at = this.#listeners.lastIndexOf(listener);
    if (at >= 0) this.#listeners.splice(at, 1);
  }

  /** What it was for is done: no timer is left. */
  release(): void {
    clearTimeout(this.#timer);
  }
}

/** Every `Patience` that a signal of a caller's ends: one listener on the signal, however many pushes go by it at once. */
export class Givers {
  readonly #bySignal = new WeakMap<AbortSignal, Set<Patience>>();

  add(signal: AbortSignal, patience: Patience): void {
    if (signal.aborted) {
      patience.end('given-up');
      return;
    }
    let held = this.#bySignal.get(signal);
    if (held === undefined) {
      const fresh = new Set<Patience>();
      signal.addEventListener('abort', () => endAll(fresh), { once: true });
      this.#bySignal.set(signal, fresh);
      held = fresh;
    }
    held.add(patience);
  }

  remove(signal: AbortSignal, patience: Patience): void {
    this.#bySignal.get(signal)?.delete(patience);
  }
}

export function endAll(held: ReadonlySet<Patience>): void {
  for (const patience of [...held]) patience.end('given-up');
}
