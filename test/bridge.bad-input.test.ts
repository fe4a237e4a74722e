/** What no integration should send, sent on real servers: the answers are GraphQL's, nothing changes, and the service stays up. */
import { headers } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { credentialsOf, newIntegration, newSecret, revoked } from '../bridge/credentials.ts';
import { ERRONEOUS } from '../bridge/replies.ts';
import { ERRORS } from '../schema/errors.ts';
import { type AppId, userOfApp } from '../schema/ids.ts';
import { appCommand, appReplies, appReply } from '../schema/subjects.ts';
import { type Client, clientOf, until } from './support/api.ts';
import { groupOf } from './support/chat.ts';
import { type App, type Commanding, type Json, newKey, startCommanding } from './support/commanding.ts';
import { enterByMqtt, newApp } from './support/doors.ts';

let house: Commanding;
let alice: Client;
let bot: App;
let lane: string;
/** Where the bot is not. */
let foreign: string;

beforeAll(async () => {
  house = await startCommanding(() => Promise.resolve({ kind: 'not-found' }));
  alice = await clientOf(house.api, 'alice');
  bot = await house.enter();
  lane = await groupOf(alice, [bot.user]);
  foreign = await groupOf(alice, ['bob']);
}, 120_000);
afterAll(() => house.stop());

const lastSeqs = async (): Promise<readonly number[]> => {
  const seqs = [lane, foreign].map(async (id) => {
    const { conversation } = await alice.ask('query($id: ID!) { conversation(id: $id) { lastSeq } }', { id });
    return conversation.lastSeq;
  });
  return Promise.all(seqs);
};
/** Answered so, and nothing has changed. */
async function refuses(verb: string, body: Uint8Array | string, code: string, about: RegExp, status?: number) {
  const before = await lastSeqs();
  const { json, headers: given } = await bot.raw(verb, body);
  expect(ERRONEOUS.parse(json)).toEqual(json);
  const [error] = json.errors;
  expect(error.extensions.code, error.message).toBe(code);
  expect(error.message).toMatch(about);
  expect(given?.get('Nats-Service-Error-Code')).toBe(String(status ?? ERRORS[code as keyof typeof ERRORS].status));
  expect(given?.get('Nats-Service-Error')).toBe(error.message.replace(/[^\x20-\x7e]/g, '?'));
  expect(await lastSeqs()).toEqual(before);
}
const bad = (verb: string, body: unknown, about: RegExp) =>
  refuses(verb, typeof body === 'string' ? body : JSON.stringify(body), 'BAD_USER_INPUT', about);
const fine = () => ({ conversationId: lane, clientKey: newKey(), text: 'hi' });

describe('a body that is no request', () => {
  it.each([
    ['not JSON', 'hello', /JSON/],
    ['half of it', '{"conversationId":', /JSON/],
    ['a number', '1', /a JSON object/],
    ['null', 'null', /a JSON object/],
    ['a list', '[]', /a JSON object/],
    ['nothing', '', /clientKey|conversationId/],
    ['a raw NUL', '{"a":"\u0000"}', /JSON/],
    ['a byte order mark', '\ufeff{}', /JSON/],
    ['a key of prototypes', '{"__proto__":{"text":"x"}}', /__proto__: no such field/],
    ['deep nesting', `{"text":${'['.repeat(5000)}${']'.repeat(5000)}}`, /32 levels/],
  ])('%s', (_, body, about) => bad('send', body, about));

  it('what is no UTF-8', () => refuses('send', Uint8Array.of(0x22, 0xff, 0x22), 'BAD_USER_INPUT', /UTF-8/));
  it('duplicate keys, however they are written', async () => {
    const { conversationId, clientKey } = fine();
    const head = `{"conversationId":"${conversationId}","clientKey":"${clientKey}"`;
    await bad('send', `${head},"text":"a","text":"b"}`, /text: given once/);
    await bad('send', `${head},"text":"a","te\\u0078t":"b"}`, /text: given once/);
    await bad('acknowledge', '{"marks":[{"seq":1,"conversationId":"c","seq":2}]}', /seq: given once/);
  });
  it('NUL in a text', () => bad('send', { ...fine(), text: 'a\u0000b' }, /no NUL/));
  it('too large: 413', async () => {
    const body = JSON.stringify({ ...fine(), text: 'x'.repeat(270_000) });
    await refuses('send', body, 'BAD_USER_INPUT', /262,144 bytes/, 413);
    await refuses('send', 'x'.repeat(270_000), 'BAD_USER_INPUT', /262,144 bytes/, 413);
  });
});

