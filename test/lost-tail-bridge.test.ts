/** Integrations whose conversations lost their newest events in a power cut: nothing that came in their place is passed over. */
import { execFile } from 'node:child_process';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Pump } from '../bridge/pump.ts';
import type { LaneId } from '../schema/ids.ts';
import { appEvent, appStream, partitionOf } from '../schema/subjects.ts';
import { app, type Bridging, type Got, PARTITIONS, startBridging } from './support/bridging.ts';
import { powerCutOf } from './support/power-cut.ts';
import { silent } from './support/projecting.ts';
import { createAuthority } from './support/providers/certificates.ts';
import { startReceiver } from './support/receiver.ts';
import { laneId, until } from './support/scribe.ts';
import { hook, openSending } from './support/sending.ts';
import { startStallingProxy } from './support/stalling-proxy.ts';

const BOOTSTRAP = resolve(import.meta.dirname, '..', 'services', 'cli', 'bootstrap.mjs');
const LANES = Array.from({ length: 40 }, (_, n) => laneId(`b${n}`));
const [mine, aside] = [0, 1].map((p) => LANES.filter((lane) => partitionOf(lane, PARTITIONS) === p).slice(0, 4));

let bridging: Bridging;
let pump: Pump;
const alarms: Record<string, unknown>[] = [];
const log = pino({ level: 'error' }, { write: (line) => void alarms.push(JSON.parse(line)) });
beforeAll(async () => {
  bridging = await startBridging();
  pump = await bridging.startPump({}, log);
});
afterAll(() => bridging?.stop());

const stored = async (): Promise<Got[]> => {
  const name = appStream(app('all1'));
  const { state } = await bridging.manager.streams.info(name);
  const got: Got[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq++)
    got.push((await bridging.manager.streams.getMessage(name, { seq })).json());
  return got;
};
const dirOf = (store: string, stream: string): string => {
  const found = readdirSync(store, { recursive: true, encoding: 'utf8' }).find((path) => path.endsWith(`/${stream}`));
  if (found === undefined) throw new Error(`${stream} is not in ${store}`);
  return join(store, found);
};
const isUp = () =>
  until(
    () => bridging.journal.status(),
    ({ isReady }) => isReady,
  );
const isStored = (count: number) =>
  until(
    () => stored().catch(() => []),
    ({ length }) => length === count,
  );

test('the pump stands still in that partition with an alarm, goes on in the others, and ends it by a command', async () => {
  const { scribe, servers } = bridging;
  const power = powerCutOf(servers);
  const [kept = laneId(''), ...lost] = mine ?? [];
  const [other = laneId('')] = aside ?? [];
  await bridging.add('all1', 'all');
  for (const lane of [kept, other]) await scribe.create(lane, 'bob');
  await scribe.say(kept, 3);
  await isStored(5);
  await power.remember();
  await isUp();
  for (const lane of lost) await scribe.create(lane, 'carol');
  await scribe.say(kept, 3);
  await isStored(11);

  await power.cut();
  await power.restart();
  await isUp();
  for (const lane of lost) scribe.lanes.delete(lane);
  scribe.lanes.set(kept, scribe.events(kept).slice(0, 4));
  // Other records than those that were lost, and more of them.
  for (const lane of lost) {
    await scribe.create(lane, 'dave');
    await scribe.say(lane, 2);
  }
  await scribe.write(kept, [{ type: 'MessageSent', text: 'another fifth' }]);
  await until(
    () => alarms,
    (seen) =>
      seen.some(({ alarm, service, partition }) => alarm === 'halted' && service === 'bridge' && partition === 0),
  );
  await scribe.say(other, 1);
  await isStored(6);
  expect((await stored()).at(-1)).toMatchObject({ conversationId: other, seq: 2 });

  const env = servers.environment({ LANES_PARTITIONS: String(PARTITIONS) });
  const { stdout } = await promisify(execFile)(process.execPath, [BOOTSTRAP, 'resume', 'bridge'], { env });
  expect(stdout).toMatch(/^bridge, partition 0: 1 integrations go on behind stream sequence 4\n$/);
  await isStored(6 + 3 * lost.length + 1);
  const got = await stored();
  for (const lane of [kept, ...lost])
    expect(got.filter(({ conversationId }) => conversationId === lane).map(({ seq }) => seq)).toEqual(
      scribe.events(lane).map(({ seq }) => seq),
    );
  expect(JSON.stringify(got)).toContain('another fifth');
  await scribe.say(kept, 1);
  await isStored(6 + 3 * lost.length + 2);
}, 120_000);

