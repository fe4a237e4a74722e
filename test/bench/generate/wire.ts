/**
 * A WebSocket client for load: RFC 6455 on a bare socket. It frames with an all-zero mask, so that a payload is written as
 * it is, and can skip payloads unread, so that a receiver costs little more than its bytes.
 */
import { connect, type Socket } from 'node:net';

export const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG_FRAME = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

/** One masked text frame; `text` must be latin1 (what we send is ASCII). */
export function frameOf(text: string): Buffer {
  const { length } = text;
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.alloc(head + 4 + length);
  frame[0] = 0x81;
  if (head === 2) frame[1] = 0x80 | length;
  else if (head === 4) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeUInt32BE(length, 6);
  }
  frame.write(text, head + 4, 'latin1');
  return frame;
}

/** What is read by any socket, until its callback returns: a stream of buffers would cost more than the bytes. */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024);

/** Called when a frame has come whole. `payload` is absent while payloads are skipped, and good until the call returns. */
export type OnFrame = (opcode: number, length: number, payload: Buffer | undefined) => void;

class FrameReader {
  skipping = false;
  #rest: Buffer | undefined;
  #toSkip = 0;
  #skipped: { opcode: number; length: number } | undefined;
  readonly #onFrame: OnFrame;
  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    const data = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = this.#skip(data, 0);
    while (data.length - at >= 2) {
      const short = (data[at + 1] as number) & 0x7f;
      const head = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (data.length - at < head) break;
      const length = short < 126 ? short : short === 126 ? data.readUInt16BE(at + 2) : data.readUInt32BE(at + 6);
      const opcode = (data[at] as number) & 0x0f;
      if (this.skipping) {
        this.#toSkip = length;
        this.#skipped = { opcode, length };
        at = this.#skip(data, at + head);
      } else {
        if (data.length - at < head + length) break;
        this.#onFrame(opcode, length, data.subarray(at + head, at + head + length));
        at += head + length;
      }
    }
    // Copied: the bytes that came are in a buffer that all sockets share.
    this.#rest = at < data.length ? Buffer.from(data.subarray(at)) : undefined;
  }

  #skip(data: Buffer, at: number): number {
    if (this.#skipped === undefined) return at;
    const now = Math.min(this.#toSkip, data.length - at);
    this.#toSkip -= now;
    if (this.#toSkip === 0) {
      const { opcode, length } = this.#skipped;
      this.#skipped = undefined;
      this.#onFrame(opcode, length, undefined);
    }
    return at + now;
  }
}

export interface WireOptions {
  readonly port: number;
  readonly path: string;
  readonly protocol?: string;
}

/** Opened by `openWire`; `onText` and `onClosed` are set by its user. */
export class Wire {
  onText: (length: number, payload: Buffer | undefined) => void = () => {};
  onClosed: (reason: string) => void = () => {};
  readonly #socket: Socket;
  readonly #reader: FrameReader;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#reader = new FrameReader((opcode, length, payload) => {
      if (opcode === TEXT) this.onText(length, payload);
      else if (opcode === PING) socket.write(PONG_FRAME);
      else if (opcode === CLOSE)
        this.onClosed(
          payload === undefined || payload.length < 2
            ? 'closed'
            : `closed ${payload.readUInt16BE(0)} ${payload.toString('latin1', 2)}`,
        );
    });
    socket.on('close', () => this.onClosed('the connection went'));
  }

  receive(bytes: Buffer): void {
    this.#reader.push(bytes);
  }
  /** From now on payloads are counted and not kept. */
  skipPayloads(): void {
    this.#reader.skipping = true;
  }
  send(frame: Buffer): void {
    this.#socket.write(frame);
  }
  close(): void {
    this.onClosed = () => {};
    this.#socket.destroy();
  }
}

/** Settles when the server has switched protocols. */
export function openWire({ port, path, protocol }: WireOptions): Promise<Wire> {
  return new Promise((resolve, reject) => {
    let [heard, wire]: [string, Wire | undefined] = ['', undefined];
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: READ_BUFFER,
        callback: (length) => {
          if (wire === undefined) onHead(READ_BUFFER.toString('latin1', 0, length));
          else wire.receive(READ_BUFFER.subarray(0, length));
          return true;
        },
      },
    });
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    const onHead = (text: string) => {
      heard += text;
      const end = heard.indexOf('\r\n\r\n');
      if (end < 0) return;
      if (!heard.startsWith('HTTP/1.1 101')) return fail(new Error(`no WebSocket: ${heard.slice(0, 200)}`));
      socket.off('error', fail);
      socket.on('error', () => {});
      const opened = new Wire(socket);
      wire = opened;
      resolve(opened);
      const rest = Buffer.from(heard.slice(end + 4), 'latin1');
      if (rest.length > 0) queueMicrotask(() => opened.receive(rest));
    };
    socket.once('error', fail);
    socket.once('connect', () => {
      const asked = protocol === undefined ? '' : `Sec-WebSocket-Protocol: ${protocol}\r\n`;
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${asked}\r\n`,
      );
    });
  });
}
