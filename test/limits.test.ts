/** Limits: of documents, of requests and of budgets, at every door; and the buckets that count. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Buckets, Counts } from '../services/buckets.ts';
import {
  type Client,
  clientOf,
  codesOf,
  post,
  socketOf,
  startApi,
  type TestApi,
  type TestSocket,
  tokenFor,
  until,
} from './support/api.ts';
import { startServers, type TestServers } from './support/servers.ts';

describe('a bucket', () => {
  it('gives its burst at once, and then what time brings back', () => {
    let now = 1_000;
    const buckets = new Buckets({ perSecond: 10, burst: 3 }, () => now);
    expect([buckets.take('a'), buckets.take('a'), buckets.take('a'), buckets.take('a')]).toEqual([0, 0, 0, 100]);
    expect(buckets.take('b')).toBe(0);
    now += 60;
    expect([buckets.wait('a'), buckets.take('a')]).toEqual([40, 40]);
    now += 40;
    expect([buckets.wait('a'), buckets.take('a'), buckets.take('a')]).toEqual([0, 0, 100]);
    now += 10_000;
    expect([buckets.take('a'), buckets.take('a'), buckets.take('a'), buckets.take('a')]).toEqual([0, 0, 0, 100]);
  });

  it('can owe, and gives nothing until that has come back', () => {
    let now = 0;
    const buckets = new Buckets({ perSecond: 10, burst: 10 }, () => now);
    expect([buckets.take('a', 15), buckets.take('a', 15)]).toEqual([0, 600]);
    buckets.charge('a', 5);
    expect([buckets.wait('a'), buckets.refused]).toEqual([1_100, 2]);
    now += 1_100;
    expect([buckets.wait('a'), buckets.take('a')]).toEqual([0, 0]);
  });

  it('is not moved by a clock that is set back', () => {
    let now = 1_000_000;
    const buckets = new Buckets({ perSecond: 1, burst: 1 }, () => now);
    expect(buckets.take('a')).toBe(0);
    now = 0;
    expect(buckets.take('a')).toBe(1_000);
    now = 1_000;
    expect(buckets.take('a')).toBe(0);
  });

  it('takes no more memory than its bound, and lets the longest idle go', () => {
    const buckets = new Buckets({ perSecond: 0.001, burst: 1 }, () => 0, 3);
    for (const key of ['a', 'b', 'c']) buckets.take(key);
    buckets.take('a');
    buckets.take('d');
    expect(buckets.size).toBe(3);
    expect([buckets.take('a') > 0, buckets.take('b')]).toEqual([true, 0]);
  });

  it('counts what is open', () => {
    const counts = new Counts(2);
    expect([counts.enter('a'), counts.enter('a'), counts.enter('a'), counts.enter('b')]).toEqual([
      true,
      true,
      false,
      true,
    ]);
    counts.leave('a');
    expect([counts.enter('a'), counts.enter('a')]).toEqual([true, false]);
  });
});

let servers: TestServers;
let api: TestApi;
let alice: Client;
let socket: TestSocket;

beforeAll(async () => {
  servers = await startServers({ mongo: false });
  api = await startApi(servers);
  alice = await clientOf(api, 'alice');
  socket = await socketOf(api, alice.token);
});
afterAll(async () => {
  socket?.socket.close();
  await api?.stop();
  await servers?.stop();
});

const nested = (depth: number): string => {
  let inner = 'id';
  for (let i = 0; i < depth; i++) inner = i % 2 ? `node { ${inner} }` : `edges { ${inner} }`;
  return inner;
};
/** Two to the power of `levels` fields, in as many lines. */
const bomb = (levels: number): string =>
  `{ ...f0 } ${Array.from({ length: levels }, (_, i) => `fragment f${i} on Query { ${i + 1 < levels ? `...f${i + 1} ...f${i + 1}` : 'me { id }'} }`).join(' ')}`;

