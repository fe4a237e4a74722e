/**
 * One subscription on a WebSocket, in the protocol `graphql-transport-ws`.
 *
 * Frames go to the socket as `next` messages without passing through graphql-ws: their bytes are made once for many sockets,
 * and what is ready together is one write. graphql-ws only waits for the end. What is relied on (graphql-ws 6.4, `server.ts`):
 * - what `subscribe` gives is iterated by `for await` when it has `Symbol.asyncIterator`; `done` makes it send `complete`,
 *   unless the client has completed; a rejected `next()` makes it send one `error`, whose extensions are kept when the
 *   reason is a `GraphQLError`, and no `complete`;
 * - `return()` is called when the client completes and when the socket closes, also before the first `next()`.
 *
 * And on ws 8: without an extension every message is written to the net socket in the call that sends it, whole. So whole
 * messages written to that socket between two calls stand between two messages. Where an extension is in use, or anything
 * waits in ws itself, messages go through `send`.
 */
import { Duplex } from 'node:stream';
import type { ExecutionResult, GraphQLError } from 'graphql';
import type { WebSocket } from 'ws';
import type { Stoppable } from '../journal/journal.ts';
import type { Part, SharedPayload, Sink } from './sink.ts';

/** Nothing more is taken while this waits to be sent on the socket, whichever operation it is of. */
const FULL_BYTES = 256 * 1024;
/** Ids that clients count up are the same on many sockets, so the bytes are kept for the next; longer ones are made for one. */
const SHARED_ID_LENGTH = 10;
/** Above this the JSON is not copied into each socket's message. */
const COPIED_BYTES = 32 * 1024;

const LOOK_MS = 50;

const TEXT_FRAME = 0x81;
const NOT_ASCII = /[^\0-\x7f]/g;
const escapeOf = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
const CLOSING_BRACE = Buffer.from('}');

export function wsSink(socket: WebSocket, operationId: string): WsSink {
  return new WsSink(socket, operationId);
}

/** Bytes of this socket that the other side's system has taken or is offered: while it grows, somebody reads. */
export function bytesPassed(socket: WebSocket): number {
  const line = lineOf(socket);
  return line && 'bytesWritten' in line ? Number(line.bytesWritten) - line.writableLength : 0;
}

export class WsSink implements Sink {
  readonly #socket: WebSocket;
  /** Undefined: messages go through `send` only. */
  readonly #line: Duplex | undefined;
  /** As JSON, in ASCII. */
  readonly #id: string;
  #stream: Stoppable | undefined;
  /** Of the `next()` that graphql-ws waits for. */
  #settle: { resolve: (end: IteratorReturnResult<undefined>) => void; reject: (error: unknown) => void } | undefined;
  #ended = false;
  #error: GraphQLError | undefined;
  #drained: (() => void) | undefined;

  constructor(socket: WebSocket, operationId: string) {
    this.#socket = socket;
    this.#line = socket.extensions === '' ? lineOf(socket) : undefined;
    this.#id = JSON.stringify(operationId).replace(NOT_ASCII, escapeOf);
  }

