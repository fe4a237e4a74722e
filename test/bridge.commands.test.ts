/** Commands of integrations over NATS on real servers: with their own credentials, as a third party has them. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { connect, headers, RequestStrategy, type Subscription } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replySchema } from '../bridge/replies.ts';
import type { Verb } from '../bridge/requests.ts';
import { VERBS } from '../bridge/rights.ts';
import { openService } from '../bridge/service.ts';
import { appCommand } from '../schema/subjects.ts';
import { Link } from '../services/journal/link.ts';
import { type Client, clientOf, until } from './support/api.ts';
import { changeMembers, groupOf, say } from './support/chat.ts';
import { type App, type Commanding, findNatsCli, type Json, newKey, startCommanding } from './support/commanding.ts';
import { silent } from './support/doors.ts';

const natsCli = findNatsCli();
let house: Commanding;
let alice: Client;
let bot: App;
/** A group of alice's with the bot in it. */
let lane: string;

beforeAll(async () => {
  house = await startCommanding(async (_app, { conversationId, after, upTo }) =>
    conversationId === lane
      ? { kind: 'started', replayId: 'r1', from: after + 1, to: upTo ?? 7 }
      : { kind: 'not-found' },
  );
  alice = await clientOf(house.api, 'alice', { name: 'Alice' });
  bot = await house.enter();
  lane = await groupOf(alice, [bot.user]);
}, 120_000);
afterAll(() => house.stop());

/** The reply, which is what the published schema says: nothing is in it that the schema does not know. */
async function ask(verb: Verb, body: unknown, by: App = bot): Promise<Json> {
  const json = await by.ask(verb, body);
  expect(replySchema(verb).parse(json), verb).toEqual(json);
  expect(Object.keys(json)).toHaveLength(1);
  return json;
}
const codeOf = (json: Json): string => json.errors[0].extensions.code;
const send = (text = 'hi', by: App = bot, conversationId = lane) =>
  ask('send', { conversationId, clientKey: newKey(), text }, by);

