/** Devices, settings and mutes, by the front door: what a user says of them, and that nobody ever reads an address. */
import { randomBytes } from 'node:crypto';
import { MongoClient } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, clientOf, codesOf, type Data, startApi, until } from './support/api.ts';
import { ACKNOWLEDGE, groupOf, type House, openHouse, REGISTER, register, say } from './support/chat.ts';

let house: House;
let alice: Client;
let bob: Client;

beforeAll(async () => {
  house = await openHouse();
  [alice, bob] = await Promise.all([clientOf(house.api, 'alice'), clientOf(house.api, 'bob')]);
});
afterAll(() => house?.stop());

const UNREGISTER =
  'mutation($input: UnregisterDeviceInput!) { unregisterDevice(input: $input) { changed refused { code } } }';
const SETTINGS = 'settings { hideReadMarks doNotDisturb { from to timeZone } }';
const UPDATE = `mutation($input: UpdateSettingsInput!) { updateSettings(input: $input) { ${SETTINGS} refused { code } } }`;
const MUTE =
  'mutation($input: MuteConversationInput!) { muteConversation(input: $input) { conversation { id mutedUntil } refused { code } } }';
const DEVICES = '{ me { devices { id provider lastSeenAt tokenState } } }';

let users = 0;
const somebody = (): Promise<Client> => clientOf(house.api, `user${++users}`);
const devicesOf = async (by: Client): Promise<Data> => (await by.ask(DEVICES)).me.devices;
const registering = async (by: Client, device: string, push?: unknown): Promise<Data> =>
  (await by.ask(REGISTER, { input: { device, ...(push === undefined ? {} : { push }) } })).registerDevice;
const webPush = () => ({
  endpoint: `https://updates.push.services.mozilla.com/wpush/v2/${randomBytes(12).toString('hex')}`,
  p256dh: Buffer.concat([Buffer.from([4]), randomBytes(64)]).toString('base64url'),
  auth: randomBytes(16).toString('base64url'),
});

describe('a push service', () => {
  it('is one of a browser, or one that LANES_WEB_PUSH_HOSTS names', async () => {
    const open = await startApi(house.servers, { LANES_WEB_PUSH_HOSTS: 'up.example.org, *.ntfy.example' });
    const by = await clientOf(open, 'unified');
    const kinds = [
      'https://up.example.org/x',
      'https://a.b.ntfy.example/x',
      webPush().endpoint,
      'https://example.org/x',
    ];
    const codes: string[][] = [];
    for (const endpoint of kinds)
      codes.push(
        codesOf(await by.post(REGISTER, { input: { device: 'd', push: { webPush: { ...webPush(), endpoint } } } })),
      );
    expect(codes).toEqual([[], [], [], ['BAD_USER_INPUT']]);
    await open.stop();
  });
});

