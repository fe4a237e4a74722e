/** Webhooks as their receivers meet them: real lanes, a real pump, real HTTPS. */
import type { ChildProcess } from 'node:child_process';
import type { ServerResponse } from 'node:http';
import { Webhook as Verifier } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newWebhookSecret } from '../bridge/signature.ts';
import type { AppId, LaneId } from '../schema/ids.ts';
import { APPS_JETSTREAM, appDead, appEvent, appEventAgain, appStream } from '../schema/subjects.ts';
import type { Webhook } from '../services/journal/integrations.ts';
import { app, type Bridging, range, seqsOf, startBridging } from './support/bridging.ts';
import { silent } from './support/projecting.ts';
import { createAuthority } from './support/providers/certificates.ts';
import { type Manner, type Received, type Receiver, startReceiver } from './support/receiver.ts';
import { laneId, until } from './support/scribe.ts';
import { hook, openSending, type Sending, type SendingOptions, spawnSending } from './support/sending.ts';
import { freePort } from './support/servers.ts';

const authority = createAuthority();
const AUTHORITY = { authority: authority.certificate };

describe('webhooks', () => {
  let bridging: Bridging;
  const receivers: Receiver[] = [];
  const sendings: Sending[] = [];
  const children: ChildProcess[] = [];
  let names = 0;

  beforeAll(async () => {
    bridging = await startBridging();
    await bridging.startPump();
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await Promise.all(sendings.splice(0).map((sending) => sending.stop()));
    await Promise.all(receivers.splice(0).map((receiver) => receiver.stop()));
    for (const { webhook, ...integration } of bridging.registry.list())
      if (webhook) await bridging.registry.put(integration);
  });
  afterAll(() => bridging?.stop());

  const receive = async (port = 0, ...hosts: string[]): Promise<Receiver> => {
    const receiver = await startReceiver(authority, port, ...hosts);
    receivers.push(receiver);
    return receiver;
  };
  const send = async (options: Partial<SendingOptions> = {}): Promise<Sending> => {
    const sending = await openSending(bridging.config, silent, { ...AUTHORITY, ...options });
    sendings.push(sending);
    return sending;
  };
  /** An integration whose webhook goes there. */
  const hooked = async (url: string, more: Partial<Webhook> = {}): Promise<{ name: AppId; webhook: Webhook }> => {
    const name = app(`w${++names}`);
    await bridging.add(name);
    return { name, webhook: await hook(bridging.registry, name, url, more) };
  };
  /** A conversation that it is in, with `count` messages. */
  const talk = async (name: AppId, count: number): Promise<LaneId> => {
    const lane = laneId(`lane${++names}`);
    await bridging.scribe.create(lane, `app_${name}`);
    await bridging.scribe.say(lane, count, 5);
    return lane;
  };
  const seqs = (events: readonly Received[], lane: LaneId): number[] =>
    seqsOf(
      events.map(({ event }) => event),
      lane,
    );
  const whole = (receiver: Receiver, lane: LaneId, last: number, withinMs = 20_000): Promise<unknown> =>
    until(
      () => seqs(receiver.taken, lane),
      (taken) => taken.at(-1) === last,
      withinMs,
    );
  const offered = (receiver: Receiver, lane: LaneId): number[] =>
    receiver.received.filter(({ event }) => event.conversationId === lane).map(({ event }) => event.seq);
  const dead = async (name: AppId, lane: LaneId): Promise<{ seq: number; message: string; deliveries: number }> => {
    const message = await bridging.manager.streams.getMessage(appStream(name), { last_by_subj: appDead(name, lane) });
    return message.json();
  };

  it('are events as they are on NATS, in order, signed as Standard Webhooks has it', async () => {
    const receiver = await receive();
    const { name, webhook } = await hooked(`${receiver.url}?key=1`);
    await send();
    const lane = await talk(name, 12);
    await whole(receiver, lane, 13);
    expect(offered(receiver, lane)).toEqual(range(1, 13));
    const [first, second] = receiver.taken as [Received, Received];
    expect(first.event).toMatchObject({ type: 'ConversationCreated', conversationId: lane, seq: 1 });
    expect(second.event).toMatchObject({
      type: 'MessageSent',
      seq: 2,
      message: { id: `${lane}:2`, text: 'message 0' },
    });
    expect(second).toMatchObject({ id: `${lane}:2`, path: '/hook?key=1' });
    expect(second.headers['content-type']).toBe('application/json');
    const verifier = new Verifier(webhook.secret);
    for (const { body, headers, event } of receiver.taken) expect(verifier.verify(body, headers)).toEqual(event);
    const forged = { ...second.headers, 'webhook-id': `${lane}:3` };
    expect(() => verifier.verify(second.body, forged)).toThrow('No matching signature');
    expect(() => new Verifier(newWebhookSecret()).verify(second.body, second.headers)).toThrow();
    expect(JSON.stringify(receiver.received)).not.toContain(webhook.secret.slice(6));
  });

  it('are signed by the old secret, too, for a while after it was rotated', async () => {
    const receiver = await receive();
    const oldSecret = { secret: newWebhookSecret(), until: Date.now() + 60_000 };
    const { name, webhook } = await hooked(receiver.url, { oldSecret });
    await send();
    const lane = await talk(name, 1);
    await whole(receiver, lane, 2);
    const [{ body, headers }] = receiver.taken as [Received];
    for (const secret of [webhook.secret, oldSecret.secret]) new Verifier(secret).verify(body, headers);
    await bridging.registry.put({
      ...(bridging.registry.get(name) as NonNullable<ReturnType<typeof bridging.registry.get>>),
      webhook: { ...webhook, oldSecret: { ...oldSecret, until: Date.now() - 1 } },
    });
    // What the sender knows of it comes a moment later.
    const last = await until(
      async () => {
        await bridging.scribe.say(lane, 1);
        return receiver.taken.at(-1) as Received;
      },
      ({ headers }) => !headers['webhook-signature']?.includes(' '),
    );
    expect(() => new Verifier(oldSecret.secret).verify(last.body, last.headers)).toThrow();
  });

  const answers: Record<string, (port: number) => Manner> = {
    'a fault (500)': () => 500,
    'a refusal (400)': () => 400,
    'not found (404)': () => 404,
    'a redirect, which is not followed': (port) => (_, response) =>
      response.writeHead(302, { location: `https://127.0.0.1:${port}/elsewhere` }).end(),
    'a permanent redirect, which is not followed either': (port) => (_, response) =>
      response.writeHead(308, { location: `https://127.0.0.1:${port}/elsewhere` }).end(),
    'a cut connection': () => (_, response) => response.socket?.destroy(),
    'half an answer': () => (_, response) => {
      response.writeHead(200, { 'content-length': '1000' }).write('x');
      response.socket?.destroySoon();
    },
    silence: () => () => undefined,
    'headers alone': () => (_, response) => void response.writeHead(200).write('{'),
    'a slow drip': () => (_, response) => drip(response),
    'a fault with a body without end': () => (_, response) => flood(response.writeHead(500)),
    'no HTTP': () => (_, response) => response.socket?.end('hello\r\n\r\n'),
  };

  it.each(Object.entries(answers))('met with %s are tried again, in order, and hold up nobody', async (_, manner) => {
    const receiver = await receive();
    const other = await receive();
    const [bad, good] = [await hooked(receiver.url), await hooked(other.url)];
    const stubborn: { lane?: LaneId } = {};
    const tries = new Map<string, number>();
    receiver.meet(({ id, event }) => {
      const count = (tries.get(id) ?? 0) + 1;
      tries.set(id, count);
      // One event of one conversation, three times.
      return event.conversationId === stubborn.lane && event.seq === 3 && count <= 3 ? manner(receiver.port) : 204;
    });
    const before = process.memoryUsage().arrayBuffers;
    await send({ timeoutMs: 2_000 });
    stubborn.lane = await talk(bad.name, 8);
    const [beside, elsewhere] = [await talk(bad.name, 30), await talk(good.name, 30)];
    await Promise.all([whole(receiver, beside, 31), whole(other, elsewhere, 31)]);
    await whole(receiver, stubborn.lane, 9);
    expect(offered(receiver, stubborn.lane).filter((seq) => seq === 3).length).toBeGreaterThanOrEqual(4);
    expect(inOrder(offered(receiver, stubborn.lane))).toBe(true);
    expect(offered(receiver, beside)).toEqual(range(1, 31));
    expect(receiver.received.every(({ path }) => path === '/hook')).toBe(true);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
  });

  it('heed Retry-After, within bounds', async () => {
    const receiver = await receive();
    const { name } = await hooked(receiver.url);
    const at: number[] = [];
    const said = ['1', '999999999', 'Wed, 21 Oct 2099 07:28:00 GMT', '0', 'soon'];
    receiver.meet(() => {
      at.push(performance.now());
      const wait = said[at.length - 1];
      return wait === undefined ? 204 : (_, response) => void response.writeHead(429, { 'retry-after': wait }).end();
    });
    await send({ patience: { pauseMs: 1_500 } });
    const lane = await talk(name, 1);
    await whole(receiver, lane, 2);
    const waits = at.slice(1, 6).map((time, i) => time - (at[i] as number));
    expect(waits[0]).toBeGreaterThan(990);
    for (const wait of waits.slice(1, 3)) expect(wait).toBeGreaterThan(1_490);
    for (const wait of waits) expect(wait).toBeLessThan(3_000);
  });

  it('end with 410: turned off in the registry, until the URL is set again', async () => {
    const receiver = await receive();
    const { name, webhook } = await hooked(receiver.url);
    receiver.meet(() => 410);
    const sending = await send();
    const lane = await talk(name, 5);
    await until(
      () => bridging.registry.get(name)?.webhook?.off?.why,
      (why) => why === '410 Gone',
    );
    expect(await sending.registry.metrics()).toMatch(/lanes_webhook_disabled_total 1/);
    const count = receiver.received.length;
    receiver.meet(() => 204);
    await bridging.scribe.say(lane, 5);
    const other = await hooked(receiver.url);
    await whole(receiver, await talk(other.name, 3), 4);
    expect(offered(receiver, lane).length).toBeLessThanOrEqual(count);
    expect(seqs(receiver.taken, lane)).toEqual([]);
    const { off: _, ...again } = { ...webhook, off: undefined };
    await bridging.registry.put({ ...bridging.registry.get(name), webhook: again } as never);
    await whole(receiver, lane, 11);
    expect(seqs(receiver.taken, lane)).toEqual(range(1, 11));
  });

  it('that are not taken in time are dead letters, and the next one has its chance', async () => {
    const receiver = await receive();
    const { name } = await hooked(receiver.url);
    const poison: { lane?: LaneId } = {};
    receiver.meet(({ event }) => (event.conversationId === poison.lane && event.seq === 3 ? 422 : 204));
    await send({ patience: { giveUpMs: 1_500 } });
    poison.lane = await talk(name, 6);
    await whole(receiver, poison.lane, 7);
    expect(seqs(receiver.taken, poison.lane)).toEqual([1, 2, 4, 5, 6, 7]);
    const letter = await dead(name, poison.lane);
    expect(letter).toMatchObject({
      ...{ type: 'DeadLetter', conversationId: poison.lane, seq: 3, reason: 'WEBHOOK', message: '422' },
      ...{ consumer: 'webhook', event: { type: 'MessageSent', seq: 3 } },
    });
    expect(letter.deliveries).toBeGreaterThan(1);
  });

  it('for a receiver that is nowhere become dead letters as they age, and what came last is taken when it is back', async () => {
    const port = await freePort();
    const { name } = await hooked(`https://127.0.0.1:${port}/hook`);
    const sending = await send({ patience: { giveUpMs: 1_500 } });
    const lanes = await Promise.all([talk(name, 3), talk(name, 3), talk(name, 3), talk(name, 3)]);
    for (const lane of lanes)
      await until(
        () => dead(name, lane).catch(() => undefined),
        (letter) => letter?.seq === 4,
      );
    expect(await dead(name, lanes[0] as LaneId)).toMatchObject({ message: expect.stringContaining('ECONNREFUSED') });
    const receiver = await receive(port);
    const lane = await talk(name, 5);
    await whole(receiver, lane, 6);
    expect(await sending.registry.metrics()).toMatch(/lanes_webhook_receivers_down 0/);
  });

  it('are asked for by one probe at a time while a receiver is down', async () => {
    const receiver = await receive();
    const { name } = await hooked(receiver.url);
    let [underWay, most] = [0, 0];
    receiver.meet(() => (_, response) => {
      most = Math.max(most, ++underWay);
      setImmediate(() => {
        underWay--;
        response.writeHead(500).end();
      });
    });
    const sending = await send({ patience: { probeMs: 100 } });
    const lanes = await Promise.all(range(1, 30).map(() => talk(name, 2)));
    await until(
      () => sending.registry.metrics(),
      (text) => /lanes_webhook_receivers_down 1/.test(text),
    );
    // What was under way when it was found to be down comes to its end.
    const more = async (count: number): Promise<void> => {
      const from = receiver.received.length;
      await until(
        () => receiver.received.length,
        (now) => now >= from + count,
      );
    };
    await more(20);
    most = 0;
    await more(6);
    expect(most).toBe(1);
    receiver.meet(() => 204);
    for (const lane of lanes) await whole(receiver, lane, 3);
    for (const lane of lanes) expect(inOrder(offered(receiver, lane))).toBe(true);
  });

  it('go to no address that is not public, however it is written or resolved, and to no http URL', async () => {
    const receiver = await receive(0, 'inside.example.org', 'rebound.example.org');
    const at = (host: string): string => `https://${host}:${receiver.port}/hook`;
    const hosts = ['127.0.0.1', '2130706433', '0x7f.1', '[::1]', '[::ffff:127.0.0.1]', '10.0.0.1', '169.254.169.254'];
    const urls = [...hosts, 'inside.example.org', 'rebound.example.org', 'localhost'].map(at);
    urls.push(
      `http://127.0.0.1:${receiver.port}/hook`,
      'https://user:secret@example.org/',
      'ftp://example.org',
      'nonsense',
    );
    const guarded = await Promise.all(urls.map((url) => hooked(url)));
    await send({
      guarded: true,
      patience: { giveUpMs: 300 },
      names: {
        'inside.example.org': ['127.0.0.1'],
        'rebound.example.org': ['127.0.0.1', '10.1.2.3'],
        localhost: ['127.0.0.1'],
      },
    });
    const lanes = await Promise.all(guarded.map(({ name }) => talk(name, 1)));
    for (const [i, { name }] of guarded.entries()) {
      const letter = await until(
        () => dead(name, lanes[i] as LaneId).catch(() => undefined),
        (found) => found !== undefined,
      );
      const isHost = i < hosts.length + 3;
      expect(letter?.message, urls[i]).toContain(isHost ? 'FORBIDDEN_ADDRESS' : 'not an https URL');
    }
    expect(receiver.connections).toBe(0);
    expect(receiver.received).toEqual([]);
  });

  it('of a certificate that nobody vouches for are not sent', async () => {
    const stranger = await startReceiver(createAuthority('another one'));
    receivers.push(stranger);
    const { name } = await hooked(stranger.url);
    await send({ patience: { giveUpMs: 300 } });
    const lane = await talk(name, 1);
    await until(
      () => dead(name, lane).catch(() => undefined),
      (found) => found !== undefined,
    );
    expect(stranger.received).toEqual([]);
  });

  it('go on after an outage of NATS, in order and whole', async () => {
    const receiver = await receive();
    const { name } = await hooked(receiver.url);
    await send();
    const lanes = await Promise.all(range(1, 4).map(() => talk(name, 10)));
    await until(
      () => receiver.taken.length,
      (count) => count > 5,
    );
    await bridging.servers.nats.restart();
    for (const lane of lanes) {
      await whole(receiver, lane, 11);
      expect(inOrder(offered(receiver, lane))).toBe(true);
    }
    // What writes for the tests after this one is back, too.
    await until(
      () => bridging.journal.status(),
      ({ isReady }) => isReady,
    );
  }, 60_000);

  it('go on where a few conversations alone are refused, however many of these ask in a row', async () => {
    const receiver = await receive();
    const { name } = await hooked(receiver.url);
    const refused: LaneId[] = [];
    receiver.meet(({ event }) => (refused.includes(event.conversationId as LaneId) ? 500 : 204));
    const sending = await send();
    const scribed = Array.from({ length: 6 }, (_, i) => laneId(`${name}-refused-${i}`));
    refused.push(...scribed);
    for (const lane of scribed) {
      await bridging.scribe.create(lane, `app_${name}`);
      await bridging.scribe.say(lane, 1);
    }
    const down = async () => /receivers_down (\d+)/.exec(await sending.registry.metrics())?.[1];
    await until(down, (count) => count === '1');
    const lane = await talk(name, 3);
    await whole(receiver, lane, 4);
  });

  it('that fell behind in many conversations are all sent, each in order, when the receiver takes them again', async () => {
    const receiver = await receive();
    const { name } = await hooked(receiver.url);
    let isWell = false;
    // Every other one is taken at once: the receiver is not down, its conversations are behind.
    receiver.meet(({ event }) => (isWell || Number(event.conversationId.slice(4)) % 2 === 0 ? 204 : 500));
    const sending = await send();
    const lanes: LaneId[] = [];
    for (let i = 0; i < 120; i++) lanes.push(await talk(name, 3));
    const behind = async (): Promise<number> =>
      Number(/conversations_behind (\d+)/.exec(await sending.registry.metrics())?.[1]);
    await until(behind, (count) => count >= 60);
    await sending.stop();
    sendings.length = 0;
    isWell = true;
    await send();
    for (const lane of lanes) {
      await whole(receiver, lane, 4);
      expect(seqs(receiver.taken, lane)).toEqual([1, 2, 3, 4]);
      // The second sender may begin where nothing more was stored of the first.
      expect([...new Set(offered(receiver, lane))]).toEqual([1, 2, 3, 4]);
    }
  }, 60_000);

  it('carry what is given once more, and a Reset, under ids of their own', async () => {
    const receiver = await receive();
    const { name } = await hooked(receiver.url);
    const lane = await talk(name, 5);
    let isWell = false;
    receiver.meet(({ event }) => (isWell || event.seq !== 5 ? 204 : 500));
    await send();
    await whole(receiver, lane, 4);
    // The conversation waits; what is given once more neither waits nor makes wait.
    const js = bridging.bridge.jetstream({ apiPrefix: APPS_JETSTREAM });
    const again = { type: 'MessageSent', conversationId: lane, seq: 2, message: { text: 'again' } };
    await js.publish(appEventAgain(name, lane), JSON.stringify(again));
    await until(
      () => receiver.taken.at(-1)?.event,
      (event) => event.message?.text === 'again',
    );
    expect(receiver.taken.at(-1)?.id).toBe(`${lane}:2`);
    const reset = { type: 'Reset', conversationId: lane, seq: 6, resetReason: 'TOO_FAR_BEHIND' };
    await js.publish(appEvent(name, lane), JSON.stringify(reset));
    isWell = true;
    await until(
      () => receiver.taken.at(-1)?.event,
      (event) => event.type === 'Reset',
    );
    expect(receiver.taken.slice(-3).map(({ id }) => id)).toEqual([`${lane}:5`, `${lane}:6`, `${lane}:6:reset`]);
  });

  it('go on after a stop where they were', async () => {
    const receiver = await receive();
    const { name } = await hooked(receiver.url);
    const sending = await send();
    const lane = await talk(name, 10);
    await whole(receiver, lane, 11);
    await sending.stop();
    sendings.length = 0;
    await bridging.scribe.say(lane, 10);
    await send();
    await whole(receiver, lane, 21);
    expect(offered(receiver, lane)).toEqual(range(1, 21));
  });

  it('survive kill -9 at any moment: nothing lost, in order, and again only what was sent just before', async () => {
    const receiver = await receive();
    const { name } = await hooked(receiver.url);
    let turn = 0;
    receiver.meet(() => (++turn % 7 === 0 ? 503 : 204));
    const lanes = await Promise.all(range(1, 6).map(() => talk(name, 1)));
    const environment = bridging.servers.environment({ LANES_PARTITIONS: '2', LANES_LOG_LEVEL: 'silent' });
    const start = (): ChildProcess => {
      const child = spawnSending(environment, AUTHORITY);
      children.push(child);
      return child;
    };
    for (let round = 1; round <= 4; round++) {
      const child = start();
      const from = receiver.taken.length;
      const saying = Promise.all(lanes.map((lane) => bridging.scribe.say(lane, 25)));
      await until(
        () => receiver.taken.length - from,
        (count) => count >= 20 * round,
      );
      child.kill('SIGKILL');
      await saying;
    }
    start();
    for (const lane of lanes) {
      await whole(receiver, lane, 102);
      expect(seqs(receiver.taken, lane)).toEqual(range(1, 102));
      // At least once: what comes again begins again, and goes on without a hole.
      const all = receiver.taken.filter(({ event }) => event.conversationId === lane).map(({ event }) => event.seq);
      for (const [i, seq] of all.entries()) expect(seq).toBeLessThanOrEqual(Math.max(0, ...all.slice(0, i)) + 1);
    }
  }, 90_000);

  it('are sent by one of two bridges, and by the other when that one stops', async () => {
    const receiver = await receive();
    const { name } = await hooked(receiver.url);
    const [one] = [await send(), await send()];
    const lane = await talk(name, 20);
    await whole(receiver, lane, 21);
    expect(offered(receiver, lane)).toEqual(range(1, 21));
    await one.stop();
    sendings.splice(sendings.indexOf(one), 1);
    await bridging.scribe.say(lane, 20);
    await whole(receiver, lane, 41);
    expect(offered(receiver, lane)).toEqual(range(1, 41));
  });
});

const inOrder = (seqs: readonly number[]): boolean =>
  seqs.every((seq, i) => i === 0 || seq === seqs[i - 1] || seq === (seqs[i - 1] as number) + 1);

function drip(response: ServerResponse): void {
  response.writeHead(200);
  const timer = setInterval(() => response.write('x'), 50);
  response.on('close', () => clearInterval(timer));
}

function flood(response: ServerResponse): void {
  const chunk = Buffer.alloc(64 * 1024, 120);
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', more);
  more();
}
