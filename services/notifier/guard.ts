/**
 * What makes a `PushProvider` of an adapter: a gate for each host, a deadline for each push, figures, alarms. An adapter only
 * says what one attempt came to; whatever it does, the promise of the port is kept here.
 */
import type { Millis } from '../../schema/ids.ts';
import type { Logger } from '../logger.ts';
import { endAll, Givers, Patience } from '../patience.ts';
import type { PushAddress, PushProviderName } from '../views/push-address.ts';
import { type Health, LONGEST_PAUSE_MS } from './circuit.ts';
import { type Entry, Gate, type GateLimits } from './gate.ts';
import type { PushMessage, PushProvider, PushResult } from './push.ts';

/** What one attempt came to. */
export type Attempt =
  | Exclude<PushResult, { kind: 'retry' | 'credentials' }>
  /** `of`: whose trouble it is. Of an address alone it says nothing about the host. `afterMs`: the provider's own wish. */
  | {
      readonly kind: 'retry';
      readonly code: string;
      readonly of: 'host' | 'address';
      readonly afterMs?: number | undefined;
    }
  | { readonly kind: 'credentials'; readonly code: string };

export interface Adapter<A extends PushAddress = PushAddress> {
  readonly provider: A['provider'];
  /** What has one circuit and one line. Undefined: the address leads nowhere. */
  hostOf(address: A): string | undefined;
  /** May throw, may be late, may do both. */
  attempt(address: A, message: PushMessage, patience: Patience): Promise<Attempt>;
  stop(): Promise<void>;
}
/** `underWay` and `waiting` are of one host. What does not fit is `retry` with the code `BUSY`. */
export interface Limits extends GateLimits {
  /** Pushes at once, under way and waiting, of all hosts together. */
  readonly total: number;
  /** Hosts that are remembered. */
  readonly hosts: number;
  /** Pushes under way to hosts that have not answered yet, together: who makes up hosts takes no places from the others. */
  readonly toUnproven: number;
}
export interface Observer {
  pushed(provider: PushProviderName, outcome: PushResult['kind'], tookMs: number): void;
  alarm(provider: PushProviderName): void;
}
export interface GuardOptions {
  readonly limits: Limits;
  readonly log: Logger;
  readonly observe: Observer;
  readonly clock?: () => Millis;
  /** For one push, from its turn on. */
  readonly timeoutMs?: number;
}
/** Of all hosts of a provider together. */
export interface Load {
  readonly underWay: number;
  readonly waiting: number;
  readonly open: Readonly<Record<'trouble' | 'credentials', number>>;
}

const TIMEOUT_MS = 10_000;
const STOP_MS = 3_000;
const RETRY_MS = { host: 1_000, address: 30_000 } as const;
/** So that those who were sent away together do not come back together. */
const JITTER = 0.2;

export class Guard<A extends PushAddress> implements PushProvider {
  readonly provider: PushProviderName;
  readonly #adapter: Adapter<A>;
  readonly #options: GuardOptions;
  readonly #clock: () => Millis;
  /** The one used last stands last. */
  readonly #gates = new Map<string, HostGate>();
  readonly #underWay = new Set<Patience>();
  readonly #givers = new Givers();
  #inside = 0;
  #toUnproven = 0;
  #stopping = false;

  constructor(adapter: Adapter<A>, options: GuardOptions) {
    this.provider = adapter.provider;
    this.#adapter = adapter;
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
  }

