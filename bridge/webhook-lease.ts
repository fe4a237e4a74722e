/**
 * Which of several bridges sends webhooks: one at a time, since two would mix up the order of a conversation. It says so again and
 * again; when it has not for a while, another takes over. Nobody's clock is compared with another's.
 */
import { randomUUID } from 'node:crypto';
import { WEBHOOK_LEASE } from '../schema/subjects.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import type { Logger } from '../services/logger.ts';
import { Overtaken, type WebhookState } from './webhook-state.ts';

export interface LeaseTimes {
  readonly renewMs: number;
  /** From its last word on, as the others see it. */
  readonly validMs: number;
}
export const LEASE_TIMES: LeaseTimes = { renewMs: 2_000, validMs: 10_000 };
/** The holder itself stops so much earlier: a write of its last moment must not land when another has begun. */
const MARGIN = 0.7;

export class WebhookLease {
  readonly #state: WebhookState;
  readonly #times: LeaseTimes;
  readonly #log: Logger;
  readonly #onChange: (isHeld: boolean) => void;
  readonly #id = randomUUID();
  /** Of the last record known, and since when it has been so. */
  #revision = 0;
  #seenAt = Number.NEGATIVE_INFINITY;
  /** `performance.now()` up to which it is ours; 0: it is not. */
  #heldUntil = 0;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(state: WebhookState, log: Logger, onChange: (isHeld: boolean) => void, times = LEASE_TIMES) {
    this.#state = state;
    this.#log = log;
    this.#onChange = onChange;
    this.#times = times;
    this.#next();
  }

  /** Asked before each thing that only the holder may do. */
  get isHeld(): boolean {
    return performance.now() < this.#heldUntil;
  }

  /** Whoever waits for it has it at once. Never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#turn;
    if (this.#heldUntil === 0) return;
    this.#heldUntil = 0;
    await this.#state.put(WEBHOOK_LEASE, { holder: null }, this.#revision).catch(() => undefined);
  }

  #next(): void {
    this.#turn = this.#step().catch((error: unknown) => {
      if (!(error instanceof JournalUnavailable)) this.#log.error({ err: error }, 'the lease of the webhooks');
    });
    void this.#turn.then(() => {
      if (this.#heldUntil !== 0 && !this.isHeld) this.#lose();
      if (!this.#stopped) this.#timer = setTimeout(() => this.#next(), this.#times.renewMs);
    });
  }

  async #step(): Promise<void> {
    if (this.#heldUntil === 0 && !(await this.#isFree())) return;
    const sentAt = performance.now();
    try {
      this.#revision = await this.#state.put(WEBHOOK_LEASE, { holder: this.#id, sentAt: Date.now() }, this.#revision);
    } catch (error) {
      if (error instanceof Overtaken) return this.#look();
      throw error;
    }
    this.#hold(sentAt);
  }

  /** A write of ours that was not answered has become the last one; or it is somebody else's. */
  async #look(): Promise<void> {
    const askedAt = performance.now();
    const last = await this.#state.last(WEBHOOK_LEASE);
    const isOurs = (last?.value as { holder?: unknown } | undefined)?.holder === this.#id;
    this.#revision = last?.revision ?? 0;
    this.#seenAt = askedAt;
    if (!isOurs) this.#lose();
  }

  async #isFree(): Promise<boolean> {
    const last = await this.#state.last(WEBHOOK_LEASE);
    const now = performance.now();
    const revision = last?.revision ?? 0;
    if (revision !== this.#revision) this.#seenAt = now;
    this.#revision = revision;
    const holder = (last?.value as { holder?: unknown } | undefined)?.holder;
    return !last || holder === null || now - this.#seenAt >= this.#times.validMs;
  }

  #hold(sentAt: number): void {
    const isNew = this.#heldUntil === 0;
    this.#heldUntil = sentAt + this.#times.validMs * MARGIN;
    if (!isNew) return;
    this.#log.info('this bridge sends the webhooks');
    this.#onChange(true);
  }

  #lose(): void {
    if (this.#heldUntil === 0) return;
    this.#heldUntil = 0;
    this.#log.warn('another bridge sends the webhooks, or the store is out of reach');
    this.#onChange(false);
  }
}
