/**
 * Where the sending of webhooks stands, in a stream of the bridge's own: for each integration a place in its stream before which
 * everything was sent, and for each conversation that its receiver keeps waiting the place of the first event that was not.
 * Every write expects what it follows, so that of two writers one is told.
 */
import type { AppId, Millis, Revision } from '../schema/ids.ts';
import { WEBHOOK_STREAM, webhookBehind, webhookPosition, webhooksBehind } from '../schema/subjects.ts';
import { outcomeOf } from '../services/journal/append-outcome.ts';
import { ApiRefusal, type Questions } from '../services/journal/ask.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import { type Answer, expectedHeader, headerOf, jsonOf, numberOf } from '../services/journal/message.ts';
import type { Line } from './webhook-source.ts';

/** Of one integration. `since`: of the webhook it is for; `stream`: which stream it is a place in. */
export interface Position {
  readonly since: Millis;
  readonly stream: string;
  /** The next event to be read. */
  readonly next: number;
  /** The last one that was read. Not there in what an earlier version wrote. */
  readonly last?: Read | undefined;
  readonly downSince?: Millis | undefined;
}
/** One event of the stream: its sequence there, its id, and when it was stored. */
export interface Read {
  readonly at: number;
  readonly id: string;
  readonly storedAt: Millis;
}
export interface Behind {
  readonly next: number;
  readonly failingSince: Millis;
}
export interface Stored<T> {
  readonly value: T;
  readonly revision: number;
}

/** Somebody else has written there. */
export class Overtaken extends Error {
  override readonly name = 'Overtaken';
}

const BATCH = 256;

/** Every method throws JournalUnavailable; those that write, Overtaken, too. */
export class WebhookState {
  readonly #questions: Questions;

  constructor(questions: Questions) {
    this.#questions = questions;
  }

  async position(app: AppId): Promise<Stored<Position> | undefined> {
    const [answer] = (await this.#page(webhookPosition(app), 1)).messages;
    const value = answer && (contentOf(answer) as Partial<Position> | undefined);
    if (!answer) return undefined;
    const revision = numberOf(answer.head, 'Nats-Sequence');
    // What cannot be read is written over: the webhook begins anew.
    const isOurs = typeof value?.since === 'number' && typeof value.stream === 'string' && isPlace(value.next);
    return { value: isOurs ? (value as Position) : { since: 0, stream: '', next: 1 }, revision };
  }

  async behind(app: AppId): Promise<ReadonlyMap<Line, Stored<Behind>>> {
    const found = new Map<Line, Stored<Behind>>();
    for (let from = 1, pending = 1; pending > 0; ) {
      const page = await this.#page(webhooksBehind(app), from);
      for (const answer of page.messages) {
        const revision = numberOf(answer.head, 'Nats-Sequence');
        const line = headerOf(answer.head, 'Nats-Subject').split('.').slice(4).join('.');
        const value = contentOf(answer) as Partial<Behind> | undefined;
        if (line !== '' && isPlace(value?.next) && typeof value?.failingSince === 'number')
          found.set(line, { value: value as Behind, revision });
        from = revision + 1;
      }
      pending = page.pending;
    }
    return found;
  }

  /** The revision to expect next. */
  putPosition(app: AppId, value: Position, expected: number): Promise<number> {
    return this.put(webhookPosition(app), value, expected);
  }

  putBehind(app: AppId, line: Line, value: Behind, expected: number): Promise<number> {
    return this.put(webhookBehind(app, line), value, expected);
  }

  dropBehind(app: AppId, line: Line): Promise<void> {
    return this.#purge(webhookBehind(app, line));
  }

  dropAllBehind(app: AppId): Promise<void> {
    return this.#purge(webhooksBehind(app));
  }

  async drop(app: AppId): Promise<void> {
    await this.dropAllBehind(app);
    await this.#purge(webhookPosition(app));
  }

  async put(subject: string, value: unknown, expected: number): Promise<number> {
    const payload = Buffer.from(JSON.stringify(value));
    const answer = await this.#questions.publish(subject, payload, expectedHeader(expected as Revision));
    const outcome = answer && outcomeOf(answer);
    if (outcome?.kind === 'stored') return outcome.revision;
    if (outcome?.kind === 'conflict') throw new Overtaken(subject);
    throw new JournalUnavailable(`not stored: ${outcome?.message ?? 'no answer'}`);
  }

  async last(subject: string): Promise<Stored<unknown> | undefined> {
    const [answer] = (await this.#page(subject, 1)).messages;
    return answer && { value: contentOf(answer), revision: numberOf(answer.head, 'Nats-Sequence') };
  }

  #page(subject: string, from: number) {
    return this.#questions.batch(WEBHOOK_STREAM, { seq: from, next_by_subj: subject, batch: BATCH });
  }

  async #purge(filter: string): Promise<void> {
    try {
      await this.#questions.api(`STREAM.PURGE.${WEBHOOK_STREAM}`, { filter });
    } catch (error) {
      throw error instanceof ApiRefusal ? new JournalUnavailable(error.message) : error;
    }
  }
}

const isPlace = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 1;

function contentOf({ data }: Answer): unknown {
  try {
    return jsonOf(data) ?? undefined;
  } catch {
    return undefined;
  }
}
