/** The ways into a server process for one command or query: HTTP and WebSocket. */
import { createHmac } from 'node:crypto';
import { Agent, type IncomingMessage, request } from 'node:http';
import { WebSocket } from 'ws';
import { errorOf, type GraphQLAnswer, type GraphQLRequest, type Reply } from './documents.ts';
import type { End } from './trace.ts';

/** One api process, at the port that it keeps over its restarts. */
export interface Door {
  readonly name: string;
  readonly port: number;
}

/** Longer than a server takes to say that it does not know. */
const ANSWER_MS = 15_000;
/** For the first frame of a stream or the acknowledgement of a socket. */
export const OPEN_MS = 15_000;
const agent = new Agent({ keepAlive: true, maxSockets: 256 });

const base64 = (value: string): string => Buffer.from(value).toString('base64url');

/** An HS256 token of one user, good for a day. */
export function tokenOf(secret: string, user: string, scope?: string): string {
  const exp = Math.floor(Date.now() / 1000) + 24 * 60 * 60;
  const claims = JSON.stringify({ sub: user, exp, scope });
  const body = `${base64(JSON.stringify({ alg: 'HS256', typ: 'JWT' }))}.${base64(claims)}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}

export function post(door: Door, token: string, asked: GraphQLRequest): Promise<Reply> {
  return new Promise((resolve) => {
    const lost = (why: string) => resolve({ kind: 'lost', why });
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const call = request({ agent, host: '127.0.0.1', port: door.port, method: 'POST', path: '/graphql', headers });
    call.setTimeout(ANSWER_MS, () => call.destroy(new Error('no answer in time')));
    call.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNREFUSED' ? resolve({ kind: 'unsent', why: error.message }) : lost(error.message),
    );
    call.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', (error) => lost(error.message));
      response.once('close', () => lost('the answer was cut off'));
      response.once('end', () => resolve(replyOf(response, text)));
    });
    call.end(JSON.stringify(asked));
  });
}

function replyOf(response: IncomingMessage, text: string): Reply {
  if (!response.complete) return { kind: 'lost', why: 'the answer was cut off' };
  try {
    return { kind: 'json', status: response.statusCode ?? 0, body: JSON.parse(text) };
  } catch {
    return { kind: 'json', status: response.statusCode ?? 0, body: {} };
  }
}

export interface Message {
  readonly type: string;
  readonly id?: string;
  readonly payload?: unknown;
}

export function openSocket(door: Door, token: string): WebSocket {
  const socket = new WebSocket(`ws://127.0.0.1:${door.port}/graphql`, 'graphql-transport-ws');
  const timer = setTimeout(() => socket.terminate(), OPEN_MS);
  socket.once('open', () =>
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })),
  );
  socket.once('message', () => clearTimeout(timer));
  socket.once('close', () => clearTimeout(timer));
  return socket;
}

/** Commands of one user by WebSocket: one socket for each process, opened when it is needed and again when it is lost. */
export class Sockets {
  readonly #token: string;
  readonly #lines = new Map<string, Line>();

  constructor(token: string) {
    this.#token = token;
  }

  ask(door: Door, asked: GraphQLRequest): Promise<Reply> {
    let line = this.#lines.get(door.name);
    if (!line || line.isLost) {
      line = new Line(openSocket(door, this.#token));
      this.#lines.set(door.name, line);
    }
    return line.ask(asked);
  }

  close(): void {
    for (const line of this.#lines.values()) line.close();
  }
}

/** What a subscription brings, and, once, how it ended. */
export interface Following {
  next(result: unknown): void;
  end(end: End): void;
}

/** One socket: commands, and beside them a subscription. */
export class Line {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<string, (reply: Reply) => void>();
  readonly #following = new Map<string, Following>();
  readonly #acknowledged: Promise<void>;
  #asked = 0;
  isLost = false;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.#acknowledged = new Promise((resolve) => {
      socket.on('message', (data) => {
        const message = JSON.parse(String(data)) as Message;
        if (message.type === 'connection_ack') resolve();
        else this.#heard(message);
      });
      socket.once('error', () => {});
      socket.once('close', (code, reason) => {
        this.isLost = true;
        for (const { end } of this.#following.values()) end({ kind: 'closed', code, reason: String(reason) });
        this.#following.clear();
        for (const settle of this.#waiting.values()) settle({ kind: 'lost', why: `the socket was closed: ${code}` });
        this.#waiting.clear();
        resolve();
      });
    });
  }

  async ask({ query, variables }: GraphQLRequest): Promise<Reply> {
    await this.#acknowledged;
    if (this.isLost) return { kind: 'unsent', why: 'no socket' };
    const id = String(++this.#asked);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#settle(id, { kind: 'lost', why: 'no answer in time' });
        this.#socket.terminate();
      }, ANSWER_MS);
      this.#waiting.set(id, (reply) => {
        clearTimeout(timer);
        resolve(reply);
      });
      this.#socket.send(JSON.stringify({ id, type: 'subscribe', payload: { query, variables } }));
    });
  }

  async follow({ query, variables }: GraphQLRequest, following: Following): Promise<void> {
    const id = String(++this.#asked);
    this.#following.set(id, following);
    await this.#acknowledged;
    if (!this.isLost) this.#socket.send(JSON.stringify({ id, type: 'subscribe', payload: { query, variables } }));
    else if (this.#following.delete(id)) following.end({ kind: 'closed' });
  }

  /** Without a word, as a lost network does. Nothing of what was followed is told any more. */
  close(): void {
    this.#following.clear();
    this.#socket.terminate();
  }

  #heard(message: Message): void {
    const { type, id = '', payload } = message;
    const following = this.#following.get(id);
    if (following) this.#followed(following, message);
    else if (type === 'next') this.#settle(id, { kind: 'json', status: 200, body: payload });
    else if (type === 'error') this.#settle(id, { kind: 'json', status: 200, body: { errors: payload } });
  }

  #followed(following: Following, { type, id = '', payload }: Message): void {
    if (type === 'next') following.next(payload);
    else this.#following.delete(id);
    if (type === 'complete') following.end({ kind: 'completed' });
    if (type === 'error')
      following.end({ kind: 'error', code: errorOf(payload as GraphQLAnswer<unknown>['errors'], 0).code });
  }

  #settle(id: string, reply: Reply): void {
    this.#waiting.get(id)?.(reply);
    this.#waiting.delete(id);
  }
}
