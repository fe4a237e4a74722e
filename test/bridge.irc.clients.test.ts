/**
 * IRC by clients that other people wrote: a library, and two that people use, driven without a screen where they are installed
 * (Debian: `apt install irssi weechat-headless`). What they show is read from the logs that they write.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import irc, { type MessageEvent } from 'irc-framework';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Irc } from '../bridge/irc/main.ts';
import { type Client, clientOf, startApi, type TestApi, until } from './support/api.ts';
import { startIrc } from './support/irc.ts';
import { startServers, type TestServers } from './support/servers.ts';
import { type StallingProxy, startStallingProxy } from './support/stalling-proxy.ts';

const PATIENT = { timeout: 20_000, interval: 50 };
const isThere = (program: string): boolean => {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};
const hasWeechat = isThere('weechat-headless');
const hasIrssi = isThere('irssi') && isThere('script');
if (!hasWeechat) console.warn('weechat-headless is not installed: its test is skipped');
if (!hasIrssi) console.warn('irssi (or script, which gives it a terminal) is not installed: its test is skipped');

let servers: TestServers;
let api: TestApi;
let proxy: StallingProxy;
let room: Irc;
let alice: Client;
let bob: Client;
let dir: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lanes-irc-'));
  servers = await startServers();
  api = await startApi(servers);
  proxy = await startStallingProxy(api.port);
  room = await startIrc(servers, proxy.port);
  [alice, bob] = await Promise.all([clientOf(api, 'alice'), clientOf(api, 'bob')]);
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await room?.stop();
  await proxy?.stop();
  await api?.stop();
  await servers?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const CREATE =
  'mutation($input: CreateConversationInput!) { createConversation(input: $input) { accepted { conversationId } } }';
const SEND = 'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } refused { code } } }';
const REMOVE = 'mutation($input: RemoveMemberInput!) { removeMember(input: $input) { accepted { seq } } }';

async function group(): Promise<string> {
  const id = `c-${randomUUID().slice(0, 8)}`;
  await bob.ask(CREATE, { input: { id, members: ['alice'], title: 'Lunch', clientKey: randomUUID() } });
  return id;
}
const send = (conversationId: string, text: string) =>
  bob.ask(SEND, { input: { conversationId, text, clientKey: randomUUID() } });
const remove = (conversationId: string) =>
  bob.ask(REMOVE, { input: { conversationId, member: 'alice', clientKey: randomUUID() } });
const textsOf = async (id: string): Promise<string[]> => {
  const query = 'query($id: ID!) { conversation(id: $id) { messages(last: 100) { nodes { text } } } }';
  return (await bob.ask(query, { id })).conversation.messages.nodes.map(({ text }: { text: string }) => text);
};

/** A program that writes what it shows into files. `type` gives it a line. */
interface Shown {
  /** What it has shown of a channel. */
  text(): string;
  type(line: string): void;
}
const times = (text: string, part: string): number => text.split(part).length - 1;

/** The same with each: the past, both directions, a line that is cut, and the removal. */
async function converse(id: string, client: Shown): Promise<void> {
  const shows = (text: string) => vi.waitFor(() => expect(client.text()).toContain(text), PATIENT);
  await shows('before it came');
  await send(id, 'hi alice, ä😀');
  await shows('hi alice, ä😀');
  client.type('hello from a client, ö😀');
  await until(async () => (await textsOf(id)).includes('hello from a client, ö😀'));
  client.type('/me waves');
  await until(async () => (await textsOf(id)).includes('/me waves'));
  await send(id, `${'long '.repeat(200)}end of it`);
  await shows('end of it');
  for (let i = 0; i < 5; i++) {
    proxy.cut();
    await send(id, `after cut ${i}`);
    client.type(`said after cut ${i}`);
  }
  for (let i = 0; i < 5; i++) {
    await until(async () => (await textsOf(id)).includes(`said after cut ${i}`));
    await shows(`after cut ${i}`);
  }
  const said = (await textsOf(id)).filter((text) => text.startsWith('said'));
  expect(said).toEqual([0, 1, 2, 3, 4].map((i) => `said after cut ${i}`));
  await send(id, 'the last one');
  await shows('the last one');
  const own = (i: number) => times(client.text(), `said after cut ${i}`);
  for (let i = 0; i < 5; i++)
    expect(times(client.text().replaceAll(`said after cut ${i}`, ''), `after cut ${i}`)).toBe(1);
  expect([0, 1, 2, 3, 4].map(own)).toEqual([1, 1, 1, 1, 1]);
  expect(times(client.text(), 'before it came')).toBe(1);
  await remove(id);
  await shows('removed from the conversation');
}