  /** What writes here: it is stopped when it has ended, when the client completes, and when its socket closes. */
  follow(stream: Stoppable): this {
    if (this.#ended) stream.stop();
    else this.#stream = stream;
    return this;
  }

  write(payload: SharedPayload): boolean {
    const socket = this.#socket;
    const waiting = socket.bufferedAmount;
    if (socket.readyState !== socket.OPEN || waiting >= FULL_BYTES) return false;
    const line = this.#line;
    if (line?.writableLength === waiting) this.#writeTo(line, payload);
    else for (const part of payload.parts) socket.send(this.#messageOf(part), { binary: false });
    return true;
  }

  onDrain(callback: () => void): void {
    this.#drained = callback;
    this.#awaitRoom();
  }

  end(error?: GraphQLError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    const stream = this.#stream;
    this.#stream = undefined;
    this.#drained = undefined;
    const settle = this.#settle;
    this.#settle = undefined;
    if (error && settle) settle.reject(this.#takeError());
    else settle?.resolve({ done: true, value: undefined });
    stream?.stop();
  }

  /** Settles at the end only: what comes before is not seen here. */
  next(): Promise<IteratorResult<ExecutionResult, undefined>> {
    if (this.#error) return Promise.reject(this.#takeError());
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  /** The client has left. */
  return(): Promise<IteratorReturnResult<undefined>> {
    this.end();
    this.#error = undefined;
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #writeTo(line: Duplex, payload: SharedPayload): void {
    const id = this.#id;
    if (payload.byteLength > COPIED_BYTES) {
      const opening = openingOf(id);
      line.cork();
      for (const { utf8 } of payload.parts) {
        line.write(headOf(opening, utf8.byteLength));
        line.write(utf8);
        line.write(CLOSING_BRACE);
      }
      line.uncork();
      return;
    }
    const isShared = id.length <= SHARED_ID_LENGTH;
    let bytes = isShared ? payload.form(id) : undefined;
    if (!bytes) {
      bytes = messagesOf(openingOf(id), payload.parts);
      if (isShared) payload.keep(id, bytes);
    }
    line.write(bytes);
  }

  #messageOf({ utf8 }: Part): Buffer {
    return Buffer.concat([Buffer.from(openingOf(this.#id), 'latin1'), utf8, CLOSING_BRACE]);
  }

  #takeError(): GraphQLError | undefined {
    const error = this.#error;
    this.#error = undefined;
    return error;
  }

  #awaitRoom(): void {
    const socket = this.#socket;
    if (!this.#drained || socket.readyState !== socket.OPEN) return;
    const look = (): void => {
      const drained = this.#drained;
      if (socket.bufferedAmount >= FULL_BYTES) this.#awaitRoom();
      else if (drained) {
        this.#drained = undefined;
        drained();
      }
    };
    if (this.#line && this.#line.writableLength >= FULL_BYTES) onceDrained(this.#line, look);
    // What waits inside ws, to be compressed, says nothing when it is done.
    else setTimeout(look, LOOK_MS).unref();
  }
}

/** The net socket under a WebSocket; undefined where this version of ws keeps it elsewhere. */
function lineOf(socket: WebSocket): Duplex | undefined {
  const line = '_socket' in socket ? socket._socket : undefined;
  return line instanceof Duplex ? line : undefined;
}

/** Those who wait for a net socket: one listener for all operations on it. */
const waiting = new WeakMap<Duplex, (() => void)[]>();

function onceDrained(line: Duplex, callback: () => void): void {
  const others = waiting.get(line);
  if (others) {
    others.push(callback);
    return;
  }
  waiting.set(line, [callback]);
  line.once('drain', () => {
    const all = waiting.get(line) ?? [];
    waiting.delete(line);
    for (const [i, each] of all.entries()) {
      each();
      // Whoever was served first has filled it again: the others wait for the next time, in their order.
      if (line.writableLength >= FULL_BYTES) {
        for (const rest of all.slice(i + 1)) onceDrained(line, rest);
        return;
      }
    }
  });
}

/**
 * All of a message before its payload. Made anew for each write: kept as bytes for each subscription it would be the largest
 * part of what an idle one takes.
 */
const openingOf = (id: string): string => `{"id":${id},"type":"next","payload":`;

/** Whole unmasked text frames of RFC 6455 section 5.2, one for each part. */
function messagesOf(opening: string, parts: readonly Part[]): Buffer {
  let size = 0;
  for (const { utf8 } of parts) {
    const length = opening.length + utf8.byteLength + 1;
    size += headerSize(length) + length;
  }
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { utf8 } of parts) {
    at = writeHeader(bytes, at, opening.length + utf8.byteLength + 1);
    at += bytes.write(opening, at, opening.length, 'latin1');
    bytes.set(utf8, at);
    at += utf8.byteLength;
    bytes[at++] = 0x7d;
  }
  return bytes;
}

/** The frame's header and the message up to its payload. */
function headOf(opening: string, payloadBytes: number): Buffer {
  const length = opening.length + payloadBytes + 1;
  const bytes = Buffer.allocUnsafe(headerSize(length) + opening.length);
  bytes.write(opening, writeHeader(bytes, 0, length), 'latin1');
  return bytes;
}

const headerSize = (length: number): number => (length < 126 ? 2 : length < 65_536 ? 4 : 10);

/** Gives where the message begins. */
function writeHeader(bytes: Buffer, start: number, length: number): number {
  bytes[start] = TEXT_FRAME;
  if (length < 126) {
    bytes[start + 1] = length;
    return start + 2;
  }
  if (length < 65_536) {
    bytes[start + 1] = 126;
    return bytes.writeUInt16BE(length, start + 2);
  }
  bytes[start + 1] = 127;
  bytes.writeUInt32BE(0, start + 2);
  return bytes.writeUInt32BE(length, start + 6);
}
