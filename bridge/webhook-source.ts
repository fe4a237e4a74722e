/** An integration's events as they lie in its own stream, read by place: no consumer that somebody could take from or delete. */
import { type AppId, type LaneId, type Millis, messageIdOf } from '../schema/ids.ts';
import { appEvent, appEvents, appStream, branchOfSubject } from '../schema/subjects.ts';
import { ApiRefusal, type Questions } from '../services/journal/ask.ts';
import { JournalUnavailable, type Stoppable } from '../services/journal/journal.ts';
import type { Link } from '../services/journal/link.ts';
import { type Answer, headerOf, jsonOf, numberOf } from '../services/journal/message.ts';
import { readStream } from './app-streams.ts';

export interface SourceEvent {
  readonly lane: LaneId;
  /**
   * What it is in order with: the end of its subject. A conversation; or what of one is given once more, out of its order, which
   * neither waits for it nor makes it wait.
   */
  readonly line: Line;
  /** Its sequence in the stream. */
  readonly at: number;
  readonly storedAt: Millis;
  /** `<conversation>:<seq>`. */
  readonly id: string;
  readonly body: Uint8Array;
}
export type Line = string;
export interface Page {
  readonly events: readonly SourceEvent[];
  readonly isLast: boolean;
}
export interface PageLimits {
  readonly events: number;
  /** At least one event is given, however large it is. */
  readonly bytes: number;
}

export class WebhookSource {
  readonly #app: AppId;
  readonly #link: Link;
  readonly #questions: Questions;

  constructor(app: AppId, link: Link, questions: Questions) {
    this.#app = app;
    this.#link = link;
    this.#questions = questions;
  }

  /** A doorbell: there may be something new. */
  listen(onRing: () => void): Stoppable {
    return this.#link.subscribe(appEvents(this.#app), onRing);
  }

  /** After each reconnect. */
  onReconnect(onReturn: () => void): Stoppable {
    return this.#link.onChange((up) => up && onReturn());
  }

  /** The event of that sequence; undefined: there is none. Throws JournalUnavailable. */
  async at(sequence: number): Promise<SourceEvent | undefined> {
    const { events } = await this.read(sequence, { events: 1, bytes: 1 });
    return events[0]?.at === sequence ? events[0] : undefined;
  }

  /** Of all conversations, in the order of the stream, from `from` on. Throws JournalUnavailable. */
  read(from: number, limits: PageLimits): Promise<Page> {
    return this.#read(appEvents(this.#app), { seq: from }, limits);
  }

  readLine(line: Line, from: number, limits: PageLimits): Promise<Page> {
    return this.#read(appEvent(this.#app, line as LaneId), { seq: from }, limits);
  }

  /** Which stream it is (another one of the same name has another `created`), and its last sequence. Throws JournalUnavailable. */
  async stream(): Promise<{ readonly created: string; readonly last: number }> {
    try {
      const info = await readStream(this.#questions, appStream(this.#app));
      if (info) return { created: info.created, last: info.state.last_seq };
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
    }
    throw new JournalUnavailable(`there is no stream ${appStream(this.#app)} now`);
  }

  /** The place of the first event stored at that time or later; where there is none, just after `last`. */
  async placeAt(time: Millis, last: number): Promise<number> {
    const start = { start_time: new Date(time).toISOString() };
    const { events } = await this.#read(appEvents(this.#app), start, { events: 1, bytes: 1 });
    return events[0]?.at ?? last + 1;
  }

  async #read(subject: string, start: Record<string, unknown>, { events, bytes }: PageLimits): Promise<Page> {
    const request = { ...start, next_by_subj: subject, batch: events, max_bytes: bytes };
    const { messages, pending } = await this.#questions.batch(appStream(this.#app), request);
    return { events: messages.map(eventOf), isLast: pending === 0 };
  }
}

function eventOf({ head, data }: Answer): SourceEvent {
  const { rest } = branchOfSubject(headerOf(head, 'Nats-Subject'));
  const lane = rest[0] as LaneId;
  return {
    lane,
    line: rest.join('.'),
    at: numberOf(head, 'Nats-Sequence'),
    storedAt: Date.parse(headerOf(head, 'Nats-Time-Stamp')),
    id: idOf(lane, data),
    // The client's buffer holds much more than this event, and is let go.
    body: Buffer.from(data),
  };
}

/** What stands in events' place has an id of its own: its seq is that of an event, which a receiver may know by `webhook-id`. */
function idOf(lane: LaneId, data: Uint8Array): string {
  const { type, seq } = jsonOf(data) as { readonly type: string; readonly seq: number };
  return type === 'Reset' ? `${lane}:${seq}:reset` : messageIdOf(lane, seq);
}
