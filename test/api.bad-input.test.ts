/** Whatever comes in gets the typed error, changes nothing, and costs the process nothing. */
import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, type Client, clientOf, codesOf, type Data, raw, startApi, type TestApi } from './support/api.ts';
import { startServers, type TestServers } from './support/servers.ts';

let servers: TestServers;
let api: TestApi;
let alice: Client;

beforeAll(async () => {
  servers = await startServers({ mongo: false });
  api = await startApi(servers);
  alice = await clientOf(api, 'alice');
  await alice.ask(
    'mutation { createConversation(input: { id: "c1", members: ["bob"], clientKey: "k0" }) { accepted { seq } } }',
  );
});
afterAll(async () => {
  // Nothing of all this has changed anything, and the process is well.
  const { conversation } = await alice.ask('{ conversation(id: "c1") { lastSeq memberCount } }');
  expect(conversation).toEqual({ lastSeq: 1, memberCount: 2 });
  await api?.stop();
  await servers?.stop();
});

/** `path` names the field of the answer, `field` the argument in the message. */
function expectBadInput(answer: Answer, path: string, field: string): void {
  expect(answer.status).toBe(200);
  expect(answer.data).toEqual({ [path]: null });
  expect(answer.errors).toMatchObject([{ path: [path], extensions: { code: 'BAD_USER_INPUT', retryable: false } }]);
  expect(answer.errors[0]?.message).toContain(`${field}: `);
}

const BAD_NAMES = [
  ...['', ' ', 'a.b', '*', '>', 'a b', 'a\r\nPUB x 1', '$JS.API', 'a/b', 'é', '\u0000', '../etc', 'ключ', '😀'],
  ...['a'.repeat(65), 'a'.repeat(1_024), '\ud800', 'a\n', '{"$gt":""}'],
];

describe('names', () => {
  const INPUTS: readonly [mutation: string, field: string, input: (bad: string) => Data][] = [
    ['sendMessage', 'conversationId', (bad) => ({ conversationId: bad, clientKey: 'k', text: 'x' })],
    ['sendMessage', 'clientKey', (bad) => ({ conversationId: 'c1', clientKey: bad, text: 'x' })],
    ['createConversation', 'id', (bad) => ({ id: bad, members: [], clientKey: 'k' })],
    ['createConversation', 'members[1]', (bad) => ({ members: ['bob', bad], clientKey: 'k' })],
    ['createConversation', 'clientKey', (bad) => ({ members: [], clientKey: bad })],
    ['openDirect', 'with', (bad) => ({ with: bad, clientKey: 'k' })],
    ['openDirect', 'clientKey', (bad) => ({ with: 'bob', clientKey: bad })],
    ['addMembers', 'conversationId', (bad) => ({ conversationId: bad, members: ['carol'], clientKey: 'k' })],
    ['addMembers', 'members[0]', (bad) => ({ conversationId: 'c1', members: [bad], clientKey: 'k' })],
    ['addMembers', 'clientKey', (bad) => ({ conversationId: 'c1', members: ['carol'], clientKey: bad })],
    ['removeMember', 'conversationId', (bad) => ({ conversationId: bad, member: 'bob', clientKey: 'k' })],
    ['removeMember', 'member', (bad) => ({ conversationId: 'c1', member: bad, clientKey: 'k' })],
    ['removeMember', 'clientKey', (bad) => ({ conversationId: 'c1', member: 'bob', clientKey: bad })],
    ['leaveConversation', 'conversationId', (bad) => ({ conversationId: bad, clientKey: 'k' })],
    ['leaveConversation', 'clientKey', (bad) => ({ conversationId: 'c1', clientKey: bad })],
  ];

  it.each(INPUTS)('%s.%s', async (mutation, field, input) => {
    const type = `${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input`;
    const query = `mutation($input: ${type}!) { ${mutation}(input: $input) { accepted { seq } } }`;
    for (const bad of BAD_NAMES)
      expectBadInput(await alice.post(query, { input: input(bad) }), mutation, `input.${field}`);
  });

  it.each([
    ['conversation', 'id', 'query($id: ID!) { conversation(id: $id) { id } }'],
    ['message', 'conversationId', 'query($id: ID!) { message(conversationId: $id, seq: 1) { id } }'],
  ])('%s.%s', async (path, field, query) => {
    for (const id of BAD_NAMES) expectBadInput(await alice.post(query, { id }), path, field);
  });

  it('of ours are not chosen', async () => {
    for (const id of ['g_mine', 'd_mine']) {
      const query =
        'mutation($id: ID!) { createConversation(input: { id: $id, members: [], clientKey: "k" }) { accepted { seq } } }';
      expectBadInput(await alice.post(query, { id }), 'createConversation', 'input.id');
    }
  });

  it('are taken as they are where they look like something else', async () => {
    for (const id of ['__proto__', 'constructor', '-', '_', '0', 'null']) {
      const clientKey = randomUUID();
      const query =
        'mutation($i: CreateConversationInput!) { createConversation(input: $i) { accepted { conversationId } } }';
      const { createConversation } = await alice.ask(query, {
        i: { id, members: ['toString', '__proto__'], clientKey },
      });
      expect(createConversation.accepted.conversationId).toBe(id);
      const { conversation } = await alice.ask('query($id: ID!) { conversation(id: $id) { memberCount } }', { id });
      expect(conversation.memberCount).toBe(3);
    }
  });
});

