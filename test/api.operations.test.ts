/** Every operation, by the front door: what a client asks and what it is answered. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLogger } from '../services/logger.ts';
import { start as startProjector } from '../services/projector/main.ts';
import type { Running } from '../services/run.ts';
import { type Client, clientOf, codesOf, type Data, startApi, type TestApi, until } from './support/api.ts';
import { startServers, type TestServers } from './support/servers.ts';

let servers: TestServers;
let api: TestApi;
let projector: Running;
let alice: Client;
let bob: Client;
let carol: Client;

beforeAll(async () => {
  servers = await startServers();
  api = await startApi(servers);
  projector = await startProjector(
    servers.config({ LANES_ADMIN_PORT: '0' }),
    createLogger({ logLevel: 'error' }, 'projector', 2),
  );
  [alice, bob, carol] = await Promise.all([
    clientOf(api, 'alice', { name: 'Alice', picture: 'https://example.org/alice.png' }),
    clientOf(api, 'bob'),
    clientOf(api, 'carol'),
  ]);
});
afterAll(async () => {
  await projector?.stop();
  await api?.stop();
  await servers?.stop();
});

const ACCEPTED = 'accepted { conversationId seq acceptedAt repeated changed }';
const REFUSED = 'refused { code message retryable retryAfterMs }';
const CONVERSATION = 'conversation { id kind title lastSeq memberCount }';
const mutation = (field: string, more: string) =>
  `mutation($input: ${field[0]?.toUpperCase()}${field.slice(1)}Input!) { ${field}(input: $input) { ${ACCEPTED} ${REFUSED} ${more} } }`;
const SEND = mutation(
  'sendMessage',
  'message { id conversationId seq changedSeq sender { id } text sentAt clientKey }',
);

const key = (): string => randomUUID();
const change = async (by: Client, field: string, input: Data, more = CONVERSATION): Promise<Data> =>
  (await by.ask(mutation(field, more), { input }))[field];
const create = (by: Client, input: Data = {}) =>
  change(by, 'createConversation', { members: ['bob'], clientKey: key(), ...input });
const send = async (by: Client, conversationId: string, text: string, clientKey = key()): Promise<Data> =>
  (await by.ask(SEND, { input: { conversationId, text, clientKey } })).sendMessage;
/** A group of alice and bob with `count` messages `m1` …; the id. */
async function groupWith(count: number): Promise<string> {
  const { accepted } = await create(alice);
  for (let i = 1; i <= count; i++) await send(i % 2 ? alice : bob, accepted.conversationId, `m${i}`);
  return accepted.conversationId;
}

describe('me and users', () => {
  it('are who the token says', async () => {
    expect(await alice.ask('{ me { id user { id name avatarUrl } } }')).toEqual({
      me: { id: 'alice', user: { id: 'alice', name: 'Alice', avatarUrl: 'https://example.org/alice.png' } },
    });
    expect(await bob.ask('{ me { user { name avatarUrl } } }')).toEqual({
      me: { user: { name: null, avatarUrl: null } },
    });
  });

  it('are shown to others by the name that their last token had', async () => {
    const { accepted } = await create(alice, { members: ['dave'] });
    const names = async (): Promise<Data> => {
      const { conversation } = await alice.ask(
        'query($id: ID!) { conversation(id: $id) { members { nodes { user { id name } } } } }',
        { id: accepted.conversationId },
      );
      return conversation.members.nodes.map(({ user }: Data) => user);
    };
    expect(await names()).toEqual([
      { id: 'alice', name: 'Alice' },
      { id: 'dave', name: null },
    ]);
    await (await clientOf(api, 'dave', { name: 'Dave' })).ask('{ me { id } }');
    expect((await names())[1]).toEqual({ id: 'dave', name: 'Dave' });
  });
});