describe('irc-framework', () => {
  it('registers by SASL, joins, says, hears its echo, and reads on from where it was', async () => {
    const id = await group();
    await send(id, 'before it came');
    const heard: MessageEvent[] = [];
    const client = new irc.Client();
    client.on('message', (event: MessageEvent) => heard.push(event));
    client.requestCap(['draft/chathistory', 'batch', 'server-time', 'message-tags']);
    const options = {
      host: '127.0.0.1',
      port: room.port,
      nick: 'alice',
      account: { account: 'alice', password: alice.token },
    };
    const connect = async () => {
      const registered = new Promise((resolve) => client.once('registered', resolve));
      client.connect({ ...options, sasl_mechanism: 'PLAIN', enable_echomessage: true, auto_reconnect: false });
      await registered;
    };
    const joinIt = async () => {
      const list = new Promise((resolve) => client.once('userlist', resolve));
      client.join(`#${id}`);
      return list as Promise<{ users: { nick: string; modes: string[] }[] }>;
    };
    await connect();
    expect(client.user.nick).toBe('alice');
    const { users } = await joinIt();
    expect(users.map(({ nick, modes }) => [nick, modes])).toEqual(
      expect.arrayContaining([
        ['bob', ['o']],
        ['alice', []],
      ]),
    );
    client.raw('CHATHISTORY', 'LATEST', `#${id}`, '*', '50');
    await until(() => heard.some(({ message }) => message === 'before it came'));
    client.say(`#${id}`, 'hello');
    client.action(`#${id}`, 'waves');
    await until(() => heard.some(({ type, message }) => type === 'action' && message === 'waves'));
    expect(heard.map(({ nick, message, type, target }) => [nick, message, type, target])).toEqual([
      ['bob', 'before it came', 'privmsg', `#${id}`],
      ['alice', 'hello', 'privmsg', `#${id}`],
      ['alice', 'waves', 'action', `#${id}`],
    ]);
    expect(await textsOf(id)).toEqual(['before it came', 'hello', '/me waves']);
    const last = heard.at(-1)?.tags.msgid;
    const closed = new Promise((resolve) => client.once('socket close', resolve));
    client.quit('bye');
    await closed;
    for (let i = 0; i < 5; i++) await send(id, `meanwhile ${i}`);
    heard.length = 0;
    await connect();
    await joinIt();
    client.raw('CHATHISTORY', 'AFTER', `#${id}`, `msgid=${last}`, '100');
    await until(() => heard.length === 5);
    expect(heard.map(({ message }) => message)).toEqual([0, 1, 2, 3, 4].map((i) => `meanwhile ${i}`));
    expect(heard.every(({ batch, time }) => batch?.type === 'chathistory' && (time ?? 0) > 1e12)).toBe(true);
    const kicked = new Promise((resolve) => client.once('kick', resolve));
    await remove(id);
    expect(await kicked).toMatchObject({ kicked: 'alice', nick: 'bob', channel: `#${id}` });
    client.quit();
  });
});

describe.skipIf(!hasWeechat)('WeeChat', () => {
  it('is a client of a conversation', async () => {
    const id = await group();
    await send(id, 'before it came');
    const home = join(dir, 'weechat');
    const fifo = join(home, 'fifo');
    const commands = [
      '/set logger.file.flush_delay 0',
      '/set logger.mask.irc $plugin.$name.log',
      `/set logger.file.path ${home}/logs`,
      `/set fifo.file.path ${fifo}`,
      `/server add lanes 127.0.0.1/${room.port} -nossl -notls -nicks=zz -sasl_mechanism=plain -sasl_username=alice -sasl_password=${alice.token} -autojoin=#${id}`,
      '/set irc.server.lanes.anti_flood_prio_high 0',
      '/set irc.server.lanes.anti_flood_prio_low 0',
      '/connect lanes',
    ];
    const args = ['-d', home, ...commands.flatMap((command) => ['-r', command])];
    children.push(spawn('weechat-headless', args, { stdio: 'ignore' }));
    const log = join(home, 'logs', `irc.lanes.#${id}.log`);
    await converse(id, {
      text: () => (existsSync(log) ? readFileSync(log, 'utf8') : ''),
      type: (line) => writeFileSync(fifo, `irc.lanes.#${id} *${line}\n`),
    });
  }, 90_000);
});

describe.skipIf(!hasIrssi)('irssi', () => {
  it('is a client of a conversation', async () => {
    const id = await group();
    await send(id, 'before it came');
    const home = join(dir, 'irssi');
    mkdirSync(home);
    const config = `
      servers = ( { address = "127.0.0.1"; chatnet = "lanes"; port = "${room.port}"; use_tls = "no"; autoconnect = "yes"; } );
      chatnets = { lanes = { type = "IRC"; nick = "zz"; sasl_mechanism = "PLAIN"; sasl_username = "alice"; sasl_password = "${alice.token}"; }; };
      channels = ( { name = "#${id}"; chatnet = "lanes"; autojoin = "yes"; } );
      settings = {
        core = { real_name = "z"; user_name = "z"; nick = "zz"; };
        "fe-common/core" = { autolog = "yes"; autolog_path = "${home}/$0.log"; };
        "irc/core" = { cmd_queue_speed = "0msec"; cmds_max_at_once = "1000"; };
      };`;
    writeFileSync(join(home, 'config'), config);
    const child = spawn('script', ['-qfec', `irssi --home=${home}`, '/dev/null'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { ...process.env, TERM: 'xterm', LC_ALL: 'C.UTF-8' },
    });
    children.push(child);
    const log = join(home, `#${id}.log`);
    await converse(id, {
      text: () => (existsSync(log) ? readFileSync(log, 'utf8') : ''),
      // Where it is depends on which windows it has opened; /msg says it wherever that is.
      type: (line) =>
        child.stdin?.write(line.startsWith('/me ') ? `/action #${id} ${line.slice(4)}\r` : `/msg #${id} ${line}\r`),
    });
  }, 90_000);
});
