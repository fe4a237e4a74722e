/**
 * A request of an integration, whichever way it came (NATS, MQTT, a webhook), to its end: the same deciding, refusals, limits and
 * budgets as through the GraphQL API; those of the integrations take turns. Guaranteed: `handle` never throws, and every reply is
 * one of four forms.
 */
import { type AppId, userOfApp } from '../schema/ids.ts';
import { Buckets, Counts, type Rate, requestsOf } from '../services/buckets.ts';
import type { Integration, Integrations } from '../services/journal/integrations.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import { PoisonedLane } from '../services/journal/lanes.ts';
import type { Marked, Marking, Wish } from '../services/journal/marking.ts';
import type { Submit } from '../services/journal/submit.ts';
import { BadInput } from '../services/lane/parse.ts';
import type { Logger } from '../services/logger.ts';
import { type SlotLimits, Slots } from '../services/slots.ts';
import { HistoryUnavailable } from '../services/views/history.ts';
import { errorReply, outcomeReply, type Reply, refusedReply, resultReply, thrownReply } from './answers.ts';
import type { AppReads } from './app-reads.ts';
import { parseBody } from './json.ts';
import { isVerb, type Verb } from './requests.ts';
import { APP_DEVICE, type Asked, type ReplayAsk, translate } from './translate.ts';

export type ReplayAnswer =
  | { readonly kind: 'started'; readonly replayId: string; readonly from: number; readonly to: number }
  /** There is no such conversation, or it is not the integration's. */
  | { readonly kind: 'not-found' }
  /** As many replays as there may be are under way. */
  | { readonly kind: 'busy'; readonly retryAfterMs: number };

export interface CommandsParts {
  readonly integrations: Pick<Integrations, 'get'>;
  readonly submit: Pick<Submit, 'submit'>;
  readonly marking: Pick<Marking, 'mark'>;
  readonly reads: Pick<AppReads, 'read' | 'conversation'>;
  /** Settles when the replay has begun. Throws JournalUnavailable, HistoryUnavailable. */
  replay(app: AppId, ask: ReplayAsk): Promise<ReplayAnswer>;
  /** What each integration may send. */
  readonly sends: Rate;
  readonly log: Logger;
  readonly limits?: Partial<CommandLimits>;
  readonly observer?: CommandObserver;
}

export interface CommandLimits {
  /** Requests under way in this process; past it UNAVAILABLE. */
  readonly inFlight: number;
  /** Of one integration; past it RATE_LIMITED. */
  readonly inFlightPerApp: number;
  /** Those that are worked on. The others wait, their integrations in turns; past `waiting`, by `costOf`, RATE_LIMITED. */
  readonly slots: SlotLimits;
}
export const DEFAULT_COMMAND_LIMITS: CommandLimits = {
  inFlight: 10_000,
  inFlightPerApp: 1_000,
  slots: { running: 512, each: 128, waiting: 65_536 },
};
/** What the requests of one integration may come to: a large one is as much work as many small ones. */
const BYTES: Rate = { perSecond: 2 * 1024 * 1024, burst: 8 * 1024 * 1024 };
/** In its turn, and where it is over its budget, a request counts for one, and for one more for each of these. */
const UNIT_BYTES = 1024;
export const costOf = (bytes: number): number => 1 + Math.floor(bytes / UNIT_BYTES);

/** What happens, for whoever counts it. */
export interface CommandObserver {
  /** `verb` is `unknown` for one that there is not; `form` is `accepted`, `refused`, `result`, or an error's code. */
  answered(verb: Verb | 'unknown', form: string, tookMs: number): void;
}

export interface HandleOptions {
  /** How long the asker waits, from now. Then it is answered with what is known. */
  readonly deadlineMs?: number | undefined;
  /** W3C trace context, into the log. */
  readonly traceparent?: string | undefined;
  /** `charge` was asked before. */
  readonly isCharged?: boolean;
}

const BUSY_RETRY_MS = 100;
/** Late answers to these leave open whether something was changed. */
const WRITING: ReadonlySet<string> = new Set<Verb>([
  ...(['send', 'create', 'open-direct', 'add-members', 'remove-member', 'leave'] as const),
  ...(['mark-read', 'acknowledge', 'replay'] as const),
]);
const CROWDED = 'Too many requests at once.';
const TOO_FAST = 'You send faster than your budget allows.';
const NOT_FOUND = 'There is no such conversation, or you are not in it.';
/** As the GraphQL API answers a question that came too late to be read. */
const LATE = 'The time of this request is over. Nothing was decided.';
const LATE_UNKNOWN =
  'The time of this request is over: it may have been accepted. Send the same again, with the same clientKey.';

