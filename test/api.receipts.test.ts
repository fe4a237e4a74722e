/** Delivered and read, by the front door: what devices and readers say, and how everybody learns of it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Client,
  clientOf,
  codesOf,
  type Data,
  eventsFrom,
  socketOf,
  startApi,
  type TestApi,
  type TestSocket,
  until,
} from './support/api.ts';
import {
  ACKNOWLEDGE,
  acknowledge,
  changeMembers,
  FOLLOW,
  groupOf,
  type House,
  MARK_READ,
  markRead,
  marksSeenBy,
  openHouse,
  register,
  say,
  storyOf,
} from './support/chat.ts';

let house: House;
let api: TestApi;
let alice: Client;
let bob: Client;
let carol: Client;
let eve: Client;

beforeAll(async () => {
  house = await openHouse();
  api = house.api;
  [alice, bob, carol, eve] = (await Promise.all(
    ['alice', 'bob', 'carol', 'eve'].map(async (user) => {
      const client = await clientOf(api, user);
      await register(client, 'phone');
      return client;
    }),
  )) as [Client, Client, Client, Client];
});
afterAll(() => house?.stop());

const UPDATE =
  'mutation($input: UpdateSettingsInput!) { updateSettings(input: $input) { settings { hideReadMarks } } }';
const OWN = 'query($id: ID!) { conversation(id: $id) { readSeq unread me { deliveredSeq readSeq } } }';
const own = async (by: Client, id: string): Promise<Data> => (await by.ask(OWN, { id })).conversation;
const marking = async (by: Client, marks: Data, device = 'phone') => by.post(ACKNOWLEDGE, { input: { device, marks } });

describe('acknowledge', () => {
  it('marks what a device has, for many conversations at once, and only rises', async () => {
    const ids = [await groupOf(alice, ['bob']), await groupOf(alice, ['bob'])] as const;
    for (const id of ids) for (let i = 0; i < 3; i++) await say(alice, id);
    const [a, b] = ids;
    const marks = [
      { conversationId: a, seq: 3 },
      { conversationId: b, seq: 4 },
      { conversationId: a, seq: 2 },
    ];
    const { data, errors } = await marking(bob, marks);
    expect(errors).toEqual([]);
    expect(data.acknowledge).toEqual({ acknowledgedAt: expect.stringMatching(/\.\d{3}Z$/), refused: null });
    expect([(await marksSeenBy(alice, a)).get('bob'), (await marksSeenBy(alice, b)).get('bob')]).toEqual([
      [3, 0],
      [4, 0],
    ]);
    await acknowledge(bob, 'phone', a, 1);
    expect((await own(bob, a)).me).toEqual({ deliveredSeq: 3, readSeq: 0 });
    await acknowledge(bob, 'phone', a, 4);
    expect((await own(bob, a)).me.deliveredSeq).toBe(4);
  });

  it('passes over what is not one’s own, as if there were nothing, whatever the place', async () => {
    const [mine, foreign] = [await groupOf(bob, []), await groupOf(alice, [])];
    const answers = [];
    for (const conversationId of [foreign, 'nowhere'])
      for (const seq of [0, 1, 1_000_000]) {
        const { data, errors } = await marking(bob, [
          { conversationId, seq },
          { conversationId: mine, seq: 1 },
        ]);
        expect(errors).toEqual([]);
        answers.push(Object.keys(data.acknowledge).join());
      }
    expect(new Set(answers)).toEqual(new Set(['acknowledgedAt,refused']));
    expect([...(await marksSeenBy(alice, foreign)).keys()]).toEqual(['alice']);
    expect((await own(bob, mine)).me.deliveredSeq).toBe(1);
    // An administrator reads it, and has nothing to receive in it.
    const root = await clientOf(api, 'root', { scope: 'lanes:admin' });
    await register(root, 'phone');
    expect((await marking(root, [{ conversationId: foreign, seq: 1 }])).errors).toEqual([]);
    expect(await own(root, foreign)).toEqual({ readSeq: null, unread: null, me: null });
  });

  it('of who has left counts up to the leaving, and not after it', async () => {
    const id = await groupOf(alice, ['bob']);
    await changeMembers(alice, 'removeMember', { conversationId: id, member: 'bob' });
    await say(alice, id);
    expect((await marking(bob, [{ conversationId: id, seq: 2 }])).errors).toEqual([]);
    expect((await marking(bob, [{ conversationId: id, seq: 3 }])).errors).toEqual([]);
    await changeMembers(alice, 'addMembers', { conversationId: id, members: ['bob'] });
    expect((await own(bob, id)).me.deliveredSeq).toBe(2);
  });

  it('after the last event is bad, and stores nothing of what came with it', async () => {
    const [a, b] = [await groupOf(bob, []), await groupOf(bob, [])];
    const answer = await marking(bob, [
      { conversationId: a, seq: 1 },
      { conversationId: b, seq: 2 },
    ]);
    expect([codesOf(answer), answer.data]).toEqual([['BAD_USER_INPUT'], { acknowledge: null }]);
    expect((await own(bob, a)).me.deliveredSeq).toBe(0);
  });

  it('takes a thousand marks, of places from 0, and of devices that are there', async () => {
    const id = await groupOf(bob, []);
    const mark = { conversationId: id, seq: 1 };
    expect((await marking(bob, Array(1_000).fill(mark))).errors).toEqual([]);
    expect(codesOf(await marking(bob, Array(1_001).fill(mark)))).toEqual(['BAD_USER_INPUT']);
    expect(codesOf(await marking(bob, []))).toEqual(['BAD_USER_INPUT']);
    expect(codesOf(await marking(bob, [{ conversationId: id, seq: -1 }]))).toEqual(['BAD_USER_INPUT']);
    expect(codesOf(await marking(bob, [{ conversationId: 'a.b', seq: 1 }]))).toEqual(['BAD_USER_INPUT']);
    expect(codesOf(await marking(bob, [mark], 'tablet'))).toEqual(['UNKNOWN_DEVICE']);
  });
});

describe('markRead', () => {
  it('moves the unread count, implies delivered, only rises, and is the same on all processes', async () => {
    const other = await startApi(house.servers);
    try {
      const elsewhere = await clientOf(other, 'bob');
      const id = await groupOf(alice, ['bob']);
      for (let i = 0; i < 4; i++) await say(alice, id);
      expect(await own(bob, id)).toEqual({ readSeq: 0, unread: 4, me: { deliveredSeq: 0, readSeq: 0 } });
      expect(await markRead(bob, id, 3)).toEqual({ conversation: { readSeq: 3, unread: 2 }, refused: null });
      expect(await own(elsewhere, id)).toEqual({ readSeq: 3, unread: 2, me: { deliveredSeq: 3, readSeq: 3 } });
      expect((await markRead(elsewhere, id, 2)).conversation).toEqual({ readSeq: 3, unread: 2 });
      expect((await markRead(elsewhere, id, 5)).conversation).toEqual({ readSeq: 5, unread: 0 });
      expect((await marksSeenBy(alice, id)).get('bob')).toEqual([5, 5]);
    } finally {
      await other.stop();
    }
  });

  it('is done by sending, and counts others’ messages only', async () => {
    const id = await groupOf(alice, ['bob']);
    await say(alice, id);
    await changeMembers(alice, 'addMembers', { conversationId: id, members: ['carol'] });
    await say(alice, id);
    expect((await own(bob, id)).unread).toBe(2);
    await say(bob, id);
    expect(await own(bob, id)).toEqual({ readSeq: 5, unread: 0, me: { deliveredSeq: 5, readSeq: 5 } });
    expect((await own(alice, id)).unread).toBe(1);
    expect((await markRead(bob, id, 1)).conversation.readSeq).toBe(5);
  });

  it('counts from where one may see', async () => {
    const id = await groupOf(alice, []);
    await say(alice, id);
    await changeMembers(alice, 'addMembers', { conversationId: id, members: ['bob'], hideHistory: true });
    await say(alice, id);
    expect(await own(bob, id)).toMatchObject({ readSeq: 0, unread: 1 });
  });

  it('is refused to strangers, and bad after the last event', async () => {
    const id = await groupOf(alice, []);
    const nothing = {
      conversation: null,
      refused: { code: 'NOT_FOUND', message: expect.any(String), retryable: false },
    };
    expect([await markRead(eve, id, 1), await markRead(eve, 'nowhere', 1), await markRead(eve, id, 99)]).toEqual([
      nothing,
      nothing,
      nothing,
    ]);
    const answer = await alice.post(MARK_READ, { input: { conversationId: id, seq: 2 } });
    expect([codesOf(answer), answer.data]).toEqual([['BAD_USER_INPUT'], { markRead: null }]);
  });

  it('several times in one request answers each as it was then', async () => {
    const id = await groupOf(alice, ['bob']);
    for (let i = 0; i < 2; i++) await say(alice, id);
    const data = await bob.ask(
      `mutation($a: MarkReadInput!, $b: MarkReadInput!) {
        a: markRead(input: $a) { conversation { readSeq unread } }
        b: markRead(input: $b) { conversation { readSeq unread } } }`,
      { a: { conversationId: id, seq: 2 }, b: { conversationId: id, seq: 3 } },
    );
    expect(data).toEqual({
      a: { conversation: { readSeq: 2, unread: 1 } },
      b: { conversation: { readSeq: 3, unread: 0 } },
    });
  });
});

it('unread counts add up over all conversations', async () => {
  const dave = await clientOf(api, 'dave');
  const ids = [await groupOf(alice, ['dave']), await groupOf(alice, ['dave']), await groupOf(alice, ['dave'])];
  for (const id of ids.slice(0, 2)) for (let i = 0; i < 3; i++) await say(alice, id);
  const counts = async (): Promise<Data> => (await dave.ask('{ me { unreadMessages unreadConversations } }')).me;
  await until(async () => (await counts()).unreadMessages === 6);
  expect((await counts()).unreadConversations).toBe(2);
  await markRead(dave, ids[0] as string, 4);
  await markRead(dave, ids[1] as string, 2);
  await until(async () => (await counts()).unreadMessages === 2);
  expect((await counts()).unreadConversations).toBe(1);
  const { conversations } = await dave.ask('{ conversations { nodes { id readSeq unread } } }');
  expect(new Map(conversations.nodes.map(({ id, readSeq, unread }: Data) => [id, [readSeq, unread]]))).toEqual(
    new Map([
      [ids[0], [4, 0]],
      [ids[1], [2, 2]],
      [ids[2], [0, 0]],
    ]),
  );
});

describe('a hidden read mark', () => {
  it('is withheld from others in queries and frames, and nothing tells that it moved', async () => {
    const id = await groupOf(alice, ['carol', 'bob']);
    for (let i = 0; i < 3; i++) await say(alice, id);
    await carol.ask(UPDATE, { input: { hideReadMarks: true } });
    try {
      const [hers, his] = await Promise.all([follow(carol, id, 4), follow(alice, id, 4)]);
      await acknowledge(carol, 'phone', id, 4);
      await until(() => storyOf(his, '1').includes('ReceiptMoved carol 4 '));
      await markRead(carol, id, 4);
      await until(() => storyOf(hers, '1').includes('ReceiptMoved carol 4 4 unread 0'));
      // Nothing comes of it: the next thing that the others hear is what bob did after it.
      await acknowledge(bob, 'phone', id, 2);
      await until(() => storyOf(his, '1').includes('ReceiptMoved bob 2 0'));
      expect(storyOf(his, '1').filter((frame) => frame.includes('carol'))).toEqual(['ReceiptMoved carol 4 ']);
      expect((await marksSeenBy(alice, id)).get('carol')).toEqual([4, null]);
      expect((await marksSeenBy(carol, id)).get('carol')).toEqual([4, 4]);
      for (const socket of [hers, his]) socket.socket.close();
    } finally {
      await carol.ask(UPDATE, { input: { hideReadMarks: false } });
    }
    expect((await marksSeenBy(alice, id)).get('carol')).toEqual([4, 4]);
  });
});

/** Open, and caught up. */
async function follow(
  by: Client,
  id: string,
  after: number | null,
  at: Pick<TestApi, 'port'> = api,
): Promise<TestSocket> {
  const socket = await socketOf(at, by.token);
  socket.subscribe('1', FOLLOW, { id, after });
  await until(() => storyOf(socket, '1').some((frame) => frame.startsWith('CaughtUp')));
  return socket;
}

