/** What a push carries, and how it is cut. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cutAt, fittedPayload, jsonBytes, type MessagePayload, payloadOf } from '../services/notifier/payload.ts';
import { messagePush, readPush } from './support/providers/pushing.ts';

const anyText = fc.string({
  unit: fc.oneof(fc.constantFrom('a', '"', '\n', 'é', '漢', '😀', '👩‍👩‍👧‍👦', 'e\u0301', '\u0001')),
  maxLength: 400,
});

describe('what a push carries', () => {
  test('is the published object', () => {
    expect(JSON.stringify(payloadOf(messagePush()))).toBe(
      '{"v":1,"kind":"message","conversationId":"c1","seq":7,"messageId":"c1:7","senderId":"alice","senderName":"Alice",' +
        '"title":"Lunch","text":"Noon?","unread":2,"badge":5}',
    );
    expect(JSON.stringify(payloadOf(readPush()))).toBe(
      '{"v":1,"kind":"read","conversationId":"c1","readSeq":7,"badge":3}',
    );
  });

  test('leaves out what there is none of', () => {
    const { senderName: _, title: __, ...bare } = messagePush();
    expect(payloadOf(bare)).not.toHaveProperty('title');
    expect(payloadOf(bare)).not.toHaveProperty('senderName');
  });

  test('has no word of a person in privacy mode, however long it was', () => {
    const payload = fittedPayload(messagePush({ privacy: true, text: 'x'.repeat(9_000) }), 300, jsonBytes);
    expect(payload).toEqual({
      ...{ v: 1, kind: 'message', conversationId: 'c1', seq: 7, messageId: 'c1:7', senderId: 'alice' },
      ...{ unread: 2, badge: 5 },
    });
  });

  test('fits, is a beginning of the text, and says that it is cut', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 250, max: 900 }), (text, limit) => {
        const message = messagePush({ text });
        const payload = fittedPayload(message, limit, jsonBytes) as MessagePayload;
        expect(jsonBytes(payload)).toBeLessThanOrEqual(limit);
        expect(text.startsWith(payload.text ?? '?')).toBe(true);
        const whole = jsonBytes(payloadOf(message)) <= limit;
        expect(payload.cut).toBe(whole ? undefined : true);
        expect(whole ? payload.text : text).toBe(text);
        // No half of a pair was left.
        expect(payload.text).not.toMatch(/\p{Cs}/u);
      }),
    );
  });

  test('uses what room there is', () => {
    const payload = fittedPayload(messagePush({ text: 'x'.repeat(9_000) }), 1_000, jsonBytes);
    expect(jsonBytes(payload)).toBe(1_000);
  });

  test('gives up long names before it gives up', () => {
    const message = messagePush({ title: 'T'.repeat(5_000), senderName: 'N'.repeat(5_000), text: 'hello' });
    const payload = fittedPayload(message, 1_000, jsonBytes) as MessagePayload;
    expect(payload.title).toHaveLength(64);
    expect(payload.senderName).toHaveLength(64);
    expect(payload.text).toBe('hello');
    expect(fittedPayload(message, 100, jsonBytes)).toBeUndefined();
  });
});

describe('a text is cut', () => {
  test.each([
    ['abc', 2, 'ab'],
    ['abc', 9, 'abc'],
    ['a😀b', 2, 'a'],
    ['a👩‍👩‍👧‍👦b', 6, 'a'],
    ['a👩‍👩‍👧‍👦b', 12, 'a👩‍👩‍👧‍👦'],
    ['ae\u0301', 2, 'a'],
    ['\r\n', 1, ''],
    ['🇩🇪'.repeat(40), 150, '🇩🇪'.repeat(37)],
    ['', 0, ''],
  ])('%j at %i: %j', (text, units, expected) => {
    expect(cutAt(text, units)).toBe(expected);
  });

  test('inside a character that never ends', () => {
    const endless = `e${'\u0301'.repeat(1_000)}`;
    expect(cutAt(endless, 500)).toBe(endless.slice(0, 500));
  });

  test('far from its beginning as near it', () => {
    const text = '👩‍👩‍👧‍👦'.repeat(500);
    for (let units = 3_000; units < 3_030; units++) expect(cutAt(text, units).length % 11).toBe(0);
  });
});
