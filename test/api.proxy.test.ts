/** Behind a reverse proxy: who the client is, and that nobody pays for what another client of the same proxy does. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Clients } from '../services/api/clients.ts';
import { readSettings } from '../services/config.ts';
import { Slots } from '../services/slots.ts';
import {
  clientOf,
  eventsFrom,
  post,
  rawSocket,
  socketOf,
  startApi,
  type TestApi,
  tokenFor,
  until,
} from './support/api.ts';
import { type FrontProxy, startFrontProxy } from './support/front-proxy.ts';
import { ircClient, startIrc } from './support/irc.ts';
import { startServers, type TestServers } from './support/servers.ts';

describe('the client of a request', () => {
  const { trustedProxies } = readSettings({ LANES_TRUSTED_PROXIES: '10.0.0.0/8, 192.0.2.7,fd00::/8' });
  const clientOf = (peer: string, headers: IncomingMessage['headers'] = {}): string =>
    new Clients(trustedProxies).of({ socket: { remoteAddress: peer }, headers } as IncomingMessage);
  const via = (said: string) => ({ 'x-forwarded-for': said });

  it.each([
    ['198.51.100.1', {}, '198.51.100.1'],
    ['::ffff:198.51.100.1', {}, '198.51.100.1'],
    ['2001:db8:1:2:3:4:5:6', {}, '2001:db8:1:2::'],
    // Who is not trusted is not believed.
    ['198.51.100.1', via('203.0.113.9'), '198.51.100.1'],
    ['::ffff:10.1.1.1', via('203.0.113.9'), '203.0.113.9'],
    ['fd00::1', via('2001:db8::7'), '2001:db8::'],
    ['192.0.2.7', via('203.0.113.9:4711'), '203.0.113.9'],
    ['192.0.2.8', via('203.0.113.9'), '192.0.2.8'],
    // From the right, past those that are trusted; what stands before is the client's own invention.
    ['10.1.1.1', via('1.1.1.1, 203.0.113.9, 10.2.2.2'), '203.0.113.9'],
    ['10.1.1.1', via('10.3.3.3, 10.2.2.2'), '10.3.3.3'],
    ['10.1.1.1', via('203.0.113.9, nonsense, 10.2.2.2'), '10.2.2.2'],
    ['10.1.1.1', via('203.0.113.9, 0x7f.1'), '10.1.1.1'],
    ['10.1.1.1', via(''), '10.1.1.1'],
    ['10.1.1.1', { forwarded: 'for=1.1.1.1, For="[2001:db8:cafe::17]:4711";proto=https' }, '2001:db8:cafe::'],
    ['10.1.1.1', { forwarded: 'for=203.0.113.9;by=10.1.1.1, proto=http;for="10.2.2.2:80"' }, '203.0.113.9'],
    ['10.1.1.1', { forwarded: 'for=203.0.113.9, for=unknown' }, '10.1.1.1'],
    // A quote that the client left open does not make its own hop of what the proxy wrote.
    ['10.1.1.1', { forwarded: 'for="1.1.1.1, for=203.0.113.9' }, '10.1.1.1'],
    ['10.1.1.1', { forwarded: 'for=1.1.1.1;by=", for="203.0.113.9:4711"' }, '10.1.1.1'],
    ['10.1.1.1', { forwarded: 'for=1.1.1.1;by="\\, for="[2001:db8:cafe::17]"' }, '10.1.1.1'],
    ['10.1.1.1', { forwarded: 'for=1.1.1.1;by="a, b";proto=http , for=203.0.113.9:80;' }, '203.0.113.9'],
    // Node takes it for an address, the library does not.
    ['10.1.1.1', via('203.0.113.9, fe80::1%a.b-c'), '10.1.1.1'],
    ['fe80::1%a.b-c', {}, ''],
    // A proxy writes one of the two, and passes the other on as the client wrote it.
    ['10.1.1.1', { forwarded: 'for=1.1.1.1', ...via('203.0.113.9') }, '10.1.1.1'],
    ['10.1.1.1', { forwarded: 'for=203.0.113.9', ...via('203.0.113.9, 10.2.2.2') }, '203.0.113.9'],
  ] as const)('%s with %j is %s', (peer, headers, client) => {
    expect(clientOf(peer, headers)).toBe(client);
  });

  it('is found in headers of any length', () => {
    expect(clientOf('10.1.1.1', via(`${'1.1.1.1, '.repeat(1_500)}203.0.113.9`))).toBe('203.0.113.9');
    expect(clientOf('10.1.1.1', { forwarded: `${'for=1.1.1.1, '.repeat(1_000)}for=203.0.113.9` })).toBe('203.0.113.9');
    expect(clientOf('10.1.1.1', { forwarded: `for=203.0.113.9, for=${'"\\'.repeat(8_000)}` })).toBe('10.1.1.1');
  });
});

describe('tokens that wait to be verified', () => {
  it('take turns by address, and a full line drops from the address that has most in it', async () => {
    const line = new Slots({ running: 1, waiting: 4 });
    const began: string[] = [];
    const ends: (() => void)[] = [];
    const come = async (address: string, name: string): Promise<string> => {
      const work = async (): Promise<string> => {
        began.push(name);
        await new Promise<void>((end) => ends.push(end));
        return name;
      };
      return (await line.tryHold(address, work)) ?? `${name} refused`;
    };
    const all = [
      come('bad', 'a1'),
      come('bad', 'a2'),
      come('bad', 'a3'),
      come('bad', 'a4'),
      come('bad', 'a5'),
      come('bad', 'a6'),
      come('good', 'b1'),
      come('other', 'c1'),
      come('third', 'd1'),
    ];
    for (let done = 0; done < 5; done++) await until(() => ends[done]).then((end) => end());
    // a6 found the line full of its own; b1 and c1 took the places of a5 and a4; d1 found no line longer than its own would be, but a2 and a3.
    expect(await Promise.all(all)).toEqual([
      'a1',
      'a2',
      'a3 refused',
      'a4 refused',
      'a5 refused',
      'a6 refused',
      'b1',
      'c1',
      'd1',
    ]);
    expect(began).toEqual(['a1', 'a2', 'b1', 'c1', 'd1']);
  });
});

/** 1,000 requests a second, each with another bad token; `stop` gives the statuses that came. */
function floodOf(port: number, head: string): { stop(): Promise<ReadonlySet<string>> } {
  const statuses = new Set<string>();
  const socket = connect(port, '127.0.0.1');
  socket.on('data', (bytes) => {
    for (const [, status = ''] of bytes.toString('latin1').matchAll(/HTTP\/1\.1 (\d+)/g)) statuses.add(status);
  });
  const requests = (): string => {
    const signature = Buffer.from(randomUUID()).toString('base64url');
    return `POST /graphql HTTP/1.1\r\nHost: x\r\nTest-Client: 203.0.113.9\r\nContent-Type: application/json\r\nContent-Length: 2\r\nAuthorization: Bearer ${head}.${signature}\r\n\r\n{}`;
  };
  const timer = setInterval(() => socket.write(Array.from({ length: 20 }, requests).join('')), 20);
  return {
    stop: async () => {
      clearInterval(timer);
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      socket.end();
      await closed;
      return statuses;
    },
  };
}

