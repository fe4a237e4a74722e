/**
 * The log of receipts in NATS JetStream, on a connection of its own, so that its reads hold up no append to a lane. Its
 * streams are made with those of the lanes.
 */
import type { Msg } from 'nats';
import { type Millis, type Revision, revisionOf } from '../../schema/ids.ts';
import type { ReceiptRecord } from '../../schema/receipts.ts';
import { liveReceiptSubject, receiptStream, receiptSubject } from '../../schema/subjects.ts';
import type { Logger } from '../logger.ts';
import { outcomeOf } from './append-outcome.ts';
import { ApiRefusal, Questions } from './ask.ts';
import { type ConsumeOptions, consume, type Source } from './consume.ts';
import { JournalUnavailable } from './journal.ts';
import { type Asker, type Link, type LinkOptions, openLink } from './link.ts';
import { type Answer, answerOf, headerOf, numberOf } from './message.ts';
import { askWhyOther, type Place, readStanding, type Standing } from './place.ts';
import { BATCH_BYTES } from './read.ts';
import type { ReceiptLog, ReceiptLogState, ReceiptOutcome, StoredReceipts } from './receipts.ts';
import { encodeReceipts, storedReceiptsOf } from './receipts-record.ts';

const ANSWER_MS = 2_000;
const DOWN: ReceiptOutcome = { kind: 'busy', message: 'not connected to the store' };
const NO_ANSWER: ReceiptOutcome = { kind: 'unknown', message: 'the store did not answer in time' };
const CUT_OFF: ReceiptOutcome = { kind: 'unknown', message: 'the connection to the store was lost' };

interface StreamInfo {
  readonly config: { readonly max_bytes: number };
  readonly state: {
    readonly messages: number;
    readonly bytes: number;
    readonly first_seq: number;
    readonly last_seq: number;
  };
}

/** Settles when connected, however long that takes (`signal` ends it). Throws ConfigError where NATS refuses our credentials. */
export async function openJetStreamReceipts(
  options: LinkOptions & { readonly partitions: number },
): Promise<ReceiptLog> {
  return new JetStreamReceipts(await openLink(options), options);
}

class JetStreamReceipts implements ReceiptLog {
  readonly partitions: number;
  readonly #link: Link;
  readonly #questions: Questions;
  readonly #log: Logger;
  readonly #closing = new AbortController();

  constructor(link: Link, { partitions, log }: { readonly partitions: number; readonly log: Logger }) {
    this.partitions = partitions;
    this.#link = link;
    this.#questions = new Questions(link);
    this.#log = log;
  }

  append(partition: number, record: ReceiptRecord): Promise<ReceiptOutcome> {
    return new Promise((resolve) => {
      try {
        if (!this.#link.ask(new Append(resolve), receiptSubject(partition), encodeReceipts(record))) resolve(DOWN);
      } catch (error) {
        resolve({ kind: 'busy', message: `not sent: ${(error as Error).message}` });
      }
    });
  }

  async end(partition: number): Promise<Revision> {
    return (await this.state(partition)).end;
  }

  async state(partition: number): Promise<ReceiptLogState> {
    const { config, state } = await this.#api<StreamInfo>(`STREAM.INFO.${receiptStream(partition)}`);
    const first = state.messages > 0 ? state.first_seq : state.last_seq + 1;
    return {
      first: revisionOf(first),
      end: revisionOf(state.last_seq),
      bytes: state.bytes,
      maxBytes: config.max_bytes,
    };
  }

  consume(partition: number, from: Revision, { maxBatch, signal, after }: ConsumeOptions) {
    const source: Source<StoredReceipts> = {
      partition,
      liveSubjects: liveReceiptSubject(partition),
      recordOf: (answer) => storedOf(partition, answer),
      idOf: ({ id }) => id || null,
      read: (next, limit) => this.#read(partition, { seq: next, batch: limit }),
      firstFrom: (next) => this.#firstFrom(partition, next),
      standing: (sequence) => this.#standing(partition, sequence),
    };
    const parts = { link: this.#link, source, log: this.#log };
    return consume(parts, from, { maxBatch, after, signal: AbortSignal.any([signal, this.#closing.signal]) });
  }

  async whyOther(partition: number, place: Place) {
    const options = { isClustered: this.#link.isClustered, signal: this.#closing.signal };
    return (await askWhyOther(place, () => this.#standing(partition, place.revision), options)).why;
  }

  #standing(partition: number, sequence: number): Promise<Standing> {
    const idOf = (_: string, payload: Uint8Array) => storedReceiptsOf(partition, sequence, 0, payload).id || null;
    return readStanding(this.#questions, receiptStream(partition), sequence, idOf);
  }

  async firstSince(partition: number, since: Millis): Promise<Revision | undefined> {
    const { records } = await this.#read(partition, { start_time: new Date(since).toISOString(), batch: 1 });
    return records[0]?.revision;
  }

  async purge(partition: number, below: Revision): Promise<void> {
    if (below > 1) await this.#api(`STREAM.PURGE.${receiptStream(partition)}`, { seq: below });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#link.close();
  }

  async #read(partition: number, request: Record<string, unknown>) {
    const { messages, pending } = await this.#questions.batch(receiptStream(partition), {
      ...request,
      max_bytes: BATCH_BYTES,
    });
    return { records: messages.map((answer) => storedOf(partition, answer)), complete: pending === 0 };
  }

  async #firstFrom(partition: number, from: number): Promise<number | undefined> {
    const { first, end } = await this.state(partition);
    return first > end ? undefined : Math.max(first, from);
  }

  async #api<T>(subject: string, request?: unknown): Promise<T> {
    try {
      return await this.#questions.api<T>(subject, request);
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
      throw new JournalUnavailable(`the log of receipts cannot be used now: ${error.message}`, { cause: error });
    }
  }
}

const storedOf = (partition: number, { head, data }: Answer): StoredReceipts =>
  storedReceiptsOf(partition, numberOf(head, 'Nats-Sequence'), Date.parse(headerOf(head, 'Nats-Time-Stamp')), data);

class Append implements Asker {
  readonly deadline = performance.now() + ANSWER_MS;
  readonly #resolve: (outcome: ReceiptOutcome) => void;

  constructor(resolve: (outcome: ReceiptOutcome) => void) {
    this.#resolve = resolve;
  }

  answered(message: Msg): true {
    const outcome = outcomeOf(answerOf(message));
    // Nothing is expected of the stream, so a conflict is none of ours.
    this.#resolve(outcome.kind === 'conflict' ? { kind: 'busy', message: 'a conflict' } : outcome);
    return true;
  }

  lost(why: 'disconnected' | 'timeout'): void {
    this.#resolve(why === 'timeout' ? NO_ANSWER : CUT_OFF);
  }
}
