/**
 * The NATS protocol by hand, over TCP or WebSocket: what a client library would not send, and the server's own word on each line.
 */
import { connect as dial } from 'node:net';
import { WebSocket } from 'ws';

export interface RawMessage {
  readonly subject: string;
  readonly reply: string;
  readonly data: string;
}

export interface RawNats {
  /** The server's errors on these lines, none: it took them all. Settles when it has read the last one. */
  say(...lines: readonly string[]): Promise<string[]>;
  /** The errors on one publish. */
  publish(subject: string, payload?: string, reply?: string): Promise<string[]>;
  /** The errors on one subscription; a refused one leaves nothing behind. */
  subscribe(subject: string, queue?: string): Promise<string[]>;
  /** Everything that came to its subscriptions. */
  readonly messages: readonly RawMessage[];
  /** Settles with the close of the connection. */
  readonly closed: Promise<void>;
  close(): void;
}

interface Wire {
  send(text: string): void;
  close(): void;
}

/** `url`: nats:// or ws://. Rejects with the server's error where it does not let us in. */
export async function openRaw(url: string, user: string, password: string): Promise<RawNats> {
  let heard = '';
  let sids = 0;
  const messages: RawMessage[] = [];
  const errors: string[] = [];
  const waiting: { readonly resolve: (errors: string[]) => void; readonly reject: (error: Error) => void }[] = [];
  let over = (): void => undefined;
  const closed = new Promise<void>((resolve) => {
    over = resolve;
  });
  const onData = (bytes: Buffer): void => {
    heard += bytes.toString('latin1');
    for (;;) {
      const end = heard.indexOf('\r\n');
      if (end < 0) return;
      const line = heard.slice(0, end);
      const [op = '', subject = '', , ...rest] = line.split(' ');
      if (op === 'MSG' || op === 'HMSG') {
        const size = Number(rest.at(-1));
        if (heard.length < end + 2 + size + 2) return;
        const head = op === 'HMSG' ? Number(rest.at(-2)) : 0;
        const reply = rest.length > (op === 'HMSG' ? 2 : 1) ? (rest[0] ?? '') : '';
        messages.push({ subject, reply, data: heard.slice(end + 2 + head, end + 2 + size) });
        heard = heard.slice(end + 2 + size + 2);
        continue;
      }
      heard = heard.slice(end + 2);
      if (op === '-ERR') errors.push(line.slice(5));
      else if (op === 'PONG') waiting.shift()?.resolve(errors.splice(0));
      else if (op === 'PING') wire.send('PONG\r\n');
    }
  };
  const onClose = (): void => {
    for (const { reject } of waiting.splice(0)) reject(new Error(errors.join(', ') || 'the connection was closed'));
    over();
  };
  const wire = await (url.startsWith('ws') ? wireOfWebSocket : wireOfSocket)(url, onData, onClose);
  const say = (...lines: readonly string[]): Promise<string[]> =>
    new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      wire.send([...lines, 'PING', ''].join('\r\n'));
    });
  const who = {
    user,
    pass: password,
    verbose: false,
    pedantic: false,
    headers: true,
    lang: 'raw',
    version: '0',
    protocol: 1,
  };
  const refused = await say(`CONNECT ${JSON.stringify(who)}`);
  if (refused.length > 0) throw new Error(refused.join(', '));
  return {
    say,
    publish: (subject, payload = '', reply) =>
      say(`PUB ${subject} ${reply === undefined ? '' : `${reply} `}${Buffer.byteLength(payload)}\r\n${payload}`),
    subscribe: (subject, queue) => say(`SUB ${subject} ${queue === undefined ? '' : `${queue} `}${++sids}`),
    messages,
    closed,
    close: () => wire.close(),
  };
}

function wireOfSocket(url: string, onData: (bytes: Buffer) => void, onClose: () => void): Promise<Wire> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = dial(Number(port), hostname);
    socket.once('connect', () => resolve({ send: (text) => void socket.write(text), close: () => socket.destroy() }));
    socket.on('error', reject);
    socket.on('data', onData);
    socket.on('close', onClose);
  });
}

function wireOfWebSocket(url: string, onData: (bytes: Buffer) => void, onClose: () => void): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.once('open', () => resolve({ send: (text) => socket.send(text), close: () => socket.terminate() }));
    socket.on('error', reject);
    socket.on('message', (data) => onData(data as Buffer));
    socket.on('close', onClose);
  });
}
