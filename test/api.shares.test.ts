/** What one user may hold of a process: streams, places to catch up, memory. A real process with the limits of an installation that sets none. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Client,
  clientOf,
  type Data,
  eventsFrom,
  rawSocket,
  type SocketMessage,
  socketOf,
  type TestSocket,
  until,
} from './support/api.ts';
import { startServers, type TestServers } from './support/servers.ts';
import { type SmallApi, startSmallApi } from './support/small-api.ts';

const HEAP_MB = 512;
const MB = 1024 ** 2;

let servers: TestServers;
let api: SmallApi;
let alice: Client;
let mallory: Client;
let lane: string;

beforeAll(async () => {
  servers = await startServers();
  api = await startSmallApi(servers, HEAP_MB);
  [alice, mallory] = await Promise.all([clientOf(api, 'alice'), clientOf(api, 'mallory')]);
  const created = await alice.ask(CREATE, { input: { members: ['mallory', 'bob'], clientKey: randomUUID() } });
  lane = created.createConversation.accepted.conversationId;
  await alice.ask(SEND, { input: { conversationId: lane, text: 'hi', clientKey: randomUUID() } });
});
afterAll(async () => {
  await api?.stop();
  await servers?.stop();
});

const CREATE =
  'mutation($input: CreateConversationInput!) { createConversation(input: $input) { accepted { conversationId } } }';
const SEND = 'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } refused { code } } }';
const FOLLOW = 'subscription($id: ID!) { conversation(id: $id) { __typename seq } }';
const INBOX = 'subscription($device: ID!) { inbox(device: $device) { __typename } }';
const WATCH = 'subscription($id: ID!) { delivery(conversationId: $id, seq: 2) { user { id } state } }';

const codeOf = ({ payload }: SocketMessage): Data => payload?.[0]?.extensions;
const close = (sockets: readonly TestSocket[]): void => {
  for (const { socket } of sockets) socket.terminate();
};

/** Opens so many streams on as many sockets as that takes; settles when each has begun or was refused. */
async function open(by: Client, count: number, query: string, variables: (i: number) => Data, as?: string) {
  const sockets: TestSocket[] = [];
  for (let i = 0; i < count; i += 250) {
    const socket = await rawSocket(api);
    socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${by.token}`, ...(as ? { as } : {}) } });
    await socket.message(({ type }) => type === 'connection_ack');
    for (let id = i; id < Math.min(count, i + 250); id++) socket.subscribe(String(id), query, variables(id));
    sockets.push(socket);
  }
  const answers = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      (sockets[Math.floor(i / 250)] as TestSocket).message(({ id, type }) => id === String(i) && type !== 'complete'),
    ),
  );
  const refused = answers.filter(({ type }) => type === 'error').map(codeOf);
  return { sockets, begun: count - refused.length, refused };
}
const REFUSED = { code: 'RATE_LIMITED', retryable: true, retryAfterMs: 5_000 };

describe('a socket', () => {
  it('keeps nothing of operations that have ended, and of those that go on no more than they need', async () => {
    const socket = await socketOf(api, alice.token);
    const large = 'x'.repeat(240_000);
    socket.subscribe('warm', FOLLOW, { id: lane, large });
    await socket.message(({ id, type }) => id === 'warm' && type === 'next');
    const before = await api.heap();
    for (let i = 0; i < 120; i++) {
      socket.subscribe(`ended ${i}`, '{ me { id } }', { large: `${i}${large}` });
      socket.subscribe(`completed ${i}`, FOLLOW, { id: lane, large: `${i}${large}` });
      await socket.message(({ id, type }) => id === `completed ${i}` && type === 'next');
      socket.send({ id: `completed ${i}`, type: 'complete' });
    }
    socket.subscribe('last', '{ me { id } }');
    await socket.message(({ id, type }) => id === 'last' && type === 'complete');
    const ended = await api.heap();
    expect(ended - before).toBeLessThan(10 * MB);
    for (let i = 0; i < 120; i++) {
      const payload = { query: FOLLOW, variables: { id: lane, large: `${i}${large}` } };
      socket.send({ id: `open ${i}`, type: 'subscribe', payload });
      await socket.message(({ id, type }) => id === `open ${i}` && type === 'next');
    }
    expect((await api.heap()) - ended).toBeLessThan(10 * MB);
    close([socket]);
  });

  it('keeps nothing of what it was opened with, nor an event stream of what it was asked with', async () => {
    const large = 'x'.repeat(240_000);
    const before = await api.heap();
    const sockets: TestSocket[] = [];
    const streams: Awaited<ReturnType<typeof eventsFrom>>[] = [];
    for (let i = 0; i < 50; i++) {
      const socket = await rawSocket(api);
      socket.send({
        type: 'connection_init',
        payload: { authorization: `Bearer ${alice.token}`, large: `${i}${large}` },
      });
      await socket.message(({ type }) => type === 'connection_ack');
      sockets.push(socket);
      const events = await eventsFrom(api, FOLLOW, { id: lane, large: `${i}${large}` }, { token: alice.token });
      await events.upTo(({ data }) => data.data.conversation.__typename === 'CaughtUp');
      streams.push(events);
    }
    expect((await api.heap()) - before).toBeLessThan(10 * MB);
    close(sockets);
    for (const events of streams) events.close();
  });

  it('is closed with 4400 for an operation whose id is longer than 128 characters', async () => {
    const socket = await socketOf(api, alice.token);
    const longest = 'i'.repeat(128);
    socket.subscribe(longest, '{ me { id } }');
    await socket.message(({ id, type }) => id === longest && type === 'complete');
    socket.subscribe(`${longest}i`, '{ me { id } }');
    expect(await socket.closed()).toEqual({ code: 4400, reason: "an operation's id has at most 128 characters" });
  });

  it('takes no stream whose variables would take much memory', async () => {
    const socket = await socketOf(api, alice.token);
    const query = `subscription($id: ID!, $after: String) { conversation(id: $id) {
      ... on MessageSent { message { delivery(first: 1, after: $after) { recipientCount } } } } }`;
    socket.subscribe('1', query, { id: lane, after: 'x'.repeat(10_000) });
    const { code } = codeOf(await socket.message(({ type }) => type === 'error'));
    expect(code).toBe('BAD_USER_INPUT');
    close([socket]);
  });
});

describe('one user’s streams', () => {
  const KINDS = [
    ['delivery', 250, WATCH, () => ({ id: lane })],
    ['conversation', 1_000, FOLLOW, () => ({ id: lane })],
    ['inbox', 500, INBOX, () => ({ device: 'd1' })],
  ] as const;

  it.each(KINDS)(
    'of the kind %s are at most %i; another user’s begin, and so do its own when some have ended',
    async (_, most, query, variables) => {
      for (const one of [alice, mallory])
        await one.ask('mutation { registerDevice(input: { device: "d1" }) { device { id } } }');
      const many = await open(mallory, most + 6, query, variables);
      expect(many.begun).toBe(most);
      expect(many.refused).toEqual(Array.from({ length: 6 }, () => REFUSED));
      const others = await open(alice, 1, query, variables);
      expect(others.begun).toBe(1);
      // An event stream is of the same share.
      const events = await eventsFrom(api, query, variables(), { token: mallory.token });
      expect((await events.next())?.data.errors[0].extensions).toEqual(REFUSED);
      close(many.sockets);
      await until(async () => {
        const again = await open(mallory, 1, query, variables);
        close(again.sockets);
        return again.begun === 1;
      });
      close(others.sockets);
    },
  );

  it('that ended by themselves are counted no more', async () => {
    for (let i = 0; i < 2; i++) {
      const ended = await open(mallory, 200, WATCH, () => ({ id: 'nowhere' }));
      expect(new Set(ended.refused.map(({ code }) => code))).toEqual(new Set(['NOT_FOUND']));
      close(ended.sockets);
    }
  });

  it('that a server opens for it are its own; for itself a server may have four times as many', async () => {
    const server = await clientOf(api, 'host', { scope: 'lanes:server' });
    await alice.ask(
      'mutation($input: AddMembersInput!) { addMembers(input: $input) { accepted { seq } refused { code } } }',
      { input: { conversationId: lane, members: ['host'], clientKey: randomUUID() } },
    );
    const { sendMessage } = await alice.ask(SEND, {
      input: { conversationId: lane, text: 'hi', clientKey: randomUUID() },
    });
    const watch = WATCH.replace('seq: 2', `seq: ${sendMessage.accepted.seq}`);
    const own = await open(server, 260, watch, () => ({ id: lane }));
    expect(own.begun).toBe(260);
    const others = await open(server, 260, watch, () => ({ id: lane }), 'bob');
    expect(others.begun).toBe(250);
    expect(others.refused).toContainEqual(REFUSED);
    close([...own.sockets, ...others.sockets]);
  });
});
