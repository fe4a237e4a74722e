/** The lanes in NATS JetStream: two connections, and the port's verbs over them. */
import type { LaneRecord } from '../../schema/events.ts';
import type { LaneId, Revision } from '../../schema/ids.ts';
import { isBarrier, laneOfSubject, laneStream, liveSubject, liveSubjects, partitionOf } from '../../schema/subjects.ts';
import type { Logger } from '../logger.ts';
import { within } from '../within.ts';
import { Appends } from './append.ts';
import { ApiRefusal, Questions } from './ask.ts';
import { NatsClock, type ServerClock } from './clock.ts';
import { type ConsumeOptions, consume, type Source } from './consume.ts';
import { describeTopology, ensureTopology } from './installation.ts';
import {
  type AppendOutcome,
  type Journal,
  JournalUnavailable,
  type ReadOptions,
  type Stoppable,
  type StoredRecord,
  type StoredSnapshot,
} from './journal.ts';
import { type Link, type LinkOptions, openLink } from './link.ts';
import { answerOf, storedRecordOf } from './message.ts';
import { askWhyOther, type Place, readStanding, type Standing } from './place.ts';
import { Reads } from './read.ts';
import { parseRecord } from './record.ts';
import { Snapshots } from './snapshots.ts';
import type { TopologyOptions, TopologyReport } from './topology.ts';

export type JetStreamOptions = LinkOptions & TopologyOptions;

const OPEN_RETRY_MS = 200;
/** A partition that has not taken an append by then counts as one without a leader. */
const STATUS_MS = 2_500;

/** `notice`: sends to some conversations are not accepted. */
export type JournalStatus =
  | { readonly isReady: true; readonly notice?: string }
  | { readonly isReady: false; readonly reason: string };

export interface JetStreamJournal extends Journal {
  readonly clock: ServerClock;
  /**
   * Whether an append may be expected to be stored now: connected, and JetStream answers; of several servers, a quorum takes
   * appends of some partition at least. Answers within 3 s.
   */
  status(): Promise<JournalStatus>;
}

/**
 * Connects, makes or checks the streams, and settles when JetStream answers, however long that takes (`signal` ends it).
 * Throws ConfigError for what waiting does not mend: credentials, version, number of partitions, limits.
 */
export async function openJetStreamJournal(options: JetStreamOptions): Promise<JetStreamJournal> {
  const [writing, reading] = await Promise.all([
    openLink({ ...options, name: `${options.name}-write` }),
    openLink({ ...options, name: `${options.name}-read` }),
  ]);
  const questions = new Questions(reading);
  const clock = clockOf(reading, questions, options.log);
  try {
    await ensured(reading, questions, options);
    await clock.first(options.signal);
  } catch (error) {
    clock.stop();
    await Promise.all([writing.close(), reading.close()]);
    throw error;
  }
  return new JetStream({ writing, reading, questions, clock }, options);
}

/** Of the server that leads the first partition: it stamps its records with the same clock. */
const clockOf = (link: Link, questions: Questions, log: Logger): NatsClock =>
  new NatsClock({
    ask: async () => Date.parse((await questions.api<{ ts: string }>(`STREAM.INFO.${laneStream(0)}`)).ts),
    onReconnect: (callback) => link.onChange((up) => up && callback()),
    log,
  });

interface Opened {
  readonly writing: Link;
  readonly reading: Link;
  readonly questions: Questions;
  readonly clock: NatsClock;
}

/** What the streams are and should be, for `lanes doctor`. Throws where NATS does not let us in, or JetStream does not answer. */
export async function inspectTopology(options: JetStreamOptions): Promise<TopologyReport> {
  const link = await openLink(options);
  try {
    return await describeTopology(link, new Questions(link), options);
  } finally {
    await link.close();
  }
}

async function ensured(link: Link, questions: Questions, options: JetStreamOptions): Promise<void> {
  for (let said = false; ; said = true) {
    try {
      return await ensureTopology(link, questions, options);
    } catch (error) {
      if (!(error instanceof JournalUnavailable)) throw error;
      if (!said) options.log.warn({ reason: error.message }, 'waiting for JetStream: is it enabled for our user?');
    }
    options.signal?.throwIfAborted();
    await new Promise((wake) => setTimeout(wake, OPEN_RETRY_MS));
  }
}

/**
 * Appends have a connection of their own: the server answers a connection's reads one after the other, and a large one would
 * hold up whatever was sent behind it. Live copies come on the connection that reads: what is read after `listen` is read
 * after the server knows the listener.
 */
class JetStream implements JetStreamJournal {
  readonly partitions: number;
  readonly clock: NatsClock;
  readonly #writing: Link;
  readonly #reading: Link;
  readonly #questions: Questions;
  readonly #log: Logger;
  readonly #appends: Appends;
  readonly #reads: Reads;
  readonly #snapshots: Snapshots;
  readonly #closing = new AbortController();

