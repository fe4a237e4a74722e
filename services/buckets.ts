/** Who may take how much, counted by key. Every map is bounded. */
import type { Millis } from '../schema/ids.ts';

/** Keys a bucket map holds; past it the one that was idle longest begins anew, full. */
const MAX_KEYS = 100_000;

export interface Rate {
  /** Tokens that come back each second. */
  readonly perSecond: number;
  /** Tokens of a bucket that was left alone. */
  readonly burst: number;
}

/** Every request costs one, also those that are not sends. */
export const requestsOf = (sends: Rate): Rate => ({
  perSecond: Math.max(200, 4 * sends.perSecond),
  burst: Math.max(800, 4 * sends.burst),
});

/**
 * What a user's documents and answers may take of the processor, in units of about 5 µs (measured): a token or a node of a
 * document that was not known, or 256 bytes of a large answer. The default is a tenth of one core, and a quarter of a second at once.
 */
export const workOf = (sends: Rate): Rate => ({
  perSecond: Math.max(20_000, 40 * sends.perSecond),
  burst: Math.max(50_000, 10 * sends.burst),
});

interface Bucket {
  tokens: number;
  at: Millis;
}

/** Token buckets by key. */
export class Buckets {
  readonly #rate: Rate;
  readonly #clock: () => Millis;
  readonly #maxKeys: number;
  /** In order of use, the longest idle first. */
  readonly #buckets = new Map<string, Bucket>();
  #refused = 0;

  constructor(rate: Rate, clock: () => Millis = Date.now, maxKeys = MAX_KEYS) {
    this.#rate = rate;
    this.#clock = clock;
    this.#maxKeys = maxKeys;
  }

  /**
   * Takes `cost`: 0. Or takes none, and says in how many milliseconds there will be one token. Where there is one, more than
   * there are may be taken: what is owed comes back first.
   */
  take(key: string, cost = 1): Millis {
    const bucket = this.#filled(key);
    if (bucket.tokens < 1) return this.#untilOne(bucket);
    bucket.tokens -= cost;
    return 0;
  }

  /** For what is done already, whatever there is: what is owed comes back first. */
  charge(key: string, cost: number): void {
    this.#filled(key).tokens -= cost;
  }

  /** As `take`, but takes nothing. */
  wait(key: string): Millis {
    const bucket = this.#buckets.get(key);
    if (!bucket) return 0;
    this.#refill(bucket);
    return bucket.tokens < 1 ? this.#untilOne(bucket) : 0;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** How often somebody was told to wait. */
  get refused(): number {
    return this.#refused;
  }

  #filled(key: string): Bucket {
    const had = this.#buckets.get(key);
    const bucket = had ?? { tokens: this.#rate.burst, at: this.#clock() };
    if (had) {
      this.#refill(had);
      this.#buckets.delete(key);
    } else if (this.#buckets.size >= this.#maxKeys) {
      const [longestIdle] = this.#buckets.keys();
      if (longestIdle !== undefined) this.#buckets.delete(longestIdle);
    }
    this.#buckets.set(key, bucket);
    return bucket;
  }

  #refill(bucket: Bucket): void {
    const now = this.#clock();
    // A clock that was set back gives nothing, and takes nothing.
    const passed = Math.max(0, now - bucket.at);
    bucket.tokens = Math.min(this.#rate.burst, bucket.tokens + (passed / 1000) * this.#rate.perSecond);
    bucket.at = now;
  }

  #untilOne(bucket: Bucket): Millis {
    this.#refused++;
    return Math.ceil(((1 - bucket.tokens) / this.#rate.perSecond) * 1000);
  }
}

/** How many are open by key; a key with none takes no memory. */
export class Counts {
  readonly #max: number;
  readonly #counts = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** False: there are as many as may be, `shares` times as many as of others. Else one is counted until `leave`. */
  enter(key: string, shares = 1): boolean {
    const count = this.#counts.get(key) ?? 0;
    if (count >= this.#max * shares) return false;
    this.#counts.set(key, count + 1);
    return true;
  }

  isFull(key: string): boolean {
    return (this.#counts.get(key) ?? 0) >= this.#max;
  }

  leave(key: string): void {
    const count = this.#counts.get(key) ?? 0;
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
  }
}
