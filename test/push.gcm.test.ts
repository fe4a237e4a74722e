/** Gateways of the old protocol, by node-gcm, which tells a failure in four forms. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { GcmAddress } from '../services/views/push-address.ts';
import { gcmResult } from './support/providers/gcm.ts';
import { messagePush, type Pushing, readPush, startPushing } from './support/providers/pushing.ts';
import { json } from './support/providers/secure-server.ts';

const PHONE: GcmAddress = { provider: 'GCM', token: 'gcm-token-1' };
let pushing: Pushing;
beforeEach(async () => {
  pushing = await startPushing({ timeoutMs: 2_000 });
});
afterEach(() => pushing.stop());

describe('a push to a gateway of the old protocol', () => {
  test('is data only', async () => {
    expect(await pushing.push(PHONE)).toEqual({ kind: 'sent', id: 'm-1' });
    const [push] = pushing.gcm.pushes;
    expect(push).toMatchObject({ to: 'gcm-token-1', collapse_key: 'c1', priority: 'high' });
    expect(push?.time_to_live).toBeGreaterThan(3_500);
    expect(push?.lanes).toEqual({
      ...{ v: 1, kind: 'message', conversationId: 'c1', seq: 7, messageId: 'c1:7', senderId: 'alice' },
      ...{ senderName: 'Alice', title: 'Lunch', text: 'Noon?', unread: 2, badge: 5 },
    });
    expect(Object.keys(push ?? {})).not.toContain('notification');
  });

  test('of a mark', async () => {
    await pushing.push(PHONE, readPush());
    expect(pushing.gcm.pushes[0]).toMatchObject({
      collapse_key: 'lanes.read',
      lanes: { v: 1, kind: 'read', conversationId: 'c1', readSeq: 7, badge: 3 },
    });
  });

  test('is cut to fit', async () => {
    expect(await pushing.push(PHONE, messagePush({ text: 'ä'.repeat(8_000) }))).toMatchObject({ kind: 'sent' });
    expect(pushing.gcm.pushes[0]?.lanes).toMatchObject({ cut: true });
  });

  test('shares connections with the others', async () => {
    const results = await Promise.all(Array.from({ length: 200 }, () => pushing.push(PHONE)));
    expect(results.filter(({ kind }) => kind === 'sent')).toHaveLength(200);
    expect(pushing.gcm.connections).toBeLessThanOrEqual(32);
  });
});

describe('what it answers', () => {
  test.each([
    [gcmResult({ error: 'NotRegistered' }), { kind: 'dead-token', code: 'NotRegistered' }],
    [gcmResult({ error: 'InvalidRegistration' }), { kind: 'dead-token', code: 'InvalidRegistration' }],
    [gcmResult({ message_id: 'm', registration_id: 'new-token' }), { kind: 'replaced', token: 'new-token' }],
    [gcmResult({ error: 'Unavailable' }), { kind: 'retry', code: 'Unavailable' }],
    [gcmResult({ error: 'InternalServerError' }), { kind: 'retry', code: 'InternalServerError' }],
    [gcmResult({ error: 'DeviceMessageRateExceeded' }), { kind: 'retry', code: 'DeviceMessageRateExceeded' }],
    [gcmResult({ error: 'DeprecatedApi' }), { kind: 'credentials', code: 'DeprecatedApi' }],
    [gcmResult({ error: 'MismatchSenderId' }), { kind: 'refused', code: 'MismatchSenderId' }],
    [gcmResult({ error: 'InvalidTtl' }), { kind: 'refused', code: 'InvalidTtl' }],
    [json(200, {}), { kind: 'retry', code: 'EMPTY_ANSWER' }],
    [
      { status: 200, body: '' },
      { kind: 'retry', code: 'EMPTY_ANSWER' },
    ],
    [
      { status: 200, body: '<html>' },
      { kind: 'retry', code: 'EMPTY_ANSWER' },
    ],
    [json(200, { success: 1 }), { kind: 'retry', code: 'NO_RESULT' }],
    [
      { status: 400, body: 'JSON_PARSING_ERROR' },
      { kind: 'refused', code: '400' },
    ],
    [
      { status: 401, body: 'Unauthorized' },
      { kind: 'credentials', code: '401' },
    ],
    [{ status: 403 }, { kind: 'credentials', code: '403' }],
    [{ status: 404 }, { kind: 'credentials', code: '404' }],
    [
      { status: 301, headers: { location: 'https://127.0.0.1:1/' } },
      { kind: 'credentials', code: '301' },
    ],
    [{ status: 500 }, { kind: 'retry', code: '500' }],
    [
      { status: 503, body: 'busy' },
      { kind: 'retry', code: '503' },
    ],
    [{ status: 429 }, { kind: 'retry', code: '429' }],
  ] as const)('%o', async (answer, expected) => {
    pushing.gcm.next(answer);
    expect(await pushing.push(PHONE)).toMatchObject(expected);
  });

  test.each([
    { status: 503, headers: { 'retry-after': '8' } },
    gcmResult({ error: 'Unavailable' }, { 'retry-after': '8' }),
  ])('a wish to be left alone is heard through node-gcm: %o', async (answer) => {
    pushing.gcm.next(answer);
    const result = await pushing.push(PHONE);
    expect(result.kind === 'retry' && result.afterMs).toBeGreaterThanOrEqual(8_000);
  });

  test.each([gcmResult({ error: 'MessageTooBig' }), { status: 413 }])(
    'too large, cut, once more: %o',
    async (answer) => {
      pushing.gcm.next(answer);
      expect(await pushing.push(PHONE, messagePush({ text: 'x'.repeat(3_000) }))).toMatchObject({ kind: 'sent' });
      expect(pushing.gcm.pushes[0]?.lanes).toMatchObject({ cut: true });
    },
  );

  test('a cut connection: sent once more', async () => {
    pushing.gcm.next('reset');
    expect(await pushing.push(PHONE)).toMatchObject({ kind: 'sent' });
  });

  test('silence ends in time', async () => {
    pushing.gcm.next('silence');
    expect(await pushing.push(PHONE)).toMatchObject({ kind: 'retry', code: 'TIMEOUT' });
    expect(await pushing.push(PHONE)).toMatchObject({ kind: 'sent' });
  });

  test('nobody there: a retry', async () => {
    await pushing.gcm.stop();
    expect(await pushing.push(PHONE)).toMatchObject({ kind: 'retry', code: 'ECONNREFUSED' });
  });
});

test('a token that replaces another is nobody’s business, and the push counts as sent', async () => {
  pushing.gcm.next(gcmResult({ message_id: 'm', registration_id: 'the-new-token' }));
  expect(await pushing.push(PHONE)).toEqual({ kind: 'replaced', token: 'the-new-token' });
  const figures = await pushing.registry.metrics();
  expect(figures).toContain('lanes_pushes_total{provider="GCM",outcome="sent"} 1');
  expect(figures + pushing.lines.join('')).not.toMatch(/replaced|the-new-token/);
});
