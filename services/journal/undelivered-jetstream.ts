/**
 * The work queue in NATS JetStream: a stream with one durable consumer that all notifiers pull from. Its stream is made with
 * those of the lanes.
 */
import { createInbox, type Msg } from 'nats';
import type { WorkItem } from '../../schema/delivery.ts';
import { isName, parseSeq } from '../../schema/ids.ts';
import { UNDELIVERED_STREAM, undeliveredSubject } from '../../schema/subjects.ts';
import type { Logger } from '../logger.ts';
import { outcomeOf } from './append-outcome.ts';
import { ApiRefusal, Questions } from './ask.ts';
import type { DeliveryBell } from './bell.ts';
import { NatsBell } from './bell-nats.ts';
import { JournalUnavailable } from './journal.ts';
import { type Link, type LinkOptions, openLink } from './link.ts';
import { jsonOf } from './message.ts';
import type { Taken, UndeliveredQueue } from './undelivered.ts';

const CONSUMER = 'notifier';
const ACK_WAIT_MS = 10_000;
/**
 * Given out and not done, by all notifiers together, each of which holds a few hundred, or put off for seconds: what is tried again
 * later waits in the ledger, not here.
 */
const GIVEN_MAX = 8_192;
/** How long the server keeps a question for items that are not there yet. */
const PULL_MS = 1_000;
/** Past that time an answer is late by so much before the question is given up. */
const ANSWER_MS = 2_000;
const RETRY_MS = 500;
const NS = 1_000_000;

/**
 * The queue and the doorbell on one connection, which is closed with the queue. Settles when connected, however long that takes
 * (`signal` ends it). Throws ConfigError where NATS refuses our credentials.
 */
export async function openUndelivered(
  options: LinkOptions & { readonly partitions: number },
): Promise<{ readonly queue: UndeliveredQueue; readonly bell: DeliveryBell }> {
  const link = await openLink(options);
  return { queue: new JetStreamUndelivered(link, options.log), bell: new NatsBell(link, options.partitions) };
}

class JetStreamUndelivered implements UndeliveredQueue {
  readonly #link: Link;
  readonly #questions: Questions;
  readonly #log: Logger;
  /** Came, and nobody asked for them yet: at most what was asked for before. */
  #waiting: Taken[] = [];
  #pulling: Promise<void> | undefined;
  #pull: { left: number; readonly end: (how: PullEnd) => void } | undefined;
  readonly #inbox = createInbox();
  #came: (() => void) | undefined;
  #hasConsumer = false;
  #closed = false;