test('a pump whose place had not been written yet puts what came in the place of lost events behind them, after a Reset', async () => {
  const { scribe, servers } = bridging;
  const power = powerCutOf(servers);
  const lane = LANES[30] as LaneId;
  const name = app('all2');
  const ofIt = async () => {
    const { state } = await bridging.manager.streams.info(appStream(name));
    const seqs = Array.from({ length: state.last_seq - state.first_seq + 1 }, (_, i) => state.first_seq + i);
    const all = seqs.map(async (seq) =>
      (await bridging.manager.streams.getMessage(appStream(name), { seq })).json<Got>(),
    );
    return (await Promise.all(all)).filter(({ conversationId }) => conversationId === lane);
  };
  const isThere = (count: number) =>
    until(
      () => ofIt().catch(() => []),
      ({ length }) => length >= count,
    );
  await bridging.add('all2', 'all');
  await scribe.create(lane, 'erin');
  await isThere(1);
  await power.remember();
  await isUp();
  await scribe.say(lane, 3);
  await isThere(4);
  // All is lost but what lies in the integration's stream: the places, too.
  await pump.stop();
  await servers.nats.stop();
  const kept = dirOf(join(servers.dir, 'nats'), appStream(name));
  const copy = join(servers.dir, 'kept');
  cpSync(kept, copy, { recursive: true, preserveTimestamps: true });
  await power.cut();
  rmSync(kept, { recursive: true });
  cpSync(copy, kept, { recursive: true, preserveTimestamps: true });
  await power.restart();
  await isUp();
  scribe.lanes.set(lane, scribe.events(lane).slice(0, 1));
  await scribe.write(lane, [{ type: 'MessageSent', text: 'another second' }]);
  await scribe.write(lane, [{ type: 'MessageSent', text: 'another third' }]);
  pump = await bridging.startPump({}, log);
  await scribe.say(lane, 3);
  const got = await until(
    () => ofIt().catch((): Got[] => []),
    (all) => all.at(-1)?.seq === 6,
  );
  expect(got.map(({ type, seq }) => `${type} ${seq}`).slice(4)).toEqual([
    'Reset 1',
    ...[2, 3, 4, 5, 6].map((seq) => `MessageSent ${seq}`),
  ]);
  expect(got[4]).toMatchObject({ resetReason: 'STORE_REBUILT' });
  expect(JSON.stringify(got[5])).toContain('another second');
}, 120_000);

test('a webhook whose integration’s stream lost its newest events is sent those that came in their place', async () => {
  const { scribe, servers, bridge } = bridging;
  const power = powerCutOf(servers);
  const authority = createAuthority();
  const receiver = await startReceiver(authority);
  const proxy = await startStallingProxy(Number(new URL(servers.nats.url).port));
  const config = servers.config({
    ...{ LANES_PARTITIONS: String(PARTITIONS), LANES_NATS_URL: `nats://127.0.0.1:${proxy.port}` },
  });
  const sending = await openSending(config, silent, { authority: authority.certificate });
  const [name, lane] = [app('hook1'), laneId('hooked')];
  const texts = () => receiver.taken.map(({ event }) => event.text ?? event.type);
  const put = (seq: number, text: string) =>
    until(
      () =>
        bridge
          .request(appEvent(name, lane), JSON.stringify({ type: 'MessageSent', conversationId: lane, seq, text }))
          .then(
            (answer) => answer.string(),
            (error: Error) => error.message,
          ),
      (answer) => answer.includes('"seq"'),
    );
  await bridging.add('hook1');
  await hook(bridging.registry, name, receiver.url);
  await scribe.create(lane, 'app_hook1');
  await until(texts, ({ length }) => length === 1);
  await power.remember();
  await isUp();
  for (const seq of [2, 3]) await put(seq, `lost ${seq}`);
  await until(texts, ({ length }) => length === 3);
  proxy.allow(0);
  await power.cut();
  await power.restart();
  await isUp();
  for (const seq of [2, 3, 4]) await put(seq, `new ${seq}`);
  proxy.allow(Number.POSITIVE_INFINITY);
  await until(texts, (seen) => seen.at(-1) === 'new 4');
  // Where its own place was lost, too, something is sent once more; nothing is left out, and nothing out of order.
  expect([...new Set(texts())]).toEqual(['ConversationCreated', 'lost 2', 'lost 3', 'new 2', 'new 3', 'new 4']);
  await sending.stop();
  await Promise.all([receiver.stop(), proxy.stop()]);
}, 90_000);
