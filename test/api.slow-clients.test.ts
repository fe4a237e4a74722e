/** Clients that read slowly or not at all, or leave at an awkward moment: nothing of theirs stays in the process. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { UserId } from '../schema/ids.ts';
import { Readiness } from '../services/api/readiness.ts';
import { ApiServer, type Doors } from '../services/api/server.ts';
import { UnreadAnswers } from '../services/api/unread-answers.ts';
import { readBytes } from '../services/http-body.ts';
import { post, startApi, type TestApi, tokenFor, until } from './support/api.ts';
import { startServers, type TestServers } from './support/servers.ts';

/** More than the buffers of both sides' systems take. */
const LARGE = 'x'.repeat(32 * 1024 * 1024);

const CREATE =
  'mutation($input: CreateConversationInput!) { createConversation(input: $input) { accepted { seq } refused { code } } }';

const opened: Socket[] = [];
/** A client that asks, and reads nothing of what comes. */
function deaf(port: number, path = '/'): Socket {
  const socket = connect(port, '127.0.0.1', () => socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`));
  socket.on('error', () => {});
  opened.push(socket);
  return socket.pause();
}
afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy();
});

describe('an answer that its client does not read', () => {
  it('is dropped with its connection after a while; sockets and event streams go on', async () => {
    const sockets = new WebSocketServer({ noServer: true });
    const ends: string[] = [];
    let comment = (): void => {};
    const handle = (request: IncomingMessage, response: ServerResponse): void => {
      const { url = '' } = request;
      response.once('close', () => ends.push(url));
      if (url === '/events') {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        comment = () => void response.write(':\n\n');
        comment();
      } else response.end(LARGE);
    };
    const doors = {
      http: { handle },
      sockets: {
        upgrade: (request: IncomingMessage, line: Socket, head: Buffer) =>
          sockets.handleUpgrade(request, line, head, (socket) => socket.on('message', () => socket.send('pong'))),
      },
    } as unknown as Doors;
    const server = await ApiServer.listen({ host: '127.0.0.1', port: 0 }, new Readiness(), 500);
    server.open(doors);
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/graphql`);
    await once(socket, 'open');
    const events = await fetch(`http://127.0.0.1:${server.port}/events`);
    const reader = events.body?.getReader();
    // One after the other, so that the silence before the second one's end is longer than one time-out.
    for (const path of ['/first', '/second']) {
      deaf(server.port, path);
      await until(() => {
        comment();
        return ends.includes(path);
      });
    }
    socket.send('ping');
    await once(socket, 'message');
    expect((await reader?.read())?.done).toBe(false);
    expect(ends).toEqual(['/first', '/second']);
    socket.terminate();
    await reader?.cancel();
    const closed = server.close();
    server.closeAll();
    await closed;
  });

  it('is one of few: past a user’s share its oldest connection is closed, past that of all the oldest of who has most', async () => {
    const unread = new UnreadAnswers({ ofUser: 2.5 * LARGE.length, all: 4.5 * LARGE.length });
    const closed: string[] = [];
    const server = createServer((request, response) => {
      const name = request.url?.slice(1) ?? '';
      request.socket.once('close', () => closed.push(name));
      response.end(LARGE);
      unread.hold(name.slice(0, 1) as UserId, response, request.socket);
      came.add(name);
    });
    const came = new Set<string>();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const clients = new Map<string, Socket>();
    const come = async (name: string): Promise<void> => {
      clients.set(name, deaf(port, `/${name}`));
      await until(() => came.has(name));
    };
    for (const name of ['a1', 'b1', 'a2', 'a3']) await come(name);
    await until(() => closed.length === 1);
    expect(closed).toEqual(['a1']);
    // Who has read gives back its share.
    clients.get('a2')?.resume();
    await until(() => (clients.get('a2')?.bytesRead ?? 0) > LARGE.length);
    await come('a4');
    for (const name of ['b2', 'c1']) await come(name);
    await until(() => closed.length === 2);
    expect(closed).toEqual(['a1', 'a3']);
    server.closeAllConnections();
    server.close();
  });
});

