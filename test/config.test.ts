import { describe, expect, test } from 'vitest';
import {
  bridgeAddressOf,
  type Environment,
  environmentOf,
  mongoUrlOf,
  readSettings,
  SETTING_NAMES,
} from '../services/config.ts';
import { roomEnvironmentOf } from '../services/embedded/room-environment.ts';

const JWT_SECRET = 'x'.repeat(32);
const mistakeOf = (environment: Environment): string => {
  try {
    readSettings(environment);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
};

describe('settings', () => {
  test('have the defaults of the contract', () => {
    const settings = readSettings({});
    expect(settings).toMatchObject({
      environment: 'development',
      host: '127.0.0.1',
      port: 4000,
      adminPort: 4001,
      nats: null,
      natsPort: 4222,
      mongo: null,
      partitions: 16,
      fsync: 'always',
      create: 'users',
      membersAdd: 'owner',
      notifyGraceMs: 10_000,
      graphiql: true,
      introspection: true,
    });
    expect(settings.dataDir).toMatch(/\.lanes$/);
    expect(settings.push).toEqual({ apns: null, fcm: null, gcm: null, vapid: null, webPushHosts: [], caFile: null });
  });

  test('take an empty value for none, and other names for nobody of ours', () => {
    expect(readSettings({ LANES_PORT: '', LANES_NATS_URL: '', PORT: '1' })).toEqual(readSettings({}));
  });

  test.each([
    [{ LANES_PROT: '1' }, 'LANES_PROT'],
    [{ LANES_PORT: 'x' }, 'LANES_PORT'],
    [{ LANES_PORT: '70000' }, 'LANES_PORT'],
    [{ LANES_PORT: '-1' }, 'LANES_PORT'],
    [{ LANES_PARTITIONS: '0' }, 'LANES_PARTITIONS'],
    [{ LANES_FSYNC: 'never' }, 'LANES_FSYNC'],
    [{ LANES_CREATE: 'everybody' }, 'LANES_CREATE'],
    [{ LANES_JWT_SECRET: 'short' }, 'LANES_JWT_SECRET'],
    [{ LANES_JWKS_URL: 'file:///etc/passwd' }, 'LANES_JWKS_URL'],
    [{ LANES_JWKS_URL: 'https://a.example/keys', LANES_JWT_SECRET: JWT_SECRET }, 'LANES_JWT_SECRET and LANES_JWKS_URL'],
    [{ LANES_ENV: 'production' }, 'LANES_JWT_SECRET'],
    [{ LANES_JWKS_URL: 'http://a.example/keys', LANES_JWT_ISSUER: 'i', LANES_JWT_AUDIENCE: 'a' }, 'must be https'],
    [{ LANES_JWKS_URL: 'https://a.example/keys', LANES_JWT_AUDIENCE: 'a' }, 'LANES_JWT_ISSUER is missing'],
    [{ LANES_JWKS_URL: 'https://a.example/keys', LANES_JWT_ISSUER: 'i' }, 'LANES_JWT_AUDIENCE is missing'],
    [{ LANES_JWKS_URL: 'https://a.example/keys' }, 'LANES_JWT_ISSUER, LANES_JWT_AUDIENCE is missing'],
    [{ LANES_NATS_URL: 'http://a:1' }, 'LANES_NATS_URL'],
    [{ LANES_NATS_USER: 'a', LANES_NATS_PASSWORD: 'b' }, 'LANES_NATS_URL'],
    [{ LANES_NATS_URL: 'nats://a', LANES_NATS_USER: 'a' }, 'LANES_NATS_PASSWORD'],
    [{ LANES_NATS_URL: 'nats://a:b@c', LANES_NATS_CREDS_FILE: '/d' }, 'LANES_NATS_CREDS_FILE'],
    [{ LANES_MONGO_URL: 'postgres://a' }, 'LANES_MONGO_URL'],
    [{ LANES_ORIGINS: 'chat.example' }, 'LANES_ORIGINS'],
    [{ LANES_TRUSTED_PROXIES: '10.0.0.0/8,10.0.0.0/33' }, 'LANES_TRUSTED_PROXIES'],
    [{ LANES_TRUSTED_PROXIES: '127.1' }, 'LANES_TRUSTED_PROXIES'],
    [{ LANES_APNS_KEY_FILE: '/k' }, 'LANES_APNS_KEY_ID, LANES_APNS_TEAM_ID, LANES_APNS_TOPIC'],
    [{ LANES_GCM_KEY: 'k' }, 'LANES_GCM_URL'],
    [{ LANES_WEB_PUSH_HOSTS: 'https://push.example.org' }, 'LANES_WEB_PUSH_HOSTS'],
  ] satisfies [Environment, string][])('%o is refused, naming %s', (environment, names) => {
    expect(mistakeOf(environment)).toContain(names);
  });

  test('never say a secret in their error', () => {
    expect(mistakeOf({ LANES_JWT_SECRET: 'hunter2' })).not.toContain('hunter2');
    expect(mistakeOf({ LANES_NATS_URL: 'http://lanes:hunter2@a' })).not.toContain('hunter2');
    expect(mistakeOf({ LANES_MONGO_URL: 'mongo://lanes:hunter2@a' })).not.toContain('hunter2');
  });

  test('are production with a secret of one’s own, where GraphiQL and introspection are off unless asked', () => {
    expect(readSettings({ LANES_JWT_SECRET: JWT_SECRET })).toMatchObject({
      environment: 'production',
      graphiql: false,
      introspection: false,
    });
    expect(readSettings({ LANES_JWT_SECRET: JWT_SECRET, LANES_GRAPHIQL: 'true' })).toMatchObject({
      graphiql: true,
      introspection: false,
    });
    expect(readSettings({ LANES_JWT_SECRET: JWT_SECRET, LANES_ENV: 'development' }).graphiql).toBe(true);
  });

  test('split user info off the URL of NATS', () => {
    const { nats } = readSettings({ LANES_NATS_URL: 'nats://lanes:p%40ss@a:4222,tls://b:4223' });
    expect(nats).toEqual({
      servers: ['nats://a:4222', 'tls://b:4223'],
      user: 'lanes',
      password: 'p@ss',
      credsFile: null,
    });
    const explicit = { LANES_NATS_URL: 'a:4222', LANES_NATS_USER: 'u', LANES_NATS_PASSWORD: 'p' };
    expect(readSettings(explicit).nats).toEqual({
      servers: ['nats://a:4222'],
      user: 'u',
      password: 'p',
      credsFile: null,
    });
  });

  test('split user info off the URL of MongoDB, and put it together again for a child', () => {
    const url = 'mongodb://lanes:p%40ss@a:1,b:2/chat?replicaSet=r&authSource=admin';
    const { mongo } = readSettings({ LANES_MONGO_URL: url });
    expect(mongo).toEqual({
      url: 'mongodb://a:1,b:2/chat?replicaSet=r&authSource=admin',
      database: 'chat',
      auth: { username: 'lanes', password: 'p@ss' },
    });
    expect(mongo && mongoUrlOf(mongo)).toBe(url);
    expect(readSettings({ LANES_MONGO_URL: 'mongodb://a' }).mongo).toEqual({
      url: 'mongodb://a/',
      database: 'lanes',
      auth: null,
    });
  });

  test('go to each room as far as it reads them', () => {
    const all = Object.fromEntries(SETTING_NAMES.map((name) => [name, 'x']));
    const of = (room: string): string[] => Object.keys(roomEnvironmentOf(room, { ...all, PATH: 'p', AWS_KEY: 'k' }));
    expect(of('irc').sort()).toEqual([
      ...['LANES_ADMIN_HOST', 'LANES_ADMIN_PORT', 'LANES_API_URL', 'LANES_HOST', 'LANES_IRC_PORT', 'LANES_LOG_LEVEL'],
      ...['LANES_PORT', 'PATH'],
    ]);
    const push = SETTING_NAMES.filter((name) => /^LANES_(APNS|FCM|GCM|VAPID|PUSH)_/.test(name));
    expect(of('notifier')).toEqual(expect.arrayContaining(push));
    for (const room of ['api', 'projector', 'bridge'])
      expect(of(room).filter((name) => push.includes(name))).toEqual([]);
    expect(of('api')).not.toContain('LANES_NATS_SYS_PASSWORD');
    expect(of('bridge')).toContain('LANES_NATS_SYS_PASSWORD');
  });

  test('go to a child whole', () => {
    const settings = readSettings({ LANES_DATA: '/d', LANES_STORE_BYTES: '100000000' });
    const bridge = { user: 'b', password: 'q' };
    const config = {
      ...settings,
      nats: { servers: ['nats://a:1'], user: 'u', password: 'p', credsFile: null },
      natsBridge: bridgeAddressOf({ servers: ['nats://a:1'], user: 'u', password: 'p', credsFile: null }, bridge),
      natsCalloutSeedFile: '/d/seed',
      natsPublic: { nats: 'nats://a:1', webSocket: null, mqtt: 'mqtt://a:2' },
      mongo: { url: 'mongodb://a/lanes', database: 'lanes', auth: { username: 'm', password: '/' } },
      jwt: { kind: 'secret', secret: JWT_SECRET, development: true, issuer: null, audience: null, userClaim: 'sub' },
      storeBytes: 100_000_000,
    } as const;
    const child = readSettings(environmentOf(config, { LANES_PORT: '5000', PATH: '/bin' }));
    const { nats, natsCalloutSeedFile, natsPublic, mongo } = config;
    expect(child).toEqual({
      ...settings,
      ...{ nats, natsBridge: bridge, natsCalloutSeedFile, natsPublic, mongo },
      port: 5000,
    });
  });
});
