/** One reader of one lane: what it gets, in which order, and how it ends. Everything but the wire is real; MongoDB is down. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LaneEvent } from '../schema/events.ts';
import type { LaneId, UserId } from '../schema/ids.ts';
import type { StreamLimits } from '../services/api/gateway.ts';
import { openStreams } from '../services/api/stream.ts';
import { newStreamCounts } from '../services/api/stream-metrics.ts';
import { Lanes } from '../services/journal/lanes.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { openReads } from '../services/views/reads.ts';
import {
  type Fate,
  FOLLOW,
  FRAME_SCHEMA,
  LossyLive,
  NO_HISTORY,
  QUIET,
  Scribe,
  TestSink,
  turns,
  until,
} from './support/stream-rig.ts';

const LANE = 'c1' as LaneId;
const alice = 'alice' as UserId;
const bob = 'bob' as UserId;
const carol = 'carol' as UserId;

function rig(limits: StreamLimits = {}) {
  const inner = new MemoryJournal({ partitions: 1 });
  const journal = new LossyLive(inner);
  const lanes = new Lanes(journal, { maxWeight: 1_000_000, log: QUIET });
  const counts = newStreamCounts();
  const reads = openReads(NO_HISTORY, journal);
  const streams = openStreams({
    schema: FRAME_SCHEMA,
    journal,
    lanes,
    reads,
    log: QUIET,
    counts,
    limits,
  });
  const scribe = new Scribe((lane, payload) => inner.put(lane, payload), LANE);
  const open = (
    user: UserId,
    after: number | null,
    options: { room?: number; admin?: boolean; lastSeen?: number; lane?: string } = {},
  ) => {
    const sink = new TestSink(options.room);
    const { admin = false, lastSeen, lane = LANE } = options;
    const viewer = { user, admin };
    const stream = streams.open({ document: FOLLOW, variables: { id: lane, after }, viewer, lastSeen }, sink);
    return Object.assign(sink, { stop: () => stream.stop() });
  };
  return { journal, lanes, counts, streams, scribe, open };
}

const caughtUp = (sink: TestSink) =>
  until(
    () => sink.frames.at(-1)?.__typename === 'CaughtUp',
    () => sink.story.join(', '),
  );

describe('a stream', () => {
  it('starts, brings what was missed, says so, and goes on live', async () => {
    const { scribe, open } = rig();
    scribe.create([alice, bob]);
    scribe.say('one', 'two');
    const sink = open(bob, 1);
    await caughtUp(sink);
    scribe.say('three');
    await until(() => sink.frames.length === 5);
    expect(sink.story).toEqual(['StreamStarted 1', 'MessageSent 2', 'MessageSent 3', 'CaughtUp 3', 'MessageSent 4']);
    expect(sink.frames[1]).toMatchObject({
      conversationId: LANE,
      message: { text: 'one', sender: { name: 'WRITER' } },
    });
  });

  it('begins with what comes, where no position is given', async () => {
    const { scribe, open } = rig();
    scribe.create([alice]);
    scribe.say('one');
    const sink = open(alice, null);
    await caughtUp(sink);
    scribe.say('two');
    await until(() => sink.frames.length === 3);
    expect(sink.story).toEqual(['StreamStarted 2', 'CaughtUp 2', 'MessageSent 3']);
  });

  it('begins where its reader may see, whatever position is given', async () => {
    const { scribe, open } = rig();
    scribe.create([alice]);
    scribe.say('secret');
    scribe.write({ type: 'MembersAdded', members: [bob], hideHistory: true });
    const sink = open(bob, 0);
    await caughtUp(sink);
    expect(sink.story).toEqual(['StreamStarted 2', 'MembersAdded 3', 'CaughtUp 3']);
  });

  it('resets a reader that is ahead of the lane', async () => {
    const { scribe, open } = rig();
    scribe.create([alice]);
    const sink = open(alice, 7);
    await caughtUp(sink);
    scribe.say('two');
    await until(() => sink.frames.length === 4);
    expect(sink.story).toEqual(['StreamStarted 1', 'Reset AHEAD 1', 'CaughtUp 1', 'MessageSent 2']);
  });

  it('resets a reader that is too far behind', async () => {
    const { scribe, open, counts } = rig({ catchUpEvents: 3 });
    scribe.create([alice]);
    scribe.say('two', 'three', 'four', 'five');
    const near = open(alice, 2);
    const far = open(alice, 1);
    await Promise.all([near, far].map(caughtUp));
    expect(near.story).toEqual(['StreamStarted 2', 'MessageSent 3', 'MessageSent 4', 'MessageSent 5', 'CaughtUp 5']);
    expect(far.story).toEqual(['StreamStarted 5', 'Reset TOO_FAR_BEHIND 5', 'CaughtUp 5']);
    expect(counts.resets).toEqual({ TOO_FAR_BEHIND: 1, AHEAD: 0, STORE_REBUILT: 0 });
  });

  it('takes the greater of the position in the document and the one beside it', async () => {
    const { scribe, open } = rig();
    scribe.create([alice]);
    scribe.say('two', 'three');
    const sinks = [
      open(alice, 1, { lastSeen: 2 }),
      open(alice, 2, { lastSeen: 1 }),
      open(alice, null, { lastSeen: 2 }),
    ];
    await Promise.all(sinks.map(caughtUp));
    for (const sink of sinks) expect(sink.story).toEqual(['StreamStarted 2', 'MessageSent 3', 'CaughtUp 3']);
  });

  it('does not tell no conversation from one that is not yours', async () => {
    const { scribe, open, journal } = rig();
    scribe.create([alice]);
    const sinks = [open(bob, 0), open(alice, 0, { lane: 'c2' })];
    await until(() => sinks.every(({ ended }) => ended));
    for (const { code, frames } of sinks) expect({ code, frames }).toEqual({ code: 'NOT_FOUND', frames: [] });
    expect(new Set(sinks.map(({ error }) => error?.message)).size).toBe(1);
    expect(journal.listening).toBe(0);
  });

  it('refuses what is no id or no position, and touches nothing', async () => {
    const { open, journal } = rig();
    for (const lane of ['a.b', '*', '>', '', ' ', 'x'.repeat(65), 'ä'])
      expect(open(alice, 0, { lane }).code).toBe('BAD_USER_INPUT');
    for (const after of [-1, 1.5, 2 ** 31]) expect(open(alice, after).code).toBe('BAD_USER_INPUT');
    expect(journal.listening).toBe(0);
  });
});

describe('membership', () => {
  it('ends a stream after the removal of its reader, whatever is in the same record', async () => {
    const { scribe, open } = rig();
    scribe.create([alice, bob]);
    const [hers, his] = [open(alice, null), open(bob, null)];
    await Promise.all([hers, his].map(caughtUp));
    scribe.write(
      { type: 'MessageSent', text: 'before' },
      { type: 'MemberRemoved', member: bob },
      { type: 'MessageSent', text: 'after' },
    );
    await until(() => his.ended && hers.frames.length === 5);
    expect(his.story).toEqual(['StreamStarted 1', 'CaughtUp 1', 'MessageSent 2', 'MemberRemoved 3']);
    expect(his.error).toBeUndefined();
    expect(hers.story.slice(2)).toEqual(['MessageSent 2', 'MemberRemoved 3', 'MessageSent 4']);
  });

  it('brings a former member what is left up to the removal, and nothing after it', async () => {
    const { scribe, open } = rig();
    scribe.create([alice, bob]);
    scribe.say('two');
    scribe.write({ type: 'MemberRemoved', member: bob });
    scribe.say('four');
    const behind = open(bob, 1);
    const there = open(bob, 3);
    const new_ = open(bob, null);
    await until(() => behind.ended && there.ended && new_.ended);
    expect(behind.story).toEqual(['StreamStarted 1', 'MessageSent 2', 'MemberRemoved 3']);
    expect(behind.error).toBeUndefined();
    expect([there.code, new_.code]).toEqual(['NOT_FOUND', 'NOT_FOUND']);
  });

  it('ends at the removal also when the reader was back before it was told', async () => {
    const { scribe, open, journal } = rig();
    scribe.create([alice, bob]);
    const sink = open(bob, null);
    await caughtUp(sink);
    for (const event of [
      { type: 'MemberRemoved', member: bob },
      { type: 'MembersAdded', members: [bob] },
    ] as const)
      journal.doom(scribe.write(event).revision, 'lost');
    // Somebody else's look at the lane makes the state newer than what was heard.
    await caughtUp(open(alice, null));
    await until(() => sink.ended);
    expect(sink.story).toEqual(['StreamStarted 1', 'CaughtUp 1', 'MemberRemoved 2']);
    expect(sink.error).toBeUndefined();
    // An old removal does not end a stream that begins after the return.
    const again = open(bob, 0);
    await caughtUp(again);
    expect(again.story).toEqual([
      'StreamStarted 0',
      'ConversationCreated 1',
      'MemberRemoved 2',
      'MembersAdded 3',
      'CaughtUp 3',
    ]);
  });

  it('ends at the removal also when what is known of the lane is far ahead of what was read of it', async () => {
    const { scribe, open, journal } = rig();
    scribe.create([alice, bob]);
    const sink = open(bob, null);
    await caughtUp(sink);
    // More records than are read at once come before the removal.
    for (let i = 0; i < 200; i++) journal.doom(scribe.say(`lost ${i}`).revision, 'lost');
    journal.doom(scribe.write({ type: 'MemberRemoved', member: bob }).revision, 'lost');
    journal.doom(scribe.write({ type: 'MembersAdded', members: [bob] }).revision, 'lost');
    await caughtUp(open(alice, null));
    await until(() => sink.ended);
    expect(sink.error).toBeUndefined();
    expect(sink.story.at(-1)).toBe('MemberRemoved 202');
  });

  it('completes a stream that would show a hole to one who is back with a later beginning', async () => {
    const { scribe, open } = rig();
    scribe.create([alice, bob]);
    const sink = open(bob, null);
    await caughtUp(sink);
    sink.room = 0;
    scribe.say('two');
    await until(() => sink.isFull);
    scribe.write({ type: 'MemberRemoved', member: bob });
    scribe.write({ type: 'MembersAdded', members: [bob], hideHistory: true });
    await turns(3);
    sink.drain(10);
    await until(() => sink.ended);
    expect(sink.error).toBeUndefined();
    expect(sink.story).toEqual(['StreamStarted 1', 'CaughtUp 1']);
  });

  it('lets an administrator follow everything, also its own removal', async () => {
    const { scribe, open } = rig();
    scribe.create([alice, carol]);
    const sink = open(carol, 0, { admin: true });
    await caughtUp(sink);
    scribe.write({ type: 'MemberRemoved', member: carol });
    scribe.say('three');
    await until(() => sink.frames.length === 5);
    expect(sink.story.slice(-2)).toEqual(['MemberRemoved 2', 'MessageSent 3']);
  });
});

describe('a slow reader', () => {
  it('goes on from the ring when it was full for a moment', async () => {
    const { scribe, open, counts } = rig();
    scribe.create([alice]);
    const sink = open(alice, null);
    await caughtUp(sink);
    sink.room = 1;
    scribe.say('two');
    await until(() => sink.frames.length === 3);
    scribe.say('three');
    scribe.say('four');
    await until(() => sink.isFull);
    sink.drain(10);
    await until(() => sink.frames.length === 5);
    expect(sink.story.slice(2)).toEqual(['MessageSent 2', 'MessageSent 3', 'MessageSent 4']);
    expect(counts).toMatchObject({ falls: 0, catchUps: 0 });
  });

  it('is caught up from the lane when it fell out of the ring, and is told when it is live again', async () => {
    const { scribe, open, counts } = rig({ ringEvents: 4 });
    scribe.create([alice, bob]);
    const [slow, quick] = [open(alice, null), open(bob, null)];
    await Promise.all([slow, quick].map(caughtUp));
    slow.room = 0;
    for (let i = 2; i <= 20; i++) {
      scribe.say(`message ${i}`);
      await turns(2);
    }
    await until(() => quick.frames.length === 21);
    expect(slow.frames.length).toBe(2);
    slow.drain(1);
    await until(() => slow.frames.length > 2);
    slow.drain(Number.POSITIVE_INFINITY);
    await caughtUp(slow);
    scribe.say('live');
    await until(() => slow.frames.at(-1)?.seq === 21);
    const events = Array.from({ length: 19 }, (_, i) => `MessageSent ${i + 2}`);
    expect(slow.story.slice(2)).toEqual([...events, 'CaughtUp 20', 'MessageSent 21']);
    expect(counts).toMatchObject({ falls: 1, catchUps: 1 });
  });

  it('that is full at its very beginning begins when there is room', async () => {
    const { scribe, open } = rig();
    scribe.create([alice]);
    const sink = open(alice, 0, { room: 0 });
    await until(() => sink.isFull);
    scribe.say('two');
    sink.drain(1);
    await until(() => sink.isFull);
    sink.drain(10);
    await caughtUp(sink);
    expect(sink.story).toEqual(['StreamStarted 0', 'ConversationCreated 1', 'MessageSent 2', 'CaughtUp 2']);
  });
});

describe('an outage', () => {
  it('of the live copy is bridged by a look at the lane, at a reconnect and by a ring', async () => {
    const { scribe, open, journal, streams } = rig();
    scribe.create([alice]);
    const sink = open(alice, null);
    await caughtUp(sink);
    journal.doom(scribe.say('two').revision, 'lost');
    await turns(3);
    expect(sink.frames.length).toBe(2);
    journal.reconnect();
    await until(() => sink.frames.length === 3);
    journal.doom(scribe.say('three').revision, 'lost');
    await turns(3);
    expect(sink.frames.length).toBe(3);
    streams.ring(LANE);
    await until(() => sink.frames.length === 4);
    expect(sink.story.slice(2)).toEqual(['MessageSent 2', 'MessageSent 3']);
  });

  it('that a restore follows resets every stream to the end of what was restored', async () => {
    const { scribe, open, journal } = rig();
    scribe.create([alice, bob]);
    scribe.say('two', 'three');
    scribe.say('four');
    const [hers, his] = [open(alice, null), open(bob, null)];
    await Promise.all([hers, his].map(caughtUp));
    his.room = 0;
    const copy = new MemoryJournal({ partitions: 1 });
    const restored = new Scribe((lane, payload) => copy.put(lane, payload), LANE, 'restored');
    restored.create([alice]);
    journal.restore(copy, LANE);
    journal.reconnect();
    await until(() => hers.frames.length === 4 && his.ended);
    restored.say('another two');
    await until(() => hers.frames.length === 5);
    expect(hers.story.slice(2)).toEqual(['Reset STORE_REBUILT 1', 'CaughtUp 1', 'MessageSent 2']);
    expect(hers.frames.at(-1)?.message?.text).toBe('another two');
    expect(his.code).toBe('NOT_FOUND');
  });

  it('that a restore follows is noticed also when the lane has grown past what was followed', async () => {
    const { scribe, open, journal, lanes } = rig();
    scribe.create([alice]);
    scribe.say('two');
    const sink = open(alice, null);
    await caughtUp(sink);
    const copy = new MemoryJournal({ partitions: 1 });
    const restored = new Scribe((lane, payload) => copy.put(lane, payload), LANE, 'restored');
    restored.create([alice]);
    for (let i = 2; i < 8; i++) restored.say(`other ${i}`);
    lanes.forget(LANE);
    journal.restore(copy, LANE);
    journal.reconnect();
    await until(() => sink.frames.length === 4);
    expect(sink.story.slice(2)).toEqual(['Reset STORE_REBUILT 7', 'CaughtUp 7']);
  });
});

// ——— The same, for whatever happens: the model is a list of events.

const USERS = ['u0', 'u1', 'u2', 'u3'] as UserId[];
const anyUser = fc.constantFrom(...USERS.slice(1));
const fate = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Fate>('heard') },
  { weight: 3, arbitrary: fc.constantFrom<Fate>('lost', 'twice', 'late') },
);
const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ do: fc.constant('say' as const), count: fc.integer({ min: 1, max: 4 }), fate }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('add' as const), user: anyUser, hide: fc.boolean(), fate }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), user: anyUser, fate }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('swap' as const), user: anyUser, hide: fc.boolean(), fate }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('open' as const),
        user: fc.constantFrom(...USERS),
        after: fc.option(fc.integer({ min: 0, max: 40 })),
        admin: fc.boolean().map((yes) => yes && false),
        room: fc.constantFrom(0, 1, 2, 1_000),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('stop' as const), which: fc.nat(9) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('drain' as const),
        which: fc.nat(9),
        room: fc.integer({ min: 1, max: 4 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('release' as const, 'reconnect' as const) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), turns: fc.integer({ min: 1, max: 6 }) }) },
  ),
  { minLength: 5, maxLength: 60 },
);

/** Every stretch of the lane that a user was ever let see: a membership ends with its removal, that included. */
function stretchesOf(events: readonly LaneEvent[], user: UserId): { from: number; to: number; joined: number }[] {
  const stretches: { from: number; to: number; joined: number }[] = [];
  let open: { from: number; to: number; joined: number } | undefined;
  for (const event of events) {
    const joins =
      (event.type === 'ConversationCreated' || event.type === 'MembersAdded') && event.members.includes(user) && !open;
    if (joins) {
      const hides = event.type === 'MembersAdded' && event.hideHistory;
      open = { from: hides ? event.seq : 1, to: Number.POSITIVE_INFINITY, joined: event.seq };
      stretches.push(open);
    } else if (open && event.type === 'MemberRemoved' && event.member === user) {
      open.to = event.seq;
      open = undefined;
    }
  }
  return stretches;
}

