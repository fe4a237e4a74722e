/**
 * The doors for integrations, tried by hand on everything that they keep shut: each subject and each call over NATS, NATS over
 * WebSocket and MQTT, with the server's word on each, and what came of it.
 */
import type { MqttClient } from 'mqtt';
import { AckPolicy, type JetStreamManager, type NatsConnection, type StreamInfo } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkConsumerRequest } from '../bridge/consumer-request.ts';
import type { Credentials } from '../bridge/credentials.ts';
import { isClientIdOf, isInboxOf, rightsOf, VERBS } from '../bridge/rights.ts';
import { type AppId, parseAppId } from '../schema/ids.ts';
import { type Doors, enterByMqtt, enterByNats, startDoors } from './support/doors.ts';
import { openRaw, type RawNats } from './support/raw-nats.ts';

let doors: Doors;
/** Who tries, and whose things it tries. */
let own: Credentials;
let victim: Credentials;
let lanesManager: JetStreamManager;
let appsManager: JetStreamManager;

beforeAll(async () => {
  doors = await startDoors();
  [own, victim] = [await doors.enrol(), await doors.enrol()];
  lanesManager = await doors.lanes.jetstreamManager();
  appsManager = await doors.bridge.jetstreamManager({ apiPrefix: 'chat.js.api' });
  for (const { app } of [own, victim])
    await appsManager.consumers.add(`APP_${app}`, { durable_name: 'there', ack_policy: AckPolicy.Explicit });
  await doors.lanes.jetstream().publish('chat.lane.0.c1', 'a record');
}, 60_000);
afterAll(() => doors?.stop());

const ways = ['nats', 'websocket'] as const;
const urlOf = (way: (typeof ways)[number], { nats }: Credentials): string =>
  way === 'nats' ? nats.url : (nats.webSocketUrl ?? '');
const enter = (way: (typeof ways)[number], who: Credentials): Promise<RawNats> =>
  openRaw(urlOf(way, who), who.nats.user, who.nats.password);

/** Everything that must stay as it is: every stream with its content, and the consumers of the victim. */
async function stateOf(): Promise<unknown> {
  const whole = async (manager: JetStreamManager): Promise<unknown[]> => {
    const streams: StreamInfo[] = [];
    for await (const stream of manager.streams.list()) streams.push(stream);
    return streams
      .filter(({ config }) => !config.name.startsWith('$MQTT'))
      .map(({ config, state: { messages, first_seq, last_seq } }) => ({ config, messages, first_seq, last_seq }))
      .sort((a, b) => (a.config.name < b.config.name ? -1 : 1));
  };
  const consumers: unknown[] = [];
  for await (const { name, config, delivered, ack_floor, num_ack_pending, num_waiting } of appsManager.consumers.list(
    `APP_${victim.app}`,
  ))
    consumers.push({
      name,
      config,
      ...{ delivered: delivered.consumer_seq, floor: ack_floor.consumer_seq },
      num_ack_pending,
      num_waiting,
    });
  return { lanes: await whole(lanesManager), apps: await whole(appsManager), consumers };
}

/** What our own users hear in both accounts while `act` runs: nothing of it may be what somebody was tricked into. */
async function heardDuring(subjects: readonly string[], act: () => Promise<void>): Promise<string[]> {
  const heard: string[] = [];
  const subscribe = (nats: NatsConnection) =>
    subjects.map((subject) => nats.subscribe(subject, { callback: (_, message) => void heard.push(message.subject) }));
  const subscriptions = [...subscribe(doors.lanes), ...subscribe(doors.bridge)];
  await Promise.all([doors.lanes.flush(), doors.bridge.flush()]);
  await act();
  // What was set off before is heard before what is asked now.
  for (let i = 0; i < 3; i++) await Promise.all([lanesManager.getAccountInfo(), appsManager.getAccountInfo()]);
  for (const subscription of subscriptions) subscription.unsubscribe();
  return heard;
}

