/** Tokens, by the front door: which are good, what each allows, and what is said of those that are not. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Auth } from '../services/api/auth.ts';
import {
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
import { startServers, type TestServers } from './support/servers.ts';

let servers: TestServers;
let api: TestApi;

beforeAll(async () => {
  servers = await startServers({ mongo: false });
  api = await startApi(servers);
});
afterAll(async () => {
  await api?.stop();
  await servers?.stop();
});

const ME = '{ me { id } }';
const soon = (): number => Math.floor(Date.now() / 1000) + 600;
const secretOf = ({ config }: TestApi): Uint8Array =>
  new TextEncoder().encode(config.jwt.kind === 'secret' ? config.jwt.secret : '');
/** Asks who we are with a header as it is. */
const askWith = (at: TestApi, headers: Record<string, string>) => post(at, ME, {}, { headers });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('a good token', () => {
  it('says who one is, as often as one likes', async () => {
    const token = await tokenFor(api, 'alice');
    for (let i = 0; i < 3; i++) expect((await askWith(api, bearer(token))).data).toEqual({ me: { id: 'alice' } });
    expect((await askWith(api, { authorization: `bearer ${token}` })).data).toEqual({ me: { id: 'alice' } });
  });

  it('may carry a name and a picture of any kind: what is no short text is as good as none', async () => {
    const shown = async (claims: Record<string, unknown>) => {
      const token = await tokenFor(api, 'carol', { claims });
      return (await post(api, '{ me { user { name avatarUrl } } }', {}, { token })).data.me.user;
    };
    expect(await shown({ name: 'x'.repeat(257), picture: 7 })).toEqual({ name: null, avatarUrl: null });
    expect(await shown({ name: 'Carol', picture: 'https://example.org/c.png' })).toEqual({
      name: 'Carol',
      avatarUrl: 'https://example.org/c.png',
    });
  });
});

describe('no good token', () => {
  it('is 401 with a body that says UNAUTHENTICATED, and asks for one', async () => {
    const good = await tokenFor(api, 'alice');
    const [head, , signature] = good.split('.');
    const forged = Buffer.from(JSON.stringify({ sub: 'bob', exp: soon() })).toString('base64url');
    const headers: readonly (Record<string, string> | undefined)[] = [
      undefined,
      { authorization: '' },
      { authorization: good },
      { authorization: `Basic ${Buffer.from('alice:x').toString('base64')}` },
      bearer(''),
      bearer('nonsense'),
      bearer('a.b.c'),
      bearer(`${good}x`),
      bearer(`${head}.${forged}.${signature}`),
      bearer('x'.repeat(9_000)),
      bearer(await tokenFor(api, 'alice', { secret: 'another secret, as long as it has to be' })),
      bearer(await tokenFor(api, 'alice', { ttlSeconds: -1 })),
      bearer(await tokenFor(api, 'alice', { claims: { nbf: soon() } })),
      bearer(new UnsecuredJWT({}).setSubject('alice').setExpirationTime(soon()).encode()),
      bearer(await tokenFor(api, 'alice', { alg: 'HS512' })),
    ];
    for (const [i, header] of headers.entries()) {
      const answer = await askWith(api, header ?? {});
      expect([i, answer.status, answer.data, codesOf(answer)]).toEqual([i, 401, undefined, ['UNAUTHENTICATED']]);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
      expect(answer.errors[0]?.extensions.retryable).toBe(false);
    }
  });

  it('lacks a claim, or has one that is none', async () => {
    const sign = (claims: Record<string, unknown>) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(secretOf(api));
    const claims: readonly Record<string, unknown>[] = [
      { sub: 'alice' },
      { exp: soon() },
      { sub: 'alice', exp: 'never' },
      { sub: 7, exp: soon() },
      { sub: '', exp: soon() },
      { sub: 'a.b', exp: soon() },
      { sub: 'a'.repeat(65), exp: soon() },
      { sub: 'app_billing', exp: soon() },
    ];
    for (const each of claims)
      expect([each, codesOf(await askWith(api, bearer(await sign(each))))]).toEqual([each, ['UNAUTHENTICATED']]);
  });

  it('is never taken from a URL', async () => {
    const token = await tokenFor(api, 'alice');
    const answer = await fetch(
      `${api.url}?query=${encodeURIComponent(ME)}&authorization=Bearer%20${token}&access_token=${token}`,
    );
    expect(answer.status).toBe(401);
  });

  it('is not remembered past its end', async () => {
    const token = await tokenFor(api, 'alice', { ttlSeconds: 1 });
    let answer = await askWith(api, bearer(token));
    expect(answer.status).toBe(200);
    while (answer.status === 200) answer = await askWith(api, bearer(token));
    expect(codesOf(answer)).toEqual(['UNAUTHENTICATED']);
    const exp = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).exp * 1_000;
    expect(Date.now()).toBeGreaterThanOrEqual(exp);
    expect(Date.now()).toBeLessThan(exp + 2_000);
  });
});

