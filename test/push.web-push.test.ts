/** Web Push: decrypted as a browser does it, refused where an endpoint leads into our own network. */
import { createECDH } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseVapidKey } from '../services/notifier/vapid.ts';
import { WebPushAdapter, type WebPushOptions } from '../services/notifier/web-push.ts';
import { encrypt, PLAIN_BYTES, parseSubscriptionKeys } from '../services/notifier/web-push-crypto.ts';
import { Patience } from '../services/patience.ts';
import { isPublicAddress } from '../services/public-address.ts';
import { isPushService } from '../services/push-services.ts';
import type { WebPushAddress } from '../services/views/push-address.ts';
import { messagePush, type Pushing, readPush, startPushing } from './support/providers/pushing.ts';

let pushing: Pushing;
let browser: WebPushAddress;
beforeEach(async () => {
  pushing = await startPushing({ timeoutMs: 2_000 });
  browser = pushing.webPush.subscribe();
});
afterEach(() => pushing.stop());

describe('a push to a browser', () => {
  test('is the published object, for its eyes only', async () => {
    expect(await pushing.push(browser)).toEqual({ kind: 'sent' });
    const [push] = pushing.webPush.pushes;
    expect(push).toMatchObject({ urgency: 'high', topic: expect.stringMatching(/^[\w-]{32}$/) });
    expect(push?.ttl).toBeGreaterThan(3_500);
    expect(push?.lanes).toEqual({
      ...{ v: 1, kind: 'message', conversationId: 'c1', seq: 7, messageId: 'c1:7', senderId: 'alice' },
      ...{ senderName: 'Alice', title: 'Lunch', text: 'Noon?', unread: 2, badge: 5 },
    });
    expect(pushing.webPush.requests[0]?.body.includes('Noon')).toBe(false);
  });

  test('of a mark has another topic', async () => {
    await pushing.push(browser);
    await pushing.push(browser, readPush());
    const [message, mark] = pushing.webPush.pushes;
    expect(mark?.lanes).toEqual({ v: 1, kind: 'read', conversationId: 'c1', readSeq: 7, badge: 3 });
    expect(mark?.topic).not.toBe(message?.topic);
  });

  test('is cut to what every push service takes', async () => {
    expect(await pushing.push(browser, messagePush({ text: 'ß'.repeat(8_000) }))).toEqual({ kind: 'sent' });
    expect(pushing.webPush.pushes[0]?.lanes).toMatchObject({ cut: true });
    expect(pushing.webPush.requests[0]?.body.length).toBeGreaterThan(4_090);
    expect(pushing.webPush.requests[0]?.body.length).toBeLessThanOrEqual(4_096);
  });

  test('as RFC 8291 has it, to the byte', () => {
    const own = createECDH('prime256v1');
    own.setPrivateKey(Buffer.from('yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw', 'base64url'));
    const keys = parseSubscriptionKeys(
      'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
      'BTBZMqHH6r4Tts7J_aSIgg',
    );
    const salt = Buffer.from('DGv6ra1nlYgDCS1FRnbzlw', 'base64url');
    const body = keys && encrypt(Buffer.from('When I grow up, I want to be a watermelon'), keys, own, salt);
    expect(body?.toString('base64url')).toBe(
      'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_' +
        'yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN',
    );
    expect(PLAIN_BYTES).toBe(3_993);
  });
});

