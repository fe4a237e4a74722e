/**
 * The way to one host: a circuit, so many pushes under way, a bounded line of those that wait, in which the conversations take
 * turns. How many go at once begins low, rises with every answer and halves with every trouble, so that a host that comes back is
 * not run over.
 */
import type { LaneId, Millis } from '../../schema/ids.ts';
import { FairLine } from '../fair-line.ts';
import type { Patience } from '../patience.ts';
import { Circuit, type Health } from './circuit.ts';

export interface GateLimits {
  readonly underWay: number;
  readonly waiting: number;
}
export type Entry =
  | { readonly kind: 'in'; readonly probe: boolean }
  | { readonly kind: 'shut'; readonly why: 'trouble' | 'credentials'; readonly code: string; readonly afterMs: number }
  /** The line is full, or its head was not reached in time. */
  | { readonly kind: 'busy'; readonly afterMs: number }
  | { readonly kind: 'aborted' };

const FIRST_UNDER_WAY = 8;
const WAIT_MS = 5_000;
const BUSY_AFTER_MS = 1_000;

interface Waiter {
  settle(entry: Entry): void;
}

export class Gate {
  readonly circuit = new Circuit();
  readonly #limits: GateLimits;
  readonly #clock: () => Millis;
  readonly #line = new FairLine<LaneId, Waiter>();
  #underWay = 0;
  #atOnce: number;

  constructor(limits: GateLimits, clock: () => Millis) {
    this.#limits = limits;
    this.#clock = clock;
    this.#atOnce = Math.min(FIRST_UNDER_WAY, limits.underWay);
  }

  get underWay(): number {
    return this.#underWay;
  }
  get waiting(): number {
    return this.#line.size;
  }

  /** Who is `in` has to `leave`. */
  enter(patience: Patience, lane: LaneId): Entry | Promise<Entry> {
    if (patience.ended) return { kind: 'aborted' };
    if (this.#underWay < this.#atOnce && this.#line.size === 0) return this.#admit();
    // Nobody waits before a closed door.
    const { state } = this.circuit;
    if (state !== 'closed') return this.#admit();
    if (this.#line.size >= this.#limits.waiting) return { kind: 'busy', afterMs: BUSY_AFTER_MS };
    return this.#wait(patience, lane);
  }

  /** True: the circuit has opened by it. Whoever waits is sent away then. */
  leave(probe: boolean, health: Health): boolean {
    this.#underWay--;
    const opened = this.circuit.report(probe, health, this.#clock());
    if (opened) this.#atOnce = Math.min(FIRST_UNDER_WAY, this.#limits.underWay);
    else if (health.kind === 'fine') this.#atOnce = Math.min(this.#atOnce + 1, this.#limits.underWay);
    else if (health.kind === 'trouble') this.#atOnce = Math.max(Math.floor(this.#atOnce / 2), 1);
    this.#next();
    return opened;
  }

  #admit(): Entry {
    const admission = this.circuit.admit(this.#clock());
    if (admission.kind === 'closed-to') return { ...admission, kind: 'shut' };
    this.#underWay++;
    return { kind: 'in', probe: admission.probe };
  }

  #next(): void {
    while (this.#line.size > 0) {
      if (this.circuit.state === 'closed' && this.#underWay >= this.#atOnce) return;
      this.#line.next()?.settle(this.#admit());
    }
  }

  #wait(patience: Patience, lane: LaneId): Promise<Entry> {
    return new Promise((resolve) => {
      const leave = (entry: Entry) => {
        this.#line.delete(lane, waiter);
        waiter.settle(entry);
      };
      const onEnd = () => leave({ kind: 'aborted' });
      const timer = setTimeout(() => leave({ kind: 'busy', afterMs: BUSY_AFTER_MS }), WAIT_MS);
      const waiter: Waiter = {
        settle: (entry) => {
          clearTimeout(timer);
          patience.off(onEnd);
          resolve(entry);
        },
      };
      patience.onEnd(onEnd);
      this.#line.add(lane, waiter);
    });
  }
}
