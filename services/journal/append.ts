/**
 * The hottest path: one record into its lane. Each partition has so many places in flight, so that one whose stream hangs takes
 * none from the others; appends past them wait their turn, in order, and their waiting counts.
 */
import type { Msg } from 'nats';
import type { LaneRecord } from '../../schema/events.ts';
import type { Revision } from '../../schema/ids.ts';
import { laneSubject, partitionOf } from '../../schema/subjects.ts';
import type { Logger } from '../logger.ts';
import { outcomeOf } from './append-outcome.ts';
import type { AppendOutcome } from './journal.ts';
import type { Asker, Link } from './link.ts';
import { answerOf, expectedHeader } from './message.ts';
import { encodeRecord } from './record.ts';

/** Appends written and not answered, all partitions together: enough for any stream, few enough for the client's buffers. */
const IN_FLIGHT = 512;
const IN_FLIGHT_OF_ONE = { least: 8, most: 256 };
/** Appends of one partition that wait for a place; past it they are `busy` at once. */
const WAITING = 4_096;
/** The wait for a place and for the answer together; of it, the wait for a place. */
const TOTAL_MS = 2_000;
const WAIT_MS = 1_000;
const SWEEP_MS = 50;
/** So many appends in a row without an answer are no accident. */
const SILENT_APPENDS = 3;
/** A silence older than this is no longer believed: somebody must try again. */
const SILENT_MS = 10_000;

const DOWN: AppendOutcome = { kind: 'busy', message: 'not connected to the store' };
const CROWDED: AppendOutcome = { kind: 'busy', message: 'too many appends wait for the store' };
const NO_ANSWER: AppendOutcome = { kind: 'unknown', message: 'the store did not answer in time' };
const CUT_OFF: AppendOutcome = { kind: 'unknown', message: 'the connection to the store was lost' };

export class Appends {
  readonly #queues: readonly AppendQueue[];
  #sweeping: NodeJS.Timeout | undefined;

  constructor(link: Link, partitions: number, log: Logger) {
    const share = Math.ceil(IN_FLIGHT / partitions);
    const places = Math.min(Math.max(share, IN_FLIGHT_OF_ONE.least), IN_FLIGHT_OF_ONE.most);
    this.#queues = Array.from({ length: partitions }, (_, partition) => new AppendQueue(link, partition, places, log));
    link.onChange((up) => {
      if (!up) for (const queue of this.#queues) queue.turnAway(DOWN);
    });
  }

  append(record: LaneRecord, expected: Revision): Promise<AppendOutcome> {
    const queue = this.#queues[partitionOf(record.lane, this.#queues.length)] as AppendQueue;
    return new Promise((resolve) => {
      if (queue.take(new Append(queue, record, expected, resolve)))
        this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_MS);
    });
  }

  /**
   * Appends are sent, and lately none was answered. A nats-server that could not write a stream says so in its log alone,
   * and never again answers an append to that stream until it is restarted.
   */
  get isSilent(): boolean {
    const since = performance.now() - SILENT_MS;
    const tried = this.#queues.filter((queue) => queue.answeredAt > since || queue.silentAt > since);
    return tried.length > 0 && tried.every((queue) => queue.isSilent);
  }

  #sweep(): void {
    const late = performance.now() - WAIT_MS;
    let waiting = 0;
    for (const queue of this.#queues) waiting += queue.sweep(late);
    if (waiting > 0) return;
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  }
}

class AppendQueue {
  readonly partition: number;
  readonly #link: Link;
  readonly #places: number;
  readonly #log: Logger;
  #inFlight = 0;
  /** In order of arrival, from `#first` on: to take one off costs nothing, however long it is. */
  #waiting: Append[] = [];
  #first = 0;
  /** Appends in a row without an answer, and when the last of each kind was. */
  #silent = 0;
  silentAt = Number.NEGATIVE_INFINITY;
  answeredAt = Number.NEGATIVE_INFINITY;

  constructor(link: Link, partition: number, places: number, log: Logger) {
    this.#link = link;
    this.partition = partition;
    this.#places = places;
    this.#log = log;
  }

  get isSilent(): boolean {
    return this.#silent >= SILENT_APPENDS;
  }

  /** True: it waits for a place. */
  take(append: Append): boolean {
    if (!this.#link.up) append.resolve(DOWN);
    else if (this.#inFlight < this.#places) this.#send(append);
    else if (this.#waiting.length - this.#first >= WAITING) append.resolve(CROWDED);
    else return this.#waiting.push(append) > 0;
    return false;
  }

  /** An append was answered, or never will be: the next in line may go. */
  settled(how: 'answered' | 'disconnected' | 'timeout', now: number): void {
    if (how === 'timeout') this.#noteSilence(now);
    else this.#noteSound(how, now);
    this.#inFlight--;
    while (this.#inFlight < this.#places && this.#first < this.#waiting.length) this.#send(this.#next());
  }

  /** Turns away who waits since `late`; how many wait on. */
  sweep(late: number): number {
    while (this.#first < this.#waiting.length && (this.#waiting[this.#first] as Append).startedAt <= late)
      this.#next().resolve(CROWDED);
    return this.#waiting.length - this.#first;
  }

  turnAway(outcome: AppendOutcome): void {
    while (this.#first < this.#waiting.length) this.#next().resolve(outcome);
  }

  #send(append: Append): void {
    const { record, expected } = append;
    try {
      const subject = laneSubject(this.partition, record.lane);
      if (this.#link.ask(append, subject, encodeRecord(record), expectedHeader(expected))) this.#inFlight++;
      else append.resolve(DOWN);
    } catch (error) {
      append.resolve({ kind: 'busy', message: `not sent: ${(error as Error).message}` });
    }
  }

  #next(): Append {
    const next = this.#waiting[this.#first++] as Append;
    if (this.#first >= 1_024 || this.#first === this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
    return next;
  }

  #noteSilence(now: number): void {
    this.silentAt = now;
    if (++this.#silent === SILENT_APPENDS)
      this.#log.error(
        { partition: this.partition },
        'appends are not answered: see the log of nats-server; after a write error (a full disk) it must be restarted',
      );
  }

  #noteSound(how: 'answered' | 'disconnected', now: number): void {
    if (how === 'answered') this.answeredAt = now;
    if (this.isSilent) this.#log.info({ partition: this.partition }, 'appends are answered again');
    this.#silent = 0;
  }
}

class Append implements Asker {
  readonly record: LaneRecord;
  readonly expected: Revision;
  readonly startedAt = performance.now();
  readonly deadline = this.startedAt + TOTAL_MS;
  readonly resolve: (outcome: AppendOutcome) => void;
  readonly #queue: AppendQueue;

  constructor(queue: AppendQueue, record: LaneRecord, expected: Revision, resolve: (outcome: AppendOutcome) => void) {
    this.record = record;
    this.expected = expected;
    this.resolve = resolve;
    this.#queue = queue;
  }

  answered(message: Msg): true {
    this.resolve(outcomeOf(answerOf(message)));
    this.#queue.settled('answered', performance.now());
    return true;
  }

  lost(why: 'disconnected' | 'timeout'): void {
    this.resolve(why === 'timeout' ? NO_ANSWER : CUT_OFF);
    this.#queue.settled(why, performance.now());
  }
}
