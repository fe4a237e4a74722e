/** How far a message has come, by the front door: who sees what of it, by query and as it happens. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceId, LaneId, Revision, Seq, UserId } from '../schema/ids.ts';
import type { DeliveryBell } from '../services/journal/bell.ts';
import { openDeliveryBell } from '../services/journal/bell-nats.ts';
import { createLogger } from '../services/logger.ts';
import { Mongo } from '../services/views/connect.ts';
import { type Claim, Ledger } from '../services/views/ledger.ts';
import { createLedger } from '../services/views/ledger-documents.ts';
import {
  type Client,
  clientOf,
  codesOf,
  type Data,
  eventsFrom,
  socketOf,
  type TestSocket,
  until,
} from './support/api.ts';
import {
  acknowledge,
  changeMembers,
  DELIVERY,
  groupOf,
  type House,
  markRead,
  openHouse,
  register,
  say,
} from './support/chat.ts';

let house: House;
/** What a notifier has. */
let mongo: Mongo;
let bell: DeliveryBell;
let alice: Client;
let bob: Client;
let carol: Client;
let eve: Client;
let root: Client;

beforeAll(async () => {
  house = await openHouse();
  const of = (user: string, scope?: string) => clientOf(house.api, user, scope ? { scope } : {});
  [alice, bob, carol, eve, root] = (await Promise.all([
    of('alice'),
    of('bob'),
    of('carol'),
    of('eve'),
    of('root', 'lanes:admin'),
  ])) as [Client, Client, Client, Client, Client];
  await Promise.all([register(bob, 'phone'), register(carol, 'tablet')]);
  const log = createLogger({ logLevel: 'error' }, 'notifier', 2);
  const { config } = house.api;
  mongo = new Mongo(config.mongo, log, { socketTimeoutMs: 5_000, maxPoolSize: 2 });
  bell = await openDeliveryBell({ ...config.nats, partitions: config.partitions, log, name: 'notifier' });
});
afterAll(async () => {
  await Promise.all([bell?.close(), mongo?.close()]);
  await house?.stop();
});

const FIELDS = `id conversationId seq user { id } state acceptedAt notifiedAt deliveredAt readAt deliveredTo
  attempts { device provider at outcome code } noPushReason`;
const PAGE = `query($id: ID!, $seq: Int!, $first: Int, $after: String) { message(conversationId: $id, seq: $seq) {
  sentAt delivery(first: $first, after: $after) {
    nodes { ${FIELDS} } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    recipientCount deliveredCount readCount } } }`;
const AT = expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/);

const page = async (by: Client, id: string, seq: number, args: Data = {}): Promise<Data> =>
  (await by.ask(PAGE, { id, seq, ...args })).message.delivery;
const statesSeenBy = async (by: Client, id: string, seq: number): Promise<string[]> =>
  (await page(by, id, seq)).nodes.map(({ user, state }: Data) => `${user.id} ${state}`);
const hide = (by: Client, hideReadMarks: boolean) =>
  by.ask('mutation($input: UpdateSettingsInput!) { updateSettings(input: $input) { refused { code } } }', {
    input: { hideReadMarks },
  });

const delivered = (socket: TestSocket, id = '1'): Data[] => socket.nexts(id).map(({ data }) => data.delivery);
const storyOf = (socket: TestSocket, id = '1'): string[] =>
  delivered(socket, id).map(({ user, state }) => `${user.id} ${state}`);
async function follow(by: Client, id: string, seq: number): Promise<TestSocket> {
  const socket = await socketOf(house.api, by.token);
  socket.subscribe('1', DELIVERY, { id, seq });
  return socket;
}

/** What the notifier writes down when a provider has taken a push, and the bell that it rings. */
async function notified(lane: string, seq: number, user: string, device: string): Promise<void> {
  const place = { lane: lane as LaneId, seq: seq as Seq };
  const subject = { ...place, revision: 1 as Revision, acceptedAt: Date.now(), part: 0 };
  const asOf = Date.now();
  const claim: Claim = { subject, user: user as UserId, device: device as DeviceId, provider: 'FCM', asOf };
  const ledger = new Ledger(() => mongo.db());
  await createLedger(await mongo.db());
  await ledger.decide([{ subject, push: [user as UserId], no: new Map(), asOf }]);
  const claimedUntil = Date.now() + 60_000;
  expect(await ledger.claim([claim], claimedUntil, Date.now())).toEqual([true]);
  const attempt = { at: Date.now(), o: 'SENT', code: 'OK' } as const;
  await ledger.settle([{ claim, attempt, now: { kind: 'sent' }, claimedUntil }]);
  bell.ring({ ...place, users: [user as UserId] });
}

