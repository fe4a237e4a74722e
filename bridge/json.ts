/**
 * A request's body as JSON, stricter than JSON.parse: what two readers could understand in two ways is no request. A key that
 * stands twice in an object, a nesting that no request has, and NUL, which some languages take for the end of a text.
 */
import { isUtf8 } from 'node:buffer';
import { MAX_REQUEST_BYTES } from '../schema/commands.ts';
import { BadInput } from '../services/lane/parse.ts';

const MAX_DEPTH = 32;

/** BAD_USER_INPUT with the number 413: nothing of it was read. */
export class BodyTooLarge extends Error {}

const BODY = 'the request';
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPENS = new Set([0x5b, 0x7b]);
const CLOSES = new Set([0x5d, 0x7d]);
const BRACE = 0x7b;

/** Throws BadInput, BodyTooLarge. An empty body says nothing, as `{}` does. */
export function parseBody(body: Uint8Array): unknown {
  if (body.byteLength > MAX_REQUEST_BYTES)
    throw new BodyTooLarge(`${BODY}: at most ${MAX_REQUEST_BYTES.toLocaleString('en-US')} bytes`);
  if (body.byteLength === 0) return {};
  if (!isUtf8(body)) throw new BadInput(BODY, 'UTF-8');
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new BadInput(BODY, 'JSON');
  }
  checkText(text);
  return value;
}

/** `text` is JSON already, so that strings, brackets and colons are all there is to look at. */
function checkText(text: string): void {
  /** Of each open bracket: the keys so far; of an array there are none. */
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      const end = endOfString(text, at);
      const raw = text.slice(at, end + 1);
      if (raw.includes('\\u0000')) checkNul(raw);
      if (isKey(text, end)) note(open.at(-1), raw);
      at = end;
    } else if (OPENS.has(char)) {
      if (open.length >= MAX_DEPTH) throw new BadInput(BODY, `at most ${MAX_DEPTH} levels of brackets`);
      open.push(char === BRACE ? new Set() : undefined);
    } else if (CLOSES.has(char)) open.pop();
  }
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; ; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) return at;
    if (char === BACKSLASH) at++;
  }
}

function isKey(text: string, end: number): boolean {
  let at = end + 1;
  while (text.charCodeAt(at) <= 0x20) at++;
  return text.charCodeAt(at) === COLON;
}

function note(keys: Set<string> | undefined, raw: string): void {
  const key = JSON.parse(raw) as string;
  // Set as a property it would be no field at all.
  if (key === '__proto__') throw new BadInput(key, 'no such field');
  if (keys?.has(key)) throw new BadInput(key.slice(0, 64), 'given once');
  keys?.add(key);
}

function checkNul(raw: string): void {
  if ((JSON.parse(raw) as string).includes('\u0000')) throw new BadInput(BODY, 'no NUL in any text');
}
