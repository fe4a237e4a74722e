/** One host in trouble holds up nobody else, and is not run over when it is back. */
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Circuit } from '../services/notifier/circuit.ts';
import { type Adapter, type Attempt, Guard, type Limits } from '../services/notifier/guard.ts';
import type { PushResult } from '../services/notifier/push.ts';
import type { FcmAddress, WebPushAddress } from '../services/views/push-address.ts';
import { apnsToken, messagePush, type Pushing, startPushing } from './support/providers/pushing.ts';

const TROUBLE = { kind: 'trouble', code: '503' } as const;

describe('a circuit', () => {
  test('opens after five troubles in a row, lets a probe through, and closes by its success', () => {
    const circuit = new Circuit();
    for (let i = 0; i < 4; i++) circuit.report(false, TROUBLE, 0);
    circuit.report(false, { kind: 'fine' }, 0);
    for (let i = 0; i < 4; i++) expect(circuit.report(false, TROUBLE, 0)).toBe(false);
    expect(circuit.report(false, TROUBLE, 0)).toBe(true);
    expect(circuit.admit(999)).toMatchObject({ kind: 'closed-to', why: 'trouble', code: '503' });
    expect(circuit.admit(1_000)).toEqual({ kind: 'go', probe: true });
    expect(circuit.admit(1_000)).toMatchObject({ kind: 'closed-to' });
    // Late news of pushes that went before.
    circuit.report(false, { kind: 'fine' }, 1_000);
    expect(circuit.state).toBe('trouble');
    circuit.report(true, { kind: 'fine' }, 1_100);
    expect(circuit.admit(1_100)).toEqual({ kind: 'go', probe: false });
  });

  test('waits twice as long after each vain probe, up to a quarter of a minute', () => {
    const circuit = new Circuit();
    for (let i = 0; i < 5; i++) circuit.report(false, TROUBLE, 0);
    let now = 0;
    const waits = Array.from({ length: 7 }, () => {
      const wait = circuit.remainingMs(now);
      now += wait;
      circuit.admit(now);
      circuit.report(true, TROUBLE, now);
      return wait;
    });
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  });

  test('is open for as long as the host wished, within bounds', () => {
    const circuit = new Circuit();
    expect(circuit.report(false, { ...TROUBLE, pauseMs: 42_000 }, 0)).toBe(true);
    expect(circuit.remainingMs(0)).toBe(42_000);
    const greedy = new Circuit();
    greedy.report(false, { ...TROUBLE, pauseMs: 1e12 }, 0);
    expect(greedy.remainingMs(0)).toBe(600_000);
  });

  test('a probe that was given up leaves the place to another', () => {
    const circuit = new Circuit();
    circuit.report(false, { kind: 'credentials', code: 'Forbidden' }, 0);
    const then = circuit.remainingMs(0);
    expect(circuit.admit(then)).toEqual({ kind: 'go', probe: true });
    circuit.report(true, { kind: 'none' }, then);
    expect(circuit.admit(then)).toEqual({ kind: 'go', probe: true });
  });
});