function check(sink: TestSink, user: UserId, openedAt: number, events: readonly LaneEvent[], stopped: boolean): void {
  const story = sink.story.join(', ');
  const stretches = stretchesOf(events, user);
  const isMember = stretches.at(-1)?.to === Number.POSITIVE_INFINITY;
  let position = -1;
  for (const [i, frame] of sink.frames.entries()) {
    const { __typename, seq } = frame;
    expect(__typename === 'StreamStarted', story).toBe(i === 0);
    if (__typename === 'StreamStarted' || __typename === 'Reset') position = seq;
    else if (__typename === 'CaughtUp') expect(seq, story).toBe(position);
    else {
      expect(seq, story).toBe(position + 1);
      position = seq;
      const event = events[seq - 1];
      expect(event?.type, story).toBe(__typename);
      if (event?.type === 'MessageSent') expect(frame.message?.text).toBe(event.text);
      expect(
        stretches.some(({ from, to }) => from <= seq && seq <= to),
        `foreign ${seq}: ${story}`,
      ).toBe(true);
    }
  }
  if (stopped) return;
  if (!sink.ended) {
    expect(isMember, `still open: ${story}`).toBe(true);
    expect(position, story).toBe(events.length);
    expect(
      sink.frames.at(-1)?.__typename === 'CaughtUp' || sink.story.some((frame) => frame.startsWith('CaughtUp')),
      story,
    ).toBe(true);
    return;
  }
  if (sink.error) {
    expect(sink.code).toBe('NOT_FOUND');
    const belongedThroughout = stretches.some(
      ({ joined, to }) => joined <= openedAt && to === Number.POSITIVE_INFINITY,
    );
    expect(belongedThroughout, `refused: ${story}`).toBe(false);
  } else {
    const last = sink.frames.at(-1);
    const atRemoval = stretches.some(({ to }) => to === position);
    const byRemoval = last?.__typename === 'MemberRemoved' ? last.member?.id === user : last?.__typename === 'Reset';
    const wouldShowHole = stretches.some(({ from, joined }) => joined > openedAt && from > position + 1);
    expect((byRemoval && atRemoval) || wouldShowHole, `completed: ${story}`).toBe(true);
  }
}

