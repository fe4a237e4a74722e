/** The inbox by the front door, on real servers: store and forward for a device, whatever goes down meanwhile. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type Client,
  clientOf,
  type Data,
  eventsFrom,
  socketOf,
  startApi,
  type TestApi,
  type TestSocket,
  until,
} from './support/api.ts';
import { acknowledge, changeMembers, groupOf, type House, markRead, openHouse, register, say } from './support/chat.ts';
import { startServers } from './support/servers.ts';

let house: House;
let api: TestApi;
/** Another process, as far as the stores can tell. */
let other: TestApi;
let alice: Client;

beforeAll(async () => {
  house = await openHouse();
  api = house.api;
  other = await startApi(house.servers);
  alice = await clientOf(other, 'alice');
});
afterAll(async () => {
  await other?.stop();
  await house?.stop();
});

const INBOX = `subscription($device: ID!, $after: String) { inbox(device: $device, after: $after) {
  __typename conversationId seq
  ... on ConversationEvent { at by { id name } }
  ... on MessageSent { message { text } }
  ... on MembersAdded { members { id } }
  ... on Reset { resetReason }
  ... on ReceiptMoved { user { id } deliveredSeq readSeq unread }
  ... on InboxCaughtUp { at cursor }
  ... on InboxPosition { at cursor }
} }`;

const sockets: TestSocket[] = [];
afterEach(() => {
  for (const { socket } of sockets.splice(0)) socket.close();
});

/** Of somebody new. */
async function userOf(name: string, device: string | null = 'phone'): Promise<Client> {
  const client = await clientOf(api, `${name}_${randomUUID().slice(0, 8)}`);
  if (device) await register(client, device);
  return client;
}

interface Inbox {
  readonly socket: TestSocket;
  readonly frames: () => Data[];
  /** What is about conversations, in short words, without marks: `MessageSent 2`; with the conversation where asked. */
  readonly words: (id?: string) => string[];
  readonly caughtUp: (times?: number) => Promise<string>;
}
async function open(
  by: Client,
  { device = 'phone', after, at = api }: { device?: string; after?: string; at?: TestApi } = {},
): Promise<Inbox> {
  const socket = await socketOf(at, by.token);
  sockets.push(socket);
  socket.subscribe('i', INBOX, { device, after });
  const frames = () => socket.nexts('i').map(({ data }) => data.inbox);
  const isMark = ({ __typename: type }: Data) => type === 'InboxCaughtUp' || type === 'InboxPosition';
  return {
    socket,
    frames,
    words: (id) =>
      frames()
        .filter((frame) => !isMark(frame) && frame.__typename !== 'ReceiptMoved')
        .filter(({ conversationId }) => id === undefined || conversationId === id)
        .map(({ __typename: type, seq }) => `${type} ${seq}`),
    caughtUp: async (times = 1) => {
      const seen = () => frames().filter(({ __typename: type }) => type === 'InboxCaughtUp');
      await until(() => seen().length >= times || socket.messages.some(({ type }) => type === 'error'));
      return seen().at(-1).cursor;
    },
  };
}
const shows = async (inbox: Inbox, id: string | undefined, ...expected: string[]) => {
  await until(() => inbox.words(id).length >= expected.length);
  expect(inbox.words(id)).toEqual(expected);
};
const errorOf = async (socket: TestSocket) =>
  (await socket.message(({ type }) => type === 'error')).payload[0].extensions.code;

