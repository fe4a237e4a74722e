/** IRC by clients of bare bytes, on the real system: registering, channels, the past, sends, and everything that goes wrong. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Irc } from '../bridge/irc/main.ts';
import { type Client, clientOf, startApi, type TestApi, tokenFor, until } from './support/api.ts';
import { ircClient, RawClient, startIrc } from './support/irc.ts';
import { startServers, type TestServers } from './support/servers.ts';
import { type StallingProxy, startStallingProxy } from './support/stalling-proxy.ts';
import { nextMoment } from './support/until.ts';

let servers: TestServers;
let api: TestApi;
let proxy: StallingProxy;
let irc: Irc;
let alice: Client;
let bob: Client;
const tokens = new Map<string, string>();
const clients: RawClient[] = [];

beforeAll(async () => {
  servers = await startServers();
  api = await startApi(servers);
  // The room is behind it, so that its line to the api can be cut.
  proxy = await startStallingProxy(api.port);
  irc = await startIrc(servers, proxy.port);
  [alice, bob] = await Promise.all([clientOf(api, 'alice', { name: 'Alice' }), clientOf(api, 'bob')]);
  for (const user of ['alice', 'bob', 'carol', 'mallory']) tokens.set(user, await tokenFor(api, user));
});
afterEach(() => {
  proxy.allow(Number.POSITIVE_INFINITY);
  for (const client of clients.splice(0)) client.socket.destroy();
});
afterAll(async () => {
  await irc?.stop();
  await proxy?.stop();
  await api?.stop();
  await servers?.stop();
});

const tokenOf = (user: string): string => tokens.get(user) ?? '';
const kept = (client: RawClient): RawClient => {
  clients.push(client);
  return client;
};
const raw = (port = irc.port): RawClient => kept(new RawClient(port));
const welcomed = async (user: string, capabilities = '', port = irc.port): Promise<RawClient> =>
  kept(await ircClient(port, tokenOf(user), capabilities));
const MODERN = 'message-tags server-time batch echo-message labeled-response draft/chathistory standard-replies';

const CREATE =
  'mutation($input: CreateConversationInput!) { createConversation(input: $input) { accepted { conversationId } refused { code } } }';
const SEND =
  'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq acceptedAt } refused { code } } }';
const ADD = 'mutation($input: AddMembersInput!) { addMembers(input: $input) { accepted { seq } refused { code } } }';
const REMOVE =
  'mutation($input: RemoveMemberInput!) { removeMember(input: $input) { accepted { seq } refused { code } } }';
const LEAVE =
  'mutation($input: LeaveConversationInput!) { leaveConversation(input: $input) { accepted { seq } refused { code } } }';

const newId = (): string => `c-${randomUUID()}`;
/** A conversation of alice's. */
async function group(members: readonly string[] = ['bob'], title?: string, id = newId()): Promise<string> {
  await alice.ask(CREATE, { input: { id, members, title, clientKey: randomUUID() } });
  return id;
}
async function send(by: Client, conversationId: string, text: string): Promise<{ seq: number; acceptedAt: string }> {
  const { sendMessage } = await by.ask(SEND, { input: { conversationId, text, clientKey: randomUUID() } });
  return sendMessage.accepted;
}
async function joined(client: RawClient, ...ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    client.send(`JOIN #${id}`);
    await client.line(({ command, params }) => command === '366' && params[1] === `#${id}`);
  }
}
const textsOf = async (id: string): Promise<string[]> => {
  const query = 'query($id: ID!) { conversation(id: $id) { messages(last: 100) { nodes { text } } } }';
  const { conversation } = await alice.ask(query, { id });
  return conversation.messages.nodes.map(({ text }: { text: string }) => text);
};
const sasl = (user: string, token: string, as = ''): string =>
  Buffer.from(`${as}\0${user}\0${token}`).toString('base64');

