/**
 * The limit under every delivery: bare `ws` and a loop of `send`. Sockets on `/receive` receive; what comes on `/send`, or
 * from a core NATS subscription, goes to each of them as it is.
 */
import type { AddressInfo } from 'node:net';
import { connect, type NatsConnection } from 'nats';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { serve } from '../generate/serve.ts';

export interface Relay {
  readonly open: {
    readonly nats?: {
      readonly url: string;
      readonly user: string;
      readonly password: string;
      readonly subject: string;
    };
  };
  readonly opened: { readonly port: number };
  readonly run: undefined;
  readonly result: undefined;
}

const receivers = new Set<WebSocket>();
let server: WebSocketServer | undefined;
let connection: NatsConnection | undefined;

const relay = (payload: Uint8Array | RawData): void => {
  for (const receiver of receivers) receiver.send(payload, { binary: false });
};

serve<Relay>({
  open: async ({ nats }) => {
    server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false, backlog: 4096 });
    server.on('connection', (socket, request) => {
      if (request.url === '/send') socket.on('message', relay);
      else {
        receivers.add(socket);
        socket.on('close', () => receivers.delete(socket));
      }
    });
    await new Promise((resolve) => server?.once('listening', resolve));
    if (nats !== undefined) {
      connection = await connect({ servers: nats.url, user: nats.user, pass: nats.password });
      connection.subscribe(nats.subject, { callback: (error, message) => error ?? relay(message.data) });
      await connection.flush();
    }
    return { port: (server.address() as AddressInfo).port };
  },
  run: async () => undefined,
  close: async () => {
    for (const receiver of receivers) receiver.terminate();
    server?.close();
    await connection?.close();
  },
});
