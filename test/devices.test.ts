/** Devices, settings and mutes, on a real mongod: a token is one device's, whatever happens at once. */
import { randomBytes } from 'node:crypto';
import { MongoClient } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DeviceId, type LaneId, seqOf, type UserId } from '../schema/ids.ts';
import { Mongo } from '../services/views/connect.ts';
import { DEVICES_PER_USER, type Devices, openDevices, tokenHashOf } from '../services/views/devices.ts';
import { HistoryUnavailable } from '../services/views/history.ts';
import type { PushAddress } from '../services/views/push-address.ts';
import { marksOf, ReceiptStore } from '../services/views/receipts-store.ts';
import { silent } from './support/projecting.ts';
import { until } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';

const DAY = 24 * 60 * 60 * 1000;
const phone = 'phone' as DeviceId;
const tablet = 'tablet' as DeviceId;
const apns = (token: string): PushAddress => ({
  provider: 'APNS',
  token,
  topic: 'org.example',
  environment: 'sandbox',
});
const fcm = (token: string): PushAddress => ({ provider: 'FCM', token });
const web = (endpoint: string): PushAddress => ({ provider: 'WEB_PUSH', endpoint, p256dh: 'p', auth: 'a' });

describe('devices', () => {
  let servers: TestServers;
  let mongo: Mongo;
  let now: number;
  let devices: Devices;
  let users = 0;
  const newUser = (): UserId => `user-${++users}` as UserId;

  beforeAll(async () => {
    servers = await startServers({ nats: false });
    mongo = new Mongo(servers.config().mongo, silent, { socketTimeoutMs: 5_000, maxPoolSize: 16 });
  });
  afterAll(async () => {
    await mongo?.close();
    await servers?.stop();
  });
  beforeEach(() => {
    now = Date.now();
    devices = openDevices(mongo, silent, () => now);
  });

  it('are registered, keep their address or lose it as they say, and are unregistered', async () => {
    const bob = newUser();
    expect(await devices.of([bob])).toEqual(new Map());
    const first = await devices.register(bob, phone, undefined);
    expect(first).toEqual({ kind: 'registered', device: { user: bob, device: phone, since: now, lastSeenAt: now } });
    const push = apns(randomBytes(16).toString('hex'));
    const since = now;
    now += 5;
    await devices.register(bob, phone, push);
    const token = { push, tokenHash: tokenHashOf(push), tokenSince: now, provider: 'APNS', tokenState: 'VALID' };
    expect(await devices.get(bob, phone)).toEqual({ user: bob, device: phone, since, lastSeenAt: now, ...token });
    now += 5;
    await devices.register(bob, phone, undefined);
    expect(await devices.get(bob, phone)).toEqual({ user: bob, device: phone, since, lastSeenAt: now, ...token });
    await devices.register(bob, tablet, web('https://push.example/1'));
    expect(
      [...(await devices.of([bob, newUser()]))].map(([user, all]) => [user, all.map((one) => one.device)]),
    ).toEqual([[bob, [phone, tablet]]]);
    await devices.register(bob, phone, null);
    expect(await devices.get(bob, phone)).toEqual({ user: bob, device: phone, since, lastSeenAt: now });
    expect(await devices.unregister(bob, phone)).toBe(true);
    expect(await devices.unregister(bob, phone)).toBe(false);
    expect(await devices.get(bob, phone)).toBeUndefined();
  });

  it('have a token each: registered elsewhere it moves, also from one user to another', async () => {
    const [bob, carol] = [newUser(), newUser()];
    const token = randomBytes(16).toString('hex');
    await devices.register(bob, phone, apns(token));
    await devices.register(carol, phone, apns(token.toUpperCase()));
    const left = await devices.get(bob, phone);
    expect(left).toMatchObject({ tokenState: 'MOVED', provider: 'APNS' });
    expect(left?.push ?? left?.tokenHash ?? left?.tokenSince).toBeUndefined();
    expect(await devices.get(carol, phone)).toMatchObject({ tokenState: 'VALID', push: { provider: 'APNS' } });
    await devices.register(bob, phone, apns(token));
    expect((await devices.get(carol, phone))?.push).toBeUndefined();
    // Another provider's token is another token.
    await devices.register(carol, phone, fcm(token));
    expect((await devices.get(bob, phone))?.tokenState).toBe('VALID');
  });

  it('registered with one token at one moment: one of them has it', async () => {
    const all = Array.from({ length: 8 }, newUser);
    const push = fcm(randomBytes(16).toString('hex'));
    const answers = await Promise.all(all.map((user) => devices.register(user, phone, push)));
    expect(answers.map(({ kind }) => kind)).toEqual(Array(8).fill('registered'));
    const found = await devices.of(all);
    const holders = [...found.values()].flat().filter((device) => device.push);
    expect(holders).toHaveLength(1);
    expect(holders[0]).toMatchObject({ tokenState: 'VALID', tokenHash: tokenHashOf(push) });
  });

  it('lose a dead token only if it was registered before, and is still the same', async () => {
    const bob = newUser();
    const push = fcm(randomBytes(16).toString('hex'));
    const name = { user: bob, device: phone, tokenHash: tokenHashOf(push) };
    await devices.register(bob, phone, push);
    expect(await devices.dropToken({ ...name, registeredBefore: now, reason: 'x' })).toBe(false);
    expect(await devices.dropToken({ ...name, tokenHash: 'other', reason: 'x' })).toBe(false);
    expect(await devices.dropToken({ ...name, registeredBefore: now + 1, reason: 'Unregistered' })).toBe(true);
    expect(await devices.get(bob, phone)).toMatchObject({ tokenState: 'DEAD', provider: 'FCM' });
    expect((await devices.get(bob, phone))?.push).toBeUndefined();
    expect(await devices.dropToken({ ...name, reason: 'again' })).toBe(false);
    await devices.register(bob, phone, push);
    expect(await devices.get(bob, phone)).toMatchObject({ tokenState: 'VALID', push });
    expect(await devices.dropToken({ ...name, reason: 'always' })).toBe(true);
  });

  it('lose a token that was refused ten times in a row, and not before', async () => {
    const bob = newUser();
    const push = web('https://push.example.org/x');
    const name = { user: bob, device: phone, tokenHash: tokenHashOf(push) };
    const refuse = async (times: number): Promise<boolean[]> => {
      const dropped: boolean[] = [];
      for (let i = 0; i < times; i++) dropped.push(await devices.countRefusal({ ...name, reason: '403' }));
      return dropped;
    };
    await devices.register(bob, phone, push);
    expect(await refuse(9)).toEqual(Array(9).fill(false));
    await devices.clearRefusals(name);
    expect(await refuse(9)).toEqual(Array(9).fill(false));
    await devices.register(bob, phone, push);
    expect(await devices.countRefusal({ ...name, tokenHash: 'other', reason: '403' })).toBe(false);
    expect(await refuse(10)).toEqual([...Array(9).fill(false), true]);
    expect(await devices.get(bob, phone)).toMatchObject({ tokenState: 'DEAD', provider: 'WEB_PUSH' });
    expect(await refuse(1)).toEqual([false]);
  });

  it('get the newer token that the provider names', async () => {
    const bob = newUser();
    const [old, newer, others] = [1, 2, 3].map(() => randomBytes(16).toString('hex')) as [string, string, string];
    await devices.register(bob, phone, { provider: 'GCM', token: old });
    await devices.register(bob, tablet, { provider: 'GCM', token: others });
    const name = { user: bob, device: phone, tokenHash: tokenHashOf({ provider: 'GCM', token: old }) };
    expect(await devices.replaceToken({ ...name, token: newer })).toBe(true);
    expect(await devices.replaceToken({ ...name, token: newer })).toBe(false);
    const now2 = await devices.get(bob, phone);
    expect(now2).toMatchObject({ push: { provider: 'GCM', token: newer }, tokenState: 'VALID' });
    expect(await devices.replaceToken({ ...name, tokenHash: now2?.tokenHash ?? '', token: others })).toBe(true);
    expect(await devices.get(bob, phone)).toMatchObject({ tokenState: 'MOVED' });
    expect(await devices.get(bob, tablet)).toMatchObject({ push: { token: others } });
  });

  it('are seen, cheaply, and forgotten after 90 days', async () => {
    const bob = newUser();
    expect(await devices.seen(bob, phone)).toBe(false);
    await devices.register(bob, phone, fcm(randomBytes(8).toString('hex')));
    now += DAY;
    expect(await Promise.all([devices.seen(bob, phone), devices.seen(bob, phone)])).toEqual([true, true]);
    expect((await devices.get(bob, phone))?.lastSeenAt).toBe(now);
    now += 30_000;
    expect(await devices.seen(bob, phone)).toBe(true);
    expect((await devices.get(bob, phone))?.lastSeenAt).toBe(now - 30_000);
    now += 90 * DAY;
    expect(await devices.get(bob, phone)).toBeUndefined();
    expect(await devices.seen(bob, phone)).toBe(false);
    await devices.register(bob, phone, undefined);
    expect(await devices.get(bob, phone)).toEqual({ user: bob, device: phone, since: now, lastSeenAt: now });
    expect(await devices.seen(bob, phone)).toBe(true);
    await devices.unregister(bob, phone);
    expect(await devices.seen(bob, phone)).toBe(false);
  });

  it('are bounded for each user, and those of the past do not count', async () => {
    const bob = newUser();
    for (let i = 0; i < DEVICES_PER_USER; i++) await devices.register(bob, `d${i}` as DeviceId, undefined);
    expect(await devices.register(bob, phone, undefined)).toEqual({ kind: 'too-many' });
    expect(await devices.register(bob, 'd7' as DeviceId, undefined)).toMatchObject({ kind: 'registered' });
    now += 91 * DAY;
    expect(await devices.register(bob, phone, undefined)).toMatchObject({ kind: 'registered' });
  });

  it('take what they had acknowledged with them', async () => {
    const bob = newUser();
    await devices.register(bob, phone, undefined);
    const store = new ReceiptStore(() => mongo.db());
    const left = async () =>
      (
        await marksOf(await mongo.db())
          .find({ '_id.u': bob })
          .toArray()
      ).flatMap(({ dev }) => Object.keys(dev ?? {}));
    const mark = { s: seqOf(5), at: now };
    const _id = { l: 'c1' as LaneId, u: bob };
    await store.write({ marks: [{ _id, d: seqOf(5), dev: { [phone]: mark, [tablet]: mark } }], log: [] });
    expect(await left()).toEqual([phone, tablet]);
    await devices.unregister(bob, phone);
    expect(await left()).toEqual([tablet]);
    await devices.register(bob, tablet, undefined);
    expect(await left()).toEqual([]);
  });

  it('settings are as they were changed, and mutes end', async () => {
    const [bob, carol] = [newUser(), newUser()];
    expect(await devices.settings([bob])).toEqual(new Map([[bob, { hideReadMarks: false }]]));
    const doNotDisturb = { from: '22:00', to: '07:00', timeZone: 'Europe/Berlin' };
    expect(await devices.changeSettings(bob, { doNotDisturb })).toEqual({ hideReadMarks: false, doNotDisturb });
    expect(await devices.changeSettings(bob, { hideReadMarks: true })).toEqual({ hideReadMarks: true, doNotDisturb });
    expect(await devices.changeSettings(bob, { doNotDisturb: null })).toEqual({ hideReadMarks: true });
    expect(await devices.changeSettings(bob, {})).toEqual({ hideReadMarks: true });
    expect((await devices.settings([carol, bob])).get(bob)).toEqual({ hideReadMarks: true });

    const [c1, c2] = ['c1', 'c2'].map((id) => `${id}-${bob}` as LaneId) as [LaneId, LaneId];
    await devices.mute(bob, c1, now + DAY);
    await devices.mute(bob, c2, now + 2 * DAY);
    await devices.mute(carol, c1, now + 3 * DAY);
    expect(await devices.mutedIn(c1, [bob, newUser()], now)).toEqual(new Map([[bob, now + DAY]]));
    const crowd = [bob, carol, ...Array.from({ length: 1_500 }, (_, i) => `nobody-${i}` as UserId)];
    expect(new Set((await devices.mutedIn(c1, crowd, now)).keys())).toEqual(new Set([bob, carol]));
    expect(await devices.mutesOf(bob, [c1, c2], now + DAY)).toEqual(new Map([[c2, now + 2 * DAY]]));
    await devices.mute(bob, c2, null);
    expect(await devices.mutesOf(bob, [c1, c2], now)).toEqual(new Map([[c1, now + DAY]]));
  });

  it('has the indexes that it needs', async () => {
    const client = new MongoClient(servers.mongo.url);
    const names = async (name: string) =>
      (await client.db(servers.config().mongo.database).collection(name).indexes()).map((index) => index.name).sort();
    expect(await names('devices')).toEqual(['_id_', 'forgotten', 'token', 'user']);
    expect(await names('mutes')).toEqual(['_id_', 'lane', 'over']);
    await client.close();
  });

  it('cannot be told while MongoDB is down, and can be afterwards', async () => {
    const bob = newUser();
    await devices.register(bob, phone, undefined);
    await servers.mongo.kill9();
    const began = performance.now();
    for (const asked of [
      devices.of([bob]),
      devices.register(bob, phone, null),
      devices.seen(bob, phone),
      devices.settings([bob]),
    ])
      await expect(asked).rejects.toThrow(HistoryUnavailable);
    expect(performance.now() - began).toBeLessThan(4_000);
    await servers.mongo.restart();
    await until(
      () => devices.seen(bob, phone).catch(() => false),
      (is) => is,
    );
    expect(await devices.of([bob])).toHaveProperty('size', 1);
  });
});
