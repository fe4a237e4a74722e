/**
 * A reader's place in its inbox as clients hold it: how far each partition's stream had been given when it was made. Every
 * record up to there was given, or did not concern the reader; so it has the same size however many conversations there are:
 * about ten characters for each partition.
 */
import { type Millis, type Revision, revisionOf } from '../../schema/ids.ts';

export interface InboxPlace {
  /** When it was made. */
  readonly at: Millis;
  /** By partition; 0: nothing yet. */
  readonly revisions: readonly Revision[];
  /** Of the records there: by them a stream that was restored is noticed. */
  readonly prints: readonly number[];
}

/** Raised whenever the form changes. */
const VERSION = 1;
const PRINT_BYTES = 3;
const SUM_BYTES = 2;
/** A longer text is no cursor. */
export const CURSOR_MAX = 4_096;
const FORM = /^[A-Za-z0-9_-]+$/;

/** 24 bits of FNV-1a over a record's id. */
export function printOf(recordId: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < recordId.length; i++) hash = Math.imul(hash ^ recordId.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 24)) & 0xff_ff_ff;
}

export function cursorOf({ at, revisions, prints }: InboxPlace): string {
  const bytes = [VERSION];
  writeNumber(bytes, at);
  writeNumber(bytes, revisions.length);
  for (const [partition, revision] of revisions.entries()) {
    writeNumber(bytes, revision);
    if (revision > 0) writeBytes(bytes, prints[partition] ?? 0, PRINT_BYTES);
  }
  writeBytes(bytes, sumOf(bytes, bytes.length), SUM_BYTES);
  return Buffer.from(bytes).toString('base64url');
}

/** Undefined: it is not a cursor of an installation of so many partitions. */
export function placeOfCursor(cursor: string, partitions: number): InboxPlace | undefined {
  if (cursor.length > CURSOR_MAX || !FORM.test(cursor)) return undefined;
  const bytes = Buffer.from(cursor, 'base64url');
  if (bytes.toString('base64url') !== cursor) return undefined;
  const end = bytes.length - SUM_BYTES;
  if (end < 1 || bytes[0] !== VERSION || bytes.readUIntBE(end, SUM_BYTES) !== sumOf(bytes, end)) return undefined;
  const reader = new Reader(bytes, 1, end);
  const at = reader.number();
  if (reader.number() !== partitions) return undefined;
  const revisions: Revision[] = [];
  const prints: number[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const revision = reader.number();
    revisions.push(revisionOf(revision));
    prints.push(revision > 0 ? reader.bytes(PRINT_BYTES) : 0);
  }
  return reader.isWhole ? { at, revisions, prints } : undefined;
}

/** Of two places of one reader the later one. */
export const laterOf = (a: InboxPlace, b: InboxPlace): InboxPlace => (totalOf(a) >= totalOf(b) ? a : b);
const totalOf = ({ revisions }: InboxPlace): number => revisions.reduce((sum, revision) => sum + revision, 0);

/** Seven bits a byte, the lowest first; the eighth says that there are more. */
function writeNumber(bytes: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
}

function writeBytes(bytes: number[], value: number, count: number): void {
  for (let i = count - 1; i >= 0; i--) bytes.push((value >>> (8 * i)) & 0xff);
}

class Reader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;
  #isBroken = false;

  constructor(bytes: Buffer, from: number, end: number) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = end;
  }

  /** All of it was read, and nothing was wrong. */
  get isWhole(): boolean {
    return !this.#isBroken && this.#at === this.#end;
  }

  number(): number {
    let value = 0;
    for (let unit = 1; unit <= Number.MAX_SAFE_INTEGER; unit *= 0x80) {
      const byte = this.#byte();
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) break;
    }
    if (!Number.isSafeInteger(value)) this.#isBroken = true;
    return value;
  }

  bytes(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) value = value * 0x100 + this.#byte();
    return value;
  }

  #byte(): number {
    if (this.#at < this.#end) return this.#bytes[this.#at++] as number;
    this.#isBroken = true;
    return 0;
  }
}

/** 16 bits: what was cut or mistyped is no cursor. */
function sumOf(bytes: ArrayLike<number>, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return (hash ^ (hash >>> 16)) & 0xff_ff;
}
