/**
 * Secrets are said to nobody: the whole installation at its most talkative, through sends, refusals, wrong passwords, kills and providers
 * in trouble; then everything that it wrote and answered is searched for everything that is secret in it.
 */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'nats';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Client, clientOf, rawSocket, socketOf, type TestApi, tokenFor } from './support/api.ts';
import { ACKNOWLEDGE, FOLLOW, groupOf, REGISTER } from './support/chat.ts';
import { enterByMqtt } from './support/doors.ts';
import { type Installation, lanesCommand, lanesProcess, startInstallation } from './support/installation.ts';
import { RawClient } from './support/irc.ts';
import { startProviders, type TestProviders } from './support/providers/all.ts';
import { apnsToken } from './support/providers/pushing.ts';
import type { Behaviour } from './support/providers/secure-server.ts';
import { openRaw } from './support/raw-nats.ts';
import { foundIn } from './support/secrets.ts';
import { until } from './support/until.ts';

const PATIENCE_MS = 60_000;
const TEXT = 'canary-text-of-a-message';
const JWT_SECRET = `canary-jwt-${randomUUID()}`;
const WRONG = `canary-wrong-password-${randomUUID()}`;

let installation: Installation;
let providers: TestProviders;
let api: TestApi;
/** Every answer but those that tell a secret to whom it is for. */
const answers: string[] = [];
/** By what it is. */
const secrets = new Map<string, string>();

const note = (what: string, ...values: readonly string[]): void => {
  for (const [i, value] of values.entries()) secrets.set(`${what} ${i}`, value);
};
const port = (setting: string): number => Number(installation.environment[setting]);

beforeAll(async () => {
  providers = await startProviders();
  installation = await startInstallation({
    ...providers.settings,
    LANES_ENV: 'development',
    LANES_LOG_LEVEL: 'trace',
    LANES_PARTITIONS: '2',
    LANES_NOTIFY_GRACE_MS: '100',
    LANES_JWT_SECRET: JWT_SECRET,
  });
  const url = `http://127.0.0.1:${port('LANES_PORT')}/graphql`;
  api = { url, port: port('LANES_PORT'), config: { jwt: { kind: 'secret', secret: JWT_SECRET } } } as never;
}, 120_000);
afterAll(async () => {
  await installation.stop();
  await providers.stop();
}, PATIENCE_MS);

