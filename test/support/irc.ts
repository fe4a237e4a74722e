/** The IRC room as its clients meet it, and a client of bare bytes for it. */
import { connect, type Socket } from 'node:net';
import { LIMITS, type Limits } from '../../bridge/irc/limits.ts';
import { type Line, parseLine } from '../../bridge/irc/line.ts';
import { type Irc, start } from '../../bridge/irc/main.ts';
import { createLogger } from '../../services/logger.ts';
import type { TestServers } from './servers.ts';

/** In this process, on a free port. */
export async function startIrc(servers: TestServers, apiPort: number, limits: Partial<Limits> = {}): Promise<Irc> {
  const settings = servers.config({
    ...{ LANES_IRC_PORT: '0', LANES_ADMIN_PORT: '0', LANES_API_URL: `http://127.0.0.1:${apiPort}` },
  });
  return start(settings, createLogger({ logLevel: 'error' }, 'irc', 2), undefined, { ...LIMITS, ...limits });
}

/** Says what it is told, byte for byte, and keeps every line. Nothing is answered by itself. */
export class RawClient {
  readonly socket: Socket;
  readonly lines: Line[] = [];
  #text = '';
  #isClosed = false;
  #waiting: (() => void)[] = [];

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (bytes) => this.#got(bytes.toString('utf8')));
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(...lines: readonly string[]): void {
    this.socket.write(lines.map((line) => `${line}\r\n`).join(''));
  }

  /** The first line, from `from` on, for which `is` holds. Fails where the connection ends before, or after 10 s. */
  async line(is: (line: Line) => boolean, from = 0): Promise<Line> {
    const deadline = Date.now() + 10_000;
    for (;;) {
      const found = this.lines.slice(from).find(is);
      if (found) return found;
      if (this.#isClosed || Date.now() > deadline)
        throw new Error(`it did not come: ${JSON.stringify(this.lines.slice(from))}`);
      await this.#next(deadline - Date.now());
    }
  }

  async command(command: string, from = 0): Promise<Line> {
    return this.line((line) => line.command === command, from);
  }

  async closed(): Promise<void> {
    const deadline = Date.now() + 10_000;
    while (!this.#isClosed) {
      if (Date.now() > deadline) throw new Error('it stayed open');
      await this.#next(deadline - Date.now());
    }
  }

  /** All that came before the answer to a PING that is sent now. */
  async sync(): Promise<readonly Line[]> {
    const token = `sync${this.lines.length}-${performance.now()}`;
    this.send('MODE #sync', `MODE #${token}`);
    await this.line(({ command, params }) => command === '324' && params[1] === `#${token}`);
    return this.lines;
  }

  /** Texts that came to a channel, those of one sender where it is named. */
  said(channel: string, by?: string): string[] {
    return this.lines
      .filter(
        ({ command, params, prefix }) =>
          command === 'PRIVMSG' && params[0] === channel && (!by || prefix?.startsWith(`${by}!`)),
      )
      .map(({ params }) => params[1] ?? '');
  }

  #got(text: string): void {
    const lines = (this.#text + text).split('\r\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) {
      const parsed = parseLine(Buffer.from(line));
      if (parsed?.kind !== 'line') throw new Error(`a bad line came: ${line}`);
      this.lines.push(parsed.line);
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #next(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

/** Welcomed. */
export async function ircClient(port: number, token: string, capabilities = ''): Promise<RawClient> {
  const client = new RawClient(port);
  client.send(
    ...(capabilities === '' ? [] : [`CAP REQ :${capabilities}`]),
    `PASS ${token}`,
    'NICK me',
    'USER me 0 * :me',
  );
  if (capabilities !== '') {
    await client.line(({ command, params }) => command === 'CAP' && params[1] === 'ACK');
    client.send('CAP END');
  }
  await client.command('001');
  return client;
}
