/**
 * What is known of one webhook's receiver: whether it is asked at all, and when it is asked again. No I/O and no clock of its
 * own. A conversation that the receiver does not take is that conversation's matter; a receiver that takes nothing is asked by one
 * probe at a time.
 */
import type { Millis } from '../schema/ids.ts';
import type { Line } from './webhook-source.ts';

/** All in milliseconds. */
export interface Patience {
  /** Before the first repetition; each further one waits twice as long, up to `mostMs`. */
  readonly firstMs: number;
  readonly mostMs: number;
  /** The longest time between two probes of a receiver that is down. */
  readonly probeMs: number;
  /** For so long an event is tried; then it is a dead letter. */
  readonly giveUpMs: number;
  /** A receiver may not send us away for longer (`Retry-After`), nor for less than `firstMs`. */
  readonly pauseMs: number;
}
export const PATIENCE: Patience = {
  firstMs: 1_000,
  mostMs: 10 * 60_000,
  probeMs: 30_000,
  giveUpMs: 24 * 60 * 60_000,
  pauseMs: 60 * 60_000,
};

/** Why an event was not taken. `isNetwork`: there was nobody; else the receiver answered, or kept silent on this one. */
export interface Failure {
  readonly why: string;
  readonly isNetwork: boolean;
  readonly retryAfterMs?: number | undefined;
}

/** Different conversations in a row, or so many failures of the network: then it is the receiver. */
const DOWN_AFTER = 3;

/** Half of it is by chance, so that what failed together does not come back together. */
export const spread = (ms: number, random = Math.random): number => ms * (0.5 + random() / 2);

/** How long after its `failures`th failure in a row something is tried again. */
export const backOffMs = (failures: number, { firstMs, mostMs }: Patience): number =>
  spread(Math.min(firstMs * 2 ** Math.min(failures - 1, 30), mostMs));

export class Receiver {
  readonly #patience: Patience;
  readonly #failing = new Set<Line>();
  #networkFailures = 0;
  #failingSince: Millis | undefined;
  #downSince: Millis | undefined;
  #why = '';
  #probes = 0;
  #closedUntil: Millis = 0;
  #probing = false;

  constructor(patience: Patience) {
    this.#patience = patience;
  }

  /** Since when it has taken nothing from anybody; undefined: it takes something. */
  get downSince(): Millis | undefined {
    return this.#downSince;
  }

  get why(): string {
    return this.#why;
  }

  /** As `downSince`, once it has failed under these eyes: nobody is given up for what another process saw. */
  get deadSince(): Millis | undefined {
    return this.#probes > 0 ? this.#downSince : undefined;
  }

  /** As it was when it was stored; asked again at once. */
  restore(downSince: Millis | undefined): void {
    this.#downSince = downSince;
    this.#failingSince = downSince;
  }

  /** `go`, `probe`: whoever gets it has to report `took`, `failed` or `leave`. Else when to ask again. */
  admit(now: Millis): 'go' | 'probe' | { readonly until: Millis } {
    if (now < this.#closedUntil) return { until: this.#closedUntil };
    if (this.#downSince === undefined) return 'go';
    if (this.#probing) return { until: now + this.#patience.firstMs };
    this.#probing = true;
    return 'probe';
  }

  took(): void {
    this.#failing.clear();
    this.#networkFailures = 0;
    this.#failingSince = undefined;
    this.#downSince = undefined;
    this.#probes = 0;
    this.#closedUntil = 0;
    this.#probing = false;
  }

  /** Nothing was learnt. */
  leave(by: 'go' | 'probe'): void {
    if (by === 'probe') this.#probing = false;
  }

  failed(line: Line, by: 'go' | 'probe', { why, isNetwork, retryAfterMs }: Failure, now: Millis): void {
    const { firstMs, probeMs, pauseMs } = this.#patience;
    this.leave(by);
    this.#why = why;
    this.#failingSince ??= now;
    if (this.#failing.size < DOWN_AFTER) this.#failing.add(line);
    if (isNetwork) this.#networkFailures++;
    if (retryAfterMs !== undefined) this.#close(now + Math.min(Math.max(retryAfterMs, firstMs), pauseMs));
    const isDown = this.#failing.size >= DOWN_AFTER || this.#networkFailures >= DOWN_AFTER;
    if (!isDown && this.#downSince === undefined) return;
    this.#downSince ??= this.#failingSince;
    // What was under way when it closed failed together with what closed it.
    if (by === 'probe' || this.#probes === 0)
      this.#close(now + spread(Math.min(firstMs * 2 ** Math.min(this.#probes++, 30), probeMs)));
  }

  #close(until: Millis): void {
    this.#closedUntil = Math.max(this.#closedUntil, until);
  }
}
