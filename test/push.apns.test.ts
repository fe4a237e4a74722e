/** Apple: what a push looks like there, and what becomes of every answer. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LaneId } from '../schema/ids.ts';
import type { ApnsAddress } from '../services/views/push-address.ts';
import { TOPIC } from './support/providers/all.ts';
import { apnsToken, messagePush, type Pushing, readPush, startPushing } from './support/providers/pushing.ts';
import { json } from './support/providers/secure-server.ts';

const PHONE: ApnsAddress = { provider: 'APNS', token: apnsToken('phone') };
let pushing: Pushing;
beforeEach(async () => {
  pushing = await startPushing({ timeoutMs: 2_000 });
});
afterEach(() => pushing.stop());

const says = (status: number, reason: string, more: object = {}, headers: Record<string, string> = {}) =>
  json(status, { reason, ...more }, headers);

describe('a push to Apple', () => {
  test('of a message is an alert with the published object beside it', async () => {
    const message = messagePush();
    expect(await pushing.push(PHONE, message)).toEqual({ kind: 'sent', id: 'id-1' });
    expect(pushing.apns.pushes).toEqual([
      {
        token: PHONE.token,
        topic: TOPIC,
        pushType: 'alert',
        priority: undefined,
        collapseId: 'c1',
        expiration: Math.floor(message.expiresAt / 1000),
        bearer: expect.any(String),
        payload: {
          aps: {
            alert: { title: 'Lunch', subtitle: 'Alice', body: 'Noon?' },
            badge: 5,
            sound: 'default',
            'thread-id': 'c1',
            'mutable-content': 1,
          },
          lanes: {
            ...{ v: 1, kind: 'message', conversationId: 'c1', seq: 7, messageId: 'c1:7', senderId: 'alice' },
            ...{ senderName: 'Alice', title: 'Lunch', text: 'Noon?', unread: 2, badge: 5 },
          },
        },
      },
    ]);
  });

  test('of a mark is a background push that shows nothing and replaces no message', async () => {
    await pushing.push(PHONE, readPush());
    const [push] = pushing.apns.pushes;
    expect(push).toMatchObject({ pushType: 'background', priority: '5' });
    expect(push?.payload).toEqual({
      aps: { 'content-available': 1 },
      lanes: { v: 1, kind: 'read', conversationId: 'c1', readSeq: 7, badge: 3 },
    });
    expect(push?.collapseId).not.toBe('c1');
    expect(push?.collapseId?.length).toBeLessThanOrEqual(64);
  });

  test('tells nothing that a person wrote in privacy mode', async () => {
    await pushing.push(PHONE, messagePush({ privacy: true, text: 'canary-text', title: 'canary-title' }));
    const { payload } = pushing.apns.pushes[0] ?? {};
    expect(payload?.aps).toMatchObject({ alert: 'New message', badge: 5 });
    expect(payload?.lanes).toEqual({
      ...{ v: 1, kind: 'message', conversationId: 'c1', seq: 7, messageId: 'c1:7', senderId: 'alice' },
      ...{ unread: 2, badge: 5 },
    });
    expect(JSON.stringify(pushing.apns.requests.map(({ headers, body }) => [headers, String(body)]))).not.toContain(
      'canary',
    );
  });

  test('goes to the longest conversation id, and to a topic of its own', async () => {
    const conversationId = 'x'.repeat(64) as LaneId;
    const address: ApnsAddress = { ...PHONE, topic: `${TOPIC}.beta`, environment: 'sandbox' };
    expect(await pushing.push(address, messagePush({ conversationId }))).toMatchObject({ kind: 'sent' });
    expect(await pushing.push(address, readPush({ conversationId }))).toMatchObject({ kind: 'sent' });
    expect(pushing.apns.pushes[0]).toMatchObject({ collapseId: conversationId, topic: `${TOPIC}.beta` });
  });

  test('is cut to what Apple takes, between characters', async () => {
    const text = '👩‍👩‍👧‍👦"\\\n'.repeat(2_000);
    expect(await pushing.push(PHONE, messagePush({ text }))).toMatchObject({ kind: 'sent' });
    const [request] = pushing.apns.requests;
    expect(request?.body.length).toBeLessThanOrEqual(4096);
    expect(request?.body.length).toBeGreaterThan(4000);
    const lanes = pushing.apns.pushes[0]?.payload.lanes as { text: string; cut: boolean };
    expect(lanes.cut).toBe(true);
    expect(text.startsWith(lanes.text)).toBe(true);
    expect([...lanes.text].at(-1)).toMatch(/[👦"\\\n]/u);
  });

  test('shares few connections and one token with all others', async () => {
    const results = await Promise.all(
      Array.from({ length: 300 }, (_, i) => pushing.push({ ...PHONE, token: apnsToken(String(i)) })),
    );
    expect(results.filter(({ kind }) => kind === 'sent')).toHaveLength(300);
    expect(new Set(pushing.apns.pushes.map(({ bearer }) => bearer)).size).toBe(1);
    expect(pushing.apns.connections).toBeLessThanOrEqual(4);
  });
});

describe('what Apple answers', () => {
  test.each([
    [
      says(410, 'Unregistered', { timestamp: 1_700_000_000_000 }),
      { kind: 'dead-token', code: 'Unregistered', before: 1_700_000_000_000 },
    ],
    [says(410, 'ExpiredToken', { timestamp: 5 }), { kind: 'dead-token', code: 'ExpiredToken', before: 5 }],
    [says(410, 'Unregistered'), { kind: 'dead-token', code: 'Unregistered' }],
    [says(400, 'BadDeviceToken'), { kind: 'dead-token', code: 'BadDeviceToken' }],
    [says(400, 'DeviceTokenNotForTopic'), { kind: 'dead-token', code: 'DeviceTokenNotForTopic' }],
    [says(400, 'BadCollapseId'), { kind: 'refused', code: 'BadCollapseId' }],
    [says(400, 'BadExpirationDate'), { kind: 'refused', code: 'BadExpirationDate' }],
    [
      { status: 400, body: 'not JSON' },
      { kind: 'refused', code: '400' },
    ],
    [says(403, 'InvalidProviderToken'), { kind: 'credentials', code: 'InvalidProviderToken' }],
    [says(403, 'BadEnvironmentKeyInToken'), { kind: 'credentials', code: 'BadEnvironmentKeyInToken' }],
    [says(400, 'TopicDisallowed'), { kind: 'credentials', code: 'TopicDisallowed' }],
    [says(400, 'BadTopic'), { kind: 'credentials', code: 'BadTopic' }],
    [
      { status: 404, body: '<html>' },
      { kind: 'credentials', code: '404' },
    ],
    [says(429, 'TooManyRequests'), { kind: 'retry', code: 'TooManyRequests' }],
    [says(429, 'TooManyProviderTokenUpdates'), { kind: 'retry', code: 'TooManyProviderTokenUpdates' }],
    [says(500, 'InternalServerError'), { kind: 'retry', code: 'InternalServerError' }],
    [says(503, 'ServiceUnavailable'), { kind: 'retry', code: 'ServiceUnavailable' }],
    [says(503, 'Shutdown'), { kind: 'retry', code: 'Shutdown' }],
  ] as const)('%o', async (answer, expected) => {
    pushing.apns.next(answer);
    expect(await pushing.push(PHONE)).toMatchObject(expected);
  });

  test('a wish to be left alone is granted', async () => {
    pushing.apns.next(says(503, 'ServiceUnavailable', {}, { 'retry-after': '7' }));
    const first = await pushing.push(PHONE);
    const second = await pushing.push(PHONE);
    for (const result of [first, second]) {
      expect(result).toMatchObject({ kind: 'retry', code: 'ServiceUnavailable' });
      expect(result).toHaveProperty('afterMs', expect.any(Number));
      if (result.kind === 'retry') expect(result.afterMs).toBeGreaterThan(6_000);
    }
    expect(pushing.apns.requests).toHaveLength(1);
  });

  test('too many pushes to one device hold up nobody else', async () => {
    pushing.apns.next(says(429, 'TooManyRequests', {}, { 'retry-after': '7' }));
    const held = await pushing.push(PHONE);
    expect(held.kind === 'retry' && held.afterMs).toBeGreaterThanOrEqual(7_000);
    expect(await pushing.push({ ...PHONE, token: apnsToken('other') })).toMatchObject({ kind: 'sent' });
  });

  test('a topic that an address brought along is the address’s fault alone', async () => {
    const address: ApnsAddress = { ...PHONE, topic: 'com.example.foreign' };
    expect(await pushing.push(address)).toEqual({ kind: 'dead-token', code: 'TopicDisallowed' });
    expect(await pushing.push(PHONE)).toMatchObject({ kind: 'sent' });
  });

  test('an expired token of ours is made new once, however many pushes carried it', async () => {
    await pushing.push(PHONE);
    pushing.apns.expireTokens();
    // Of another second, so that it is another token.
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, i) => pushing.push({ ...PHONE, token: apnsToken(String(i)) })),
    );
    expect(results.map(({ kind }) => kind)).toEqual(Array(50).fill('sent'));
    expect(new Set(pushing.apns.pushes.map(({ bearer }) => bearer)).size).toBe(2);
  });

  test('too large is cut and sent once more', async () => {
    pushing.apns.next(says(413, 'PayloadTooLarge'));
    const text = 'long '.repeat(500);
    expect(await pushing.push(PHONE, messagePush({ text }))).toMatchObject({ kind: 'sent' });
    expect(pushing.apns.requests.map(({ body }) => body.length > 2048)).toEqual([true, false]);
    expect(pushing.apns.pushes[0]?.payload.lanes).toMatchObject({ cut: true });
    pushing.apns.always(says(413, 'PayloadTooLarge'));
    expect(await pushing.push(PHONE)).toEqual({ kind: 'refused', code: 'PayloadTooLarge' });
  });
});

describe('what Apple does', () => {
  test.each(['goaway', 'reset', 'cancel'] as const)('%s: sent once more on another connection', async (behaviour) => {
    await pushing.push(PHONE);
    pushing.apns.next(behaviour);
    expect(await pushing.push(PHONE)).toMatchObject({ kind: 'sent' });
    expect(pushing.apns.requests).toHaveLength(3);
  });

  test('a GOAWAY under many pushes loses none', async () => {
    await pushing.push(PHONE);
    pushing.apns.next({ status: 200 }, { status: 200 }, 'goaway');
    const results = await Promise.all(
      Array.from({ length: 60 }, (_, i) => pushing.push({ ...PHONE, token: apnsToken(String(i)) })),
    );
    expect(results.map(({ kind }) => kind)).toEqual(Array(60).fill('sent'));
  });

  test('silence ends in time, and the connection is not used again', async () => {
    await pushing.push(PHONE);
    pushing.apns.next('silence');
    const startedAt = performance.now();
    expect(await pushing.push(PHONE)).toMatchObject({ kind: 'retry', code: 'TIMEOUT' });
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    expect(await pushing.push(PHONE)).toMatchObject({ kind: 'sent' });
    expect(pushing.apns.connections).toBe(2);
  });

  test('nobody there: a retry', async () => {
    await pushing.apns.stop();
    expect(await pushing.push(PHONE)).toMatchObject({ kind: 'retry', code: 'ECONNREFUSED' });
  });
});
