/** Who comes in at the doors for integrations, who does not any more, and what goes on while nobody answers there. */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MqttClient } from 'mqtt';
import type { NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Credentials, credentialsOf, newSecret, revoked, rotated } from '../bridge/credentials.ts';
import { Floods } from '../bridge/floods.ts';
import { openGate } from '../bridge/gate.ts';
import { newCalloutSeeds } from '../services/callout-keys.ts';
import { ConfigError } from '../services/config.ts';
import type { Integration } from '../services/journal/integrations.ts';
import { openIntegrations } from '../services/journal/integrations-jetstream.ts';
import { openLink } from '../services/journal/link.ts';
import { type Doors, enterByMqtt, enterByNats, silent, startDoors } from './support/doors.ts';
import { openRaw, type RawNats } from './support/raw-nats.ts';

/** The server's own limit is 2 s; a machine that is busy is given more. */
const PUT_OUT_MS = 2_000;

const withPassword = (who: Credentials, password: string): Credentials => ({
  ...who,
  nats: { ...who.nats, password },
  mqtt: { ...who.mqtt, password },
});

/** One connection by each way, each with whether it is still there. */
interface Entered {
  readonly nats: NatsConnection;
  readonly raw: RawNats;
  readonly mqtt: MqttClient;
  /** Settles when all three were ended by the server. */
  readonly ended: Promise<unknown>;
}

async function enterAll(who: Credentials): Promise<Entered> {
  const [nats, raw, mqtt] = await Promise.all([
    enterByNats(who),
    openRaw(who.nats.webSocketUrl ?? '', who.nats.user, who.nats.password),
    enterByMqtt(who),
  ]);
  const ended = [nats.closed(), raw.closed, new Promise<void>((resolve) => mqtt.once('close', () => resolve()))];
  return { nats, raw, mqtt, ended: Promise.all(ended) };
}

async function refusedByAll(who: Credentials): Promise<void> {
  await expect(enterByNats(who)).rejects.toThrow(/authorization/i);
  await expect(openRaw(who.nats.webSocketUrl ?? '', who.nats.user, who.nats.password)).rejects.toThrow(/Authorization/);
  await expect(enterByMqtt(who)).rejects.toThrow();
}

async function spawnCallout(doors: Doors): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/support/callout-process.ts'], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: doors.servers.environment({ LANES_PARTITIONS: '2', LANES_LOG_LEVEL: 'silent' }),
  });
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', (code) => reject(new Error(`it ended with ${code}`)));
  });
  return child;
}