/** An answer that must not hold a secret, whatever it is. */
const asked = async (url: string, init: RequestInit = {}): Promise<string> => {
  const answer = await fetch(url, init).then(
    async (got) => `${got.status} ${JSON.stringify([...got.headers])} ${await got.text()}`,
    (error: Error) => `${error.message} ${error.cause}`,
  );
  answers.push(answer);
  return answer;
};
const posted = (url: string, body: unknown, authorization: string): Promise<string> =>
  asked(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
/** A command, with what it says; `isSecret`: it prints a secret to whom it is for. */
async function lanes(args: readonly string[], more: Record<string, string> = {}, isSecret = false): Promise<string> {
  const { stdout, stderr } = await lanesCommand(args, { ...installation.environment, ...more });
  answers.push(isSecret ? stderr : stdout + stderr);
  return stdout;
}
const SEND =
  'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } refused { code message } } }';
const input = (conversationId: string, text = TEXT) => ({ conversationId, text, clientKey: randomUUID() });

async function beRefused(alice: Client, id: string): Promise<void> {
  const stranger = await clientOf(api, 'stranger');
  const expired = await tokenFor(api, 'alice', { ttlSeconds: -60 });
  const forged = await tokenFor(api, 'alice', { secret: WRONG.padEnd(40, 'x') });
  note('token', alice.token, stranger.token, expired, forged);
  const query = { query: SEND, variables: { input: input(id) } };
  for (const token of [stranger.token, expired, forged, WRONG, `${alice.token}x`])
    await posted(api.url, query, `Bearer ${token}`);
  await posted(api.url, { ...query, variables: { input: { ...input(id), clientKey: '' } } }, `Bearer ${alice.token}`);
  await posted(api.url, { query: `{ me { id(${TEXT} } }` }, `Bearer ${alice.token}`);
  await posted(api.url, `{"query": "${TEXT}`, `Bearer ${alice.token}`);
  await posted(api.url, query, `Basic ${Buffer.from(`alice:${WRONG}`).toString('base64')}`);
  await asked(`${api.url}?query={me{id}}&access_token=${alice.token}`);
  for (const token of [WRONG, expired]) {
    const socket = await rawSocket(api);
    socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
    answers.push(JSON.stringify([await socket.closed(), socket.messages]));
  }
  const socket = await socketOf(api, alice.token);
  socket.subscribe('1', FOLLOW, { id: 'nowhere', after: 0 });
  socket.send('{"type": "nonsense"}');
  answers.push(JSON.stringify(await socket.closed()));
  for (const token of [expired, WRONG, alice.token]) {
    const irc = new RawClient(port('LANES_IRC_PORT'));
    irc.send(`PASS ${token}`, 'NICK a', 'USER a 0 * :a', `PRIVMSG #nowhere :${TEXT}`, 'QUIT');
    await irc.closed();
    answers.push(JSON.stringify(irc.lines));
  }
  for (const token of [alice.token, WRONG]) {
    const raw = await openRaw(`nats://127.0.0.1:${port('LANES_NATS_PORT')}`, 'lanes', token).catch(
      (error: Error) => error,
    );
    answers.push(String(raw instanceof Error ? raw.message : 'let in'));
  }
}

async function integrate(id: string): Promise<void> {
  const credentials = JSON.parse(await lanes(['integration', 'add', 'shop'], {}, true));
  const webhook = JSON.parse(
    await lanes(['integration', 'webhook', 'shop', '--url', 'https://hooks.example.org/path'], {}, true),
  );
  const hook = JSON.parse(await lanes(['integration', 'hook', 'shop'], {}, true));
  note('integration', credentials.nats.password, webhook.webhook.secret, hook.secret);
  const harmless = [['list'], ['lag'], ['webhook', 'shop'], ['add', 'shop']];
  await Promise.all(harmless.map((args) => lanes(['integration', ...args])));
  const { url, user, password, inboxPrefix } = credentials.nats;
  for (const pass of [WRONG, ''])
    answers.push(
      String(await connect({ servers: url, user, pass, reconnect: false }).catch((error: Error) => error.message)),
    );
  const mqtt = { ...credentials, mqtt: { ...credentials.mqtt, password: WRONG } };
  answers.push(await enterByMqtt(mqtt).then(String, (error: Error) => error.message));
  const bot = await connect({ servers: url, user, pass: password, inboxPrefix });
  for (const body of [input(id), { nonsense: TEXT }, TEXT, { ...input('nowhere') }])
    await bot
      .request('chat.app.shop.cmd.send', typeof body === 'string' ? body : JSON.stringify(body), { timeout: 5_000 })
      .then((reply) => answers.push(reply.string()));
  await bot.close();
  for (const secret of [hook.secret, WRONG])
    await posted(hook.url, { conversationId: 'nowhere', text: TEXT }, `Bearer ${secret}`);
  await posted(hook.url, `{"conversationId": "${TEXT}`, `Bearer ${hook.secret}`);
}

/** Each provider in each kind of trouble, with a message for each. */
async function push(alice: Client, bob: Client, id: string): Promise<void> {
  const browser = providers.webPush.subscribe();
  const { provider: _, ...webPush } = browser;
  const push = {
    apns: { apns: { token: apnsToken('canary') } },
    fcm: { fcm: { token: 'fcm-canary-token' } },
    gcm: { gcm: { token: 'gcm-canary-token' } },
    web: { webPush },
  };
  note('address', apnsToken('canary'), 'fcm-canary-token', 'gcm-canary-token', browser.auth, browser.p256dh);
  note('endpoint', new URL(browser.endpoint).pathname);
  const register = () =>
    Promise.all(
      Object.entries(push).map(([device, address]) => bob.post(REGISTER, { input: { device, push: address } })),
    );
  const servers = [providers.apns, providers.fcm, providers.gcm, providers.oauth];
  const troubles: (Behaviour | undefined)[] = [{ status: 500 }, 'reset', { status: 403 }, { status: 400 }, undefined];
  for (const trouble of troubles) {
    for (const server of servers) server.always(trouble);
    answers.push(JSON.stringify(await register()));
    const before = providers.apns.requests.length + providers.fcm.requests.length + providers.gcm.requests.length;
    await alice.ask(SEND, { input: input(id) });
    await until(
      () => providers.apns.requests.length + providers.fcm.requests.length + providers.gcm.requests.length,
      (now) => now > before,
      PATIENCE_MS,
    );
  }
  note('access token', ...providers.oauth.issued);
  await bob.post(ACKNOWLEDGE, { input: { device: 'apns', marks: [{ conversationId: id, seq: 2 }] } });
}

/** What is asked meanwhile is answered by errors. */
const kill = (name: string): Promise<void> =>
  installation.kill(name, async () => {
    await asked(api.url.replace('graphql', 'readyz'));
    await posted(api.url, { query: '{ conversations { nodes { id } } }' }, `Bearer ${await tokenFor(api, 'alice')}`);
  });

/** As somebody has it who mistyped a password: the doctor, and a room. */
async function mistype(): Promise<void> {
  const at = (setting: string): string => `127.0.0.1:${port(setting)}`;
  const wrong = {
    LANES_NATS_URL: `nats://lanes:${WRONG}@${at('LANES_NATS_PORT')}`,
    LANES_MONGO_URL: `mongodb://lanes:${WRONG}@${at('LANES_MONGO_PORT')}/lanes?replicaSet=lanes&authSource=admin`,
  };
  for (const [name, value] of Object.entries(wrong)) answers.push(await lanes(['doctor'], { [name]: value }));
  for (const bad of [
    { LANES_NATS_URL: `nats:/${WRONG}` },
    { LANES_MONGO_URL: `mongo://${WRONG}@x` },
    { LANES_JWT_SECRET: 'short-canary-secret' },
  ])
    await lanes(['doctor'], bad);
  note('short secret', 'short-canary-secret');
  const room = lanesProcess(['projector'], { ...installation.environment, ...wrong, LANES_ADMIN_PORT: '0' });
  let heard = '';
  for (const output of [room.stdout, room.stderr]) output.on('data', (bytes) => (heard += bytes));
  const ended = new Promise((done) => room.once('exit', done));
  await until(
    () => /auth/i.test(heard) || room.exitCode !== null,
    (isHeard) => isHeard,
    PATIENCE_MS,
  );
  room.kill('SIGINT');
  await ended;
  answers.push(heard);
}

function noteFiles(): void {
  for (const name of readdirSync(join(installation.dir, 'secrets'))) {
    const words = readFileSync(join(installation.dir, 'secrets', name), 'utf8').split(/\s+/);
    note(name, ...words.filter((word) => word.length >= 16));
  }
  const {
    LANES_APNS_KEY_FILE = '',
    LANES_VAPID_KEY_FILE = '',
    LANES_FCM_SERVICE_ACCOUNT_FILE = '',
  } = providers.settings;
  const account = JSON.parse(readFileSync(LANES_FCM_SERVICE_ACCOUNT_FILE, 'utf8'));
  const keys = [
    readFileSync(LANES_APNS_KEY_FILE, 'utf8'),
    readFileSync(LANES_VAPID_KEY_FILE, 'utf8'),
    account.private_key,
  ];
  note('key of a provider', ...keys.map((pem: string) => pem.split('\n')[1] ?? ''));
  note('GCM key', providers.settings['LANES_GCM_KEY'] ?? '');
  note('JWT secret', JWT_SECRET);
  note('wrong password', WRONG);
  note('text', TEXT);
}

test('what is there is found, in each form', () => {
  const secrets = new Map([['password', 'p"4&ssword of 20 chars']]);
  const bare = [...secrets.values()].join();
  const forms = [bare, JSON.stringify(bare), encodeURIComponent(bare), Buffer.from(bare).toString('base64')];
  for (const form of forms) expect(foundIn([['log', `a ${form} b`]], secrets)).toHaveLength(1);
  expect(foundIn([['log', 'nothing']], secrets)).toEqual([]);
});

test('no secret is in a log or an answer', { timeout: 300_000 }, async () => {
  const [alice, bob] = [await clientOf(api, 'alice', { name: 'Alice' }), await clientOf(api, 'bob')];
  note('token of bob', bob.token);
  const id = await groupOf(alice, ['bob']);
  await push(alice, bob, id);
  await beRefused(alice, id);
  await integrate(id);
  await mistype();
  await Promise.all(['nats-server', 'mongod'].map(kill));
  await Promise.all(['api', 'notifier', 'bridge'].map(kill));
  await Promise.all([['doctor'], ['verify'], ['why', id, '2', 'bob']].map((args) => lanes(args)));
  for (let room = 0; room < 6; room++) await asked(`http://127.0.0.1:${port('LANES_ADMIN_PORT') + room}/metrics`);
  noteFiles();

  const { dir, said } = installation;
  const logs = readdirSync(join(dir, 'log')).map(
    (name) => [name, readFileSync(join(dir, 'log', name), 'utf8')] as const,
  );
  const told = answers.map((answer, i) => [`answer ${i}`, answer] as const);
  expect(foundIn([['rooms', said], ...logs, ...told], secrets)).toEqual([]);
  // All of them were there to be said, and much was said.
  expect(secrets.size).toBeGreaterThan(25);
  for (const secret of secrets.values()) expect(secret.length).toBeGreaterThan(12);
  expect(logs.map(([name]) => name)).toEqual(expect.arrayContaining(['mongod.log', 'nats-server.log']));
  for (const level of ['debug', 'info', 'warn', 'error']) expect(said).toContain(`"level":"${level}"`);
});