describe('registering', () => {
  it('takes a token by PASS, and the nick is the user id', async () => {
    const client = raw();
    client.send(`PASS ${tokenOf('alice')}`, 'NICK whoever', 'USER x 0 * :x');
    expect((await client.command('001')).params[0]).toBe('alice');
    expect((await client.command('422')).prefix).toBe('irc.lanes');
    const supported = client.lines.filter(({ command }) => command === '005').flatMap(({ params }) => params);
    expect(supported).toEqual(
      expect.arrayContaining(['CHATHISTORY=100', 'CASEMAPPING=ascii', 'NICKLEN=64', 'UTF8ONLY']),
    );
  });

  it('takes a token by SASL PLAIN, in parts where it is long', async () => {
    const long = await tokenFor(api, 'alice', { claims: { filler: 'x'.repeat(2_000) } });
    const client = raw();
    client.send('CAP LS 302', 'NICK a', 'USER a 0 * :a');
    expect((await client.line(({ params }) => params[1] === 'LS')).params[2]).toContain('sasl=PLAIN');
    client.send('CAP REQ :sasl server-time', 'AUTHENTICATE PLAIN');
    await client.command('AUTHENTICATE');
    const said = sasl('alice', long);
    for (let at = 0; at < said.length; at += 400) client.send(`AUTHENTICATE ${said.slice(at, at + 400)}`);
    if (said.length % 400 === 0) client.send('AUTHENTICATE +');
    await client.command('903');
    expect(client.lines.map(({ command }) => command)).not.toContain('001');
    client.send('CAP END');
    expect((await client.command('001')).params[0]).toBe('alice');
  });

  it('refuses what is no good token, and ends after three tries', async () => {
    const client = raw();
    client.send('CAP REQ sasl', 'NICK a', 'USER a 0 * :a');
    const expired = await tokenFor(api, 'alice', { ttlSeconds: -5 });
    const foreign = await tokenFor(api, 'alice', { secret: 'y'.repeat(40) });
    const tries = [sasl('alice', expired), sasl('alice', foreign), Buffer.from('no').toString('base64')];
    for (const [i, said] of tries.entries()) {
      client.send('AUTHENTICATE PLAIN', `AUTHENTICATE ${said}`);
      await until(() => client.lines.filter(({ command }) => command === '904').length === i + 1);
    }
    const why = client.lines.filter(({ command }) => command === '904').map(({ params }) => params[1]);
    expect(why).toEqual([
      'The token has expired.',
      'The token is not signed by whom this installation trusts.',
      'The password is not a token.',
    ]);
    await client.command('ERROR');
    await client.closed();
  });

  it('lets a token be its own user alone', async () => {
    const client = raw();
    client.send('CAP REQ sasl', 'AUTHENTICATE PLAIN', `AUTHENTICATE ${sasl('alice', tokenOf('alice'), 'bob')}`);
    await client.command('904');
    client.send('AUTHENTICATE PLAIN', `AUTHENTICATE ${sasl('alice', tokenOf('alice'), 'alice')}`);
    await client.command('903');
  });

  it('lets nobody in without a token', async () => {
    for (const lines of [
      ['NICK a', 'USER a 0 * :a'],
      ['PASS x', 'NICK a', 'USER a 0 * :a'],
      ['PASS a.b.c', 'NICK a', 'USER a 0 * :a'],
    ]) {
      const client = raw();
      client.send(...lines);
      await client.command('464');
      await client.closed();
      expect(client.lines.map(({ command }) => command)).not.toContain('001');
    }
    const client = raw();
    client.send('JOIN #x');
    await client.command('451');
  });

  it('negotiates capabilities whole, before and after', async () => {
    const client = raw();
    client.send(
      'CAP LS',
      'CAP REQ :batch nonsense',
      'CAP REQ :batch server-time',
      'CAP REQ -batch',
      'CAP LIST',
      'CAP FLY',
    );
    await client.command('410');
    const said = client.lines.filter(({ command }) => command === 'CAP').map(({ params }) => params.slice(1));
    expect(said.slice(1)).toEqual([
      ['NAK', 'batch nonsense'],
      ['ACK', 'batch server-time'],
      ['ACK', '-batch'],
      ['LIST', 'server-time'],
    ]);
  });
});