const foreignPublishes = (): readonly string[] => {
  const [mine, theirs] = [own.app, victim.app];
  return [
    // What is ours alone.
    ...['chat.lane.0.c1', 'chat.live.0.c1', 'chat.receipt.0', 'chat.receipt.0.live', 'chat.snapshot.0.c1'],
    ...['chat.undelivered.0', 'chat.delivery.0.c1', `chat.integration.${mine}`, `chat.integration.${theirs}`],
    ...[`chat.integration.${mine}.live`, `chat.bridge.${mine}`, 'chat.anything', 'anything'],
    // Its own branch, where only the bridge writes; and the branch of another.
    ...[`chat.app.${mine}.event.c1`, `chat.app.${mine}.replay.r1.c1`, `chat.app.${mine}.dead.c1`],
    ...[`chat.app.${mine}.reply.r1`, `chat.app.${mine}.cmd`, `chat.app.${mine}.cmd.send.more`, `chat.app.${mine}`],
    ...[`chat.app.${theirs}.cmd.send`, `chat.app.${theirs}.event.c1`, `chat.app.${theirs}.replay.r1.c1`],
    ...[`chat.app.${theirs}.dead.c1`, `chat.app.${theirs}.reply.r1`, `chat.app.*.cmd.send`, 'chat.app.>'],
    // JetStream beyond the consumers of its own stream.
    ...['$JS.API.INFO', '$JS.API.STREAM.LIST', '$JS.API.STREAM.NAMES', '$JS.API.STREAM.CREATE.MINE'],
    ...[
      'UPDATE',
      'DELETE',
      'PURGE',
      'MSG.GET',
      'MSG.DELETE',
      'SNAPSHOT',
      'RESTORE',
      'PEER.REMOVE',
      'LEADER.STEPDOWN',
    ].map((verb) => `$JS.API.STREAM.${verb}.APP_${mine}`),
    ...[`$JS.API.STREAM.INFO.APP_${theirs}`, '$JS.API.STREAM.INFO.LANES_0', `$JS.API.STREAM.DELETE.APP_${theirs}`],
    ...[
      `$JS.API.DIRECT.GET.APP_${mine}`,
      `$JS.API.DIRECT.GET.APP_${theirs}`,
      '$JS.API.DIRECT.GET.LANES_0.chat.lane.0.c1',
    ],
    ...['PAUSE', 'UNPIN', 'LEADER.STEPDOWN', 'RESET'].map((verb) => `$JS.API.CONSUMER.${verb}.APP_${mine}.there`),
    ...['CREATE', 'DURABLE.CREATE', 'INFO', 'DELETE', 'MSG.NEXT', 'PAUSE'].map(
      (verb) => `$JS.API.CONSUMER.${verb}.APP_${theirs}.there`,
    ),
    ...[
      `$JS.API.CONSUMER.CREATE.APP_${theirs}`,
      `$JS.API.CONSUMER.NAMES.APP_${theirs}`,
      `$JS.API.CONSUMER.LIST.APP_${theirs}`,
    ],
    ...['$JS.API.CONSUMER.CREATE.LANES_0.mine', '$JS.API.CONSUMER.NAMES.LANES_0', '$JS.API.CONSUMER.LIST.*'],
    ...[`$JS.ACK.APP_${theirs}.there.1.1.1.1.0`, '$JS.ACK.LANES_0.there.1.1.1.1.0', `$JS.FC.APP_${theirs}.there.x`],
    ...['$JS.SNAPSHOT.ACK.x.y', '$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.APP_x.y', '$JSC.CI.x', '$JSC.R.x'],
    // Past the gate, and into it under another's name.
    ...[`chat.js.api.STREAM.DELETE.APP_${theirs}`, `chat.js.api.STREAM.INFO.APP_${mine}`, 'chat.js.api.INFO'],
    ...[
      `chat.js.api.CONSUMER.MSG.NEXT.APP_${mine}.there`,
      `chat.js.ack.APP_${theirs}.there.1.1.1.1.0`,
      'chat.js.srv.PING',
    ],
    ...[
      `chat.gate.api.CONSUMER.MSG.NEXT.APP_${theirs}.there`,
      `chat.gate.ack.APP_${theirs}.there.1.1.1.1.0`,
      'chat.gate.x',
    ],
    // The server's own, and discovery of anything else.
    ...['$SYS.REQ.USER.AUTH', '$SYS.REQ.USER.INFO', '$SYS.REQ.SERVER.PING', '$SYS.REQ.SERVER.PING.CONNZ'],
    ...[
      '$SYS.REQ.ACCOUNT.APPS.CONNZ',
      '$SYS.REQ.ACCOUNT.PING.CONNZ',
      '$SYS.REQ.SERVER.X.KICK',
      '$SYS.ACCOUNT.APPS.CONNECT',
    ],
    ...[
      '$SRV.PING.other',
      '$SRV.INFO.lanes.a.b',
      '$SRV.SCHEMA',
      '$MQTT.msgs.x',
      '$MQTT.sess.x',
      '$MQTT.JSA.x',
      '$KV.x.y',
      '$O.x',
    ],
    ...[`_INBOX_${theirs}.x`, `_INBOX_${mine}.x`, '_INBOX.x', '_R_.x', '_GR_.x.y', '$GR.x', '$NRG.V.x'],
  ];
};