const OVER: readonly [what: string, code: string, query: string][] = [
  ['tokens', 'GRAPHQL_PARSE_FAILED', `{ me { ${'id '.repeat(2_100)} } }`],
  ['nesting that only the parser sees', 'GRAPHQL_PARSE_FAILED', `${'{ me '.repeat(1_500)}${'}'.repeat(1_500)}`],
  ['lists in arguments', 'GRAPHQL_PARSE_FAILED', `{ conversation(id: ${'['.repeat(3_000)}`],
  ['depth', 'GRAPHQL_VALIDATION_FAILED', `{ conversation(id: "c") { members { ${nested(20)} } } }`],
  [
    'depth by fragments',
    'GRAPHQL_VALIDATION_FAILED',
    `{ conversation(id: "c") { members { ...a } } } fragment a on MemberConnection { edges { node { user { ...b } } } } fragment b on User { ${nested(12)} }`,
  ],
  ['aliases', 'GRAPHQL_VALIDATION_FAILED', `{ me { ${Array.from({ length: 51 }, (_, i) => `a${i}: id`).join(' ')} } }`],
  [
    'root fields',
    'GRAPHQL_VALIDATION_FAILED',
    `{ ${Array.from({ length: 21 }, (_, i) => `a${i}: me { id }`).join(' ')} }`,
  ],
  ['fields that repeat', 'GRAPHQL_VALIDATION_FAILED', `{ me { ${'id '.repeat(300)} } }`],
  ['objects that repeat', 'GRAPHQL_VALIDATION_FAILED', `{ me { ${'user { id } '.repeat(400)} } }`],
  [
    'objects that repeat by a fragment that goes round',
    'GRAPHQL_VALIDATION_FAILED',
    '{ me { user { ...a } } } fragment a on Member { user { ...a } user { ...a } user { ...a } }',
  ],
  ['spreads', 'GRAPHQL_VALIDATION_FAILED', `{ ${'...f '.repeat(201)} } fragment f on Query { me { id } }`],
  [
    'operations',
    'GRAPHQL_VALIDATION_FAILED',
    Array.from({ length: 101 }, (_, i) => `query q${i} { me { id } }`).join(' '),
  ],
  ['directives', 'GRAPHQL_VALIDATION_FAILED', `{ me { ${'id @include(if: true) '.repeat(51)} } }`],
  ['fields', 'GRAPHQL_VALIDATION_FAILED', `{ me { ${'id '.repeat(1_100)} } }`],
  ['fragments that multiply', 'GRAPHQL_VALIDATION_FAILED', bomb(30)],
  [
    'introspection that goes round',
    'GRAPHQL_VALIDATION_FAILED',
    '{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }',
  ],
];

