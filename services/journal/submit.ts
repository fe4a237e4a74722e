/**
 * The way of a command into its lane: decide on the lane's state, append with the lane's revision expected, and again.
 *
 * One append is in flight per lane and process; commands that come meanwhile are decided together and go into one record.
 * Guaranteed: `accepted` only when the record is stored durably; a lost answer stays `unknown` until the same append is
 * stored, found, or impossible; every refusal was decided on a state at least as new as the command. Whose time is over before
 * anything of it, or of what it waits for, was sent is answered `unavailable`, and is never sent afterwards.
 */
import { randomUUID } from 'node:crypto';
import type { Acknowledgement, Command, Outcome, Refusal } from '../../schema/commands.ts';
import { type LaneEvent, type LaneRecord, RECORD_MAX_BYTES } from '../../schema/events.ts';
import type { ClientKey, LaneId, Millis, Revision, Seq, UserId } from '../../schema/ids.ts';
import { type Decision, decide, type KeyFact, type Rules } from '../lane/decide.ts';
import type { RememberedKey } from '../lane/keys.ts';
import { evolve, type Lane } from '../lane/lane.ts';
import type { Logger } from '../logger.ts';
import { type Appended, type AppendObserver, type AppendParts, appendUntilCertain } from './append-until-certain.ts';
import type { Journal } from './journal.ts';
import type { Lanes, Loaded } from './lanes.ts';

/** Where the keys are that a lane's state no longer remembers. */
export interface KeyHistory {
  /**
   * For each wanted key the event it wrote, or undefined: certainly in no event of the lane up to `upTo`.
   * Throws when it cannot tell for certain.
   */
  findKeys(
    loaded: Loaded,
    wanted: readonly { readonly sender: UserId; readonly key: ClientKey }[],
  ): Promise<{ readonly upTo: Seq; readonly found: readonly (RememberedKey | undefined)[] }>;
}

/** What happens, for whoever counts it. */
export interface SubmitObserver extends AppendObserver {
  outcome(outcome: Outcome): void;
  conflict(): void;
  lookedUp(keys: number): void;
}

export interface SubmitLimits {
  /** Commands waiting in this process; past it they are answered `unavailable`. */
  readonly waiting: number;
  /** Commands waiting for one lane; past it CONTENDED. */
  readonly waitingPerLane: number;
  /** Events in one record. */
  readonly batch: number;
  /** Lost races for one batch before CONTENDED. */
  readonly conflicts: number;
  /** Attempts of one append whose outcome is not certain; past it its commands are `unknown`, and those behind them go on. */
  readonly attempts: number;
  /** After this long a command is answered with what is known. */
  readonly answerMs: number;
  /** How long `stop` lets what is in flight settle. */
  readonly stopMs: number;
}
export const DEFAULT_LIMITS: SubmitLimits = {
  waiting: 20_000,
  waitingPerLane: 4_096,
  batch: 512,
  conflicts: 16,
  attempts: 32,
  answerMs: 8_000,
  stopMs: 5_000,
};

export interface SubmitOptions {
  readonly rules: Rules;
  readonly clock: () => Millis;
  readonly log: Logger;
  readonly limits?: Partial<SubmitLimits>;
  readonly observer?: SubmitObserver;
  readonly wait?: (ms: number) => Promise<void>;
}

interface Pending {
  readonly command: Command;
  readonly since: Millis;
  answer: ((outcome: Outcome) => void) | undefined;
  fact: KeyFact | undefined;
  lookUps: number;
  /** It is in a record that is being appended. */
  isAppending: boolean;
}
interface Queue {
  pending: Pending[];
  running: boolean;
  /** The record that is being appended may be stored. */
  mayBeStored: boolean;
}
/** A batch as decided on one state: what to append, and what each command is answered once that is stored. */
interface Plan {
  readonly events: readonly LaneEvent[];
  /** The state after them. */
  readonly lane: Lane;
  readonly answers: readonly { readonly pending: Pending; readonly decision: Decision }[];
  readonly rest: readonly Pending[];
}