describe('each verb', () => {
  it('send: accepted, and there by GraphQL', async () => {
    const { accepted } = await ask('send', { conversationId: lane, clientKey: 'k1', text: 'from the bot' });
    expect(accepted).toEqual({
      ...{ conversationId: lane, seq: 2, repeated: false, changed: true },
      acceptedAt: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/),
    });
    const { message } = await alice.ask(
      'query($id: ID!) { message(conversationId: $id, seq: 2) { text clientKey sentAt sender { id } } }',
      { id: lane },
    );
    expect(message).toEqual({
      ...{ text: 'from the bot', clientKey: 'k1', sentAt: accepted.acceptedAt },
      sender: { id: bot.user },
    });
  });

  it('create, add-members, remove-member, leave', async () => {
    const { accepted: created } = await ask('create', { title: 'Ours', members: ['alice'], clientKey: 'c1' });
    const id = created.conversationId;
    expect(created).toMatchObject({ seq: 1, changed: true });
    const add = { conversationId: id, members: ['bob', 'carol'], hideHistory: true, clientKey: 'a1' };
    expect((await ask('add-members', add)).accepted).toMatchObject({ seq: 2, changed: true });
    const remove = { conversationId: id, member: 'carol', clientKey: 'r1' };
    expect((await ask('remove-member', remove)).accepted).toMatchObject({ seq: 3 });
    expect((await ask('remove-member', { ...remove, clientKey: 'r2' })).accepted).toMatchObject({ changed: false });
    expect((await ask('leave', { conversationId: id, clientKey: 'l1' })).accepted).toMatchObject({ seq: 4 });
    const { conversation } = await alice.ask(
      'query($id: ID!) { conversation(id: $id) { title me { role } members { nodes { user { id } } } } }',
      { id },
    );
    expect(conversation.members.nodes.map((node: Json) => node.user.id)).toEqual(['alice', 'bob']);
    expect(conversation).toMatchObject({ title: 'Ours', me: { role: 'OWNER' } });
    expect(await ask('conversation', { conversationId: id })).toEqual({ result: { conversation: null } });
  });

  it('open-direct: the same one from both sides', async () => {
    const { accepted } = await ask('open-direct', { with: 'alice', clientKey: 'd1' });
    const { openDirect } = await alice.ask(
      'mutation($input: OpenDirectInput!) { openDirect(input: $input) { accepted { conversationId changed } } }',
      { input: { with: bot.user, clientKey: 'd1' } },
    );
    expect(openDirect.accepted).toEqual({ conversationId: accepted.conversationId, changed: false });
    const { result } = await ask('conversation', { id: accepted.conversationId });
    expect(result.conversation).toMatchObject({ kind: 'DIRECT', directWith: { id: 'alice' } });
  });

  it('mark-read, acknowledge: as the marks of one device', async () => {
    const seq = await say(alice, lane, 'read me');
    const read = await ask('mark-read', { conversationId: lane, seq });
    expect(read.result.conversation).toMatchObject({ id: lane, readSeq: seq, unread: 0 });
    const stored = await ask('acknowledge', {
      marks: [
        { conversationId: lane, seq },
        { conversationId: 'nowhere', seq: 9 },
      ],
    });
    expect(stored.result.acknowledgedAt).toMatch(/Z$/);
    const { conversation } = await alice.ask(
      'query($id: ID!) { conversation(id: $id) { members { nodes { user { id } readSeq deliveredSeq } } } }',
      { id: lane },
    );
    const marks = conversation.members.nodes.find((node: Json) => node.user.id === bot.user);
    expect(marks).toMatchObject({ readSeq: seq, deliveredSeq: seq });
  });

  it('conversation, message: what GraphQL gives', async () => {
    const seq = await say(alice, lane, 'look here');
    const FIELDS = `id kind title createdAt lastSeq firstSeq lastActivityAt memberCount
      lastMessage { id conversationId seq changedSeq text sentAt clientKey sender { id name avatarUrl } }`;
    // Names are written behind.
    const ours = await until(async () => {
      const { conversation } = (await ask('conversation', { conversationId: lane })).result;
      return conversation.lastMessage.sender.name !== null && conversation;
    });
    const theirs = await alice.ask(`query($id: ID!) { conversation(id: $id) { ${FIELDS} } }`, { id: lane });
    const { me, directWith, readSeq, unread, ...shared } = ours;
    expect(shared).toEqual(theirs.conversation);
    expect(ours.lastMessage.sender).toEqual({ id: 'alice', name: 'Alice', avatarUrl: null });
    expect(me).toMatchObject({ id: `${lane}:${bot.user}`, role: 'MEMBER', readSeq });
    expect({ directWith, unread }).toEqual({ directWith: null, unread: 1 });
    const { message } = (await ask('message', { conversationId: lane, seq })).result;
    expect(message).toEqual(shared.lastMessage);
    expect((await ask('message', { conversationId: lane, seq: 1 })).result).toEqual({ message: null });
    expect((await ask('message', { conversationId: lane, seq: 9999 })).result).toEqual({ message: null });
  });

  it('conversations: the newest activity first, in pages', async () => {
    const own = await house.enter();
    const ids: string[] = [];
    for (const title of ['one', 'two', 'three'])
      ids.push((await ask('create', { title, members: [], clientKey: newKey() }, own)).accepted.conversationId);
    await until(async () => (await ask('conversations', {}, own)).result.conversations.length === 3);
    const { accepted } = await send('up', own, ids[0] as string);
    const first = await until(async () => {
      const { result } = await ask('conversations', { first: 2 }, own);
      return result.conversations[0].id === accepted.conversationId && result;
    });
    expect(first.conversations.map((one: Json) => one.title)).toEqual(['one', 'three']);
    expect(first.hasNextPage).toBe(true);
    const second = (await ask('conversations', { first: 2, after: first.endCursor }, own)).result;
    expect(second.conversations.map((one: Json) => one.title)).toEqual(['two']);
    expect(second.hasNextPage).toBe(false);
    expect((await own.raw('conversations', '')).json.result.conversations).toHaveLength(3);
  });

  it('conversations: each as it is, whatever was changed beside this process since it was read here', async () => {
    const own = await house.enter();
    const id = await groupOf(alice, [own.user]);
    const listed = async () => (await ask('conversations', {}, own)).result.conversations[0];
    await until(listed);
    await say(alice, id, 'unheard');
    expect(await listed()).toMatchObject({ lastSeq: 2, unread: 1, lastMessage: { text: 'unheard' } });
    await changeMembers(alice, 'removeMember', { conversationId: id, member: own.user });
    expect(await listed()).toBeUndefined();
    await changeMembers(alice, 'addMembers', { conversationId: id, members: [own.user], hideHistory: true });
    expect(await until(listed)).toMatchObject({ firstSeq: 4, unread: 0, lastMessage: null });
  });

  it('members: in pages', async () => {
    const id = await groupOf(alice, [bot.user, 'bob', 'carol']);

    const first = (await ask('members', { conversationId: id, first: 3 })).result;
    const rest = (await ask('members', { conversationId: id, after: first.endCursor })).result;
    const users = [...first.members, ...rest.members].map((member: Json) => member.user.id);
    expect([...users].sort()).toEqual(['alice', bot.user, 'bob', 'carol'].sort());
    expect([first.hasNextPage, rest.hasNextPage]).toEqual([true, false]);
  });

  it('history: from any position, in the form of events', async () => {
    const id = await groupOf(alice, [bot.user]);
    for (const text of ['a', 'b', 'c']) await say(alice, id, text);
    const { result } = await ask('history', { conversationId: id });
    expect(result.events.map((event: Json) => [event.seq, event.type])).toEqual([
      [1, 'ConversationCreated'],
      ...[2, 3, 4].map((seq) => [seq, 'MessageSent']),
    ]);
    expect(result.events[1]).toMatchObject({
      ...{ type: 'MessageSent', conversationId: id, seq: 2, by: { id: 'alice' } },
      message: { id: `${id}:2`, seq: 2, sender: { id: 'alice' }, text: 'a' },
    });
    expect(result).toMatchObject({ asOf: 4, hasNextPage: false });
    const page = (await ask('history', { conversationId: id, after: 1, first: 2 })).result;
    expect(page.events.map((event: Json) => event.seq)).toEqual([2, 3]);
    expect(page.hasNextPage).toBe(true);
  });

  it('history begins where the integration may see, and large events make short pages', async () => {
    const id = await groupOf(alice, []);
    await say(alice, id, 'before');
    await alice.ask('mutation($input: AddMembersInput!) { addMembers(input: $input) { accepted { seq } } }', {
      input: { conversationId: id, members: [bot.user], hideHistory: true, clientKey: newKey() },
    });
    const text = 'x'.repeat(16 * 1024);
    for (let i = 0; i < 70; i++) await say(alice, id, text);
    let after = 0;
    const seqs: number[] = [];
    for (let isMore = true; isMore; ) {
      const { result } = await ask('history', { conversationId: id, after });
      expect(JSON.stringify(result).length).toBeLessThan(700_000);
      seqs.push(...result.events.map((event: Json) => event.seq));
      after = seqs.at(-1) ?? 0;
      isMore = result.hasNextPage;
    }
    expect(seqs).toEqual(Array.from({ length: 71 }, (_, i) => 3 + i));
  });

  it('replay: is begun by who does it', async () => {
    expect(await ask('replay', { conversationId: lane, after: 3 })).toEqual({
      result: { replayId: 'r1', from: 4, to: 7 },
    });
    const busy = await house.openService({}, async () => ({ kind: 'busy', retryAfterMs: 500 }));
    await house.service.stop();
    const { errors } = await ask('replay', { conversationId: lane, after: 3 });
    expect(errors[0].extensions).toEqual({ code: 'RATE_LIMITED', retryable: true, retryAfterMs: 500 });
    expect(codeOf(await ask('replay', { conversationId: lane, after: 3, upTo: 2 }))).toBe('BAD_USER_INPUT');
    await busy.stop();
    house = { ...house, ...(await house.openService()) };
  });
});

