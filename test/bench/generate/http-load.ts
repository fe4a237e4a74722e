/** Sends over HTTP: keep-alive connections with one request in flight each, HTTP/1.1 written by hand. */
import { connect, type Socket } from 'node:net';
import type { Done, Load } from './load.ts';
import { authorizationOf, keyMaker, type Sender, sendBody, TEXT } from './operations.ts';

export interface HttpOptions {
  readonly kind: 'http';
  readonly port: number;
  readonly connections: number;
  /** Connection i is sender i modulo their number. */
  readonly senders: readonly Sender[];
}

export async function openHttpLoad({ port, connections, senders }: HttpOptions): Promise<Load> {
  const key = keyMaker();
  const idle: Connection[] = [];
  const waiting: Done[] = [];
  const onFree = (free: Connection) => {
    const next = waiting.shift();
    if (next === undefined) idle.push(free);
    else free.send(key(), next);
  };
  const all = Array.from(
    { length: connections },
    (_, i) => new Connection(port, senders[i % senders.length] as Sender, i, onFree),
  );
  await Promise.all(all.map((connection) => connection.open()));
  idle.push(...all);
  return {
    start: (done) => {
      const free = idle.pop();
      if (free === undefined) waiting.push(done);
      else free.send(key(), done);
    },
    close: async () => {
      for (const connection of all) connection.close();
    },
  };
}

class Connection {
  readonly #port: number;
  readonly #head: string;
  readonly #lanes: readonly string[];
  readonly #onFree: (self: Connection) => void;
  #socket: Socket | undefined;
  #turn: number;
  #done: Done | undefined;
  #heard = '';

  constructor(port: number, sender: Sender, turn: number, onFree: (self: Connection) => void) {
    this.#port = port;
    this.#lanes = sender.lanes;
    this.#turn = turn;
    this.#onFree = onFree;
    this.#head =
      `POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: ${authorizationOf(sender.token)}\r\n` +
      'Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: ';
  }

  open(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
      this.#socket = socket;
      // A server that closes an idle connection may say why (408): that is no answer to anything.
      this.#heard = '';
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        socket.on('error', () => {});
        socket.on('data', (chunk) => this.#read(chunk));
        socket.on('close', () => this.#end('the connection went'));
        resolve(socket);
      });
    });
  }

  send(key: string, done: Done): void {
    const lane = this.#lanes[this.#turn++ % this.#lanes.length] as string;
    const body = sendBody(lane, key, TEXT);
    this.#done = done;
    const request = `${this.#head}${body.length}\r\n\r\n${body}`;
    if (this.#socket?.writable === true) this.#socket.write(request, 'latin1');
    // The server closed it while it was idle, as servers do.
    else
      this.open().then(
        (socket) => socket.write(request, 'latin1'),
        (error: unknown) => this.#end(String(error)),
      );
  }

  close(): void {
    this.#socket?.destroy();
  }

  #read(chunk: Buffer): void {
    this.#heard += chunk.toString('latin1');
    const end = this.#heard.indexOf('\r\n\r\n');
    if (end < 0 || !isWhole(this.#heard, end)) return;
    const answer = this.#heard;
    this.#heard = '';
    this.#end(answer.includes('"accepted":{', end) ? undefined : answer.slice(0, 600));
  }

  #end(error: string | undefined): void {
    const done = this.#done;
    if (done === undefined) return;
    this.#done = undefined;
    this.#onFree(this);
    done(error);
  }
}

function isWhole(heard: string, end: number): boolean {
  const length = /content-length: (\d+)/i.exec(heard.slice(0, end));
  return length === null ? heard.endsWith('0\r\n\r\n') : heard.length >= end + 4 + Number(length[1]);
}
