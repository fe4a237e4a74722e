/** The wire form of IRC, and what Lanes says in it and hears by it: for any line, any text and any bytes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAsk } from '../bridge/irc/chathistory.ts';
import { formatLine, type Line, LineReader, type Parsed, parseLine } from '../bridge/irc/line.ts';
import { probesOf } from '../bridge/irc/past.ts';
import { laneOf, MAX_MESSAGE_LINES, messageLines, piecesOf, saidOf } from '../bridge/irc/translate.ts';
import type { LaneId, UserId } from '../schema/ids.ts';

const parsed = (text: string): Parsed | undefined => parseLine(Buffer.from(text.replace(/\r\n$/, '')));
const lineOf = (text: string): Line => {
  const read = parsed(text);
  if (read?.kind !== 'line') throw new Error(`no line: ${text}`);
  return read.line;
};
const all = (reader: LineReader): Parsed[] => {
  const read: Parsed[] = [];
  for (let next = reader.next(); next; next = reader.next()) read.push(next);
  return read;
};

const text = (maxLength: number) =>
  fc.string({ unit: 'grapheme', maxLength }).filter((made) => !/[\0\r\n]/.test(made) && !/\p{Surrogate}/u.test(made));
const middle = fc.stringMatching(/^[A-Za-z0-9#=*_.-][A-Za-z0-9:#=*_.-]{0,15}$/);
const aLine: fc.Arbitrary<Line> = fc.record(
  {
    tags: fc
      .dictionary(fc.stringMatching(/^[a-z]{1,8}$/), text(20), { minKeys: 1 })
      .map((tags) => new Map(Object.entries(tags))),
    prefix: fc.stringMatching(/^[A-Za-z0-9_!@.-]{1,20}$/),
    command: fc.oneof(fc.stringMatching(/^[A-Z]{1,12}$/), fc.stringMatching(/^[0-9]{3}$/)),
    params: fc.tuple(fc.array(middle, { maxLength: 5 }), text(40)).map(([some, last]) => [...some, last]),
  },
  { requiredKeys: ['command', 'params'] },
);

describe('a line', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(aLine, (line) => {
        expect(lineOf(formatLine(line))).toEqual(line);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is one line of 512 bytes at most, whatever is in it', () => {
    const anything = fc.string({ unit: 'binary', maxLength: 900 });
    const property = fc.property(middle, anything, (channel, said) => {
      const line = formatLine({ prefix: 'a!a@b', command: 'PRIVMSG', params: [channel, said] });
      expect(Buffer.byteLength(line)).toBeLessThanOrEqual(512);
      expect(line.match(/[\r\n\0]/g)).toEqual(['\r', '\n']);
      expect(line).not.toContain('\ufffd'.repeat(2 * said.length + 1));
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  it.each([
    ['PRIVMSG #c :hi  there ', { command: 'PRIVMSG', params: ['#c', 'hi  there '] }],
    ['  privmsg   #c   hi   ', undefined],
    ['privmsg   #c   hi   ', { command: 'PRIVMSG', params: ['#c', 'hi'] }],
    [
      '@a=b\\:c\\s;d :x!y@z JOIN #c',
      {
        tags: new Map([
          ['a', 'b;c '],
          ['d', ''],
        ]),
        prefix: 'x!y@z',
        command: 'JOIN',
        params: ['#c'],
      },
    ],
    ['PING :', { command: 'PING', params: [''] }],
    ['CAP LS 302', { command: 'CAP', params: ['LS', '302'] }],
    ['12 x', undefined],
    ['@a', undefined],
    [':x', undefined],
  ])('%j', (given, expected) => {
    expect(parsed(given)).toEqual(expected ? { kind: 'line', line: expected } : { kind: 'bad', why: 'MALFORMED' });
  });

  it('may have 512 bytes, and 8191 of tags before them', () => {
    const body = `PING :${'x'.repeat(504)}`;
    expect(parsed(body)?.kind).toBe('line');
    expect(parsed(`${body}x`)).toEqual({ kind: 'bad', why: 'TOO_LONG' });
    const tags = `@${'t'.repeat(8_189)} `;
    expect(parsed(`${tags}${body}`)?.kind).toBe('line');
    expect(parsed(`@t${tags.slice(1)}${body}`)).toEqual({ kind: 'bad', why: 'TOO_LONG' });
  });

  it('is the same however the bytes come', () => {
    const bytes = Buffer.from(
      `PING a\r\n\r\nPRIVMSG #c :ä€😀\n${'x'.repeat(9_000)}\r\nPING b\r\nbad\0line\r\n\xff`,
      'utf8',
    );
    const whole = new LineReader();
    whole.feed(bytes);
    const expected = all(whole);
    expect(expected.map((read) => (read.kind === 'line' ? read.line.command : read.why))).toEqual([
      'PING',
      'PRIVMSG',
      'TOO_LONG',
      'PING',
      'MALFORMED',
    ]);
    const property = fc.property(fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }), (sizes) => {
      const reader = new LineReader();
      const read: Parsed[] = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = sizes[i % sizes.length] ?? 1;
        reader.feed(bytes.subarray(at, at + size));
        read.push(...all(reader));
        at += size;
      }
      expect(read).toEqual(expected);
    });
    fc.assert(property);
  });

  it('never throws, whatever the bytes', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 700 }), (bytes) => {
      const reader = new LineReader();
      reader.feed(Buffer.from(bytes));
      reader.feed(Buffer.from('\n'));
      for (const read of all(reader)) if (read.kind === 'line') parseAsk(read.line.params);
    });
    fc.assert(property, { numRuns: 5_000 });
  });
});

const lane = 'c1' as LaneId;
const message = (said: string) => ({ seq: 7, sender: 'alice' as UserId, at: '2025-06-01T12:00:01.250Z', text: said });
const saidBy = (said: string): string[] => messageLines(lane, message(said)).map(({ params }) => params[1] ?? '');

describe('a message', () => {
  it('of one line comes back as it was said, in pieces that fit', () => {
    const property = fc.property(
      text(1_500).filter((made) => saidOf(made).kind === 'text' && !made.includes('\x01')),
      (made) => {
        const said = saidOf(made);
        if (said.kind !== 'text' || said.text.startsWith('/me ')) return;
        const lines = messageLines(lane, message(said.text));
        expect(saidBy(said.text).join('')).toBe(said.text);
        for (const line of lines) {
          const { tags: _, ...bare } = line;
          expect(lineOf(formatLine(bare)).params).toEqual(line.params);
        }
      },
    );
    fc.assert(property, { numRuns: 1_000 });
  });

  it('of an action is one in both directions', () => {
    expect(saidOf('\x01ACTION waves\x01')).toEqual({ kind: 'text', text: '/me waves' });
    expect(saidBy('/me waves')).toEqual(['\x01ACTION waves\x01']);
    expect(saidBy('/me')).toEqual(['/me']);
  });

  it('has a line for each of its lines, and its id on the first', () => {
    expect(saidBy('a\r\nb\n\nc\rd')).toEqual(['a', 'b', ' ', 'c', 'd']);
    const ids = messageLines(lane, message('a\nb')).map(({ tags }) => [tags?.get('msgid'), tags?.get('time')]);
    expect(ids).toEqual([
      ['c1:7', '2025-06-01T12:00:01.250Z'],
      [undefined, '2025-06-01T12:00:01.250Z'],
    ]);
  });

  it('cannot command a client, nor fill its window', () => {
    expect(saidBy('\x01VERSION\x01')).toEqual(['␁VERSION␁']);
    expect(saidBy('a\0b')).toEqual(['a␀b']);
    const lines = saidBy('\n'.repeat(16_000));
    expect(lines).toHaveLength(MAX_MESSAGE_LINES);
    expect(lines.at(-1)).toContain('15938 more lines');
  });

  it('shows its time in its text where a tag cannot', () => {
    const [line] = messageLines(lane, message('/me waves'), { stamped: true });
    expect(line?.params[1]).toBe('[2025-06-01 12:00:01] * waves');
  });

  it('loses colours, and nothing else, on its way in', () => {
    expect(saidOf('\x02bold\x02 \x0304,12red\x03 \x1ditalic\x0f')).toEqual({ kind: 'text', text: 'bold red italic' });
    expect(saidOf('\x02\x02')).toEqual({ kind: 'nothing' });
    expect(saidOf('\x01ACTION  \x01')).toEqual({ kind: 'nothing' });
    expect(saidOf('\x01VERSION\x01')).toEqual({ kind: 'ctcp' });
  });

  it('is cut behind words', () => {
    expect(piecesOf('one two three', 9)).toEqual(['one two ', 'three']);
    expect(piecesOf('ää€', 4)).toEqual(['ää', '€']);
  });
});

describe('names', () => {
  it('are those of conversations', () => {
    expect(laneOf('#c1')).toBe('c1');
    for (const name of ['c1', '#', '#a.b', '#a b', '#*', '##c', `#${'x'.repeat(65)}`, '&c1'])
      expect(laneOf(name)).toBeUndefined();
  });
});

describe('CHATHISTORY', () => {
  it.each([
    [['LATEST', '#c1', '*', '50'], { verb: 'LATEST', refs: [], limit: 50 }],
    [['latest', '#c1', 'msgid=c1:7', '5000'], { refs: [{ kind: 'seq', seq: 7 }], limit: 100 }],
    [['AFTER', '#c1', 'timestamp=2025-06-01T12:00:01.250Z', '1'], { refs: [{ kind: 'time', at: 1748779201250 }] }],
    [['BETWEEN', '#c1', 'msgid=c1:7', 'msgid=c1:9', '1'], { verb: 'BETWEEN' }],
  ])('%j is understood', (params, expected) => {
    expect(parseAsk(params)).toMatchObject({ kind: 'messages', lane: 'c1', ...expected });
  });

  it.each([
    [[], 'UNKNOWN_COMMAND'],
    [['SINCE', '#c1', '*', '1'], 'UNKNOWN_COMMAND'],
    [['LATEST', '#c1', '*'], 'INVALID_PARAMS'],
    [['LATEST', '#c1', '*', '0'], 'INVALID_PARAMS'],
    [['LATEST', '#c1', '*', '1e3'], 'INVALID_PARAMS'],
    [['LATEST', 'bob', '*', '1'], 'INVALID_TARGET'],
    [['AFTER', '#c1', '*', '1'], 'INVALID_PARAMS'],
    [['AFTER', '#c1', 'msgid=c2:7', '1'], 'INVALID_PARAMS'],
    [['AFTER', '#c1', 'msgid=c1:0', '1'], 'INVALID_PARAMS'],
    [['AFTER', '#c1', 'timestamp=yesterday', '1'], 'INVALID_PARAMS'],
    [['BETWEEN', '#c1', 'msgid=c1:7', '1'], 'INVALID_PARAMS'],
    [['TARGETS', 'timestamp=2025-06-01T12:00:01Z', '1'], 'INVALID_PARAMS'],
  ])('%j is refused with %s', (params, code) => {
    const ask = parseAsk(params);
    expect(ask.kind === 'bad' && ask.line.params.slice(0, 2)).toEqual(['CHATHISTORY', code]);
  });

  it('searches times by places that narrow the range, whatever it is', () => {
    const property = fc.property(fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: 1, max: 1e6 }), (low, size) => {
      const probes = probesOf(low, low + size);
      expect(probes.length).toBeGreaterThan(0);
      expect(new Set(probes).size).toBe(probes.length);
      for (const probe of probes) expect(probe > low && probe <= low + size).toBe(true);
    });
    fc.assert(property);
  });
});