describe('what holds for all', () => {
  const SEND = `mutation($input: SendMessageInput!) { sendMessage(input: $input) {
    accepted { seq repeated } refused { code } } }`;

  it('a key is one command, by whichever bridge it comes', async () => {
    const other = await house.openService();
    const body = { conversationId: lane, clientKey: newKey(), text: 'once' };
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('send', body)));
    const seqs = new Set(answers.map(({ accepted }) => accepted.seq));
    expect(seqs.size).toBe(1);
    expect(answers.filter(({ accepted }) => !accepted.repeated)).toHaveLength(1);
    const reused = await ask('send', { ...body, text: 'twice' });
    expect(reused.refused).toMatchObject({ code: 'KEY_REUSED', retryable: false, retryAfterMs: null });
    await other.stop();
    expect((await ask('send', body)).accepted).toMatchObject({ seq: [...seqs][0], repeated: true });
  });

  it('a key is its sender’s own, whichever door the command comes by', async () => {
    const body = { conversationId: lane, clientKey: newKey(), text: 'by NATS' };
    const { seq } = (await ask('send', body)).accepted;
    // As a webhook brings it.
    const handle = async (more: object) =>
      (await house.commands.handle(bot.app, 'send', new TextEncoder().encode(JSON.stringify({ ...body, ...more }))))
        .json;
    expect(await handle({})).toMatchObject({ accepted: { seq, repeated: true } });
    expect(await handle({ text: 'other' })).toMatchObject({ refused: { code: 'KEY_REUSED' } });
    // The same key and text of another sender are another message; and then that sender's own.
    const by = async (input: object) => (await alice.ask(SEND, { input })).sendMessage;
    expect((await by(body)).accepted).toEqual({ seq: seq + 1, repeated: false });
    expect((await by(body)).accepted).toEqual({ seq: seq + 1, repeated: true });
    expect((await by({ ...body, text: 'other' })).refused).toEqual({ code: 'KEY_REUSED' });
    expect((await ask('send', body)).accepted).toMatchObject({ seq, repeated: true });
  });

  it('what may be in the scope of an operator is seen, not done', async () => {
    const all = await house.enter('all');
    const foreign = await groupOf(alice, []);
    await say(alice, foreign, 'secret');
    const { result } = await ask('history', { conversationId: foreign }, all);
    expect(result.events).toHaveLength(2);
    const { conversation } = (await ask('conversation', { conversationId: foreign }, all)).result;
    expect(conversation).toMatchObject({ id: foreign, me: null, readSeq: null, unread: null });
    expect((await send('no', all, foreign)).refused.code).toBe('NOT_FOUND');
    const kick = { conversationId: foreign, member: 'alice', clientKey: newKey() };
    expect((await ask('remove-member', kick, all)).refused.code).toBe('NOT_FOUND');
    const { accepted } = await ask('create', { members: [], clientKey: newKey() }, all);
    expect((await send('mine', all, accepted.conversationId)).accepted.seq).toBe(2);
  });

  it('budgets are those of GraphQL: of sends a refusal, of requests an error', async () => {
    const slow = await house.openService({ LANES_SENDS_PER_SECOND: '1', LANES_SENDS_BURST: '3' });
    await house.service.stop();
    const own = await house.enter();
    const group = (await ask('create', { members: [], clientKey: newKey() }, own)).accepted.conversationId;
    for (let i = 0; i < 2; i++) expect((await send('ok', own, group)).accepted).toBeDefined();
    const { refused } = await send('too many', own, group);
    expect(refused).toMatchObject({ code: 'RATE_LIMITED', retryable: true });
    expect(refused.retryAfterMs).toBeGreaterThan(0);
    const reads = await Promise.all(Array.from({ length: 900 }, () => own.raw('message', '{}')));
    const limited = reads.filter(({ json }) => codeOf(json) === 'RATE_LIMITED');
    expect(limited.length).toBeGreaterThan(0);
    expect(limited[0]?.headers?.get('Nats-Service-Error-Code')).toBe('429');
    expect(limited[0]?.json.errors[0].extensions.retryAfterMs).toBeGreaterThan(0);
    // Others are not held up by it.
    expect(await send('mine')).toHaveProperty('accepted');
    await slow.stop();
    house = { ...house, ...(await house.openService()) };
  });

  it('a deadline that is over is answered with what is known', async () => {
    const given = headers();
    given.set('Lanes-Deadline-Ms', '0');
    const body = JSON.stringify({ conversationId: lane, clientKey: newKey(), text: 'late' });
    const { json } = await bot.raw('send', body, given);
    expect(codeOf(json)).toBe('UNAVAILABLE');
    const frozen = house.doors.servers.mongo;
    process.kill(frozen.pid, 'SIGSTOP');
    try {
      given.set('Lanes-Deadline-Ms', '300');
      const late = await bot.raw('conversation', JSON.stringify({ conversationId: lane }), given);
      expect(codeOf(late.json)).toBe('UNAVAILABLE');
      expect(await send('goes on')).toHaveProperty('accepted');
    } finally {
      process.kill(frozen.pid, 'SIGCONT');
    }
  });

  it('without MongoDB sends go on, and what needs it is UNAVAILABLE', async () => {
    await house.doors.servers.mongo.stop();
    try {
      expect(await send('no MongoDB')).toHaveProperty('accepted');
      const reads = { conversation: { conversationId: lane }, conversations: {}, members: { conversationId: lane } };
      for (const [verb, body] of Object.entries(reads)) {
        const { errors } = await ask(verb as Verb, body);
        expect(errors[0].extensions, verb).toEqual({ code: 'UNAVAILABLE', retryable: true });
      }
    } finally {
      await house.doors.servers.mongo.restart();
    }
    await until(async () => 'result' in (await ask('conversation', { conversationId: lane })));
  });

  it('goes on after the loss of NATS', async () => {
    await house.doors.servers.nats.kill9();
    await house.doors.servers.nats.restart();
    const body = JSON.stringify({ conversationId: lane, clientKey: newKey(), text: 'after the outage' });
    const subject = appCommand(bot.app, 'send');
    const ask = () => bot.connection.request(subject, body, { timeout: 1_000 }).catch(() => undefined);
    expect((await until(ask, 30_000)).json()).toHaveProperty('accepted');
    const { name } = await until(async () => (await discovered())[0]);
    expect(name).toBe('lanes');
  });
});

