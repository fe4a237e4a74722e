import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DeviceId, LaneId } from '../schema/ids.ts';
import type { Running } from '../services/run.ts';
import { fcm, type Notifying, startNotifying, untilSo } from './support/notifying.ts';
import { TOPIC } from './support/providers/all.ts';
import { gcmResult } from './support/providers/gcm.ts';
import { fcmError } from './support/providers/google.ts';
import { apnsToken } from './support/providers/pushing.ts';
import { laneId, userId } from './support/scribe.ts';

let all: Notifying;
beforeAll(async () => {
  all = await startNotifying();
});
afterAll(() => all?.stop());

/** What Firebase took for a device, in order. */
const pushesTo = (token: string) => all.providers.fcm.pushes.filter((push) => push.token === token);
const seqsTo = (token: string, lane?: LaneId) =>
  pushesTo(token).flatMap(({ lanes: { kind, seq, conversationId } }) =>
    kind === 'message' && (lane === undefined || conversationId === lane) ? [seq] : [],
  );
const stateOf = async (lane: LaneId, seq: number, user: string) => (await all.deliveryOf(lane, seq, user)).state;
const reasonOf = async (lane: LaneId, seq: number, user: string) =>
  (await all.deliveryOf(lane, seq, user)).noPushReason;

describe('the notifier', () => {
  let notifier: Running;
  beforeAll(async () => {
    notifier = await all.startNotifier();
  });
  afterAll(() => notifier?.stop());

  test('pushes what nobody acknowledged, once, when the grace is over, and says so', async () => {
    const { apns } = all.providers;
    await all.register('bob', 'iphone', { provider: 'APNS', token: apnsToken('bob') });
    await all.scribe.write(laneId('first'), [
      { type: 'ConversationCreated', kind: 'GROUP', members: ['alice', 'bob'], title: 'lunch' },
    ]);
    await all.scribe.say(laneId('first'), 1);
    expect(await all.deliveryOf(laneId('first'), 2, 'bob')).toMatchObject({
      state: 'ACCEPTED',
      noPushReason: 'WAITING_GRACE',
      attempts: [],
    });
    await untilSo(() => apns.pushes.length > 0);
    const [push] = apns.pushes;
    expect(push).toMatchObject({ token: apnsToken('bob'), topic: TOPIC, pushType: 'alert' });
    expect(push?.collapseId).toBeTruthy();
    expect(push?.payload.aps).toMatchObject({ badge: 1, 'mutable-content': 1 });
    expect(push?.payload.lanes).toMatchObject({
      ...{ v: 1, kind: 'message', conversationId: 'first', seq: 2, messageId: 'first:2', senderId: 'alice' },
      ...{ title: 'lunch', text: 'message 0', unread: 1, badge: 1 },
    });
    await untilSo(async () => (await stateOf(laneId('first'), 2, 'bob')) === 'NOTIFIED');
    const delivery = await all.deliveryOf(laneId('first'), 2, 'bob');
    expect(delivery.noPushReason).toBeUndefined();
    expect(delivery.attempts).toEqual([
      { device: 'iphone', provider: 'APNS', at: delivery.notifiedAt, outcome: 'SENT' },
    ]);
    await all.mark('bob', laneId('first'), 2, 'delivered', 'iphone');
    expect(await all.deliveryOf(laneId('first'), 2, 'bob')).toMatchObject({
      state: 'DELIVERED',
      deliveredTo: 'iphone',
    });
    await all.mark('bob', laneId('first'), 2, 'read');
    expect(await all.deliveryOf(laneId('first'), 2, 'bob')).toMatchObject({ state: 'READ' });
  });

  test('an address that is refused ten times in a row is taken away, one that is taken meanwhile stays', async () => {
    const { webPush } = all.providers;
    const refused = webPush.subscribe();
    await all.register('zoe', 'browser', refused);
    const say = async (name: string): Promise<void> => {
      await all.scribe.create(laneId(name), 'zoe');
      await all.scribe.say(laneId(name), 1);
      await untilSo(async () => (await all.deliveryOf(laneId(name), 2, 'zoe')).attempts.length > 0);
    };
    const device = () => all.devices.get(userId('zoe'), 'browser' as DeviceId);
    webPush.next(...Array.from({ length: 9 }, () => ({ status: 400 })), { status: 201 });
    for (let i = 0; i < 10; i++) await say(`refused-${i}`);
    await untilSo(async () => (await device())?.refusals === undefined);
    expect(await device()).toMatchObject({ tokenState: 'VALID', push: refused });
    webPush.next(...Array.from({ length: 10 }, () => ({ status: 400 })));
    for (let i = 10; i < 20; i++) await say(`refused-${i}`);
    await untilSo(async () => (await device())?.tokenState === 'DEAD');
    expect((await device())?.push).toBeUndefined();
  }, 60_000);

  test('nobody who has it, muted it, sleeps, has no device or left is pushed, and each has a reason', async () => {
    const lane = laneId('reasons');
    const now = new Date();
    const wall = (minutes: number) => new Date(now.getTime() + minutes * 60_000).toISOString().slice(11, 16);
    for (const user of ['has', 'muted', 'asleep', 'left', 'last']) await all.register(user);
    await all.devices.register(userId('mute'), 'phone' as DeviceId, null);
    await all.devices.mute(userId('muted'), lane, Date.now() + 60_000);
    const doNotDisturb = { from: wall(-60), to: wall(60), timeZone: 'UTC' };
    await all.devices.changeSettings(userId('asleep'), { doNotDisturb });
    await all.scribe.create(lane, 'has', 'muted', 'asleep', 'nobody', 'mute', 'left', 'last');
    await all.scribe.say(lane, 1);
    await all.mark('has', lane, 2, 'delivered', 'phone');
    await all.scribe.write(lane, [{ type: 'MemberRemoved', member: 'left' }]);
    await untilSo(() => pushesTo('last-phone').length === 1);
    await untilSo(async () => (await reasonOf(lane, 2, 'muted')) === 'MUTED');
    expect(await reasonOf(lane, 2, 'has')).toBe('DELIVERED_IN_TIME');
    expect(await reasonOf(lane, 2, 'asleep')).toBe('DO_NOT_DISTURB');
    expect(await reasonOf(lane, 2, 'nobody')).toBe('NO_DEVICE');
    expect(await reasonOf(lane, 2, 'mute')).toBe('NO_PUSH_ADDRESS');
    expect(await all.deliveryOf(lane, 2, 'left')).toBeUndefined();
    for (const user of ['has', 'muted', 'asleep', 'left']) expect(pushesTo(`${user}-phone`)).toEqual([]);
  });

  test('the badge is what is unread over all conversations, and falls with it', async () => {
    const [one, two] = [await all.tell('badge1', 'ben'), await all.tell('badge2', 'ben')];
    await untilSo(() => pushesTo('ben-phone').length === 2);
    // Both are in history by now, so that the next count has them.
    await all.scribe.say(one, 2, 2);
    await untilSo(() => pushesTo('ben-phone').length === 4);
    expect(pushesTo('ben-phone')[3]?.lanes).toMatchObject({ conversationId: one, unread: 3, badge: 4 });
    await all.mark('ben', two, 2, 'read');
    await all.scribe.say(one, 1);
    await untilSo(() => seqsTo('ben-phone', one).length === 4);
    expect(pushesTo('ben-phone').at(-1)?.lanes).toMatchObject({ conversationId: one, unread: 4, badge: 4 });
  });

  test('a dead token is taken away and said; the other phone gets its push', async () => {
    await all.register('dan', 'old', fcm('dan-old'));
    all.providers.fcm.next(fcmError(404, 'NOT_FOUND', { code: 'UNREGISTERED' }));
    const lane = laneId('dead');
    await all.scribe.create(lane, 'dan');
    await all.scribe.say(lane, 1);
    await untilSo(async () => (await reasonOf(lane, 2, 'dan')) === 'TOKEN_DEAD');
    expect((await all.devices.get(userId('dan'), 'old' as DeviceId))?.tokenState).toBe('DEAD');
    expect((await all.deliveryOf(lane, 2, 'dan')).attempts).toMatchObject([{ device: 'old', outcome: 'REFUSED' }]);
    await all.register('dan', 'new', fcm('dan-new'));
    await all.scribe.say(lane, 1);
    await untilSo(() => seqsTo('dan-new').length === 1);
    expect(seqsTo('dan-old')).toEqual([]);
  });

  test('what was read takes its notification from the other devices that had one, and from no others', async () => {
    await all.register('rita', 'laptop', fcm('rita-laptop'));
    const lane = await all.tell('read', 'rita', 'rob');
    await untilSo(() => seqsTo('rita-phone').length === 1 && seqsTo('rita-laptop').length === 1);
    await untilSo(async () => (await stateOf(lane, 2, 'rita')) === 'NOTIFIED');
    await all.mark('rita', lane, 2, 'read', 'laptop');
    const reads = (token: string) => pushesTo(token).filter(({ lanes }) => lanes['kind'] === 'read');
    await untilSo(() => reads('rita-phone').length === 1);
    expect(reads('rita-phone')[0]?.lanes).toEqual({ v: 1, kind: 'read', conversationId: lane, readSeq: 2, badge: 0 });
    expect(reads('rita-laptop')).toEqual([]);
    expect(reads('rob-phone')).toEqual([]);
  });

  test('a token that its provider replaces is the device’s from then on, also where a read push brought it', async () => {
    const { gcm } = all.providers;
    const gcmAddress = (token: string) => ({ provider: 'GCM', token }) as const;
    await all.register('gus', 'phone', gcmAddress('gus-1'));
    await all.register('gus', 'laptop', gcmAddress('gus-laptop'));
    const tokenOf = async () => {
      const push = (await all.devices.get(userId('gus'), 'phone' as DeviceId))?.push;
      return push?.provider === 'GCM' ? push.token : undefined;
    };
    const answerTo = (token: string) => gcm.pushes.filter(({ to }) => to === token).length;
    const lane = laneId('replaced');
    await all.scribe.create(lane, 'gus');
    await all.scribe.say(lane, 1);
    await untilSo(() => answerTo('gus-1') === 1 && answerTo('gus-laptop') === 1);
    await untilSo(async () => (await stateOf(lane, 2, 'gus')) === 'NOTIFIED');
    gcm.next(gcmResult({ message_id: 'm', registration_id: 'gus-2' }));
    await all.mark('gus', lane, 2, 'read', 'laptop');
    await untilSo(async () => (await tokenOf()) === 'gus-2');
    gcm.next(gcmResult({ message_id: 'm', registration_id: 'gus-3' }), gcmResult({ message_id: 'n' }));
    await all.devices.unregister(userId('gus'), 'laptop' as DeviceId);
    await all.scribe.say(lane, 1);
    await untilSo(async () => (await tokenOf()) === 'gus-3');
    await untilSo(async () => (await stateOf(lane, 3, 'gus')) === 'NOTIFIED');
  });

  test('a provider in trouble: what waits is pushed after it, the last of a conversation alone, and nobody else waits', async () => {
    const { fcm: firebase, apns } = all.providers;
    await all.register('other', 'iphone', { provider: 'APNS', token: apnsToken('other') });
    firebase.always(fcmError(503, 'UNAVAILABLE'));
    try {
      const lane = await all.tell('trouble', 'tina', 'other');
      await all.scribe.say(lane, 4);
      await untilSo(async () => (await all.deliveryOf(lane, 6, 'tina')).attempts.length > 0);
      expect(await reasonOf(lane, 6, 'tina')).toBe('WAITING_PROVIDER');
      await untilSo(() =>
        apns.pushes.some(({ token, payload }) => token === apnsToken('other') && payload.lanes['seq'] === 6),
      );
      // Who gets it meanwhile is not told any more.
      const late = await all.tell('late', 'lars');
      await untilSo(
        async () =>
          (await all.deliveryOf(late, 2, 'lars')).attempts.length > 0 ||
          (await reasonOf(late, 2, 'lars')) === 'WAITING_PROVIDER',
      );
      await all.mark('lars', late, 2, 'delivered', 'phone');
      firebase.always(undefined);
      await untilSo(() => seqsTo('tina-phone').includes(6), 30_000);
      await untilSo(
        async () => (await reasonOf(lane, 2, 'tina')) === 'SUPERSEDED' || seqsTo('tina-phone').includes(2),
        30_000,
      );
      await untilSo(async () => (await reasonOf(late, 2, 'lars')) === 'DELIVERED_IN_TIME', 30_000);
      expect(seqsTo('tina-phone').at(-1)).toBe(6);
      expect(seqsTo('lars-phone')).toEqual([]);
    } finally {
      firebase.always(undefined);
    }
  }, 60_000);

  test('a provider that hangs holds up nobody else', async () => {
    const { apns } = all.providers;
    apns.always('silence');
    try {
      await all.register('hung', 'iphone', { provider: 'APNS', token: apnsToken('hung') });
      const lane = laneId('hanging');
      await all.scribe.create(lane, 'hung');
      await all.scribe.say(lane, 8);
      const hangs = () => apns.requests.filter(({ path }) => path.includes(apnsToken('hung'))).length;
      await untilSo(() => hangs() > 0);
      const since = Date.now();
      await all.tell('swift', 'sven');
      await untilSo(() => seqsTo('sven-phone').length === 1);
      expect(Date.now() - since).toBeLessThan(5_000);
      expect(await reasonOf(lane, 2, 'hung')).toBe('WAITING_PROVIDER');
    } finally {
      apns.always(undefined);
    }
    const lane = laneId('hanging');
    await untilSo(async () => (await stateOf(lane, 9, 'hung')) === 'NOTIFIED', 40_000);
  }, 60_000);

  test('MongoDB down for a while: nothing that is undelivered stays unpushed, and nothing is pushed twice', async () => {
    const lane = await all.tell('outage', 'mo');
    await untilSo(() => seqsTo('mo-phone').length === 1);
    await all.servers.mongo.kill9();
    await all.scribe.say(lane, 3);
    await all.servers.mongo.restart();
    await untilSo(() => seqsTo('mo-phone').includes(5), 40_000);
    await untilSo(async () => (await stateOf(lane, 5, 'mo')) === 'NOTIFIED', 40_000);
    const seqs = seqsTo('mo-phone');
    for (const seq of [3, 4])
      await untilSo(async () => seqs.includes(seq) || (await reasonOf(lane, seq, 'mo')) === 'SUPERSEDED', 40_000);
    expect(new Set(seqs).size).toBe(seqs.length);
  }, 90_000);

  test('two notifiers share the work, and one goes on when the other ends', async () => {
    const other = await all.startNotifier();
    const lanes = await Promise.all(Array.from({ length: 8 }, (_, i) => all.tell(`shared${i}`, `sh${i}`)));
    await untilSo(() => lanes.every((_, i) => seqsTo(`sh${i}-phone`).length === 1));
    await other.stop();
    await Promise.all(lanes.map((lane) => all.scribe.say(lane, 1)));
    await untilSo(() => lanes.every((_, i) => seqsTo(`sh${i}-phone`).length === 2));
  });
});