describe('ReceiptMoved', () => {
  it('comes before CaughtUp where there is a mark, then when one moves, with the unread count in one’s own', async () => {
    const id = await groupOf(alice, ['bob', 'carol']);
    for (let i = 0; i < 3; i++) await say(alice, id);
    const quiet = await follow(alice, id, 4);
    expect(storyOf(quiet, '1')).toEqual(['StreamStarted 4', 'CaughtUp 4']);
    await acknowledge(bob, 'phone', id, 3);
    await markRead(bob, id, 2);
    await until(() => storyOf(quiet, '1').at(-1) === 'ReceiptMoved bob 3 2');
    const socket = await follow(bob, id, 0);
    const story = storyOf(socket, '1');
    expect(story.slice(0, 5)).toEqual([
      'StreamStarted 0',
      'ConversationCreated 1',
      'MessageSent 2',
      'MessageSent 3',
      'MessageSent 4',
    ]);
    expect(story.slice(5)).toEqual(['ReceiptMoved bob 3 2 unread 2', 'CaughtUp 4']);
    await markRead(bob, id, 4);
    await until(() => storyOf(socket, '1').at(-1) === 'ReceiptMoved bob 4 4 unread 0');
    await until(() => storyOf(quiet, '1').at(-1) === 'ReceiptMoved bob 4 4');
    await markRead(carol, id, 3);
    await until(() => storyOf(socket, '1').at(-1) === 'ReceiptMoved carol 3 3');
    for (const one of [quiet, socket]) one.socket.close();
  });

  it('comes from marks that another process took', async () => {
    const other = await startApi(house.servers);
    try {
      const elsewhere = await clientOf(other, 'bob');
      const id = await groupOf(alice, ['bob']);
      const socket = await follow(alice, id, 1);
      await markRead(elsewhere, id, 1);
      await until(() => storyOf(socket, '1').at(-1) === 'ReceiptMoved bob 1 1');
      const late = await follow(alice, id, 1, other);
      expect(storyOf(late, '1')).toEqual(['StreamStarted 1', 'ReceiptMoved bob 1 1', 'CaughtUp 1']);
      for (const one of [socket, late]) one.socket.close();
    } finally {
      await other.stop();
    }
  });

  it('leaves the position of event streams as it was', async () => {
    const id = await groupOf(alice, ['bob']);
    const events = await eventsFrom(api, FOLLOW, { id, after: 0 }, { token: alice.token });
    await events.upTo(({ data }) => data?.data.conversation.__typename === 'CaughtUp');
    await markRead(bob, id, 1);
    const [moved] = await events.upTo(() => true);
    expect([moved?.id, moved?.data.data.conversation.__typename]).toEqual([undefined, 'ReceiptMoved']);
    await say(bob, id);
    const [sent] = await events.upTo(() => true);
    expect([sent?.id, sent?.data.data.conversation.seq]).toEqual(['2', 2]);
    events.close();
  });

  it('of others does not come in a large conversation, of oneself it does', async () => {
    const crowd = Array.from({ length: 99 }, (_, i) => `crowd${i}`);
    const id = await groupOf(alice, ['bob', ...crowd]);
    await say(alice, id);
    await markRead(bob, id, 1);
    const [his, hers] = await Promise.all([follow(bob, id, 2), follow(alice, id, 2)]);
    expect(storyOf(his, '1')).toEqual(['StreamStarted 2', 'ReceiptMoved bob 1 1 unread 1', 'CaughtUp 2']);
    expect(storyOf(hers, '1')).toEqual(['StreamStarted 2', 'CaughtUp 2']);
    await markRead(bob, id, 2);
    await until(() => storyOf(his, '1').at(-1) === 'ReceiptMoved bob 2 2 unread 0');
    await markRead(alice, id, 2);
    await until(() => storyOf(hers, '1').at(-1) === 'ReceiptMoved alice 2 2 unread 0');
    expect(storyOf(hers, '1').filter((frame) => frame.includes('bob'))).toEqual([]);
    // In queries they are there for all.
    expect((await marksSeenBy(alice, id)).get('bob')).toEqual([2, 2]);
    for (const one of [his, hers]) one.socket.close();
  });

  it('of many moves comes once or a few times, with the newest', async () => {
    const id = await groupOf(alice, ['bob']);
    for (let i = 0; i < 30; i++) await say(alice, id);
    const socket = await follow(alice, id, 31);
    await Promise.all(Array.from({ length: 30 }, (_, i) => acknowledge(bob, 'phone', id, i + 1)));
    await acknowledge(bob, 'phone', id, 31);
    await until(() => storyOf(socket, '1').at(-1) === 'ReceiptMoved bob 31 0');
    expect(storyOf(socket, '1').length).toBeLessThan(20);
    socket.socket.close();
  });

  it('does not come to who has left, and nothing of it to a stranger', async () => {
    const id = await groupOf(alice, ['bob', 'carol']);
    const [his, hers] = await Promise.all([follow(bob, id, 1), follow(alice, id, 1)]);
    await changeMembers(alice, 'removeMember', { conversationId: id, member: 'bob' });
    await markRead(carol, id, 2);
    await until(() => storyOf(hers, '1').includes('ReceiptMoved carol 2 2'));
    await his.message(({ type }) => type === 'complete');
    expect(storyOf(his, '1')).toEqual(['StreamStarted 1', 'CaughtUp 1', 'MemberRemoved 2']);
    const stranger = await socketOf(api, eve.token);
    stranger.subscribe('1', FOLLOW, { id });
    const { payload } = await stranger.message(({ type }) => type === 'error');
    expect(payload[0].extensions.code).toBe('NOT_FOUND');
    for (const one of [his, hers, stranger]) one.socket.close();
  });
});