  constructor({ writing, reading, questions, clock }: Opened, { partitions, log }: JetStreamOptions) {
    this.partitions = partitions;
    this.clock = clock;
    this.#writing = writing;
    this.#reading = reading;
    this.#questions = questions;
    this.#log = log;
    this.#appends = new Appends(writing, partitions, log);
    this.#reads = new Reads(reading, questions, partitions);
    this.#snapshots = new Snapshots(questions, partitions);
  }

  append(record: LaneRecord, expected: Revision): Promise<AppendOutcome> {
    return this.#appends.append(record, expected);
  }

  last(lane: LaneId) {
    return this.#reads.last(lane);
  }

  lastRevisions(lanes: readonly LaneId[]) {
    return this.#reads.lastRevisions(lanes);
  }

  read(lane: LaneId, from: Revision, options?: ReadOptions) {
    return this.#reads.read(lane, from, options);
  }

  next(lane: LaneId, from: Revision) {
    return this.#reads.next(lane, from);
  }

  readSnapshot(lane: LaneId) {
    return this.#snapshots.read(lane);
  }

  writeSnapshot(lane: LaneId, snapshot: StoredSnapshot) {
    return this.#snapshots.write(lane, snapshot);
  }

  listen(lane: LaneId, onRecord: (record: StoredRecord) => void): Stoppable {
    const subject = liveSubject(partitionOf(lane, this.partitions), lane);
    return this.#reading.subscribe(subject, (message) => onRecord(storedRecordOf(answerOf(message))));
  }

  /** Of either connection: whichever comes back first may find another store. */
  onReconnect(callback: () => void): Stoppable {
    const both = [this.#reading, this.#writing].map((link) => link.onChange((up) => up && callback()));
    return {
      stop: () => {
        for (const one of both) one.stop();
      },
    };
  }

  partitionEnd(partition: number, as?: 'figure') {
    return this.#reads.partitionEnd(partition, as);
  }

  consume(partition: number, from: Revision, { maxBatch, signal, after }: ConsumeOptions) {
    const source: Source<StoredRecord> = {
      partition,
      liveSubjects: liveSubjects(partition),
      recordOf: storedRecordOf,
      idOf: ({ record }) => record?.id ?? null,
      ...(this.#reading.isClustered ? { isGiven: ({ lane }) => !isBarrier(lane) } : {}),
      read: (next, limit) => this.#reads.partition(partition, next, limit),
      firstFrom: (next) => this.#reads.firstFrom(partition, next),
      standing: (sequence) => this.#standing(partition, sequence),
    };
    const parts = { link: this.#reading, source, log: this.#log };
    return consume(parts, from, { maxBatch, after, signal: AbortSignal.any([signal, this.#closing.signal]) });
  }

  async whyOther(partition: number, place: Place) {
    const options = { isClustered: this.#reading.isClustered, signal: this.#closing.signal };
    return (await askWhyOther(place, () => this.#standing(partition, place.revision), options)).why;
  }

  #standing(partition: number, sequence: number): Promise<Standing> {
    return readStanding(this.#questions, laneStream(partition), sequence, (subject, payload) => {
      const lane = laneOfSubject(subject);
      return parseRecord(lane, payload)?.id ?? null;
    });
  }

  lanes(partition: number) {
    return this.#reads.lanes(partition);
  }

  async status(): Promise<JournalStatus> {
    if (!this.#writing.up || !this.#reading.up) return { isReady: false, reason: 'not connected to NATS' };
    if (this.#appends.isSilent) return { isReady: false, reason: 'JetStream does not answer appends' };
    if (this.#reading.isClustered) return this.#statusOfPartitions();
    try {
      await this.#questions.api('INFO');
      return { isReady: true };
    } catch (error) {
      if (error instanceof JournalUnavailable || error instanceof ApiRefusal)
        return { isReady: false, reason: `JetStream: ${error.message}` };
      throw error;
    }
  }

  /** Asked of the lanes' own streams: what the cluster's leader says, or that there is none, says nothing of them. */
  async #statusOfPartitions(): Promise<JournalStatus> {
    const open = new Set(Array.from({ length: this.partitions }, (_, p) => p));
    const asked = [...open].map((p) =>
      this.#reads.accepts(p).then(
        () => void open.delete(p),
        () => undefined,
      ),
    );
    await within(
      STATUS_MS,
      Promise.all(asked).then(() => undefined),
    );
    if (open.size === 0) return { isReady: true };
    const notice = `${open.size} of ${this.partitions} partitions have no leader that a quorum follows`;
    return open.size < this.partitions ? { isReady: true, notice } : { isReady: false, reason: notice };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.clock.stop();
    await Promise.all([this.#writing.close(), this.#reading.close()]);
  }
}
