/** `lanes user revoke`, with MongoDB away: every api knows it, and so do those that start later. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UserId } from '../schema/ids.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import { openRevocations, type Revocations } from '../services/journal/revocations.ts';
import {
  clientOf,
  codesOf,
  eventsFrom,
  post,
  rawSocket,
  socketOf,
  startApi,
  type TestApi,
  tokenFor,
  until,
} from './support/api.ts';
import { ircClient, startIrc } from './support/irc.ts';
import { startServers, type TestServers } from './support/servers.ts';

const BOOTSTRAP = resolve(import.meta.dirname, '..', 'services', 'cli', 'bootstrap.mjs');
const ME = '{ me { id } }';
const FOLLOW = 'subscription($id: ID!) { conversation(id: $id) { __typename } }';

let servers: TestServers;
let apis: TestApi[];

beforeAll(async () => {
  servers = await startServers({ mongo: false });
  apis = await Promise.all([startApi(servers), startApi(servers)]);
});
afterAll(async () => {
  await Promise.all(apis.map((api) => api.stop()));
  await servers?.stop();
});

const one = (): TestApi => apis[0] as TestApi;
const opened = (): Promise<Revocations> =>
  openRevocations({ ...servers.config().nats, name: 'test', log: pino({ level: 'silent' }) });
const issued = (user: string, at: number): Promise<string> =>
  tokenFor(one(), user, { claims: { iat: Math.floor(at / 1000) } });

/** As an operator calls it. */
async function lanes(...words: readonly string[]): Promise<{ readonly code: number; readonly said: string }> {
  const env = servers.environment();
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [BOOTSTRAP, ...words], { env });
    return { code: 0, said: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, said: stdout + stderr };
  }
}

describe('a user that is revoked', () => {
  it('does nothing by a request that was begun before and ends later', async () => {
    const token = await issued('late', Date.now() - 3_600_000);
    const body = JSON.stringify({ query: ME });
    const socket = connect(one().port, '127.0.0.1');
    let answer = '';
    socket.on('data', (bytes) => {
      answer += bytes.toString('latin1');
    });
    socket.write(
      `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
    );
    expect((await post(one(), ME, {}, { token })).status).toBe(200);
    expect((await lanes('user', 'revoke', 'late')).code).toBe(0);
    await until(async () => (await post(one(), ME, {}, { token })).status === 401);
    socket.write(body.slice(5));
    await until(() => answer.includes('\r\n\r\n'));
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    socket.destroy();
  });

  it('comes in at no api, loses what is open within 2 s, and comes in again with a newer token', async () => {
    const id = `c-${randomUUID()}`;
    const [hour, now] = [Date.now() - 3_600_000, Date.now()];
    const bob = await clientOf(one(), 'bob');
    await bob.ask(
      'mutation($input: CreateConversationInput!) { createConversation(input: $input) { accepted { seq } } }',
      {
        input: { id, members: ['mallory'], clientKey: randomUUID() },
      },
    );
    const tokens = [await issued('mallory', hour), await tokenFor(one(), 'mallory')];
    const sockets = await Promise.all(apis.flatMap((api) => tokens.map((token) => socketOf(api, token))));
    const streams = await Promise.all(
      apis.map((api) => eventsFrom(api, FOLLOW, { id }, { token: tokens[0] as string })),
    );
    const kept = await socketOf(one(), bob.token);
    const irc = await startIrc(servers, one().port);
    const client = await ircClient(irc.port, tokens[0] as string);
    client.send(`JOIN #${id}`);
    await client.command('366');

    const revocations = await opened();
    const from = performance.now();
    expect(await revocations.revoke('mallory' as UserId, now)).toBe(now);
    for (const socket of sockets) expect(await socket.closed()).toEqual({ code: 4403, reason: 'token-revoked' });
    for (const stream of streams) while (await stream.next());
    await client.closed();
    expect(performance.now() - from).toBeLessThan(2_000);

    for (const api of apis)
      for (const token of tokens) {
        const answer = await post(api, ME, {}, { token });
        expect([answer.status, codesOf(answer)]).toEqual([401, ['UNAUTHENTICATED']]);
        const socket = await rawSocket(api);
        socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
        expect(await socket.closed()).toEqual({ code: 4403, reason: 'token-revoked' });
      }
    const newer = await issued('mallory', now + 1_000);
    for (const api of apis) expect((await post(api, ME, {}, { token: newer })).data).toEqual({ me: { id: 'mallory' } });
    kept.subscribe('1', ME);
    expect((await kept.message(({ type }) => type === 'next')).payload.data).toEqual({ me: { id: 'bob' } });

    // It never moves back, and is known to who starts later.
    expect(await revocations.revoke('mallory' as UserId, hour)).toBe(now);
    const late = await startApi(servers);
    expect((await post(late, ME, {}, { token: tokens[0] as string })).status).toBe(401);
    expect((await post(late, ME, {}, { token: newer })).status).toBe(200);
    await late.stop();
    await revocations.close();
    kept.socket.close();
    await irc.stop();
  });

  it('is one by the command line', async () => {
    const token = await issued('carol', Date.now() - 10_000);
    for (const api of apis) expect((await post(api, ME, {}, { token })).status).toBe(200);
    for (const words of [['a.b'], ['carol', '--before', 'yesterday'], ['carol', '--before', '2999-01-01T00:00:00Z']])
      expect((await lanes('user', 'revoke', ...words)).code).toBe(2);
    const earlier = new Date(Date.now() - 60_000).toISOString();
    expect(await lanes('user', 'revoke', 'carol', '--before', earlier)).toMatchObject({ code: 0 });
    expect((await post(one(), ME, {}, { token })).status).toBe(200);
    expect(await lanes('user', 'revoke', 'carol')).toMatchObject({
      code: 0,
      said: expect.stringMatching(/tokens of carol from before 20/),
    });
    for (const api of apis) await until(async () => (await post(api, ME, {}, { token })).status === 401);
  }, 60_000);

  it('stays one while NATS is away, and nobody is revoked then', async () => {
    const revocations = await opened();
    const token = await issued('dave', Date.now() - 10_000);
    await revocations.revoke('dave' as UserId, Date.now());
    for (const api of apis) await until(async () => (await post(api, ME, {}, { token })).status === 401);
    await servers.nats.kill9();
    expect((await post(one(), ME, {}, { token })).status).toBe(401);
    await expect(revocations.revoke('erin' as UserId, Date.now())).rejects.toBeInstanceOf(JournalUnavailable);
    await servers.nats.restart();
    await revocations.close();
  });
});