describe('a request that is none of ours', () => {
  it('unknown verbs', async () => {
    for (const verb of ['sendMessage', 'SEND', 'constructor', '__proto__', 'x'.repeat(2000)])
      await bad(verb, fine(), /the verb/);
  });
  it.each(['conversationId', 'clientKey', 'text'])('without %s', async (field) => {
    const body: Record<string, unknown> = { ...fine() };
    delete body[field];
    await bad('send', body, new RegExp(`^${field}: `));
  });
  it('with a field that there is not', async () => {
    await bad('send', { ...fine(), colour: 'red' }, /^colour: no such field/);
    await bad('leave', { ...fine() }, /^text: no such field/);
    await bad('acknowledge', { device: 'phone', marks: [] }, /marks|device/);
  });
  it.each([
    ['a number for a text', 'send', { text: 1 }],
    ['a list for an id', 'send', { conversationId: ['c1'] }],
    ['an object for an id', 'send', { conversationId: { $gt: '' } }],
    ['null for a key', 'send', { clientKey: null }],
    ['a text for members', 'add-members', { members: 'bob' }],
    ['a fraction for a seq', 'mark-read', { seq: 1.5 }],
    ['a text for a seq', 'mark-read', { seq: '1' }],
    ['a seq below zero', 'mark-read', { seq: -1 }],
    ['a seq beyond all numbers', 'history', { after: 1e300 }],
    ['a page without end', 'history', { first: 101 }],
    ['a page of nothing', 'members', { first: 0 }],
    ['a cursor of another list', 'members', { after: 'czE6MQ' }],
    ['no cursor at all', 'conversations', { after: '???' }],
    ['no marks', 'acknowledge', { marks: [] }],
    ['too many marks', 'acknowledge', { marks: Array(1001).fill({ conversationId: 'c', seq: 1 }) }],
    ['a wrong mark', 'acknowledge', { marks: [{ conversationId: 'c' }] }],
    ['an empty text', 'send', { text: '' }],
    ['half a character', 'send', { text: '\ud800' }],
    ['itself as the other one', 'open-direct', { with: undefined }],
  ])('%s', async (_, verb, more) => {
    const usual: Record<string, object> = {
      send: fine(),
      'add-members': { conversationId: lane, clientKey: 'k', members: ['bob'] },
      'mark-read': { conversationId: lane, seq: 1 },
      'open-direct': { with: bot.user, clientKey: 'k' },
      history: { conversationId: lane },
      members: { conversationId: lane },
    };
    await bad(verb, { ...usual[verb], ...more }, /: /);
  });
  it.each(['', ' ', '*', '>', 'a.b', 'a.*', '$JS', 'a b', 'a\r\nPUB x 1', 'é', 'x'.repeat(65), '../x'])(
    'the id %j',
    async (id) => {
      await bad('send', { ...fine(), conversationId: id }, /^conversationId: 1 to 64/);
      await bad('send', { ...fine(), clientKey: id }, /^clientKey: 1 to 64/);
      await bad('conversation', { conversationId: id }, /^conversationId: 1 to 64/);
      await bad('create', { id, members: [], clientKey: 'k' }, /^id: 1 to 64/);
      await bad('add-members', { conversationId: lane, members: [id], clientKey: 'k' }, /^members\[0\]: 1 to 64/);
    },
  );
  it('ids that are ours', () => bad('create', { id: 'g_mine', members: [], clientKey: 'k' }, /not beginning with/));
  it('a mark beyond the last event', async () => {
    await bad('mark-read', { conversationId: lane, seq: 9_999 }, /not after the last event/);
    await bad('acknowledge', { marks: [{ conversationId: lane, seq: 9_999 }] }, /not after the last event/);
  });
});

