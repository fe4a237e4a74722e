/** Followers of a conversation that lost its newest messages in a power cut: they are told by a Reset, and never given what follows others. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type JetStreamJournal, openJetStreamJournal } from '../services/journal/jetstream.ts';
import { socketOf, startApi, type TestApi, type TestSocket, tokenFor } from './support/api.ts';
import { powerCutOf } from './support/power-cut.ts';
import { silent } from './support/projecting.ts';
import { laneId, Scribe, until } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';
import { type StallingProxy, startStallingProxy } from './support/stalling-proxy.ts';

const FOLLOW = `subscription($id: ID!, $after: Int) { conversation(id: $id, after: $after) {
  __typename seq ... on Reset { resetReason } ... on MessageSent { message { text } } } }`;

let servers: TestServers;
let proxy: StallingProxy;
let api: TestApi;
let journal: JetStreamJournal;
let socket: TestSocket;
beforeAll(async () => {
  servers = await startServers({ mongo: false });
  proxy = await startStallingProxy(Number(new URL(servers.nats.url).port));
  api = await startApi(servers, { LANES_NATS_URL: `nats://127.0.0.1:${proxy.port}`, LANES_PARTITIONS: '1' });
  const { nats, storeBytes: maxBytes } = servers.config();
  journal = await openJetStreamJournal({ ...nats, partitions: 1, maxBytes, log: silent, name: 'test' });
  socket = await socketOf(api, await tokenFor(api, 'bob'));
});
afterAll(async () => {
  socket?.socket.terminate();
  await api?.stop();
  await journal?.close();
  await proxy?.stop();
  await servers?.stop();
});

const story = (id: string): string[] =>
  socket.nexts(id).map(({ data }) => {
    const { __typename: type, seq, resetReason, message } = data.conversation;
    return [type, seq, resetReason ?? message?.text].filter((part) => part !== undefined).join(' ');
  });
const isUp = () =>
  until(
    () => journal.status(),
    ({ isReady }) => isReady,
  );
const say = (scribe: Scribe, lane: string, text: string) => scribe.write(laneId(lane), [{ type: 'MessageSent', text }]);

test('whether fewer, as many or more messages came in the place of the lost ones', async () => {
  const before = new Scribe(journal, Date.now);
  const power = powerCutOf(servers);
  const ids = ['none', 'fewer', 'same', 'more'];
  for (const id of ids) {
    await before.create(laneId(id), 'bob');
    await say(before, id, 'kept');
  }
  await power.remember();
  await isUp();
  for (const id of ids) {
    socket.subscribe(id, FOLLOW, { id, after: 0 });
    for (const n of [3, 4]) await say(before, id, `lost ${n}`);
  }
  for (const id of ids)
    await until(
      () => story(id),
      (seen) => seen.includes('MessageSent 4 lost 4') && seen.some((one) => one.startsWith('CaughtUp')),
    );
  // The api comes back when all is written anew: by their numbers alone nobody could tell.
  proxy.allow(0);
  await power.cut();
  await power.restart();
  await isUp();
  const after = new Scribe(journal, Date.now);
  for (const id of ids) after.lanes.set(laneId(id), before.events(laneId(id)).slice(0, 2));
  // In the order in which the lost ones were written, so that `same` has its numbers in the stream, too.
  await say(after, 'fewer', 'new 3');
  await say(after, 'more', 'new 3');
  await say(after, 'more', 'new 4');
  await say(after, 'more', 'new 5');
  await say(after, 'same', 'new 3');
  await say(after, 'same', 'new 4');
  proxy.allow(Number.POSITIVE_INFINITY);
  const ends = { none: 2, fewer: 3, same: 4, more: 5 } as const;
  for (const [id, end] of Object.entries(ends)) {
    await until(
      () => story(id),
      (seen) => seen.some((one) => one === `Reset ${end} STORE_REBUILT`),
    );
    await say(after, id, 'next');
    const seen = await until(
      () => story(id),
      (all) => all.at(-1) === `MessageSent ${end + 1} next`,
    );
    const reset = seen.indexOf(`Reset ${end} STORE_REBUILT`);
    expect(seen.slice(0, reset)).toContain('MessageSent 4 lost 4');
    expect(seen.slice(reset + 1).filter((one) => one.startsWith('MessageSent'))).toEqual([
      `MessageSent ${end + 1} next`,
    ]);
  }
}, 90_000);

test('a position after the end of a conversation that was cut is told by AHEAD', async () => {
  socket.subscribe('late', FOLLOW, { id: 'none', after: 40 });
  await until(
    () => story('late'),
    (seen) => seen.includes('Reset 3 AHEAD'),
  );
  expect(story('late')[0]).toBe('StreamStarted 3');
});
