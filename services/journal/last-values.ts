/**
 * Small facts that every process has to know at once, in NATS JetStream: the last value of each subject of a stream, on a connection of its own.
 * What is known is kept in memory: with NATS down it stands as it was. A stream that lost its end is read anew from its beginning, since
 * others come in the place of what was read. The stream is made with those of the lanes.
 */
import { isDeepStrictEqual } from 'node:util';
import { revisionOf } from '../../schema/ids.ts';
import type { Logger } from '../logger.ts';
import { outcomeOf } from './append-outcome.ts';
import { ApiRefusal, Questions } from './ask.ts';
import { JournalUnavailable, type Stoppable } from './journal.ts';
import { type Link, type LinkOptions, openLink } from './link.ts';
import { type Answer, expectedHeader, headerOf, jsonOf, numberOf } from './message.ts';
import { askWhyOther, type Place, readStanding } from './place.ts';

const BATCH = 256;
/** The live copy may be lost: this often the stream itself is asked. */
const POLL_MS = 1_000;
const RETRY_MS = 200;

export interface LastValuesOptions<Key extends string, Value> {
  readonly stream: string;
  readonly subjects: string;
  /** The server's copies of what was stored. */
  readonly liveSubjects: string;
  /** The alarm's name where a record is none of ours. */
  readonly alarm: string;
  /** For who waits until the stream is made. */
  readonly what: string;
  /** Past it the one written longest ago is forgotten. */
  readonly max?: number;
  /** Undefined: no record of ours. May throw for what is none. */
  parse(subject: string, json: unknown): { readonly key: Key; readonly value: Value } | undefined;
}

interface Known<Value> {
  readonly value: Value;
  readonly revision: number;
}

/**
 * Settles when all has been read, however long that takes (`signal` ends it). Throws ConfigError where NATS refuses our
 * credentials.
 */
export async function openLastValues<Key extends string, Value>(
  link: LinkOptions,
  options: LastValuesOptions<Key, Value>,
): Promise<LastValues<Key, Value>> {
  const values = new LastValues(await openLink(link), link.log, options);
  try {
    for (let said = false; !(await values.read()); said = true) {
      link.signal?.throwIfAborted();
      if (!said) link.log.warn(`waiting for ${options.what}: the api or the projector makes the stream`);
      await new Promise((wake) => setTimeout(wake, RETRY_MS));
    }
  } catch (error) {
    await values.close();
    throw error;
  }
  values.follow();
  return values;
}

export class LastValues<Key extends string, Value> {
  readonly #link: Link;
  readonly #questions: Questions;
  readonly #log: Logger;
  readonly #options: LastValuesOptions<Key, Value>;
  /** The one written longest ago first. */
  readonly #known = new Map<Key, Known<Value>>();
  readonly #listeners = new Set<(value: Value) => void>();
  readonly #stops: Stoppable[] = [];
  /** Every record before it was seen. */
  #next = 1;
  /** The last record that was read, or written by this process, and whether the stream may have lost it. */
  #last: Place | undefined;
  #isDoubtful = false;
  /** While the stream is read anew, because it is another one than was read: those that it has. */
  #anew: Set<Key> | undefined;
  #reading: Promise<boolean> | undefined;
  #again = false;
  #polling: NodeJS.Timeout | undefined;

  constructor(link: Link, log: Logger, options: LastValuesOptions<Key, Value>) {
    this.#link = link;
    this.#questions = new Questions(link);
    this.#log = log;
    this.#options = options;
  }

  get size(): number {
    return this.#known.size;
  }

  get(key: Key): Value | undefined {
    return this.#known.get(key)?.value;
  }