describe('an inbox', () => {
  it('stores for a device what comes while it is away, and forwards it; then it is live', async () => {
    const bob = await userOf('bob');
    const ids = [await groupOf(alice, [bob.user]), await groupOf(alice, [bob.user])] as const;
    for (const id of ids) for (let i = 0; i < 2; i++) await say(alice, id, `${i}`);
    const first = await open(bob);
    await first.caughtUp();
    for (const id of ids) await shows(first, id, 'ConversationCreated 1', 'MessageSent 2', 'MessageSent 3');
    await acknowledge(bob, 'phone', ids[0], 3);
    await acknowledge(bob, 'phone', ids[1], 2);
    first.socket.socket.terminate();
    await say(alice, ids[0], 'while away');
    const second = await open(bob);
    await second.caughtUp();
    await shows(second, ids[0], 'MessageSent 4');
    await shows(second, ids[1], 'MessageSent 3');
    expect(second.frames().find(({ conversationId }) => conversationId === ids[0])).toMatchObject({
      by: { id: 'alice' },
      message: { text: 'while away' },
    });
    await say(alice, ids[1], 'live');
    await shows(second, ids[1], 'MessageSent 3', 'MessageSent 4');
  });

  it('is the same at every process, and as new as the lanes were when it was opened', async () => {
    const bob = await userOf('bob');
    for (let i = 0; i < 20; i++) {
      const id = await groupOf(alice, [bob.user]);
      await say(alice, id);
      const [here, there] = await Promise.all([open(bob), open(bob, { at: other })]);
      await Promise.all([here.caughtUp(), there.caughtUp()]);
      for (const inbox of [here, there]) await shows(inbox, id, 'ConversationCreated 1', 'MessageSent 2');
      here.socket.socket.close();
      there.socket.socket.close();
    }
  });

  it('brings conversations that are new by themselves, and ends one with the removal', async () => {
    const bob = await userOf('bob');
    const inbox = await open(bob);
    await inbox.caughtUp();
    const id = await groupOf(alice, ['carol']);
    await say(alice, id, 'before');
    await changeMembers(alice, 'addMembers', { conversationId: id, members: [bob.user], hideHistory: true });
    await say(alice, id, 'hello');
    await shows(inbox, id, 'MembersAdded 3', 'MessageSent 4');
    await changeMembers(alice, 'removeMember', { conversationId: id, member: bob.user });
    await say(alice, id, 'secret');
    const last = await groupOf(alice, [bob.user]);
    await shows(inbox, last, 'ConversationCreated 1');
    await shows(inbox, id, 'MembersAdded 3', 'MessageSent 4', 'MemberRemoved 5');
    expect(inbox.socket.messages.some(({ type }) => type === 'complete')).toBe(false);
  });

  it('does not skip in one tab what another tab or device has acknowledged or read', async () => {
    const bob = await userOf('bob');
    const id = await groupOf(alice, [bob.user]);
    const tab = await open(bob);
    const place = await tab.caughtUp();
    await say(alice, id, 'two');
    await shows(tab, id, 'ConversationCreated 1', 'MessageSent 2');
    await acknowledge(bob, 'phone', id, 2);
    await markRead(bob, id, 2);
    const late = await open(bob, { after: place });
    const newer = await late.caughtUp();
    await shows(late, id, 'MessageSent 2');
    const fresh = await open(bob);
    await fresh.caughtUp();
    await shows(fresh, id);
    const again = await open(bob, { after: newer });
    await again.caughtUp();
    await shows(again, id);
    await register(bob, 'tablet');
    await say(alice, id, 'three');
    const tablet = await open(bob, { device: 'tablet' });
    await tablet.caughtUp();
    await shows(tablet, id, 'MessageSent 3');
  });

  it('keeps what a registered device has not had, though it was read on another', async () => {
    const bob = await userOf('bob');
    await register(bob, 'laptop');
    const id = await groupOf(alice, [bob.user]);
    await say(alice, id, 'two');
    await acknowledge(bob, 'phone', id, 2);
    await markRead(bob, id, 2);
    const laptop = await open(bob, { device: 'laptop' });
    await laptop.caughtUp();
    await shows(laptop, id, 'ConversationCreated 1', 'MessageSent 2');
  });

  it('says that a long backlog is not sent', async () => {
    const bob = await userOf('bob');
    const id = await groupOf(alice, [bob.user]);
    for (let i = 0; i < 13; i++) await Promise.all(Array.from({ length: 40 }, () => say(alice, id)));
    const inbox = await open(bob);
    await inbox.caughtUp();
    await shows(inbox, id, 'Reset 521');
    expect(inbox.frames().find(({ conversationId }) => conversationId === id)?.resetReason).toBe('TOO_FAR_BEHIND');
    await say(alice, id);
    await shows(inbox, id, 'Reset 521', 'MessageSent 522');
  });

  it('goes by server-sent events, whose ids are places', async () => {
    const bob = await userOf('bob');
    const id = await groupOf(alice, [bob.user]);
    const variables = { device: 'phone' };
    const events = await eventsFrom(api, INBOX, variables, { token: bob.token });
    const isCaughtUp = ({ data }: Data) => data.data.inbox.__typename === 'InboxCaughtUp';
    const first = await events.upTo(isCaughtUp);
    const last = first.at(-1);
    expect(last?.id).toBe(last?.data.data.inbox.cursor);
    expect(first.slice(0, -1).map((event) => event.id)).toEqual(first.slice(0, -1).map(() => undefined));
    events.close();
    await say(alice, id, 'two');
    const resumed = await eventsFrom(api, INBOX, variables, { token: bob.token, lastEventId: last?.id ?? '' });
    const rest = await resumed.upTo(isCaughtUp);
    expect(
      rest.map(({ data }) => data.data.inbox).map(({ __typename: type, seq }: Data) => `${type} ${seq}`),
    ).toContain('MessageSent 2');
    resumed.close();
    const bad = await eventsFrom(api, INBOX, variables, { token: bob.token, lastEventId: '17' });
    expect((await bad.next())?.data.errors[0].extensions.code).toBe('BAD_USER_INPUT');
  });

  it('is refused to a device that is not there, for what is no place, and to no one else’s harm', async () => {
    const bob = await userOf('bob');
    const place = await (await open(bob)).caughtUp();
    const refused = async (given: { device?: string; after?: string }) => errorOf((await open(bob, given)).socket);
    expect(await refused({ device: 'never' })).toBe('UNKNOWN_DEVICE');
    expect(await refused({ device: 'a.b' })).toBe('BAD_USER_INPUT');
    for (const after of ['', '.', 'AAAA', place.slice(1), `${place}${place}`, 'x'.repeat(5_000)])
      expect(await refused({ after })).toBe('BAD_USER_INPUT');
    const nobody = await userOf('carol', null);
    expect(await errorOf((await open(nobody)).socket)).toBe('UNKNOWN_DEVICE');
    await bob.ask('mutation($input: UnregisterDeviceInput!) { unregisterDevice(input: $input) { refused { code } } }', {
      input: { device: 'phone' },
    });
    expect(await refused({})).toBe('UNKNOWN_DEVICE');
  });
});