const discovered = async () => {
  const found = [];
  const services = house.doors.bridge.services.client({ maxWait: 500, strategy: RequestStrategy.JitterTimer });
  for await (const one of await services.info('lanes')) found.push(one);
  return found;
};

it('a subscription of the service that is ended is made again', async () => {
  const { natsBridge, nats } = house.doors.config;
  const connection = await connect({
    servers: [...nats.servers],
    user: natsBridge?.user ?? '',
    pass: natsBridge?.password ?? '',
  });
  const made: Subscription[] = [];
  const subscribe = connection.subscribe.bind(connection);
  connection.subscribe = (subject, options) => {
    const subscription = subscribe(subject, options);
    made.push(subscription);
    return subscription;
  };
  const link = new Link(connection, { log: silent, name: 'ending' });
  await house.service.stop();
  const { commands } = house;
  const service = await openService({ links: [link], commands, version: '1.2.3', log: silent });
  await connection.flush();
  expect(await send('before')).toHaveProperty('accepted');
  for (const subscription of made.filter((one) => one.getSubject().includes('.cmd.'))) subscription.unsubscribe();
  await connection.flush();
  const body = JSON.stringify({ conversationId: lane, clientKey: newKey(), text: 'after' });
  const ask = () => bot.connection.request(appCommand(bot.app, 'send'), body, { timeout: 500 }).catch(() => undefined);
  expect((await until(ask)).json()).toHaveProperty('accepted');
  await service.stop();
  await link.close();
  house = { ...house, ...(await house.openService()) };
});