describe('what it may not', () => {
  const codeOf = (json: Json): string => (json.errors ? json.errors[0].extensions.code : json.refused?.code);

  it('foreign conversations: as if there were none', async () => {
    for (const conversationId of [foreign, 'no-such-one']) {
      const before = await lastSeqs();
      const by = (more: object) => ({ conversationId, clientKey: newKey(), ...more });
      const answers: Record<string, string> = {};
      const asks: Record<string, object> = {
        send: by({ text: 'x' }),
        'add-members': by({ members: [bot.user] }),
        'remove-member': by({ member: 'alice' }),
        leave: by({}),
        'mark-read': { conversationId, seq: 1 },
        members: { conversationId },
        history: { conversationId },
        replay: { conversationId, after: 0 },
      };
      for (const [verb, body] of Object.entries(asks)) answers[verb] = codeOf(await bot.ask(verb, body));
      expect(new Set(Object.values(answers)), JSON.stringify(answers)).toEqual(new Set(['NOT_FOUND']));
      expect(await bot.ask('conversation', { conversationId })).toEqual({ result: { conversation: null } });
      expect(await bot.ask('message', { conversationId, seq: 1 })).toEqual({ result: { message: null } });
      expect(await lastSeqs()).toEqual(before);
    }
  });

  it('what the rules refuse, by GraphQL’s names', async () => {
    const refusal = async (verb: string, body: object) => codeOf(await bot.ask(verb, { ...body, clientKey: newKey() }));
    expect(await refusal('send', { conversationId: lane, text: 'é'.repeat(8 * 1024 + 1) })).toBe('TOO_LARGE');
    expect(await refusal('add-members', { conversationId: lane, members: ['bob'] })).toBe('NOT_ALLOWED');
    expect(await refusal('create', { id: 'taken', members: [] })).toBeUndefined();
    expect(await refusal('create', { id: 'taken', members: ['bob'] })).toBe('ALREADY_EXISTS');
    const members = Array.from({ length: 10_000 }, (_, i) => `u${i}`);
    expect(await refusal('create', { members })).toBe('MEMBER_LIMIT');
  });

  it('act for others: FORBIDDEN', async () => {
    const { json } = await bot.raw('send', JSON.stringify({ ...fine(), as: 'alice' }));
    expect(codeOf(json)).toBe('FORBIDDEN');
    expect(await bot.ask('send', { ...fine(), as: bot.user })).toHaveProperty('accepted');
  });

  it('be nobody: UNAUTHENTICATED', async () => {
    const handle = async (app: AppId) => (await house.commands.handle(app, 'conversations', new Uint8Array())).json;
    expect(codeOf(await handle(newApp()))).toBe('UNAUTHENTICATED');
    const { registry: integrations } = house.doors;
    const app = newApp();
    await integrations.put(newIntegration(app, 'member', newSecret(), Date.now()));
    expect(await handle(app)).toHaveProperty('result');
    const known = integrations.get(app);
    if (known) await integrations.put(revoked(known, Date.now()));
    expect(codeOf(await handle(app))).toBe('UNAUTHENTICATED');
  });
});

