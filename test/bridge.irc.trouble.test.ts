/** IRC with the api away, with clients that are slow, silent, loud or hostile, and with tokens that end. */
import { randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Present, placeOf, wayOf } from '../bridge/irc/crowd.ts';
import type { Limits } from '../bridge/irc/limits.ts';
import { type Irc, start } from '../bridge/irc/main.ts';
import { createLogger } from '../services/logger.ts';
import { type Client, clientOf, type Data, startApi, type TestApi, tokenFor, until } from './support/api.ts';
import { ircClient, RawClient, startIrc } from './support/irc.ts';
import { freePort, startServers, type TestServers } from './support/servers.ts';
import { type StallingProxy, startStallingProxy } from './support/stalling-proxy.ts';

let servers: TestServers;
let api: TestApi;
let proxy: StallingProxy;
let alice: Client;
let bob: Client;
const rooms: Irc[] = [];
const clients: RawClient[] = [];

beforeAll(async () => {
  servers = await startServers();
  api = await startApi(servers);
  proxy = await startStallingProxy(api.port);
  [alice, bob] = await Promise.all([clientOf(api, 'alice'), clientOf(api, 'bob')]);
});
afterEach(async () => {
  proxy.allow(Number.POSITIVE_INFINITY);
  for (const client of clients.splice(0)) client.socket.destroy();
  await Promise.all(rooms.splice(0).map((room) => room.stop()));
});
afterAll(async () => {
  await proxy?.stop();
  await api?.stop();
  await servers?.stop();
});

const room = async (limits: Partial<Limits> = {}, port = proxy.port): Promise<Irc> => {
  const irc = await startIrc(servers, port, limits);
  rooms.push(irc);
  return irc;
};
const kept = (client: RawClient): RawClient => {
  clients.push(client);
  return client;
};
const welcomed = async (irc: Irc, by: Client, capabilities = ''): Promise<RawClient> =>
  kept(await ircClient(irc.port, by.token, capabilities));

const CREATE =
  'mutation($input: CreateConversationInput!) { createConversation(input: $input) { accepted { conversationId } } }';
const SEND = 'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } refused { code } } }';
const PAGE =
  'query($id: ID!, $before: String) { conversation(id: $id) { messages(last: 100, before: $before) { nodes { text } pageInfo { hasPreviousPage startCursor } } } }';

async function group(): Promise<string> {
  const id = `c-${randomUUID()}`;
  await alice.ask(CREATE, { input: { id, members: ['bob'], clientKey: randomUUID() } });
  return id;
}
const send = async (by: Client, conversationId: string, text: string): Promise<void> =>
  void (await by.ask(SEND, { input: { conversationId, text, clientKey: randomUUID() } }));