describe('Message.delivery', () => {
  it('shows its sender every recipient with states and times, and no device of theirs', async () => {
    const id = await groupOf(alice, ['carol', 'bob']);
    const seq = await say(alice, id);
    const before = await page(alice, id, seq);
    expect(before).toMatchObject({ recipientCount: 2, deliveredCount: 0, readCount: 0 });
    expect(before.nodes).toEqual(
      ['bob', 'carol'].map((user) => ({
        id: `${id}:${seq}:${user}`,
        conversationId: id,
        seq,
        user: { id: user },
        state: 'ACCEPTED',
        acceptedAt: AT,
        notifiedAt: null,
        deliveredAt: null,
        readAt: null,
        deliveredTo: null,
        attempts: null,
        noPushReason: null,
      })),
    );
    await acknowledge(bob, 'phone', id, seq);
    await markRead(carol, id, seq);
    const after = await page(alice, id, seq);
    expect(after).toMatchObject({ recipientCount: 2, deliveredCount: 2, readCount: 1 });
    expect(after.nodes).toMatchObject([
      { state: 'DELIVERED', deliveredAt: AT, readAt: null, deliveredTo: null, attempts: null },
      { state: 'READ', deliveredAt: AT, readAt: AT, deliveredTo: null, noPushReason: null },
    ]);
  });

  it('shows a recipient itself alone, and all of that; to others nobody', async () => {
    const id = await groupOf(alice, ['bob', 'carol']);
    const seq = await say(alice, id);
    await changeMembers(alice, 'addMembers', { conversationId: id, members: ['eve'] });
    expect((await page(bob, id, seq)).nodes).toMatchObject([
      { user: { id: 'bob' }, state: 'ACCEPTED', attempts: [], noPushReason: 'WAITING_GRACE', deliveredTo: null },
    ]);
    await acknowledge(bob, 'phone', id, seq);
    expect(await page(bob, id, seq)).toMatchObject({
      nodes: [{ user: { id: 'bob' }, state: 'DELIVERED', deliveredTo: 'phone', noPushReason: 'DELIVERED_IN_TIME' }],
      recipientCount: null,
      deliveredCount: null,
      readCount: null,
    });
    // Who came after it is no recipient.
    expect((await page(eve, id, seq)).nodes).toEqual([]);
    expect(await statesSeenBy(alice, id, seq)).toEqual(['bob DELIVERED', 'carol ACCEPTED']);
  });

  it('shows everything to administrators, and to a server that acts for a member', async () => {
    const id = await groupOf(alice, ['bob', 'carol']);
    const seq = await say(alice, id);
    await acknowledge(bob, 'phone', id, seq);
    await notified(id, seq, 'carol', 'tablet');
    const whole = [
      {
        user: { id: 'bob' },
        state: 'DELIVERED',
        deliveredTo: 'phone',
        attempts: [],
        noPushReason: 'DELIVERED_IN_TIME',
      },
      {
        user: { id: 'carol' },
        state: 'NOTIFIED',
        notifiedAt: AT,
        attempts: [{ device: 'tablet', provider: 'FCM', at: AT, outcome: 'SENT', code: 'OK' }],
        noPushReason: null,
      },
    ];
    expect((await page(root, id, seq)).nodes).toMatchObject(whole);
    const server = await clientOf(house.api, 'backend', { scope: 'lanes:server' });
    const { data, errors } = await server.post(PAGE, { id, seq }, { 'Lanes-As': 'carol' });
    expect(errors).toEqual([]);
    expect(data.message.delivery.nodes).toMatchObject(whole);
    expect((await page(alice, id, seq)).nodes[1]).toMatchObject({ state: 'NOTIFIED', notifiedAt: AT, attempts: null });
  });

  it('withholds from others what a recipient has read, where it hides that', async () => {
    const id = await groupOf(alice, ['carol']);
    const seq = await say(alice, id);
    await markRead(carol, id, seq);
    await hide(carol, true);
    try {
      const shown = await page(alice, id, seq);
      expect(shown).toMatchObject({ deliveredCount: 1, readCount: 0, nodes: [{ state: 'DELIVERED', readAt: null }] });
      expect((await page(carol, id, seq)).nodes).toMatchObject([{ state: 'READ', readAt: AT }]);
    } finally {
      await hide(carol, false);
    }
    expect(await statesSeenBy(alice, id, seq)).toEqual(['carol READ']);
  });

  it('counts who answered as having read, and leaves out who has left', async () => {
    const id = await groupOf(alice, ['bob', 'carol']);
    const seq = await say(alice, id);
    await say(bob, id);
    await changeMembers(alice, 'removeMember', { conversationId: id, member: 'carol' });
    expect(await page(alice, id, seq)).toMatchObject({
      nodes: [{ user: { id: 'bob' }, state: 'READ', deliveredAt: AT, readAt: AT }],
      recipientCount: 1,
      deliveredCount: 1,
      readCount: 1,
    });
  });

  it('comes in pages', async () => {
    const id = await groupOf(alice, ['u3', 'u1', 'u5', 'u2', 'u4']);
    const seq = await say(alice, id);
    const users = ({ nodes }: Data): string[] => nodes.map(({ user }: Data) => user.id);
    const first = await page(alice, id, seq, { first: 2 });
    expect([users(first), first.pageInfo.hasNextPage, first.pageInfo.hasPreviousPage]).toEqual([
      ['u1', 'u2'],
      true,
      false,
    ]);
    const second = await page(alice, id, seq, { first: 3, after: first.pageInfo.endCursor });
    expect([users(second), second.pageInfo.hasNextPage, second.recipientCount]).toEqual([['u3', 'u4', 'u5'], false, 5]);
    expect(users(await page(alice, id, seq, { after: second.pageInfo.endCursor }))).toEqual([]);
    for (const args of [{ first: 0 }, { first: 101 }, { after: 'nonsense' }])
      expect(codesOf(await alice.post(PAGE, { id, seq, ...args }))).toEqual(['BAD_USER_INPUT']);
  });

  it('is null on a frame of a stream, which is the same for all its readers', async () => {
    const id = await groupOf(alice, ['bob']);
    const socket = await socketOf(house.api, alice.token);
    const query = `subscription($id: ID!) { conversation(id: $id, after: 0) {
      __typename ... on MessageSent { message { seq delivery { nodes { id } } } } } }`;
    socket.subscribe('1', query, { id });
    await say(alice, id);
    const { payload } = await socket.message(
      ({ payload: one }) => one?.data?.conversation.__typename === 'MessageSent',
    );
    expect(payload).toEqual({
      data: { conversation: { __typename: 'MessageSent', message: { seq: 2, delivery: null } } },
    });
    socket.socket.close();
  });
});