describe('texts', () => {
  it('are not empty, and well-formed', async () => {
    const SEND =
      'mutation($text: String!) { sendMessage(input: { conversationId: "c1", clientKey: "k", text: $text }) { accepted { seq } } }';
    const TITLE =
      'mutation($text: String!) { createConversation(input: { members: [], clientKey: "k", title: $text }) { accepted { seq } } }';
    for (const text of ['', 'a\ud800', '\udc00\ud800', '\udfff']) {
      expectBadInput(await alice.post(SEND, { text }), 'sendMessage', 'input.text');
      expectBadInput(await alice.post(TITLE, { text }), 'createConversation', 'input.title');
    }
  });
});

describe('meanings', () => {
  it.each([
    ['openDirect', 'input.with', 'openDirect(input: { with: "alice", clientKey: "k" }) { accepted { seq } }'],
    [
      'addMembers',
      'input.members',
      'addMembers(input: { conversationId: "c1", members: [], clientKey: "k" }) { accepted { seq } }',
    ],
  ])('%s: %s', async (path, field, selection) => {
    expectBadInput(await alice.post(`mutation { ${selection} }`), path, field);
  });

  it.each([
    ['first', 'messages(first: 0) { asOf }'],
    ['first', 'messages(first: 101) { asOf }'],
    ['last', 'messages(last: -1) { asOf }'],
    ['last', 'events(last: 101) { asOf }'],
    ['first', 'messages(first: 1, last: 1) { asOf }'],
    ['aroundSeq', 'messages(aroundSeq: 0) { asOf }'],
    ['aroundSeq', 'messages(aroundSeq: 1, after: "czE6MQ") { asOf }'],
    ['aroundSeq', 'events(aroundSeq: 1, before: "czE6MQ") { asOf }'],
    ['after', 'messages(after: "nonsense") { asOf }'],
    ['after', 'messages(after: "") { asOf }'],
    ['before', 'events(before: "bTE6MTphbGljZQ") { asOf }'],
    ['before', `events(before: "${Buffer.from('s1:-1').toString('base64url')}") { asOf }`],
    ['before', `events(before: "${Buffer.from('s2:1').toString('base64url')}") { asOf }`],
    ['first', 'members(first: 101) { nodes { id } }'],
    ['after', 'members(after: "czE6MQ") { nodes { id } }'],
    ['after', `members(after: "${Buffer.from('m1:1:a.b').toString('base64url')}") { nodes { id } }`],
  ])('of pages: %s in %s', async (field, selection) => {
    const { data, errors } = await alice.post(`{ conversation(id: "c1") { ${selection} } }`);
    const path = selection.slice(0, selection.indexOf('('));
    expect(data).toEqual({ conversation: { [path]: null } });
    expect(errors).toMatchObject([{ path: ['conversation', path], extensions: { code: 'BAD_USER_INPUT' } }]);
    expect(errors[0]?.message).toMatch(new RegExp(`^${field}: `));
  });

  it('of places', async () => {
    for (const seq of [0, -1])
      expectBadInput(await alice.post(`{ message(conversationId: "c1", seq: ${seq}) { id } }`), 'message', 'seq');
    expectBadInput(await alice.post('{ conversations(first: 0) { nodes { id } } }'), 'conversations', 'first');
    expectBadInput(await alice.post('{ conversations(after: "czE6MQ") { nodes { id } } }'), 'conversations', 'after');
  });
});

