/** Server-sent events: the same streams for whom a WebSocket is too much. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Client,
  clientOf,
  type Data,
  eventsFrom,
  type ServerEvent,
  startApi,
  type TestApi,
  tokenFor,
} from './support/api.ts';
import { startServers, type TestServers } from './support/servers.ts';

let servers: TestServers;
let api: TestApi;
let alice: Client;
let bob: Client;

beforeAll(async () => {
  servers = await startServers({ mongo: false });
  api = await startApi(servers);
  [alice, bob] = await Promise.all([clientOf(api, 'alice'), clientOf(api, 'bob')]);
});
afterAll(async () => {
  await api?.stop();
  await servers?.stop();
});

const FOLLOW =
  'subscription($id: ID!, $after: Int) { conversation(id: $id, after: $after) { __typename seq ... on MessageSent { message { text } } } }';
const key = (): string => randomUUID();
const group = async (): Promise<string> => {
  const query =
    'mutation($input: CreateConversationInput!) { createConversation(input: $input) { accepted { conversationId } } }';
  const { createConversation } = await alice.ask(query, { input: { members: ['bob'], clientKey: key() } });
  return createConversation.accepted.conversationId;
};
const send = (conversationId: string, text: string): Promise<Data> =>
  alice.ask('mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } } }', {
    input: { conversationId, text, clientKey: key() },
  });
const isFrame =
  (type: string) =>
  (event: ServerEvent): boolean =>
    event.data?.data?.conversation.__typename === type;
const told = (events: readonly ServerEvent[]): Data[] =>
  events.map(({ id, data }) => [Number(id), data.data.conversation.__typename, data.data.conversation.seq]);

describe.each(['POST', 'GET'] as const)('a stream by %s', (method) => {
  it('carries the position in each id, and goes on live', async () => {
    const id = await group();
    await send(id, 'one');
    const events = await eventsFrom(api, FOLLOW, { id, after: 0 }, { token: bob.token, method });
    expect(events.status).toBe(200);
    expect(events.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const caughtUp = await events.upTo(isFrame('CaughtUp'));
    await send(id, 'two');
    expect(told([...caughtUp, ...(await events.upTo(isFrame('MessageSent')))])).toEqual([
      [0, 'StreamStarted', 0],
      [1, 'ConversationCreated', 1],
      [2, 'MessageSent', 2],
      [2, 'CaughtUp', 2],
      [3, 'MessageSent', 3],
    ]);
    events.close();
  });

  it('goes on after the greater of Last-Event-ID and after', async () => {
    const id = await group();
    for (let i = 0; i < 4; i++) await send(id, `m${i}`);
    const seqs = async (after: number | null, lastEventId: string): Promise<number[]> => {
      const events = await eventsFrom(api, FOLLOW, { id, after }, { token: bob.token, method, lastEventId });
      const found = told(await events.upTo(isFrame('CaughtUp')));
      events.close();
      return found.map(([, , seq]) => seq);
    };
    expect(await seqs(0, '3')).toEqual([3, 4, 5, 5]);
    expect(await seqs(4, '3')).toEqual([4, 5, 5]);
    expect(await seqs(null, '4')).toEqual([4, 5, 5]);
    expect(await seqs(3, '')).toEqual([3, 4, 5, 5]);
  });

  it('completes after the removal of its reader', async () => {
    const id = await group();
    const events = await eventsFrom(api, FOLLOW, { id, after: 1 }, { token: bob.token, method });
    await events.upTo(isFrame('CaughtUp'));
    await alice.ask('mutation($input: RemoveMemberInput!) { removeMember(input: $input) { accepted { seq } } }', {
      input: { conversationId: id, member: 'bob', clientKey: key() },
    });
    await send(id, 'not for bob');
    const last = await events.upTo(({ event }) => event === 'complete');
    expect(last).toMatchObject([
      { event: 'next', id: '2', data: { data: { conversation: { __typename: 'MemberRemoved' } } } },
      { event: 'complete' },
    ]);
    expect(await events.next()).toBeUndefined();
  });

  it('that may not be ends with a typed error', async () => {
    const cases: readonly [code: string, query: string, variables: Data][] = [
      ['NOT_FOUND', FOLLOW, { id: 'nowhere' }],
      ['BAD_USER_INPUT', FOLLOW, { id: 'a.b' }],
      ['BAD_USER_INPUT', FOLLOW, { id: 'c', after: -1 }],
      ['GRAPHQL_VALIDATION_FAILED', 'subscription { nothing }', {}],
      ['GRAPHQL_PARSE_FAILED', '{', {}],
    ];
    for (const [code, query, variables] of cases) {
      const events = await eventsFrom(api, query, variables, { token: bob.token, method });
      const [error, complete] = [await events.next(), await events.next()];
      expect([error?.event, error?.data.errors[0].extensions.code, complete?.event]).toEqual([
        'next',
        code,
        'complete',
      ]);
    }
  });
});

describe('a stream', () => {
  it('ends with its token, without a complete, and the token is 401 after', async () => {
    const id = await group();
    const token = await tokenFor(api, 'bob', { ttlSeconds: 2 });
    const events = await eventsFrom(api, FOLLOW, { id, after: 0 }, { token });
    await events.upTo(isFrame('CaughtUp'));
    expect(await events.next()).toBeUndefined();
    expect((await eventsFrom(api, FOLLOW, { id, after: 0 }, { token })).status).toBe(401);
  });

  it('is for those only who say who they are, and whence', async () => {
    const id = await group();
    expect((await eventsFrom(api, FOLLOW, { id }, { method: 'GET' })).status).toBe(401);
    expect((await eventsFrom(api, FOLLOW, { id }, { method: 'POST' })).status).toBe(401);
    const foreign = { token: bob.token, headers: { origin: 'https://evil.example' } };
    expect((await eventsFrom(api, FOLLOW, { id }, foreign)).status).toBe(403);
    const bad = await eventsFrom(api, FOLLOW, { id }, { token: bob.token, lastEventId: 'nonsense' });
    expect(bad.status).toBe(200);
    expect(bad.headers.get('content-type')).toContain('application/json');
  });

  it('takes queries and mutations too, and answers in events where nothing else will do', async () => {
    const events = await eventsFrom(api, '{ me { id } }', {}, { token: bob.token });
    expect([await events.next(), await events.next()]).toMatchObject([
      { event: 'next', data: { data: { me: { id: 'bob' } } } },
      { event: 'complete' },
    ]);
    const json = await bob.post('{ me { id } }', {}, { accept: 'application/json, text/event-stream' });
    expect(json.data).toEqual({ me: { id: 'bob' } });
  });

  it('is given up by a server that stops as a lost connection is: without a complete', async () => {
    const other = await startApi(servers);
    const id = await group();
    const events = await eventsFrom(other, FOLLOW, { id, after: 0 }, { token: bob.token });
    await events.upTo(isFrame('CaughtUp'));
    await Promise.all([other.stop(), events.next().then((event) => expect(event).toBeUndefined())]);
  });
});
