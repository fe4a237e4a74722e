/** The api as its callers meet it: started in this process on real servers, spoken to over the network only. */
import { SignJWT } from 'jose';
import { expect } from 'vitest';
import { WebSocket } from 'ws';
import { type ApiLimits, start } from '../../services/api/main.ts';
import type { Config, Environment } from '../../services/config.ts';
import { createLogger } from '../../services/logger.ts';
import type { TestServers } from './servers.ts';
import { until as look } from './until.ts';

export interface TestApi {
  readonly config: Config;
  readonly port: number;
  readonly adminPort: number;
  readonly url: string;
  stop(): Promise<void>;
}

/** On free ports. `more`: settings of its own. */
export async function startApi(servers: TestServers, more: Environment = {}, limits: ApiLimits = {}): Promise<TestApi> {
  const config = servers.config({
    // Tests send faster than people; the budgets have a test of their own.
    ...{ LANES_SENDS_PER_SECOND: '10000', LANES_SENDS_BURST: '100000' },
    ...{ LANES_PORT: '0', LANES_ADMIN_PORT: '0' },
    ...more,
  });
  const { port, adminPort, stop } = await start(
    config,
    createLogger({ logLevel: 'error' }, 'api', 2),
    undefined,
    limits,
  );
  return { config, port, adminPort, url: `http://127.0.0.1:${port}/graphql`, stop };
}

export interface TokenOptions {
  readonly scope?: string;
  readonly name?: string;
  readonly picture?: string;
  /** Default 600. Negative: it has expired. */
  readonly ttlSeconds?: number;
  readonly secret?: string;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly alg?: string;
}

export async function tokenFor({ config }: Pick<TestApi, 'config'>, user: string, options: TokenOptions = {}) {
  const { scope, name, picture, ttlSeconds = 600, claims, alg = 'HS256' } = options;
  const secret = options.secret ?? (config.jwt.kind === 'secret' ? config.jwt.secret : '');
  const said = Object.entries({ scope, name, picture, ...claims }).filter(([, value]) => value !== undefined);
  return new SignJWT(Object.fromEntries(said))
    .setProtectedHeader({ alg })
    .setSubject(user)
    .setExpirationTime(Math.floor(Date.now() / 1000) + ttlSeconds)
    .sign(new TextEncoder().encode(secret));
}

// biome-ignore lint/suspicious/noExplicitAny: an answer is whatever the test asked for
export type Data = any;
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly data: Data;
  readonly errors: readonly { message: string; path?: readonly unknown[]; extensions: Data }[];
}

export interface PostOptions {
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly operationName?: string;
}

/** One GraphQL request by POST. */
export async function post(
  api: Pick<TestApi, 'url'>,
  query: string,
  variables: Readonly<Record<string, unknown>> | undefined,
  { token, headers, operationName }: PostOptions,
): Promise<Answer> {
  return raw(api, JSON.stringify({ query, variables, operationName }), { token, ...(headers ? { headers } : {}) });
}

/** A body as it is. */
export async function raw(
  api: Pick<TestApi, 'url'>,
  body: string | Uint8Array<ArrayBuffer>,
  { token, headers }: PostOptions = {},
): Promise<Answer> {
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await fetch(api.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...authorization, ...headers },
    body,
  });
  const { data, errors = [] } = (await answer.json()) as { data?: Data; errors?: Answer['errors'] };
  return { status: answer.status, headers: answer.headers, data, errors };
}

/** One user's client. */
export interface Client {
  readonly user: string;
  readonly token: string;
  /** The data; fails where there are errors. */
  ask(query: string, variables?: Readonly<Record<string, unknown>>): Promise<Data>;
  /** The whole answer. */
  post(query: string, variables?: Readonly<Record<string, unknown>>, headers?: Record<string, string>): Promise<Answer>;
}

export async function clientOf(api: TestApi, user: string, options: TokenOptions = {}): Promise<Client> {
  const token = await tokenFor(api, user, options);
  return {
    user,
    token,
    ask: async (query, variables) => {
      const { data, errors } = await post(api, query, variables, { token });
      expect(errors).toEqual([]);
      return data;
    },
    post: (query, variables, headers = {}) => post(api, query, variables, { token, headers }),
  };
}

export const codesOf = ({ errors }: Pick<Answer, 'errors'>): string[] => errors.map((error) => error.extensions.code);

/** A fact that comes about by itself: asked for until it holds. */
export async function until<T>(read: () => Promise<T | undefined | false> | T | undefined | false, withinMs = 10_000) {
  const isThere = (value: T | undefined | false) => value !== undefined && value !== false;
  return (await look(read, isThere, withinMs)) as T;
}

