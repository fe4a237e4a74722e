/** The life of one socket, told by the clock that is given to it: pings, silence, and slow readers. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { Connection } from '../services/api/ws-connection.ts';
import { TestSocket, until } from './support/api.ts';

let server: Server;
let opened: (connection: Connection) => void = () => {};
const closings: [number, string][] = [];

beforeAll(async () => {
  server = createServer();
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  server.on('upgrade', (request, line, head) =>
    sockets.handleUpgrade(request, line, head, (socket) =>
      opened(new Connection(socket, line, '', (code, reason) => closings.push([code, reason]))),
    ),
  );
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
});
afterAll(() => {
  server?.closeAllConnections();
  server?.close();
});

async function pair(): Promise<{ connection: Connection; client: TestSocket }> {
  const connecting = new Promise<Connection>((resolve) => {
    opened = resolve;
  });
  const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    perMessageDeflate: false,
  });
  const client = new TestSocket(socket);
  await new Promise((open) => socket.once('open', open));
  return { connection: await connecting, client };
}
const after = (ms: number): number => performance.now() + ms;

it('is pinged every 25 s, and an answer keeps it', async () => {
  const { connection, client } = await pair();
  let pings = 0;
  client.socket.on('ping', () => pings++);
  const pongs: Buffer[] = [];
  connection.socket.on('pong', (data) => pongs.push(data));
  connection.sweep(after(24_000));
  connection.sweep(after(25_500));
  connection.sweep(after(26_000));
  await until(() => pongs.length === 1);
  expect(pings).toBe(1);
  connection.sweep(after(59_000));
  expect(connection.closing).toBe(false);
  client.socket.terminate();
  await until(() => connection.closing);
});

it('is given up after 60 s of silence', async () => {
  const { connection, client } = await pair();
  client.socket.pause();
  connection.sweep(after(59_000));
  expect(connection.closing).toBe(false);
  connection.sweep(after(60_500));
  client.socket.resume();
  expect((await client.closed()).code).toBe(1006);
});

const MESSAGE = JSON.stringify('x'.repeat(100_000));
/** Sends until so much waits here because the other side reads nothing. */
const fill = (connection: Connection, bytes: number): Promise<unknown> =>
  until(() => {
    if (connection.socket.bufferedAmount > bytes) return true;
    connection.socket.send(MESSAGE);
    return false;
  });

it('is not given up while a slow reader takes bytes, and is closed with 1013 when it takes none', async () => {
  const { connection, client } = await pair();
  client.socket.pause();
  await fill(connection, 1_000_000);
  connection.sweep(after(61_000));
  expect(connection.closing).toBe(false);
  const waiting = connection.socket.bufferedAmount;
  client.socket.resume();
  await until(() => connection.socket.bufferedAmount < waiting);
  client.socket.pause();
  await fill(connection, 1_000_000);
  connection.sweep(after(121_500));
  expect(connection.closing).toBe(false);
  connection.sweep(after(182_000));
  expect(closings.at(-1)).toEqual([1013, 'overloaded']);
  client.socket.resume();
  expect((await client.closed()).code).toBe(1013);
});

it('is closed with 1013 when an answer finds too much waiting before it', async () => {
  const { connection, client } = await pair();
  client.socket.pause();
  await fill(connection, 1024 * 1024);
  connection.send('"one more"');
  expect(closings.at(-1)).toEqual([1013, 'overloaded']);
  connection.send('"nothing after"');
  client.socket.resume();
  expect((await client.closed()).code).toBe(1013);
  expect(client.messages.filter((message) => String(message).length < 100)).toEqual([]);
});

it('that does not answer its close is ended', async () => {
  const { connection, client } = await pair();
  client.socket.pause();
  connection.close({ code: 1012, reason: 'draining' });
  connection.close({ code: 4403, reason: 'too late' });
  connection.sweep(after(4_000));
  expect(connection.socket.readyState).toBe(WebSocket.CLOSING);
  connection.sweep(after(5_500));
  await until(() => connection.socket.readyState === WebSocket.CLOSED);
  client.socket.resume();
  expect(await client.closed()).toEqual({ code: 1012, reason: 'draining' });
});