/** How often it is looked whose time is over. */
const SWEEP_MS = 100;
const LOOK_UPS = 5;
const UNKNOWN: Outcome = {
  kind: 'unknown',
  message: 'The store did not answer: it may have been accepted. Send it again with the same clientKey.',
};
const unavailable = (message: string): Outcome => ({ kind: 'unavailable', message });
const UNAVAILABLE = unavailable('The store cannot be reached now. Nothing was accepted.');
const refused = (refusal: Refusal): Outcome => ({ kind: 'refused', refusal });
const CONTENDED = refused({
  code: 'CONTENDED',
  message: 'Too many others are writing to this conversation. Nothing was accepted; try again.',
  retryAfterMs: 250,
});
const STORE_FULL = refused({
  code: 'STORE_FULL',
  message: 'The store is full. Nothing was accepted; try again when its operator has made room.',
  retryAfterMs: 30_000,
});

export class Submit {
  readonly #appending: AppendParts;
  readonly #lanes: Lanes;
  readonly #history: KeyHistory;
  readonly #options: SubmitOptions;
  readonly #limits: SubmitLimits;
  readonly #wait: (ms: number) => Promise<void>;
  readonly #queues = new Map<LaneId, Queue>();
  /** Those without an answer, in the order in which they came, which is that of their deadlines. */
  readonly #open = new Set<Pending>();
  #sweeping: NodeJS.Timeout | undefined;
  #stopAt: Millis | undefined;
  #onIdle: (() => void) | undefined;

  constructor(journal: Journal, lanes: Lanes, history: KeyHistory, options: SubmitOptions) {
    this.#lanes = lanes;
    this.#history = history;
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#wait = options.wait ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms)));
    const { log, observer } = options;
    const { attempts } = this.#limits;
    this.#appending = { journal, lanes, log, observer, wait: this.#wait, attempts };
  }

