/**
 * POST over few long-lived connections to one host, by undici: HTTP/2 where the host speaks it, else HTTP/1.1. One outcome for
 * everything that can happen, in bounded time and memory. Connections that do not answer are not used again.
 */
import { Client, type Dispatcher, Pool } from 'undici';
import { type ConnectorOptions, connectorOf } from './connector.ts';
import type { End, Patience } from './patience.ts';

type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;
export interface Answer {
  readonly kind: 'answer';
  readonly status: number;
  /** By their names in small letters. */
  readonly headers: AnswerHeaders;
  /** At most `BODY_BYTES` of it. */
  readonly body: string;
}
/** No answer. `code`: the system's or the library's word, or ours. It may have arrived all the same. */
export interface Silence {
  readonly kind: 'silence';
  readonly code: string;
}
export interface Post {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}
export interface WireOptions extends ConnectorOptions {
  /** https. What stands in it after the host is the caller's business. */
  readonly origin: string;
  /** Requests at once on one connection of HTTP/2. */
  readonly streams: number;
  /** At most so many connections: more than a few are opened for HTTP/1.1 only, where each carries one request at a time. */
  readonly connections: number;
}

/** Providers say their piece in a few hundred; who says more is not listened to. */
const BODY_BYTES = 16 * 1024;
const STOP_MS = 3_000;

export class Wire {
  readonly #options: WireOptions;
  #connections: Connections;
  /** What was retired and has requests under way. */
  readonly #retired = new Set<Connections>();

  constructor(options: WireOptions) {
    this.#options = options;
    this.#connections = new Connections(options);
  }

  /**
   * Never rejects; settles at the latest when the patience ends. What was under way on a connection that ended (GOAWAY, a
   * reset, a kept connection that the host closed meanwhile) goes out once more on another one: the host may get it twice.
   */
  async post(post: Post, patience: Patience): Promise<Answer | Silence> {
    for (let again = true; ; again = false) {
      const connections = this.#connections;
      const outcome = await exchange(connections.pool, post, patience);
      if (outcome.kind === 'answer') return outcome;
      if (patience.ended === 'late') this.#retire(connections);
      if (patience.ended || !again || !outcome.connectionLost) return { kind: 'silence', code: outcome.code };
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.#connections, ...this.#retired].map((connections) => connections.stop(STOP_MS)));
  }

  /** A connection into a black hole looks open until the system gives it up, a quarter of an hour later. */
  #retire(connections: Connections): void {
    if (connections !== this.#connections) return;
    this.#connections = new Connections(this.#options);
    this.#retired.add(connections);
    connections.stop(STOP_MS).finally(() => this.#retired.delete(connections));
  }
}

/** A pool, and every client it made: a pool forgets a client whose connection ended, which may have requests under way. */
class Connections {
  readonly pool: Pool;
  readonly #clients = new Set<Client>();

  constructor(options: WireOptions) {
    this.pool = new Pool(options.origin, {
      connections: options.connections,
      factory: (origin) => this.#open(origin, options),
    });
  }

  #open(origin: URL, options: WireOptions): Client {
    const client: Client = new Client(origin, {
      allowH2: true,
      // One at a time until it is known what the host speaks.
      pipelining: options.protocols.includes('http/1.1') ? 1 : options.streams,
      maxConcurrentStreams: options.streams,
      connect: connectorOf(options, (isHttp2) => {
        client.pipelining = isHttp2 ? options.streams : 1;
      }),
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    this.#clients.add(client);
    client.on('connectionError', () => {
      // The pool does not use it again; what waits in it is sent before it closes.
      client.close().finally(() => this.#clients.delete(client));
    });
    return client;
  }

  async stop(ms: number): Promise<void> {
    const everything = [this.pool, ...this.#clients];
    const cut = () => {
      for (const one of everything) one.destroy().catch(() => {});
    };
    const timer = setTimeout(cut, ms);
    await Promise.allSettled(everything.map((one) => (one.closed ? undefined : one.close())));
    clearTimeout(timer);
    cut();
  }
}

type Outcome = Answer | (Silence & { readonly connectionLost: boolean });

function exchange(pool: Pool, { path, headers, body }: Post, patience: Patience): Promise<Outcome> {
  return new Promise((resolve) => {
    const handler = new Exchange(patience, resolve);
    if (patience.ended) return;
    pool.dispatch(
      { method: 'POST', path, headers: headers as Record<string, string>, body, idempotent: true },
      handler,
    );
  });
}

/** Codes of undici for a connection that ended under a request. */
const LOST = new Set(['UND_ERR_SOCKET', 'UND_ERR_INFO', 'ECONNRESET', 'EPIPE', 'ERR_HTTP2_STREAM_ERROR']);

const GIVEN_UP = new Error('given up');

class Exchange implements Dispatcher.DispatchHandler {
  readonly #patience: Patience;
  #resolve: ((outcome: Outcome) => void) | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #headers: AnswerHeaders = {};
  #chunks: Buffer[] | undefined;
  #bytes = 0;
  readonly #onEnd = (end: End): void => {
    this.#settle({ kind: 'silence', code: end === 'late' ? 'TIMEOUT' : 'ABORTED', connectionLost: false });
    this.#controller?.abort(GIVEN_UP);
  };

  constructor(patience: Patience, resolve: (outcome: Outcome) => void) {
    this.#patience = patience;
    this.#resolve = resolve;
    patience.onEnd(this.#onEnd);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Given up while it waited for a connection.
    if (this.#resolve === undefined) controller.abort(GIVEN_UP);
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: AnswerHeaders): void {
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks ??= [];
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < BODY_BYTES) return;
    this.#answer();
    controller.abort(new Error('more than anybody reads'));
  }

  onResponseEnd(): void {
    this.#answer();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    const code = codeOf(error);
    this.#settle({ kind: 'silence', code, connectionLost: this.#controller !== undefined && LOST.has(code) });
  }

  #answer(): void {
    const body = this.#chunks ? Buffer.concat(this.#chunks).toString('utf8', 0, BODY_BYTES) : '';
    this.#settle({ kind: 'answer', status: this.#status, headers: this.#headers, body });
  }

  #settle(outcome: Outcome): void {
    const resolve = this.#resolve;
    if (resolve === undefined) return;
    this.#resolve = undefined;
    this.#patience.off(this.#onEnd);
    resolve(outcome);
  }
}

/** An error's code and nothing else of it: its words may hold a path, and so a token. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? code : 'NETWORK';
}

/** What `Retry-After` asks for (RFC 9110, 10.2.3: seconds or a date), as milliseconds from `now`; undefined: nothing. */
export function retryAfterOf(value: string | string[] | undefined, now: number): number | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

/** The JSON object in a body; what is not one is an empty one. */
export function jsonOf(body: string): Readonly<Record<string, unknown>> {
  try {
    return objectOf(JSON.parse(body));
  } catch {
    return {};
  }
}

export const objectOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/** A provider's own word for what it did not like, if it is one word; else `other`. It goes into the ledger. */
export const wordOf = (value: unknown, other: string): string =>
  typeof value === 'string' && /^\w{1,64}$/.test(value) ? value : other;
