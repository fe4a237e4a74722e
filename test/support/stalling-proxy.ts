/** A TCP proxy on a free port that can be told to let nothing more through, at once or after so many bytes. */
import { connect, createServer, type Socket } from 'node:net';

export interface StallingProxy {
  readonly port: number;
  /** Bytes from the server that still pass; Infinity: all. Nothing is lost: what is held passes when it is raised. */
  allow(bytes: number): void;
  /** Bytes from the server that passed. */
  readonly passed: number;
  /** Cuts every connection. */
  cut(): void;
  stop(): Promise<void>;
}

export async function startStallingProxy(targetPort: number): Promise<StallingProxy> {
  let allowed = Number.POSITIVE_INFINITY;
  let passed = 0;
  const sockets = new Set<Socket>();
  const held = new Map<Socket, Buffer[]>();
  const pass = (client: Socket): void => {
    const chunks = held.get(client) ?? [];
    while (chunks.length > 0 && allowed > 0) {
      const chunk = chunks.shift() as Buffer;
      const part = chunk.subarray(0, Math.min(chunk.length, allowed));
      if (part.length < chunk.length) chunks.unshift(chunk.subarray(part.length));
      allowed -= part.length;
      passed += part.length;
      client.write(part);
    }
  };
  const server = createServer((client) => {
    const upstream = connect(targetPort, '127.0.0.1');
    held.set(client, []);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        held.delete(client);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (bytes) => upstream.write(bytes));
    upstream.on('data', (bytes) => {
      held.get(client)?.push(bytes);
      pass(client);
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    get passed() {
      return passed;
    },
    allow: (bytes) => {
      allowed = bytes;
      for (const client of held.keys()) pass(client);
    },
    cut,
    stop: async () => {
      cut();
      await new Promise((closed) => server.close(closed));
    },
  };
}
