/** WebSockets: the protocol, how streams come back, and every way in which a socket ends. */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import {
  type Client,
  clientOf,
  type Data,
  rawSocket,
  type SocketMessage,
  socketOf,
  startApi,
  type TestApi,
  type TestSocket,
  tokenFor,
  until,
} from './support/api.ts';
import { startServers, type TestServers } from './support/servers.ts';

let servers: TestServers;
let api: TestApi;
let alice: Client;
let bob: Client;

beforeAll(async () => {
  servers = await startServers();
  api = await startApi(servers);
  [alice, bob] = await Promise.all([clientOf(api, 'alice'), clientOf(api, 'bob')]);
});
afterAll(async () => {
  await api?.stop();
  await servers?.stop();
});

const FOLLOW = `subscription($id: ID!, $after: Int) { conversation(id: $id, after: $after) {
  __typename conversationId seq ... on ConversationEvent { at by { id } } ... on MessageSent { message { id text } }
  ... on MemberRemoved { member { id } } } }`;
const SEND = 'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } refused { code } } }';

const key = (): string => randomUUID();
const group = async (members: readonly string[] = ['bob']): Promise<string> => {
  const query =
    'mutation($input: CreateConversationInput!) { createConversation(input: $input) { accepted { conversationId } } }';
  const { createConversation } = await alice.ask(query, { input: { members, clientKey: key() } });
  return createConversation.accepted.conversationId;
};
const send = async (by: Client, conversationId: string, text: string): Promise<number> => {
  const { sendMessage } = await by.ask(SEND, { input: { conversationId, text, clientKey: key() } });
  return sendMessage.accepted.seq;
};
const frames = (socket: TestSocket, id: string): Data[] => socket.nexts(id).map(({ data }) => data.conversation);
const frame =
  (type: string, id = '1', seq?: number) =>
  (message: SocketMessage): boolean => {
    const found = message.id === id ? message.payload?.data?.conversation : undefined;
    return found?.__typename === type && (seq === undefined || found.seq === seq);
  };
const end =
  (id: string) =>
  (message: SocketMessage): boolean =>
    message.id === id && (message.type === 'error' || message.type === 'complete');