describe('createConversation', () => {
  it('makes a group whose first event it is, with its creator as the owner', async () => {
    const more =
      'conversation { id kind title createdAt lastSeq firstSeq lastActivityAt memberCount me { id role } directWith { id } members { nodes { id role joinedAt user { id } } } }';
    const { accepted, refused, conversation } = await change(
      alice,
      'createConversation',
      { id: 'lunch', title: 'Lunch', members: ['bob', 'alice', 'bob'], clientKey: 'k0' },
      more,
    );
    expect(refused).toBeNull();
    expect(accepted).toMatchObject({ conversationId: 'lunch', seq: 1, repeated: false, changed: true });
    expect(accepted.acceptedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(conversation).toEqual({
      id: 'lunch',
      kind: 'GROUP',
      title: 'Lunch',
      createdAt: accepted.acceptedAt,
      lastSeq: 1,
      firstSeq: 1,
      lastActivityAt: accepted.acceptedAt,
      memberCount: 2,
      me: { id: 'lunch:alice', role: 'OWNER' },
      directWith: null,
      members: {
        nodes: [
          { id: 'lunch:alice', role: 'OWNER', joinedAt: accepted.acceptedAt, user: { id: 'alice' } },
          { id: 'lunch:bob', role: 'MEMBER', joinedAt: accepted.acceptedAt, user: { id: 'bob' } },
        ],
      },
    });
  });

  it('makes the id from creator and key, so that a retry finds the same one', async () => {
    const clientKey = key();
    const first = await create(alice, { clientKey, members: ['bob', 'carol'] });
    expect(first.accepted.conversationId).toMatch(/^g_[A-Za-z0-9_-]{22,62}$/);
    const again = await create(alice, { clientKey, members: ['carol', 'bob'] });
    expect(again.accepted).toEqual({ ...first.accepted, repeated: true });
    const byBob = await create(bob, { clientKey, members: ['carol'] });
    expect(byBob.accepted.conversationId).not.toBe(first.accepted.conversationId);
  });

  it('refuses a taken id, and a key that said something else', async () => {
    const clientKey = key();
    await create(alice, { id: 'taken', clientKey });
    expect(await create(bob, { id: 'taken' })).toMatchObject({
      accepted: null,
      refused: { code: 'ALREADY_EXISTS', retryable: false, retryAfterMs: null },
      conversation: null,
    });
    expect((await create(alice, { id: 'taken', clientKey, title: 'other' })).refused.code).toBe('KEY_REUSED');
    expect((await create(alice, { id: 'taken', clientKey })).accepted.repeated).toBe(true);
  });

  it('refuses a title that is too long, and too many members', async () => {
    const tooLong = { title: 'é'.repeat(513) };
    expect((await create(alice, tooLong)).refused.code).toBe('TOO_LARGE');
    expect((await create(alice, { title: 'é'.repeat(512) })).accepted.seq).toBe(1);
    const members = Array.from({ length: 10_000 }, (_, i) => `u${i}`);
    expect((await create(alice, { members })).refused.code).toBe('MEMBER_LIMIT');
    expect((await create(alice, { members: members.slice(1) })).conversation.memberCount).toBe(10_000);
  });
});

describe('openDirect', () => {
  it('finds the one conversation of a pair from both sides', async () => {
    const more = 'conversation { id kind title directWith { id } me { role } memberCount }';
    const opened = await change(alice, 'openDirect', { with: 'carol', clientKey: key() }, more);
    expect(opened.accepted).toMatchObject({ seq: 1, changed: true, repeated: false });
    expect(opened.conversation).toMatchObject({
      kind: 'DIRECT',
      title: null,
      directWith: { id: 'carol' },
      memberCount: 2,
    });
    expect(opened.conversation.id).toMatch(/^d_[A-Za-z0-9_-]{22,62}$/);
    await send(carol, opened.conversation.id, 'hello');
    const found = await change(carol, 'openDirect', { with: 'alice', clientKey: key() }, more);
    expect(found.accepted).toEqual({ ...opened.accepted, changed: false });
    expect(found.conversation).toMatchObject({ id: opened.conversation.id, directWith: { id: 'alice' } });
  });

  it('keeps its two members', async () => {
    const { accepted } = await change(alice, 'openDirect', { with: 'bob', clientKey: key() });
    const { conversationId } = accepted;
    const inputs: readonly [string, Data][] = [
      ['addMembers', { members: ['carol'] }],
      ['removeMember', { member: 'bob' }],
      ['leaveConversation', {}],
    ];
    for (const [field, input] of inputs) {
      const { refused } = await change(alice, field, { conversationId, clientKey: key(), ...input });
      expect(refused).toMatchObject({ code: 'NOT_ALLOWED', retryable: false });
    }
  });
});

describe('members', () => {
  it('are added, see from where they are meant to, are removed, and leave', async () => {
    const id = await groupWith(2);
    const added = await change(alice, 'addMembers', {
      conversationId: id,
      members: ['carol', 'bob'],
      hideHistory: true,
      clientKey: key(),
    });
    expect(added).toMatchObject({ accepted: { seq: 4, changed: true }, conversation: { memberCount: 3 } });
    const again = await change(alice, 'addMembers', { conversationId: id, members: ['carol'], clientKey: key() });
    expect(again.accepted).toMatchObject({ seq: 4, changed: false });
    const seen = await carol.ask(
      'query($id: ID!) { conversation(id: $id) { firstSeq messages { nodes { text } } me { role } } }',
      { id },
    );
    expect(seen.conversation).toEqual({ firstSeq: 4, messages: { nodes: [] }, me: { role: 'MEMBER' } });

    expect(
      (await change(carol, 'removeMember', { conversationId: id, member: 'bob', clientKey: key() })).refused.code,
    ).toBe('NOT_ALLOWED');
    expect(
      (await change(carol, 'addMembers', { conversationId: id, members: ['dave'], clientKey: key() })).refused.code,
    ).toBe('NOT_ALLOWED');
    const removed = await change(alice, 'removeMember', { conversationId: id, member: 'carol', clientKey: key() });
    expect(removed).toMatchObject({ accepted: { seq: 5, changed: true }, conversation: { memberCount: 2 } });
    const gone = await change(alice, 'removeMember', { conversationId: id, member: 'carol', clientKey: key() });
    expect(gone.accepted).toMatchObject({ seq: 5, changed: false });

    const left = await change(alice, 'leaveConversation', { conversationId: id, clientKey: key() });
    expect(left).toMatchObject({ accepted: { seq: 6, changed: true }, conversation: null });
    const heir = await bob.ask('query($id: ID!) { conversation(id: $id) { me { role } memberCount } }', { id });
    expect(heir.conversation).toEqual({ me: { role: 'OWNER' }, memberCount: 1 });
  });

  it('are paged in the order of coming in, whoever leaves meanwhile', async () => {
    const { accepted } = await create(alice, { members: ['m3', 'm1', 'm2'] });
    const id = accepted.conversationId;
    await change(alice, 'addMembers', { conversationId: id, members: ['a2', 'a1'], clientKey: key() });
    const page = async (first: number, after: string | null): Promise<Data> =>
      (
        await alice.ask(
          'query($id: ID!, $first: Int, $after: String) { conversation(id: $id) { members(first: $first, after: $after) { edges { cursor node { user { id } } } nodes { user { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }',
          { id, first, after },
        )
      ).conversation.members;
    const first = await page(3, null);
    expect(first.nodes.map(({ user }: Data) => user.id)).toEqual(['alice', 'm1', 'm2']);
    expect(first.pageInfo).toMatchObject({
      hasNextPage: true,
      hasPreviousPage: false,
      endCursor: first.edges[2].cursor,
    });
    await change(alice, 'removeMember', { conversationId: id, member: 'm2', clientKey: key() });
    const second = await page(3, first.pageInfo.endCursor);
    expect(second.nodes.map(({ user }: Data) => user.id)).toEqual(['m3', 'a1', 'a2']);
    expect(second.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    expect(await page(3, second.pageInfo.endCursor)).toMatchObject({
      nodes: [],
      pageInfo: { startCursor: null, hasNextPage: false },
    });
  });
});

describe('sendMessage', () => {
  it('answers with the place, and the message as all see it', async () => {
    const id = await groupWith(0);
    const { accepted, refused, message } = await send(bob, id, 'hi', 'key-1');
    expect(refused).toBeNull();
    expect(accepted).toMatchObject({ conversationId: id, seq: 2, repeated: false, changed: true });
    expect(message).toEqual({
      id: `${id}:2`,
      conversationId: id,
      seq: 2,
      changedSeq: 2,
      sender: { id: 'bob' },
      text: 'hi',
      sentAt: accepted.acceptedAt,
      clientKey: 'key-1',
    });
    const read = await alice.ask(
      'query($id: ID!) { conversation(id: $id) { lastSeq lastMessage { id text } } message(conversationId: $id, seq: 2) { text clientKey } }',
      { id },
    );
    expect(read).toEqual({
      conversation: { lastSeq: 2, lastMessage: { id: `${id}:2`, text: 'hi' } },
      message: { text: 'hi', clientKey: 'key-1' },
    });
  });

  it('is done once for one key, and refuses other content under it', async () => {
    const id = await groupWith(0);
    const first = await send(alice, id, 'once', 'once');
    await send(bob, id, 'between', 'once');
    const again = await send(alice, id, 'once', 'once');
    expect(again.accepted).toEqual({ ...first.accepted, repeated: true });
    expect(again.message).toEqual(first.message);
    const reused = await send(alice, id, 'other', 'once');
    expect(reused).toMatchObject({ accepted: null, refused: { code: 'KEY_REUSED', retryable: false }, message: null });
  });

  it('measures a text in bytes of UTF-8', async () => {
    const id = await groupWith(0);
    expect((await send(alice, id, 'é'.repeat(8_192))).accepted.seq).toBe(2);
    expect((await send(alice, id, `${'é'.repeat(8_192)}.`)).refused.code).toBe('TOO_LARGE');
  });

  it('does not take its siblings with it when it fails', async () => {
    const id = await groupWith(0);
    const { data, errors } = await alice.post(
      `mutation($good: SendMessageInput!, $bad: SendMessageInput!, $gone: SendMessageInput!) {
        bad: sendMessage(input: $bad) { accepted { seq } }
        gone: sendMessage(input: $gone) { refused { code } }
        good: sendMessage(input: $good) { accepted { seq } }
      }`,
      {
        bad: { conversationId: 'a.b', clientKey: key(), text: 'x' },
        gone: { conversationId: 'nowhere', clientKey: key(), text: 'x' },
        good: { conversationId: id, clientKey: key(), text: 'x' },
      },
    );
    expect(data).toEqual({ bad: null, gone: { refused: { code: 'NOT_FOUND' } }, good: { accepted: { seq: 2 } } });
    expect(errors).toMatchObject([{ path: ['bad'], extensions: { code: 'BAD_USER_INPUT', retryable: false } }]);
  });
});

describe('pages', () => {
  const PAGE =
    'asOf edges { cursor node { seq } } nodes { seq } pageInfo { hasPreviousPage hasNextPage startCursor endCursor }';
  const page = async (id: string, field: 'messages' | 'events', args: Data): Promise<Data> => {
    const query = `query($id: ID!, $first: Int, $after: String, $last: Int, $before: String, $aroundSeq: Int) {
      conversation(id: $id) { ${field}(first: $first, after: $after, last: $last, before: $before, aroundSeq: $aroundSeq) { ${PAGE} } }
    }`;
    return (await alice.ask(query, { id, ...args })).conversation[field];
  };
  const seqs = ({ nodes }: Data): number[] => nodes.map(({ seq }: Data) => seq);

  it('go back from the newest and forward from the oldest, always rising', async () => {
    const id = await groupWith(7);
    const newest = await page(id, 'messages', { last: 3 });
    expect(seqs(newest)).toEqual([6, 7, 8]);
    expect(newest).toMatchObject({ asOf: 8, pageInfo: { hasPreviousPage: true, hasNextPage: false } });
    expect(newest.edges.map(({ node }: Data) => node.seq)).toEqual([6, 7, 8]);
    const before = await page(id, 'messages', { last: 3, before: newest.pageInfo.startCursor });
    expect(seqs(before)).toEqual([3, 4, 5]);
    const rest = await page(id, 'messages', { last: 3, before: before.pageInfo.startCursor });
    expect([seqs(rest), rest.pageInfo.hasPreviousPage]).toEqual([[2], false]);
    const oldest = await page(id, 'messages', { first: 2 });
    expect(seqs(oldest)).toEqual([2, 3]);
    expect(seqs(await page(id, 'messages', { first: 2, after: oldest.pageInfo.endCursor }))).toEqual([4, 5]);
    expect(seqs(await page(id, 'messages', {}))).toEqual([2, 3, 4, 5, 6, 7, 8]);
  });

  it('go around a place, and of events are dense', async () => {
    const id = await groupWith(7);
    expect(seqs(await page(id, 'events', {}))).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const around = seqs(await page(id, 'events', { aroundSeq: 5, last: 3 }));
    expect(around).toHaveLength(3);
    expect(around).toContain(5);
    const { conversation } = await alice.ask(
      `query($id: ID!) { conversation(id: $id) { events(first: 2) { nodes { __typename conversationId seq at by { id }
        ... on ConversationCreated { kind title members { id } } ... on MessageSent { message { text } } } } } }`,
      { id },
    );
    expect(conversation.events.nodes).toMatchObject([
      {
        __typename: 'ConversationCreated',
        conversationId: id,
        seq: 1,
        by: { id: 'alice' },
        kind: 'GROUP',
        members: [{ id: 'alice' }, { id: 'bob' }],
      },
      { __typename: 'MessageSent', seq: 2, message: { text: 'm1' } },
    ]);
  });

  it('hold one hundred at the most', async () => {
    const id = await groupWith(0);
    const MANY = `mutation(${Array.from({ length: 15 }, (_, i) => `$m${i}: SendMessageInput!`).join(' ')}) { ${Array.from({ length: 15 }, (_, i) => `m${i}: sendMessage(input: $m${i}) { accepted { seq } }`).join(' ')} }`;
    for (let round = 0; round < 7; round++) {
      const inputs = Array.from({ length: 15 }, (_, i) => [
        `m${i}`,
        { conversationId: id, clientKey: key(), text: 'x' },
      ]);
      await alice.ask(MANY, Object.fromEntries(inputs));
    }
    expect(seqs(await page(id, 'messages', { last: 100 }))).toHaveLength(100);
    expect(seqs(await page(id, 'messages', {}))).toHaveLength(50);
  });
});

describe('message', () => {
  it('is null where the place is another event’s, or nobody’s', async () => {
    const id = await groupWith(1);
    const at = async (seq: number): Promise<Data> =>
      (await alice.ask('query($id: ID!, $seq: Int!) { message(conversationId: $id, seq: $seq) { seq } }', { id, seq }))
        .message;
    expect([await at(1), await at(2), await at(3)]).toEqual([null, { seq: 2 }, null]);
  });
});

describe('conversations', () => {
  it('come with the newest activity first, in pages', async () => {
    const eve = await clientOf(api, 'eve');
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.push((await create(eve, { members: [] })).accepted.conversationId);
    await send(eve, ids[0] as string, 'newest now');
    const list = async (first: number, after: string | null): Promise<Data> =>
      (
        await eve.ask(
          'query($first: Int, $after: String) { conversations(first: $first, after: $after) { nodes { id lastMessage { text } } edges { cursor node { id } } pageInfo { hasNextPage endCursor } } }',
          { first, after },
        )
      ).conversations;
    const expected = [ids[0], ids[2], ids[1]];
    const whole = await until(async () => {
      const page = await list(10, null);
      return JSON.stringify(page.nodes.map(({ id }: Data) => id)) === JSON.stringify(expected) && page;
    });
    expect(whole.nodes[0].lastMessage).toEqual({ text: 'newest now' });
    expect(whole.pageInfo.hasNextPage).toBe(false);
    const first = await list(2, null);
    expect(first.nodes.map(({ id }: Data) => id)).toEqual(expected.slice(0, 2));
    expect(first.pageInfo.hasNextPage).toBe(true);
    expect((await list(2, first.pageInfo.endCursor)).nodes.map(({ id }: Data) => id)).toEqual(expected.slice(2));
  });

  it('are at most one hundred', async () => {
    expect(codesOf(await alice.post('{ conversations(first: 101) { nodes { id } } }'))).toEqual(['BAD_USER_INPUT']);
  });
});