describe('a device', () => {
  it('is registered with an address of each kind, and shows which, never the address', async () => {
    const by = await somebody();
    const addresses: readonly [string, Data, string][] = [
      ['a', { apns: { token: 'aabb01', topic: 'org.example.app', environment: 'SANDBOX' } }, 'APNS'],
      ['b', { fcm: { token: 'fcm:token_1-x' } }, 'FCM'],
      ['c', { gcm: { token: 'gcm:token' } }, 'GCM'],
      ['d', { webPush: webPush() }, 'WEB_PUSH'],
    ];
    for (const [device, push, provider] of addresses)
      expect(await registering(by, device, push)).toEqual({
        device: { id: device, provider, lastSeenAt: expect.any(String), tokenState: 'VALID' },
        refused: null,
      });
    const listed = await devicesOf(by);
    expect(listed.map(({ id, provider }: Data) => `${id} ${provider}`)).toEqual([
      'a APNS',
      'b FCM',
      'c GCM',
      'd WEB_PUSH',
    ]);
    expect(JSON.stringify(listed)).not.toMatch(/aabb01|token_1|mozilla/);
  });

  it('keeps its address where none is said, and loses it where it is null', async () => {
    const by = await somebody();
    const none = { provider: null, tokenState: null };
    expect((await registering(by, 'phone')).device).toMatchObject({ id: 'phone', ...none });
    await registering(by, 'phone', { fcm: { token: `t-${by.user}` } });
    expect((await registering(by, 'phone')).device).toMatchObject({ provider: 'FCM', tokenState: 'VALID' });
    expect((await registering(by, 'phone', null)).device).toMatchObject(none);
  });

  it('takes its address along when that is registered elsewhere', async () => {
    const [one, other] = [await somebody(), await somebody()];
    await registering(one, 'phone', { fcm: { token: 'moving' } });
    await registering(other, 'phone', { fcm: { token: 'moving' } });
    expect(await devicesOf(one)).toMatchObject([{ id: 'phone', tokenState: 'MOVED' }]);
    expect(await devicesOf(other)).toMatchObject([{ id: 'phone', tokenState: 'VALID' }]);
  });

  it('is its user’s alone: the same name is another device of another user', async () => {
    const [one, other] = [await somebody(), await somebody()];
    await register(one, 'phone');
    expect(await devicesOf(other)).toEqual([]);
    expect((await other.ask(UNREGISTER, { input: { device: 'phone' } })).unregisterDevice.changed).toBe(false);
    expect(await devicesOf(one)).toHaveLength(1);
  });

  it('is forgotten when it is told to be, and then unknown', async () => {
    const by = await somebody();
    const id = await groupOf(by, []);
    await register(by, 'phone');
    const unregister = async () => (await by.ask(UNREGISTER, { input: { device: 'phone' } })).unregisterDevice;
    expect(await unregister()).toEqual({ changed: true, refused: null });
    expect(await unregister()).toEqual({ changed: false, refused: null });
    const answer = await by.post(ACKNOWLEDGE, {
      input: { device: 'phone', marks: [{ conversationId: id, seq: 1 }] },
    });
    expect(answer.data).toEqual({ acknowledge: null });
    expect(answer.errors).toMatchObject([{ extensions: { code: 'UNKNOWN_DEVICE', retryable: false } }]);
  });

  it('is forgotten when it was not seen for 90 days', async () => {
    const by = await somebody();
    await register(by, 'old');
    const mongo = await new MongoClient(house.servers.mongo.url).connect();
    const gone = new Date(Date.now() - 91 * 24 * 60 * 60 * 1000);
    const { modifiedCount } = await mongo
      .db(house.api.config.mongo.database)
      .collection<{ _id: { u: string; d: string } }>('devices')
      .updateOne({ _id: { u: by.user, d: 'old' } }, { $set: { lastSeenAt: gone } });
    await mongo.close();
    expect(modifiedCount).toBe(1);
    expect(await devicesOf(by)).toEqual([]);
    const answer = await by.post(ACKNOWLEDGE, { input: { device: 'old', marks: [{ conversationId: 'c', seq: 1 }] } });
    expect(codesOf(answer)).toEqual(['UNKNOWN_DEVICE']);
    expect(await register(by, 'old')).toMatchObject({ id: 'old' });
  });

  it('is one of a hundred at the most', async () => {
    const by = await somebody();
    await Promise.all(Array.from({ length: 100 }, (_, i) => register(by, `d${i}`)));
    expect(await registering(by, 'one-more')).toEqual({
      device: null,
      refused: { code: 'DEVICE_LIMIT', message: expect.any(String), retryable: false, retryAfterMs: null },
    });
    expect((await registering(by, 'd7')).refused).toBeNull();
  });

  it('is not registered with what cannot be an address, and the error does not repeat it', async () => {
    const bad: readonly [Data, string][] = [
      [{ apns: { token: 'secret-not-hex' } }, 'input.push.apns.token'],
      [{ apns: { token: 'ab', topic: 'a b' } }, 'input.push.apns.topic'],
      [{ fcm: { token: 'secret with space' } }, 'input.push.fcm.token'],
      [{ gcm: { token: '' } }, 'input.push.gcm.token'],
      [{ webPush: { ...webPush(), endpoint: 'http://secret.example.org/' } }, 'input.push.webPush.endpoint'],
      [{ webPush: { ...webPush(), endpoint: 'https://a:b@secret.example.org/' } }, 'input.push.webPush.endpoint'],
      [{ webPush: { ...webPush(), endpoint: 'https://secret.example.org/' } }, 'input.push.webPush.endpoint'],
      [{ webPush: { ...webPush(), p256dh: 'secret' } }, 'input.push.webPush.p256dh'],
      [{ webPush: { ...webPush(), auth: 'secret' } }, 'input.push.webPush.auth'],
    ];
    for (const [push, field] of bad) {
      const answer = await alice.post(REGISTER, { input: { device: 'phone', push } });
      expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
      expect(answer.errors[0]?.message).toMatch(new RegExp(`^${field.replaceAll('.', '\\.')}: `));
      expect(answer.errors[0]?.message).not.toContain('secret');
    }
    for (const push of [{}, { fcm: { token: 'a' }, gcm: { token: 'a' } }])
      expect(codesOf(await alice.post(REGISTER, { input: { device: 'phone', push } }))).toEqual(['BAD_USER_INPUT']);
    expect(codesOf(await alice.post(REGISTER, { input: { device: 'a.b' } }))).toEqual(['BAD_USER_INPUT']);
    expect(await devicesOf(alice)).toEqual([]);
  });
});

