/** Who sees and does what, by every door: nobody without a token, a stranger, a former member, a member, an administrator, a server. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Client,
  clientOf,
  codesOf,
  type Data,
  eventsFrom,
  post,
  type SocketMessage,
  socketOf,
  startApi,
  type TestApi,
  tokenFor,
} from './support/api.ts';
import { startServers, type TestServers } from './support/servers.ts';

let servers: TestServers;
let api: TestApi;
let owner: Client;
let member: Client;
let late: Client;
let former: Client;
let stranger: Client;
let admin: Client;
/** Owner, member, late (who sees from seq 5 on); former was removed at seq 4. The canary is message 2; `newer` is message 6. */
const ID = 'room';
const CANARY = 'canary-of-the-room';

const key = (): string => randomUUID();
const change = async (by: Client, field: string, input: Data): Promise<Data> => {
  const type = `${field[0]?.toUpperCase()}${field.slice(1)}Input`;
  const query = `mutation($input: ${type}!) { ${field}(input: $input) { accepted { seq changed } refused { code } } }`;
  return (await by.ask(query, { input: { clientKey: key(), ...input } }))[field];
};

beforeAll(async () => {
  servers = await startServers();
  api = await startApi(servers);
  [owner, member, late, former, stranger, admin] = await Promise.all([
    ...['owner', 'member', 'late', 'former', 'stranger'].map((user) => clientOf(api, user)),
    clientOf(api, 'admin', { scope: 'lanes:admin' }),
  ] as [Promise<Client>, Promise<Client>, Promise<Client>, Promise<Client>, Promise<Client>, Promise<Client>]);
  await change(owner, 'createConversation', { id: ID, title: CANARY, members: ['member', 'former'] });
  await change(owner, 'sendMessage', { conversationId: ID, text: CANARY });
  await change(former, 'sendMessage', { conversationId: ID, text: 'by former' });
  await change(owner, 'removeMember', { conversationId: ID, member: 'former' });
  await change(owner, 'addMembers', { conversationId: ID, members: ['late'], hideHistory: true });
  await change(owner, 'sendMessage', { conversationId: ID, text: 'newer' });
});
afterAll(async () => {
  await api?.stop();
  await servers?.stop();
});

const EVERYTHING = `query($id: ID!) {
  conversation(id: $id) {
    id kind title createdAt lastSeq firstSeq lastActivityAt memberCount me { id role } directWith { id }
    lastMessage { text } members { nodes { id user { id } role joinedAt } }
    messages { asOf nodes { text seq } } events { asOf nodes { __typename seq } }
  }
  one: message(conversationId: $id, seq: 2) { text }
  two: message(conversationId: $id, seq: 6) { text }
}`;
const FOLLOW = `subscription($id: ID!, $after: Int) { conversation(id: $id, after: $after) { __typename seq ... on MessageSent { message { text } } ... on ConversationCreated { title } } }`;

