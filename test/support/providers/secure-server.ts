/**
 * What every stand-in of a provider is: a real server with TLS, HTTP/2 and HTTP/1.1, that can be told to answer anything, or
 * to behave as badly as servers do.
 */

import type { RequestListener } from 'node:http';
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse, type Http2Session } from 'node:http2';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Authority } from './certificates.ts';

/** Those that providers look at, and the others. */
type HeaderName = 'authorization' | 'ttl' | 'urgency' | 'topic';
export interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Partial<Record<HeaderName, string>>> & { readonly [name: `${string}-${string}`]: string };
  readonly body: Buffer;
  readonly isHttp2: boolean;
}
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}
/**
 * `goaway`: the connection is told to end, and the request is never answered. `reset`: the connection is cut. `cancel`: the
 * stream is. `silence`: nothing at all, until the server stops.
 */
export type Behaviour = Reply | 'goaway' | 'reset' | 'cancel' | 'silence';

export interface SecureServer {
  readonly url: string;
  readonly port: number;
  /** Requests that came whole, whatever became of them. */
  readonly requests: readonly Request[];
  /** Connections that were opened, ever. */
  readonly connections: number;
  /** The next requests are met with these, one each, in place of what is right. */
  next(...behaviours: readonly Behaviour[]): void;
  /** Every request from now on; undefined: as is right again. */
  always(behaviour: Behaviour | undefined): void;
  stop(): Promise<void>;
}
export interface ServerOptions {
  readonly authority: Authority;
  readonly names?: readonly string[];
  /** HTTP/1.1 alone, as many gateways speak. */
  readonly http1?: boolean;
  readonly port?: number;
  readonly hooks?: Hooks;
}
/** For who wants to be asked, or told, of each request. */
export interface Hooks {
  /** How it is met, in place of what is right; undefined: as is right. What takes its time makes a slow server. */
  meets?(request: Request): Behaviour | undefined | Promise<Behaviour | undefined>;
  /** How it is met, just before. */
  heard?(request: Request, behaviour: Behaviour): void;
}

export async function startSecureServer(
  { authority, names = ['127.0.0.1', 'localhost'], http1 = false, port = 0, hooks }: ServerOptions,
  answer: (request: Request) => Reply | Promise<Reply>,
): Promise<SecureServer> {
  const requests: Request[] = [];
  const planned: Behaviour[] = [];
  /** By the other end's port. */
  const sockets = new Map<number, Socket>();
  let constant: Behaviour | undefined;
  let connections = 0;
  const answering = (incoming: Http2ServerRequest, outgoing: Http2ServerResponse): void => {
    read(incoming).then(
      async (request) => {
        requests.push(request);
        const behaviour = planned.shift() ?? constant ?? (await hooks?.meets?.(request)) ?? (await answer(request));
        hooks?.heard?.(request, behaviour);
        if (behaviour === 'reset') sockets.get(incoming.socket.remotePort ?? 0)?.resetAndDestroy();
        else behave(behaviour, incoming, outgoing);
      },
      () => {},
    );
  };
  const identity = authority.issue(...names);
  // The two kinds of request differ only where this file asks first.
  const server = http1
    ? createServer(identity, answering as unknown as RequestListener)
    : createSecureServer({ ...identity, allowHTTP1: true }, answering);
  server.on('connection', (socket: Socket) => {
    connections++;
    const { remotePort = 0 } = socket;
    sockets.set(remotePort, socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(remotePort));
  });
  server.on('session', (session: Http2Session) => session.on('error', () => {}));
  server.on('tlsClientError', () => {});
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening));
  const { port: actual } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${actual}`,
    port: actual,
    requests,
    get connections() {
      return connections;
    },
    next: (...behaviours) => planned.push(...behaviours),
    always: (behaviour) => {
      constant = behaviour;
    },
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets.values()) socket.destroy();
      await closed;
    },
  };
}

async function read(incoming: Http2ServerRequest): Promise<Request> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  );
  const { method, url: path } = incoming;
  return { method, path, headers, body: Buffer.concat(chunks), isHttp2: incoming.httpVersionMajor === 2 };
}

function behave(
  behaviour: Exclude<Behaviour, 'reset'>,
  incoming: Http2ServerRequest,
  outgoing: Http2ServerResponse,
): void {
  // HTTP/1.1 has no streams and sessions.
  const session = incoming.httpVersionMajor === 2 ? outgoing.stream?.session : undefined;
  switch (behaviour) {
    case 'silence':
      return;
    case 'cancel':
      if (session === undefined) incoming.socket.destroy();
      else outgoing.stream.close(8);
      return;
    case 'goaway':
      if (session === undefined) incoming.socket.destroy();
      else session.goaway(0);
      return;
    default:
      outgoing.writeHead(behaviour.status, { ...behaviour.headers });
      outgoing.end(behaviour.body ?? '');
  }
}

export const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});
