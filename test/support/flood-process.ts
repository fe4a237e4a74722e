/**
 * An integration with real credentials that says one thing as fast as the server takes it, over several connections, and comes back
 * at once when it is put out. A process of its own, to be killed; it tells when the server has taken the first of it.
 */
import { connect } from 'node:net';

export interface Flood {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly connections: number;
  readonly subject: string;
  readonly reply: string;
  readonly body: string;
  /** So many bytes of text in place of `…` in the body. */
  readonly filled: number;
}

const CHUNK_BYTES = 512 * 1024;

const flood = JSON.parse(process.env['FLOOD'] ?? '') as Flood;
const body = flood.body.replace('…', 'x'.repeat(flood.filled));
const line = `PUB ${flood.subject} ${flood.reply} ${Buffer.byteLength(body)}\r\n${body}\r\n`;
const lines = Math.max(1, Math.floor(CHUNK_BYTES / line.length));
const chunk = Buffer.from(line.repeat(lines));
let isTold = false;

function open(): void {
  const { hostname, port } = new URL(flood.url);
  const socket = connect(Number(port), hostname);
  const who = { user: flood.user, pass: flood.password, verbose: false, pedantic: false, headers: true };
  const say = (): void => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.once('data', () => {
    socket.write(`CONNECT ${JSON.stringify(who)}\r\nPING\r\n`);
    socket.once('data', say);
  });
  socket.on('data', () => undefined);
  socket.on('drain', () => {
    if (!isTold) process.send?.('flooding');
    isTold = true;
    say();
  });
  socket.on('error', () => undefined);
  socket.on('close', open);
}

for (let i = 0; i < flood.connections; i++) open();