test('privacy: no text, no title, no name', async () => {
  const notifier = await all.startNotifier({ LANES_PUSH_PRIVACY: 'true' });
  try {
    await all.tell('private', 'pia');
    await untilSo(() => pushesTo('pia-phone').length === 1);
    const { lanes } = pushesTo('pia-phone')[0] ?? { lanes: {} };
    expect(lanes).toMatchObject({ kind: 'message', seq: 2, badge: 1 });
    for (const name of ['text', 'title', 'senderName']) expect(lanes).not.toHaveProperty(name);
  } finally {
    await notifier.stop();
  }
});

describe('a notifier that is killed', () => {
  const killed = async (child: ChildProcess): Promise<void> => {
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
  };

  test('again and again: everything is pushed all the same, and little of it twice', async () => {
    const users = Array.from({ length: 40 }, (_, i) => `k${i}`);
    const lanes: LaneId[] = [];
    let child = await all.spawnNotifier();
    for (const [i, user] of users.entries()) {
      lanes.push(await all.tell(`kill${i}`, user));
      if (i % 20 !== 19) continue;
      // Some are pushed, some are on their way, some wait for their grace.
      await untilSo(() => seqsTo(`${users[i - 10]}-phone`).length > 0);
      await killed(child);
      child = await all.spawnNotifier();
    }
    await untilSo(() => users.every((user) => seqsTo(`${user}-phone`).length > 0), 60_000);
    const count = users.reduce((sum, user) => sum + seqsTo(`${user}-phone`).length, 0);
    // Twice comes what was under way at one of the two kills, which on a busy machine may be all that was due.
    expect(count / users.length).toBeLessThanOrEqual(1.5);
    for (const [i, user] of users.entries())
      await untilSo(async () => (await stateOf(lanes[i] as LaneId, 2, user)) === 'NOTIFIED', 60_000);
    await killed(child);
  }, 120_000);

  test('between the provider’s taking a push and the ledger’s knowing: it is pushed once more', async () => {
    let child = await all.spawnNotifier();
    all.providers.fcm.next('silence');
    const lane = await all.tell('between', 'bea');
    const { requests } = all.providers.fcm;
    await untilSo(() => requests.some(({ body }) => body.includes('bea-phone')));
    await killed(child);
    child = await all.spawnNotifier();
    // Sooner than its claim would have run out.
    await untilSo(async () => (await stateOf(lane, 2, 'bea')) === 'NOTIFIED', 20_000);
    expect(seqsTo('bea-phone')).toEqual([2]);
    await killed(child);
  }, 90_000);
});
