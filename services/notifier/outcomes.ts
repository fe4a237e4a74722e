/**
 * What pushes came to, on its way into the ledger: several together, again and again until MongoDB has it. What is lost with the
 * process is tried again when its claim runs out; the phone shows one notification all the same.
 */
import type { DeliveryBell } from '../journal/bell.ts';
import type { Logger } from '../logger.ts';
import { Abandoned, persist } from '../persist.ts';
import type { Ledger, Settled, Subject } from '../views/ledger.ts';

const AT_ONCE = 500;
/** Not written yet. Past it nothing more is taken from the queue. */
const UNWRITTEN_MAX = 10_000;
/** What comes within it is written together. */
const GATHER_MS = 20;

export interface OutcomesParts {
  readonly ledger: Pick<Ledger, 'settle'>;
  readonly bell: Pick<DeliveryBell, 'ring'>;
  readonly log: Logger;
}

export class Outcomes {
  readonly #parts: OutcomesParts;
  readonly #giveUp = new AbortController();
  #unwritten: Settled[] = [];
  #writing: Promise<void> | undefined;

  constructor(parts: OutcomesParts) {
    this.#parts = parts;
  }

  get isFull(): boolean {
    return this.#unwritten.length >= UNWRITTEN_MAX;
  }

  add(settled: Settled): void {
    this.#unwritten.push(settled);
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Writes what there is; what cannot be written within so long is given up. */
  async stop(withinMs: number): Promise<void> {
    const timer = setTimeout(() => this.#giveUp.abort(), withinMs);
    while (this.#writing) await this.#writing;
    clearTimeout(timer);
    this.#giveUp.abort();
  }

  async #write(): Promise<void> {
    await new Promise((resume) => setTimeout(resume, GATHER_MS));
    const { ledger, bell, log } = this.#parts;
    while (this.#unwritten.length > 0) {
      const some = this.#unwritten.slice(0, AT_ONCE);
      try {
        await persist('pushes', () => ledger.settle(some), { signal: this.#giveUp.signal, log });
      } catch (error) {
        if (!(error instanceof Abandoned)) throw error;
        this.#unwritten = [];
        return;
      }
      this.#unwritten = this.#unwritten.slice(some.length);
      for (const [{ lane, seq }, settled] of byMessage(some))
        bell.ring({ lane, seq, users: [...new Set(settled.map(({ claim }) => claim.user))] });
    }
  }
}

function byMessage(settled: readonly Settled[]): Map<Subject, Settled[]> {
  const all = new Map<Subject, Settled[]>();
  for (const one of settled) all.set(one.claim.subject, [...(all.get(one.claim.subject) ?? []), one]);
  return all;
}