describe('a reader that takes nothing for a while', () => {
  it('gets everything in the end, in order, from its place', async () => {
    const bob = await userOf('bob');
    const ids = [await groupOf(alice, [bob.user]), await groupOf(alice, [bob.user])] as const;
    const inbox = await open(bob);
    await inbox.caughtUp();
    inbox.socket.socket.pause();
    const text = 'x'.repeat(16_000);
    const count = 300;
    for (let i = 0; i < count; i += 20)
      for (const id of ids) await Promise.all(Array.from({ length: 20 }, () => say(alice, id, text)));
    inbox.socket.socket.resume();
    await inbox.caughtUp(2);
    const expected = ['ConversationCreated 1', ...Array.from({ length: count }, (_, i) => `MessageSent ${i + 2}`)];
    for (const id of ids) await shows(inbox, id, ...expected);
  });
});

describe('marks in an inbox', () => {
  /** `bob 3 2 unread 1`; without names but the given one's. */
  const marksIn = ({ frames }: Inbox, id: string): string[] =>
    frames()
      .filter(({ __typename: type, conversationId }) => type === 'ReceiptMoved' && conversationId === id)
      .map(({ user, deliveredSeq, readSeq, unread }) =>
        [user.id.split('_')[0], deliveredSeq, readSeq, ...(unread === null ? [] : [`unread ${unread}`])].join(' '),
      );
  const told = async (inbox: Inbox, id: string, last: string) => {
    await until(() => marksIn(inbox, id).at(-1) === last);
    return marksIn(inbox, id);
  };

  it('come as they move: one’s own on every device, and those of others', async () => {
    const [bob, carol] = [await userOf('bob'), await userOf('carol')];
    await register(bob, 'tablet');
    const id = await groupOf(carol, [bob.user]);
    for (const text of ['two', 'three']) await say(carol, id, text);
    const inboxes = [await open(bob), await open(bob, { device: 'tablet' }), await open(carol)] as const;
    const [phone, tablet, hers] = inboxes;
    for (const inbox of inboxes) await inbox.caughtUp();
    await acknowledge(bob, 'phone', id, 3);
    for (const inbox of [phone, tablet]) await told(inbox, id, 'bob 3 0 unread 2');
    await told(hers, id, 'bob 3 0');
    await markRead(bob, id, 2);
    for (const inbox of [phone, tablet]) await told(inbox, id, 'bob 3 2 unread 1');
    await told(hers, id, 'bob 3 2');
    // The same again moves nothing.
    await acknowledge(bob, 'tablet', id, 3);
    await markRead(bob, id, 3);
    expect(await told(hers, id, 'bob 3 3')).toEqual(['bob 3 0', 'bob 3 2', 'bob 3 3']);
    expect(await told(phone, id, 'bob 3 3 unread 0')).toEqual([
      'bob 3 0 unread 2',
      'bob 3 2 unread 1',
      'bob 3 3 unread 0',
    ]);
    for (const { words } of inboxes) expect(words(id)).not.toContain('Reset 0');
  });

  it('come before it is said that a reader has caught up', async () => {
    const [bob, carol] = [await userOf('bob'), await userOf('carol')];
    await register(bob, 'tablet');
    const id = await groupOf(carol, [bob.user]);
    await say(carol, id, 'two');
    const first = await open(bob);
    const place = await first.caughtUp();
    await acknowledge(bob, 'phone', id, 2);
    first.socket.socket.terminate();
    await markRead(bob, id, 2);
    for (const given of [{}, { after: place }]) {
      const again = await open(bob, given);
      await again.caughtUp();
      expect(marksIn(again, id)).toContain('bob 2 2 unread 0');
      expect(again.frames().at(-1)?.__typename).toBe('InboxCaughtUp');
    }
    const hers = await open(carol);
    await hers.caughtUp();
    expect(marksIn(hers, id)).toContain('bob 2 2');
  });

  it('keep what is hidden', async () => {
    const [bob, carol] = [await userOf('bob'), await userOf('carol')];
    await bob.ask(
      'mutation($input: UpdateSettingsInput!) { updateSettings(input: $input) { settings { hideReadMarks } } }',
      { input: { hideReadMarks: true } },
    );
    const id = await groupOf(carol, [bob.user]);
    await say(carol, id, 'two');
    const hers = await open(carol);
    await hers.caughtUp();
    await acknowledge(bob, 'phone', id, 2);
    await told(hers, id, 'bob 2 ');
    await markRead(bob, id, 2);
    await say(carol, id, 'three');
    await acknowledge(bob, 'phone', id, 3);
    expect(await told(hers, id, 'bob 3 ')).toEqual(['bob 2 ', 'bob 3 ']);
  });
});

