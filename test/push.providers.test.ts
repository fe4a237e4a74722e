/** The settings turn providers on, or stop the start; what is secret stays so. */
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigError, readSettings } from '../services/config.ts';
import { openProviders } from '../services/notifier/providers.ts';
import { parseVapidKey } from '../services/notifier/vapid.ts';
import { startProviders, type TestProviders } from './support/providers/all.ts';
import { fcmError } from './support/providers/google.ts';
import { apnsToken, messagePush, startPushing } from './support/providers/pushing.ts';
import type { Behaviour } from './support/providers/secure-server.ts';

let standIns: TestProviders;
beforeAll(async () => {
  standIns = await startProviders();
});
afterAll(() => standIns.stop());

const open = (settings: Record<string, string>) =>
  openProviders(readSettings(settings).push, {
    log: pino({ level: 'silent' }),
    registry: new Registry(),
    clock: Date.now,
  });
const mistakeOf = (settings: Record<string, string>): string => {
  try {
    open(settings);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'none';
};
const only = (...prefixes: string[]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(standIns.settings).filter(([name]) => prefixes.some((prefix) => name.startsWith(`LANES_${prefix}`))),
  );

describe('the settings of push providers', () => {
  test.each([
    [[], []],
    [['APNS', 'PUSH'], ['APNS']],
    [['FCM'], ['FCM']],
    [['GCM'], ['GCM']],
    [['VAPID'], ['WEB_PUSH']],
    [
      ['APNS', 'FCM', 'GCM', 'VAPID', 'PUSH'],
      ['APNS', 'FCM', 'GCM', 'WEB_PUSH'],
    ],
  ])('of %j turn on %j', async (prefixes, names) => {
    const providers = open(only(...prefixes));
    expect([...providers.on.keys()]).toEqual(names);
    await providers.stop();
  });

  test.each([
    ['LANES_APNS_KEY_FILE', '/nowhere/apns.p8', 'ENOENT'],
    ['LANES_APNS_KEY_FILE', 'rsa', 'P-256'],
    ['LANES_APNS_URL', 'http://127.0.0.1:1', 'https'],
    ['LANES_FCM_SERVICE_ACCOUNT_FILE', '/nowhere/account.json', 'ENOENT'],
    ['LANES_FCM_SERVICE_ACCOUNT_FILE', 'rsa', 'service account'],
    ['LANES_FCM_URL', 'http://127.0.0.1:1', 'https'],
    ['LANES_GCM_URL', 'http://127.0.0.1:1', 'https'],
    ['LANES_VAPID_KEY_FILE', '/nowhere/vapid.pem', 'ENOENT'],
    ['LANES_VAPID_KEY_FILE', 'rsa', 'P-256'],
    ['LANES_VAPID_SUBJECT', 'somebody', 'mailto:'],
    ['LANES_PUSH_CA_FILE', 'rsa', 'certificate'],
    ['LANES_APNS_TOPIC', '', 'missing'],
    ['LANES_GCM_KEY', '', 'missing'],
  ])('%s=%s stops the start, naming it', (name, value, why) => {
    const rsa = join(standIns.dir, 'rsa.pem');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    writeFileSync(rsa, pem);
    const mistake = mistakeOf({ ...standIns.settings, [name]: value === 'rsa' ? rsa : value });
    expect(mistake).toContain(name);
    expect(mistake).toContain(why);
    expect(mistake).not.toContain(pem.slice(40, 80));
  });

  test('take a VAPID key in each of its forms', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const jwk = privateKey.export({ format: 'jwk' });
    const forms = [
      privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      privateKey.export({ type: 'sec1', format: 'pem' }) as string,
      JSON.stringify(jwk),
      JSON.stringify({ publicKey: 'B…', privateKey: jwk.d }),
    ];
    const keys = forms.map((form) => parseVapidKey(form).publicKey);
    expect(new Set(keys).size).toBe(1);
    expect(Buffer.from(keys[0] ?? '', 'base64url')).toHaveLength(65);
  });
});

describe('secrets', () => {
  test('of devices and of ours are in no log, result or figure, whatever goes wrong', async () => {
    const pushing = await startPushing({ timeoutMs: 400 });
    const browser = pushing.webPush.subscribe();
    const addresses = [
      { provider: 'APNS', token: apnsToken('canary') },
      { provider: 'FCM', token: 'fcm-canary-token' },
      { provider: 'GCM', token: 'gcm-canary-token' },
      browser,
    ] as const;
    const servers = [pushing.apns, pushing.fcm, pushing.gcm, pushing.webPush];
    const results: unknown[] = [];
    const behaviours: (Behaviour | undefined)[] = [
      ...[
        undefined,
        { status: 400 },
        { status: 401 },
        { status: 403 },
        { status: 500 },
        { status: 302 },
        { status: 200 },
      ],
      ...(['reset', 'goaway', 'silence'] as const),
      fcmError(403, 'PERMISSION_DENIED'),
    ];
    for (const behaviour of behaviours) {
      for (const server of servers) server.always(behaviour);
      results.push(await Promise.all(addresses.map((address) => pushing.push(address))));
    }
    const access = pushing.oauth.issued;
    await Promise.all(servers.map((server) => server.stop()));
    results.push(await Promise.all(addresses.map((address) => pushing.push(address))));
    const everything = JSON.stringify(results) + pushing.lines.join('') + (await pushing.registry.metrics());
    const { LANES_APNS_KEY_FILE = '', LANES_GCM_KEY = '' } = pushing.settings;
    const secrets = [
      ...[apnsToken('canary'), 'fcm-canary-token', 'gcm-canary-token', LANES_GCM_KEY, ...access],
      ...[browser.auth, browser.p256dh, new URL(browser.endpoint).pathname],
      ...[readFileSync(LANES_APNS_KEY_FILE, 'utf8').split('\n')[1] ?? '', 'bearer ', 'vapid t='],
    ];
    expect(access.length).toBeGreaterThan(0);
    for (const secret of secrets) expect(everything).not.toContain(secret);
    expect(pushing.lines.length).toBeGreaterThan(3);
    await pushing.providers.stop();
  });

  test('the words of a message are in no log either', async () => {
    const pushing = await startPushing({ timeoutMs: 400 });
    pushing.fcm.always({ status: 403 });
    await pushing.push({ provider: 'FCM', token: 't' }, messagePush({ text: 'canary-text', title: 'canary-title' }));
    expect(pushing.lines.join('')).not.toContain('canary');
    await pushing.stop();
  });
});