describe('with the doors open', () => {
  let doors: Doors;
  beforeAll(async () => {
    doors = await startDoors();
  }, 60_000);
  afterAll(() => doors?.stop());
  const integrationOf = (who: Credentials): Integration => doors.registry.get(who.app) as Integration;

  it('an integration comes in by NATS, WebSocket and MQTT', async () => {
    const entered = await enterAll(await doors.enrol());
    await entered.nats.flush();
    expect(await entered.raw.say()).toEqual([]);
    expect(entered.mqtt.connected).toBe(true);
    await Promise.all([entered.nats.close(), entered.mqtt.endAsync(true)]);
    entered.raw.close();
  });

  it('nobody comes in with a password that is not its own', async () => {
    const [one, other] = [await doors.enrol(), await doors.enrol()];
    const wrong = ['', 'x', other.nats.password, `${one.nats.password}x`, one.nats.password.slice(1)];
    for (const password of [...wrong, integrationOf(one).secretHash]) await refusedByAll(withPassword(one, password));
    for (const user of [
      'app_nobody',
      'app_',
      'alice',
      one.app,
      `${one.user}#1`,
      'lanes',
      'bridge',
      'sys',
      `app_${one.app}x`,
    ]) {
      const as = { ...one, nats: { ...one.nats, user }, mqtt: { ...one.mqtt, user } };
      await refusedByAll(as);
    }
    await expect(enterByNats(one, { user: undefined, pass: undefined })).rejects.toThrow(/authorization/i);
    await expect(enterByNats(one, { user: undefined, pass: undefined, token: one.nats.password })).rejects.toThrow();
  }, 60_000);

  it('a rotated password ends what came in with the old one, and lets the new one in', async () => {
    const who = await doors.enrol();
    const [entered, bystander] = [await enterAll(who), await enterAll(await doors.enrol())];
    const secret = newSecret();
    const started = performance.now();
    expect(await doors.registry.put(rotated(integrationOf(who), secret, Date.now()))).toBe('stored');
    const again = credentialsOf(who.app, secret, doors.config.natsPublic);
    const fresh = await enterByNats(again);
    await entered.ended;
    expect(performance.now() - started).toBeLessThan(PUT_OUT_MS);
    await refusedByAll(who);
    const back = await enterAll(again);
    // Whoever came in with the new one, and whoever has nothing to do with it, stays.
    for (const stays of [fresh, back.nats, bystander.nats]) await stays.flush();
    expect([back.mqtt.connected, bystander.mqtt.connected]).toEqual([true, true]);
    await Promise.all([fresh, back.nats, bystander.nats].map((nats) => nats.close()));
    await Promise.all([back.mqtt, bystander.mqtt].map((mqtt) => mqtt.endAsync(true)));
    for (const { raw } of [back, bystander]) raw.close();
  }, 20_000);

  it('a revoked one is out, by every way, and stays out', async () => {
    const who = await doors.enrol();
    const entered = await enterAll(who);
    const started = performance.now();
    expect(await doors.registry.put(revoked(integrationOf(who), Date.now()))).toBe('stored');
    await entered.ended;
    expect(performance.now() - started).toBeLessThan(PUT_OUT_MS);
    await refusedByAll(who);
  }, 20_000);

  it('a revocation by another process is heard of', async () => {
    const who = await doors.enrol();
    const entered = await enterAll(who);
    const elsewhere = await openIntegrations({ ...doors.config.nats, log: silent, name: 'elsewhere' });
    const started = performance.now();
    await elsewhere.put(revoked(elsewhere.get(who.app) as Integration, Date.now()));
    await entered.ended;
    expect(performance.now() - started).toBeLessThan(PUT_OUT_MS);
    await elsewhere.close();
  }, 20_000);

  it('come back after the server was killed, ours and theirs', async () => {
    const who = await doors.enrol();
    const client = await enterByNats(who, { reconnect: true, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    await doors.servers.nats.kill9();
    await doors.servers.nats.restart();
    await expect
      .poll(
        () =>
          client.flush().then(
            () => true,
            () => false,
          ),
        { timeout: 20_000 },
      )
      .toBe(true);
    const info = await client.request(`$JS.API.STREAM.INFO.APP_${who.app}`, '', { timeout: 5_000 });
    expect(info.json<{ config: { name: string } }>().config.name).toBe(`APP_${who.app}`);
    await client.close();
  }, 40_000);
});

describe('the number of connections', () => {
  it('of one integration has an end, of another none of it', async () => {
    const doors = await startDoors({ callout: false });
    const callout = await doors.openCallout({ connectionsMax: 2 });
    const [one, other] = [await doors.enrol(), await doors.enrol()];
    const both = [await enterByNats(one), await enterByNats(one)];
    await expect(enterByNats(one)).rejects.toThrow(/authorization/i);
    await (await enterByNats(other)).close();
    await both[0]?.close();
    const enters = () =>
      enterByNats(one).then(
        (nats) => nats.close().then(() => true),
        () => false,
      );
    await expect.poll(enters, { timeout: 10_000 }).toBe(true);
    await both[1]?.close();
    await callout.stop();
    await doors.stop();
  }, 60_000);
});

describe('with nobody at the door', () => {
  let doors: Doors;
  let who: Credentials;
  beforeAll(async () => {
    doors = await startDoors({ callout: false });
    who = await doors.enrol();
  }, 60_000);
  afterAll(() => doors?.stop());

  const roomsGoOn = async (): Promise<void> => {
    const { url, user, password } = doors.servers.nats;
    const room = await openRaw(url, user, password);
    expect(await room.publish('chat.lane.0.c1', 'a record')).toEqual([]);
    room.close();
    const before = (await (await doors.lanes.jetstreamManager()).streams.info('LANES_0')).state.messages;
    await doors.lanes.jetstream().publish('chat.lane.0.c1', 'another');
    expect((await (await doors.lanes.jetstreamManager()).streams.info('LANES_0')).state.messages).toBe(before + 1);
  };

  it('our own rooms come and go as ever, and integrations are refused', async () => {
    await roomsGoOn();
    await refusedByAll(who);
    await roomsGoOn();
    const callout = await doors.openCallout();
    await (await enterByNats(who)).close();
    await callout.stop();
    await refusedByAll(who);
  }, 60_000);

  it('with the wrong seeds, likewise; the right ones let them in', async () => {
    const file = join(doors.servers.dir, 'other-seeds');
    writeFileSync(file, newCalloutSeeds());
    const wrong = await doors.openCallout({ config: { ...doors.config, natsCalloutSeedFile: file } });
    await roomsGoOn();
    await refusedByAll(who);
    await wrong.stop();
    const callout = await doors.openCallout();
    await (await enterByNats(who)).close();
    await callout.stop();
  }, 60_000);

  it('a callout that cannot be right does not open, and says why', async () => {
    const config = { ...doors.config };
    const open = (more: Partial<typeof config>) => doors.openCallout({ config: { ...config, ...more } });
    await expect(open({ natsBridge: null })).rejects.toThrow(ConfigError);
    await expect(open({ natsBridge: config.nats })).rejects.toThrow(/in the account LANES, where the lanes are/);
    await expect(open({ natsCalloutSeedFile: join(doors.servers.dir, 'none') })).rejects.toThrow(
      /LANES_NATS_CALLOUT_SEED_FILE/,
    );
    const empty = join(doors.servers.dir, 'empty-seeds');
    writeFileSync(empty, 'SUAnothing\n');
    await expect(open({ natsCalloutSeedFile: empty })).rejects.toThrow(/holds no seeds/);
  });

  it('of two processes at the door one is killed, and the other lets in', async () => {
    const [one, other] = await Promise.all([spawnCallout(doors), spawnCallout(doors)]);
    await (await enterByNats(who)).close();
    let tries = 0;
    const entering = async (): Promise<boolean> => {
      tries++;
      return enterByNats(who).then(
        (nats) => nats.close().then(() => true),
        () => false,
      );
    };
    // Killed while questions are under way: those are given up by the server, and asked again by whoever comes again.
    const flood = Promise.all(Array.from({ length: 20 }, entering));
    one.kill('SIGKILL');
    await flood;
    await roomsGoOn();
    for (let i = 0; i < 5; i++) expect(await entering()).toBe(true);
    expect(tries).toBe(25);
    other.kill('SIGKILL');
  }, 60_000);

  it('of two callouts one is enough, and both together end whom one has let in', async () => {
    const [first, second] = [await doors.openCallout(), await doors.openCallout()];
    const entered = await Promise.all(Array.from({ length: 10 }, () => enterByNats(who)));
    const ending = first.stop();
    const more = await Promise.all(Array.from({ length: 10 }, () => enterByNats(who)));
    await ending;
    await (await enterByNats(who)).close();
    await doors.registry.put(revoked(doors.registry.get(who.app) as Integration, Date.now()));
    await Promise.all([...entered, ...more].map((nats) => nats.closed()));
    await second.stop();
  }, 60_000);
});

describe('with encrypted questions', () => {
  it('they are read, and answered', async () => {
    const doors = await startDoors({ encrypted: true });
    const who = await doors.enrol();
    const entered = await enterAll(who);
    await refusedByAll(withPassword(who, 'wrong'));
    await entered.nats.close();
    entered.raw.close();
    await entered.mqtt.endAsync(true);
    await doors.stop();
  }, 60_000);
});

describe('the limits of a connection', () => {
  let doors: Doors;
  beforeAll(async () => {
    doors = await startDoors();
  }, 60_000);
  afterAll(() => doors?.stop());

  it('are told by the server: subscriptions, and the size of a message', async () => {
    const who = await doors.enrol();
    const open = () => openRaw(who.nats.url, who.nats.user, who.nats.password);
    const many = await open();
    const subscribing = async (): Promise<string> => {
      for (let i = 0; i <= 1_000; i++) {
        const errors = await many.subscribe(`${who.nats.inboxPrefix}.x${i}`);
        if (errors.length > 0) return `${i} ${errors}`;
      }
      return 'all';
    };
    expect(await subscribing().catch((error: Error) => error.message)).toMatch(/maximum subscriptions exceeded/i);
    const large = await open();
    // The server objects to the announced size, and closes: of what is under way then, its own word could be lost.
    const publishing = large.say(`PUB chat.app.${who.app}.cmd.send 1100000`);
    expect(await publishing.then(String, (error: Error) => error.message)).toMatch(/maximum payload violation/i);
    const byMqtt = await enterByMqtt(who);
    const closed = new Promise<void>((resolve) => byMqtt.once('close', () => resolve()));
    byMqtt.publish(`chat/app/${who.app}/cmd/send`, 'x'.repeat(300_000));
    await closed;
  });

  it('hold one integration at the gate, and no other', async () => {
    const [one, other] = [await doors.enrol(), await doors.enrol()];
    const outcomes: string[] = [];
    const config = doors.config;
    const link = await openLink({ ...(config.natsBridge ?? config.nats), log: silent, name: 'gate' });
    const gate = openGate({
      ...{ through: link, discovery: link, floods: new Floods(silent), log: silent },
      rates: { api: { perSecond: 1, burst: 5 }, flow: { perSecond: 1, burst: 5 } },
      observe: (one) => outcomes.push(one),
    });
    const requests = async (who: Credentials): Promise<void> => {
      const client = await enterByNats(who);
      for (let i = 0; i < 40; i++)
        client.publish(`$JS.API.STREAM.INFO.APP_${who.app}`, '', { reply: `${who.nats.inboxPrefix}.x` });
      await client.flush();
      await client.close();
    };
    await requests(one);
    await expect.poll(() => outcomes).toContain('limited');
    const before = outcomes.length;
    await requests(other);
    await expect.poll(() => outcomes.slice(before)).toContain('passed');
    gate.stop();
    await link.close();
  });
});

describe('without a user of the system account', () => {
  it('rights end by themselves, and are given again to whoever still has them', async () => {
    const doors = await startDoors({ callout: false });
    const callout = await doors.openCallout({ config: { ...doors.config, natsSys: null }, rightsSeconds: 2 });
    const who = await doors.enrol();
    const stays = await enterByNats(who, { reconnect: true, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    const goes = await enterByNats(who);
    await goes.closed();
    await expect
      .poll(
        () =>
          stays.flush().then(
            () => true,
            () => false,
          ),
        { timeout: 10_000 },
      )
      .toBe(true);
    await stays.close();
    await callout.stop();
    await doors.stop();
  }, 60_000);
});
