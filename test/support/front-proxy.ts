/** A reverse proxy as it stands before an api: passes on requests and sockets, and adds the address of who came to it. */
import { createServer, type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';

export interface FrontProxy {
  readonly port: number;
  readonly url: string;
  /** The headers of everything that came through, as the api got them. */
  readonly passed: readonly IncomingMessage['headers'][];
  stop(): Promise<void>;
}

/** `clientOf`: the address that a request is said to come from; default: the one that it does come from. */
export async function startFrontProxy(
  apiPort: number,
  clientOf: (request: IncomingMessage) => string = ({ socket }) => socket.remoteAddress ?? '',
): Promise<FrontProxy> {
  const passed: IncomingMessage['headers'][] = [];
  const sockets = new Set<Socket>();
  const headersOf = (came: IncomingMessage): IncomingMessage['headers'] => {
    const before = came.headers['x-forwarded-for'];
    const headers = { ...came.headers, 'x-forwarded-for': before ? `${before}, ${clientOf(came)}` : clientOf(came) };
    passed.push(headers);
    return headers;
  };
  const server = createServer((came, response) => {
    const { method, url } = came;
    const options = { host: '127.0.0.1', port: apiPort, method, path: url, headers: headersOf(came) };
    const onward = request(options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    came.pipe(onward);
  });
  server.on('upgrade', (came, client: Socket, head) => {
    const onward = connect(apiPort, '127.0.0.1');
    for (const socket of [client, onward]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        onward.destroy();
      });
    }
    const headers = Object.entries(headersOf(came)).map(([name, value]) => `${name}: ${value}\r\n`);
    onward.write(`GET ${came.url} HTTP/1.1\r\n${headers.join('')}\r\n`);
    onward.write(head);
    client.pipe(onward).pipe(client);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    port,
    url: `http://127.0.0.1:${port}/graphql`,
    passed,
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await closed;
    },
  };
}