describe('an inbox, while servers go', () => {
  it('goes on without MongoDB; only a new one has to wait for it', async () => {
    const bob = await userOf('bob');
    const id = await groupOf(alice, [bob.user]);
    const inbox = await open(bob);
    await inbox.caughtUp();
    await house.servers.mongo.kill9();
    await say(alice, id, 'two');
    const created = await groupOf(alice, [bob.user]);
    await shows(inbox, id, 'ConversationCreated 1', 'MessageSent 2');
    await shows(inbox, created, 'ConversationCreated 1');
    expect(await errorOf((await open(bob)).socket)).toBe('UNAVAILABLE');
    await house.servers.mongo.restart();
    const again = await until(async () => {
      const next = await open(bob);
      const first = await next.socket.message(({ type }) => type === 'next' || type === 'error');
      return first.type === 'next' && next;
    }, 30_000);
    await again.caughtUp();
    await shows(again, id, 'ConversationCreated 1', 'MessageSent 2');
    await shows(again, created, 'ConversationCreated 1');
  }, 60_000);

  it('loses nothing when NATS is killed', async () => {
    const bob = await userOf('bob');
    const id = await groupOf(alice, [bob.user]);
    const inbox = await open(bob);
    const place = await inbox.caughtUp();
    await say(alice, id, 'two');
    await house.servers.nats.kill9();
    await house.servers.nats.restart();
    await until(async () => {
      const { data } = await alice.post(
        'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } } }',
        { input: { conversationId: id, text: 'three', clientKey: 'three' } },
      );
      return data?.sendMessage?.accepted;
    }, 30_000);
    await shows(inbox, id, 'ConversationCreated 1', 'MessageSent 2', 'MessageSent 3');
    const resumed = await open(bob, { after: place });
    await resumed.caughtUp();
    await shows(resumed, id, 'MessageSent 2', 'MessageSent 3');
  }, 60_000);
});

it('needs no projector: what it has not written is taken from the lanes', async () => {
  const servers = await startServers();
  const alone = await startApi(servers);
  try {
    const [dora, emil] = [await clientOf(alone, 'dora'), await clientOf(alone, 'emil')];
    await register(emil, 'phone');
    const id = await groupOf(dora, ['emil']);
    await say(dora, id, 'two');
    const first = await open(emil, { at: alone });
    const place = await first.caughtUp();
    await shows(first, id, 'ConversationCreated 1', 'MessageSent 2');
    await say(dora, id, 'three');
    await shows(first, id, 'ConversationCreated 1', 'MessageSent 2', 'MessageSent 3');
    await acknowledge(emil, 'phone', id, 2);
    for (const given of [{}, { after: place }]) {
      const again = await open(emil, { ...given, at: alone });
      await again.caughtUp();
      await shows(again, id, 'MessageSent 3');
    }
  } finally {
    await alone.stop();
    await servers.stop();
  }
});