  values(): Value[] {
    return [...this.#known.values()].map(({ value }) => value);
  }

  /** Where the key's stored form stands, what `put` expects; 0: there is none. */
  revision(key: Key): number {
    return this.#known.get(key)?.revision ?? 0;
  }

  /** Every change from now on, this process's own among them, once each. What `onChange` throws is logged. */
  listen(onChange: (value: Value) => void): Stoppable {
    this.#listeners.add(onChange);
    return { stop: () => void this.#listeners.delete(onChange) };
  }

  /**
   * Stored durably, and in this process's memory. `conflict`: somebody else wrote it since `expected`, nothing is changed, and what they
   * wrote is known. Throws JournalUnavailable; then it may be stored or not.
   */
  async put(key: Key, subject: string, value: Value, expected = this.revision(key)): Promise<'stored' | 'conflict'> {
    const payload = Buffer.from(JSON.stringify(value));
    const header = expectedHeader(expected === 0 ? 0 : revisionOf(expected));
    const answer = await this.#questions.publish(subject, payload, header);
    const outcome = answer && outcomeOf(answer);
    if (outcome?.kind === 'conflict') {
      await this.read();
      return 'conflict';
    }
    if (outcome?.kind !== 'stored')
      throw new JournalUnavailable(`not stored: ${outcome && 'message' in outcome ? outcome.message : 'no answer'}`);
    this.#noteLast(outcome.revision, payload);
    this.#learn(key, { value, revision: outcome.revision });
    return 'stored';
  }

  async close(): Promise<void> {
    clearInterval(this.#polling);
    for (const one of this.#stops) one.stop();
    this.#listeners.clear();
    await this.#link.close();
    await this.#reading;
  }

  follow(): void {
    this.#stops.push(
      this.#link.subscribe(this.#options.liveSubjects, () => void this.read()),
      this.#link.onChange((up) => {
        if (!up) return;
        this.#isDoubtful = true;
        void this.read();
      }),
    );
    this.#polling = setInterval(() => void this.read(), POLL_MS);
    void this.read();
  }

  /** Whatever was stored since. False: the store cannot be read now. Never rejects. */
  read(): Promise<boolean> {
    if (this.#reading) {
      this.#again = true;
      return this.#reading;
    }
    this.#reading = this.#readOn().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readOn(): Promise<boolean> {
    try {
      if (this.#isDoubtful) await this.#compare();
      for (let pending = 1; pending > 0 || this.#again; ) {
        this.#again = false;
        const request = { seq: this.#next, next_by_subj: this.#options.subjects, batch: BATCH };
        const batch = await this.#questions.batch(this.#options.stream, request);
        for (const answer of batch.messages) this.#came(answer);
        pending = batch.pending;
      }
      this.#endAnew();
      return true;
    } catch (error) {
      this.#again = false;
      if (!(error instanceof JournalUnavailable || error instanceof ApiRefusal)) throw error;
      return false;
    }
  }

  /** Whether the record that was read last is still there; where that cannot be told, all is read again. Throws JournalUnavailable. */
  async #compare(): Promise<void> {
    this.#isDoubtful = false;
    const last = this.#last;
    if (!last) {
      this.#next = 1;
      return;
    }
    try {
      const ask = () => readStanding(this.#questions, this.#options.stream, last.revision, (_, data) => idOf(data));
      const { why, standing } = await askWhyOther(last, ask, { isClustered: this.#link.isClustered });
      if (why === undefined && standing.id !== undefined) return;
      // A later value takes the place of the record, too: then this is the stream, and nothing of it is older than what is known.
      this.#next = 1;
      if (why === undefined) return;
      this.#log.warn({ reason: why }, `the stream of ${this.#options.what} is another one: it is read anew`);
      this.#anew = new Set();
      this.#last = undefined;
    } catch (error) {
      this.#isDoubtful = true;
      throw error;
    }
  }

  /** What was lost stands as it was known: nobody has taken it back. It may be written again. */
  #endAnew(): void {
    const met = this.#anew;
    if (!met) return;
    this.#anew = undefined;
    for (const [key, { value }] of this.#known) if (!met.has(key)) this.#known.set(key, { value, revision: 0 });
  }

  #came(answer: Answer): void {
    const revision = numberOf(answer.head, 'Nats-Sequence');
    const parsed = this.#parsed(answer);
    if (parsed) this.#learn(parsed.key, { value: parsed.value, revision });
    else this.#log.error({ alarm: this.#options.alarm, revision }, `a record of ${this.#options.what} cannot be read`);
    this.#next = Math.max(this.#next, revision + 1);
    this.#noteLast(revision, answer.data);
  }

  #noteLast(revision: number, payload: Uint8Array): void {
    if (revision >= (this.#last?.revision ?? 0)) this.#last = { revision: revisionOf(revision), id: idOf(payload) };
  }

  #parsed({ head, data }: Answer): { readonly key: Key; readonly value: Value } | undefined {
    try {
      return this.#options.parse(headerOf(head, 'Nats-Subject'), jsonOf(data));
    } catch {
      return undefined;
    }
  }

  #learn(key: Key, known: Known<Value>): void {
    const had = this.#known.get(key);
    this.#anew?.add(key);
    if (had && this.#anew) {
      this.#known.set(key, { value: had.value, revision: known.revision });
      if (isDeepStrictEqual(had.value, known.value)) return;
    } else if (had && had.revision >= known.revision) return;
    this.#known.delete(key);
    this.#known.set(key, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > (this.#options.max ?? Number.POSITIVE_INFINITY) && oldest !== undefined)
      this.#known.delete(oldest);
    for (const listener of [...this.#listeners])
      try {
        listener(known.value);
      } catch (error) {
        this.#log.error({ err: error, key }, `a listener of ${this.#options.what} threw`);
      }
  }
}

const idOf = (payload: Uint8Array): string => Buffer.from(payload).toString();