describe('where answers go', () => {
  const count = async (why: string): Promise<number> => {
    const metric = await house.registry.getSingleMetric('lanes_bridge_unanswered_total')?.get();
    return metric?.values.find(({ labels }) => labels['why'] === why)?.value ?? 0;
  };

  it('never to a reply subject that is not its own, and then nothing is done', async () => {
    const { lanes, bridge } = house.doors;
    const heard: string[] = [];
    for (const connection of [lanes, bridge])
      for (const subject of ['chat.lane.>', 'chat.app.other.>', '_INBOX_other.>', '$JS.API.STREAM.NAMES', 'x'])
        connection.subscribe(subject, { callback: (_, message) => heard.push(message.subject) });
    await Promise.all([lanes.flush(), bridge.flush()]);
    const before = await lastSeqs();
    const foreigners = ['chat.lane.0.victim', 'chat.app.other.reply.r', '_INBOX_other.x', '$JS.API.STREAM.NAMES', 'x'];
    const unanswered = await count('foreign');
    for (const reply of foreigners)
      for (const connection of [bot.connection, bridge])
        connection.publish(appCommand(bot.app, 'send'), JSON.stringify(fine()), { reply });
    const wanted = unanswered + 2 * foreigners.length;
    await until(async () => (await count('foreign')) === wanted);
    expect(await lastSeqs()).toEqual(before);
    expect(heard).toEqual([]);
    expect(await bot.ask('send', fine())).toHaveProperty('accepted');
  });

  it('without a reply subject, to the one that the request id names', async () => {
    const answers: Json[] = [];
    bot.connection.subscribe(appReplies(bot.app), { callback: (_, m) => answers.push([m.subject, m.json()]) });
    await bot.connection.flush();
    const requestId = newKey();
    bot.connection.publish(appCommand(bot.app, 'send'), JSON.stringify({ ...fine(), requestId }));
    await until(() => answers.length > 0);
    bot.connection.publish(appCommand(bot.app, 'send'), JSON.stringify({ ...fine(), requestId: 'wrong', text: 5 }));
    await until(() => answers.length > 1);
    expect(answers).toEqual([
      [appReply(bot.app, requestId), { accepted: expect.objectContaining({ conversationId: lane }) }],
      [appReply(bot.app, 'wrong'), { errors: [expect.objectContaining({ message: 'text: a text' })] }],
    ]);
  });

  it('with neither, it is done and not answered', async () => {
    const silent = await count('silent');
    const [before = 0] = await lastSeqs();
    bot.connection.publish(appCommand(bot.app, 'send'), JSON.stringify(fine()));
    await until(async () => (await lastSeqs())[0] === before + 1);
    await until(async () => (await count('silent')) === silent + 1);
  });

  it('over MQTT: a command without a reply subject, answered where it says', async () => {
    const { registry: integrations, config } = house.doors;
    const [app, secret] = [newApp(), newSecret()];
    await integrations.put(newIntegration(app, 'member', secret, Date.now()));
    const group = await groupOf(alice, [userOfApp(app)]);
    const client = await enterByMqtt(credentialsOf(app, secret, config.natsPublic));
    const answers: Json[] = [];
    client.on('message', (topic, payload) => answers.push([topic, JSON.parse(payload.toString())]));
    await client.subscribeAsync(`chat/app/${app}/reply/#`);
    const body = { requestId: 'r1', conversationId: group, clientKey: newKey(), text: 'by MQTT' };
    await client.publishAsync(`chat/app/${app}/cmd/send`, JSON.stringify(body), { qos: 1 });
    await until(() => answers.length > 0);
    expect(answers).toEqual([[`chat/app/${app}/reply/r1`, { accepted: expect.objectContaining({ seq: 2 }) }]]);
    await client.endAsync();
  });

  it('headers that are none are passed over', async () => {
    const strange = headers();
    strange.set('Lanes-Deadline-Ms', 'soon');
    strange.set('traceparent', 'x'.repeat(10_000));
    strange.set('Nats-Msg-Id', 'mine');
    const { json } = await bot.raw('send', JSON.stringify(fine()), strange);
    expect(json).toHaveProperty('accepted');
  });
});