  /** Never throws. The outcome comes after at most about `answerMs`, whatever the store does. */
  submit(command: Command): Promise<Outcome> {
    if (this.#stopAt !== undefined)
      return this.#turnedAway(unavailable('This server is stopping. Nothing was accepted.'));
    if (this.#open.size >= this.#limits.waiting)
      return this.#turnedAway(unavailable('This server has too much to do. Nothing was accepted.'));
    if ((this.#queues.get(command.lane)?.pending.length ?? 0) >= this.#limits.waitingPerLane)
      return this.#turnedAway(CONTENDED);
    return new Promise((resolve) => {
      const since = this.#options.clock();
      const pending = { command, since, answer: resolve, fact: undefined, lookUps: 0, isAppending: false };
      this.#open.add(pending);
      this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
      this.#enqueue(command.lane, pending);
    });
  }

  /** Takes nothing more; what is in flight settles, or is answered `unknown` after `stopMs`. */
  async stop(): Promise<void> {
    this.#stopAt ??= this.#options.clock() + this.#limits.stopMs;
    if (this.#open.size > 0 || [...this.#queues.values()].some((queue) => queue.running))
      await Promise.race([
        new Promise<void>((resolve) => {
          this.#onIdle = resolve;
        }),
        this.#wait(this.#limits.stopMs),
      ]);
  }

  #turnedAway(outcome: Outcome): Promise<Outcome> {
    this.#options.observer?.outcome(outcome);
    return Promise.resolve(outcome);
  }

  /** Answers those whose time is over; for those that are being appended `#isOver` does. */
  #sweep(): void {
    for (const pending of this.#open) {
      if (!this.#isLate(pending)) break;
      if (pending.isAppending) continue;
      this.#answer(pending, this.#queues.get(pending.command.lane)?.mayBeStored ? UNKNOWN : UNAVAILABLE);
    }
    if (this.#open.size > 0) return;
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  }

  #isLate({ since }: Pending): boolean {
    return this.#options.clock() - since >= this.#limits.answerMs;
  }

  #enqueue(lane: LaneId, pending: Pending): void {
    const queue = this.#queues.get(lane) ?? { pending: [], running: false, mayBeStored: false };
    this.#queues.set(lane, queue);
    queue.pending.push(pending);
    if (!queue.running) void this.#run(lane, queue);
  }

  async #run(lane: LaneId, queue: Queue): Promise<void> {
    queue.running = true;
    while (queue.pending.length > 0) {
      const batch = queue.pending.filter((pending) => pending.answer);
      queue.pending = [];
      try {
        await this.#settle(lane, queue, batch);
      } catch (error) {
        // Only reads throw, and before an append: nothing of the batch was written by this attempt.
        this.#options.log.warn({ lane, err: error }, 'commands not decided');
        for (const pending of batch) this.#answer(pending, UNAVAILABLE);
      }
    }
    queue.running = false;
    this.#queues.delete(lane);
    if (this.#queues.size === 0 && this.#open.size === 0) this.#onIdle?.();
  }

  /** Brings the batch to its end: every command in it answered, queued again, or waiting for a look-up. */
  async #settle(id: LaneId, queue: Queue, batch: readonly Pending[]): Promise<void> {
    let loaded = await this.#lanes.load(id);
    let isFresh = false;
    let open = batch;
    for (let conflicts = 0; ; ) {
      open = open.filter((pending) => pending.answer);
      const plan = this.#plan(loaded, open);
      if (plan.events.length === 0 && !isFresh && plan.answers.some(({ decision }) => isNo(decision))) {
        loaded = await this.#lanes.fresh(id);
        isFresh = true;
        continue;
      }
      const asked = new Set(plan.answers.filter(({ decision }) => decision.kind === 'look-up').map((a) => a.pending));
      if (asked.size > 0) {
        open = open.filter((pending) => !asked.has(pending));
        this.#lookUp(loaded, [...asked]);
      }
      if (plan.events.length === 0) return this.#answerAll(plan, loaded.lane.seq);
      // What an earlier record answers needs no wait for this one.
      this.#answerAll(plan, loaded.lane.seq, 'repeated');
      const record: LaneRecord = { v: 1, id: randomUUID(), lane: id, events: plan.events };
      const appended = await this.#append(record, loaded.revision, plan, queue);
      if (appended.kind === 'lost') this.#options.observer?.conflict();
      if (appended.kind !== 'lost' || ++conflicts > this.#limits.conflicts) {
        // What did not fit comes first in the next record.
        queue.pending.unshift(...plan.rest);
        if (appended.kind !== 'stored') return this.#answerFailed(plan, appended.kind, queue);
        const { revision } = appended;
        this.#lanes.stored(loaded.revision, { lane: plan.lane, revision, recordId: record.id });
        return this.#answerAll(plan, Number.POSITIVE_INFINITY);
      }
      if (conflicts > 1) await this.#wait(Math.random() * Math.min(2 ** conflicts, 64));
      loaded = await this.#lanes.fresh(id);
      isFresh = true;
    }
  }

  #plan(loaded: Loaded, batch: readonly Pending[]): Plan {
    const events: LaneEvent[] = [];
    const answers: { pending: Pending; decision: Decision }[] = [];
    const now = this.#options.clock();
    let { lane } = loaded;
    let bytes = 0;
    for (const [i, pending] of batch.entries()) {
      const decision = decide(lane, pending.command, now, this.#options.rules, pending.fact);
      if (decision.kind === 'event') {
        bytes += sizeOf(decision.event);
        if (events.length > 0 && (bytes > RECORD_MAX_BYTES || events.length >= this.#limits.batch))
          return { events, lane, answers, rest: batch.slice(i) };
        events.push(decision.event);
        lane = evolve(lane, decision.event);
      }
      answers.push({ pending, decision });
    }
    return { events, lane, answers, rest: [] };
  }

  async #append(record: LaneRecord, expected: Revision, plan: Plan, queue: Queue): Promise<Appended> {
    const waiting = waitingIn(plan);
    for (const pending of waiting) pending.isAppending = true;
    const appended = await appendUntilCertain(this.#appending, record, expected, {
      attempted: () => {
        queue.mayBeStored = true;
      },
      isOver: (mayBeStored) => {
        queue.mayBeStored = mayBeStored;
        return this.#isOver(waiting, [...plan.rest, ...queue.pending], mayBeStored);
      },
    });
    queue.mayBeStored = false;
    for (const pending of waiting) pending.isAppending = false;
    return appended;
  }

  /** Of what may be stored, and of what waits behind it, senders are told so when their time is over; the repeating goes on. */
  #isOver(appending: readonly Pending[], behind: readonly Pending[], mayBeStored: boolean): boolean {
    if (this.#stopAt !== undefined && this.#options.clock() >= this.#stopAt) return true;
    if (!mayBeStored) return appending.some((pending) => this.#isLate(pending));
    for (const pending of [...appending, ...behind]) if (this.#isLate(pending)) this.#answer(pending, UNKNOWN);
    return false;
  }

  /** Asks history, aside from the lane's queue, and queues the commands again with what it said. */
  #lookUp(loaded: Loaded, asked: readonly Pending[]): void {
    if (asked.length === 0) return;
    for (const pending of asked) pending.lookUps++;
    for (const pending of asked) if (pending.lookUps > LOOK_UPS) this.#answer(pending, CONTENDED);
    const wanted = asked.filter((pending) => pending.answer);
    this.#options.observer?.lookedUp(wanted.length);
    this.#history
      .findKeys(
        loaded,
        wanted.map(({ command }) => ({ sender: command.actor.user, key: command.key })),
      )
      .then(({ upTo, found }) => {
        for (const [i, pending] of wanted.entries()) {
          const event = found[i];
          pending.fact = event ? { kind: 'present', event } : { kind: 'absent', upTo };
          this.#enqueue(loaded.lane.id, pending);
        }
      })
      .catch((error: unknown) => {
        this.#options.log.warn({ lane: loaded.lane.id, err: error }, 'keys not looked up');
        const outcome = unavailable(
          'Whether this clientKey was used before cannot be told now. Nothing was accepted; send it again with the same key.',
        );
        for (const pending of wanted) this.#answer(pending, outcome);
      });
  }

  /** Answers what is decided by events up to `upTo`, all of them stored. */
  #answerAll(plan: Plan, upTo: number, only?: 'repeated'): void {
    for (const { pending, decision } of plan.answers) {
      if (decision.kind === 'look-up' || (only && decision.kind !== only)) continue;
      if (decision.kind === 'repeated' && decision.seq > upTo) continue;
      this.#answer(pending, outcomeOf(pending.command.lane, decision));
    }
  }

  #answerFailed(plan: Plan, kind: Exclude<Appended['kind'], 'stored'>, queue: Queue): void {
    const outcome = { lost: CONTENDED, full: STORE_FULL, unavailable: UNAVAILABLE, unknown: UNKNOWN }[kind];
    const asked = waitingIn(plan);
    // Nothing was sent: who came later than the one whose time is over is tried again.
    const isAgain = (pending: Pending) =>
      kind === 'unavailable' && this.#stopAt === undefined && !this.#isLate(pending);
    const again = new Set(asked.filter(isAgain));
    for (const pending of asked) if (!again.has(pending)) this.#answer(pending, outcome);
    queue.pending.unshift(...again);
  }

  #answer(pending: Pending, outcome: Outcome): void {
    if (!pending.answer) return;
    pending.answer(outcome);
    pending.answer = undefined;
    this.#open.delete(pending);
    this.#options.observer?.outcome(outcome);
    if (this.#open.size === 0 && this.#queues.size === 0) this.#onIdle?.();
  }
}

/** Those that wait for the plan's record. */
const waitingIn = ({ answers }: Plan): readonly Pending[] =>
  answers.flatMap(({ pending, decision }) => (pending.answer && decision.kind !== 'look-up' ? [pending] : []));

/** A no, or "it is so already", holds only on a state that is not old. */
const isNo = (decision: Decision): boolean => decision.kind === 'refused' || decision.kind === 'unchanged';

/** Bytes of an event in a record, from above: JSON escapes of control characters are counted by their longest form. */
const sizeOf = (event: LaneEvent): number =>
  event.type === 'MessageSent' ? 400 + 6 * Buffer.byteLength(event.text) : Buffer.byteLength(JSON.stringify(event));

function outcomeOf(lane: LaneId, decision: Exclude<Decision, { kind: 'look-up' }>): Outcome {
  const accepted = (ack: Omit<Acknowledgement, 'lane'>): Outcome => ({ kind: 'accepted', ack: { lane, ...ack } });
  switch (decision.kind) {
    case 'event':
      return accepted({ seq: decision.event.seq, at: decision.event.at, repeated: false, changed: true });
    case 'repeated':
      return accepted({ seq: decision.seq, at: decision.at, repeated: true, changed: true });
    case 'unchanged':
      return accepted({ seq: decision.seq, at: decision.at, repeated: false, changed: false });
    case 'refused':
      return refused(decision.refusal);
    default:
      return decision satisfies never;
  }
}