describe('what a push service answers', () => {
  test.each([
    [{ status: 404 }, { kind: 'dead-token', code: '404' }],
    [{ status: 410 }, { kind: 'dead-token', code: '410' }],
    [{ status: 400 }, { kind: 'refused', code: '400' }],
    [{ status: 401 }, { kind: 'refused', code: '401' }],
    [{ status: 403 }, { kind: 'refused', code: '403' }],
    [
      { status: 302, headers: { location: 'https://127.0.0.1:1/' } },
      { kind: 'refused', code: '302' },
    ],
    [
      { status: 429, headers: { 'retry-after': '3' } },
      { kind: 'retry', code: '429' },
    ],
    [{ status: 500 }, { kind: 'retry', code: '500' }],
    [{ status: 503 }, { kind: 'retry', code: '503' }],
    [{ status: 202 }, { kind: 'sent' }],
    [{ status: 201, body: 'x'.repeat(1_000_000) }, { kind: 'sent' }],
  ] as const)('%#: %o', async (answer, expected) => {
    pushing.webPush.next(answer);
    expect(await pushing.push(browser)).toMatchObject(expected);
    expect(pushing.webPush.requests).toHaveLength(1);
  });

  test('too large is cut and sent once more', async () => {
    pushing.webPush.next({ status: 413 });
    expect(await pushing.push(browser, messagePush({ text: 'x'.repeat(3_000) }))).toEqual({ kind: 'sent' });
    expect(pushing.webPush.requests.map(({ body }) => body.length > 1_700)).toEqual([true, false]);
  });

  test('403s of subscriptions made for another key hold up nobody', async () => {
    pushing.webPush.next(...Array.from({ length: 20 }, () => ({ status: 403 })));
    for (let i = 0; i < 20; i++) expect(await pushing.push(browser)).toMatchObject({ kind: 'refused' });
    expect(await pushing.push(browser)).toEqual({ kind: 'sent' });
  });

  test('a service that refuses one subscription after the other does not know our key: that is an alarm, once', async () => {
    const alarms = async () =>
      /lanes_push_alarms_total\{provider="WEB_PUSH"\} (\d+)/.exec(await pushing.registry.metrics())?.[1] ?? '0';
    const refusedBy = async (...browsers: readonly WebPushAddress[]) => {
      pushing.webPush.next(...browsers.map(() => ({ status: 403 })));
      for (const one of browsers) expect(await pushing.push(one)).toMatchObject({ kind: 'refused', code: '403' });
    };
    const browsers = Array.from({ length: 10 }, () => pushing.webPush.subscribe());
    // One that was made for another key says nothing about ours, however often it is tried.
    await refusedBy(...Array.from({ length: 20 }, () => browser));
    await refusedBy(...browsers.slice(0, 8));
    expect(await pushing.push(browser)).toEqual({ kind: 'sent' });
    await refusedBy(...browsers.slice(0, 9));
    expect(await alarms()).toBe('0');
    await refusedBy(...browsers.slice(9), ...browsers);
    expect(await alarms()).toBe('1');
    const told = pushing.lines.filter((line) => line.includes('VAPID'));
    expect(told).toHaveLength(1);
    expect(told[0]).toContain(pushing.webPush.url);
    expect(told[0]).not.toContain(new URL(browser.endpoint).pathname);
    // Nobody is held up by it.
    expect(await pushing.push(browser)).toEqual({ kind: 'sent' });
  });

  test.each(['reset', 'goaway', 'cancel'] as const)('%s: sent once more', async (behaviour) => {
    await pushing.push(browser);
    pushing.webPush.next(behaviour);
    expect(await pushing.push(browser)).toEqual({ kind: 'sent' });
  });

  test('silence ends in time', async () => {
    pushing.webPush.next('silence');
    expect(await pushing.push(browser)).toMatchObject({ kind: 'retry', code: 'TIMEOUT' });
  });
});