describe('a channel', () => {
  it('shows its title, its members and the recent past, then what comes', async () => {
    const id = await group(['bob'], 'Lunch');
    await send(bob, id, 'first');
    const client = await welcomed('alice', 'server-time message-tags batch');
    await joined(client, id);
    expect((await client.command('332')).params).toEqual(['alice', `#${id}`, 'Lunch']);
    expect((await client.command('353')).params[3]?.split(' ').sort()).toEqual(['@alice', 'bob']);
    const past = await client.command('PRIVMSG');
    expect(past).toMatchObject({ prefix: 'bob!bob@lanes', params: [`#${id}`, 'first'] });
    expect(past.tags?.get('msgid')).toBe(`${id}:2`);
    const { acceptedAt } = await send(bob, id, 'second');
    const live = await client.line(({ params }) => params[1] === 'second');
    expect([live.tags?.get('msgid'), live.tags?.get('time'), live.tags?.get('batch')]).toEqual([
      `${id}:3`,
      acceptedAt,
      undefined,
    ]);
    expect(client.said(`#${id}`)).toEqual(['first', 'second']);
  });

  it('tells a client without tags the time of the past in its text', async () => {
    const id = await group();
    await send(bob, id, 'first');
    const client = await welcomed('alice');
    await joined(client, id);
    await client.command('PRIVMSG');
    expect(client.said(`#${id}`)[0]).toMatch(/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] first$/);
    expect(client.lines.every(({ tags }) => tags === undefined)).toBe(true);
  });

  it('is none where the conversation is not this user’s, or is none', async () => {
    const id = await group();
    const client = await welcomed('mallory');
    client.send(
      `JOIN #${id}`,
      `JOIN #${newId()},#a.b,&c`,
      `NAMES #${id}`,
      `WHO #${id}`,
      `TOPIC #${id}`,
      `PRIVMSG #${id} :hi`,
    );
    await client.sync();
    expect(client.lines.filter(({ command }) => command === '403')).toHaveLength(7);
    expect(client.lines.filter(({ command }) => command === '404')).toHaveLength(1);
    expect(JSON.stringify(client.lines)).not.toContain('alice');
    client.send(`CHATHISTORY LATEST #${id} * 10`);
    expect((await client.command('FAIL')).params.slice(0, 3)).toEqual(['CHATHISTORY', 'INVALID_TARGET', 'LATEST']);
    expect(await textsOf(id)).toEqual([]);
  });

  it('shows who comes, who goes and who is removed; the removed one’s is closed', async () => {
    const id = await group(['bob']);
    const [a, b] = await Promise.all([welcomed('alice'), welcomed('bob')]);
    await joined(a, id);
    await joined(b, id);
    await alice.ask(ADD, { input: { conversationId: id, members: ['carol'], clientKey: randomUUID() } });
    expect(await a.line(({ command, prefix }) => command === 'JOIN' && prefix === 'carol!carol@lanes')).toBeDefined();
    const carol = await clientOf(api, 'carol');
    await carol.ask(LEAVE, { input: { conversationId: id, clientKey: randomUUID() } });
    await a.line(({ command, prefix }) => command === 'PART' && prefix === 'carol!carol@lanes');
    await alice.ask(REMOVE, { input: { conversationId: id, member: 'bob', clientKey: randomUUID() } });
    for (const client of [a, b]) expect((await client.command('KICK')).params.slice(0, 2)).toEqual([`#${id}`, 'bob']);
    await send(alice, id, 'among us');
    await a.line(({ params }) => params[1] === 'among us');
    b.send(`PRIVMSG #${id} :still there`, `JOIN #${id}`);
    await b.command('404');
    await b.command('403');
    await b.sync();
    expect(b.said(`#${id}`)).toEqual([]);
  });

  it('is left by PART, the conversation is not', async () => {
    const id = await group();
    const client = await welcomed('bob');
    await joined(client, id);
    client.send(`PART #${id}`);
    expect((await client.command('PART')).params[1]).toContain('still in the conversation');
    await send(alice, id, 'unseen');
    await client.sync();
    expect(client.said(`#${id}`)).toEqual([]);
    await joined(client, id);
    await client.line(({ params }) => params[1]?.endsWith('unseen') === true);
    expect(await send(bob, id, 'me too')).toBeDefined();
  });

  it('is looked at without being opened', async () => {
    const id = await group(['bob'], 'Looked at');
    const { acceptedAt } = await send(bob, id, 'hi');
    expect(acceptedAt).toBeDefined();
    const client = await welcomed('alice');
    client.send(
      `NAMES #${id}`,
      `WHO #${id}`,
      `TOPIC #${id}`,
      'MODE alice',
      `MODE #${id}`,
      `MODE #${id} b`,
      'WHOIS bob',
      'NICK x',
      'FLY',
    );
    await client.command('421');
    const count = (numeric: string) => client.lines.filter(({ command }) => command === numeric).length;
    expect(['353', '366', '352', '315', '332', '221', '324', '368', '311', '318', '484'].map(count)).toEqual([
      1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1,
    ]);
    expect(client.lines.find(({ command, params }) => command === '352' && params[2] === 'alice')?.params.at(-1)).toBe(
      '0 Alice',
    );
  });

  it('whose name differs in capitals alone is not mixed up with another', async () => {
    const id = newId();
    await group(['bob'], undefined, id);
    await group(['bob'], undefined, id.toUpperCase());
    const client = await welcomed('alice');
    await joined(client, id);
    client.send(`JOIN #${id.toUpperCase()}`);
    await client.command('437');
  });
});

