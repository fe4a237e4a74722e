/** A receiver of webhooks with a real certificate, that answers whatever it is told to, and remembers what came. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Authority } from './providers/certificates.ts';

export interface Received {
  readonly id: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  // biome-ignore lint/suspicious/noExplicitAny: an event is whatever the test asked for
  readonly event: any;
}
/** How a request is met; a number is a status without a body. */
export type Manner = number | ((request: Received, response: ServerResponse) => void);

export interface Receiver {
  /** On this machine's own address. */
  readonly url: string;
  readonly port: number;
  /** Whole requests, in the order in which they came, whatever was answered. */
  readonly received: Received[];
  /** Those that were answered with 204. */
  readonly taken: Received[];
  readonly connections: number;
  /** From now on; by itself everything is taken. */
  meet(manner: (request: Received) => Manner): void;
  stop(): Promise<void>;
}

export async function startReceiver(authority: Authority, port = 0, ...names: string[]): Promise<Receiver> {
  const received: Received[] = [];
  const taken: Received[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let meet: (request: Received) => Manner = () => 204;
  const server = createServer(authority.issue('127.0.0.1', 'localhost', ...names), (request, response) => {
    void read(request).then((came) => {
      if (!came) return;
      received.push(came);
      const manner = meet(came);
      if (manner === 204) taken.push(came);
      if (typeof manner === 'number') response.writeHead(manner).end();
      else manner(came, response);
    });
  });
  server.on('secureConnection', () => connections++);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening));
  const { port: actual } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${actual}/hook`,
    port: actual,
    ...{ received, taken },
    get connections() {
      return connections;
    },
    meet: (manner) => {
      meet = manner;
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}

async function read(request: IncomingMessage): Promise<Received | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch {
    return undefined;
  }
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
  const body = Buffer.concat(chunks).toString('utf8');
  return { id: headers['webhook-id'] ?? '', path: request.url ?? '', headers, body, event: JSON.parse(body) };
}
