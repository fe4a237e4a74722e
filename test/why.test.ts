import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LaneId, parseUserId, seqOf, type UserId } from '../schema/ids.ts';
import { command } from '../services/cli/why.ts';
import { linesOf, tellWhy } from '../services/notifier/why.ts';
import type { Running } from '../services/run.ts';
import type { Delivery } from '../services/views/delivery.ts';
import { deliveryOf } from '../services/views/delivery.ts';
import { type Notifying, startNotifying, untilSo } from './support/notifying.ts';
import { silent } from './support/projecting.ts';
import { laneId, userId } from './support/scribe.ts';

describe('lanes why', () => {
  let all: Notifying;
  let notifier: Running;
  let lane: LaneId;
  beforeAll(async () => {
    all = await startNotifying();
    notifier = await all.startNotifier();
    lane = await all.tell('story', 'bob', 'carol');
    await all.scribe.write(lane, [{ type: 'MembersAdded', members: ['dora'] }]);
    await untilSo(async () => (await all.deliveryOf(lane, 2, 'bob')).state === 'NOTIFIED');
    await untilSo(async () => (await all.deliveryOf(lane, 2, 'carol')).state === 'NOTIFIED');
    await all.mark('bob', lane, 2, 'delivered', 'phone');
    await all.mark('bob', lane, 2, 'read');
  });
  afterAll(async () => {
    await notifier?.stop();
    await all?.stop();
  });

  const why = async (seq: number, user?: string) => {
    const lines: string[] = [];
    const config = all.servers.config({ LANES_PARTITIONS: '2' });
    const print = (line: string) => lines.push(line);
    const told = await tellWhy({ config, log: silent, lane, seq: seqOf(seq), user: parseUserId(user), print });
    return { told, lines };
  };
  const TIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;

  test('tells of each recipient, in order', async () => {
    const { told, lines } = await why(2);
    expect(told).toEqual({ kind: 'told' });
    const expected = [
      `^story:2, by alice, accepted ${TIME}, 2 recipients$`,
      '^bob: READ$',
      `^  ${TIME}  push by FCM to device phone: SENT$`,
      `^  ${TIME}  delivered to device phone$`,
      `^  ${TIME}  read$`,
      '^carol: NOTIFIED$',
      `^  ${TIME}  push by FCM to device phone: SENT$`,
    ];
    expect(lines).toHaveLength(expected.length);
    for (const [i, line] of lines.entries()) expect(line).toMatch(new RegExp(expected[i] as string));
  });

  test('tells of one', async () => {
    const { lines } = await why(2, 'carol');
    expect(lines.map((line) => line.replace(new RegExp(TIME), '…'))).toEqual([
      'story:2, by alice, accepted …, 2 recipients',
      'carol: NOTIFIED',
      '  …  push by FCM to device phone: SENT',
    ]);
  });

  test.each([
    [2, 'alice', 'alice sent it'],
    [2, 'dora', 'dora joined with event 3, after 2'],
    [2, 'eve', 'eve is no member'],
    [1, 'bob', 'story:1 is no message: ConversationCreated'],
    [9, 'bob', 'there is no event story:9'],
  ])('of %i to %s there is nothing to tell, and it says why', async (seq, user, message) => {
    expect((await why(seq, user)).told).toEqual({ kind: 'nothing', message });
  });
});

test('what is asked for wrongly is said with the usage', async () => {
  const run = (...positionals: string[]) => command.run({ positionals, text: () => undefined, flag: () => false });
  await expect(run('no.id', '1')).rejects.toThrow("a conversation's id is");
  await expect(run('c1', 'x')).rejects.toThrow('a seq is a whole number from 1');
  await expect(run('c1', '0')).rejects.toThrow('a seq is a whole number from 1');
  await expect(run('c1', '1', '*')).rejects.toThrow("a user's id is");
});

describe('why no push went', () => {
  const AT = Date.UTC(2026, 0, 1);
  const DAY = 24 * 60 * 60 * 1000;
  const bob = userId('bob');
  type Facts = Parameters<typeof deliveryOf>[3];
  const told = (story: Facts['story'], when: Facts['when'] = {}, now = AT + 1_000): Delivery => ({
    ...deliveryOf(laneId('c1'), { seq: seqOf(2), at: AT }, bob as UserId, { story, when, now }),
    hidesRead: false,
  });
  const story = { isOpen: false, closed: [], attempts: [] };

  test.each<[string, Delivery, Delivery['noPushReason']]>([
    ['nothing is known yet', told(undefined), 'WAITING_GRACE'],
    ['delivered before a decision', told(undefined, { deliveredAt: AT }), 'DELIVERED_IN_TIME'],
    ['never decided, and a day old', told(undefined, {}, AT + DAY), 'EXPIRED'],
    ['forgotten', told(undefined, { deliveredAt: AT }, AT + 31 * DAY), undefined],
    ['decided, not begun', told({ ...story, decided: 'push' }), 'WAITING_PROVIDER'],
    // Decided again after its notifier died, when nothing was left to decide.
    [
      'decided, and delivered before it began',
      told({ ...story, decided: 'push' }, { deliveredAt: AT + 1 }),
      'DELIVERED_IN_TIME',
    ],
    ['under way', told({ ...story, decided: 'push', isOpen: true, closed: ['TOKEN_DEAD'] }), 'WAITING_PROVIDER'],
    ['muted', told({ ...story, decided: 'MUTED' }), 'MUTED'],
    ['muted, and delivered later', told({ ...story, decided: 'MUTED' }, { deliveredAt: AT + 1 }), 'MUTED'],
    ['delivered between', told({ ...story, decided: 'push', late: 'DELIVERED_IN_TIME' }), 'DELIVERED_IN_TIME'],
    [
      'one dead, one refused',
      told({ ...story, decided: 'push', closed: ['TOKEN_DEAD', 'PROVIDER_REFUSED'] }),
      'PROVIDER_REFUSED',
    ],
    ['superseded', told({ ...story, decided: 'push', closed: ['SUPERSEDED'] }), 'SUPERSEDED'],
  ])('%s', (_, delivery, reason) => {
    expect(delivery.noPushReason).toBe(reason);
    const said = linesOf(delivery).filter((line) => line.includes('no push'));
    expect(said).toHaveLength(reason === undefined ? 0 : 1);
  });

  test('a push that went is the last word, whatever became of other devices', () => {
    const sent = { device: 'd', provider: 'FCM', at: AT + 5, outcome: 'SENT' } as unknown as Delivery['attempts'][0];
    const delivery = told({ ...story, decided: 'push', isOpen: true, closed: ['TOKEN_DEAD'], attempts: [sent] });
    expect(delivery).toMatchObject({ state: 'NOTIFIED', notifiedAt: AT + 5 });
    expect(delivery.noPushReason).toBeUndefined();
  });
});
