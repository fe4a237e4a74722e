/** What one user asks for costs that user, and nobody else: documents, answers, streams. A real process with a small heap. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, clientOf, codesOf, eventsFrom, post, type SocketMessage, socketOf } from './support/api.ts';
import { startServers, type TestServers } from './support/servers.ts';
import { type SmallApi, startSmallApi } from './support/small-api.ts';

const HEAP_MB = 160;
/** Of one send while another user does its worst. On a machine that does nothing else it is about a tenth of this. */
const LATE_MS = 10_000;

let servers: TestServers;
let api: SmallApi;
let alice: Client;
let mallory: Client;
let lane: string;

beforeAll(async () => {
  servers = await startServers();
  api = await startSmallApi(servers, HEAP_MB);
  [alice, mallory] = await Promise.all([clientOf(api, 'alice'), clientOf(api, 'mallory')]);
  const created = await alice.ask(CREATE, { input: { members: ['bob'], clientKey: randomUUID() } });
  lane = created.createConversation.accepted.conversationId;
});
afterAll(async () => {
  await api?.stop();
  await servers?.stop();
});

const CREATE =
  'mutation($input: CreateConversationInput!) { createConversation(input: $input) { accepted { conversationId } refused { code } } }';
const SEND =
  'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } refused { code message } } }';
const send = async (by: Client): Promise<number> => {
  const { sendMessage } = await by.ask(SEND, { input: { conversationId: lane, text: 'hi', clientKey: randomUUID() } });
  return sendMessage.accepted.seq;
};
const repeated = (count: number, of: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => of(i)).join(' ');