describe('operations', () => {
  it('of every kind go by a socket', async () => {
    const id = await group();
    const socket = await socketOf(api, alice.token);
    socket.subscribe('q', '{ me { id } }');
    await socket.message(end('q'));
    socket.subscribe('m', SEND, { input: { conversationId: id, clientKey: key(), text: 'by socket' } });
    await socket.message(end('m'));
    expect(socket.messages.slice(1)).toEqual([
      { id: 'q', type: 'next', payload: { data: { me: { id: 'alice' } } } },
      { id: 'q', type: 'complete' },
      { id: 'm', type: 'next', payload: { data: { sendMessage: { accepted: { seq: 2 }, refused: null } } } },
      { id: 'm', type: 'complete' },
    ]);
    socket.socket.close();
  });

  it('follow a conversation from a position, live, and end when the client says so', async () => {
    const id = await group();
    await send(alice, id, 'one');
    const socket = await socketOf(api, bob.token);
    socket.subscribe('1', FOLLOW, { id, after: 1 });
    await socket.message(frame('CaughtUp'));
    await send(alice, id, 'two');
    await socket.message(frame('MessageSent', '1', 3));
    expect(frames(socket, '1')).toMatchObject([
      { __typename: 'StreamStarted', conversationId: id, seq: 1 },
      { __typename: 'MessageSent', seq: 2, by: { id: 'alice' }, message: { id: `${id}:2`, text: 'one' } },
      { __typename: 'CaughtUp', seq: 2 },
      { __typename: 'MessageSent', seq: 3, message: { text: 'two' } },
    ]);
    socket.send({ id: '1', type: 'complete' });
    socket.subscribe('2', FOLLOW, { id, after: 3 });
    await socket.message(frame('CaughtUp', '2'));
    await send(alice, id, 'three');
    await socket.message(frame('MessageSent', '2', 4));
    expect(frames(socket, '1')).toHaveLength(4);
    socket.socket.close();
  });

  it('come back with a position and miss nothing', async () => {
    const id = await group();
    const first = await socketOf(api, bob.token);
    first.subscribe('1', FOLLOW, { id, after: 0 });
    await first.message(frame('CaughtUp'));
    first.socket.terminate();
    for (let i = 0; i < 20; i++) await send(alice, id, `while away ${i}`);
    const second = await socketOf(api, bob.token);
    second.subscribe('1', FOLLOW, { id, after: 1 });
    await second.message(frame('CaughtUp'));
    const seqs = frames(second, '1').map(({ seq }) => seq);
    expect(seqs).toEqual([1, ...Array.from({ length: 20 }, (_, i) => i + 2), 21]);
    second.subscribe('2', FOLLOW, { id });
    await second.message(frame('CaughtUp', '2'));
    expect(frames(second, '2')).toMatchObject([
      { __typename: 'StreamStarted', seq: 21 },
      { __typename: 'CaughtUp', seq: 21 },
    ]);
    second.socket.close();
  });

  it('end with a typed error, and the socket goes on', async () => {
    const socket = await socketOf(api, alice.token);
    const bad: readonly [id: string, code: string, query: string, variables?: Data][] = [
      ['1', 'NOT_FOUND', FOLLOW, { id: 'nowhere' }],
      ['2', 'BAD_USER_INPUT', FOLLOW, { id: 'a.b' }],
      ['3', 'BAD_USER_INPUT', FOLLOW, { id: 'c', after: -1 }],
      ['4', 'BAD_USER_INPUT', FOLLOW, {}],
      ['5', 'GRAPHQL_PARSE_FAILED', '{'],
      ['6', 'GRAPHQL_VALIDATION_FAILED', '{ nothing }'],
      ['7', 'GRAPHQL_PARSE_FAILED', ''],
      ['8', 'BAD_USER_INPUT', 'query A { me { id } } query B { me { id } }'],
      [
        '9',
        'GRAPHQL_VALIDATION_FAILED',
        'subscription { conversation(id: "a") { seq } x: conversation(id: "b") { seq } }',
      ],
      ['__proto__', 'NOT_FOUND', FOLLOW, { id: 'nowhere' }],
    ];
    for (const [id, code, query, variables] of bad) {
      socket.subscribe(id, query, variables);
      const message = await socket.message(end(id));
      expect([id, message.type, message.payload[0].extensions.code]).toEqual([id, 'error', code]);
    }
    socket.subscribe(
      '10',
      'mutation { sendMessage(input: { conversationId: "a.b", clientKey: "k", text: "x" }) { accepted { seq } } }',
    );
    expect(await socket.message(({ type, id }) => type === 'next' && id === '10')).toMatchObject({
      payload: {
        data: { sendMessage: null },
        errors: [{ path: ['sendMessage'], extensions: { code: 'BAD_USER_INPUT' } }],
      },
    });
    socket.subscribe('11', '{ me { id } }');
    expect((await socket.message(({ type, id }) => type === 'next' && id === '11')).payload.data.me.id).toBe('alice');
    socket.socket.close();
  });

  it('are at most 256 at once on a socket; one more is refused, and room is made by ending one', async () => {
    const id = await group();
    const socket = await socketOf(api, alice.token);
    for (let i = 0; i < 257; i++) socket.subscribe(String(i), FOLLOW, { id });
    const refused = await socket.message(({ type }) => type === 'error');
    expect(refused.payload[0].extensions).toEqual({ code: 'RATE_LIMITED', retryable: true, retryAfterMs: 5_000 });
    for (let i = 0; i < 257; i++) if (String(i) !== refused.id) await socket.message(frame('CaughtUp', String(i)));
    socket.send({ id: '0', type: 'complete' });
    socket.subscribe('again', FOLLOW, { id });
    await socket.message(frame('CaughtUp', 'again'));
    socket.socket.close();
  });
});

describe('a removed member', () => {
  it('gets everything up to the removal and nothing after, and the stream completes', async () => {
    const id = await group(['bob', 'carol']);
    const socket = await socketOf(api, bob.token);
    socket.subscribe('1', FOLLOW, { id, after: 0 });
    await socket.message(frame('CaughtUp'));
    await alice.ask('mutation($input: RemoveMemberInput!) { removeMember(input: $input) { accepted { seq } } }', {
      input: { conversationId: id, member: 'bob', clientKey: key() },
    });
    await send(alice, id, 'not for bob');
    expect((await socket.message(end('1'))).type).toBe('complete');
    expect(frames(socket, '1').at(-1)).toMatchObject({ __typename: 'MemberRemoved', seq: 2, member: { id: 'bob' } });
    socket.subscribe('2', FOLLOW, { id, after: 2 });
    expect((await socket.message(end('2'))).payload[0].extensions.code).toBe('NOT_FOUND');
    expect(JSON.stringify(socket.messages)).not.toContain('not for bob');
    socket.socket.close();
  });
});

