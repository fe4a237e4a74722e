/** One WebSocket: what goes out on it, how it is closed, and whether anybody is at its other end. */
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { Identity } from './auth.ts';
import { MAX_BUFFERED_BYTES, MAX_OPERATION_ID } from './limits.ts';
import { bytesPassed } from './ws-sink.ts';

/** Source: CONTRACT, "Socket life". */
const PING_EVERY_MS = 25_000;
const DEAD_AFTER_MS = 60_000;
/** For the other side's part of the closing handshake. */
const CLOSE_WITHIN_MS = 5_000;

/** Why the server closes a socket. The codes say what a client does next: see PROTOCOL, section 10. */
export const CLOSES = {
  tokenExpired: { code: 4403, reason: 'token-expired' },
  tokenRevoked: { code: 4403, reason: 'token-revoked' },
  tokenInvalid: { code: 4403, reason: 'token-invalid' },
  origin: { code: 4403, reason: 'origin' },
  draining: { code: 1012, reason: 'draining' },
  overloaded: { code: 1013, reason: 'overloaded' },
  malformed: { code: 4400, reason: 'malformed message' },
  longId: { code: 4400, reason: `an operation's id has at most ${MAX_OPERATION_ID} characters` },
  fault: { code: 4500, reason: 'fault' },
} as const;
export type Close = (typeof CLOSES)[keyof typeof CLOSES];

export class Connection {
  readonly socket: WebSocket;
  readonly address: string;
  readonly #line: Duplex;
  readonly #onClosing: (code: number, reason: string) => void;
  #identity: Identity | undefined;
  #corked = false;
  #heardAt = performance.now();
  #pingAt = performance.now() + PING_EVERY_MS;
  #passed = 0;
  #closingSince: number | undefined;
  /** Queries and mutations being answered. */
  executing = 0;

  /** `onClosing` is called once, as soon as nothing more may go out, which can be long before the socket is closed. */
  constructor(socket: WebSocket, line: Duplex, address: string, onClosing: (code: number, reason: string) => void) {
    this.socket = socket;
    this.address = address;
    this.#line = line;
    this.#onClosing = onClosing;
    socket.on('pong', () => this.heard());
    socket.once('close', (code, reason) => this.#closed(code, reason.toString()));
    // What is wrong with a socket ends in its close; without a listener it would end the process.
    socket.on('error', () => {});
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  get closing(): boolean {
    return this.#closingSince !== undefined;
  }

  identified(identity: Identity): void {
    this.#identity = identity;
  }

  heard(): void {
    this.#heardAt = performance.now();
  }

  /** Messages sent in one turn of the loop leave in one write. Drops what comes after the closing began. */
  send(message: string): void {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    if (this.socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      this.close(CLOSES.overloaded);
      return;
    }
    if (!this.#corked) {
      this.#corked = true;
      this.#line.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#line.uncork();
      });
    }
    this.socket.send(message);
  }

  close({ code, reason }: { readonly code: number; readonly reason: string }): void {
    if (this.#closingSince !== undefined) return;
    this.socket.close(code, reason);
    this.#closed(code, reason);
  }

  terminate(): void {
    this.socket.terminate();
  }

  /** Called about twice a second. */
  sweep(tick: number): void {
    if (this.#closingSince !== undefined) {
      if (tick - this.#closingSince > CLOSE_WITHIN_MS) this.socket.terminate();
      return;
    }
    if (tick >= this.#pingAt) {
      this.#pingAt = tick + PING_EVERY_MS;
      this.socket.ping();
    }
    this.#sweepDead(tick);
  }

  /** A slow reader's pong is behind all that it has not read yet: that it takes bytes is a sign of life too. */
  #sweepDead(tick: number): void {
    if (tick - this.#heardAt <= DEAD_AFTER_MS) return;
    const passed = bytesPassed(this.socket);
    const isWaiting = this.socket.bufferedAmount > 0;
    if (isWaiting && passed > this.#passed) this.#heardAt = tick;
    else if (isWaiting) this.close(CLOSES.overloaded);
    else this.socket.terminate();
    this.#passed = passed;
  }

  #closed(code: number, reason: string): void {
    if (this.#closingSince !== undefined) return;
    this.#closingSince = performance.now();
    this.#onClosing(code, reason);
  }
}