describe('Subscription.delivery', () => {
  it('brings the sender how it is now, then each change as it happens', async () => {
    const id = await groupOf(alice, ['bob']);
    const seq = await say(alice, id);
    const socket = await follow(alice, id, seq);
    await until(() => storyOf(socket).length === 1);
    await notified(id, seq, 'bob', 'phone');
    await until(() => storyOf(socket).length === 2);
    await acknowledge(bob, 'phone', id, seq);
    await until(() => storyOf(socket).length === 3);
    await markRead(bob, id, seq);
    await until(() => storyOf(socket).length === 4);
    expect(storyOf(socket)).toEqual(['bob ACCEPTED', 'bob NOTIFIED', 'bob DELIVERED', 'bob READ']);
    expect(delivered(socket).at(-1)).toEqual({
      id: `${id}:${seq}:bob`,
      conversationId: id,
      seq,
      user: { id: 'bob' },
      state: 'READ',
      acceptedAt: AT,
      notifiedAt: AT,
      deliveredAt: AT,
      readAt: AT,
      deliveredTo: null,
      attempts: null,
      noPushReason: null,
    });
    socket.socket.close();
  });

  it('brings each recipient to the sender, a recipient itself with everything, and the same where nothing changed never twice', async () => {
    const id = await groupOf(alice, ['bob', 'carol']);
    const seq = await say(alice, id);
    const [hers, his] = [await follow(alice, id, seq), await follow(bob, id, seq)];
    await until(() => storyOf(hers).length === 2 && storyOf(his).length === 1);
    await acknowledge(carol, 'tablet', id, seq);
    await until(() => storyOf(hers).includes('carol DELIVERED'));
    // Nothing new of it is told.
    await acknowledge(carol, 'tablet', id, seq);
    await acknowledge(bob, 'phone', id, seq);
    await until(() => storyOf(hers).includes('bob DELIVERED') && storyOf(his).includes('bob DELIVERED'));
    expect(storyOf(hers)).toEqual(['bob ACCEPTED', 'carol ACCEPTED', 'carol DELIVERED', 'bob DELIVERED']);
    expect(delivered(his)).toMatchObject([
      { user: { id: 'bob' }, state: 'ACCEPTED', noPushReason: 'WAITING_GRACE', attempts: [] },
      { user: { id: 'bob' }, state: 'DELIVERED', deliveredTo: 'phone', noPushReason: 'DELIVERED_IN_TIME' },
    ]);
    for (const one of [hers, his]) one.socket.close();
  });

  it('gives nothing again where only that changed which the viewer does not see', async () => {
    const id = await groupOf(alice, ['bob', 'carol']);
    const seq = await say(alice, id);
    const socket = await follow(alice, id, seq);
    await until(() => storyOf(socket).length === 2);
    const place = { lane: id as LaneId, seq: seq as Seq };
    const subject = { ...place, revision: 1 as Revision, acceptedAt: Date.now(), part: 0 };
    // Why bob is not pushed is for bob, and for the recipients' own eyes.
    const no = new Map([['NO_DEVICE' as const, ['bob' as UserId]]]);
    await createLedger(await mongo.db());
    await new Ledger(() => mongo.db()).decide([{ subject, push: [], no, asOf: Date.now() }]);
    await acknowledge(carol, 'tablet', id, seq);
    bell.ring({ ...place, users: undefined });
    await until(() => storyOf(socket).includes('carol DELIVERED'));
    await markRead(bob, id, seq);
    await until(() => storyOf(socket).includes('bob READ'));
    expect(storyOf(socket)).toEqual(['bob ACCEPTED', 'carol ACCEPTED', 'carol DELIVERED', 'bob READ']);
    socket.socket.close();
  });

  it('says nothing of a hidden reading', async () => {
    const id = await groupOf(alice, ['bob', 'carol']);
    const seq = await say(alice, id);
    await hide(carol, true);
    try {
      await acknowledge(carol, 'tablet', id, seq);
      const socket = await follow(alice, id, seq);
      await until(() => storyOf(socket).length === 2);
      await markRead(carol, id, seq);
      await markRead(bob, id, seq);
      await until(() => storyOf(socket).includes('bob READ'));
      expect(storyOf(socket)).toEqual(['bob ACCEPTED', 'carol DELIVERED', 'bob READ']);
      socket.socket.close();
    } finally {
      await hide(carol, false);
    }
  });

  it('ends for who has nothing to see, and completes for who is no member any more', async () => {
    const id = await groupOf(alice, ['bob']);
    const seq = await say(bob, id);
    await changeMembers(alice, 'addMembers', { conversationId: id, members: ['carol'] });
    const endOf = async (by: Client, place: Data): Promise<unknown> => {
      const socket = await socketOf(house.api, by.token);
      socket.subscribe('1', DELIVERY, place);
      const { payload } = await socket.message(({ type }) => type === 'error');
      socket.socket.close();
      return payload[0].extensions.code;
    };
    const places: readonly [Client, Data, string][] = [
      [eve, { id, seq }, 'NOT_FOUND'],
      [eve, { id: 'nowhere', seq: 1 }, 'NOT_FOUND'],
      [alice, { id, seq: 1 }, 'NOT_FOUND'],
      [alice, { id, seq: 99 }, 'NOT_FOUND'],
      [carol, { id, seq }, 'NOT_FOUND'],
      [alice, { id, seq: 0 }, 'BAD_USER_INPUT'],
      [alice, { id: 'a.b', seq: 1 }, 'BAD_USER_INPUT'],
    ];
    for (const [by, place, code] of places)
      expect([by.user, place, await endOf(by, place)]).toEqual([by.user, place, code]);
    const socket = await follow(bob, id, seq);
    await until(() => storyOf(socket).length === 1);
    await changeMembers(alice, 'removeMember', { conversationId: id, member: 'bob' });
    // The next change, of which he is not told.
    await markRead(alice, id, seq);
    await socket.message(({ type }) => type === 'complete');
    expect(storyOf(socket)).toEqual(['alice ACCEPTED']);
    socket.socket.close();
  });

  it('comes by server-sent events, without an id', async () => {
    const id = await groupOf(alice, ['bob']);
    const seq = await say(alice, id);
    const events = await eventsFrom(house.api, DELIVERY, { id, seq }, { token: alice.token, lastEventId: '7' });
    const [first] = await events.upTo(() => true);
    expect([first?.id, first?.data.data.delivery.state]).toEqual([undefined, 'ACCEPTED']);
    await acknowledge(bob, 'phone', id, seq);
    const [second] = await events.upTo(() => true);
    expect(second?.data.data.delivery.state).toBe('DELIVERED');
    events.close();
  });

  it('brings every recipient of a large conversation, in the order of their ids', async () => {
    const crowd = Array.from({ length: 1_000 }, (_, i) => `crowd${String(i).padStart(4, '0')}`);
    const id = await groupOf(alice, [...crowd, 'bob']);
    const seq = await say(alice, id);
    const socket = await follow(alice, id, seq);
    await until(() => storyOf(socket).length === 1_001);
    expect(delivered(socket).map(({ user }) => user.id)).toEqual(['bob', ...crowd]);
    await acknowledge(bob, 'phone', id, seq);
    await until(() => storyOf(socket).at(-1) === 'bob DELIVERED');
    expect(storyOf(socket)).toHaveLength(1_002);
    socket.socket.close();
  });
});
