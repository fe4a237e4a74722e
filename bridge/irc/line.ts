/**
 * Lines of IRC as they are on the wire (RFC 2812 section 2.3, IRCv3 message tags): read and written, and nothing of what
 * they mean. Pure.
 */
export interface Line {
  readonly tags?: ReadonlyMap<string, string>;
  /** Who says it; none in what clients send. */
  readonly prefix?: string;
  /** In capitals, or three digits. */
  readonly command: string;
  readonly params: readonly string[];
}
export type Parsed =
  | { readonly kind: 'line'; readonly line: Line }
  | { readonly kind: 'bad'; readonly why: 'TOO_LONG' | 'INVALID_UTF8' | 'MALFORMED' };

/** Of everything behind the tags, CR and LF counted. Source: RFC 2812 section 2.3. */
export const MAX_BODY_BYTES = 512;
/** From `@` up to the space behind the tags. Source: IRCv3 message-tags. */
export const MAX_TAGS_BYTES = 8_191;
/** Source: RFC 2812 section 2.3. */
const MAX_PARAMS = 15;

const LF = 10;
const CR = 13;
const AT = 64;
const SPACE = 32;
const TOO_LONG: Parsed = { kind: 'bad', why: 'TOO_LONG' };
const MALFORMED: Parsed = { kind: 'bad', why: 'MALFORMED' };

/** Bytes in, lines out. Holds what was fed and not yet taken, of a line that is too long nothing. */
export class LineReader {
  #held: Buffer = Buffer.alloc(0);
  /** What is held has no line end before it. */
  #searched = 0;
  #skipping = false;

  feed(bytes: Buffer): void {
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
  }

  /** The next whole line that is not empty; undefined: there is none yet. */
  next(): Parsed | undefined {
    for (;;) {
      const end = this.#held.indexOf(LF, this.#searched);
      if (end < 0) return this.#partial();
      const line = this.#held.subarray(0, end);
      this.#held = this.#held.subarray(end + 1);
      this.#searched = 0;
      if (this.#skipping) this.#skipping = false;
      else {
        const parsed = parseLine(line.at(-1) === CR ? line.subarray(0, -1) : line);
        if (parsed) return parsed;
      }
    }
  }

  #partial(): Parsed | undefined {
    if (this.#skipping || this.#held.length > MAX_TAGS_BYTES + MAX_BODY_BYTES) {
      const isNew = !this.#skipping;
      this.#skipping = true;
      this.#held = Buffer.alloc(0);
      this.#searched = 0;
      return isNew ? TOO_LONG : undefined;
    }
    // A few bytes must not hold the whole block that they were read with.
    if (this.#searched === 0) this.#held = Buffer.from(this.#held);
    this.#searched = this.#held.length;
    return undefined;
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** One line without its end. Undefined: it is empty. */
export function parseLine(bytes: Uint8Array): Parsed | undefined {
  const behindTags = bytes[0] === AT ? bytes.indexOf(SPACE) + 1 : 0;
  if (behindTags > MAX_TAGS_BYTES || bytes.length - behindTags > MAX_BODY_BYTES - 2) return TOO_LONG;
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch {
    return { kind: 'bad', why: 'INVALID_UTF8' };
  }
  if (/^ *$/.test(text)) return undefined;
  return /[\0\r\n]/.test(text) ? MALFORMED : read(text);
}

function read(text: string): Parsed {
  const [tags, untagged] = text.startsWith('@') ? firstWord(text) : ['', text];
  const [prefix, unsaid] = untagged.startsWith(':') ? firstWord(untagged) : ['', untagged];
  const [command, rest] = firstWord(unsaid);
  if (!/^(?:[A-Za-z]+|\d{3})$/.test(command)) return MALFORMED;
  const line: Line = {
    ...(tags === '' ? {} : { tags: tagsOf(tags.slice(1)) }),
    ...(prefix === '' ? {} : { prefix: prefix.slice(1) }),
    command: command.toUpperCase(),
    params: paramsOf(rest),
  };
  return { kind: 'line', line };
}

function firstWord(text: string): [word: string, rest: string] {
  const end = text.indexOf(' ');
  return end < 0 ? [text, ''] : [text.slice(0, end), text.slice(end).replace(/^ +/, '')];
}

function paramsOf(text: string): string[] {
  const params: string[] = [];
  let rest = text;
  while (rest !== '') {
    if (rest.startsWith(':')) return [...params, rest.slice(1)];
    if (params.length === MAX_PARAMS - 1) return [...params, rest];
    const [param, behind] = firstWord(rest);
    params.push(param);
    rest = behind;
  }
  return params;
}

const ESCAPES: Readonly<Record<string, string>> = { ';': '\\:', ' ': '\\s', '\\': '\\\\', '\r': '\\r', '\n': '\\n' };
const UNESCAPES: Readonly<Record<string, string>> = { ':': ';', s: ' ', r: '\r', n: '\n' };

/** The last of two tags of one name counts. */
function tagsOf(text: string): ReadonlyMap<string, string> {
  const tags = new Map<string, string>();
  for (const tag of text.split(';')) {
    const at = tag.indexOf('=');
    const name = at < 0 ? tag : tag.slice(0, at);
    const value = at < 0 ? '' : tag.slice(at + 1).replace(/\\(.?)/gs, (_, of: string) => UNESCAPES[of] ?? of);
    if (name !== '') tags.set(name, value);
  }
  return tags;
}

/**
 * A line with its end. What stands behind the tags fits into 512 bytes, a longer one is cut at a whole character; whatever is in
 * a parameter, it is one line.
 */
export function formatLine({ tags, prefix, command, params }: Line): string {
  const parts = params.map((param, i) => {
    const clean = param.replace(/[\0\r\n]/g, ' ');
    const isLast = i === params.length - 1;
    return isLast && (clean === '' || clean.startsWith(':') || clean.includes(' ')) ? `:${clean}` : clean;
  });
  const body = [...(prefix === undefined ? [] : [`:${prefix}`]), command, ...parts].join(' ');
  const tagged = [...(tags ?? [])].map(
    ([name, value]) => `${name}=${value.replace(/[; \\\r\n]/g, (of) => ESCAPES[of] ?? of)}`,
  );
  return `${tagged.length > 0 ? `@${tagged.join(';')} ` : ''}${cutTo(body, MAX_BODY_BYTES - 2)}\r\n`;
}

/** The longest beginning of whole characters that has at most so many bytes. */
export function cutTo(text: string, maxBytes: number): string {
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text;
  const bytes = Buffer.from(text);
  let end = maxBytes;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
