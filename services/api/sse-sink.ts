/**
 * One subscription as server-sent events, in the form of graphql-sse's distinct connections: `next` events that carry the
 * reader's position as their id, and `complete` at the end. Headers are the server's to send.
 */
import type { ServerResponse } from 'node:http';
import type { GraphQLError } from 'graphql';
import type { Stoppable } from '../journal/journal.ts';
import type { SharedPayload, Sink } from './sink.ts';

/** Nothing more is taken while this waits to be sent. */
const FULL_BYTES = 256 * 1024;
const COMMENT_MS = 15_000;
const COMMENT = ':\n\n';
/** The empty `data` line matters: a browser drops an event without one. */
const COMPLETE = 'event: complete\ndata:\n\n';
const FORM = 'sse';
/** A form that is the same for all is kept only where it is small beside what is shared anyway. */
const KEPT_BYTES = 256 * 1024;

export function sseSink(response: ServerResponse): SseSink {
  return new SseSink(response);
}

export class SseSink implements Sink {
  readonly #response: ServerResponse;
  readonly #comments: NodeJS.Timeout;
  #stream: Stoppable | undefined;
  #ended = false;

  constructor(response: ServerResponse) {
    this.#response = response;
    this.#comments = setInterval(() => this.#comment(), COMMENT_MS).unref();
    response.once('close', () => this.#leave());
  }

  /** What writes here: it is stopped when it has ended, and when the connection closes. */
  follow(stream: Stoppable): this {
    if (this.#ended) stream.stop();
    else this.#stream = stream;
    return this;
  }

  write(payload: SharedPayload): boolean {
    const response = this.#response;
    if (this.#ended || response.writableEnded || response.writableLength >= FULL_BYTES) return false;
    let bytes = payload.form(FORM);
    if (!bytes) {
      bytes = eventsOf(payload);
      if (bytes.byteLength <= KEPT_BYTES) payload.keep(FORM, bytes);
    }
    response.write(bytes);
    return true;
  }

  onDrain(callback: () => void): void {
    if (!this.#ended && this.#response.writableNeedDrain) this.#response.once('drain', callback);
  }

  end(error?: GraphQLError): void {
    if (this.#ended) return;
    const stream = this.#stream;
    this.#ended = true;
    this.#stream = undefined;
    clearInterval(this.#comments);
    stream?.stop();
    const refusal = error ? `event: next\ndata: ${JSON.stringify({ errors: [error] })}\n\n` : '';
    this.#response.end(refusal + COMPLETE);
  }

  #comment(): void {
    if (this.#response.writableLength === 0) this.#response.write(COMMENT);
  }

  #leave(): void {
    this.#ended = true;
    clearInterval(this.#comments);
    this.#stream?.stop();
    this.#stream = undefined;
  }
}

/** An event without an id leaves the reader's last one as it was. */
const eventsOf = ({ parts }: SharedPayload): Buffer =>
  Buffer.concat(parts.flatMap(({ utf8, seq }) => [seq === undefined ? NEXT : nextAt(seq), utf8, END_OF_EVENT]));
const NEXT = Buffer.from('event: next\ndata: ');
const nextAt = (seq: number | string): Buffer => Buffer.from(`event: next\nid: ${seq}\ndata: `);
const END_OF_EVENT = Buffer.from('\n\n');
