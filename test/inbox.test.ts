/** One device's inbox: what it gets of all its lanes, in which order, and where it goes on. Lanes are in memory, MongoDB is a model. */
import { afterEach, describe, expect, it } from 'vitest';
import type { LaneId, UserId } from '../schema/ids.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { type InboxRigOptions, type InboxSink, inboxRig } from './support/inbox-rig.ts';
import { turns, until } from './support/stream-rig.ts';

const alice = 'alice' as UserId;
const bob = 'bob' as UserId;
const AFTER_ALL = 1_800_000_000_000;

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});
function rig(options?: InboxRigOptions) {
  const made = inboxRig(options);
  made.register('bob');
  stops.push(() => made.inboxes.stop());
  return made;
}
const words = (sink: InboxSink, ...expected: string[]) =>
  until(
    () => sink.words.length >= expected.length,
    () => sink.words.join(', '),
  ).then(() => expect(sink.words).toEqual(expected));

describe('an inbox', () => {
  it('brings what the device has not acknowledged, says so, and goes on live', async () => {
    const { scribe, acknowledge, open } = rig();
    const [c1, c2, c3] = [scribe('c1'), scribe('c2'), scribe('c3')];
    for (const lane of [c1, c2, c3]) lane.create([alice, bob]);
    c1.say('one', 'two');
    c2.say('three');
    acknowledge('bob', 'c1', 2);
    acknowledge('bob', 'c2', 2);
    acknowledge('bob', 'c3', 1);
    const sink = open('bob');
    await words(sink, 'c1 MessageSent 3', 'InboxCaughtUp');
    c2.say('four');
    c3.say('five');
    await until(() => sink.words.length === 4);
    expect(sink.words.slice(2).sort()).toEqual(['c2 MessageSent 3', 'c3 MessageSent 2']);
  });

  it('brings a conversation that is new, from the event that takes the user in, with what it may see of the time before', async () => {
    const { scribe, open } = rig({ partitions: 1 });
    const [c1, c2, c3] = [scribe('c1'), scribe('c2'), scribe('c3')];
    c1.create([alice]);
    c1.say('before');
    c2.create([alice]);
    c2.say('secret');
    const sink = open('bob');
    await words(sink, 'InboxCaughtUp');
    c3.create([alice, bob]);
    c3.say('hi');
    await words(sink, 'InboxCaughtUp', 'c3 ConversationCreated 1', 'c3 MessageSent 2');
    c2.write({ type: 'MembersAdded', members: [bob], hideHistory: true });
    await until(() => sink.words.at(-1) === 'c2 MembersAdded 3');
    c1.write({ type: 'MembersAdded', members: [bob] });
    await until(() => sink.words.at(-1) === 'InboxCaughtUp' && sink.words.length > 5);
    expect(sink.words.slice(4)).toEqual([
      'c1 ConversationCreated 1',
      'c1 MessageSent 2',
      'c1 MembersAdded 3',
      'InboxCaughtUp',
    ]);
  });

  it('ends a lane at the removal, and that lane only; a return goes on where it was', async () => {
    const { scribe, open } = rig({ partitions: 1 });
    const [c1, c2] = [scribe('c1'), scribe('c2')];
    c1.create([alice, bob]);
    c2.create([alice, bob]);
    const sink = open('bob');
    await until(() => sink.isCaughtUp);
    const from = sink.words.length;
    c1.write({ type: 'MemberRemoved', member: bob }, { type: 'MessageSent', text: 'gone' });
    c1.say('still gone');
    c2.say('here');
    c1.write({ type: 'MembersAdded', members: [bob] });
    await until(() => sink.words.slice(from).includes('InboxCaughtUp'));
    expect(sink.words.slice(from)).toEqual([
      'c1 MemberRemoved 2',
      'c2 MessageSent 2',
      'c1 MessageSent 3',
      'c1 MessageSent 4',
      'c1 MembersAdded 5',
      'InboxCaughtUp',
    ]);
  });

  it('gives what was left of a lane up to the removal to a device that was away', async () => {
    const { scribe, open, acknowledge } = rig({ partitions: 1 });
    const c1 = scribe('c1');
    c1.create([alice, bob]);
    acknowledge('bob', 'c1', 1);
    const before = open('bob');
    await until(() => before.isCaughtUp);
    before.stop();
    c1.say('last');
    c1.write({ type: 'MemberRemoved', member: bob });
    c1.say('after');
    for (const sink of [open('bob'), open('bob', { after: before.cursor ?? '' })])
      await words(sink, 'c1 MessageSent 2', 'c1 MemberRemoved 3', 'InboxCaughtUp');
  });

  it('begins, on a new device, where its user has read to', async () => {
    const { scribe, open, register, markRead } = rig();
    register('bob', 'new', AFTER_ALL);
    const [c1, c2, c3] = [scribe('c1'), scribe('c2'), scribe('c3')];
    c1.create([alice, bob]);
    c1.say('2', '3', '4');
    markRead('bob', 'c1', 3);
    c2.create([alice]);
    c2.say('2');
    c2.write({ type: 'MembersAdded', members: [bob], hideHistory: true });
    c3.create([alice, bob]);
    markRead('bob', 'c3', 1);
    const sink = open('bob', { device: 'new' });
    await until(() => sink.isCaughtUp);
    expect(sink.words.sort()).toEqual(['InboxCaughtUp', 'c1 MessageSent 4', 'c2 MembersAdded 3']);
  });

  it('keeps for a device what came after it was registered, whoever reads it elsewhere', async () => {
    const { scribe, open, register, markRead } = rig();
    const c1 = scribe('c1');
    c1.create([alice, bob]);
    c1.say('2', '3', '4', '5');
    // The scribe's time of event 3.
    register('bob', 'new', 1_700_000_000_003);
    markRead('bob', 'c1', 5);
    const sink = open('bob', { device: 'new' });
    await words(sink, 'c1 MessageSent 4', 'c1 MessageSent 5', 'InboxCaughtUp');
  });

  it('puts a Reset in the place of a long backlog, and of a mark after the end', async () => {
    const { scribe, open, acknowledge, counts } = rig({ partitions: 1, limits: { backlog: 3 } });
    const [c1, c2, c3] = [scribe('c1'), scribe('c2'), scribe('c3')];
    for (const lane of [c1, c2, c3]) lane.create([alice, bob]);
    c1.say('2', '3', '4', '5');
    c2.say('2', '3', '4', '5');
    acknowledge('bob', 'c1', 1);
    acknowledge('bob', 'c2', 2);
    acknowledge('bob', 'c3', 9);
    const sink = open('bob');
    await until(() => sink.isCaughtUp);
    expect(sink.words.sort()).toEqual([
      'InboxCaughtUp',
      'c1 Reset TOO_FAR_BEHIND 5',
      'c2 MessageSent 3',
      'c2 MessageSent 4',
      'c2 MessageSent 5',
      'c3 Reset AHEAD 1',
    ]);
    expect(counts.resets).toEqual({ TOO_FAR_BEHIND: 1, AHEAD: 1, STORE_REBUILT: 0 });
    c1.say('6');
    await until(() => sink.words.at(-1) === 'c1 MessageSent 6');
  });

  it('goes on after a place, whatever the device has acknowledged; an open one never skips', async () => {
    const { scribe, open, acknowledge } = rig();
    const [c1, c2] = [scribe('c1'), scribe('c2')];
    c1.create([alice, bob]);
    c2.create([alice, bob]);
    const tab = open('bob');
    await until(() => tab.isCaughtUp);
    const place = tab.cursor ?? '';
    const from = tab.words.length;
    acknowledge('bob', 'c1', 2);
    c1.say('2');
    c2.say('2');
    await until(() => tab.words.length === from + 2);
    const [again, late] = [open('bob', { after: place }), open('bob', { after: null, lastSeen: place })];
    for (const sink of [again, late]) {
      await until(() => sink.isCaughtUp);
      expect(sink.words.sort()).toEqual(['InboxCaughtUp', 'c1 MessageSent 2', 'c2 MessageSent 2']);
    }
    const other = open('bob', { after: again.cursor ?? '' });
    await words(other, 'InboxCaughtUp');
  });

  it('gives its place now and then while frames flow', async () => {
    const { scribe, open } = rig({ limits: { positionMs: 5 } });
    const c1 = scribe('c1');
    c1.create([alice, bob]);
    const sink = open('bob');
    await until(() => sink.isCaughtUp);
    c1.say('2');
    await until(() => sink.words.at(-1) === 'InboxPosition');
    const resumed = open('bob', { after: sink.cursor ?? '' });
    await words(resumed, 'InboxCaughtUp');
    c1.say('3');
    await until(() => resumed.words.at(-1) === 'InboxPosition');
    expect(sink.words.filter((word) => word === 'InboxPosition').length).toBeLessThanOrEqual(2);
  });

  it('refuses a device that is not there, and what is no id or no place', async () => {
    const { open, inboxes } = rig();
    const cursor = open('bob');
    await until(() => cursor.isCaughtUp);
    const { cursor: place = '' } = cursor;
    const refused = [
      [open('bob', { device: 'other' }), 'UNKNOWN_DEVICE'],
      [open('alice'), 'UNKNOWN_DEVICE'],
      [open('bob', { device: 'a.b' }), 'BAD_USER_INPUT'],
      [open('bob', { after: '' }), 'BAD_USER_INPUT'],
      [open('bob', { after: 'what' }), 'BAD_USER_INPUT'],
      [open('bob', { after: place.slice(0, -2) }), 'BAD_USER_INPUT'],
      [open('bob', { after: `B${place.slice(1)}` }), 'BAD_USER_INPUT'],
      [open('bob', { after: `${place}A` }), 'BAD_USER_INPUT'],
      [open('bob', { lastSeen: '12' }), 'BAD_USER_INPUT'],
    ] as const;
    await until(() => refused.every(([sink]) => sink.ended));
    expect(refused.map(([sink]) => sink.code)).toEqual(refused.map(([, code]) => code));
    expect(refused.flatMap(([sink]) => sink.frames)).toEqual([]);
    expect(inboxes.size).toBe(1);
  });

  it('resets every lane of a store that was restored since the place was given', async () => {
    const first = rig({ partitions: 1 });
    const c1 = first.scribe('c1');
    c1.create([alice, bob]);
    c1.say('2', '3');
    c1.say('4');
    const before = first.open('bob');
    await until(() => before.isCaughtUp);
    for (const lost of [1, 2]) {
      const second = rig({ partitions: 1 });
      const again = second.scribe('c1', 'other');
      again.create([alice, bob]);
      if (lost === 1) {
        again.say('2', '3');
        again.say('4');
        again.say('5');
      }
      const sink = second.open('bob', { after: before.cursor ?? '' });
      const end = again.events.length;
      await words(sink, `c1 Reset STORE_REBUILT ${end}`, 'InboxCaughtUp');
      again.say('next');
      await until(() => sink.words.at(-1) === `c1 MessageSent ${end + 1}`);
    }
  });

  it('ends when its store is another one, so that readers come again', async () => {
    const memory = new MemoryJournal({ partitions: 1 });
    const { scribe, open, journal } = rig({ partitions: 1, inner: memory });
    const c1 = scribe('c1');
    c1.create([alice, bob]);
    const sink = open('bob');
    await until(() => sink.isCaughtUp);
    // As if the records had been lost while the connection was gone.
    journal.partitionEnd = async () => 0 as never;
    memory.reconnect();
    await until(() => sink.ended);
    expect(sink.code).toBe('UNAVAILABLE');
  });

  it('falls back to catching up where its sink is full, and loses nothing', async () => {
    const { scribe, open, counts } = rig({ partitions: 1 });
    const [c1, c2] = [scribe('c1'), scribe('c2')];
    c1.create([alice, bob]);
    c2.create([alice, bob]);
    const sink = open('bob');
    await until(() => sink.isCaughtUp);
    sink.room = 1;
    const from = sink.words.length;
    for (let i = 2; i < 20; i++) {
      c1.say(`${i}`);
      c2.say(`${i}`);
    }
    await until(() => sink.isFull);
    await turns(5);
    expect(sink.words.length).toBe(from + 1);
    sink.drain(2);
    await until(() => sink.isFull);
    sink.drain(Number.POSITIVE_INFINITY);
    await until(() => sink.words.at(-1) === 'InboxCaughtUp' && sink.words.length > from + 36);
    for (const lane of ['c1', 'c2'])
      expect(
        sink.inbox
          .slice(from)
          .filter(({ conversationId }) => conversationId === lane)
          .map(({ seq }) => seq),
      ).toEqual(Array.from({ length: 18 }, (_, i) => i + 2));
    expect(counts.falls).toBeGreaterThan(0);
  });

  it('goes on when lanes cannot be read for a while', async () => {
    const { scribe, open, journal, acknowledge } = rig({ partitions: 1 });
    const c1 = scribe('c1');
    c1.create([alice, bob]);
    c1.say('2');
    acknowledge('bob', 'c1', 1);
    let failures = 5;
    const sink = open('bob');
    journal.misfortune = { append: () => 'none', read: () => failures-- > 0 };
    await until(() => sink.isCaughtUp || sink.ended);
    // The streams' ends are asked once: a reader that cannot be started is told so.
    if (sink.ended) expect(sink.code).toBe('UNAVAILABLE');
    else expect(sink.words).toEqual(['c1 MessageSent 2', 'InboxCaughtUp']);
  });

  it('says nothing to whom it does not concern', async () => {
    const { scribe, open, inboxes } = rig({ partitions: 1 });
    const [c1, c2] = [scribe('c1'), scribe('c2')];
    c1.create([alice]);
    c2.create([alice, bob]);
    const sink = open('bob');
    await until(() => sink.isCaughtUp);
    c1.say('secret');
    c1.write({ type: 'MembersAdded', members: ['carol' as UserId] });
    c2.say('open');
    await until(() => sink.words.at(-1) === 'c2 MessageSent 2');
    expect(sink.inbox.some(({ conversationId }) => conversationId === ('c1' as LaneId))).toBe(false);
    expect(inboxes.lanes).toBe(1);
    sink.stop();
    expect([inboxes.size, inboxes.lanes]).toEqual([0, 0]);
  });
});
