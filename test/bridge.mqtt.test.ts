/** A third party that has MQTT only: it sends, hears, and brings back what it missed; with a library, and with mosquitto's programs. */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Credentials, credentialsOf, newIntegration, newSecret } from '../bridge/credentials.ts';
import { start } from '../bridge/main.ts';
import type { Integrations } from '../services/journal/integrations.ts';
import { openIntegrations } from '../services/journal/integrations-jetstream.ts';
import type { Running } from '../services/run.ts';
import { enterByMqtt, newApp, silent } from './support/doors.ts';
import { until } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';

let servers: TestServers;
let bridge: Running;
let registry: Integrations;

beforeAll(async () => {
  servers = await startServers({ listeners: true });
  const settings = { LANES_PARTITIONS: '2', LANES_ADMIN_PORT: '0', LANES_BRIDGE_PORT: '0' };
  bridge = await start(servers.config(settings), silent);
  registry = await openIntegrations({ ...servers.config(settings).nats, name: 'test registry', log: silent });
}, 60_000);
afterAll(async () => {
  await registry?.close();
  await bridge?.stop();
  await servers?.stop();
});

async function enrol(): Promise<{ readonly app: string; readonly credentials: Credentials }> {
  const [app, secret] = [newApp(), newSecret()];
  await registry.put(newIntegration(app, 'member', secret, Date.now()));
  return { app, credentials: credentialsOf(app, secret, servers.config().natsPublic) };
}

interface Reply {
  readonly accepted?: { readonly conversationId: string; readonly seq: number; readonly repeated: boolean };
  readonly result?: { readonly replayId: string };
}

/** Messages by topic, as they come. */
class Heard {
  readonly #messages: { readonly topic: string; readonly json: { readonly [field: string]: unknown } }[] = [];

  constructor(client: MqttClient) {
    client.on('message', (topic, payload) => this.#messages.push({ topic, json: JSON.parse(payload.toString()) }));
  }

  on(topic: string) {
    return this.#messages.filter((one) => one.topic.startsWith(topic)).map(({ json }) => json);
  }
}

describe('a third party by MQTT', () => {
  it('sends, is answered by its request’s name, hears events, and has back what it missed', async () => {
    const { app, credentials } = await enrol();
    const branch = `chat/app/${app}`;
    const client = await enterByMqtt(credentials);
    const heard = new Heard(client);
    await client.subscribeAsync([`${branch}/reply/#`, `${branch}/event/#`, `${branch}/replay/#`]);
    const ask = async (verb: string, requestId: string, body: object) => {
      await client.publishAsync(`${branch}/cmd/${verb}`, JSON.stringify({ ...body, requestId }), { qos: 1 });
      const [reply] = await until(
        () => Promise.resolve(heard.on(`${branch}/reply/${requestId}`)),
        (all) => all.length > 0,
      );
      return reply as Reply;
    };
    const created = await ask('create', 'r1', { members: ['alice'], clientKey: 'mqtt-1' });
    const conversationId = created.accepted?.conversationId as string;
    const first = await ask('send', 'r2', { conversationId, clientKey: 'mqtt-2', text: 'by MQTT' });
    expect(first.accepted).toMatchObject({ seq: 2, repeated: false });
    expect((await ask('send', 'r3', { conversationId, clientKey: 'mqtt-2', text: 'by MQTT' })).accepted).toMatchObject({
      ...{ seq: 2, repeated: true },
    });
    expect(await ask('send', 'r4', { conversationId: 'nowhere', clientKey: 'mqtt-3', text: 'x' })).toMatchObject({
      refused: { code: 'NOT_FOUND' },
    });
    expect(await ask('send', 'r5', { conversationId, clientKey: 'a.b', text: 'x' })).toMatchObject({
      errors: [{ extensions: { code: 'BAD_USER_INPUT' } }],
    });
    const seqs = () => Promise.resolve(heard.on(`${branch}/event/${conversationId}`).map(({ seq }) => seq));
    expect(await until(seqs, (all) => all.length >= 2)).toEqual([1, 2]);

    // Away, it misses what is sent meanwhile, and asks for it.
    await client.unsubscribeAsync(`${branch}/event/#`);
    await ask('send', 'r6', { conversationId, clientKey: 'mqtt-6', text: 'missed' });
    const replay = (await ask('replay', 'r7', { conversationId, after: 1 })).result;
    const back = () => Promise.resolve(heard.on(`${branch}/replay/${replay?.replayId}`));
    const came = await until(back, (all) => all.some(({ type }) => type === 'CaughtUp'));
    expect(came.map(({ type, seq }) => [type, seq])).toEqual([
      ['MessageSent', 2],
      ['MessageSent', 3],
      ['CaughtUp', 3],
    ]);
    await client.endAsync();
  }, 60_000);

  const { PATH } = process.env;
  const folders = (PATH ?? '').split(delimiter);
  const find = (name: string) => folders.map((folder) => join(folder, name)).find(existsSync);
  const [publish, subscribe] = [find('mosquitto_pub'), find('mosquitto_sub')];
  it.skipIf(publish === undefined || subscribe === undefined)(
    'does so with mosquitto_pub and mosquitto_sub (skipped where they are not on PATH)',
    async () => {
      const { app, credentials } = await enrol();
      const { url, user, password } = credentials.mqtt;
      const { hostname, port } = new URL(url ?? '');
      const door = ['-h', hostname, '-p', port, '-V', 'mqttv311', '-u', user, '-P', password];
      const branch = `chat/app/${app}`;
      const listener = spawn(subscribe as string, [
        ...door,
        '-i',
        app,
        '-t',
        `${branch}/reply/#`,
        '-t',
        `${branch}/event/#`,
      ]);
      let said = '';
      listener.stdout.on('data', (bytes: Buffer) => {
        said += bytes;
      });
      const send = (verb: string, body: object) =>
        promisify(execFile)(publish as string, [
          ...[...door, '-i', `${app}:1`, '-q', '1', '-t', `${branch}/cmd/${verb}`, '-m', JSON.stringify(body)],
        ]);
      try {
        // It does not say when it listens: the same request again, until an answer to one of them is heard.
        const created = { members: ['alice'], clientKey: 'mosquitto-1', requestId: 'm1' };
        const answered = async () => {
          await send('create', created);
          return /"conversationId":"([^"]+)"/.exec(said)?.[1];
        };
        const conversationId = await until(answered, (id) => id !== undefined);
        await send('send', { conversationId, clientKey: 'mosquitto-2', text: 'by mosquitto', requestId: 'm2' });
        await until(
          () => said,
          (all) => all.includes('"clientKey":"mosquitto-2"') && all.includes('"seq":2,"acceptedAt"'),
        );
      } finally {
        listener.kill();
      }
    },
    30_000,
  );
});