const foreignSubscriptions = (): readonly string[] => {
  const [mine, theirs] = [own.app, victim.app];
  return [
    ...['>', '*.>', '*', '*.*.*.*.*', 'chat.>', 'chat.*.*.*', 'chat.app.>', 'chat.app.*.event.>', 'chat.app.*.>'],
    ...[`chat.app.${mine}.>`, `chat.app.${mine}.*.>`, `chat.app.${mine}.cmd.>`, `chat.app.${mine}.cmd.send`],
    ...['event.>', 'replay.>', 'dead.>', 'reply.>', 'cmd.*', 'event.c1', '>'].map(
      (rest) => `chat.app.${theirs}.${rest}`,
    ),
    ...['chat.lane.>', 'chat.live.>', 'chat.live.0.c1', 'chat.receipt.>', 'chat.snapshot.>', 'chat.undelivered.>'],
    ...[
      'chat.integration.>',
      `chat.integration.${mine}`,
      'chat.bridge.>',
      'chat.gate.>',
      'chat.js.>',
      'chat.delivery.>',
    ],
    ...[
      '$JS.>',
      '$JS.API.>',
      '$JS.ACK.>',
      `$JS.ACK.APP_${mine}.>`,
      '$JS.EVENT.>',
      '$JSC.>',
      '$SYS.>',
      '$SYS.REQ.USER.AUTH',
    ],
    ...[
      '$SRV.>',
      '$SRV.PING',
      '$MQTT.>',
      '$MQTT.sub.>',
      '$KV.>',
      '_INBOX.>',
      `_INBOX_${theirs}.>`,
      '_INBOX_*.>',
      `_INBOX_${mine}`,
    ],
    ...['_R_.>', '_GR_.>', '$NRG.>'],
  ];
};

describe('the rights, as they are written', () => {
  const app = (name: string): AppId => parseAppId(name) as AppId;

  it('name nobody else, by whatever name', () => {
    for (const door of ['nats', 'mqtt'] as const)
      for (const subject of [...rightsOf(app('one'), door).publish, ...rightsOf(app('one'), door).subscribe])
        if (!/^chat\.gate\.srv\.(PING|INFO|STATS)(\.lanes(\.\*)?)?$/.test(subject))
          expect(
            subject.split('.').filter((token) => /^(APP_|_INBOX_)?one$/.test(token)),
            subject,
          ).toHaveLength(1);
    expect(rightsOf(app('one'), 'mqtt').publish).toHaveLength(VERBS.length);
  });

  it('tell an inbox and a client id from those of an integration with a longer name', () => {
    expect(isInboxOf(app('a'), '_INBOX_a.x')).toBe(true);
    for (const reply of ['_INBOX_ab.x', '_INBOX_a', '_INBOX_a.', '_INBOX.a.x', 'x._INBOX_a.x', ''])
      expect(isInboxOf(app('a'), reply), reply).toBe(false);
    for (const id of ['a', 'a:0', 'a:63']) expect(isClientIdOf(app('a'), id), id).toBe(true);
    for (const id of ['', 'b', 'a-b', 'a_b', 'ab', 'a:', 'a:64', 'a:00', 'a:1:1', 'a:x', 'A', 'a:-1'])
      expect(isClientIdOf(app('a'), id), id).toBe(false);
  });

  it('let a consumer be made that pulls, and of what is known', () => {
    const check = (config: unknown) => checkConsumerRequest(JSON.stringify({ stream_name: 'APP_a', config }), 'APP_a');
    expect(check({ durable_name: 'c', ack_policy: 'explicit', deliver_subject: '', max_deliver: 5 }).kind).toBe(
      'allowed',
    );
    for (const config of [
      { deliver_subject: '_INBOX_a.x' },
      { Deliver_Subject: 'x' },
      { deliver_group: 'x' },
      { flow_control: true },
      { idle_heartbeat: 1 },
      { ack_policy: 'flow_control' },
      { max_ack_pending: -1 },
      { max_ack_pending: 1e9 },
      { max_waiting: 1e6 },
      { something_new: true },
      { filter_subjects: Array(65).fill('x') },
      null,
      [],
      'x',
    ])
      expect(check(config).kind, JSON.stringify(config)).toBe('refused');
    for (const body of [
      '',
      '[]',
      'x',
      '{}',
      '{"stream_name":"APP_b","config":{}}',
      '{"stream_name":"APP_a","config":{},"x":1}',
    ])
      expect(checkConsumerRequest(body, 'APP_a').kind, body).toBe('refused');
    const twice = checkConsumerRequest(
      '{"stream_name":"APP_a","config":{"deliver_subject":"x"},"config":{"name":"c"}}',
      'APP_a',
    );
    expect(twice).toEqual({ kind: 'allowed', body: '{"stream_name":"APP_a","config":{"name":"c"}}' });
  });
});

