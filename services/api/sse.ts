/** Server-sent events: one subscription a request, for as long as the token stands. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionResult } from 'graphql';
import type { Counts } from '../buckets.ts';
import { tooMany } from './admission.ts';
import type { Identity, Standing } from './auth.ts';
import type { Operation } from './engine.ts';
import { badInput } from './errors.ts';
import { sharesOf, viewerOf } from './gate.ts';
import { answer } from './http-answer.ts';
import { CURSOR_MAX } from './inbox-cursor.ts';
import { RETRY_AFTER_MS } from './limits.ts';
import { rootNameOf } from './root-field.ts';
import { sseSink } from './sse-sink.ts';
import type { OpensStreams } from './subscriptions.ts';

/** How soon after its token a stream ends, at the latest. */
const SWEEP_EVERY_MS = 500;
/** A reader that has taken nothing for so long while something waits for it is gone. Source: CONTRACT, "Socket life". */
const DEAD_AFTER_MS = 60_000;
const COMMENT = ':\n\n';

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store, no-transform',
  // A proxy that collects what it passes on would hold the events back.
  'x-accel-buffering': 'no',
};

interface Open {
  readonly response: ServerResponse;
  readonly identity: Identity;
  /** Bytes that the reader's side has taken, and when there were last more of them. */
  passed: number;
  passedAt: number;
}

export class EventStreams {
  readonly #streams: OpensStreams;
  readonly #perUser: Counts;
  readonly #standingOf: (identity: Identity) => Standing;
  readonly #open = new Set<Open>();
  readonly #sweep: NodeJS.Timeout;

  /** `perUser`: sockets and event streams by user. */
  constructor(streams: OpensStreams, perUser: Counts, standingOf: (identity: Identity) => Standing) {
    this.#streams = streams;
    this.#perUser = perUser;
    this.#standingOf = standingOf;
    this.#sweep = setInterval(() => this.#sweepAll(), SWEEP_EVERY_MS).unref();
  }

  get size(): number {
    return this.#open.size;
  }

  /** The operation is a subscription, and its bearer is let in. */
  open(request: IncomingMessage, response: ServerResponse, operation: Operation, identity: Identity): void {
    const lastSeen = lastSeenOf(request, operation);
    if (lastSeen.kind === 'bad') {
      const error = badInput('Last-Event-ID', 'the id of an event that came by this stream');
      answer(request, response, { errors: [error] });
      return;
    }
    // Gone while its token was verified, or behind another answer on its connection: nobody would hear of its end.
    if (!response.socket || response.destroyed) {
      const error = badInput('request', 'an event stream is asked for on a connection without unfinished answers');
      answer(request, response, { errors: [error] });
      return;
    }
    const viewer = viewerOf(identity);
    if (!this.#perUser.enter(viewer.user, sharesOf(viewer))) {
      answer(request, response, { errors: [tooMany('You have too many streams open.', RETRY_AFTER_MS)] });
      return;
    }
    response.writeHead(200, HEADERS);
    response.write(COMMENT);
    const open: Open = { response, identity, passed: 0, passedAt: performance.now() };
    this.#open.add(open);
    const { document, variables } = operation;
    const sink = sseSink(response);
    const stream = this.#streams.open(
      {
        document,
        operationName: operation.operation.name?.value,
        variables,
        viewer,
        lastSeen: lastSeen.position,
      },
      sink,
    );
    sink.follow(stream);
    response.once('close', () => {
      this.#open.delete(open);
      this.#perUser.leave(viewer.user);
    });
  }

  /** Ends every stream as a lost connection ends: its reader comes again, with its position. */
  stop(): void {
    clearInterval(this.#sweep);
    for (const { response } of this.#open) response.end();
  }

  #sweepAll(): void {
    const tick = performance.now();
    for (const open of this.#open) {
      if (this.#standingOf(open.identity) !== 'good') open.response.end();
      else if (isStuck(open, tick)) open.response.destroy();
    }
  }
}

function isStuck(open: Open, tick: number): boolean {
  const { socket, writableLength } = open.response;
  const passed = (socket?.bytesWritten ?? 0) - (socket?.writableLength ?? 0);
  if (passed > open.passed || writableLength === 0) {
    open.passed = passed;
    open.passedAt = tick;
  }
  return tick - open.passedAt > DEAD_AFTER_MS;
}

type LastSeen = { readonly kind: 'seen'; readonly position: number | string | undefined } | { readonly kind: 'bad' };

/** `position` undefined: the reader has none. Of an inbox it is a cursor, of a conversation a seq. */
function lastSeenOf({ headers }: IncomingMessage, { document, operation }: Operation): LastSeen {
  const id = headers['last-event-id'];
  if (id === undefined || id === '') return { kind: 'seen', position: undefined };
  if (typeof id === 'string' && rootNameOf(document, operation.name?.value) === 'inbox')
    return id.length <= CURSOR_MAX ? { kind: 'seen', position: id } : { kind: 'bad' };
  return typeof id === 'string' && /^\d{1,15}$/.test(id) ? { kind: 'seen', position: Number(id) } : { kind: 'bad' };
}

/** One answer, for a caller who takes nothing but events. */
export function writeEvents(response: ServerResponse, result: ExecutionResult): void {
  response.writeHead(200, HEADERS);
  response.end(`event: next\ndata: ${JSON.stringify(result)}\n\nevent: complete\ndata:\n\n`);
}