  get load(): Load {
    const gates = [...this.#gates.values()];
    const openBy = (why: string) => gates.filter(({ circuit }) => circuit.state === why).length;
    return {
      underWay: this.#underWay.size,
      waiting: gates.reduce((sum, { waiting }) => sum + waiting, 0),
      open: { trouble: openBy('trouble'), credentials: openBy('credentials') },
    };
  }

  async push(address: PushAddress, message: PushMessage, { signal }: { signal: AbortSignal }): Promise<PushResult> {
    const startedAt = performance.now();
    const patience = new Patience();
    this.#givers.add(signal, patience);
    this.#inside++;
    let result: PushResult;
    try {
      result = await this.#push(address, message, patience);
    } catch (error) {
      result = this.#fault(error);
    }
    this.#inside--;
    this.#givers.remove(signal, patience);
    this.#options.observe.pushed(this.provider, result.kind, performance.now() - startedAt);
    return result;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const cut = setTimeout(() => endAll(this.#underWay), STOP_MS);
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
      this.#checkIdle();
    });
    clearTimeout(cut);
    await this.#adapter.stop();
  }
  #idle: (() => void) | undefined;
  #checkIdle(): void {
    if (this.#underWay.size === 0) this.#idle?.();
  }

  #push(given: PushAddress, message: PushMessage, patience: Patience): PushResult | Promise<PushResult> {
    if (given.provider !== this.provider) return { kind: 'refused', code: 'OTHER_PROVIDER' };
    if (message.expiresAt <= this.#clock()) return { kind: 'refused', code: 'EXPIRED' };
    const address = given as A;
    const host = this.#adapter.hostOf(address);
    if (host === undefined) return { kind: 'dead-token', code: 'BAD_ADDRESS' };
    if (this.#stopping || patience.ended) return ABORTED;
    const { total, toUnproven } = this.#options.limits;
    const gate = this.#inside > total ? undefined : this.#gateOf(host);
    if (gate === undefined || (!gate.proven && this.#toUnproven >= toUnproven))
      return { kind: 'retry', code: 'BUSY', afterMs: this.#later(RETRY_MS.host) };
    const attempted = (entry: Entry) =>
      entry.kind === 'in' ? this.#attempt(address, message, patience, gate, entry.probe) : this.#turnedAway(entry);
    const entry = gate.enter(patience, message.conversationId);
    return entry instanceof Promise ? entry.then(attempted) : attempted(entry);
  }

  async #attempt(address: A, message: PushMessage, patience: Patience, gate: HostGate, probe: boolean) {
    const wasProven = gate.proven;
    if (!wasProven) this.#toUnproven++;
    this.#underWay.add(patience.limit(this.#options.timeoutMs ?? TIMEOUT_MS));
    const attempt = await this.#attempted(address, message, patience);
    patience.release();
    this.#underWay.delete(patience);
    if (!wasProven) this.#toUnproven--;
    const cancelled = patience.ended === 'given-up' && attempt.kind === 'retry';
    const before = gate.circuit.state;
    const health = cancelled ? NOTHING : healthOf(attempt);
    const opened = gate.leave(probe, health);
    if (opened) gate.proven = false;
    else if (health.kind === 'fine') gate.proven = true;
    if (opened || before !== 'closed') this.#tell(gate, before, opened, attempt);
    if (this.#stopping) this.#checkIdle();
    return cancelled ? ABORTED : this.#resultOf(attempt, gate);
  }

  /** Settles when the patience ends, at the latest. */
  #attempted(address: A, message: PushMessage, patience: Patience): Promise<Attempt> {
    return new Promise((resolve) => {
      patience.onEnd(() => resolve({ kind: 'retry', code: 'TIMEOUT', of: 'host' }));
      if (patience.ended) return;
      const attempting = async () => this.#adapter.attempt(address, message, patience);
      attempting().then(resolve, (error: unknown) => {
        this.#fault(error);
        // A fault of ours: the next attempt may meet another state of things, and the host is not to blame.
        resolve({ kind: 'retry', code: 'FAULT', of: 'address' });
      });
    });
  }

  #resultOf(attempt: Attempt, gate: HostGate): PushResult {
    if (attempt.kind !== 'retry' && attempt.kind !== 'credentials') return attempt;
    const open = gate.circuit.remainingMs(this.#clock());
    if (attempt.kind === 'credentials') return { ...attempt, afterMs: this.#later(open) };
    const { code, of, afterMs = RETRY_MS[of] } = attempt;
    return { kind: 'retry', code, afterMs: this.#later(Math.max(afterMs, open)) };
  }

  #turnedAway(entry: Exclude<Entry, { kind: 'in' }>): PushResult {
    switch (entry.kind) {
      case 'aborted':
        return ABORTED;
      case 'busy':
        return { kind: 'retry', code: 'BUSY', afterMs: this.#later(entry.afterMs) };
      case 'shut': {
        const kind = entry.why === 'credentials' ? 'credentials' : 'retry';
        return { kind, code: entry.code, afterMs: this.#later(entry.afterMs) };
      }
      default:
        return entry satisfies never;
    }
  }

  /** Undefined: there are too many, and each is in use. */
  #gateOf(host: string): HostGate | undefined {
    let gate = this.#gates.get(host);
    if (gate === undefined) {
      if (this.#gates.size >= this.#options.limits.hosts && !this.#forgetOne()) return undefined;
      gate = new HostGate(host, this.#options.limits, this.#clock);
    } else this.#gates.delete(host);
    this.#gates.set(host, gate);
    return gate;
  }

  #forgetOne(): boolean {
    for (const [host, gate] of this.#gates)
      if (gate.underWay === 0 && gate.waiting === 0) return this.#gates.delete(host);
    return false;
  }

  #tell(gate: HostGate, before: string, opened: boolean, attempt: Attempt): void {
    const { log, observe } = this.#options;
    const about = { provider: this.provider, host: gate.host, ...('code' in attempt ? { code: attempt.code } : {}) };
    const { state } = gate.circuit;
    if (opened && state === 'credentials' && before !== 'credentials') {
      observe.alarm(this.provider);
      log.error(
        about,
        'the push provider does not take our credentials or settings: its pushes wait until that is mended',
      );
    } else if (opened && before === 'closed') log.warn(about, 'the push provider is in trouble: its pushes wait');
    else if (before !== 'closed' && state === 'closed') log.info(about, 'the push provider takes pushes again');
  }

  #fault(error: unknown): PushResult {
    // Where, and nothing of what it says: that may be the request, and so secrets.
    const where = error instanceof Error ? error.stack?.match(/^ +at .*$/gm)?.slice(0, 6) : undefined;
    this.#options.log.error({ provider: this.provider, where }, 'a push failed by a fault of ours');
    return { kind: 'retry', code: 'FAULT', afterMs: RETRY_MS.address };
  }

  #later(ms: number): number {
    return Math.ceil(Math.min(ms, LONGEST_PAUSE_MS) * (1 + Math.random() * JITTER));
  }
}

const ABORTED: PushResult = { kind: 'retry', code: 'ABORTED', afterMs: 0 };
const NOTHING: Health = { kind: 'none' };

class HostGate extends Gate {
  readonly host: string;
  /** It answered since its circuit was open last. */
  proven = false;

  constructor(host: string, limits: GateLimits, clock: () => Millis) {
    super(limits, clock);
    this.host = host;
  }
}

function healthOf(attempt: Attempt): Health {
  switch (attempt.kind) {
    case 'credentials':
      return { kind: 'credentials', code: attempt.code };
    case 'retry':
      if (attempt.of === 'address') return { kind: 'fine' };
      return {
        kind: 'trouble',
        code: attempt.code,
        ...(attempt.afterMs === undefined ? {} : { pauseMs: attempt.afterMs }),
      };
    case 'sent':
    case 'replaced':
    case 'dead-token':
    case 'refused':
      return { kind: 'fine' };
    default:
      return attempt satisfies never;
  }
}
