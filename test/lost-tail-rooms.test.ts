/** Rooms on a store that lost its newest records in a power cut, and was filled again: they stand still, say so, and go on when told. */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { partitionOf } from '../schema/subjects.ts';
import type { Running } from '../services/run.ts';
import { type NotifierPositionDocument, notifierPositionsOf } from '../services/views/ledger-documents.ts';
import { markLogOf } from '../services/views/receipts-store.ts';
import { positionsOf } from '../services/views/views.ts';
import { type Notifying, startNotifying, untilSo } from './support/notifying.ts';
import { type PowerCut, powerCutOf } from './support/power-cut.ts';
import { laneId } from './support/scribe.ts';
import { freePorts } from './support/servers.ts';

const BOOTSTRAP = resolve(import.meta.dirname, '..', 'services', 'cli', 'bootstrap.mjs');
const PARTITIONS = 2;

let all: Notifying;
let notifier: Running;
let power: PowerCut;
let adminPort: number;
beforeAll(async () => {
  adminPort = await freePorts(4);
  all = await startNotifying({}, { LANES_ADMIN_PORT: String(adminPort) });
  notifier = await all.startNotifier();
  power = powerCutOf(all.servers);
}, 60_000);
afterAll(async () => {
  await notifier?.stop();
  await all?.stop();
});

/** Names of conversations of one partition. */
const names = (partition: number, prefix: string, count: number): string[] => {
  const found: string[] = [];
  for (let n = 0; found.length < count; n++)
    if (partitionOf(laneId(`${prefix}${n}`), PARTITIONS) === partition) found.push(`${prefix}${n}`);
  return found;
};
const seqsTo = (user: string, lane?: string) =>
  all.providers.fcm.pushes.flatMap(({ token, lanes: { kind, seq, conversationId } }) =>
    token === `${user}-phone` && kind === 'message' && (lane === undefined || conversationId === lane) ? [seq] : [],
  );
const readyOf = async (room: 'projector' | 'notifier') => {
  const answer = await fetch(`http://127.0.0.1:${adminPort + (room === 'projector' ? 1 : 2)}/readyz`);
  return { status: answer.status, says: await answer.text() };
};
const figuresOf = async (room: 'projector' | 'notifier') =>
  (await fetch(`http://127.0.0.1:${adminPort + (room === 'projector' ? 1 : 2)}/metrics`)).text();
const isProjected = async () => {
  const ends = await Promise.all([0, 1].map((p) => all.journal.partitionEnd(p)));
  const positions = await positionsOf(await all.mongo.db())
    .find()
    .toArray();
  return ends.every((end, p) => positions.some(({ _id, w }) => _id.endsWith(`:${p}`) && w === end));
};
const foldedOf = async (user: string) =>
  (
    await markLogOf(await all.mongo.db())
      .find({ '_id.u': user as never })
      .toArray()
  ).map(({ _id }) => _id.s);
const isUp = () => untilSo(async () => (await all.journal.status()).isReady);

async function lanes(...words: readonly string[]): Promise<{ readonly code: number; readonly out: string }> {
  const env = all.servers.environment({ LANES_PARTITIONS: String(PARTITIONS), LANES_ADMIN_PORT: String(adminPort) });
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [BOOTSTRAP, ...words], { env });
    return { code: 0, out: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout + stderr };
  }
}