describe('LIST', () => {
  it('names this user’s conversations, direct ones among them', async () => {
    const projector = (await import('../services/projector/main.ts')).start;
    const { createLogger } = await import('../services/logger.ts');
    const running = await projector(
      servers.config({ LANES_ADMIN_PORT: '0' }),
      createLogger({ logLevel: 'error' }, 'projector', 2),
    );
    try {
      const id = await group(['carol'], 'Listed\u0001 one');
      const open = 'mutation($input: OpenDirectInput!) { openDirect(input: $input) { accepted { conversationId } } }';
      const { openDirect } = await alice.ask(open, { input: { with: 'carol', clientKey: randomUUID() } });
      const client = await welcomed('carol');
      await until(async () => {
        const before = client.lines.length;
        client.send('LIST');
        await client.command('323', before);
        return client.lines.slice(before).filter(({ command }) => command === '322').length >= 2;
      });
      const listed = client.lines.filter(({ command }) => command === '322').map(({ params }) => params.slice(1));
      expect(listed).toContainEqual([`#${openDirect.accepted.conversationId}`, '2', 'Direct conversation with alice']);
      expect(listed.some(([name, count]) => name === `#${id}` && count === '2')).toBe(true);
      await joined(client, openDirect.accepted.conversationId);
      const from = new Date(Date.now() - 60_000).toISOString();
      client.send(`CHATHISTORY TARGETS timestamp=${from} timestamp=2099-01-01T00:00:00Z 10`);
      await client.line(({ command, params }) => command === 'CHATHISTORY' && params[1] === `#${id}`);
    } finally {
      await running.stop();
    }
  });
});