describe('a document over the limit', () => {
  it.each(OVER)('of %s is %s by HTTP, and costs little', async (_, code, query) => {
    const startedAt = performance.now();
    const answer = await alice.post(query);
    expect([answer.status, answer.data, codesOf(answer)[0]]).toEqual([200, undefined, code]);
    expect(answer.errors.length).toBeLessThanOrEqual(11);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it.each(OVER)('of %s is %s by a socket, which goes on', async (what, code, query) => {
    socket.subscribe(what, query);
    const message = await socket.message(({ id, type }) => id === what && type !== 'next');
    expect([message.type, message.payload?.[0].extensions.code]).toEqual(['error', code]);
    socket.subscribe(`after ${what}`, '{ me { id } }');
    await socket.message(({ id, type }) => id === `after ${what}` && type === 'complete');
  });

  it('is not the one that a person’s tools send', async () => {
    const { getIntrospectionQuery } = await import('graphql');
    const options = {
      schemaDescription: true,
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      inputValueDeprecation: true,
    };
    const { __schema } = await alice.ask(getIntrospectionQuery(options));
    expect(__schema.types.length).toBeGreaterThan(30);
  });

  it('may be small and ask for too many rows: the pages past the limit say so, wherever they stand', async () => {
    await alice.ask(
      'mutation { createConversation(input: { id: "c", members: [], clientKey: "k" }) { accepted { seq } } }',
    );
    const members = (count: number) =>
      Array.from({ length: count }, (_, i) => `m${i}: members(first: 100) { nodes { id } }`);
    const all = await alice.ask(`{ conversation(id: "c") { ${members(25).join(' ')} } }`);
    expect(Object.keys(all.conversation)).toHaveLength(25);
    const { data, errors } = await alice.post(
      `{ a: conversation(id: "c") { ${members(20).join(' ')} } b: conversation(id: "c") { ${members(6).join(' ')} } }`,
    );
    expect(data.b.m5).toBeNull();
    expect(errors).toMatchObject([{ path: ['b', 'm5'], extensions: { code: 'BAD_USER_INPUT' } }]);
  });

  it('whose field conflicts would take long to find is refused in good time', async () => {
    const query = `{ ${'me { id } '.repeat(18)} ${Array.from({ length: 300 }, () => '...f').join(' ')} } fragment f on Query { me { id } }`;
    const startedAt = performance.now();
    await alice.post(query);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});

describe('budgets', () => {
  const SEND =
    'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } refused { code message retryable retryAfterMs } } }';
  const CREATE =
    'mutation($input: CreateConversationInput!) { createConversation(input: $input) { accepted { conversationId } refused { code } } }';
  const key = (): string => randomUUID();

  it('of sends are each user’s own; past it a refusal says when', async () => {
    const slow = await startApi(servers, { LANES_SENDS_PER_SECOND: '5', LANES_SENDS_BURST: '5' });
    const bob = await tokenFor(slow, 'bob');
    const carol = await tokenFor(slow, 'carol');
    const created = await post(slow, CREATE, { input: { members: ['carol'], clientKey: key() } }, { token: bob });
    const { conversationId } = created.data.createConversation.accepted;
    const send = async (token: string) =>
      (await post(slow, SEND, { input: { conversationId, clientKey: key(), text: 'x' } }, { token })).data.sendMessage;
    const answers = [];
    for (let i = 0; i < 20; i++) answers.push(await send(bob));
    const refused = answers.find((answer) => answer.refused);
    expect(refused).toMatchObject({ accepted: null, refused: { code: 'RATE_LIMITED', retryable: true } });
    expect(refused.refused.retryAfterMs).toBeGreaterThan(0);
    expect(refused.refused.retryAfterMs).toBeLessThanOrEqual(200);
    expect((await send(carol)).accepted.seq).toBeGreaterThan(1);
    // What was refused was not written: places are dense over what was accepted.
    const seqs = answers.flatMap(({ accepted }) => (accepted ? [accepted.seq] : []));
    expect(seqs).toEqual(seqs.map((_, i) => i + 2));
    await slow.stop();
  });

  it('of requests are status 429 with Retry-After, and RATE_LIMITED on a socket', async () => {
    const slow = await startApi(servers, { LANES_SENDS_PER_SECOND: '1', LANES_SENDS_BURST: '1' });
    const dave = await clientOf(slow, 'dave');
    const by = await socketOf(slow, dave.token);
    for (let i = 0; i < 1_200; i++) by.subscribe(String(i), '{ me { id } }');
    const error = await by.message(({ type }) => type === 'error');
    expect(error.payload[0].extensions).toMatchObject({ code: 'RATE_LIMITED', retryable: true });
    // One user's requests are counted together, by whatever door they come.
    const limited = await until(async () => {
      for (let i = 0; i < 50; i++) by.subscribe(randomUUID(), '{ me { id } }');
      const answer = await dave.post('{ me { id } }');
      return answer.status === 429 && answer;
    });
    expect(limited.errors[0]?.extensions).toMatchObject({ code: 'RATE_LIMITED', retryable: true });
    expect(limited.headers.get('retry-after')).toBe('1');
    expect((await (await clientOf(slow, 'erin')).post('{ me { id } }')).status).toBe(200);
    by.socket.close();
    await slow.stop();
  });

  it('are none for bad tokens: each is looked at, and good ones of the same address pass, known or new', async () => {
    const strict = await startApi(servers);
    const good = await clientOf(strict, 'alice');
    await good.ask('{ me { id } }');
    const statuses = await Promise.all(
      Array.from({ length: 900 }, async (_, i) => {
        const secret = i % 9 === 0 ? {} : { secret: 'another secret, as long as it has to be' };
        const { status } = await post(strict, '{ me { id } }', {}, { token: await tokenFor(strict, `u${i}`, secret) });
        return [i % 9 === 0 ? 'good' : 'bad', status].join(' ');
      }),
    );
    expect(new Set(statuses)).toEqual(new Set(['good 200', 'bad 401']));
    const figures = await (await fetch(`http://127.0.0.1:${strict.adminPort}/metrics`)).text();
    expect(figures).toMatch(/lanes_tokens_verified_total\{outcome="good"[^}]*\} 101\n/);
    expect(figures).toMatch(/lanes_tokens_verified_total\{outcome="invalid"[^}]*\} 800\n/);
    expect(await good.ask('{ me { id } }')).toEqual({ me: { id: 'alice' } });
    await strict.stop();
  });
});
