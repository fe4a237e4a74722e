/** A large group whose pushes take long, at a provider that is slow: who is in other conversations hears of them meanwhile. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LaneId } from '../schema/ids.ts';
import type { Running } from '../services/run.ts';
import { devicesOf, tokenHashOf } from '../services/views/device-documents.ts';
import { fcm, GRACE_MS, type Notifying, startNotifying, untilSo } from './support/notifying.ts';
import { laneId, userId } from './support/scribe.ts';

const MEMBERS = 10_000;
/** Of the group: 320 items, of which the notifier works on one at a time, holds 256, and puts the others off. */
const MESSAGES = 16;
const OTHERS = 8;
const ANSWERS_AFTER_MS = 200;
const GROUP = laneId('group');

/** When the push for each conversation came to the provider. */
const heardAt = new Map<LaneId, number>();
let groupPushes = 0;

let all: Notifying;
let notifier: Running;
beforeAll(async () => {
  const slowly = { meets: () => new Promise<undefined>((answer) => setTimeout(answer, ANSWERS_AFTER_MS)) };
  all = await startNotifying({ hooks: { apns: {}, fcm: slowly } });
}, 60_000);
afterAll(async () => {
  await notifier?.stop();
  await all?.stop();
});

/** The same registration for all, at once: one after the other they take half a minute. */
async function registerLike(first: string, others: readonly string[]): Promise<void> {
  await all.register(first);
  const devices = devicesOf(await all.mongo.db());
  const model = await devices.findOne({ '_id.u': userId(first) });
  if (!model) throw new Error('not registered');
  const registered = others
    .filter((user) => user !== first)
    .map((user) => {
      const push = fcm(`${user}-phone`);
      return { ...model, _id: { ...model._id, u: userId(user) }, push, tokenHash: tokenHashOf(push) };
    });
  await devices.insertMany(registered);
}

test('single messages to others are pushed while a group of 10,000 is worked off', async () => {
  const seen = { count: 0 };
  const look = (): void => {
    for (const { lanes } of all.providers.fcm.pushes.slice(seen.count)) {
      const lane = lanes['conversationId'] as LaneId;
      if (lane === GROUP) groupPushes++;
      else if (!heardAt.has(lane)) heardAt.set(lane, Date.now());
    }
    seen.count = all.providers.fcm.pushes.length;
  };
  const members = Array.from({ length: MEMBERS }, (_, i) => `member${i}`);
  await registerLike('member0', members);
  notifier = await all.startNotifier();
  await all.scribe.create(GROUP, ...members);
  await all.scribe.say(GROUP, MESSAGES);
  await untilSo(() => {
    look();
    return groupPushes > 0;
  }, 60_000);
  const lates: number[] = [];
  for (let i = 0; i < OTHERS; i++) {
    const lane = await all.tell(`other${i}`, `lone${i}`);
    const dueAt = Date.now() + GRACE_MS;
    await untilSo(() => {
      look();
      return heardAt.has(lane);
    }, 20_000);
    lates.push((heardAt.get(lane) ?? 0) - dueAt);
  }
  lates.sort((a, b) => a - b);
  console.info(
    `late, ms: median ${lates[OTHERS >> 1]}, worst ${lates.at(-1)}; of the group ${groupPushes} pushed by then`,
  );
  // The group is not done: nobody waited for it.
  expect(groupPushes).toBeLessThan(MEMBERS * MESSAGES);
}, 180_000);