describe('acting for another', () => {
  it('needs the scope lanes:server', async () => {
    for (const scope of [undefined, 'lanes:admin', 'lanes:serverx', 'server']) {
      const token = await tokenFor(api, 'alice', scope === undefined ? {} : { scope });
      const answer = await askWith(api, { ...bearer(token), 'lanes-as': 'bob' });
      expect([answer.status, answer.data, codesOf(answer)]).toEqual([403, undefined, ['FORBIDDEN']]);
      const socket = await rawSocket(api);
      socket.send({ type: 'connection_init', payload: { ...bearer(token), as: 'bob' } });
      expect(await socket.closed()).toEqual({ code: 4403, reason: 'token-invalid' });
    }
    const token = await tokenFor(api, 'backend', { scope: 'openid lanes:server' });
    expect((await askWith(api, { ...bearer(token), 'lanes-as': 'bob' })).data).toEqual({ me: { id: 'bob' } });
    expect((await askWith(api, bearer(token))).data).toEqual({ me: { id: 'backend' } });
  });

  it('needs the name of a user', async () => {
    const token = await tokenFor(api, 'backend', { scope: 'lanes:server' });
    for (const as of ['a.b', 'app_billing', 'a'.repeat(65), 'bob, carol']) {
      const answer = await askWith(api, { ...bearer(token), 'lanes-as': as });
      expect([answer.status, codesOf(answer)]).toEqual([400, ['BAD_USER_INPUT']]);
      expect(answer.errors[0]?.message).toMatch(/^Lanes-As: /);
    }
  });
});

describe('where pages come from', () => {
  const withOrigin = async (at: TestApi, origin: string, method = 'POST'): Promise<Response> =>
    fetch(at.url, {
      method,
      headers: { origin, 'content-type': 'application/json', ...bearer(await tokenFor(at, 'alice')) },
      ...(method === 'POST' ? { body: JSON.stringify({ query: ME }) } : {}),
    });

  it('is, without a setting, here, and in development any page of this machine', async () => {
    for (const origin of [
      `http://127.0.0.1:${api.port}`,
      'http://localhost:3000',
      'http://[::1]:5173',
      'https://app.localhost',
    ]) {
      const answer = await withOrigin(api, origin);
      expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, origin]);
      expect(answer.headers.get('vary')).toContain('origin');
    }
    for (const origin of [
      'https://evil.example',
      'null',
      'http://127.0.0.1.evil.example',
      'http://localhost.evil.example',
    ]) {
      const answer = await withOrigin(api, origin);
      expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([403, null]);
      expect(((await answer.json()) as { errors: [{ extensions: object }] }).errors[0].extensions).toMatchObject({
        code: 'FORBIDDEN',
      });
    }
  });

  it('is what LANES_ORIGINS lists, and nothing else', async () => {
    const strict = await startApi(servers, { LANES_ORIGINS: 'https://chat.example,https://admin.example' });
    expect((await withOrigin(strict, 'https://chat.example')).status).toBe(200);
    for (const origin of ['http://localhost:3000', `http://127.0.0.1:${strict.port}`])
      expect((await withOrigin(strict, origin)).status).toBe(403);
    const preflight = await fetch(strict.url, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://chat.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization');
    expect(preflight.headers.get('access-control-allow-methods')).toContain('POST');
    expect(preflight.headers.get('access-control-allow-credentials')).toBeNull();
    await strict.stop();
  });

  it('makes no difference to who is no page', async () => {
    expect((await askWith(api, bearer(await tokenFor(api, 'alice')))).status).toBe(200);
  });

  it('cannot be an HTML form: its content types are refused before anything is done', async () => {
    const token = await tokenFor(api, 'alice');
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
      const answer = await post(api, ME, {}, { token, headers: { 'content-type': type } });
      expect(answer.status).toBe(415);
    }
  });
});