/** Calls `work` so many times, `atOnce` of them at a time. */
async function many(count: number, atOnce: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** Whether another user's sends are answered while `flood` lasts, and how late the latest was. */
async function sendsDuring(flood: Promise<unknown>): Promise<{ readonly sends: number; readonly latestMs: number }> {
  let over = false;
  const end = flood.finally(() => {
    over = true;
  });
  let sends = 0;
  let latestMs = 0;
  while (!over) {
    const startedAt = performance.now();
    await send(alice);
    latestMs = Math.max(latestMs, performance.now() - startedAt);
    sends++;
  }
  await end;
  return { sends, latestMs };
}

describe('one user’s documents', () => {
  it('do not fill the process’s memory, however many there are, and others’ sends are answered', async () => {
    const codes = new Map<string, number>();
    /** Sent twice each, so that it would be worth remembering. */
    const pages = repeated(49, (i) => `m${i}: members(first: 100) { nodes { id role user { id name } } }`);
    const document = (i: number): string => `{ conversation(id: "nowhere${i}") { ${pages} } }`;
    const flood = many(1_600, 16, async (i) => {
      const answer = await mallory.post(document(Math.floor(i / 2)));
      const [code = 'none'] = codesOf(answer);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    });
    const { sends, latestMs } = await sendsDuring(flood);
    expect([api.exitCode, api.signal]).toEqual([null, null]);
    expect(sends).toBeGreaterThan(0);
    expect(latestMs).toBeLessThan(LATE_MS);
    expect([...codes.keys()].sort()).toEqual(['RATE_LIMITED', 'none']);
  });
});

const MEMBERS = 10_000;

describe('one user’s answers', () => {
  let large: string;
  let eve: Client;
  beforeAll(async () => {
    eve = await clientOf(api, 'eve');
    const members = Array.from({ length: MEMBERS - 1 }, (_, i) => `u${i}`);
    const created = await eve.ask(CREATE, { input: { members, clientKey: randomUUID() } });
    large = created.createConversation.accepted.conversationId;
  });

  const lists = (count: number): string => repeated(count, (i) => `m${i}: members { id name }`);
  const page = (count: number): string =>
    `query($id: ID!) { conversation(id: $id) { events(first: 1) { nodes { seq ... on ConversationCreated { ${lists(count)} } } } } }`;
  const follow = (count: number): string =>
    `subscription($id: ID!) { conversation(id: $id, after: 0) { __typename seq ... on ConversationCreated { ${lists(count)} } } }`;
  const TOO_MUCH = [{ extensions: { code: 'BAD_USER_INPUT', retryable: false } }];

  it('hold at most so much, told before it is made; a list of ten thousand is not too much', async () => {
    const { data, errors } = await eve.post(page(20), { id: large });
    expect([data.conversation.events, errors]).toMatchObject([null, TOO_MUCH]);
    const { conversation } = await eve.ask(page(1), { id: large });
    expect(conversation.events.nodes[0].m0).toHaveLength(MEMBERS);
  });

  it('hold no more by a socket, as a query or a frame of a stream, which goes on', async () => {
    const member = await clientOf(api, 'u1');
    const socket = await socketOf(api, member.token);
    socket.subscribe('query', page(20), { id: large });
    const answer = await socket.message(({ id, type }) => id === 'query' && type === 'next');
    expect(answer.payload.errors).toMatchObject(TOO_MUCH);
    socket.subscribe('stream', follow(20), { id: large });
    const isCaughtUp = ({ payload }: { payload?: { data?: { conversation?: { __typename: string } } } }) =>
      payload?.data?.conversation?.__typename === 'CaughtUp';
    await socket.message(isCaughtUp);
    const [started, frame] = socket.nexts('stream');
    expect(started.data.conversation.__typename).toBe('StreamStarted');
    expect(frame.errors).toMatchObject(TOO_MUCH);
    socket.socket.close();
  });

  it('hold no more by server-sent events', async () => {
    const member = await clientOf(api, 'u2');
    const events = await eventsFrom(api, follow(20), { id: large }, { token: member.token });
    const got = await events.upTo(({ data }) => data.errors !== undefined);
    expect(got.at(-1)?.data.errors).toMatchObject(TOO_MUCH);
    events.close();
  });

  it.each(['conversation', 'inbox'])(
    'as frames of many streams of a %s come later, and others’ sends are answered meanwhile',
    async (kind) => {
      const trent = await clientOf(api, `trent-${kind}`);
      await trent.ask('mutation { registerDevice(input: { device: "d1" }) { device { id } } }');
      const socket = await socketOf(api, trent.token);
      const members = Array.from({ length: MEMBERS - 1 }, (_, i) => `u${i}`);
      const create = async (): Promise<string> => {
        const { createConversation } = await trent.ask(CREATE, { input: { members, clientKey: randomUUID() } });
        return createConversation.accepted.conversationId;
      };
      const id = await create();
      const STREAMS = 60;
      for (let i = 0; i < STREAMS; i++) {
        // No two alike.
        const fields = `__typename seq ... on ConversationCreated { l${i}: seq ${lists(5)} }`;
        const query = {
          conversation: `subscription($id: ID!) { conversation(id: $id, after: 0) { ${fields} } }`,
          inbox: `subscription { inbox(device: "d1") { ${fields} } }`,
        };
        socket.subscribe(String(i), query[kind as keyof typeof query], { id });
      }
      const isFrame =
        (stream: number) =>
        (message: SocketMessage): boolean =>
          message.id === String(stream) && JSON.stringify(message.payload ?? null).includes(`"l${stream}":1`);
      await Promise.any(Array.from({ length: STREAMS }, (_, i) => socket.message(isFrame(i))));
      // Made at once, all would be there before another user's next sends are answered: the process does one thing at a time.
      for (let i = 0; i < 10; i++) await send(alice);
      const numbers = Array.from({ length: STREAMS }, (_, i) => i);
      const came = socket.messages.filter((message) => numbers.some((i) => isFrame(i)(message)));
      expect(came.length).toBeLessThan(STREAMS / 2);
      socket.socket.close();
    },
  );

  it('that are many are refused for a while, and others’ sends are answered meanwhile', async () => {
    const member = await clientOf(api, 'u3');
    const codes = new Set<string>();
    let retryAfterMs = 0;
    const flood = many(200, 8, async () => {
      const { status, errors } = await post(api, page(5), { id: large }, { token: member.token });
      codes.add(`${status} ${errors[0]?.extensions.code ?? 'none'}`);
      retryAfterMs = Math.max(retryAfterMs, errors[0]?.extensions.retryAfterMs ?? 0);
    });
    const { sends, latestMs } = await sendsDuring(flood);
    expect([api.exitCode, api.signal]).toEqual([null, null]);
    expect(sends).toBeGreaterThan(0);
    expect(latestMs).toBeLessThan(LATE_MS);
    expect([...codes]).toContain('200 RATE_LIMITED');
    expect(retryAfterMs).toBeGreaterThan(0);
  });
});