describe('queries', () => {
  it('show nothing to strangers and former members, as if there were no such conversation', async () => {
    for (const client of [stranger, former]) {
      const seen = await client.post(EVERYTHING, { id: ID });
      const nowhere = await client.post(EVERYTHING, { id: 'nowhere' });
      expect(seen.errors).toEqual([]);
      expect(seen.data).toEqual({ conversation: null, one: null, two: null });
      expect(seen.data).toEqual(nowhere.data);
      expect((await client.ask('{ conversations { nodes { id } } }')).conversations.nodes).toEqual([]);
    }
  });

  it('show members what they may see, from where they may', async () => {
    const all = await member.ask(EVERYTHING, { id: ID });
    expect(all.conversation).toMatchObject({
      title: CANARY,
      firstSeq: 1,
      lastSeq: 6,
      me: { id: 'room:member', role: 'MEMBER' },
      lastMessage: { text: 'newer' },
    });
    expect(all.conversation.events.nodes.map(({ seq }: Data) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
    expect([all.one, all.two]).toEqual([{ text: CANARY }, { text: 'newer' }]);
    const some = await late.ask(EVERYTHING, { id: ID });
    expect(some.conversation).toMatchObject({ firstSeq: 5, lastSeq: 6, memberCount: 3 });
    expect(some.conversation.events.nodes.map(({ seq }: Data) => seq)).toEqual([5, 6]);
    expect(some.conversation.messages.nodes).toEqual([{ text: 'newer', seq: 6 }]);
    expect([some.one, some.two]).toEqual([null, { text: 'newer' }]);
    const before = await late.ask(
      'query($id: ID!) { conversation(id: $id) { events(first: 10, after: "czE6MA") { nodes { seq } pageInfo { hasPreviousPage } } around: events(aroundSeq: 2) { nodes { seq } } } }',
      { id: ID },
    );
    expect(before.conversation.events).toEqual({
      nodes: [{ seq: 5 }, { seq: 6 }],
      pageInfo: { hasPreviousPage: false },
    });
    for (const { seq } of before.conversation.around.nodes) expect(seq).toBeGreaterThanOrEqual(5);
  });

  it('show an administrator everything', async () => {
    const all = await admin.ask(EVERYTHING, { id: ID });
    expect(all.conversation).toMatchObject({ title: CANARY, firstSeq: 1, me: null, directWith: null, memberCount: 3 });
    expect(all.one).toEqual({ text: CANARY });
    expect((await admin.ask('{ conversation(id: "nowhere") { id } }')).conversation).toBeNull();
  });
});

describe('streams', () => {
  const framesBy = {
    socket: async (token: string, after: number | null): Promise<Data[]> => {
      const socket = await socketOf(api, token);
      socket.subscribe('1', FOLLOW, { id: ID, after });
      const over = ({ type, payload }: SocketMessage): boolean =>
        type === 'complete' || type === 'error' || payload?.data?.conversation.__typename === 'CaughtUp';
      const last = await socket.message(over);
      socket.socket.close();
      return [
        ...socket.nexts('1').map(({ data }) => data.conversation),
        ...(last.type === 'error' ? last.payload : []),
      ];
    },
    events: async (token: string, after: number | null): Promise<Data[]> => {
      const stream = await eventsFrom(api, FOLLOW, { id: ID, after }, { token });
      const got = await stream.upTo(
        ({ event, data }) => event === 'complete' || data?.data?.conversation.__typename === 'CaughtUp',
      );
      stream.close();
      return got.flatMap(({ data }) => (data?.errors ? data.errors : data ? [data.data.conversation] : []));
    },
  };
  const seqs = (frames: readonly Data[]): number[] =>
    frames.filter(({ __typename }) => !['StreamStarted', 'CaughtUp'].includes(__typename)).map(({ seq }) => seq);

  it.each(['socket', 'events'] as const)('by %s show each what a page shows', async (door) => {
    const follow = framesBy[door];
    for (const after of [0, null]) {
      const [error, ...more] = await follow(stranger.token, after);
      expect([error.extensions.code, more]).toEqual(['NOT_FOUND', []]);
    }
    expect(seqs(await follow(member.token, 0))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(seqs(await follow(member.token, 4))).toEqual([5, 6]);
    expect(seqs(await follow(late.token, 0))).toEqual([5, 6]);
    expect(seqs(await follow(admin.token, 0))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(seqs(await follow(former.token, 0))).toEqual([1, 2, 3, 4]);
    expect((await follow(former.token, 4)).map(({ extensions }) => extensions?.code)).toEqual(['NOT_FOUND']);
    expect(JSON.stringify(await follow(late.token, 0))).not.toContain(CANARY);
  });
});

describe('commands', () => {
  it.each([
    ['stranger', () => stranger],
    ['former', () => former],
  ])('of a %s are refused as if there were no such conversation, and change nothing', async (_, who) => {
    const inputs: readonly [string, Data][] = [
      ['sendMessage', { conversationId: ID, text: 'x' }],
      ['addMembers', { conversationId: ID, members: ['stranger'] }],
      ['removeMember', { conversationId: ID, member: 'owner' }],
      ['leaveConversation', { conversationId: ID }],
    ];
    for (const [field, input] of inputs) {
      expect(await change(who(), field, input)).toEqual({ accepted: null, refused: { code: 'NOT_FOUND' } });
      const nowhere = await change(who(), field, { ...input, conversationId: 'nowhere' });
      expect(nowhere.refused.code).toBe('NOT_FOUND');
    }
    expect((await change(who(), 'createConversation', { id: ID, members: [] })).refused.code).toBe('ALREADY_EXISTS');
  });

  it('of a member that need an owner are refused', async () => {
    expect((await change(member, 'addMembers', { conversationId: ID, members: ['x'] })).refused.code).toBe(
      'NOT_ALLOWED',
    );
    expect((await change(member, 'removeMember', { conversationId: ID, member: 'owner' })).refused.code).toBe(
      'NOT_ALLOWED',
    );
  });

  it('of an administrator administer, and do not send', async () => {
    expect((await change(admin, 'sendMessage', { conversationId: ID, text: 'x' })).refused.code).toBe('NOT_ALLOWED');
    expect((await change(admin, 'createConversation', { members: [] })).refused.code).toBe('NOT_ALLOWED');
    expect((await change(admin, 'addMembers', { conversationId: ID, members: ['guest'] })).accepted.changed).toBe(true);
    expect((await change(admin, 'removeMember', { conversationId: ID, member: 'guest' })).accepted.changed).toBe(true);
  });

  it('of the key of another sender are others: keys are each sender’s own', async () => {
    const clientKey = key();
    const first = await change(owner, 'sendMessage', { conversationId: ID, text: 'same key', clientKey });
    const second = await change(member, 'sendMessage', { conversationId: ID, text: 'same key', clientKey });
    expect(second.accepted.seq).toBe(first.accepted.seq + 1);
    expect(
      (await change(stranger, 'sendMessage', { conversationId: ID, text: 'same key', clientKey })).refused.code,
    ).toBe('NOT_FOUND');
  });

  it('by a server are the user’s own, and no more', async () => {
    const token = await tokenFor(api, 'backend', { scope: 'lanes:server' });
    const as = (user: string) => ({ token, headers: { 'lanes-as': user } });
    const SEND =
      'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } refused { code } message { sender { id } } } }';
    const input = () => ({ input: { conversationId: ID, text: 'by a server', clientKey: key() } });
    const sent = await post(api, SEND, input(), as('member'));
    expect(sent.data.sendMessage).toMatchObject({ refused: null, message: { sender: { id: 'member' } } });
    expect((await post(api, SEND, input(), as('stranger'))).data.sendMessage.refused.code).toBe('NOT_FOUND');
    expect((await post(api, '{ me { id } }', {}, as('member'))).data).toEqual({ me: { id: 'member' } });
    expect((await post(api, EVERYTHING, { id: ID }, as('stranger'))).data.conversation).toBeNull();
    expect((await post(api, EVERYTHING, { id: ID }, { token })).data.conversation).toBeNull();
    expect((await post(api, '{ me { id } }', {}, { token })).data).toEqual({ me: { id: 'backend' } });
    const socket = await socketOf(api, token, 'member');
    socket.subscribe('1', '{ me { id } }');
    expect((await socket.message(({ type }) => type === 'next')).payload.data.me.id).toBe('member');
    socket.socket.close();
  });
});

describe('without a token', () => {
  it('every operation is 401, whatever it asks', async () => {
    const all = [
      '{ me { id } }',
      '{ __typename }',
      '{ __schema { types { name } } }',
      '{ nothing }',
      '{',
      EVERYTHING,
      'mutation { leaveConversation(input: { conversationId: "room", clientKey: "k" }) { accepted { seq } } }',
    ];
    for (const query of all) {
      const answer = await post(api, query, { id: ID }, {});
      expect([answer.status, answer.data, codesOf(answer)]).toEqual([401, undefined, ['UNAUTHENTICATED']]);
    }
  });
});

describe('LANES_CREATE=server', () => {
  it('leaves the opening of conversations to servers', async () => {
    const strict = await startApi(servers, { LANES_CREATE: 'server', LANES_MEMBERS_ADD: 'member' });
    const token = await tokenFor(strict, 'backend', { scope: 'lanes:server' });
    const CREATE =
      'mutation($input: CreateConversationInput!) { createConversation(input: $input) { accepted { conversationId } refused { code } } }';
    const input = () => ({ input: { members: ['member'], clientKey: key() } });
    const byUser = await post(strict, CREATE, input(), { token: owner.token });
    expect(byUser.data.createConversation.refused.code).toBe('NOT_ALLOWED');
    const byServer = await post(strict, CREATE, input(), { token, headers: { 'lanes-as': 'owner' } });
    const { conversationId } = byServer.data.createConversation.accepted;
    const ADD =
      'mutation($input: AddMembersInput!) { addMembers(input: $input) { accepted { changed } refused { code } } }';
    const added = await post(
      strict,
      ADD,
      { input: { conversationId, members: ['guest'], clientKey: key() } },
      { token: member.token },
    );
    expect(added.data.addMembers.accepted.changed).toBe(true);
    await strict.stop();
  });
});