describe('variables', () => {
  const SEND = 'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } } }';
  it.each([
    [{ input: null }],
    [{}],
    [{ input: { conversationId: 'c1', clientKey: 'k' } }],
    [{ input: { conversationId: 'c1', clientKey: 'k', text: 7 } }],
    [{ input: { conversationId: 'c1', clientKey: { $gt: '' }, text: 'x' } }],
    [{ input: { conversationId: ['c1', 'c2'], clientKey: 'k', text: 'x' } }],
    [{ input: { conversationId: 'c1', clientKey: 'k', text: 'x', more: true } }],
    [{ input: 'text' }],
  ])('of a wrong type: %j', async (variables) => {
    const answer = await alice.post(SEND, variables);
    expect(answer.data).toBeUndefined();
    expect(new Set(codesOf(answer))).toEqual(new Set(['BAD_USER_INPUT']));
  });

  it('of a wrong number', async () => {
    for (const seq of [1.5, 2 ** 31, '1', true]) {
      const answer = await alice.post('query($seq: Int!) { message(conversationId: "c1", seq: $seq) { id } }', { seq });
      expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
    }
  });
});

describe('documents', () => {
  it.each([
    ['GRAPHQL_PARSE_FAILED', '{'],
    ['GRAPHQL_PARSE_FAILED', ''],
    ['GRAPHQL_PARSE_FAILED', '{ me { id } } \u0000'],
    ['GRAPHQL_VALIDATION_FAILED', '{ nothing }'],
    ['GRAPHQL_VALIDATION_FAILED', '{ me }'],
    ['GRAPHQL_VALIDATION_FAILED', '{ me { id } } { me { id } }'],
    ['GRAPHQL_VALIDATION_FAILED', 'mutation { sendMessage(input: { text: "x" }) { accepted { seq } } }'],
    ['GRAPHQL_VALIDATION_FAILED', '{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }'],
    ['GRAPHQL_VALIDATION_FAILED', 'mutation { acknowledge(input: {}) { accepted { seq } } }'],
    ['GRAPHQL_VALIDATION_FAILED', 'fragment A on Query { me { id } }'],
    ['BAD_USER_INPUT', 'subscription { conversation(id: "c1") { seq } }'],
  ])('%s: %s', async (code, query) => {
    const answer = await alice.post(query);
    expect([answer.status, answer.data, codesOf(answer)[0]]).toEqual([200, undefined, code]);
    const asked = await alice.post(query, {}, { accept: 'application/graphql-response+json' });
    expect([asked.status, codesOf(asked)[0]]).toEqual([400, code]);
    expect(asked.headers.get('content-type')).toBe('application/graphql-response+json; charset=utf-8');
  });

  it('name the operation that is meant', async () => {
    const query = 'query A { me { id } } query B { b: me { id } }';
    const body = (operationName: unknown) => JSON.stringify({ query, operationName });
    const { token } = alice;
    expect((await raw(api, body('B'), { token })).data).toEqual({ b: { id: 'alice' } });
    expect(codesOf(await raw(api, body('C'), { token }))).toEqual(['BAD_USER_INPUT']);
    expect(codesOf(await raw(api, body(undefined), { token }))).toEqual(['BAD_USER_INPUT']);
    expect((await raw(api, body(7), { token })).status).toBe(400);
  });
});