describe('providers beside each other', () => {
  let pushing: Pushing;
  beforeEach(async () => {
    pushing = await startPushing({ timeoutMs: 2_000 });
  });
  afterEach(() => pushing.stop());
  const FCM: FcmAddress = { provider: 'FCM', token: 'f' };
  const apns = (i = 0) => pushing.push({ provider: 'APNS', token: apnsToken(String(i)) });

  test('one that is silent takes nothing from the others, and is soon not asked any more', async () => {
    pushing.fcm.always('silence');
    await pushing.push(FCM).catch(() => undefined);
    const silent = Promise.all(Array.from({ length: 300 }, () => pushing.push(FCM)));
    const startedAt = performance.now();
    const sent = await Promise.all(Array.from({ length: 100 }, (_, i) => apns(i)));
    expect(sent.every(({ kind }) => kind === 'sent')).toBe(true);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    const results = await silent;
    expect(results.every(({ kind, ...rest }) => kind === 'retry' && 'code' in rest && rest.code === 'TIMEOUT')).toBe(
      true,
    );
    // Eight at a time at first, then the line was sent away.
    expect(pushing.fcm.requests.length).toBeLessThan(30);
    const asked = pushing.fcm.requests.length;
    expect(await pushing.push(FCM)).toMatchObject({ kind: 'retry' });
    expect(pushing.fcm.requests.length).toBe(asked);
    expect(await pushing.registry.metrics()).toContain('lanes_push_circuits_open{provider="FCM",cause="trouble"} 1');
  });

  test('one that is back is used again by itself', async () => {
    pushing.apns.always({ status: 503, body: '{"reason":"ServiceUnavailable"}' });
    await Promise.all(Array.from({ length: 20 }, (_, i) => apns(i)));
    pushing.apns.always(undefined);
    await expect.poll(async () => (await apns()).kind, { timeout: 10_000, interval: 100 }).toBe('sent');
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => apns(i)));
    expect(all.every(({ kind }) => kind === 'sent')).toBe(true);
    expect(pushing.lines.join('')).toMatch(/in trouble.*takes pushes again/s);
  });

  test('wrong credentials are an alarm, once, and stop that provider alone', async () => {
    pushing.apns.always({ status: 403, body: '{"reason":"InvalidProviderToken"}' });
    const results = [await apns(), await apns(), await apns()];
    expect(results.map(({ kind }) => kind)).toEqual(['credentials', 'credentials', 'credentials']);
    expect(pushing.apns.requests).toHaveLength(1);
    expect(await pushing.push(FCM)).toMatchObject({ kind: 'sent' });
    const figures = await pushing.registry.metrics();
    expect(figures).toContain('lanes_push_alarms_total{provider="APNS"} 1');
    expect(figures).toContain('lanes_push_circuits_open{provider="APNS",cause="credentials"} 1');
    expect(figures).toContain('lanes_pushes_total{provider="APNS",outcome="credentials"} 3');
    expect(figures).toContain('lanes_pushes_total{provider="FCM",outcome="sent"} 1');
    expect(figures).toContain('lanes_push_seconds_count{provider="FCM"} 1');
    expect(pushing.lines.filter((line) => line.includes('"level":50'))).toHaveLength(1);
  });

  test('a signal gives a push up at once', async () => {
    pushing.fcm.always('silence');
    const abort = new AbortController();
    const push = pushing.push(FCM, messagePush(), abort.signal);
    await expect.poll(() => pushing.fcm.requests.length).toBe(1);
    abort.abort();
    expect(await push).toEqual({ kind: 'retry', code: 'ABORTED', afterMs: 0 });
    expect(await pushing.push(FCM, messagePush(), abort.signal)).toMatchObject({ code: 'ABORTED' });
  });

  test('what nobody wants any more is not sent', async () => {
    expect(await pushing.push(FCM, messagePush({ expiresAt: Date.now() - 1 }))).toEqual({
      kind: 'refused',
      code: 'EXPIRED',
    });
    expect(pushing.fcm.requests).toHaveLength(0);
  });

  test('stopping waits for what is under way, and takes nothing new', async () => {
    const pushes = Promise.all(Array.from({ length: 8 }, () => pushing.push(FCM)));
    const stopped = pushing.providers.stop();
    expect(await pushing.push(FCM)).toMatchObject({ kind: 'retry', code: 'ABORTED' });
    const results = await pushes;
    await stopped;
    expect(results.every(({ kind }) => kind === 'sent')).toBe(true);
  });
});

