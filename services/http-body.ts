/** A request's body, bounded, as it is or as JSON, and told from everything that is none. */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { MAX_REQUEST_BYTES } from '../schema/commands.ts';

type Unread =
  | { readonly kind: 'too-large' }
  /** The client went away. */
  | { readonly kind: 'gone' };
export type Bytes = { readonly kind: 'bytes'; readonly bytes: Buffer } | Unread;
export type Body =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'bad'; readonly rule: string }
  | Unread;

/** How long a body that is over the limit is still read and thrown away, so that its sender gets to see the answer. */
const LINGER_MS = 2_000;
const TOO_LARGE = { kind: 'too-large' } as const;

/** `application/json` in UTF-8, as no HTML form sends it. */
export const isJson = ({ headers }: IncomingMessage): boolean => {
  const [type, ...parameters] = (headers['content-type'] ?? '').toLowerCase().split(';');
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('charset='));
  const isUtf8Text = charset === undefined || /^charset="?utf-?8"?$/.test(charset);
  return type?.trim() === 'application/json' && isUtf8Text && headers['content-encoding'] === undefined;
};

/** A body as JSON. Never rejects. */
export async function readBody(request: IncomingMessage): Promise<Body> {
  const bytes = await readBytes(request);
  return bytes.kind === 'bytes' ? jsonOf(bytes.bytes) : bytes;
}

/** Never rejects. Listeners instead of the request's iterator: this is on the way of every send. */
export function readBytes(request: IncomingMessage): Promise<Bytes> {
  return new Promise((resolve) => {
    // It says so once only.
    if (request.destroyed) return resolve({ kind: 'gone' });
    if (Number(request.headers['content-length'] ?? 0) > MAX_REQUEST_BYTES) {
      discard(request);
      return resolve(TOO_LARGE);
    }
    const chunks: Buffer[] = [];
    let length = 0;
    const onData = (chunk: Buffer) => {
      length += chunk.byteLength;
      chunks.push(chunk);
      if (length <= MAX_REQUEST_BYTES) return;
      request.off('data', onData);
      chunks.length = 0;
      discard(request);
      resolve(TOO_LARGE);
    };
    request.on('data', onData);
    request.once('end', () => {
      const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
      // The request may live on, as long as an event stream.
      chunks.length = 0;
      resolve({ kind: 'bytes', bytes });
    });
    request.once('error', () => resolve({ kind: 'gone' }));
    request.once('close', () => resolve({ kind: 'gone' }));
  });
}

function discard(request: IncomingMessage): void {
  request.on('error', () => {});
  request.resume();
  const lingering = setTimeout(() => request.destroy(), LINGER_MS).unref();
  request.once('close', () => clearTimeout(lingering));
}

function jsonOf(bytes: Buffer): Body {
  if (!isUtf8(bytes)) return { kind: 'bad', rule: 'UTF-8' };
  try {
    return { kind: 'json', value: JSON.parse(bytes.toString('utf8')) };
  } catch {
    return { kind: 'bad', rule: 'JSON' };
  }
}
