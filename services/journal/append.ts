/**
 * The hottest path: one record into its lane. A bounded number is in flight on the connection; the others wait their turn,
 * in order, and their waiting counts.
 */
import type { Msg } from 'nats';
import type { LaneRecord } from '../../schema/events.ts';
import { type Revision, revisionOf } from '../../schema/ids.ts';
import { laneSubject, partitionOf } from '../../schema/subjects.ts';
import type { Logger } from '../logger.ts';
import type { AppendOutcome } from './journal.ts';
import type { Asker, Link } from './link.ts';
import { type Answer, answerOf, expectedHeader, jsonOf, statusOf } from './message.ts';
import { encodeRecord } from './record.ts';

export interface AppendLimits {
  /** Appends written and not answered. */
  readonly inFlight: number;
  /** Appends that wait for a place; past it they are `busy` at once. */
  readonly waiting: number;
  /** The wait for a place and for the answer together. */
  readonly totalMs: number;
  /** Of it, the wait for a place. */
  readonly waitMs: number;
}
export const APPEND_LIMITS: AppendLimits = { inFlight: 256, waiting: 16_384, totalMs: 2_000, waitMs: 1_000 };

const SWEEP_MS = 50;
/** So many appends in a row without an answer are no accident. */
const SILENT_APPENDS = 3;
/** A silence older than this is no longer believed: somebody must try again. */
const SILENT_MS = 10_000;
/** What a silent partition may have in flight, so that it does not take the places of the others. */
const SILENT_IN_FLIGHT = 8;
const DOWN: AppendOutcome = { kind: 'busy', message: 'not connected to the store' };
const SILENT: AppendOutcome = { kind: 'busy', message: 'this partition of the store does not answer' };
const CROWDED: AppendOutcome = { kind: 'busy', message: 'too many appends wait for the store' };

export class Appends {
  readonly #link: Link;
  readonly #partitions: number;
  readonly #log: Logger;
  readonly #limits: AppendLimits;
  #inFlight = 0;
  readonly #inFlightOf: Int32Array;
  /** Appends in a row that timed out, by partition, and in a row altogether. */
  readonly #silent = new Map<number, number>();
  #silentAll = 0;
  #silentAt = 0;
  /** In order of arrival; from `#first` on. */
  #waiting: Append[] = [];
  #first = 0;
  #sweeping: NodeJS.Timeout | undefined;

  constructor(link: Link, partitions: number, log: Logger, limits: AppendLimits = APPEND_LIMITS) {
    this.#link = link;
    this.#partitions = partitions;
    this.#log = log;
    this.#limits = limits;
    this.#inFlightOf = new Int32Array(partitions);
    link.onChange((up) => {
      if (!up) this.#turnAway(DOWN);
    });
  }

  /**
   * Appends are sent and none is answered. A nats-server that could not write a stream says so in its log alone, and never
   * answers for that stream again until it is restarted.
   */
  get isSilent(): boolean {
    return this.#silentAll >= SILENT_APPENDS && performance.now() - this.#silentAt < SILENT_MS;
  }