async function textsOf(id: string, by: Client = alice): Promise<string[]> {
  const texts: string[] = [];
  for (let before: string | null = null; ; ) {
    const { messages }: Data = (await by.ask(PAGE, { id, before })).conversation;
    texts.unshift(...messages.nodes.map(({ text }: { text: string }) => text));
    if (!messages.pageInfo.hasPreviousPage) return texts;
    before = messages.pageInfo.startCursor;
  }
}
async function joined(client: RawClient, id: string): Promise<void> {
  client.send(`JOIN #${id}`);
  await client.line(({ command, params }) => command === '366' && params[1] === `#${id}`);
}
const figures = async ({ adminPort }: Irc): Promise<string> =>
  (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
const figure = async (irc: Irc, name: string): Promise<number> =>
  Number(new RegExp(`^${name}\\{[^}]*\\} (\\d+)`, 'm').exec(await figures(irc))?.[1] ?? 0);

describe('when the line to the api is cut', () => {
  it('channels go on from where they were: nothing is skipped, nothing comes twice', async () => {
    const id = await group();
    const client = await welcomed(await room(), bob);
    await joined(client, id);
    const texts = Array.from({ length: 120 }, (_, i) => `m${i}`);
    for (const [i, text] of texts.entries()) {
      if (i % 25 === 10) proxy.cut();
      if (i % 50 === 30) proxy.allow(2_000);
      if (i % 50 === 45) {
        proxy.allow(Number.POSITIVE_INFINITY);
        proxy.cut();
      }
      await send(alice, id, text);
    }
    await client.line(({ params }) => params[1] === texts.at(-1));
    expect(client.said(`#${id}`)).toEqual(texts);
  });

  it('a message whose answer is lost is said once, and its sender is told nothing', async () => {
    const id = await group();
    const client = await welcomed(await room(), alice, 'echo-message draft/chathistory');
    await joined(client, id);
    // What it says passes, what comes back does not.
    proxy.allow(0);
    client.send(`PRIVMSG #${id} :once`);
    await until(async () => (await textsOf(id)).includes('once'));
    proxy.cut();
    proxy.allow(Number.POSITIVE_INFINITY);
    await client.line(({ params }) => params[1] === 'once');
    client.send(`PRIVMSG #${id} :twice`);
    await client.line(({ params }) => params[1] === 'twice');
    await client.sync();
    expect(await textsOf(id)).toEqual(['once', 'twice']);
    expect(client.said(`#${id}`)).toEqual(['once', 'twice']);
    expect(client.lines.filter(({ command }) => command === 'NOTICE')).toEqual([]);
  });

  it('messages wait for an api that comes back, in order', async () => {
    const port = String(await freePort());
    const first = await startApi(servers, { LANES_PORT: port });
    const irc = await room({}, first.port);
    const id = await group();
    const client = await welcomed(irc, alice);
    const other = await welcomed(irc, bob);
    await joined(client, id);
    await joined(other, id);
    await first.stop();
    client.send(`PRIVMSG #${id} :one`, `PRIVMSG #${id} :two`, `PRIVMSG #${id} :three`);
    await client.sync();
    await send(alice, id, 'meanwhile');
    const second = await startApi(servers, { LANES_PORT: port });
    try {
      await other.line(({ params }) => params[1] === 'three');
      expect(other.said(`#${id}`)).toEqual(['meanwhile', 'one', 'two', 'three']);
      expect(await textsOf(id)).toEqual(['meanwhile', 'one', 'two', 'three']);
      await client.line(({ params }) => params[1] === 'meanwhile');
      expect(client.said(`#${id}`)).toEqual(['meanwhile']);
    } finally {
      await Promise.all(rooms.splice(0).map((each) => each.stop()));
      await second.stop();
    }
  });

  it('a message that cannot be said in time is told, as what it is', async () => {
    const port = String(await freePort());
    const first = await startApi(servers, { LANES_PORT: port });
    const irc = await room({ sendWithinMs: 400 }, first.port);
    const id = await group();
    const plain = await welcomed(irc, alice);
    const modern = await welcomed(irc, bob, 'standard-replies batch labeled-response message-tags');
    await joined(plain, id);
    await joined(modern, id);
    await first.stop();
    plain.send(`PRIVMSG #${id} :${'x'.repeat(80)}`);
    modern.send(`@label=q PRIVMSG #${id} :gone`, `CHATHISTORY LATEST #${id} * 1`, `JOIN #${await group()}`, 'LIST');
    const told = await plain.line(({ command, params }) => command === 'NOTICE' && params[0] === `#${id}`);
    expect(told.params[1]).toMatch(/^Not accepted: “x{60}…”/);
    const failed = await modern.line(({ command, params }) => command === 'FAIL' && params[0] === 'PRIVMSG');
    expect([failed.params[1], failed.params[2], failed.tags?.get('label')]).toEqual(['NOT_REACHED', `#${id}`, 'q']);
    await modern.line(
      ({ command, params }) => command === 'FAIL' && params[0] === 'CHATHISTORY' && params[1] === 'MESSAGE_ERROR',
    );
    await modern.command('437');
    await modern.line(({ command, params }) => command === 'FAIL' && params[0] === 'LIST');
    expect(await textsOf(id)).toEqual([]);
    // Registering does not wait for it, either.
    const late = kept(new RawClient(irc.port));
    late.send(`PASS ${alice.token}`, 'NICK a', 'USER a 0 * :a');
    expect((await late.command('464')).params[1]).toContain('cannot be reached');
    expect(await figures(irc)).toContain('lanes_irc_sends_total{outcome="NOT_REACHED",room="irc"} 2');
  });

  it('without history channels open and go on', async () => {
    const irc = await room();
    const id = await group();
    await send(alice, id, 'before');
    await servers.mongo.stop();
    try {
      const client = await welcomed(irc, bob);
      await joined(client, id);
      await send(alice, id, 'after');
      await client.line(({ params }) => params[1] === 'after');
    } finally {
      await servers.mongo.restart();
    }
  });
});

describe('a token that ends', () => {
  it('ends the connection, which is told why', async () => {
    const irc = await room();
    const token = await tokenFor(api, 'alice', { ttlSeconds: 2 });
    const client = kept(await ircClient(irc.port, token));
    const id = await group();
    await joined(client, id);
    expect((await client.command('ERROR')).params[0]).toContain('Your token has expired');
    await client.closed();
  });
});

describe('a client', () => {
  it('that is silent is asked, and then closed; one that answers stays', async () => {
    const irc = await room({ pingAfterMs: 300, deadAfterMs: 3_000 });
    const silent = await welcomed(irc, alice);
    const alive = await welcomed(irc, bob);
    alive.socket.on('data', (bytes) => {
      if (bytes.toString().startsWith('PING')) alive.send('PONG :irc.lanes');
    });
    await silent.command('PING');
    expect((await silent.command('ERROR')).params[0]).toContain('Ping timeout');
    await silent.closed();
    await alive.sync();
    expect(alive.isClosed).toBe(false);
  });

  it('that reads slowly waits for itself alone, and gets all in the end', async () => {
    const irc = await room();
    const id = await group();
    const slow = await welcomed(irc, bob);
    const quick = await welcomed(irc, bob);
    await joined(slow, id);
    await joined(quick, id);
    slow.socket.pause();
    const filler = 'x'.repeat(16_000);
    let sent = 0;
    const sendMore = () => Promise.all(Array.from({ length: 25 }, () => send(alice, id, `${sent++} ${filler}`)));
    // Until the system's own buffers are full, too.
    while ((await figure(irc, 'lanes_irc_parks_total')) === 0) await sendMore();
    await sendMore();
    await send(alice, id, 'the end');
    const texts = (client: RawClient) => client.said(`#${id}`);
    await quick.line(({ params }) => params[1] === 'the end');
    expect(texts(slow).length).toBeLessThan(texts(quick).length);
    slow.socket.resume();
    await slow.line(({ params }) => params[1] === 'the end');
    expect(texts(slow).filter((text) => /^\d+ x/.test(text))).toHaveLength(sent);
    expect(texts(slow).join('\n') === texts(quick).join('\n')).toBe(true);
  });

  it('that takes nothing more at all is closed', async () => {
    const irc = await room({ maxWaitingBytes: 100_000, waitingBytes: 50_000, deadAfterMs: 2_000, pingAfterMs: 1_000 });
    const id = await group();
    for (let i = 0; i < 100; i++) await send(alice, id, 'x'.repeat(16_000));
    const client = await welcomed(irc, bob);
    client.socket.pause();
    for (let i = 0; i < 60; i++) client.send(`CHATHISTORY LATEST #${id} * 100`);
    await until(async () => /lanes_irc_closes_total\{reason="(slow|silence)"/.test(await figures(irc)));
    await until(async () => (await figure(irc, 'lanes_irc_connections')) === 0);
  });

  it('that talks too fast is heard in its own time: the rest waits on its side', async () => {
    const irc = await room({ lines: { perSecond: 50, burst: 10 } });
    const id = await group();
    const client = await welcomed(irc, alice);
    await joined(client, id);
    const started = performance.now();
    client.send(...Array.from({ length: 60 }, (_, i) => `PRIVMSG #${id} :${i}`));
    await until(async () => (await textsOf(id)).length === 60);
    expect(performance.now() - started).toBeGreaterThan(800);
    expect(await textsOf(id)).toEqual(Array.from({ length: 60 }, (_, i) => String(i)));
    // 20 MB are not taken in.
    client.socket.write(`MODE #${'x'.repeat(100)}\r\n`.repeat(200_000));
    const other = await welcomed(irc, bob);
    await joined(other, id);
    expect(client.socket.writableLength).toBeGreaterThan(10_000_000);
    expect(client.isClosed).toBe(false);
  });

  it('that says what is no line is told so, and closed when it goes on', async () => {
    const irc = await room();
    const id = await group();
    const client = await welcomed(irc, alice);
    await joined(client, id);
    client.socket.write('PRIVMSG\0x\r\n');
    client.socket.write(Buffer.from([0x50, 0x49, 0x4e, 0x47, 0x20, 0xff, 0xfe, 0x0d, 0x0a]));
    client.socket.write(`PRIVMSG #${id} :${'y'.repeat(600)}\r\n`);
    client.socket.write(`${'z'.repeat(100_000)}\r\n`);
    client.socket.write('\r\n\r\n   \r\n');
    await client.sync();
    const answers = client.lines
      .filter(({ command }) => command === 'FAIL' || command === '417')
      .map(({ command, params }) => [command, params[1]]);
    expect(answers.map(([command, what]) => (command === 'FAIL' ? what : command))).toEqual([
      'MALFORMED',
      'INVALID_UTF8',
      '417',
      '417',
    ]);
    expect(await textsOf(id)).toEqual([]);
    client.send(...Array.from({ length: 25 }, () => '!!!'));
    expect((await client.command('ERROR')).params[0]).toContain('Too many lines');
    await client.closed();
  });

  it('that sends noise harms nobody', async () => {
    const irc = await room();
    const id = await group();
    const good = await welcomed(irc, alice);
    await joined(good, id);
    for (let i = 0; i < 40; i++) {
      const noisy = kept(new RawClient(irc.port));
      noisy.socket.write(randomBytes(20_000));
      if (i % 2) noisy.socket.destroy();
      else
        noisy.socket.end(
          `\r\nCAP REQ :${'x '.repeat(100)}\r\nAUTHENTICATE PLAIN\r\nAUTHENTICATE ${'A'.repeat(400)}\r\nPING`,
        );
    }
    for (const client of clients) if (client !== good) await client.closed();
    await until(async () => (await figure(irc, 'lanes_irc_connections')) === 1);
    await send(bob, id, 'still here');
    await good.line(({ params }) => params[1] === 'still here');
  });
});

describe('limits', () => {
  it('hold for strangers, users and all', async () => {
    const irc = await room({ connections: 5, strangers: 2, connectionsOfUser: 2, registerWithinMs: 3_000 });
    const two = [await welcomed(irc, alice), await welcomed(irc, alice)];
    const third = kept(new RawClient(irc.port));
    third.send(`PASS ${alice.token}`, 'NICK a', 'USER a 0 * :a');
    expect((await third.command('ERROR')).params[0]).toContain('too many connections');
    await third.closed();
    const strangers = [kept(new RawClient(irc.port)), kept(new RawClient(irc.port))];
    for (const stranger of strangers) stranger.send('CAP LS 302');
    for (const stranger of strangers) await stranger.command('CAP');
    for (const stranger of strangers)
      expect((await stranger.command('ERROR')).params[0]).toContain('too long to register');
    two[0]?.send('QUIT :bye');
    await two[0]?.closed();
    await welcomed(irc, alice);
  });

  it('a crowd of silent strangers shuts nobody out: the oldest of them goes', async () => {
    const irc = await room({ strangers: 3 });
    const speaking = kept(new RawClient(irc.port));
    speaking.send('CAP LS 302');
    await speaking.command('CAP');
    const silent: RawClient[] = [];
    for (let i = 0; i < 20; i++) {
      silent.push(kept(new RawClient(irc.port)));
      await until(async () => (await figure(irc, 'lanes_irc_connections')) === Math.min(2 + i, 3));
    }
    await welcomed(irc, alice);
    for (const stranger of silent.slice(0, 18)) {
      expect((await stranger.command('ERROR')).params[0]).toContain('come again');
      await stranger.closed();
    }
    speaking.send(`PASS ${bob.token}`, 'NICK b', 'USER b 0 * :b', 'CAP END');
    await speaking.command('001');
  });

  it('where everybody else is known a stranger makes room, and where all are known nobody does', async () => {
    const irc = await room({ connections: 2 });
    await welcomed(irc, alice);
    const stranger = kept(new RawClient(irc.port));
    await until(async () => (await figure(irc, 'lanes_irc_connections')) === 2);
    await welcomed(irc, bob);
    await stranger.closed();
    const refused = kept(new RawClient(irc.port));
    expect((await refused.command('ERROR')).params[0]).toContain('too many connections');
    await refused.closed();
  });
});

describe('figures', () => {
  it.skipIf(process.platform !== 'linux')('are on loopback, whatever the host is', async () => {
    const settings = servers.config({ LANES_HOST: '127.0.0.2', LANES_IRC_PORT: '0', LANES_ADMIN_PORT: '0' });
    const irc = await start(settings, createLogger({ logLevel: 'error' }, 'irc', 2));
    rooms.push(irc);
    await expect(fetch(`http://127.0.0.2:${irc.adminPort}/metrics`)).rejects.toThrow();
    expect(await figures(irc)).toContain('lanes_irc_connections');
  });
});

describe('who makes room', () => {
  const one = (address: string, more: Partial<Present> = {}): Present => ({
    ...{ address, isStranger: true, hasSpoken: false, isClosing: false },
    ...more,
  });

  it('is of the address with most strangers, and among those the longest silent', () => {
    const crowd = [one('b', { hasSpoken: true }), one('b'), one('b')];
    expect(placeOf([one('a'), ...crowd])).toBe(crowd[1]);
    expect(placeOf([one('a'), ...crowd.slice(0, 1), one('b', { hasSpoken: true })])).toBe(crowd[0]);
    // Whoever has one address of IPv6 has a network of them.
    const network = ['2001:db8::1', '2001:db8::2', '2001:db8::3'].map((address) => one(wayOf(address)));
    expect(placeOf([one('192.0.2.1'), one('192.0.2.2'), ...network])).toBe(network[0]);
    expect(placeOf([one('a', { isStranger: false })])).toBeUndefined();
    const gone = one('c', { isClosing: true, isStranger: false });
    expect(placeOf([...crowd, gone])).toBe(gone);
  });
});

describe('a stop', () => {
  it('says what is on its way, tells its clients, and leaves nothing open', async () => {
    const irc = await room();
    const id = await group();
    const client = await welcomed(irc, alice);
    await joined(client, id);
    client.send(...Array.from({ length: 20 }, (_, i) => `PRIVMSG #${id} :${i}`), 'MODE #last');
    await client.command('324');
    await irc.stop();
    expect((await client.command('ERROR')).params[0]).toContain('stopping');
    expect(await textsOf(id)).toEqual(Array.from({ length: 20 }, (_, i) => String(i)));
    await until(() => client.isClosed);
  });
});

describe('an api that is there and cannot', () => {
  it('is asked again: what it refuses for a moment is said in the end', async () => {
    // Whatever stands where the api is to be, it answers 503 until it lets through.
    let isBusy = false;
    const answers = [
      '{"errors":[{"message":"Not now.","extensions":{"code":"UNAVAILABLE","retryable":true}}]}',
      '<html>',
    ];
    const front = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const answer = isBusy ? answers.shift() : undefined;
      if (answer !== undefined) {
        response.writeHead(503).end(answer);
        return;
      }
      const headers = { 'content-type': 'application/json', authorization: request.headers.authorization ?? '' };
      const passed = await fetch(api.url, { method: 'POST', headers, body: Buffer.concat(chunks) });
      response.writeHead(passed.status, { 'content-type': 'application/json' }).end(await passed.text());
    });
    await new Promise<void>((listening) => front.listen(0, '127.0.0.1', listening));
    const address = front.address();
    try {
      const irc = await room({}, typeof address === 'object' && address ? address.port : 0);
      const id = await group();
      const client = await welcomed(irc, alice);
      await joined(client, id);
      await client.sync();
      isBusy = true;
      client.send(`PRIVMSG #${id} :in the end`);
      await until(async () => (await textsOf(id)).includes('in the end'));
      await until(async () => (await figure(irc, 'lanes_irc_sends_total')) === 1);
      expect(answers).toEqual([]);
      expect(await figures(irc)).toContain('lanes_irc_sends_total{outcome="accepted",room="irc"} 1');
    } finally {
      front.closeAllConnections();
      front.close();
    }
  });
});