describe('settings', () => {
  it('are as by default until they are changed, and what is left out stays', async () => {
    const by = await somebody();
    const read = async (): Promise<Data> => (await by.ask(`{ me { ${SETTINGS} } }`)).me.settings;
    const update = async (input: Data): Promise<Data> => (await by.ask(UPDATE, { input })).updateSettings;
    expect(await read()).toEqual({ hideReadMarks: false, doNotDisturb: null });
    const doNotDisturb = { from: '22:00', to: '07:30', timeZone: 'Europe/Berlin' };
    expect(await update({ hideReadMarks: true })).toEqual({
      settings: { hideReadMarks: true, doNotDisturb: null },
      refused: null,
    });
    await update({ doNotDisturb });
    expect(await read()).toEqual({ hideReadMarks: true, doNotDisturb });
    await update({});
    await update({ hideReadMarks: null });
    expect(await read()).toEqual({ hideReadMarks: false, doNotDisturb });
    await update({ doNotDisturb: null });
    expect(await read()).toEqual({ hideReadMarks: false, doNotDisturb: null });
  });

  it('take times of day and names of time zones only', async () => {
    const good = { from: '22:00', to: '07:30', timeZone: 'UTC' };
    const bad = [
      { from: '24:00' },
      { to: '7:30' },
      { to: '22:00' },
      { timeZone: 'Mars/Olympus' },
      { timeZone: '+01:00' },
    ];
    for (const one of bad) {
      const answer = await alice.post(UPDATE, { input: { doNotDisturb: { ...good, ...one } } });
      expect([codesOf(answer), answer.data]).toEqual([['BAD_USER_INPUT'], { updateSettings: null }]);
    }
  });
});

describe('a mute', () => {
  const mute = async (by: Client, conversationId: string, until: unknown): Promise<Data> =>
    (await by.ask(MUTE, { input: { conversationId, until } })).muteConversation;

  it('lasts until its time, is its user’s alone, and ends when it is told to', async () => {
    const id = await groupOf(alice, ['bob']);
    const until = '2099-01-01T00:00:00.000Z';
    expect(await mute(alice, id, until)).toEqual({ conversation: { id, mutedUntil: until }, refused: null });
    const seenBy = async (by: Client): Promise<Data> =>
      (await by.ask('query($id: ID!) { conversation(id: $id) { mutedUntil } }', { id })).conversation.mutedUntil;
    expect([await seenBy(alice), await seenBy(bob)]).toEqual([until, null]);
    expect((await mute(alice, id, '2099-01-01T01:00:00+01:00')).conversation.mutedUntil).toBe(until);
    expect((await mute(alice, id, '2001-01-01T00:00:00Z')).conversation.mutedUntil).toBeNull();
    await mute(alice, id, until);
    expect((await mute(alice, id, null)).conversation.mutedUntil).toBeNull();
  });

  it('is refused to who is not in the conversation, and takes a time only', async () => {
    const id = await groupOf(alice, []);
    const nothing = { conversation: null, refused: { code: 'NOT_FOUND' } };
    expect([await mute(bob, id, null), await mute(bob, 'nowhere', null)]).toEqual([nothing, nothing]);
    const admin = await clientOf(house.api, 'root', { scope: 'lanes:admin' });
    expect(await mute(admin, id, null)).toEqual(nothing);
    for (const until of ['tomorrow', '2025-01-01', 12])
      expect(codesOf(await alice.post(MUTE, { input: { conversationId: id, until } }))).toEqual(['BAD_USER_INPUT']);
  });
});

it('with MongoDB down devices are unavailable, and sends go on', async () => {
  const id = await groupOf(alice, ['bob']);
  await house.servers.mongo.kill9();
  try {
    const answer = await alice.post(REGISTER, { input: { device: 'phone' } });
    expect([codesOf(answer), answer.data]).toEqual([['UNAVAILABLE'], { registerDevice: null }]);
    expect((await alice.post(DEVICES)).data).toEqual({ me: { devices: null } });
    expect(await say(alice, id)).toBe(2);
  } finally {
    await house.servers.mongo.restart();
  }
  await until(async () => (await alice.post(DEVICES)).errors.length === 0);
});