describe('a client that leaves', () => {
  let servers: TestServers;
  beforeAll(async () => {
    servers = await startServers();
    const api = await startApi(servers);
    const { data } = await post(
      api,
      CREATE,
      { input: { id: 'own', members: [], clientKey: 'k' } },
      { token: await tokenFor(api, 'alice') },
    );
    expect(data.createConversation.refused).toBeNull();
    await api.stop();
  });
  afterAll(() => servers?.stop());

  const FOLLOW = encodeURIComponent('subscription { conversation(id: "own") { __typename } }');
  const getOf = (token: string): string =>
    `GET /graphql?query=${FOLLOW} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${token}\r\n\r\n`;
  const streamsOf = async ({ adminPort }: TestApi): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
    return Number(/^lanes_connections\{.*door="sse".*\} (\d+)$/m.exec(text)?.[1]);
  };

  it('its answers unread is cut off past its share, which others do not notice', async () => {
    const api = await startApi(servers);
    const [token, other] = await Promise.all(['eve', 'alice'].map((user) => tokenFor(api, user)));
    const members = Array.from({ length: 9_000 }, (_, i) => `member-number-${i}`);
    const created = await post(api, CREATE, { input: { id: 'large', members, clientKey: 'k' } }, { token });
    expect(created.data.createConversation.refused).toBeNull();
    const lists = Array.from({ length: 6 }, (_, i) => `m${i}: members { id name }`).join(' ');
    const query = `{ conversation(id: "large") { events(first: 1) { nodes { ... on ConversationCreated { ${lists} } } } } }`;
    const ask = `GET /graphql?query=${encodeURIComponent(query)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`;
    const socket = connect(api.port, '127.0.0.1', () => socket.write(ask.repeat(12)));
    socket.on('error', () => {});
    socket.pause();
    const isCutOff = (): boolean => {
      socket.write('\r\n');
      return socket.destroyed;
    };
    await until(isCutOff, 30_000);
    expect((await post(api, '{ me { id } }', {}, { token: other })).status).toBe(200);
    await api.stop();
  }, 60_000);

  it('before its body was read is told from one that sends none', async () => {
    const bodies: unknown[] = [];
    const server = createServer(async (request) => {
      await once(request, 'close').catch(() => {});
      bodies.push(await readBytes(request));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc');
    await once(server, 'request');
    socket.destroy();
    expect(await until(() => bodies[0])).toEqual({ kind: 'gone' });
    server.close();
  });

  it('while its token is verified leaves no event stream behind', async () => {
    const keys = await generateKeyPair('ES256');
    const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
    const waiting: ServerResponse[] = [];
    let isOpen = false;
    const answer = (response: ServerResponse) => response.end(JSON.stringify({ keys: [jwk] }));
    const keyServer = createServer((_, response) => (isOpen ? answer(response) : waiting.push(response)));
    await once(keyServer.listen(0, '127.0.0.1'), 'listening');
    const api = await startApi(servers, {
      LANES_ENV: 'development',
      LANES_JWT_SECRET: '',
      LANES_JWKS_URL: `http://127.0.0.1:${(keyServer.address() as AddressInfo).port}/`,
    });
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .setSubject('alice')
      .setExpirationTime('10m')
      .sign(keys.privateKey);
    const leaving = connect(api.port, '127.0.0.1');
    leaving.write(getOf(token));
    await until(() => waiting[0]);
    leaving.destroy();
    // The server has heard of it: it takes what came before.
    for (let i = 0; i < 3; i++) await fetch(`http://127.0.0.1:${api.port}/healthz`);
    isOpen = true;
    for (const response of waiting) answer(response);
    const staying = connect(api.port, '127.0.0.1');
    staying.write(getOf(token));
    await once(staying, 'data');
    expect(await streamsOf(api)).toBe(1);
    staying.destroy();
    await until(async () => (await streamsOf(api)) === 0);
    await api.stop();
    keyServer.close();
  });

  it('with event streams asked for behind another on its connection leaves none behind', async () => {
    const api = await startApi(servers);
    const socket = connect(api.port, '127.0.0.1');
    socket.write(getOf(await tokenFor(api, 'alice')).repeat(3));
    await once(socket, 'data');
    await until(async () => (await streamsOf(api)) > 0);
    socket.destroy();
    await until(async () => (await streamsOf(api)) === 0);
    await api.stop();
  });
});