describe('a socket', () => {
  it('is closed with 4403 token-invalid where the token is none of ours', async () => {
    const stranger = await tokenFor(api, 'alice', { secret: 'x'.repeat(40) });
    const payloads = [undefined, {}, { authorization: '' }, { authorization: 'Bearer nonsense' }, { authorization: 7 }];
    for (const payload of [...payloads, { authorization: `Bearer ${stranger}` }, { authorization: alice.token }]) {
      const socket = await rawSocket(api);
      socket.send({ type: 'connection_init', payload });
      expect(await socket.closed()).toEqual({ code: 4403, reason: 'token-invalid' });
    }
  });

  it('is closed with 4403 token-expired, at once or when it happens, and hears nothing after', async () => {
    const old = await rawSocket(api);
    old.send({
      type: 'connection_init',
      payload: { authorization: `Bearer ${await tokenFor(api, 'bob', { ttlSeconds: -5 })}` },
    });
    expect(await old.closed()).toEqual({ code: 4403, reason: 'token-expired' });

    const id = await group();
    const token = await tokenFor(api, 'bob', { ttlSeconds: 2 });
    const { exp } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    const socket = await socketOf(api, token);
    socket.subscribe('1', FOLLOW, { id, after: 0 });
    await socket.message(frame('CaughtUp'));
    expect(await socket.closed()).toEqual({ code: 4403, reason: 'token-expired' });
    const late = Date.now() - exp * 1_000;
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThan(2_000);
  });

  it('is closed with 4403 origin where a page of another origin opens it', async () => {
    const foreign = await rawSocket(api, { origin: 'https://evil.example' });
    expect(await foreign.closed()).toEqual({ code: 4403, reason: 'origin' });
    const own = await rawSocket(api, { origin: `http://127.0.0.1:${api.port}` });
    own.send({ type: 'connection_init', payload: { authorization: `Bearer ${alice.token}` } });
    await own.message(({ type }) => type === 'connection_ack');
    own.socket.close();
  });

  it('is closed with a 44xx of the protocol for what breaks it', async () => {
    const init = { type: 'connection_init', payload: { authorization: `Bearer ${alice.token}` } };
    const broken: readonly [code: number, what: readonly (unknown | Buffer)[]][] = [
      [4400, ['no JSON']],
      [4400, ['']],
      [4400, ['[]']],
      [4400, [{ type: 'nonsense' }]],
      [4400, [init, { type: 'subscribe', payload: { query: '{ me { id } }' } }]],
      [4400, [init, { id: '1', type: 'subscribe', payload: { query: 7 } }]],
      [4400, [init, { id: '1', type: 'subscribe', payload: { query: '{ me { id } }', variables: [] } }]],
      [4400, [init, { id: '1', type: 'next', payload: {} }]],
      [4400, [init, { type: 'connection_ack' }]],
      [4400, [init, Buffer.from([1, 2, 3])]],
      [4401, [{ id: '1', type: 'subscribe', payload: { query: '{ me { id } }' } }]],
      [4429, [init, init]],
      [
        4409,
        [
          init,
          { id: '1', type: 'subscribe', payload: { query: FOLLOW, variables: { id: 'x' } } },
          { id: '1', type: 'subscribe', payload: { query: FOLLOW, variables: { id: 'x' } } },
        ],
      ],
    ];
    for (const [code, messages] of broken) {
      const socket = await rawSocket(api);
      for (const message of messages) {
        if (Buffer.isBuffer(message)) socket.socket.send(message);
        else socket.send(message);
        if (message === init && messages[1] !== init) await socket.message(({ type }) => type === 'connection_ack');
      }
      expect([(await socket.closed()).code, messages.at(-1)]).toEqual([code, messages.at(-1)]);
    }
    const other = await rawSocket(api, { protocol: 'graphql-ws' }).catch((error: Error) => error.message);
    expect(typeof other === 'string' ? other : (await other.closed()).code).toEqual(
      typeof other === 'string' ? 'Server sent no subprotocol' : 4406,
    );
  });

  it('is closed with 1009 for a message over 256 KiB, and 1007 for one that is no UTF-8', async () => {
    const socket = await socketOf(api, alice.token);
    socket.subscribe('1', '{ me { id } }', { x: 'x'.repeat(300_000) });
    expect((await socket.closed()).code).toBe(1009);
    const other = await socketOf(api, alice.token);
    other.socket.send(Buffer.from([0xff, 0xfe]), { binary: false });
    expect((await other.closed()).code).toBe(1007);
  });

  it('is closed with 1002 for what is no frame, and nobody else is', async () => {
    const other = await socketOf(api, bob.token);
    // No mask, a reserved opcode, a control frame in pieces, reserved bits: RFC 6455 section 5.
    for (const bytes of [
      [0x81, 0x02, 0x68, 0x69],
      [0x83, 0x80, 0, 0, 0, 0],
      [0x09, 0x80, 0, 0, 0, 0],
      [0xf1, 0x80, 0, 0, 0, 0],
    ]) {
      const socket = await socketOf(api, alice.token);
      const { _socket: line } = socket.socket as unknown as { _socket: Socket };
      line.write(Buffer.from(bytes));
      expect((await socket.closed()).code).toBe(1002);
    }
    other.subscribe('1', '{ me { id } }');
    await other.message(({ type }) => type === 'complete');
    other.socket.close();
  });

  it('answers pings, whatever is in them', async () => {
    const socket = await socketOf(api, alice.token);
    socket.send({ type: 'ping' });
    await socket.message(({ type }) => type === 'pong');
    socket.send(`{"type":"ping","payload":{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`);
    socket.send({ type: 'pong' });
    socket.subscribe('1', '{ me { id } }', { deep: {} });
    await socket.message(({ type, id }) => type === 'complete' && id === '1');
    expect(socket.messages.filter(({ type }) => type === 'pong')).toHaveLength(2);
    socket.socket.close();
  });

  it('is closed with 1013 overloaded where its client reads nothing of many answers', async () => {
    const id = await group();
    for (let i = 0; i < 40; i++) await send(alice, id, 'x'.repeat(16_000));
    const query = 'query($id: ID!) { conversation(id: $id) { messages(last: 100) { nodes { text } } } }';
    // The figure is the server's own: a socket that it has given up is not open any more.
    const open = async (): Promise<number> => {
      const metrics = await (await fetch(`http://127.0.0.1:${api.adminPort}/metrics`)).text();
      return Number(/lanes_connections\{door="ws",room="api"\} (\d+)/.exec(metrics)?.[1]);
    };
    const socket = await socketOf(api, alice.token);
    const before = await open();
    socket.socket.pause();
    for (let i = 0; i < 60; i++) socket.subscribe(String(i), query, { id });
    await until(async () => (await open()) < before, 20_000);
    socket.socket.resume();
    expect(await socket.closed().then(({ code }) => [1006, 1013].includes(code))).toBe(true);
  });

  it('opens on the one path only', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${api.port}/other`, 'graphql-transport-ws');
    const refusal = await new Promise((resolve) =>
      socket.once('unexpected-response', (_, { statusCode }) => resolve(statusCode)),
    );
    expect(refusal).toBe(404);
  });
});

describe('a server that stops', () => {
  it('answers what is under way, then closes every socket with 1012', async () => {
    const other = await startApi(servers);
    const id = await group();
    const socket = await socketOf(other, bob.token);
    socket.subscribe('f', FOLLOW, { id, after: 0 });
    await socket.message(frame('CaughtUp', 'f'));
    const idle = await rawSocket(other);
    for (let i = 0; i < 20; i++)
      socket.subscribe(`m${i}`, SEND, { input: { conversationId: id, clientKey: key(), text: `last ${i}` } });
    const byHttp = fetch(other.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${alice.token}` },
      body: JSON.stringify({
        query: SEND,
        variables: { input: { conversationId: id, clientKey: key(), text: 'by http' } },
      }),
    }).then((answer) => answer.json());
    await socket.message(({ type, id: operation }) => type === 'next' && operation === 'm0');
    await other.stop();
    expect(await socket.closed()).toEqual({ code: 1012, reason: 'draining' });
    expect(await idle.closed()).toEqual({ code: 1012, reason: 'draining' });
    expect(((await byHttp) as Data).data.sendMessage.accepted.seq).toBeGreaterThan(1);
    // Whatever was answered is in the lane, and every send was answered or told to come again.
    const answered = socket.messages.filter(({ type, id: operation }) => type === 'next' && operation?.startsWith('m'));
    const errors = socket.messages.filter(({ type, id: operation }) => type === 'error' && operation?.startsWith('m'));
    expect(answered.length + errors.length).toBe(20);
    for (const { payload } of errors)
      expect(payload[0].extensions).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    const { conversation } = await alice.ask('query($id: ID!) { conversation(id: $id) { lastSeq } }', { id });
    expect(conversation.lastSeq).toBe(2 + answered.length);
  });
});