describe('with MongoDB down', () => {
  it('streams go on without marks and bring them later; marks are kept; counts are unavailable, not wrong', async () => {
    const id = await groupOf(alice, ['bob']);
    await say(alice, id);
    // The device is known to the process from here on.
    await acknowledge(bob, 'phone', id, 1);
    await house.servers.mongo.kill9();
    try {
      const socket = await follow(alice, id, 0);
      expect(storyOf(socket, '1')).toEqual(['StreamStarted 0', 'ConversationCreated 1', 'MessageSent 2', 'CaughtUp 2']);
      expect((await acknowledge(bob, 'phone', id, 2)).refused).toBeNull();
      const answer = await bob.post(OWN, { id });
      expect(new Set(codesOf(answer))).toEqual(new Set(['UNAVAILABLE']));
      expect(answer.data).toEqual({
        conversation: { readSeq: null, unread: null, me: { deliveredSeq: null, readSeq: null } },
      });
      await house.servers.mongo.restart();
      await until(() => storyOf(socket, '1').at(-1) === 'ReceiptMoved bob 2 0', 20_000);
      socket.socket.close();
    } finally {
      await house.servers.mongo.restart();
    }
    await until(async () => (await bob.post(OWN, { id })).errors.length === 0);
    expect((await own(bob, id)).me.deliveredSeq).toBe(2);
  });
});

describe('with NATS away', () => {
  it('a mark is answered when it is stored, and not before', async () => {
    const id = await groupOf(alice, ['bob']);
    await say(alice, id);
    await acknowledge(bob, 'phone', id, 1);
    await house.servers.nats.kill9();
    let isAnswered = false;
    const answering = marking(bob, [{ conversationId: id, seq: 2 }]).finally(() => {
      isAnswered = true;
    });
    await until(async () => (await fetch(api.url.replace('graphql', 'readyz'))).status === 503);
    expect(isAnswered).toBe(false);
    await house.servers.nats.restart();
    const { data, errors } = await answering;
    expect([data, errors]).toEqual([{ acknowledge: { acknowledgedAt: expect.any(String), refused: null } }, []]);
    await until(async () => (await bob.post(OWN, { id })).errors.length === 0);
    expect((await own(bob, id)).me.deliveredSeq).toBe(2);
  });
});