describe.each(ways)('over %s', (way) => {
  it('every foreign subject is refused, and nothing comes of it', async () => {
    const client = await enter(way, own);
    const before = await stateOf();
    const subjects = foreignPublishes();
    expect(subjects.length).toBeGreaterThanOrEqual(100);
    const heard = await heardDuring(['chat.lane.>', 'chat.app.>', 'chat.gate.>', '_INBOX_*.>'], async () => {
      for (const subject of subjects) {
        const errors = await client.publish(subject, '{}', `_INBOX_${own.app}.x`);
        expect(errors.join(), subject).toMatch(/Permissions Violation for Publish/);
      }
    });
    expect(heard).toEqual([]);
    expect(await stateOf()).toEqual(before);
    client.close();
  });

  it('every foreign subscription is refused', async () => {
    const client = await enter(way, own);
    const subjects = foreignSubscriptions();
    expect(subjects.length).toBeGreaterThanOrEqual(40);
    for (const subject of subjects)
      for (const queue of [undefined, 'lanes-callout']) {
        const errors = await client.subscribe(subject, queue);
        expect(errors.join(), `${subject} ${queue}`).toMatch(/Permissions Violation for Subscription/);
      }
    await doors.bridge.jetstream().publish(`chat.app.${victim.app}.event.private`, 'x');
    await doors.lanes.jetstream().publish('chat.lane.0.private', 'x');
    await client.subscribe(`chat.app.${own.app}.event.>`);
    await doors.bridge.jetstream().publish(`chat.app.${own.app}.event.c1`, 'mine');
    await expect.poll(() => client.messages.map(({ data }) => data)).toEqual(['mine']);
    client.close();
  });

  it('an answer goes into its own inbox, whatever else is asked', async () => {
    const client = await enter(way, own);
    const watcher = await enter(way, victim);
    await watcher.subscribe(`_INBOX_${victim.app}.>`);
    await watcher.subscribe(`chat.app.${victim.app}.event.>`);
    const before = await stateOf();
    const stream = `APP_${own.app}`;
    const requests: readonly (readonly [string, string])[] = [
      [`$JS.API.STREAM.INFO.${stream}`, ''],
      [`$JS.API.CONSUMER.INFO.${stream}.there`, ''],
      [`$JS.API.CONSUMER.NAMES.${stream}`, ''],
      [`$JS.API.CONSUMER.LIST.${stream}`, ''],
      [`$JS.API.CONSUMER.MSG.NEXT.${stream}.there`, '{"batch":1}'],
      [`$JS.API.CONSUMER.DELETE.${stream}.nobody`, ''],
      [`$JS.API.CONSUMER.CREATE.${stream}.made`, JSON.stringify({ stream_name: stream, config: { name: 'made' } })],
      [`$JS.ACK.${stream}.there.1.1.1.1.0`, ''],
      [`$JS.ACK.${stream}.there.1.1.1.1.0`, '+NXT'],
      ['$SRV.PING', ''],
      ['$SRV.STATS.lanes', ''],
    ];
    const replies = [
      ...[
        'chat.lane.0.c1',
        `chat.app.${victim.app}.event.c1`,
        `chat.app.${own.app}.event.c1`,
        `_INBOX_${victim.app}.x`,
      ],
      ...[`$JS.API.STREAM.DELETE.APP_${victim.app}`, `chat.js.api.STREAM.DELETE.APP_${victim.app}`],
      ...[`chat.js.api.STREAM.PURGE.APP_${victim.app}`, `$JS.API.CONSUMER.DELETE.APP_${victim.app}.there`],
      ...[`chat.app.${victim.app}.cmd.send`, '$SYS.REQ.USER.AUTH', `_INBOX_${own.app}`, `_INBOX_${own.app}x.y`, ''],
    ];
    const heard = await heardDuring(['chat.lane.>', `chat.app.${victim.app}.>`, '$SYS.REQ.USER.AUTH'], async () => {
      for (const [subject, payload] of requests)
        for (const reply of replies)
          expect(await client.publish(subject, payload, reply || undefined), `${subject} ${reply}`).toEqual([]);
      // These are the server's own: it refuses them at once.
      for (const reply of ['$JS.ACK.x', '_R_.x', '_GR_.x'])
        expect((await client.publish(`$JS.API.STREAM.INFO.${stream}`, '', reply)).length).toBe(1);
    });
    expect(heard).toEqual([]);
    expect(watcher.messages).toEqual([]);
    expect(await stateOf()).toEqual(before);
    // Discovery says who asks by the inbox alone: an answer can come to another's inbox, and to nothing that does something.
    client.close();
    watcher.close();
  });

  it('a consumer of its own cannot push, by any spelling', async () => {
    const client = await enter(way, own);
    await client.subscribe(`_INBOX_${own.app}.>`);
    const before = await stateOf();
    const stream = `APP_${own.app}`;
    const of = (config: object) =>
      JSON.stringify({ stream_name: stream, config: { name: 'push', durable_name: 'push', ...config } });
    const bodies = [
      of({ deliver_subject: 'chat.lane.0.c1' }),
      of({ deliver_subject: `chat.app.${victim.app}.event.c1` }),
      of({ deliver_subject: `_INBOX_${own.app}.x` }),
      of({ DELIVER_SUBJECT: 'chat.lane.0.c1' }),
      of({ deliver_subject: '$JS.API.STREAM.DELETE.x', deliver_group: 'x', flow_control: true, idle_heartbeat: 1e9 }),
      `{"stream_name":"${stream}","config":{"name":"push"},"Config":{"deliver_subject":"chat.lane.0.c1"}}`,
      `{"stream_name":"APP_${victim.app}","config":{"name":"push"}}`,
    ];
    const heard = await heardDuring(['chat.lane.>', `chat.app.${victim.app}.>`], async () => {
      for (const verb of ['CREATE', 'DURABLE.CREATE'])
        for (const [i, body] of bodies.entries()) {
          const reply = `_INBOX_${own.app}.${verb}.${i}`;
          expect(await client.publish(`$JS.API.CONSUMER.${verb}.${stream}.push`, body, reply)).toEqual([]);
          await expect.poll(() => client.messages.find(({ subject }) => subject === reply)?.data).toMatch(/"error":/);
        }
    });
    expect(heard).toEqual([]);
    expect(await stateOf()).toEqual(before);
    client.close();
  });

  it('what is its own works', async () => {
    const client = await enter(way, own);
    const [stream, inbox] = [`APP_${own.app}`, `_INBOX_${own.app}`];
    for (const subject of [
      `${inbox}.>`,
      ...['event', 'replay', 'dead', 'reply'].map((of) => `chat.app.${own.app}.${of}.>`),
    ])
      expect(await client.subscribe(subject), subject).toEqual([]);
    let asked = 0;
    const ask = async (subject: string, payload = ''): Promise<string> => {
      const reply = `${inbox}.q${++asked}`;
      expect(await client.publish(subject, payload, reply)).toEqual([]);
      const answer = () => client.messages.find((message) => message.subject === reply)?.data;
      await expect.poll(answer, { message: subject }).toBeDefined();
      return answer() as string;
    };
    const name = `own-${way}`;
    const config = { name, durable_name: name, ack_policy: 'explicit', filter_subject: `chat.app.${own.app}.event.>` };
    const created = await ask(
      `$JS.API.CONSUMER.CREATE.${stream}.${name}.chat.app.${own.app}.event.>`,
      JSON.stringify({ stream_name: stream, config }),
    );
    expect(JSON.parse(created)).toMatchObject({ name, config: { filter_subject: `chat.app.${own.app}.event.>` } });
    expect(JSON.parse(await ask(`$JS.API.STREAM.INFO.${stream}`))).toMatchObject({ config: { name: stream } });
    expect(JSON.parse(await ask(`$JS.API.CONSUMER.INFO.${stream}.${name}`))).toMatchObject({ name });
    expect(JSON.parse(await ask(`$JS.API.CONSUMER.NAMES.${stream}`)).consumers).toContain(name);
    expect(JSON.parse(await ask(`$JS.API.CONSUMER.LIST.${stream}`)).total).toBeGreaterThan(0);
    const given = client.messages.length;
    await client.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`, '{"batch":2}', `${inbox}.pull`);
    const acks = () => client.messages.slice(given).filter(({ reply }) => reply.startsWith('$JS.ACK.'));
    await expect.poll(() => acks().length).toBe(2);
    expect(acks().map(({ data }) => data)).toEqual(['1', '2']);
    for (const { reply } of acks()) expect(await ask(reply, '+ACK')).toBe('');
    const info = await appsManager.consumers.info(stream, name);
    expect(info).toMatchObject({ num_ack_pending: 0, ack_floor: { stream_seq: 2 } });
    expect(JSON.parse(await ask(`$JS.API.CONSUMER.DELETE.${stream}.${name}`))).toMatchObject({ success: true });
    client.close();
  });
});

describe('over NATS, by a client of its own', () => {
  it('commands reach the bridge, with where the answer goes', async () => {
    const client = await enterByNats(own);
    const service = doors.bridge.subscribe('chat.app.*.cmd.*', {
      callback: (_, message) =>
        void message.respond(`${message.subject} ${message.reply?.startsWith(own.nats.inboxPrefix)}`),
    });
    await doors.bridge.flush();
    const answer = await client.request(`chat.app.${own.app}.cmd.send`, '{}');
    expect(answer.string()).toBe(`chat.app.${own.app}.cmd.send true`);
    service.unsubscribe();
    await client.close();
  });

  it('the service is discovered', async () => {
    const service = await doors.bridge.services.add({ name: 'lanes', version: '1.0.0' });
    const client = await enterByNats(own);
    const pings = await client.services.client().ping('lanes');
    const found: string[] = [];
    for await (const { name } of pings) found.push(name);
    expect(found).toEqual(['lanes']);
    await service.stop();
    await client.close();
  });
});

describe('over MQTT', () => {
  const topicOf = (subject: string): string => subject.replaceAll('.', '/');
  const isTopic = (subject: string): boolean => !/[*>]/.test(subject);

  it('every foreign topic is refused, retained or not, and nothing comes of it', async () => {
    const client = await enterByMqtt(own);
    const before = await stateOf();
    // A right of NATS alone: it has replies, MQTT has none.
    const more = [`$JS.API.CONSUMER.DELETE.APP_${own.app}.there`, `$JS.API.STREAM.INFO.APP_${own.app}`, '$SRV.PING'];
    const subjects = [...foreignPublishes(), ...more, `chat.app.${own.app}.cmd.unknown`].filter(isTopic);
    expect(subjects.length).toBeGreaterThanOrEqual(40);
    const heard = await heardDuring(['chat.lane.>', 'chat.app.>', 'chat.gate.>'], async () => {
      for (const subject of subjects)
        for (const retain of [false, true]) {
          if (!client.connected) break;
          client.publish(topicOf(subject), '{}', { qos: 0, retain });
        }
      // What the server has read before it acknowledges this.
      await client.publishAsync(`chat/app/${own.app}/cmd/send`, 'last', { qos: 1 });
    });
    expect(heard).toEqual([`chat.app.${own.app}.cmd.send`]);
    expect(await stateOf()).toEqual(before);
    await client.endAsync(true);
    const theirs = await enterByMqtt(victim);
    const came = listenTo(theirs);
    await theirs.subscribeAsync(`chat/app/${victim.app}/event/#`);
    await doors.bridge.jetstream().publish(`chat.app.${victim.app}.event.c1`, 'first');
    await expect.poll(() => came).toEqual([`chat/app/${victim.app}/event/c1 first`]);
    await theirs.endAsync(true);
  });

  it('every foreign filter is refused', async () => {
    const client = await enterByMqtt(own);
    const filters = foreignSubscriptions().map((subject) => topicOf(subject).replaceAll('*', '+').replaceAll('>', '#'));
    for (const filter of [...filters, '#', '+/#', `_INBOX_${own.app}/#`])
      for (const qos of [0, 1] as const) await expect(client.subscribeAsync(filter, { qos }), filter).rejects.toThrow();
    await client.endAsync(true);
  });

  it('commands go out, answers and events come in', async () => {
    const client = await enterByMqtt(own);
    const came = listenTo(client);
    for (const branch of ['event', 'replay', 'dead', 'reply'])
      await client.subscribeAsync(`chat/app/${own.app}/${branch}/#`, { qos: 1 });
    const service = doors.bridge.subscribe('chat.app.*.cmd.*', {
      callback: (_, { subject, reply, data }) =>
        void doors.bridge.publish(
          `chat.app.${subject.split('.')[2]}.reply.r1`,
          `${reply || 'no reply'} ${Buffer.from(data)}`,
        ),
    });
    await doors.bridge.flush();
    for (const qos of [0, 1] as const) await client.publishAsync(`chat/app/${own.app}/cmd/send`, `qos ${qos}`, { qos });
    await expect.poll(() => came.length).toBe(2);
    expect(came).toEqual([0, 1].map((qos) => `chat/app/${own.app}/reply/r1 no reply qos ${qos}`));
    await doors.bridge.jetstream().publish(`chat.app.${own.app}.event.c1`, 'an event');
    await expect.poll(() => came.at(-1)).toBe(`chat/app/${own.app}/event/c1 an event`);
    service.unsubscribe();
    await client.endAsync(true);
  });

  it('nobody comes under the client id of another, nor ends its connection', async () => {
    const theirs = await enterByMqtt(victim);
    const { clientId } = victim.mqtt;
    for (const id of [clientId, `${clientId}:0`, `${own.app}-2`, `${own.app}:64`, '', 'mqttjs_1234'])
      await expect(enterByMqtt(own, { clientId: id }), id).rejects.toThrow();
    expect(theirs.connected).toBe(true);
    const more = await Promise.all([0, 1, 63].map((n) => enterByMqtt(own, { clientId: `${own.app}:${n}` })));
    await Promise.all([theirs, ...more].map((client) => client.endAsync(true)));
  });

  it('a will does not reach where its owner does not', async () => {
    const before = await stateOf();
    const heard = await heardDuring(['chat.lane.>', 'chat.app.>'], async () => {
      for (const subject of ['chat.lane.0.c1', `chat.app.${victim.app}.event.c1`, `chat.app.${own.app}.cmd.send`]) {
        const will = { topic: topicOf(subject), payload: Buffer.from('will'), qos: 1 as const, retain: true };
        const client = await enterByMqtt(own, { will }).catch(() => undefined);
        client?.stream.destroy();
      }
      const last = await enterByMqtt(own, { clientId: `${own.app}:1` });
      await last.publishAsync(`chat/app/${own.app}/cmd/leave`, 'last', { qos: 1 });
      await last.endAsync(true);
    });
    expect(new Set(heard)).toEqual(new Set([`chat.app.${own.app}.cmd.send`, `chat.app.${own.app}.cmd.leave`]));
    expect(await stateOf()).toEqual(before);
  });

  function listenTo(client: MqttClient): string[] {
    const came: string[] = [];
    client.on('message', (topic, payload) => void came.push(`${topic} ${payload}`));
    return came;
  }
});
