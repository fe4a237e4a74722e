/**
 * What an integration refused for good, or failed to take as often as its consumer allows, written down for it on
 * the integration's `dead` subjects with the reason. The server says so once, in advisories; they are stored, so that none is
 * lost while no bridge runs, and go when the letter is written. A letter may be written twice; it then names the same message.
 */
import { type AppId, isName, type LaneId } from '../schema/ids.ts';
import { ADVISORY_STREAM, appDead, appOfStream, branchOfSubject, CONSUMER_ADVISORIES } from '../schema/subjects.ts';
import { outcomeOf } from '../services/journal/append-outcome.ts';
import { ApiRefusal, type Questions } from '../services/journal/ask.ts';
import { JournalUnavailable, type Stoppable } from '../services/journal/journal.ts';
import type { Link } from '../services/journal/link.ts';
import { type Answer, headerOf, headersOf, jsonOf, numberOf } from '../services/journal/message.ts';
import type { Logger } from '../services/logger.ts';
import { pause } from '../services/persist.ts';

export interface DeadLettersParts {
  readonly link: Link;
  readonly questions: Questions;
  readonly log: Logger;
  readonly onDead: (app: AppId) => void;
}
/** On the wire: the event as it was, and what became of it. */
export interface DeadLetter {
  readonly type: 'DeadLetter';
  readonly conversationId: LaneId;
  readonly seq: number;
  /**
   * `TERMINATED`: refused for good. `MAX_DELIVERIES`: given so often as the consumer allows, and never acknowledged. `WEBHOOK`: its
   * receiver did not take it in a day; `message` has its last answer.
   */
  readonly reason: 'TERMINATED' | 'MAX_DELIVERIES' | 'WEBHOOK';
  /** What the integration said with its refusal. */
  readonly message?: string;
  readonly consumer: string;
  readonly deliveries: number;
  readonly at: string;
  /** The sequence in the stream of the message that it was. */
  readonly streamSeq: number;
  readonly event: unknown;
}
interface Advisory {
  readonly type: string;
  readonly stream: string;
  readonly consumer: string;
  readonly stream_seq: number;
  readonly deliveries: number;
  readonly timestamp: string;
  readonly reason?: string;
}

const BATCH = 100;
const POLL_MS = 1_000;
const MESSAGE_MOST = 1_024;

export class DeadLetters {
  readonly #parts: DeadLettersParts;
  readonly #stopping = new AbortController();
  readonly #heard: readonly Stoppable[];
  #wake: (() => void) | undefined;
  readonly #loop: Promise<void>;

  constructor(parts: DeadLettersParts) {
    this.#parts = parts;
    this.#heard = CONSUMER_ADVISORIES.map((subject) => parts.link.subscribe(subject, () => this.#wake?.()));
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    for (const stoppable of this.#heard) stoppable.stop();
    this.#stopping.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const rung = new AbortController();
      this.#wake = () => rung.abort();
      try {
        await this.#work(signal);
      } catch (error) {
        if (!(error instanceof JournalUnavailable || error instanceof ApiRefusal)) throw error;
        this.#parts.log.debug({ err: error }, 'dead letters cannot be written now');
      }
      await pause(POLL_MS, AbortSignal.any([signal, rung.signal]));
    }
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (let from = 1; !signal.aborted; ) {
      const { messages } = await this.#parts.questions.batch(ADVISORY_STREAM, { seq: from, batch: BATCH });
      for (const message of messages) {
        if (signal.aborted) return;
        from = numberOf(message.head, 'Nats-Sequence') + 1;
        await this.#write(message);
        await this.#parts.questions
          .api(`STREAM.MSG.DELETE.${ADVISORY_STREAM}`, { seq: from - 1, no_erase: true })
          .catch((error: unknown) => {
            // Another bridge was first.
            if (!(error instanceof ApiRefusal)) throw error;
          });
      }
      if (messages.length === 0) return;
    }
  }

  async #write({ data }: Answer): Promise<void> {
    const { questions, log } = this.#parts;
    const advisory = jsonOf(data) as Advisory;
    const app = appOfStream(advisory.stream);
    if (app === undefined) return;
    const found = await readMessage(questions, advisory.stream, advisory.stream_seq);
    const lane = found && laneOf(found.subject);
    if (!found || lane === undefined) {
      log.warn({ app, seq: advisory.stream_seq }, 'what an integration gave up on is not in its stream any more');
      return;
    }
    const letter = letterOf(advisory, lane, found.body as { readonly seq: number });
    const id = `dead:${advisory.consumer}:${advisory.stream_seq}:${advisory.deliveries}`;
    const answer = await questions.publish(
      appDead(app, lane),
      Buffer.from(JSON.stringify(letter)),
      headersOf(`Nats-Msg-Id: ${id}`),
    );
    const outcome = answer && outcomeOf(answer);
    if (outcome?.kind !== 'stored') throw new JournalUnavailable(`a dead letter of ${app} is not stored`);
    this.#parts.onDead(app);
  }
}

function letterOf(advisory: Advisory, conversationId: LaneId, event: { readonly seq: number }): DeadLetter {
  const { consumer, deliveries, timestamp, reason, stream_seq: streamSeq } = advisory;
  return {
    type: 'DeadLetter',
    conversationId,
    seq: event.seq,
    reason: advisory.type.endsWith('terminated') ? 'TERMINATED' : 'MAX_DELIVERIES',
    ...(reason === undefined ? {} : { message: reason.slice(0, MESSAGE_MOST) }),
    ...{ consumer, deliveries, at: new Date(timestamp).toISOString(), streamSeq, event },
  };
}

/** Of an event, once or again, or of a replayed one. A letter that is given up on in its turn is no letter. */
function laneOf(subject: string): LaneId | undefined {
  const { branch, rest } = branchOfSubject(subject);
  const lane = branch === 'event' ? rest[0] : branch === 'replay' ? rest[1] : undefined;
  return isName(lane) ? (lane as LaneId) : undefined;
}

/** Undefined: it is not there. Throws JournalUnavailable. */
export async function readMessage(
  questions: Questions,
  stream: string,
  seq: number,
): Promise<{ readonly subject: string; readonly body: unknown } | undefined> {
  const { messages } = await questions.batch(stream, { seq, batch: 1 });
  const [message] = messages;
  if (!message || numberOf(message.head, 'Nats-Sequence') !== seq) return undefined;
  return { subject: headerOf(message.head, 'Nats-Subject'), body: jsonOf(message.data) };
}
