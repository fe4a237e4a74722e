/**
 * The time as NATS has it. What is compared with another process's time, or with when a record was stored, is told by it: a
 * machine's own clock may be an hour off. Between two measurements it goes on with the process's monotonic clock.
 */
import type { Millis } from '../../schema/ids.ts';
import type { Logger } from '../logger.ts';
import { ApiRefusal } from './ask.ts';
import { JournalUnavailable, type Stoppable } from './journal.ts';

export interface ServerClock {
  /** Right to half a round trip. A measurement may set it back by as much as it was wrong. Needs no `this`. */
  readonly now: () => Millis;
  /** How far the process's own clock is ahead of it now; negative: behind. */
  readonly offsetMs: number;
  /** Why this process is not ready; undefined: its own clock is not off by more than 2 s. */
  readonly reason: string | undefined;
}

export const CLOCK_OFF_MS = 2_000;
/** The one with the shortest round trip counts. */
const SAMPLES = 5;
const EVERY_MS = 60_000;
const LOOK_EVERY_MS = 1_000;
/** The process's clock has moved by so much against the monotonic one: it was set, or the machine slept. Measured at once. */
const STEP_MS = 500;
const FIRST_RETRY_MS = 200;

export interface ClockParts {
  /** The server's time as it answers. Throws JournalUnavailable, ApiRefusal. */
  readonly ask: () => Promise<Millis>;
  readonly onReconnect: (callback: () => void) => Stoppable;
  readonly log: Logger;
}

export class NatsClock implements ServerClock {
  readonly #parts: ClockParts;
  /** The server's time when `performance.now()` was 0. */
  #zero = Date.now() - performance.now();
  #measured: { readonly at: number; readonly offsetMs: number } | undefined;
  #measuring: Promise<void> | undefined;
  #isOff = false;
  readonly #timer: NodeJS.Timeout;
  readonly #reconnects: Stoppable;

  constructor(parts: ClockParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
    this.#reconnects = parts.onReconnect(() => void this.measure());
  }

  readonly now = (): Millis => Math.floor(this.#zero + performance.now());

  get offsetMs(): number {
    return Math.round(Date.now() - this.#zero - performance.now());
  }

  get reason(): string | undefined {
    const off = this.offsetMs;
    if (Math.abs(off) <= CLOCK_OFF_MS) return undefined;
    return `the clock of this process is ${Math.abs(off)} ms ${off > 0 ? 'ahead of' : 'behind'} that of NATS: set it (NTP)`;
  }

  /** Settles when it was measured once, however long that takes (`signal` ends it). */
  async first(signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      await this.measure();
      if (this.#measured) return;
      await new Promise((wake) => setTimeout(wake, FIRST_RETRY_MS));
    }
  }

  /** Never rejects: what cannot be measured now stays as it was. */
  measure(): Promise<void> {
    this.#measuring ??= this.#measure().finally(() => {
      this.#measuring = undefined;
    });
    return this.#measuring;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#reconnects.stop();
  }

  async #measure(): Promise<void> {
    let [best, zero] = [Number.POSITIVE_INFINITY, this.#zero];
    try {
      for (let i = 0; i < SAMPLES; i++) {
        const asked = performance.now();
        const time = await this.#parts.ask();
        const answered = performance.now();
        if (answered - asked >= best) continue;
        best = answered - asked;
        zero = time - (asked + answered) / 2;
      }
    } catch (error) {
      if (!(error instanceof JournalUnavailable || error instanceof ApiRefusal)) throw error;
    }
    if (best === Number.POSITIVE_INFINITY) return;
    // What is within the error of the measurement is no reason to change.
    if (!this.#measured || Math.abs(zero - this.#zero) > best / 2 + 1) this.#zero = zero;
    this.#measured = { at: performance.now(), offsetMs: this.offsetMs };
    this.#tell();
  }

  #look(): void {
    if (!this.#measured) return;
    const { at, offsetMs } = this.#measured;
    if (performance.now() - at >= EVERY_MS || Math.abs(this.offsetMs - offsetMs) > STEP_MS) void this.measure();
  }

  #tell(): void {
    const { reason } = this;
    const { log } = this.#parts;
    if (reason !== undefined && !this.#isOff)
      log.error({ alarm: 'clock', offsetMs: this.offsetMs }, `${reason}; meanwhile NATS's time is used`);
    if (reason === undefined && this.#isOff) log.info('the clock of this process is right again');
    this.#isOff = reason !== undefined;
  }
}
