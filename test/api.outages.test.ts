/** With parts of the system away: what goes on, what says that it does not, and that nothing is lost or done twice. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLogger } from '../services/logger.ts';
import { start as startProjector } from '../services/projector/main.ts';
import { type Client, clientOf, codesOf, type Data, socketOf, startApi, type TestApi, until } from './support/api.ts';
import { freePort, startServers, type TestServers } from './support/servers.ts';

let servers: TestServers;
let one: TestApi;
let two: TestApi;
let alice: Client;
/** The same user, at the other process. */
let alice2: Client;
let bob2: Client;

beforeAll(async () => {
  servers = await startServers();
  [one, two] = await Promise.all([startApi(servers), startApi(servers)]);
  [alice, alice2, bob2] = await Promise.all([
    clientOf(one, 'alice', { name: 'Alice' }),
    clientOf(two, 'alice'),
    clientOf(two, 'bob'),
  ]);
});
afterAll(async () => {
  await Promise.all([one?.stop(), two?.stop()]);
  await servers?.stop();
});

const SEND =
  'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq acceptedAt repeated } refused { code } } }';
const PAGE = 'query($id: ID!) { conversation(id: $id) { lastSeq messages(last: 100) { asOf nodes { seq text } } } }';
const FOLLOW = 'subscription($id: ID!, $after: Int) { conversation(id: $id, after: $after) { __typename seq } }';
const key = (): string => randomUUID();
const group = async (): Promise<string> => {
  const query =
    'mutation($input: CreateConversationInput!) { createConversation(input: $input) { accepted { conversationId } } }';
  const { createConversation } = await alice.ask(query, { input: { members: ['bob'], clientKey: key() } });
  return createConversation.accepted.conversationId;
};
const send = (by: Client, conversationId: string, text: string, clientKey = key()) =>
  by.post(SEND, { input: { conversationId, text, clientKey } });
const texts = ({ conversation }: Data): string[] => conversation.messages.nodes.map(({ text }: Data) => text);
const ready = async (api: Pick<TestApi, 'port'>): Promise<{ status: number; reason: string }> => {
  const answer = await fetch(`http://127.0.0.1:${api.port}/readyz`);
  return { status: answer.status, reason: await answer.text() };
};
const healthy = async (api: Pick<TestApi, 'port'>): Promise<boolean> =>
  (await fetch(`http://127.0.0.1:${api.port}/healthz`)).ok;

describe('two processes', () => {
  it('are one: a key is done once whichever it comes to, and both tell one order at once', async () => {
    const id = await group();
    const clientKey = key();
    const first = await send(alice, id, 'once', clientKey);
    const again = await send(alice2, id, 'once', clientKey);
    expect(again.data.sendMessage.accepted).toEqual({ ...first.data.sendMessage.accepted, repeated: true });
    expect((await send(alice2, id, 'other', clientKey)).data.sendMessage.refused.code).toBe('KEY_REUSED');

    const clients = [alice, alice2, bob2];
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) => send(clients[i % 3] as Client, id, `m${i}`)),
    );
    const seqs = answers.map(({ data }) => data.sendMessage.accepted.seq);
    expect([...seqs].sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i + 3));
    const [here, there] = await Promise.all([alice.ask(PAGE, { id }), bob2.ask(PAGE, { id })]);
    expect(here).toEqual(there);
    expect(here.conversation).toMatchObject({ lastSeq: 62, messages: { asOf: 62 } });
    for (const [i, seq] of seqs.entries()) expect(texts(here)[seq - 2]).toBe(`m${i}`);
  });

  it('answer the same command, come to both at once, with one place', async () => {
    const id = await group();
    for (let i = 0; i < 20; i++) {
      const clientKey = key();
      const answers = await Promise.all([
        send(alice, id, `twin ${i}`, clientKey),
        send(alice2, id, `twin ${i}`, clientKey),
      ]);
      const [a, b] = answers.map(({ data }) => data.sendMessage.accepted);
      expect(a.seq).toBe(b.seq);
      expect([a.repeated, b.repeated].filter(Boolean)).toHaveLength(1);
    }
  });

  it('see at once who was removed at the other', async () => {
    const id = await group();
    await bob2.ask(PAGE, { id });
    await alice.ask('mutation($input: RemoveMemberInput!) { removeMember(input: $input) { accepted { seq } } }', {
      input: { conversationId: id, member: 'bob', clientKey: key() },
    });
    expect(await bob2.ask(PAGE, { id })).toEqual({ conversation: null });
    expect((await send(bob2, id, 'x')).data.sendMessage.refused.code).toBe('NOT_FOUND');
  });
});