describe('discovery', () => {
  it('is what the client library finds', async () => {
    const [info] = await discovered();
    expect(info).toMatchObject({ name: 'lanes', version: '1.2.3' });
    expect(info?.endpoints?.map(({ name }) => name)).toEqual(VERBS);
    const send = info?.endpoints?.find(({ name }) => name === 'send');
    expect(send).toMatchObject({ subject: 'chat.app.*.cmd.send', queue_group: 'lanes' });
    const schema = JSON.parse(send?.metadata?.['request_schema'] ?? '');
    expect(schema).toMatchObject({ type: 'object', required: ['conversationId', 'clientKey', 'text'] });
    expect(JSON.parse(send?.metadata?.['reply_schema'] ?? '').anyOf).toHaveLength(3);
  });

  it('counts requests and errors of each verb', async () => {
    const statsOf = async (verb: Verb) => {
      const services = house.doors.bridge.services.client({ maxWait: 500, strategy: RequestStrategy.JitterTimer });
      for await (const { endpoints } of await services.stats('lanes'))
        return endpoints?.find(({ name }) => name === verb);
      return undefined;
    };
    const before = await statsOf('history');
    await ask('history', { conversationId: lane });
    await ask('history', { conversationId: 'nowhere' });
    const after = await statsOf('history');
    expect((after?.num_requests ?? 0) - (before?.num_requests ?? 0)).toBe(2);
    expect((after?.num_errors ?? 0) - (before?.num_errors ?? 0)).toBe(1);
    expect(after?.last_error).toMatch(/no such conversation/);
    expect(after?.average_processing_time).toBeGreaterThan(0);
  });

  it('is open to integrations, as far as they may', async () => {
    const found = await bot.connection.request('$SRV.INFO.lanes', '', { timeout: 5_000 });
    expect(found.json<Json>().endpoints).toHaveLength(VERBS.length);
  });

  it('answers nowhere but into inboxes', async () => {
    const { bridge } = house.doors;
    const heard: string[] = [];
    const listening = bridge.subscribe('chat.lane.>', { callback: (_, { subject }) => heard.push(subject) });
    bridge.publish('$SRV.PING.lanes', '', { reply: 'chat.lane.0.victim' });
    await discovered();
    await bridge.flush();
    expect(heard).toEqual([]);
    listening.unsubscribe();
  });

  const cli = async ({ user, password }: { user: string; password: string }, ...args: string[]): Promise<string> => {
    const who = ['--server', house.doors.servers.nats.url, '--user', user, '--password', password];
    return (await promisify(execFile)(natsCli ?? '', [...who, ...args])).stdout;
  };

  it.skipIf(natsCli === undefined)('is what the stock command line finds', async () => {
    const { user = '', password = '' } = house.doors.config.natsBridge ?? {};
    const bridge = { user: user ?? '', password: password ?? '' };
    expect(await cli(bridge, 'micro', 'ls')).toMatch(/lanes.*1\.2\.3/);
    const info = await cli(bridge, 'micro', 'info', 'lanes');
    for (const verb of VERBS) expect(info).toContain(`chat.app.*.cmd.${verb}`);
    expect(await cli(bridge, 'micro', 'stats', 'lanes')).toContain('open-direct');
  });

  it.skipIf(natsCli === undefined)('and sending are done by the stock command line, as an integration', async () => {
    const { nats } = bot.credentials;
    const own = ['--inbox-prefix', nats.inboxPrefix];
    expect(await cli(nats, ...own, 'micro', 'info', 'lanes')).toContain('chat.app.*.cmd.send');
    const body = JSON.stringify({ conversationId: lane, clientKey: newKey(), text: 'by hand' });
    const answers: Json[] = [];
    for (let i = 0; i < 2; i++)
      answers.push(JSON.parse(await cli(nats, ...own, 'req', '--raw', appCommand(bot.app, 'send'), body)));
    const [first, second] = answers;
    expect(first.accepted).toMatchObject({ conversationId: lane, repeated: false });
    expect(second.accepted).toEqual({ ...first.accepted, repeated: true });
  });
});
