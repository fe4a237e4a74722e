/**
 * One client's line: bytes in and lines out, both bounded. Lines are handled one after the other; those that are not handled
 * yet are held back by not reading the socket, and so are those that come faster than a client may talk.
 */
import type { Socket } from 'node:net';
import { Buckets } from '../../services/buckets.ts';
import type { Capabilities } from './capabilities.ts';
import type { Limits } from './limits.ts';
import { formatLine, type Line, LineReader, type Parsed } from './line.ts';
import type { IrcMetrics } from './metrics.ts';
import { closing, SERVER } from './replies.ts';

export type CloseReason =
  | 'quit'
  | 'refused'
  | 'token'
  | 'bad-lines'
  | 'silence'
  | 'slow'
  | 'late'
  | 'evicted'
  | 'draining'
  | 'fault';

export interface ConnectionParts {
  readonly socket: Socket;
  readonly limits: Limits;
  readonly capabilities: Capabilities;
  readonly metrics: IrcMetrics;
  /** The next line is given when this one has settled. Never rejects. */
  onLine(parsed: Parsed): Promise<void>;
  /** The client takes too little: what writes by itself is to wait … */
  onFull(): void;
  /** … until here. */
  onDrained(): void;
  onClosed(): void;
}

/** Lines that wait for their turn; more wait in the socket. */
const MAX_QUEUE = 32;
/** For what was said last to be taken. */
const CLOSE_WITHIN_MS = 2_000;
const LEAVING: Parsed = { kind: 'line', line: { command: 'QUIT', params: [] } };

export class Connection {
  readonly #parts: ConnectionParts;
  readonly #reader = new LineReader();
  readonly #bucket: Buckets;
  readonly #queue: Parsed[] = [];
  #isHandling = false;
  #isFull = false;
  #closing = false;
  #ended = false;
  #pause: NodeJS.Timeout | undefined;
  #heardAt = performance.now();
  #asked = false;
  #passed = 0;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.#bucket = new Buckets(parts.limits.lines);
    const { socket } = parts;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => {
      if (this.#closing) return;
      this.#heard();
      this.#reader.feed(bytes);
      this.#read();
    });
    // What came before the end is still done.
    socket.on('end', () => {
      this.#ended = true;
      this.#read();
    });
    socket.on('drain', () => this.#drained());
    // What is wrong with a socket ends in its close; without a listener it would end the process.
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#closing = true;
      clearTimeout(this.#pause);
      this.#queue.length = 0;
      parts.onClosed();
    });
  }

  write(lines: readonly Line[]): void {
    const { socket, capabilities, metrics, limits } = this.#parts;
    if (this.#closing || lines.length === 0) return;
    socket.write(lines.map((line) => formatLine(capabilities.fit(line))).join(''));
    metrics.lines.inc({ direction: 'out' }, lines.length);
    if (socket.writableLength > limits.maxWaitingBytes) this.close('slow', 'You read too slowly');
    else if (socket.writableLength > limits.waitingBytes && !this.#isFull) {
      this.#isFull = true;
      this.#parts.onFull();
    }
  }

  /** Says why, and closes; who does not take that is cut off. */
  close(reason: CloseReason, why: string): void {
    if (this.#closing) return;
    const { socket, metrics } = this.#parts;
    metrics.closes.inc({ reason });
    socket.end(formatLine(closing(why)));
    this.#closing = true;
    this.#queue.length = 0;
    // What a closing client still says is of no interest, but has to be read for its end to come.
    socket.resume();
    const cut = setTimeout(() => socket.destroy(), CLOSE_WITHIN_MS);
    socket.once('close', () => clearTimeout(cut));
  }

  get isClosing(): boolean {
    return this.#closing;
  }

  /** Ends at once; what the system has not taken yet is lost. */
  cut(): void {
    this.#parts.socket.destroy();
  }

  /** Called about once a second. */
  sweep(tick: number): void {
    const { socket, limits } = this.#parts;
    if (this.#closing) return;
    // A slow reader's answer is behind all that it has not read yet: that it takes bytes is a sign of life too.
    const passed = socket.bytesWritten - socket.writableLength;
    if (socket.writableLength > 0 && passed > this.#passed) this.#heard();
    this.#passed = passed;
    const silence = tick - this.#heardAt;
    if (silence > limits.deadAfterMs) this.close('silence', 'Ping timeout');
    else if (silence > limits.pingAfterMs && !this.#asked) {
      this.#asked = true;
      this.write([{ command: 'PING', params: [SERVER] }]);
    }
  }

  #heard(): void {
    this.#heardAt = performance.now();
    this.#asked = false;
  }

  #drained(): void {
    if (!this.#isFull || this.#closing) return;
    this.#isFull = false;
    this.#parts.onDrained();
    void this.#handle();
  }

  /** Takes from the reader what may be taken now. */
  #read(): void {
    const { socket } = this.#parts;
    for (;;) {
      if (this.#closing) return;
      if (this.#pause !== undefined || this.#queue.length >= MAX_QUEUE) {
        socket.pause();
        return;
      }
      const wait = this.#bucket.wait('');
      if (wait > 0) {
        this.#pause = setTimeout(() => {
          this.#pause = undefined;
          this.#read();
        }, wait);
        continue;
      }
      const parsed = this.#reader.next() ?? this.#leaving();
      if (!parsed) break;
      this.#bucket.take('');
      this.#parts.metrics.lines.inc({ direction: 'in' });
      if (!this.#urgent(parsed)) this.#queue.push(parsed);
      void this.#handle();
    }
    socket.resume();
  }

  #leaving(): Parsed | undefined {
    if (!this.#ended) return undefined;
    this.#ended = false;
    return LEAVING;
  }

  /** What is answered out of turn: a client that waits for it takes the connection for dead. */
  #urgent(parsed: Parsed): boolean {
    if (parsed.kind !== 'line') return false;
    const { command, params, tags } = parsed.line;
    if (command === 'PONG') return true;
    if (command !== 'PING' || tags?.has('label')) return false;
    this.write([pongOf(params)]);
    return true;
  }

  async #handle(): Promise<void> {
    if (this.#isHandling) return;
    this.#isHandling = true;
    while (!this.#isFull && !this.#closing) {
      const parsed = this.#queue.shift();
      if (!parsed) break;
      await this.#parts.onLine(parsed);
      if (this.#queue.length === MAX_QUEUE - 1 || this.#queue.length === 0) this.#read();
    }
    this.#isHandling = false;
  }
}

export const pongOf = ([token = SERVER]: readonly string[]): Line => ({
  prefix: SERVER,
  command: 'PONG',
  params: [SERVER, token],
});