test('after a loss nothing is passed over: each stands still with an alarm, the other partition goes on, and a command ends it', async () => {
  const [kept = '', ...lost] = [...names(0, 'kept', 1), ...names(0, 'lost', 3)];
  const [aside = ''] = names(1, 'aside', 1);
  await all.tell(kept, 'bob');
  await all.tell(aside, 'erin');
  for (const seq of [1, 2]) await all.mark('bob', laneId(kept), seq);
  await untilSo(isProjected);
  await power.remember();
  await isUp();
  for (const name of lost) await all.tell(name, 'carol');
  await all.scribe.say(laneId(kept), 1);
  await untilSo(() => seqsTo('carol').length === 3 && seqsTo('bob', kept).includes(3));
  for (const name of lost) await all.mark('carol', laneId(name), 2);
  await untilSo(async () => (await foldedOf('carol')).length === 3 && isProjected());

  await power.cut();
  await power.restart();
  await isUp();
  for (const name of lost) all.scribe.lanes.delete(laneId(name));
  all.scribe.lanes.set(laneId(kept), all.scribe.events(laneId(kept)).slice(0, 2));
  await all.scribe.write(laneId(kept), [{ type: 'MessageSent', text: 'another third' }]);
  const fresh = names(0, 'fresh', 5);
  for (const name of fresh) await all.tell(name, 'dave');
  for (const name of fresh) await all.mark('dave', laneId(name), 1);
  expect(await all.journal.partitionEnd(0)).toBeGreaterThan(10);

  for (const [room, service] of [
    ['projector', 'projector'],
    ['projector', 'receipts'],
    ['notifier', 'notifier'],
  ] as const) {
    await untilSo(async () => (await readyOf(room)).says.includes(`${service}, partition 0`));
    const { status, says } = await readyOf(room);
    expect([status, says]).toEqual([503, expect.stringContaining(`lanes resume ${service}`)]);
    expect(await figuresOf(room)).toMatch(
      new RegExp(`^lanes_halted_partitions\\{service="${service}",partition="0"[^}]*\\} 1$`, 'm'),
    );
  }
  // The other partition goes on, and nothing comes of this one.
  await all.scribe.say(laneId(aside), 1);
  await untilSo(() => seqsTo('erin', aside).includes(3));
  expect(seqsTo('dave')).toEqual([]);
  expect(await foldedOf('dave')).toEqual([]);
  const { code, out } = await lanes('doctor');
  expect(code).toBe(1);
  for (const service of ['projector', 'receipts', 'notifier']) expect(out).toContain(`"lanes resume ${service}"`);

  expect(await lanes('resume', 'projector', '--partition', '1')).toEqual({
    code: 0,
    out: 'projector does not stand still there\n',
  });
  for (const service of ['projector', 'receipts', 'notifier'])
    expect(await lanes('resume', service)).toEqual({
      code: 0,
      out: expect.stringMatching(new RegExp(`^${service}, partition 0: goes on behind .*\n$`)),
    });
  await untilSo(() => seqsTo('dave').length >= fresh.length && seqsTo('bob', kept).length >= 2);
  for (const name of fresh) expect(seqsTo('dave', name)).toEqual([2]);
  // The lost message was pushed, and so is the one that has its place.
  expect(seqsTo('bob', kept)).toEqual([3, 3]);
  await untilSo(async () => (await foldedOf('dave')).length === fresh.length && isProjected());
  expect(await lanes('verify')).toEqual({ code: 0, out: 'history equals the lanes\n' });
  for (const room of ['projector', 'notifier'] as const)
    expect(await readyOf(room)).toEqual({ status: 200, says: 'ok\n' });
  expect(await figuresOf('projector')).not.toMatch(/^lanes_halted_partitions\{/m);
}, 180_000);

test('a notifier whose place had not been written pushes what came in the place of what it had pushed', async () => {
  const [name = ''] = names(0, 'unwritten', 1);
  const lane = laneId(name);
  await all.tell(name, 'frank');
  await untilSo(async () => seqsTo('frank').length === 1 && isProjected());
  const places = notifierPositionsOf(await all.mongo.db());
  const written = async () => (await places.findOne({ _id: 0 })) ?? { w: 0 };
  const end = await all.journal.partitionEnd(0);
  await untilSo(async () => (await written()).w === end);
  const { _id, ...before } = (await places.findOne({ _id: 0 })) ?? {};
  await power.remember();
  await isUp();
  await all.scribe.say(lane, 2);
  await untilSo(async () => seqsTo('frank').length === 3 && isProjected());
  // Ended before it had written how far it was.
  await notifier.stop();
  await places.replaceOne({ _id: 0 }, before as NotifierPositionDocument);

  await power.cut();
  await power.restart();
  await isUp();
  all.scribe.lanes.set(lane, all.scribe.events(lane).slice(0, 2));
  for (const text of ['another third', 'another fourth', 'a fifth'])
    await all.scribe.write(lane, [{ type: 'MessageSent', text }]);
  for (const service of ['projector', 'receipts']) expect((await lanes('resume', service)).code).toBe(0);
  await untilSo(isProjected);
  notifier = await all.startNotifier();
  await untilSo(() => seqsTo('frank').includes(5));
  expect(seqsTo('frank').sort()).toEqual([2, 3, 3, 4, 4, 5]);
}, 120_000);