describe('a send', () => {
  it('is in the lane once, and with others, in order', async () => {
    const id = await group();
    const [a, b] = await Promise.all([welcomed('alice'), welcomed('bob')]);
    await joined(a, id);
    await joined(b, id);
    const texts = Array.from({ length: 60 }, (_, i) => `line ${i} ä😀`);
    a.send(...texts.map((text) => `PRIVMSG #${id} :${text}`));
    await b.line(({ params }) => params[1] === texts.at(-1));
    expect(b.said(`#${id}`)).toEqual(texts);
    expect(await textsOf(id)).toEqual(texts);
    await a.sync();
    expect(a.said(`#${id}`)).toEqual([]);
  });

  it('from elsewhere by the same user is shown, and an action is one', async () => {
    const id = await group();
    const client = await welcomed('alice');
    await joined(client, id);
    await send(alice, id, 'from the phone');
    await client.line(({ params }) => params[1] === 'from the phone');
    client.send(`PRIVMSG #${id} :\x01ACTION waves\x01`, `NOTICE #${id} :noted`);
    await until(async () => (await textsOf(id)).length === 3);
    expect(await textsOf(id)).toEqual(['from the phone', '/me waves', 'noted']);
  });

  it('is echoed in its place, under its label, where that was asked for', async () => {
    const id = await group();
    const client = await welcomed('alice', MODERN);
    await joined(client, id);
    client.send(
      `@label=L1 PRIVMSG #${id} :labelled`,
      `PRIVMSG #${id} :plain`,
      '@label=L2 PING x',
      `@label=L3 NAMES #${id}`,
      '@label=L4 TAGMSG #x',
    );
    const echo = await client.line(({ params }) => params[1] === 'labelled');
    expect([echo.tags?.get('label'), echo.tags?.get('msgid'), echo.prefix]).toEqual([
      'L1',
      `${id}:2`,
      'alice!alice@lanes',
    ]);
    await client.line(({ params }) => params[1] === 'plain');
    expect((await client.command('PONG')).tags?.get('label')).toBe('L2');
    const batch = await client.line(({ tags }) => tags?.get('label') === 'L3');
    expect(batch.params[1]).toBe('labeled-response');
    const inside = client.lines.filter(({ tags }) => tags?.get('batch') === batch.params[0]?.slice(1));
    expect(inside.map(({ command }) => command)).toEqual(['353', '366']);
    expect((await client.command('ACK')).tags?.get('label')).toBe('L4');
  });

  it('that is refused is told with its beginning', async () => {
    const id = await group(['bob']);
    const modern = await welcomed('bob', 'standard-replies');
    const plain = await welcomed('bob');
    await joined(modern, id);
    await joined(plain, id);
    // The removal is decided, but the line that would bring it is held.
    proxy.allow(0);
    await alice.ask(REMOVE, { input: { conversationId: id, member: 'bob', clientKey: randomUUID() } });
    for (const client of [modern, plain]) {
      client.send(`PRIVMSG #${id} :too late`);
      await client.sync();
    }
    proxy.allow(Number.POSITIVE_INFINITY);
    const fail = await modern.command('FAIL');
    expect(fail.params.slice(0, 3)).toEqual(['PRIVMSG', 'NOT_FOUND', `#${id}`]);
    const notice = await plain.line(({ command, params }) => command === 'NOTICE' && params[0] === `#${id}`);
    expect(notice.params[1]).toContain('Not accepted: “too late”');
    await Promise.all([modern.command('KICK'), plain.command('KICK')]);
    expect(await textsOf(id)).toEqual([]);
  });

  it('of nothing, to nobody, or of a command to clients is refused at once', async () => {
    const id = await group();
    const client = await welcomed('alice');
    await joined(client, id);
    client.send(
      'PRIVMSG',
      `PRIVMSG #${id}`,
      `PRIVMSG #${id} :`,
      `PRIVMSG #${id} :\x01VERSION\x01`,
      'PRIVMSG bob :hi',
      `PRIVMSG #${id},#x :hi`,
    );
    await client.sync();
    const numerics = client.lines
      .map(({ command }) => command)
      .filter((command) => /^4/.test(command) && command !== '422');
    expect(numerics).toEqual(['411', '412', '412', '404', '401', '407']);
    expect(await textsOf(id)).toEqual([]);
  });

  it('is still done when its client leaves right behind it', async () => {
    const id = await group();
    const client = await welcomed('alice');
    client.socket.end(`JOIN #${id}\r\nPRIVMSG #${id} :last words\r\n`);
    await client.closed();
    await until(async () => (await textsOf(id)).includes('last words'));
  });
});

