/**
 * How much a process holds because no projector has written it to MongoDB yet, and what it may hold at most. The log says so
 * once at a half, at three quarters and at the bound, and again only after it had fallen to a quarter.
 */
import { Gauge, type Registry } from 'prom-client';
import type { Logger } from './logger.ts';

/** Parts of the bound at which the log says so. `lanes doctor` warns from the first one on, and calls the second one bad. */
export const UNPROJECTED_STEPS = [0.5, 0.75, 1] as const;
const AGAIN_BELOW = 0.25;

/** What is held for whom, and what is so at the bound. */
export const AT_BOUND = {
  inboxes: 'at 100 % no inbox opens',
  marks: 'from 50 % on it is not told when they were made, at 100 % marks and pushes wait',
} as const;

export interface UnprojectedOptions {
  readonly what: keyof typeof AT_BOUND;
  readonly max: number;
  readonly log: Logger;
}

export class Unprojected {
  readonly what: UnprojectedOptions['what'];
  readonly max: number;
  readonly #options: UnprojectedOptions;
  #held = 0;
  /** How many steps were said. */
  #said = 0;

  constructor(options: UnprojectedOptions) {
    this.what = options.what;
    this.max = options.max;
    this.#options = options;
  }

  get held(): number {
    return this.#held;
  }

  set held(held: number) {
    this.#held = held;
    const { what, max, log } = this.#options;
    if (held < AGAIN_BELOW * max) this.#said = 0;
    const step = UNPROJECTED_STEPS[this.#said];
    if (step === undefined || held < step * max) return;
    this.#said = UNPROJECTED_STEPS.filter((each) => held >= each * max).length;
    const said = { alarm: 'unprojected', what, held, max };
    const text = `much is held for ${what} that no projector has written to MongoDB; ${AT_BOUND[what]}: start a projector`;
    if (this.#said === 1) log.warn(said, text);
    else log.error(said, text);
  }
}

/** `all`: as they are when the figure is read. */
export function unprojectedFigures(
  registers: Registry[],
  all: () => readonly Pick<Unprojected, 'what' | 'held' | 'max'>[],
): void {
  const labelNames = ['what'];
  new Gauge({
    name: 'lanes_unprojected_held',
    help: 'Entries held of records that no projector has written to MongoDB yet, for inboxes, and marks held likewise.',
    labelNames,
    registers,
    collect() {
      for (const { what, held } of all()) this.set({ what }, held);
    },
  });
  new Gauge({
    name: 'lanes_unprojected_max',
    help: 'What lanes_unprojected_held may come to.',
    labelNames,
    registers,
    collect() {
      for (const { what, max } of all()) this.set({ what }, max);
    },
  });
}