  constructor(link: Link, log: Logger) {
    this.#link = link;
    this.#questions = new Questions(link);
    this.#log = log;
    // An item comes with the subject it was put to, so it is known by the subscription alone.
    link.subscribe(this.#inbox, (message) => this.#answered(message));
    link.onChange((up) => up || this.#pull?.end('failed'));
  }

  async put(partition: number, items: readonly WorkItem[]): Promise<void> {
    await Promise.all(
      items.map(async (item) => {
        const answer = await this.#questions.publish(undeliveredSubject(partition), Buffer.from(JSON.stringify(item)));
        const outcome = answer && outcomeOf(answer);
        if (outcome?.kind === 'stored') return;
        const why = outcome && 'message' in outcome ? outcome.message : 'no answer';
        throw new JournalUnavailable(`a work item cannot be stored now: ${why}`);
      }),
    );
  }

  async take(max: number, signal: AbortSignal): Promise<readonly Taken[]> {
    while (!signal.aborted && !this.#closed) {
      if (this.#waiting.length > 0) return this.#waiting.splice(0, max);
      this.#pulling ??= this.#takeIn(max, signal).finally(() => {
        this.#pulling = undefined;
        this.#came?.();
      });
      await this.#untilCame(signal);
    }
    return [];
  }

  async depth(): Promise<number> {
    const info = await this.#questions.api<{ state: { messages: number } }>(`STREAM.INFO.${UNDELIVERED_STREAM}`);
    return info.state.messages;
  }

  /** What was given and not taken goes back. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#came?.();
    await this.#pulling;
    for (const taken of this.#waiting.splice(0)) taken.again(0);
    await this.#link.close();
  }

  #untilCame(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        this.#came = undefined;
        resolve();
      };
      this.#came = done;
      signal.addEventListener('abort', done);
    });
  }

  /** Never rejects. */
  async #takeIn(batch: number, signal: AbortSignal): Promise<void> {
    try {
      if (!this.#hasConsumer) await this.#ensureConsumer();
      if ((await this.#ask(batch)) === 'whole') return;
      // The consumer may be gone, or its leader: it is looked for, or made, before the next question.
      this.#hasConsumer = false;
    } catch (error) {
      if (!(error instanceof JournalUnavailable || error instanceof ApiRefusal)) throw error;
      this.#log.debug({ err: error }, 'no work can be taken now');
    }
    if (!signal.aborted && !this.#closed) await new Promise((resume) => setTimeout(resume, RETRY_MS));
  }

  /** Items come as they are there, until so many came or the server ends it. */
  #ask(batch: number): Promise<PullEnd> {
    return new Promise((resolve) => {
      const end = (how: PullEnd): void => {
        clearTimeout(timer);
        this.#pull = undefined;
        resolve(how);
      };
      const timer = setTimeout(() => end('failed'), PULL_MS + ANSWER_MS);
      this.#pull = { left: batch, end };
      const request = JSON.stringify({ batch, expires: PULL_MS * NS });
      if (!this.#link.send(`$JS.API.CONSUMER.MSG.NEXT.${UNDELIVERED_STREAM}.${CONSUMER}`, request, this.#inbox))
        end('failed');
    });
  }

  #answered(message: Msg): void {
    // An item says where its acknowledgement goes; whatever else comes is the server's word that the question is over.
    if (message.reply?.startsWith('$JS.ACK.')) {
      this.#accept(message);
      if (this.#pull && --this.#pull.left <= 0) this.#pull.end('whole');
      return;
    }
    const code = message.headers?.code;
    this.#pull?.end(code === 404 || code === 408 ? 'whole' : 'failed');
  }

  async #ensureConsumer(): Promise<void> {
    await this.#questions.api(`CONSUMER.CREATE.${UNDELIVERED_STREAM}.${CONSUMER}`, {
      stream_name: UNDELIVERED_STREAM,
      config: {
        name: CONSUMER,
        durable_name: CONSUMER,
        description: 'Lanes: takes the messages that are to be pushed',
        ack_policy: 'explicit',
        ack_wait: ACK_WAIT_MS * NS,
        max_ack_pending: GIVEN_MAX,
        deliver_policy: 'all',
        replay_policy: 'instant',
        max_deliver: -1,
      },
    });
    this.#hasConsumer = true;
  }

  #accept(message: Msg): void {
    const reply = message.reply ?? '';
    const item = itemOf(message.data);
    if (!item) {
      this.#log.error({ alarm: 'work item', bytes: message.data.length }, 'a work item cannot be read and is dropped');
      this.#link.send(reply, '+TERM');
      return;
    }
    this.#waiting.push({
      item,
      done: () => this.#done(reply),
      again: (afterMs) =>
        void this.#link.send(reply, afterMs > 0 ? `-NAK {"delay":${Math.ceil(afterMs) * NS}}` : '-NAK'),
      working: () => void this.#link.send(reply, '+WPI'),
    });
    this.#came?.();
  }

  async #done(reply: string): Promise<boolean> {
    try {
      await this.#questions.one(reply, '+ACK');
      return true;
    } catch (error) {
      if (error instanceof JournalUnavailable) return false;
      throw error;
    }
  }
}

type PullEnd = 'whole' | 'failed';

/** Undefined: no item of this version. Only parsed ids go further, whoever wrote them. */
function itemOf(data: Uint8Array): WorkItem | undefined {
  let value: Partial<WorkItem> | null;
  try {
    value = jsonOf(data) as Partial<WorkItem> | null;
  } catch {
    return undefined;
  }
  if (value?.v !== 1 || !isName(value.l) || !Array.isArray(value.u) || !value.u.every(isName)) return undefined;
  const numbers = [value.s, value.r, value.at, value.c, value.due ?? 0];
  return numbers.every((number) => parseSeq(number) !== undefined) ? (value as WorkItem) : undefined;
}