describe('a proxy before the api', () => {
  let servers: TestServers;
  let api: TestApi;
  let proxy: FrontProxy;
  const ME = '{ me { id } }';
  const SEND = 'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } } }';
  const FOLLOW =
    'subscription($id: ID!) { conversation(id: $id, after: 0) { __typename ... on MessageSent { message { text } } } }';

  beforeAll(async () => {
    servers = await startServers({ mongo: false });
    api = await startApi(servers, { LANES_TRUSTED_PROXIES: '127.0.0.1' });
    proxy = await startFrontProxy(api.port, ({ headers }) => String(headers['test-client'] ?? '127.0.0.2'));
  });
  afterAll(async () => {
    await proxy?.stop();
    await api?.stop();
    await servers?.stop();
  });
  const from = (client: string) => ({ 'test-client': client });

  it('keeps its clients apart: 1,000 bad tokens a second from one, while others sign in, send and follow', async () => {
    const alice = await clientOf(api, 'alice');
    await alice.ask(
      'mutation($input: CreateConversationInput!) { createConversation(input: $input) { accepted { seq } } }',
      {
        input: { id: 'room', members: ['u0'], clientKey: randomUUID() },
      },
    );
    const bad = await tokenFor(api, 'mallory', { secret: 'another secret, as long as it has to be' });
    const flood = floodOf(proxy.port, bad.slice(0, bad.lastIndexOf('.')));
    const follower = await socketOf(proxy, await tokenFor(api, 'u0'));
    follower.subscribe('1', FOLLOW, { id: 'room' });
    const stream = await eventsFrom(proxy, FOLLOW, { id: 'room' }, { token: await tokenFor(api, 'u0', { name: 'U' }) });
    // Each token is new.
    const signedIn: number[] = [];
    for (let i = 0; i < 50; i++) {
      const token = await tokenFor(api, `user${i}`);
      signedIn.push((await post(proxy, ME, {}, { token, headers: from('198.51.100.4') })).status);
      const input = { conversationId: 'room', text: `message ${i}`, clientKey: randomUUID() };
      const sent = await post(proxy, SEND, { input }, { token: await tokenFor(api, 'alice', { name: `${i}` }) });
      expect(sent.data.sendMessage.accepted.seq).toBe(i + 2);
    }
    expect(signedIn.filter((status) => status !== 200)).toEqual([]);
    await follower.message(({ payload }) => payload?.data?.conversation.message?.text === 'message 49');
    await stream.upTo(({ data }) => data?.data.conversation.message?.text === 'message 49');
    expect(await flood.stop()).toEqual(new Set(['401']));
    // An upgrade among them.
    const late = await rawSocket(proxy);
    late.send({ type: 'connection_init', payload: { authorization: `Bearer ${await tokenFor(api, 'late')}` } });
    await late.message(({ type }) => type === 'connection_ack');
    stream.close();
    for (const { socket } of [follower, late]) socket.close();
  });

  it('and what its clients write end no process', async () => {
    const forwarded = { forwarded: 'for="[fe80::1%a.b-c]"' };
    const token = await tokenFor(api, 'alice', { name: 'odd' });
    expect((await post(proxy, ME, {}, { token, headers: forwarded })).status).toBe(200);
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/graphql`, 'graphql-transport-ws', {
      headers: forwarded,
    });
    await once(socket, 'open');
    socket.terminate();
  });

  it('is one that no token is given through in development', async () => {
    const signIn = (url: string, headers: Record<string, string> = {}) =>
      fetch(`${url}/page/sign-in`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: '{"user":"alice"}',
      });
    expect((await signIn(api.url)).status).toBe(200);
    expect((await signIn(proxy.url)).status).toBe(404);
    const HEADERS = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip', 'via'];
    for (const name of HEADERS) expect([name, (await signIn(api.url, { [name]: 'x' })).status]).toEqual([name, 404]);
    const page = await fetch(proxy.url, { headers: { accept: 'text/html' } });
    expect([page.status, (await page.text()).includes('sign-in')]).toEqual([200, false]);
  });

  it('can be the IRC room, which names its own client in both forms', async () => {
    const before = proxy.passed.length;
    const irc = await startIrc(servers, proxy.port);
    const client = await ircClient(irc.port, await tokenFor(api, 'alice'));
    client.send('JOIN #room');
    await client.command('366');
    await until(() => proxy.passed.slice(before).some(({ upgrade }) => upgrade === 'websocket'));
    const passed = proxy.passed.slice(before);
    for (const headers of passed)
      expect(headers).toMatchObject({ forwarded: 'for=127.0.0.1', 'x-forwarded-for': '127.0.0.1, 127.0.0.2' });
    client.socket.destroy();
    await irc.stop();
  });
});