describe('keys of a key server', () => {
  let keyServer: Server;
  let url: string;
  let keys: { readonly publicKey: CryptoKey; readonly privateKey: CryptoKey };
  let answering = true;
  let asked = 0;
  /** The set, by the name of each key. */
  let inSet: Readonly<Record<string, CryptoKey>> = {};

  beforeAll(async () => {
    keys = await generateKeyPair('ES256');
    inSet = { k1: keys.publicKey };
    keyServer = createServer(async (_, response) => {
      asked++;
      if (!answering) return void response.writeHead(500).end();
      const jwkOf = async ([kid, key]: [string, CryptoKey]) => ({
        ...(await exportJWK(key)),
        ...{ kid, alg: 'ES256', use: 'sig', ext: false },
      });
      response.end(JSON.stringify({ keys: await Promise.all(Object.entries(inSet).map(jwkOf)) }));
    });
    await new Promise<void>((listening) => keyServer.listen(0, '127.0.0.1', listening));
    url = `http://127.0.0.1:${(keyServer.address() as AddressInfo).port}/jwks.json`;
  });
  afterAll(() => keyServer?.close());

  const signed = (
    user: string,
    { iss = 'https://login.example', aud = 'lanes', kid = 'k1', key = keys.privateKey } = {},
  ) =>
    new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid })
      .setSubject(user)
      .setIssuer(iss)
      .setAudience(aud)
      .setExpirationTime(soon())
      .sign(key);
  const settings = (more: Record<string, string> = {}) => ({
    // In production the address would have to be https.
    LANES_ENV: 'development',
    LANES_JWKS_URL: url,
    LANES_JWT_ISSUER: 'https://login.example',
    LANES_JWT_AUDIENCE: 'lanes',
    ...more,
  });

  it('are trusted, with the issuer and the audience that are set', async () => {
    const strict = await startApi(servers, settings());
    expect((await askWith(strict, bearer(await signed('alice')))).data).toEqual({ me: { id: 'alice' } });
    const other = await generateKeyPair('ES256');
    const bad = [
      await signed('alice', { iss: 'https://other.example' }),
      await signed('alice', { aud: 'other' }),
      await signed('alice', { kid: 'k9' }),
      await signed('alice', { key: other.privateKey }),
      await tokenFor(api, 'alice'),
      // The public key used as an HMAC secret: the classic confusion of algorithms.
      await new SignJWT({})
        .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
        .setSubject('alice')
        .setIssuer('https://login.example')
        .setAudience('lanes')
        .setExpirationTime(soon())
        .sign(new TextEncoder().encode(JSON.stringify(await exportJWK(keys.publicKey)))),
    ];
    for (const [i, token] of bad.entries())
      expect([i, (await askWith(strict, bearer(token))).status]).toEqual([i, 401]);
    await strict.stop();
  });

  it('that cannot be had are UNAVAILABLE, not a bad token', async () => {
    answering = false;
    const strict = await startApi(servers, settings());
    const answer = await askWith(strict, bearer(await signed('alice')));
    expect([answer.status, codesOf(answer), answer.headers.get('retry-after')]).toEqual([503, ['UNAVAILABLE'], '2']);
    const socket = await rawSocket(strict);
    socket.send({ type: 'connection_init', payload: bearer(await signed('alice')) });
    expect(await socket.closed()).toEqual({ code: 1013, reason: 'overloaded' });
    answering = true;
    expect((await askWith(strict, bearer(await signed('alice')))).status).toBe(200);
    await strict.stop();
  });

  it('that the issuer takes away are no good any more, remembered or not, nor what was opened with them', async () => {
    const strict = await startApi(servers, settings());
    const old = await signed('alice');
    expect((await askWith(strict, bearer(old))).status).toBe(200);
    const socket = await socketOf(strict, old);
    const FOLLOW = 'subscription { inbox(device: "d") { __typename } }';
    const stream = await eventsFrom(strict, FOLLOW, {}, { token: old });
    const next = await generateKeyPair('ES256');
    inSet = { k2: next.publicKey };
    // The first token of a new key makes the set be read.
    const changed = performance.now();
    const fresh = await signed('alice', { kid: 'k2', key: next.privateKey });
    expect((await askWith(strict, bearer(fresh))).status).toBe(200);
    expect(codesOf(await askWith(strict, bearer(old)))).toEqual(['UNAUTHENTICATED']);
    expect(await socket.closed()).toEqual({ code: 4403, reason: 'token-expired' });
    while (await stream.next());
    expect(performance.now() - changed).toBeLessThan(2_000);
    // While the server does not answer, what it named last stands.
    answering = false;
    const made = await signed('bob', { kid: 'k2', key: next.privateKey });
    expect((await askWith(strict, bearer(made))).status).toBe(200);
    answering = true;
    const before = asked;
    for (let i = 0; i < 100; i++)
      expect((await askWith(strict, bearer(await signed('alice', { kid: `k${i + 3}` })))).status).toBe(401);
    expect(asked - before).toBeLessThan(10);
    inSet = { k1: keys.publicKey };
    await strict.stop();
  });

  it('are asked for by themselves, too', async () => {
    const trust = { kind: 'jwks', url, issuer: null, audience: null, userClaim: 'sub' } as const;
    const auth = new Auth({ trust, revocations: { before: () => 0 }, log: pino({ level: 'silent' }), askEveryMs: 20 });
    const authorization = `Bearer ${await signed('alice')}`;
    const verified = await until(async () => {
      const answer = await auth.verify(authorization, undefined);
      return answer.kind === 'identity' && answer;
    });
    expect(auth.standingOf(verified.identity)).toBe('good');
    expect(auth.recall(authorization, undefined)?.kind).toBe('identity');
    inSet = {};
    await until(() => auth.standingOf(verified.identity) === 'unsigned');
    expect(auth.recall(authorization, undefined)).toBeUndefined();
    inSet = { k1: keys.publicKey };
    auth.stop();
  });

  it('may name the user in another claim', async () => {
    const strict = await startApi(servers, settings({ LANES_JWT_USER_CLAIM: 'preferred_username' }));
    const token = (claims: Record<string, unknown>) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .setSubject('0000-1111')
        .setIssuer('https://login.example')
        .setAudience('lanes')
        .setExpirationTime(soon())
        .sign(keys.privateKey);
    const answer = await askWith(strict, bearer(await token({ preferred_username: 'ada' })));
    expect(answer.data).toEqual({ me: { id: 'ada' } });
    for (const claims of [{}, { preferred_username: 7 }, { preferred_username: 'app_x' }])
      expect((await askWith(strict, bearer(await token(claims)))).status).toBe(401);
    await strict.stop();
  });
});

