/** Webhooks that come in, over HTTP, with the api beside the bridge to see what became of them. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { revoked } from '../bridge/credentials.ts';
import { withHook, withoutHook } from '../bridge/webhook-settings.ts';
import { openWebhooksIn } from '../bridge/webhooks-in.ts';
import type { Integration } from '../services/journal/integrations.ts';
import { type Client, clientOf } from './support/api.ts';
import { type App, type Commanding, type Json, newKey, startCommanding } from './support/commanding.ts';
import { silent } from './support/doors.ts';
import { until } from './support/scribe.ts';

describe('a hook', () => {
  let commanding: Commanding;
  let door: Awaited<ReturnType<typeof openWebhooksIn>>;
  const metrics = new Registry();
  let alice: Client;
  let app: App;
  let secret: string;
  let conversationId: string;

  const integrationOf = ({ app: name }: App): Integration => commanding.doors.registry.get(name) as Integration;
  const open = async (to: App): Promise<string> => {
    const made = withHook(integrationOf(to));
    await commanding.doors.registry.put(made.integration);
    return made.secret;
  };
  interface Posted {
    readonly status: number;
    readonly headers: Headers;
    readonly json: Json;
  }
  const post = async (
    body: unknown,
    headers: Record<string, string> = {},
    { name = app.app as string, method = 'POST', path }: { name?: string; method?: string; path?: string } = {},
  ): Promise<Posted> => {
    const answer = await fetch(`http://127.0.0.1:${door.port}${path ?? `/hooks/${name}`}`, {
      method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}`, ...headers },
      ...(method === 'GET'
        ? {}
        : { body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body) }),
    });
    return { status: answer.status, headers: answer.headers, json: await answer.json() };
  };
  const texts = async (): Promise<string[]> => {
    const { conversation } = await alice.ask(
      'query ($id: ID!) { conversation(id: $id) { messages { nodes { text } } } }',
      {
        id: conversationId,
      },
    );
    return conversation.messages.nodes.map(({ text }: { text: string }) => text);
  };
  const codeOf = ({ json }: Posted): string => json.errors?.[0].extensions.code ?? json.refused?.code;

  beforeAll(async () => {
    commanding = await startCommanding(async () => ({ kind: 'not-found' }));
    door = await openWebhooksIn({
      ...{ host: '127.0.0.1', port: 0, integrations: commanding.doors.registry, commands: commanding.commands },
      ...{ registry: metrics, log: silent },
    });
    app = await commanding.enter();
    secret = await open(app);
    alice = await clientOf(commanding.api, 'alice');
    const { createConversation } = await alice.ask(
      'mutation ($input: CreateConversationInput!) { createConversation(input: $input) { accepted { conversationId } } }',
      { input: { members: [app.user], clientKey: newKey() } },
    );
    conversationId = createConversation.accepted.conversationId;
  }, 60_000);
  afterAll(async () => {
    await door?.stop();
    await commanding?.stop();
  });

  it('posts a message as the integration, once for each key, whichever way the key comes', async () => {
    const first = await post({ conversationId, clientKey: 'k1', text: 'one' });
    expect(first).toMatchObject({ status: 200, json: { accepted: { conversationId, seq: 2, repeated: false } } });
    const again = await post({ conversationId, clientKey: 'k1', text: 'one' });
    expect(again).toMatchObject({ status: 200, json: { accepted: { seq: 2, repeated: true } } });
    const keys: Record<string, string>[] = [
      { 'idempotency-key': 'id-2' },
      { 'idempotency-key': '"8e03978e-40d5-43dd-bc93-6894a57f9324"' },
      { 'webhook-id': 'msg_2KWPBgLlAfxdpx2AI54pPJ85f4W' },
      { 'webhook-id': `other.system:${'x'.repeat(100)}/7 é`.normalize('NFKD').replace(/[^\x20-\x7e]/g, '') },
    ];
    for (const [i, headers] of keys.entries()) {
      const body = { conversationId, text: `by header ${i}` };
      const [sent, repeated] = [await post(body, headers), await post(body, headers)];
      expect(sent).toMatchObject({ status: 200, json: { accepted: { repeated: false } } });
      expect(repeated.json).toEqual({ accepted: { ...sent.json.accepted, repeated: true } });
    }
    // The body's own key counts.
    const own = await post({ conversationId, clientKey: 'k1', text: 'one' }, { 'idempotency-key': 'another' });
    expect(own.json.accepted).toMatchObject({ seq: 2, repeated: true });
    expect(await texts()).toEqual(['one', ...keys.map((_, i) => `by header ${i}`)]);
    const { conversation } = await alice.ask(
      'query ($id: ID!) { conversation(id: $id) { lastMessage { sender { id } } } }',
      { id: conversationId },
    );
    expect(conversation.lastMessage.sender.id).toBe(app.user);
  });

  it('says no as everywhere, with a status that a sender of webhooks understands', async () => {
    const before = await texts();
    const input = (more: object = {}) => ({ conversationId, clientKey: newKey(), text: 'x', ...more });
    const wrong: [string, number, unknown, Record<string, string>?][] = [
      ['BAD_USER_INPUT', 400, '{'],
      ['BAD_USER_INPUT', 400, '[]'],
      ['BAD_USER_INPUT', 400, 'null'],
      ['BAD_USER_INPUT', 400, new Uint8Array([0x7b, 0xff, 0x7d])],
      ['BAD_USER_INPUT', 400, {}, { 'idempotency-key': 'k' }],
      ['BAD_USER_INPUT', 400, { conversationId, text: 'no key' }],
      ['BAD_USER_INPUT', 400, { conversationId, text: 'x' }, { 'idempotency-key': '' }],
      ['BAD_USER_INPUT', 400, { conversationId, text: 'x' }, { 'idempotency-key': '""' }],
      ['BAD_USER_INPUT', 400, { conversationId, text: 'x' }, { 'webhook-id': 'x'.repeat(257) }],
      [
        'BAD_USER_INPUT',
        400,
        `{"conversationId":"${conversationId}","text":"a","text":"b"}`,
        { 'webhook-id': 'twice' },
      ],
      ['BAD_USER_INPUT', 400, input({ text: '' })],
      ['BAD_USER_INPUT', 400, input({ text: 1 })],
      ['BAD_USER_INPUT', 400, input({ text: 'a\0b' })],
      ['BAD_USER_INPUT', 400, input({ conversationId: 'a.b' })],
      ['BAD_USER_INPUT', 400, input({ conversationId: '*' })],
      ['BAD_USER_INPUT', 400, input({ clientKey: 'a b' })],
      ['BAD_USER_INPUT', 400, input({ clientKey: null })],
      ['BAD_USER_INPUT', 400, input({ more: 1 })],
      ['BAD_USER_INPUT', 400, `{"a":${'['.repeat(40)}${']'.repeat(40)}}`, { 'webhook-id': 'deep' }],
      ['BAD_USER_INPUT', 413, input({ text: 'x'.repeat(300_000) })],
      ['BAD_USER_INPUT', 415, input(), { 'content-type': 'text/plain' }],
      ['BAD_USER_INPUT', 415, input(), { 'content-type': 'application/x-www-form-urlencoded' }],
      ['BAD_USER_INPUT', 415, input(), { 'content-encoding': 'gzip' }],
      ['FORBIDDEN', 403, input({ as: 'alice' })],
      ['NOT_FOUND', 404, input({ conversationId: 'nowhere' })],
      ['TOO_LARGE', 413, input({ text: 'x'.repeat(20_000) })],
      ['KEY_REUSED', 409, { conversationId, clientKey: 'k1', text: 'something else' }],
    ];
    for (const [code, status, body, headers] of wrong) {
      const answer = await post(body, headers);
      const about = `${JSON.stringify(body)?.slice(0, 80)} ${JSON.stringify(headers)}`;
      expect([codeOf(answer), answer.status], about).toEqual([code, status]);
      expect(Object.keys(answer.json), about).toHaveLength(1);
    }
    expect(await texts()).toEqual(before);
    expect((await post(input({ text: 'still here' }))).status).toBe(200);
  });

  it('is nothing to whoever has not its secret, and does not tell what there is', async () => {
    const other = await commanding.enter();
    const otherSecret = await open(other);
    const closed = await commanding.enter();
    const body = { conversationId, clientKey: newKey(), text: 'not to be seen' };
    const strangers = [
      await post(body, { authorization: '' }),
      await post(body, { authorization: 'Bearer ' }),
      await post(body, { authorization: `Bearer ${otherSecret}` }),
      await post(body, { authorization: `Basic ${secret}` }),
      await post(body, { authorization: `Bearer ${integrationOf(app).hookHash}` }),
      await post(body, {}, { name: 'nobody' }),
      await post(body, {}, { name: closed.app }),
      await post(body, {}, { name: '..%2f' }),
      await post(body, {}, { name: `${app.app}.x` }),
      await post(undefined, { authorization: '' }, { method: 'GET' }),
    ];
    for (const { status, json, headers } of strangers) {
      expect(status).toBe(401);
      expect(headers.get('www-authenticate')).toBe('Bearer');
      expect(json).toEqual((strangers[0] as Posted).json);
    }
    for (const path of ['/', '/hooks', '/hooks/', `/hooks/${app.app}/x`, '/graphql'])
      expect((await post(body, {}, { path })).status, path).toBe(404);
    const wrongMethod = await post(undefined, {}, { method: 'GET' });
    expect([wrongMethod.status, wrongMethod.headers.get('allow')]).toEqual([405, 'POST']);
    expect(await texts()).not.toContain('not to be seen');
  });

  it('closes with a new secret, when it is turned off, and when the integration is revoked', async () => {
    const one = await commanding.enter();
    const old = await open(one);
    const status = async (bearer: string): Promise<number> =>
      (
        await post(
          { conversationId, clientKey: newKey(), text: 'x' },
          { authorization: `Bearer ${bearer}` },
          { name: one.app },
        )
      ).status;
    expect(await status(old)).toBe(404);
    const fresh = await open(one);
    expect([await status(old), await status(fresh)]).toEqual([401, 404]);
    await commanding.doors.registry.put(withoutHook(integrationOf(one)));
    expect(await status(fresh)).toBe(401);
    const last = await open(one);
    await commanding.doors.registry.put(revoked(integrationOf(one), Date.now()));
    expect(await status(last)).toBe(401);
  });

  it('has a budget: beyond it 429 and when to come again', async () => {
    const slow = await commanding.openService({ LANES_SENDS_PER_SECOND: '1', LANES_SENDS_BURST: '3' });
    const own = await openWebhooksIn({
      ...{ host: '127.0.0.1', port: 0, integrations: commanding.doors.registry, commands: slow.commands },
      ...{ registry: new Registry(), log: silent },
    });
    const usual = door;
    door = own;
    try {
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, i) => post({ conversationId, clientKey: newKey(), text: `flood ${i}` })),
      );
      const refused = answers.filter(({ status }) => status === 429);
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
      expect(refused).toHaveLength(57);
      for (const answer of refused) {
        expect(codeOf(answer)).toBe('RATE_LIMITED');
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      }
    } finally {
      door = usual;
      await own.stop();
      await slow.stop();
    }
  });

  it('counts what comes', async () => {
    const text = await metrics.metrics();
    for (const outcome of ['accepted', 'BAD_USER_INPUT', 'NOT_FOUND', 'UNAUTHENTICATED', 'KEY_REUSED'])
      expect(text).toMatch(new RegExp(`lanes_webhook_received_total\\{outcome="${outcome}"\\} [1-9]`));
    expect(text).not.toContain(secret);
  });

  it('goes on while MongoDB is down, and is told when NATS is', async () => {
    const { servers } = commanding.doors;
    await servers.mongo.kill9();
    const down = await post({ conversationId, clientKey: newKey(), text: 'without MongoDB' });
    await servers.mongo.restart();
    expect(down.status).toBe(200);
    await servers.nats.kill9();
    const lost = await post({ conversationId, clientKey: newKey(), text: 'without NATS' });
    await servers.nats.restart();
    expect([500, 503]).toContain(lost.status);
    expect(['UNAVAILABLE', 'OUTCOME_UNKNOWN']).toContain(codeOf(lost));
    // The doors are back a moment after the server is, and until then nobody is let in.
    const enters = () =>
      commanding.enter().then(
        () => true,
        () => false,
      );
    await until(enters, (isIn) => isIn);
  }, 60_000);

  it('and a webhook are set up by the command line, with their secrets shown once', async () => {
    const one = await commanding.enter();
    const environment = commanding.doors.servers.environment({ LANES_PARTITIONS: '2', LANES_BRIDGE_PORT: '4321' });
    const lanes = (...args: string[]) =>
      new Promise<{ code: number; out: Json; err: string }>((resolve) => {
        const main = fileURLToPath(new URL('../services/cli/main.ts', import.meta.url));
        execFile(
          process.execPath,
          ['--import', 'tsx', main, 'integration', ...args],
          { env: environment },
          (error, out, err) =>
            resolve({ code: Number(error?.code ?? 0), out: out === '' ? undefined : JSON.parse(out), err }),
        );
      });
    const hook = await lanes('hook', one.app);
    expect(hook.out).toEqual({
      app: one.app,
      url: `http://127.0.0.1:4321/hooks/${one.app}`,
      secret: expect.any(String),
    });
    expect((await lanes('hook', one.app, '--off')).out).toEqual({ app: one.app, hook: null });
    const bad = [
      'http://example.org',
      'https://127.0.0.1/',
      'https://[::1]/',
      'https://10.1.2.3/x',
      'https://a:b@example.org',
    ];
    for (const url of [...bad, 'nonsense', `https://example.org/${'x'.repeat(2_000)}`]) {
      const refused = await lanes('webhook', one.app, '--url', url);
      expect(refused.code, url).toBe(2);
    }
    const url = 'https://example.org/hook';
    const set = (await lanes('webhook', one.app, '--url', url)).out;
    expect(set).toEqual({
      app: one.app,
      webhook: { url, since: expect.any(String), secret: expect.stringMatching(/^whsec_/) },
    });
    expect((await lanes('webhook', one.app)).out).toEqual({ app: one.app, webhook: { url, since: set.webhook.since } });
    const moved = (await lanes('webhook', one.app, '--url', `${url}2`)).out;
    expect(moved).toEqual({ app: one.app, webhook: { url: `${url}2`, since: set.webhook.since } });
    const rotated = (await lanes('webhook', one.app, '--rotate')).out;
    expect(rotated.webhook.secret).not.toBe(set.webhook.secret);
    expect((await lanes('webhook', one.app, '--off')).out).toEqual({ app: one.app, webhook: null });
    expect((await lanes('webhook', one.app, '--rotate')).code).toBe(1);
    expect((await lanes('webhook', 'nobody', '--url', url)).err).toContain('there is no integration nobody');
  }, 120_000);
});