export class Commands {
  readonly #parts: CommandsParts;
  readonly #limits: CommandLimits;
  readonly #requests: Buckets;
  readonly #bytes = new Buckets(BYTES);
  readonly #sends: Buckets;
  readonly #perApp: Counts;
  readonly #slots: Slots;
  #inFlight = 0;
  #onIdle: (() => void) | undefined;

  constructor(parts: CommandsParts) {
    this.#parts = parts;
    this.#limits = { ...DEFAULT_COMMAND_LIMITS, ...parts.limits };
    this.#requests = new Buckets(requestsOf(parts.sends));
    this.#sends = new Buckets(parts.sends);
    this.#perApp = new Counts(this.#limits.inFlightPerApp);
    this.#slots = new Slots(this.#limits.slots);
  }

  /** Requests under way. */
  get size(): number {
    return this.#inFlight;
  }

  /**
   * Takes what a request of so many bytes costs. A reply: the integration's budget is spent, or it has as many under way as it may,
   * and this is all that it gets.
   */
  charge(app: AppId, bytes: number): Reply | undefined {
    const retryAfterMs = this.#requests.take(app) || this.#bytes.take(app, bytes);
    if (retryAfterMs > 0) return errorReply('RATE_LIMITED', 'Too many requests.', { retryAfterMs });
    if (this.#perApp.isFull(app)) return errorReply('RATE_LIMITED', CROWDED, { retryAfterMs: BUSY_RETRY_MS });
    return undefined;
  }

  /** Never throws, never rejects. `app` is who sent it, as the door knows for certain; `verb` and `body` may be anything. */
  async handle(app: AppId, verb: string, body: Uint8Array, options: HandleOptions = {}): Promise<Reply> {
    const startedAt = performance.now();
    const reply = await this.#admit(app, verb, body, options);
    const form = 'errors' in reply.json ? reply.json.errors[0].extensions.code : Object.keys(reply.json)[0];
    const tookMs = performance.now() - startedAt;
    this.#parts.observer?.answered(isVerb(verb) ? verb : 'unknown', form ?? '', tookMs);
    const { traceparent } = options;
    if (traceparent !== undefined) this.#parts.log.debug({ app, verb, traceparent, form, tookMs }, 'answered');
    return reply;
  }

  /** Settles when nothing is under way. */
  idle(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #admit(app: AppId, verb: string, body: Uint8Array, options: HandleOptions): Reply | Promise<Reply> {
    const integration = this.#parts.integrations.get(app);
    if (!integration || integration.revokedAt !== undefined)
      return errorReply('UNAUTHENTICATED', 'There is no such integration, or it was revoked.');
    const over = options.isCharged ? undefined : this.charge(app, body.byteLength);
    if (over) return over;
    if (options.deadlineMs !== undefined && options.deadlineMs <= 0) return errorReply('UNAVAILABLE', LATE);
    if (this.#inFlight >= this.#limits.inFlight)
      return errorReply('UNAVAILABLE', 'This server has too much to do. Nothing was decided.');
    if (!this.#perApp.enter(app)) return errorReply('RATE_LIMITED', CROWDED, { retryAfterMs: BUSY_RETRY_MS });
    this.#inFlight++;
    return this.#inTurn(integration, verb, body, options);
  }

  #inTurn(integration: Integration, verb: string, body: Uint8Array, options: HandleOptions): Promise<Reply> {
    const { app } = integration;
    const { deadlineMs } = options;
    const state = { isBegun: false, isLate: false };
    const work = async (): Promise<Reply> => {
      if (state.isLate) return errorReply('UNAVAILABLE', LATE);
      state.isBegun = true;
      return this.#answer(integration, verb, body, options);
    };
    const answering = this.#slots
      .tryHold(app, work, costOf(body.byteLength))
      .then((reply) => reply ?? errorReply('RATE_LIMITED', CROWDED, { retryAfterMs: BUSY_RETRY_MS }))
      .finally(() => this.#leave(app));
    return deadlineMs === undefined ? answering : inTime(answering, verb, deadlineMs, state);
  }

  #leave(app: AppId): void {
    this.#perApp.leave(app);
    if (--this.#inFlight === 0) this.#onIdle?.();
  }

  async #answer(integration: Integration, verb: string, body: Uint8Array, options: HandleOptions): Promise<Reply> {
    const { app } = integration;
    try {
      if (!isVerb(verb)) throw new BadInput('the verb', 'one that there is');
      return await this.#do(integration, translate(app, verb, parseBody(body)));
    } catch (thrown) {
      const { traceparent } = options;
      return thrownReply(thrown, this.#parts.log, {
        app,
        verb: verb.slice(0, 64),
        ...(traceparent ? { traceparent } : {}),
      });
    }
  }

  async #do({ app, scope }: Integration, asked: Asked): Promise<Reply> {
    switch (asked.kind) {
      case 'command': {
        const retryAfterMs = this.#sends.take(app);
        if (retryAfterMs > 0) return refusedReply({ code: 'RATE_LIMITED', message: TOO_FAST, retryAfterMs });
        return outcomeReply(await this.#parts.submit.submit(asked.command));
      }
      case 'acknowledge':
        return this.#acknowledge(app, asked.marks);
      case 'mark-read':
        return this.#markRead(app, asked.mark);
      case 'read': {
        const result = await this.#parts.reads.read({ user: userOfApp(app), all: scope === 'all' }, asked.ask);
        return result === undefined ? errorReply('NOT_FOUND', NOT_FOUND) : resultReply(result);
      }
      case 'replay':
        return replayReply(await this.#parts.replay(app, asked.ask));
      case 'forbidden':
        return errorReply('FORBIDDEN', 'No integration may act for others.');
      default:
        return asked satisfies never;
    }
  }

  async #acknowledge(app: AppId, marks: readonly Wish[]): Promise<Reply> {
    const marked = await this.#parts.marking.mark(userOfApp(app), 'delivered', marks, APP_DEVICE);
    if (marked.kind !== 'stored') return unmarkedReply(marked, 'marks');
    return resultReply({ acknowledgedAt: new Date(marked.at).toISOString() });
  }

  async #markRead(app: AppId, mark: Wish): Promise<Reply> {
    const user = userOfApp(app);
    const marked = await this.#parts.marking.mark(user, 'read', [mark]);
    if (marked.kind !== 'stored') return unmarkedReply(marked, 'seq');
    if (!marked.taken.has(mark.lane)) return refusedReply({ code: 'NOT_FOUND', message: NOT_FOUND });
    try {
      return resultReply(await this.#parts.reads.conversation({ user, all: false }, mark.lane));
    } catch (thrown) {
      // Marked stays marked: an object that cannot be read just now is null.
      const isPassing =
        thrown instanceof JournalUnavailable || thrown instanceof HistoryUnavailable || thrown instanceof PoisonedLane;
      if (isPassing) return resultReply({ conversation: null });
      throw thrown;
    }
  }
}

function unmarkedReply(marked: Exclude<Marked, { kind: 'stored' }>, field: string): Reply {
  switch (marked.kind) {
    case 'beyond':
      return errorReply('BAD_USER_INPUT', `${field}: not after the last event of the conversation ${marked.lane}`);
    case 'unknown':
      return errorReply('OUTCOME_UNKNOWN', marked.message);
    case 'unavailable':
      return errorReply('UNAVAILABLE', marked.message);
    default:
      return marked satisfies never;
  }
}

function replayReply(start: ReplayAnswer): Reply {
  switch (start.kind) {
    case 'started': {
      const { replayId, from, to } = start;
      return resultReply({ replayId, from, to });
    }
    case 'not-found':
      return errorReply('NOT_FOUND', NOT_FOUND);
    case 'busy':
      return errorReply('RATE_LIMITED', 'Too many replays at once.', { retryAfterMs: start.retryAfterMs });
    default:
      return start satisfies never;
  }
}

/** The longest that a timer can be. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** What has not begun when its time is over never begins. */
function inTime(
  answering: Promise<Reply>,
  verb: string,
  deadlineMs: number,
  state: { readonly isBegun: boolean; isLate: boolean },
): Promise<Reply> {
  return new Promise((resolve) => {
    const late = (): void => {
      state.isLate = !state.isBegun;
      resolve(
        state.isBegun && WRITING.has(verb)
          ? errorReply('OUTCOME_UNKNOWN', LATE_UNKNOWN)
          : errorReply('UNAVAILABLE', LATE),
      );
    };
    const timer = setTimeout(late, Math.min(deadlineMs, TIMER_MAX_MS));
    void answering.then((reply) => {
      clearTimeout(timer);
      resolve(reply);
    });
  });
}