describe('CHATHISTORY', () => {
  let id: string;
  const at: string[] = [];
  let client: RawClient;
  const ask = async (line: string): Promise<string[]> => {
    const before = client.lines.length;
    client.send(line.replace('#c', `#${id}`).replaceAll('msgid=', `msgid=${id}:`));
    const begin = await client.line(
      ({ command, params }) => command === 'BATCH' && params[1] === 'chathistory',
      before,
    );
    const batch = begin.params[0]?.slice(1);
    await client.line(({ command, params }) => command === 'BATCH' && params[0] === `-${batch}`, before);
    const lines = client.lines.slice(before).filter(({ tags }) => tags?.get('batch') === batch);
    return lines.map(({ params }) => params[1] ?? '');
  };

  beforeAll(async () => {
    id = await group();
    // m2 is at 2, and so on; somebody comes in at 10 and at 20.
    for (let seq = 2; seq <= 30; seq++) {
      if (seq % 10 === 0 && seq < 30)
        await alice.ask(ADD, { input: { conversationId: id, members: [`u${seq}`], clientKey: randomUUID() } });
      else at[seq] = (await send(seq % 2 ? alice : bob, id, `m${seq}`)).acceptedAt;
      // Times that differ make what is asked by time certain.
      await nextMoment();
    }
  });
  const range = (from: number, to: number): string[] =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i)
      .filter((seq) => seq !== 10 && seq !== 20)
      .map((seq) => `m${seq}`);

  it('reads on from any place and any time, in either direction', async () => {
    client = await welcomed('bob', MODERN);
    expect(await ask('CHATHISTORY LATEST #c * 5')).toEqual(range(26, 30));
    expect(await ask('CHATHISTORY LATEST #c msgid=27 100')).toEqual(range(28, 30));
    expect(await ask('CHATHISTORY LATEST #c msgid=30 100')).toEqual([]);
    expect(await ask('CHATHISTORY AFTER #c msgid=8 4')).toEqual(['m9', 'm11', 'm12', 'm13']);
    expect(await ask('CHATHISTORY AFTER #c msgid=30 4')).toEqual([]);
    expect(await ask('CHATHISTORY BEFORE #c msgid=12 4')).toEqual(['m7', 'm8', 'm9', 'm11']);
    expect(await ask('CHATHISTORY BEFORE #c msgid=2 4')).toEqual([]);
    expect(await ask('CHATHISTORY BETWEEN #c msgid=5 msgid=9 100')).toEqual(range(6, 8));
    expect(await ask('CHATHISTORY BETWEEN #c msgid=9 msgid=5 2')).toEqual(range(7, 8));
    expect(await ask('CHATHISTORY BETWEEN #c msgid=5 msgid=9 2')).toEqual(range(6, 7));
    expect(await ask('CHATHISTORY AROUND #c msgid=15 5')).toEqual(range(13, 17));
    expect(await ask(`CHATHISTORY AFTER #c timestamp=${at[25]} 100`)).toEqual(range(26, 30));
    expect(await ask(`CHATHISTORY BEFORE #c timestamp=${at[5]} 100`)).toEqual(range(2, 4));
    expect(await ask(`CHATHISTORY LATEST #c timestamp=${at[28]} 100`)).toEqual(range(29, 30));
    expect(await ask(`CHATHISTORY BETWEEN #c timestamp=${at[3]} timestamp=${at[7]} 100`)).toEqual(range(4, 6));
    expect(await ask(`CHATHISTORY BETWEEN #c timestamp=${at[7]} timestamp=${at[3]} 2`)).toEqual(range(5, 6));
    expect(await ask('CHATHISTORY AFTER #c timestamp=2001-01-01T00:00:00.000Z 3')).toEqual(range(2, 4));
    expect(await ask('CHATHISTORY BEFORE #c timestamp=2099-01-01T00:00:00.000Z 3')).toEqual(range(28, 30));
    expect(await ask('CHATHISTORY AFTER #c msgid=4000 3')).toEqual([]);
    client.send('CHATHISTORY AFTER #nonsense.x msgid=1 3', `CHATHISTORY LATEST #${id} *`);
    await until(() => client.lines.filter(({ command }) => command === 'FAIL').length === 2);
  });

  it('shows who came later nothing of what is hidden from it', async () => {
    await alice.ask(ADD, {
      input: { conversationId: id, members: ['carol'], hideHistory: true, clientKey: randomUUID() },
    });
    await send(alice, id, 'for carol');
    client = await welcomed('carol', MODERN);
    expect(await ask('CHATHISTORY LATEST #c * 100')).toEqual(['for carol']);
    expect(await ask('CHATHISTORY AFTER #c msgid=5 100')).toEqual(['for carol']);
    expect(await ask('CHATHISTORY BEFORE #c msgid=15 100')).toEqual([]);
    expect(await ask('CHATHISTORY AFTER #c timestamp=2001-01-01T00:00:00.000Z 100')).toEqual(['for carol']);
    expect(await ask(`CHATHISTORY BEFORE #c timestamp=${at[15]} 100`)).toEqual([]);
  });
});