describe('whatever happens', () => {
  it('a reader sees the list, rising, whole, and nothing foreign', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        const { scribe, open, journal, streams } = rig({ ringEvents: 4, catchUpEvents: 12 });
        scribe.create(USERS.slice(0, 2));
        const followers: { sink: ReturnType<typeof open>; user: UserId; openedAt: number; stopped: boolean }[] = [];
        const members = new Set<UserId>(USERS.slice(0, 2));
        for (const step of script) {
          switch (step.do) {
            case 'say':
              journal.doom(
                scribe.say(...Array.from({ length: step.count }, (_, i) => `${scribe.events.length}.${i}`)).revision,
                step.fate,
              );
              break;
            case 'add':
              if (members.has(step.user)) break;
              members.add(step.user);
              journal.doom(
                scribe.write({
                  type: 'MembersAdded',
                  members: [step.user],
                  ...(step.hide ? { hideHistory: true } : {}),
                }).revision,
                step.fate,
              );
              break;
            case 'remove':
              if (!members.delete(step.user)) break;
              journal.doom(scribe.write({ type: 'MemberRemoved', member: step.user }).revision, step.fate);
              break;
            case 'swap':
              if (!members.has(step.user)) break;
              journal.doom(
                scribe.write(
                  { type: 'MemberRemoved', member: step.user },
                  { type: 'MessageSent', text: 'between' },
                  { type: 'MembersAdded', members: [step.user], ...(step.hide ? { hideHistory: true } : {}) },
                ).revision,
                step.fate,
              );
              break;
            case 'open':
              if (followers.length < 10)
                followers.push({
                  sink: open(step.user, step.after, step),
                  user: step.user,
                  openedAt: scribe.events.length,
                  stopped: false,
                });
              break;
            case 'stop': {
              const follower = followers[step.which];
              follower?.sink.stop();
              if (follower) follower.stopped = true;
              break;
            }
            case 'drain':
              followers[step.which]?.sink.drain(step.room);
              break;
            case 'release':
              journal.release();
              break;
            case 'reconnect':
              journal.reconnect();
              break;
            case 'wait':
              await turns(step.turns);
              break;
            default:
              step satisfies never;
          }
        }
        journal.release();
        journal.reconnect();
        const settled = () =>
          followers.every(({ sink, stopped }) => {
            if (stopped || sink.ended) return true;
            sink.drain(1_000);
            const last = Math.max(...sink.frames.map(({ seq }) => seq), -1);
            return last === scribe.events.length && sink.story.some((frame) => frame.startsWith('CaughtUp'));
          });
        await until(settled, () => followers.map(({ sink }) => sink.story.join(', ')).join('\n'));
        await turns(3);
        for (const { sink, user, openedAt, stopped } of followers) check(sink, user, openedAt, scribe.events, stopped);
        await streams.stop();
        expect(journal.listening).toBe(0);
      }),
      { numRuns: 300 },
    );
  }, 120_000);
});