  append(record: LaneRecord, expected: Revision): Promise<AppendOutcome> {
    return new Promise((resolve) => {
      const partition = partitionOf(record.lane, this.#partitions);
      const append = new Append(record, expected, partition, resolve, this);
      if (!this.#link.up) resolve(DOWN);
      else if (this.#inFlight < this.#limits.inFlight) this.#send(append);
      else if (this.#waiting.length - this.#first >= this.#limits.waiting) resolve(CROWDED);
      else {
        this.#waiting.push(append);
        this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_MS);
      }
    });
  }

  #send(append: Append): void {
    const { record, expected, partition } = append;
    if (this.#isSilent(partition) && (this.#inFlightOf[partition] ?? 0) >= SILENT_IN_FLIGHT) {
      append.resolve(SILENT);
      return;
    }
    append.deadline = append.startedAt + this.#limits.totalMs;
    try {
      const subject = laneSubject(partition, record.lane);
      if (this.#link.ask(append, subject, encodeRecord(record), expectedHeader(expected))) this.#count(partition, 1);
      else append.resolve(DOWN);
    } catch (error) {
      append.resolve({ kind: 'busy', message: `not sent: ${(error as Error).message}` });
    }
  }

  /** An append has its outcome: the next in line may go. */
  settled(partition: number, how: 'answered' | 'disconnected' | 'timeout'): void {
    if (how === 'timeout') this.#noteSilence(partition);
    else if (this.#silent.size > 0) this.#noteSound(partition);
    this.#count(partition, -1);
    while (this.#inFlight < this.#limits.inFlight && this.#first < this.#waiting.length) {
      const next = this.#waiting[this.#first] as Append;
      this.#forgetFirst();
      this.#send(next);
    }
  }

  #count(partition: number, by: number): void {
    this.#inFlight += by;
    this.#inFlightOf[partition] = (this.#inFlightOf[partition] ?? 0) + by;
  }

  #isSilent(partition: number): boolean {
    return this.#silent.size > 0 && (this.#silent.get(partition) ?? 0) >= SILENT_APPENDS;
  }

  #noteSilence(partition: number): void {
    this.#silentAll++;
    this.#silentAt = performance.now();
    const inRow = (this.#silent.get(partition) ?? 0) + 1;
    this.#silent.set(partition, inRow);
    if (inRow === SILENT_APPENDS)
      this.#log.error(
        { partition },
        'appends are not answered: see the log of nats-server for a write error. After one (a full disk) it must be restarted',
      );
  }

  #noteSound(partition: number): void {
    this.#silentAll = 0;
    if (this.#isSilent(partition)) this.#log.info({ partition }, 'appends are answered again');
    this.#silent.delete(partition);
  }

  /** Without moving the others: a long queue stays cheap. */
  #forgetFirst(): void {
    this.#first++;
    if (this.#first < 1_024 && this.#first < this.#waiting.length) return;
    this.#waiting = this.#waiting.slice(this.#first);
    this.#first = 0;
  }

  #sweep(): void {
    const late = performance.now() - this.#limits.waitMs;
    while (this.#first < this.#waiting.length && (this.#waiting[this.#first] as Append).startedAt <= late) {
      this.#waiting[this.#first]?.resolve(CROWDED);
      this.#forgetFirst();
    }
    if (this.#waiting.length > 0) return;
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  }

  #turnAway(outcome: AppendOutcome): void {
    const waiting = this.#waiting.slice(this.#first);
    this.#waiting = [];
    this.#first = 0;
    for (const append of waiting) append.resolve(outcome);
  }
}

class Append implements Asker {
  readonly record: LaneRecord;
  readonly expected: Revision;
  readonly partition: number;
  readonly startedAt = performance.now();
  readonly resolve: (outcome: AppendOutcome) => void;
  readonly #appends: Appends;
  deadline = 0;

  constructor(
    record: LaneRecord,
    expected: Revision,
    partition: number,
    resolve: (outcome: AppendOutcome) => void,
    appends: Appends,
  ) {
    this.record = record;
    this.expected = expected;
    this.partition = partition;
    this.resolve = resolve;
    this.#appends = appends;
  }

  answered(message: Msg): true {
    this.resolve(outcomeOf(answerOf(message)));
    this.#appends.settled(this.partition, 'answered');
    return true;
  }

  lost(why: 'disconnected' | 'timeout'): void {
    this.resolve({
      kind: 'unknown',
      message: why === 'timeout' ? 'the store did not answer in time' : 'the connection to the store was lost',
    });
    this.#appends.settled(this.partition, why);
  }
}

interface PublishAnswer {
  readonly seq?: number;
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

/** What the server's answer to an append says. Its codes: errors.json of nats-server 2.15. */
export function outcomeOf(answer: Answer): AppendOutcome {
  if (answer.data.length === 0)
    return statusOf(answer.head) === 503
      ? { kind: 'busy', message: 'no stream answers: its leader is missing or being elected' }
      : { kind: 'unknown', message: 'the store answered nothing' };
  let parsed: PublishAnswer;
  try {
    parsed = jsonOf(answer.data) as PublishAnswer;
  } catch {
    return { kind: 'unknown', message: 'the store answered what is no JSON' };
  }
  const { error, seq } = parsed;
  // A duplicate is answered with the sequence of the first: stored, and once.
  if (!error) return seq ? { kind: 'stored', revision: revisionOf(seq) } : { kind: 'unknown', message: 'no sequence' };
  const message = `${error.description} (${error.err_code})`;
  switch (error.err_code) {
    case 10071:
      return { kind: 'conflict' };
    // The same id is being stored. The stream lost its place while it stored ours: perhaps a replica has it.
    case 10158:
    case 10060:
      return { kind: 'unknown', message };
    // Stream limits; limits of the server or the account.
    case 10077:
      return /maximum (bytes|messages) exceeded|space|resource/i.test(message)
        ? { kind: 'full', message }
        : { kind: 'busy', message };
    case 10023:
    case 10028:
    case 10047:
      return { kind: 'full', message };
    // Among them 10164 (another write to the lane is in flight on the replicas) and 10167 (the stream's queue is full).
    // An error is answered before anything is stored or proposed to replicas.
    default:
      return { kind: 'busy', message };
  }
}