describe('a guard', () => {
  const LIMITS: Limits = { underWay: 16, waiting: 10, total: 25, hosts: 4, toUnproven: 6 };
  const address = (host: string): WebPushAddress => ({ provider: 'WEB_PUSH', endpoint: host, p256dh: '', auth: '' });
  /** An adapter whose attempts end when the test says so. */
  function guarded(given: Partial<Adapter<WebPushAddress>> = {}, limits = LIMITS) {
    const waiting: { readonly host: string; readonly end: (attempt: Attempt) => void }[] = [];
    const adapter: Adapter<WebPushAddress> = {
      provider: 'WEB_PUSH',
      hostOf: ({ endpoint }) => endpoint,
      attempt: ({ endpoint: host }) => new Promise((end) => waiting.push({ host, end })),
      stop: async () => {},
      ...given,
    };
    const observe = { pushed: () => {}, alarm: () => {} };
    const guard = new Guard(adapter, { limits, log: pino({ level: 'silent' }), observe, timeoutMs: 2_000 });
    const { signal } = new AbortController();
    const push = (host: string): Promise<PushResult> => guard.push(address(host), messagePush(), { signal });
    return { guard, push, waiting };
  }

  test('gives hosts that never answered no more than their share', async () => {
    const { push, waiting } = guarded();
    const known = push('known');
    await expect.poll(() => waiting.length).toBe(1);
    waiting[0]?.end({ kind: 'sent' });
    await known;
    const made = Array.from({ length: 8 }, (_, i) => push(`made-up-${i % 2}`));
    const late = await Promise.all(made.slice(6));
    expect(late).toEqual(Array(2).fill(expect.objectContaining({ kind: 'retry', code: 'BUSY' })));
    const again = push('known');
    await expect.poll(() => waiting.length).toBe(8);
    waiting[7]?.end({ kind: 'sent' });
    expect(await again).toEqual({ kind: 'sent' });
    for (const { end } of waiting) end({ kind: 'sent' });
    await Promise.all(made);
  });

  test('remembers so many hosts, and forgets none that is in use', async () => {
    const { push, waiting } = guarded();
    const inUse = ['a', 'b', 'c', 'd'].map((host) => push(host));
    expect(await push('e')).toMatchObject({ kind: 'retry', code: 'BUSY' });
    for (const { end } of waiting) end({ kind: 'sent' });
    await Promise.all(inUse);
    const later = push('e');
    await expect.poll(() => waiting.length).toBe(5);
    waiting[4]?.end({ kind: 'sent' });
    expect(await later).toEqual({ kind: 'sent' });
  });

  test('keeps a line of bounded length', async () => {
    const { push, waiting, guard } = guarded();
    const first = push('a');
    await expect.poll(() => waiting.length).toBe(1);
    waiting[0]?.end({ kind: 'sent' });
    await first;
    // Nine at a time after one answer, ten in the line.
    const pushes = Array.from({ length: 24 }, () => push('a'));
    expect(guard.load).toMatchObject({ underWay: 9, waiting: 10 });
    const sentAway = await Promise.all(pushes.slice(19));
    expect(sentAway.every((result) => result.kind === 'retry' && result.code === 'BUSY')).toBe(true);
    let ended = 1;
    await expect
      .poll(() => {
        for (; ended < waiting.length; ended++) waiting[ended]?.end({ kind: 'sent' });
        return guard.load.underWay + guard.load.waiting;
      })
      .toBe(0);
    expect((await Promise.all(pushes.slice(0, 19))).every(({ kind }) => kind === 'sent')).toBe(true);
  });

  test('takes so many in all', async () => {
    const { push, waiting } = guarded({}, { ...LIMITS, total: 2 });
    const inside = [push('a'), push('b')];
    expect(await push('c')).toMatchObject({ kind: 'retry', code: 'BUSY' });
    await expect.poll(() => waiting.length).toBe(2);
    for (const { end } of waiting) end({ kind: 'sent' });
    await Promise.all(inside);
  });

  test.each([
    [
      'throws at once',
      () => {
        throw new Error('canary');
      },
    ],
    ['rejects', () => Promise.reject(new Error('canary'))],
    ['never ends', () => new Promise<never>(() => {})],
  ])('keeps its promise over an adapter that %s', async (_, attempt) => {
    const { push, guard } = guarded({ attempt });
    expect(await push('a')).toMatchObject({ kind: 'retry', code: expect.stringMatching(/FAULT|TIMEOUT/) });
    await guard.stop();
  });

  test('refuses another provider’s address, and one that leads nowhere', async () => {
    const { guard, push } = guarded({ hostOf: () => undefined });
    const { signal } = new AbortController();
    const other = await guard.push({ provider: 'FCM', token: 't' }, messagePush(), { signal });
    expect(other).toEqual({ kind: 'refused', code: 'OTHER_PROVIDER' });
    expect(await push('x')).toEqual({ kind: 'dead-token', code: 'BAD_ADDRESS' });
  });
});
