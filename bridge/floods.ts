/**
 * Integrations that send so much more than they may that hearing it would cost others their turn. Their connections are ended, and
 * they are not let in for a moment (`callout.ts`): nothing that this process could do with what has come already would help.
 */
import type { AppId } from '../schema/ids.ts';
import { Buckets, type Rate } from '../services/buckets.ts';
import type { Stoppable } from '../services/journal/journal.ts';
import type { Logger } from '../services/logger.ts';

/** Of each integration: what is refused or dropped, over its budgets and as it is charged there, before it is put out. */
const PATIENCE: Rate = { perSecond: 2_000, burst: 5_000 };
const OUT_MS = 5_000;

export class Floods {
  readonly #log: Logger;
  readonly #patience = new Buckets(PATIENCE);
  readonly #outUntil = new Map<AppId, number>();
  readonly #listeners = new Set<() => void>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Something of it was over its budget. True: it floods; not a word is to be said about it. */
  over(app: AppId, cost = 1): boolean {
    if (this.isOut(app)) return true;
    if (this.#patience.take(app, cost) === 0) return false;
    this.#outUntil.set(app, performance.now() + OUT_MS);
    this.#log.error({ alarm: 'flood', app, forMs: OUT_MS }, 'an integration floods: its connections are ended');
    for (const listener of [...this.#listeners]) listener();
    return true;
  }

  isOut(app: AppId): boolean {
    const until = this.#outUntil.get(app);
    if (until === undefined) return false;
    if (until > performance.now()) return true;
    this.#outUntil.delete(app);
    return false;
  }

  /** Called when one is put out. */
  listen(onOut: () => void): Stoppable {
    this.#listeners.add(onOut);
    return { stop: () => void this.#listeners.delete(onOut) };
  }
}