describe('with MongoDB down', () => {
  it('sends and streams go on, what needs history says UNAVAILABLE, and nothing is missing after', async () => {
    const id = await group();
    await servers.mongo.kill9();
    try {
      for (let i = 0; i < 30; i++)
        expect((await send(alice, id, `down ${i}`)).data.sendMessage.accepted.seq).toBe(i + 2);
      const socket = await socketOf(two, bob2.token);
      socket.subscribe('1', FOLLOW, { id, after: 0 });
      await socket.message(({ payload }) => payload?.data?.conversation.__typename === 'CaughtUp');
      expect(socket.nexts('1').map(({ data }) => data.conversation.seq)).toEqual([
        0,
        ...Array.from({ length: 31 }, (_, i) => i + 1),
        31,
      ]);
      socket.socket.close();

      const page = await alice.post(PAGE, { id });
      expect(page.data).toEqual({ conversation: { lastSeq: 31, messages: null } });
      expect(page.errors).toMatchObject([
        { path: ['conversation', 'messages'], extensions: { code: 'UNAVAILABLE', retryable: true } },
      ]);
      const last = await alice.post(
        'query($id: ID!) { conversation(id: $id) { lastMessage { text } } message(conversationId: $id, seq: 2) { text } conversations { nodes { id } } }',
        { id },
      );
      expect(last.data).toEqual({ conversation: { lastMessage: null }, message: null, conversations: null });
      expect(codesOf(last)).toEqual(['UNAVAILABLE', 'UNAVAILABLE', 'UNAVAILABLE']);
      expect(await alice.ask('{ me { user { name } } }')).toEqual({ me: { user: { name: 'Alice' } } });
      expect(await bob2.ask('{ me { user { name } } }')).toEqual({ me: { user: { name: null } } });
      expect((await ready(one)).status).toBe(200);

      const started = await startApi(servers);
      const there = await clientOf(started, 'alice');
      expect((await send(there, id, 'started without MongoDB')).data.sendMessage.accepted.seq).toBe(32);
      await started.stop();
    } finally {
      await servers.mongo.restart();
    }
    const whole = await until(async () => {
      const { data, errors } = await alice.post(PAGE, { id });
      return errors.length === 0 && data;
    });
    expect(texts(whole)).toEqual([...Array.from({ length: 30 }, (_, i) => `down ${i}`), 'started without MongoDB']);
    const projector = await startProjector(
      servers.config({ LANES_ADMIN_PORT: '0' }),
      createLogger({ logLevel: 'error' }, 'projector', 2),
    );
    await until(async () => {
      const { data } = await alice.post('{ conversations(first: 1) { nodes { id } } }');
      return data.conversations?.nodes[0]?.id === id;
    });
    expect(await alice.ask(PAGE, { id })).toEqual(whole);
    await projector.stop();
  });
});

describe('with NATS down', () => {
  it('nothing is answered as done or decided, sockets stay, and the same keys are done once after', async () => {
    const id = await group();
    const socket = await socketOf(one, alice.token);
    socket.subscribe('1', FOLLOW, { id, after: 0 });
    await socket.message(({ payload }) => payload?.data?.conversation.__typename === 'CaughtUp');
    const keys = Array.from({ length: 5 }, key);
    await servers.nats.kill9();
    let answers: Data[];
    try {
      answers = await Promise.all(keys.map((clientKey, i) => send(alice, id, `dark ${i}`, clientKey)));
      for (const { data, errors } of answers) {
        expect(data).toEqual({ sendMessage: null });
        expect(['UNAVAILABLE', 'OUTCOME_UNKNOWN']).toContain(errors[0].extensions.code);
        expect(errors[0].extensions.retryable).toBe(true);
      }
      const read = await alice.post('query($id: ID!) { conversation(id: $id) { lastSeq } }', { id });
      expect([read.data, codesOf(read)]).toEqual([{ conversation: null }, ['UNAVAILABLE']]);
      const { status, reason } = await until(async () => {
        const now = await ready(one);
        return now.status === 503 && now;
      });
      expect([status, reason.length > 10]).toEqual([503, true]);
      expect(await healthy(one)).toBe(true);
    } finally {
      await servers.nats.restart();
    }
    await until(async () => (await ready(one)).status === 200);
    for (const [i, clientKey] of keys.entries()) {
      await until(async () => {
        const { data } = await send(i % 2 ? alice : alice2, id, `dark ${i}`, clientKey);
        return data.sendMessage?.accepted?.seq;
      });
    }
    const { conversation } = await until(async () => {
      const { data, errors } = await alice.post(PAGE, { id });
      return errors.length === 0 && data;
    });
    expect(conversation.lastSeq).toBe(6);
    expect([...texts({ conversation })].sort()).toEqual(keys.map((_, i) => `dark ${i}`));
    await socket.message(({ payload }) => payload?.data?.conversation.seq === 6);
    const seqs = socket
      .nexts('1')
      .filter(({ data }) => data.conversation.__typename === 'MessageSent')
      .map(({ data }) => data.conversation.seq);
    expect(seqs).toEqual([2, 3, 4, 5, 6]);
    socket.socket.close();
  }, 60_000);

  it('a process starts, says what it waits for, and goes to work when it comes', async () => {
    await servers.nats.kill9();
    const port = await freePort();
    const starting = startApi(servers, { LANES_PORT: String(port) });
    const { status, reason } = await until(() => ready({ port }).catch(() => undefined));
    expect([status, reason]).toEqual([503, 'starting: the store of conversations is not reached yet\n']);
    expect(await healthy({ port })).toBe(true);
    await servers.nats.restart();
    const started = await starting;
    expect((await ready(started)).status).toBe(200);
    await started.stop();
  });
});
