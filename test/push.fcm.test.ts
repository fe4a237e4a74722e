/** Firebase: its tokens, what a push looks like there, and what becomes of every answer. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FcmAddress } from '../services/views/push-address.ts';
import { fcmError } from './support/providers/google.ts';
import { messagePush, type Pushing, readPush, startPushing } from './support/providers/pushing.ts';
import { json } from './support/providers/secure-server.ts';

const PHONE: FcmAddress = { provider: 'FCM', token: 'fcm-token-1' };
let pushing: Pushing;
beforeEach(async () => {
  pushing = await startPushing({ timeoutMs: 2_000 });
});
afterEach(() => pushing.stop());

const many = (count: number) => Promise.all(Array.from({ length: count }, () => pushing.push(PHONE)));

describe('a push to Firebase', () => {
  test('is data only, and wakes the phone', async () => {
    const message = messagePush({ expiresAt: Date.now() + 90_500 });
    expect(await pushing.push(PHONE, message)).toEqual({ kind: 'sent', id: 'projects/chat-test/messages/1' });
    const [push] = pushing.fcm.pushes;
    expect(Object.keys(push ?? {}).sort()).toEqual(['android', 'data', 'lanes', 'token']);
    expect(push).toMatchObject({
      token: 'fcm-token-1',
      android: { priority: 'HIGH', ttl: expect.stringMatching(/^(90|89|88)s$/), collapse_key: 'c1' },
    });
    expect(Object.keys(push?.data ?? {})).toEqual(['lanes']);
    expect(push?.lanes).toEqual({
      ...{ v: 1, kind: 'message', conversationId: 'c1', seq: 7, messageId: 'c1:7', senderId: 'alice' },
      ...{ senderName: 'Alice', title: 'Lunch', text: 'Noon?', unread: 2, badge: 5 },
    });
  });

  test('of a mark has a key beside the messages’, and does not wake', async () => {
    await pushing.push(PHONE, readPush());
    expect(pushing.fcm.pushes[0]).toMatchObject({
      android: { priority: 'NORMAL', collapse_key: 'lanes.read' },
      lanes: { v: 1, kind: 'read', conversationId: 'c1', readSeq: 7, badge: 3 },
    });
  });

  test('is kept for four weeks at the most, and cut to fit', async () => {
    const text = 'é"'.repeat(8_000);
    await pushing.push(PHONE, messagePush({ text, expiresAt: Date.now() + 365 * 24 * 3600 * 1000 }));
    const [push] = pushing.fcm.pushes;
    expect(push?.android.ttl).toBe('2419200s');
    expect(push?.lanes).toMatchObject({ cut: true });
    expect(Buffer.byteLength(push?.data.lanes ?? '')).toBeLessThanOrEqual(4000);
    expect(push?.lanes).toHaveProperty('text', expect.stringMatching(/^(é")*é?$/));
  });

  test('works over HTTP/1.1 as well, several at a time', async () => {
    await pushing.stop();
    pushing = await startPushing({ fcmHttp1: true });
    expect((await many(100)).map(({ kind }) => kind)).toEqual(Array(100).fill('sent'));
    expect(pushing.fcm.requests[0]?.isHttp2).toBe(false);
    expect(pushing.fcm.connections).toBeGreaterThan(1);
    expect(pushing.fcm.connections).toBeLessThanOrEqual(16);
  });
});

describe('the access token', () => {
  test('is asked for once, however many wait for it', async () => {
    await many(50);
    expect(pushing.oauth.requests).toHaveLength(1);
    expect(pushing.fcm.pushes).toHaveLength(50);
    expect(pushing.fcm.requests[0]?.isHttp2).toBe(true);
  });

  test('is renewed before its end, without a push that waits or fails for it', async () => {
    pushing.oauth.setLifetime(11);
    await pushing.push(PHONE);
    // Half of such a short life: from now on a push asks for the next beside itself.
    await expect
      .poll(
        async () => {
          await pushing.push(PHONE);
          return pushing.oauth.issued.length;
        },
        { timeout: 20_000, interval: 200 },
      )
      .toBeGreaterThan(1);
    expect(pushing.fcm.pushes.length).toBe(pushing.fcm.requests.length);
  });

  test('that was revoked is replaced within the push', async () => {
    await pushing.push(PHONE);
    pushing.oauth.revoke();
    expect((await many(20)).map(({ kind }) => kind)).toEqual(Array(20).fill('sent'));
    expect(pushing.oauth.issued).toHaveLength(2);
  });

  test('that cannot be had is our trouble, and is said', async () => {
    pushing.oauth.always(json(400, { error: 'invalid_grant' }));
    expect(await pushing.push(PHONE)).toMatchObject({ kind: 'credentials', code: 'TOKEN_invalid_grant' });
    expect(pushing.lines.join('')).toContain('TOKEN_invalid_grant');
    // Open: nobody is asked again so soon.
    expect(await pushing.push(PHONE)).toMatchObject({ kind: 'credentials', code: 'TOKEN_invalid_grant' });
    expect(pushing.oauth.requests).toHaveLength(1);
  });

  test.each([
    [json(503, {}, { 'retry-after': '3' }), 'TOKEN_503'],
    [{ status: 200, body: 'not JSON' }, 'TOKEN_200'],
    ['silence', 'TIMEOUT'],
  ] as const)('%o there: a retry', async (behaviour, code) => {
    pushing.oauth.always(behaviour);
    expect(await pushing.push(PHONE)).toMatchObject({ kind: 'retry', code });
  });
});

describe('what Firebase answers', () => {
  test.each([
    [fcmError(404, 'NOT_FOUND', { code: 'UNREGISTERED' }), { kind: 'dead-token', code: 'UNREGISTERED' }],
    [
      fcmError(400, 'INVALID_ARGUMENT', { code: 'INVALID_ARGUMENT', fields: ['message.token'] }),
      { kind: 'dead-token', code: 'INVALID_ARGUMENT' },
    ],
    [
      fcmError(400, 'INVALID_ARGUMENT', {
        code: 'INVALID_ARGUMENT',
        message: 'The registration token is not a valid FCM registration token',
      }),
      { kind: 'dead-token', code: 'INVALID_ARGUMENT' },
    ],
    [
      fcmError(400, 'INVALID_ARGUMENT', { fields: ['message.data[0].value'] }),
      { kind: 'refused', code: 'INVALID_ARGUMENT' },
    ],
    [
      fcmError(403, 'PERMISSION_DENIED', { code: 'SENDER_ID_MISMATCH' }),
      { kind: 'refused', code: 'SENDER_ID_MISMATCH' },
    ],
    [
      fcmError(401, 'UNAUTHENTICATED', { code: 'THIRD_PARTY_AUTH_ERROR' }),
      { kind: 'refused', code: 'THIRD_PARTY_AUTH_ERROR' },
    ],
    [fcmError(403, 'PERMISSION_DENIED'), { kind: 'credentials', code: 'PERMISSION_DENIED' }],
    [
      { status: 404, body: '<html>no such project' },
      { kind: 'credentials', code: '404' },
    ],
    [fcmError(503, 'UNAVAILABLE', { code: 'UNAVAILABLE' }), { kind: 'retry', code: 'UNAVAILABLE' }],
    [fcmError(500, 'INTERNAL', { code: 'INTERNAL' }), { kind: 'retry', code: 'INTERNAL' }],
    [
      { status: 502, body: '<!DOCTYPE html>' },
      { kind: 'retry', code: '502' },
    ],
    [{ status: 200, body: '' }, { kind: 'sent' }],
  ] as const)('%o', async (answer, expected) => {
    pushing.fcm.next(answer);
    expect(await pushing.push(PHONE)).toMatchObject(expected);
  });

  test('an exceeded quota is waited for, a minute where no time is said', async () => {
    pushing.fcm.next(fcmError(429, 'RESOURCE_EXHAUSTED', { code: 'QUOTA_EXCEEDED', headers: { 'retry-after': '9' } }));
    const said = await pushing.push(PHONE);
    expect(said).toMatchObject({ kind: 'retry', code: 'QUOTA_EXCEEDED' });
    expect(said.kind === 'retry' && said.afterMs).toBeGreaterThanOrEqual(9_000);
    expect(await pushing.push(PHONE)).toMatchObject({ kind: 'retry', code: 'QUOTA_EXCEEDED' });
    expect(pushing.fcm.requests).toHaveLength(1);
  });

  test('a 401 that a new token does not help is our trouble', async () => {
    pushing.fcm.always(fcmError(401, 'UNAUTHENTICATED'));
    expect(await pushing.push(PHONE)).toMatchObject({ kind: 'credentials', code: 'UNAUTHENTICATED' });
    expect(pushing.oauth.issued).toHaveLength(2);
    expect(pushing.fcm.requests).toHaveLength(2);
  });

  test('what it does not like and does not say why is tried once more, smaller', async () => {
    pushing.fcm.next(fcmError(400, 'INVALID_ARGUMENT'));
    expect(await pushing.push(PHONE, messagePush({ text: 'x'.repeat(3_000) }))).toMatchObject({ kind: 'sent' });
    expect(pushing.fcm.pushes[0]?.lanes).toMatchObject({ cut: true });
    expect(pushing.fcm.pushes[0]?.data.lanes.length).toBeLessThanOrEqual(2_000);
  });

  test.each(['goaway', 'reset', 'cancel'] as const)('%s: sent once more', async (behaviour) => {
    await pushing.push(PHONE);
    pushing.fcm.next(behaviour);
    expect(await pushing.push(PHONE)).toMatchObject({ kind: 'sent' });
  });
});