describe('production', () => {
  it('shows no page, no schema, issues no tokens, and suggests no names', async () => {
    const strict = await startApi(servers, { LANES_JWT_SECRET: 's'.repeat(40) });
    const token = await tokenFor(strict, 'alice');
    const page = await fetch(strict.url, { headers: { accept: 'text/html' } });
    expect([page.status, page.headers.get('content-type')]).toEqual([401, 'application/json; charset=utf-8']);
    const signIn = await fetch(`${strict.url}/page/sign-in`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"user":"alice"}',
    });
    expect(signIn.status).toBe(404);
    for (const query of ['{ __schema { types { name } } }', '{ __type(name: "Query") { name } }'])
      expect(new Set(codesOf(await post(strict, query, {}, { token })))).toEqual(
        new Set(['GRAPHQL_VALIDATION_FAILED']),
      );
    const suggested = await post(strict, '{ conversatio(id: "c") { id } }', {}, { token });
    expect(suggested.errors[0]?.message).toBe('Cannot query field "conversatio" on type "Query".');
    expect(
      (await post(api, '{ conversatio(id: "c") { id } }', {}, { token: await tokenFor(api, 'alice') })).errors[0]
        ?.message,
    ).toContain('Did you mean');
    const origin = await fetch(strict.url, {
      method: 'POST',
      headers: { origin: 'http://localhost:3000', 'content-type': 'application/json', ...bearer(token) },
      body: JSON.stringify({ query: ME }),
    });
    expect(origin.status).toBe(403);
    await strict.stop();
  });

  it('shows the page and the schema where it is asked to, and still issues no tokens', async () => {
    const open = await startApi(servers, {
      LANES_JWT_SECRET: 's'.repeat(40),
      LANES_GRAPHIQL: 'true',
      LANES_INTROSPECTION: 'true',
    });
    const page = await fetch(open.url, { headers: { accept: 'text/html' } });
    expect([page.status, (await page.text()).includes('sign-in')]).toEqual([200, false]);
    const signIn = await fetch(`${open.url}/page/sign-in`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"user":"alice"}',
    });
    expect(signIn.status).toBe(404);
    const { data } = await post(
      open,
      '{ __schema { queryType { name } } }',
      {},
      { token: await tokenFor(open, 'alice') },
    );
    expect(data.__schema.queryType.name).toBe('Query');
    await open.stop();
  });
});

describe('the sign-in of development', () => {
  const signIn = (headers: Record<string, string>, body: unknown, at = `${api.url}/page/sign-in`): Promise<Response> =>
    fetch(at, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });

  it('makes tokens for who asks on this machine', async () => {
    const { token } = (await (await signIn({}, { user: 'bob' })).json()) as { token: string };
    expect((await askWith(api, bearer(token))).data).toEqual({ me: { id: 'bob' } });
    for (const user of ['a.b', 'app_x', 7, undefined]) expect((await signIn({}, { user })).status).toBe(400);
    expect(
      (
        await fetch(`${api.url}/page/sign-in`, {
          method: 'POST',
          headers: { 'content-type': 'text/plain' },
          body: '{"user":"bob"}',
        })
      ).status,
    ).toBe(415);
  });

  it('is not there for a page of elsewhere, nor under another name of this machine', async () => {
    expect((await signIn({ origin: 'https://evil.example' }, { user: 'bob' })).status).toBe(403);
    const { request } = await import('node:http');
    const status = await new Promise((resolve, reject) => {
      const asked = request(
        `${api.url}/page/sign-in`,
        { method: 'POST', headers: { host: 'rebound.example', 'content-type': 'application/json' } },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      asked.on('error', reject);
      asked.end('{"user":"bob"}');
    });
    expect(status).toBe(404);
  });
});