export interface SocketMessage {
  readonly type: string;
  readonly id?: string;
  readonly payload?: Data;
}

/** A WebSocket with every message kept; nothing of the protocol is done by itself. */
export class TestSocket {
  readonly socket: WebSocket;
  readonly messages: SocketMessage[] = [];
  #close: { readonly code: number; readonly reason: string } | undefined;
  #waiting: (() => void)[] = [];

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data) => this.#got(() => this.messages.push(JSON.parse(data.toString()))));
    socket.on('close', (code, reason) =>
      this.#got(() => {
        this.#close = { code, reason: reason.toString() };
      }),
    );
    socket.on('error', () => {});
  }

  send(message: unknown): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** Starts an operation. */
  subscribe(id: string, query: string, variables?: Readonly<Record<string, unknown>>): void {
    this.send({ id, type: 'subscribe', payload: { query, variables } });
  }

  /** The first message, from `from` on, for which `is` holds. Fails when the socket closes before. */
  async message(is: (message: SocketMessage) => boolean, from = 0): Promise<SocketMessage> {
    for (;;) {
      const found = this.messages.slice(from).find(is);
      if (found) return found;
      if (this.#close) throw new Error(`closed: ${JSON.stringify(this.#close)}`);
      await this.#next();
    }
  }

  /** The payloads of `next` messages of one operation so far. */
  nexts(id: string): Data[] {
    return this.messages
      .filter((message) => message.type === 'next' && message.id === id)
      .map(({ payload }) => payload);
  }

  async closed(): Promise<{ readonly code: number; readonly reason: string }> {
    while (!this.#close) await this.#next();
    return this.#close;
  }

  #got(note: () => void): void {
    note();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #next(): Promise<void> {
    return new Promise((wake) => this.#waiting.push(wake));
  }
}

export interface SocketOptions {
  readonly origin?: string;
  readonly protocol?: string;
}

/** Open, and nothing said yet. */
export async function rawSocket(api: Pick<TestApi, 'port'>, options: SocketOptions = {}): Promise<TestSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${api.port}/graphql`, options.protocol ?? 'graphql-transport-ws', {
    perMessageDeflate: false,
    ...(options.origin === undefined ? {} : { origin: options.origin }),
  });
  const test = new TestSocket(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  return test;
}

/** Acknowledged. */
export async function socketOf(api: Pick<TestApi, 'port'>, token: string, as?: string): Promise<TestSocket> {
  const socket = await rawSocket(api);
  socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}`, as } });
  await socket.message(({ type }) => type === 'connection_ack');
  return socket;
}

export interface ServerEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: Data;
}

/** An event stream, read one event after the other; comments are skipped. */
export class TestEvents {
  readonly status: number;
  readonly headers: Headers;
  readonly #events: AsyncIterator<ServerEvent>;
  readonly #leave: AbortController;

  constructor(answer: Response, leave: AbortController) {
    this.status = answer.status;
    this.headers = answer.headers;
    this.#events = eventsOf(answer);
    this.#leave = leave;
  }

  /** Undefined: the connection has ended. */
  async next(): Promise<ServerEvent | undefined> {
    const { done, value } = await this.#events.next();
    return done ? undefined : value;
  }

  /** Up to and including the first event for which `is` holds. */
  async upTo(is: (event: ServerEvent) => boolean): Promise<ServerEvent[]> {
    const events: ServerEvent[] = [];
    for (;;) {
      const event = await this.next();
      if (!event) throw new Error(`the stream ended: ${JSON.stringify(events)}`);
      events.push(event);
      if (is(event)) return events;
    }
  }

  close(): void {
    this.#leave.abort();
  }
}

async function* eventsOf({ body }: Response): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(event)?.[1];
      const name = field('event');
      const data = field('data');
      if (name) yield { event: name, id: field('id'), data: data ? JSON.parse(data) : undefined };
    }
  }
}

export interface EventOptions {
  readonly token?: string;
  readonly lastEventId?: string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
}

export async function eventsFrom(
  api: Pick<TestApi, 'url'>,
  query: string,
  variables: Readonly<Record<string, unknown>>,
  { token, lastEventId, method = 'POST', headers }: EventOptions,
): Promise<TestEvents> {
  const leave = new AbortController();
  const search = new URLSearchParams({ query, variables: JSON.stringify(variables) });
  const answer = await fetch(method === 'GET' ? `${api.url}?${search}` : api.url, {
    method,
    signal: leave.signal,
    headers: {
      accept: 'text/event-stream',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
      ...(method === 'POST' ? { 'content-type': 'application/json' } : {}),
      ...headers,
    },
    ...(method === 'POST' ? { body: JSON.stringify({ query, variables }) } : {}),
  });
  return new TestEvents(answer, leave);
}