describe('requests', () => {
  const bodies: readonly [what: string, body: string | Uint8Array<ArrayBuffer>][] = [
    ['no JSON', '{ me { id } }'],
    ['nothing', ''],
    ['null', 'null'],
    ['a number', '7'],
    ['no query', '{}'],
    ['a query that is no string', '{"query":7}'],
    ['variables that are a list', '{"query":"{me{id}}","variables":[1]}'],
    ['a batch', '[{"query":"{me{id}}"},{"query":"{me{id}}"}]'],
    ['an empty batch', '[]'],
    ['invalid UTF-8', new Uint8Array([...Buffer.from('{"query":"{me{id}}","x":"'), 0xff, 0xfe, ...Buffer.from('"}')])],
    ['half a character', new Uint8Array([...Buffer.from('{"query":"{me{id}}","x":"'), 0xc3, ...Buffer.from('"}')])],
  ];
  it.each(bodies)('whose body is %s are 400', async (_, body) => {
    const answer = await raw(api, body, { token: alice.token });
    expect([answer.status, codesOf(answer)]).toEqual([400, ['BAD_USER_INPUT']]);
  });

  it('in another content type are 415', async () => {
    const types = [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/graphql',
      'application/json; charset=utf-16',
    ];
    for (const type of types) {
      const answer = await raw(api, '{"query":"{me{id}}"}', { token: alice.token, headers: { 'content-type': type } });
      expect([answer.status, codesOf(answer)]).toEqual([415, ['BAD_USER_INPUT']]);
    }
    const zipped = await raw(api, '{"query":"{me{id}}"}', {
      token: alice.token,
      headers: { 'content-encoding': 'gzip' },
    });
    expect(zipped.status).toBe(415);
  });

  it('by another method are 405', async () => {
    for (const method of ['PUT', 'DELETE', 'PATCH', 'HEAD']) {
      const answer = await fetch(api.url, { method, headers: { authorization: `Bearer ${alice.token}` } });
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, POST, OPTIONS']);
    }
  });

  it('over 256 KiB are 413, whether they say so or not', async () => {
    const body = JSON.stringify({ query: '{me{id}}', variables: { x: 'x'.repeat(300_000) } });
    const answer = await raw(api, body, { token: alice.token });
    expect([answer.status, codesOf(answer)]).toEqual([413, ['BAD_USER_INPUT']]);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = {
        'content-type': 'application/json',
        authorization: `Bearer ${alice.token}`,
        'transfer-encoding': 'chunked',
      };
      const request = httpRequest(api.url, { method: 'POST', headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on('error', reject);
      for (let i = 0; i < 30; i++) request.write('x'.repeat(10_000));
      request.end();
    });
    expect(status).toBe(413);
    const fits = JSON.stringify({ query: '{me{id}}', variables: { x: 'x'.repeat(200_000) } });
    expect((await raw(api, fits, { token: alice.token })).data).toEqual({ me: { id: 'alice' } });
  });

  it('that are no HTTP are cut off, and nobody else is', async () => {
    const line = connect(api.port, '127.0.0.1');
    const answer = new Promise<string>((resolve) => {
      let text = '';
      line.on('data', (data) => {
        text += data;
      });
      line.on('close', () => resolve(text));
    });
    line.write('\x16\x03\x01 this is no HTTP\r\n\r\n');
    expect(await answer).toMatch(/^HTTP\/1\.1 400/);
    expect(await alice.ask('{ me { id } }')).toEqual({ me: { id: 'alice' } });
  });

  it('by GET may be queries, and no mutations', async () => {
    const get = async (search: Record<string, string>, headers: Record<string, string> = {}): Promise<Data> => {
      const answer = await fetch(`${api.url}?${new URLSearchParams(search)}`, {
        headers: { authorization: `Bearer ${alice.token}`, accept: 'application/json', ...headers },
      });
      return { status: answer.status, ...((await answer.json()) as object) };
    };
    expect(await get({ query: '{ me { id } }' })).toEqual({ status: 200, data: { me: { id: 'alice' } } });
    const byId = { query: 'query($id: ID!) { conversation(id: $id) { lastSeq } }' };
    expect(await get({ ...byId, variables: '{"id":"c1"}' })).toEqual({
      status: 200,
      data: { conversation: { lastSeq: 1 } },
    });
    expect((await get({ ...byId, variables: '{"id":"a.b"}' })).errors[0].extensions.code).toBe('BAD_USER_INPUT');
    expect((await get({ query: '{ nothing }' })).errors[0].extensions.code).toBe('GRAPHQL_VALIDATION_FAILED');
    expect((await get({ query: '{' })).errors[0].extensions.code).toBe('GRAPHQL_PARSE_FAILED');
    expect(
      (
        await get({
          query: 'mutation { leaveConversation(input: { conversationId: "c1", clientKey: "k" }) { accepted { seq } } }',
        })
      ).status,
    ).toBe(405);
    expect((await get({ query: 'subscription { conversation(id: "c1") { seq } }' })).errors[0].extensions.code).toBe(
      'BAD_USER_INPUT',
    );
    expect((await get({ ...byId, variables: 'nonsense' })).status).toBe(400);
    expect((await get({})).status).toBe(400);
  });

  it('to other paths are 404', async () => {
    for (const path of [
      '/graphqlx',
      '/graphql/',
      '/nothing',
      '/graphql/page/../../package.json',
      '/graphql/page/nothing.js',
    ]) {
      expect(
        (await fetch(new URL(path, api.url), { headers: { authorization: `Bearer ${alice.token}` } })).status,
      ).toBe(404);
    }
  });
});

describe('figures', () => {
  it('count all this', async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${api.adminPort}/metrics`)).text();
    expect(metrics).toContain('lanes_requests_total');
    expect(metrics).toMatch(/lanes_sends_total\{outcome="accepted",room="api"\} \d+/);
  });
});