describe('where an endpoint leads', () => {
  test.each([
    ['http://push.example.org/x', 'dead-token'],
    ['https://user:password@push.example.org/x', 'dead-token'],
    ['ftp://push.example.org/x', 'dead-token'],
    ['not a URL', 'dead-token'],
    [`https://push.example.org/${'x'.repeat(5_000)}`, 'dead-token'],
  ])('%s: %s', async (endpoint, kind) => {
    expect(await pushing.push({ ...browser, endpoint })).toMatchObject({ kind });
  });

  test.each([
    [{ p256dh: 'AAAA' }],
    [{ auth: 'AAAA' }],
    // A point, but not on the curve.
    [{ p256dh: Buffer.concat([Buffer.of(4), Buffer.alloc(64, 7)]).toString('base64url') }],
  ])('keys that are none: %o', async (wrong) => {
    expect(await pushing.push({ ...browser, ...wrong })).toEqual({ kind: 'dead-token', code: 'BAD_ADDRESS' });
    expect(pushing.webPush.requests).toHaveLength(0);
  });

  /** As settings open it, but for what a test says about addresses. */
  const adapterWith = (given: Partial<Pick<WebPushOptions, 'allows' | 'resolve' | 'hosts'>> = {}) => {
    const { LANES_VAPID_KEY_FILE = '', LANES_VAPID_SUBJECT = '', LANES_PUSH_CA_FILE = '' } = pushing.settings;
    return new WebPushAdapter({
      hosts: ['*'],
      key: parseVapidKey(readFileSync(LANES_VAPID_KEY_FILE, 'utf8')),
      subject: LANES_VAPID_SUBJECT,
      trust: createSecureContext({ ca: readFileSync(LANES_PUSH_CA_FILE) }),
      ...given,
    });
  };
  const attempt = async (adapter: WebPushAdapter, endpoint: string) => {
    const patience = new Patience().limit(5_000);
    const result = await adapter.attempt({ ...browser, endpoint }, messagePush(), patience);
    patience.release();
    await adapter.stop();
    return result;
  };
  const FORBIDDEN = { kind: 'refused', code: 'FORBIDDEN_ADDRESS', of: 'address' };

  test.each([
    ...['127.0.0.1', '10.1.2.3', '172.16.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '127.1'],
    ...[
      '0x7f000001',
      '2130706433',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[fe80::1]',
      '[fd00::1]',
      '[64:ff9b::7f00:1]',
      '[::]',
    ],
  ])('%s is refused and not connected to', async (host) => {
    expect(await attempt(adapterWith(), `https://${host}:${pushing.webPush.port}/push`)).toEqual(FORBIDDEN);
    expect(pushing.webPush.connections).toBe(0);
  });

  test('a name is refused for what it resolves to at that moment', async () => {
    const { port } = pushing.webPush;
    const inside = adapterWith({ resolve: async () => ['127.0.0.1', '::1'] });
    expect(await attempt(inside, `https://push.example.org:${port}/push`)).toEqual(FORBIDDEN);
    expect(pushing.webPush.connections).toBe(0);
  });

  test('a name that has other addresses, too, is reached by those that may be', async () => {
    const asked: string[] = [];
    const allows = (address: string) => {
      asked.push(address);
      return address === '127.0.0.1';
    };
    const both = adapterWith({ resolve: async () => ['10.0.0.1', '127.0.0.1'], allows });
    const { endpoint, ...keys } = pushing.webPush.subscribe(`localhost:${pushing.webPush.port}`);
    browser = { endpoint, ...keys };
    expect(await attempt(both, endpoint)).toEqual({ kind: 'sent' });
    // The last of them is the other end of the connection.
    expect(asked).toEqual(['10.0.0.1', '127.0.0.1', '127.0.0.1']);
  });

  test('what is connected to has the last word', async () => {
    let asked = 0;
    // Allowed as a name's address, and not as the other end.
    const fickle = adapterWith({ resolve: async () => ['127.0.0.1'], allows: () => asked++ === 0 });
    expect(await attempt(fickle, `https://localhost:${pushing.webPush.port}/push`)).toEqual(FORBIDDEN);
    expect(asked).toBe(2);
    expect(pushing.webPush.requests).toHaveLength(0);
  });

  test.each([
    ['https://push.example.org/x', [], false],
    ['https://push.example.org/x', ['push.example.org'], true],
    ['https://PUSH.example.org:8443/x', ['*.example.org'], true],
    ['https://example.org/x', ['*.example.org'], false],
    ['https://push.example.org/x', ['*'], true],
    ['https://fcm.googleapis.com/fcm/send/x', [], true],
    ['https://fcm.googleapis.com.example.org/x', [], false],
    ['https://evil-fcm.googleapis.com/x', [], false],
    ['https://updates.push.services.mozilla.com/wpush/v2/x', [], true],
    ['https://web.push.apple.com/x', [], true],
    ['https://evilpush.apple.com/x', [], false],
    ['https://wns2-par02p.notify.windows.com/w/?token=x', [], true],
  ] as const)('%s with %j named may be pushed to: %s', async (endpoint, hosts, may) => {
    expect(isPushService(new URL(endpoint), hosts)).toBe(may);
    const nowhere = adapterWith({ hosts, resolve: async () => Promise.reject(new Error('no')) });
    const answer = await attempt(nowhere, endpoint);
    if (may) expect(answer.kind).toBe('retry');
    else expect(answer).toEqual({ kind: 'refused', code: 'FOREIGN_HOST', of: 'address' });
  });

  test('a name that is none is a retry', async () => {
    const nowhere = adapterWith({
      resolve: async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })),
    });
    expect(await attempt(nowhere, 'https://push.example.org/x')).toEqual({
      kind: 'retry',
      code: 'ENOTFOUND',
      of: 'host',
    });
  });

  test.each(['1.1.1.1', '203.0.112.1', '2606:4700::1111', '64:ff9b::8.8.8.8', '::ffff:8.8.8.8'])(
    '%s is public',
    (address) => {
      expect(isPublicAddress(address)).toBe(true);
    },
  );
  test.each([
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '2001:db8::1',
    '2002:7f00:1::',
    'fe80::1%eth0',
    '::ffff:0:8.8.8.8',
    '',
  ])('%s is not', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
});
