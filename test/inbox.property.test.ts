/**
 * Inboxes against lists: lanes are written, members come and go, readers come, go, stall and come again with their place, and the
 * projector is anywhere. Every event of every lane of a user's comes exactly once and in its order, or a `Reset` in its stead.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LaneEvent } from '../schema/events.ts';
import { type LaneId, revisionOf, type UserId } from '../schema/ids.ts';
import { InboxTail } from '../services/api/inbox-tail.ts';
import type { StoredRecord } from '../services/journal/journal.ts';
import { emptyLane, evolve, type Lane, sightOf } from '../services/lane/lane.ts';
import type { ListedLane } from '../services/views/user-lanes.ts';
import { type InboxSink, inboxRig } from './support/inbox-rig.ts';
import { type Scribe, turns, until } from './support/stream-rig.ts';

const LANES = ['c1', 'c2', 'c3'] as const;
const USERS = ['bob', 'carol'] as const;
const BACKLOG = 6;
type Name = (typeof LANES)[number];
type Reading = ReturnType<ReturnType<typeof inboxRig>['open']>;

const lane = fc.constantFrom(...LANES);
const user = fc.constantFrom(...USERS);
const anyStep = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant('say' as const), lane, count: fc.constantFrom(1, 1, 2, 3, 7) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('add' as const), lane, user, hide: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('remove' as const), lane, user, thenSay: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('swap' as const), lane, user, hide: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('open' as const), user, how: fc.constantFrom('marks', 'place') }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('stall' as const), which: fc.nat(9), room: fc.constantFrom(0, 1, 2) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('drain' as const), which: fc.nat(9), room: fc.constantFrom(1, 2, 100) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('stop' as const), which: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('acknowledge' as const), user, lane }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('project' as const),
      listed: fc.constantFrom(0, 0.5, 1),
      written: fc.constantFrom(0, 0.5, 1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('fail' as const), reads: fc.constantFrom(1, 2) }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('turns' as const), count: fc.constantFrom(1, 3, 10, 40) }) },
);

/** A reader, and what is expected of it. */
interface Case {
  readonly user: UserId;
  readonly sink: Reading;
  /** By lane: what it has from before. */
  readonly from: ReadonlyMap<Name, number>;
  /** How long the lanes were when it came. */
  readonly ends: ReadonlyMap<Name, number>;
  stopped: boolean;
}

/** The states of a lane: after its first event, its second … */
function statesOf(id: Name, events: readonly LaneEvent[]): readonly Lane[] {
  const states = [emptyLane(id as LaneId)];
  for (const event of events) states.push(evolve(states.at(-1) as Lane, event));
  return states;
}

const isSeen = (state: Lane | undefined, who: UserId, seq: number): boolean => {
  const sight = state && sightOf(state, who, false);
  return sight !== undefined && seq >= sight.from && seq <= sight.to;
};

/** What one reader got of one lane. `upTo`: it has said that it has everything up to there. */
function check(
  { user: who, sink, from }: Case,
  id: Name,
  events: readonly LaneEvent[],
  upTo: number,
  frames: InboxSink['inbox'],
) {
  const states = statesOf(id, events);
  const story = `${who} ${id}: ${sink.words.join(', ')}; has ${from.get(id)}, of ${events.map((event) => event.type).join(' ')}`;
  let last = 0;
  const got = new Set<number>();
  const resets: number[] = [];
  for (const { __typename: type, conversationId, seq } of frames) {
    if (conversationId !== id) continue;
    expect(seq, story).toBeGreaterThan(last - (type === 'Reset' ? 1 : 0));
    last = seq;
    if (type === 'Reset') resets.push(seq);
    else got.add(seq);
    expect(
      states.slice(seq).some((state) => isSeen(state, who, seq)),
      story,
    ).toBe(true);
  }
  const began = from.get(id) ?? 0;
  const end = states[upTo];
  for (let seq = began + 1; seq <= upTo; seq++) {
    // What became invisible again by leaving and coming back hidden may be left out …
    const isLasting = states.slice(upTo).every((state) => isSeen(state, who, seq));
    if (!end || !isSeen(end, who, seq) || !isLasting || resets.some((reset) => reset >= seq)) continue;
    // … and what could not be seen yet when the next one was given.
    const next = Math.min(...[...got].filter((given) => given >= seq));
    if (next <= upTo && !isSeen(states[next], who, seq)) continue;
    expect(next, `${seq} of ${story}`).toBe(seq);
  }
}

describe('inboxes', () => {
  it('bring everything exactly once, in order within each lane, whatever happens', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyStep, { minLength: 30, maxLength: 90, size: 'max' }),
        fc.boolean(),
        async (steps, slowNames) => {
          const rig = inboxRig({ partitions: 2, slowNames, limits: { backlog: BACKLOG } });
          const scribes = new Map<Name, Scribe>(LANES.map((id) => [id, rig.scribe(id)]));
          const write = (id: Name) => {
            const scribe = scribes.get(id) as Scribe;
            if (scribe.events.length === 0) scribe.create(['alice' as UserId, 'bob' as UserId]);
            return scribe;
          };
          const stateOf = (id: Name) => statesOf(id, (scribes.get(id) as Scribe).events).at(-1) as Lane;
          const isMember = (id: Name, who: UserId) => stateOf(id).members.has(who);
          const marks = new Map<string, number>();
          const cases: Case[] = [];
          for (const who of USERS) rig.register(who);
          const pick = (which: number): Case | undefined =>
            cases.filter(({ stopped }) => !stopped).at(-1 - (which % 3));
          const ends = () => new Map(LANES.map((id) => [id, (scribes.get(id) as Scribe).events.length]));
          try {
            for (const id of LANES) write(id);
            for (const step of steps) {
              switch (step.type) {
                case 'say':
                  write(step.lane).say(...Array.from({ length: step.count }, (_, i) => `${i}`));
                  break;
                case 'add': {
                  const scribe = write(step.lane);
                  const who = step.user as UserId;
                  if (!isMember(step.lane, who))
                    scribe.write({ type: 'MembersAdded', members: [who], ...(step.hide ? { hideHistory: true } : {}) });
                  break;
                }
                case 'remove': {
                  const scribe = write(step.lane);
                  const who = step.user as UserId;
                  if (isMember(step.lane, who))
                    scribe.write(
                      { type: 'MemberRemoved', member: who },
                      ...(step.thenSay ? [{ type: 'MessageSent' as const, text: 'x' }] : []),
                    );
                  break;
                }
                case 'swap': {
                  // Out and in again in one record, or in and out.
                  const scribe = write(step.lane);
                  const who = step.user as UserId;
                  const added = {
                    type: 'MembersAdded' as const,
                    members: [who],
                    ...(step.hide ? { hideHistory: true as const } : {}),
                  };
                  const removed = { type: 'MemberRemoved' as const, member: who };
                  const said = { type: 'MessageSent' as const, text: 'between' };
                  if (isMember(step.lane, who)) scribe.write(removed, said, added, said);
                  else scribe.write(said, added, said, removed);
                  break;
                }
                case 'open': {
                  const who = step.user as UserId;
                  const earlier = cases.findLast((one) => one.user === who && one.sink.cursor !== undefined);
                  const after = step.how === 'place' ? earlier?.sink.cursor : undefined;
                  const from = new Map<Name, number>();
                  for (const id of LANES) {
                    if (!after) from.set(id, marks.get(`${who} ${id}`) ?? 0);
                    else {
                      const had = earlier as Case;
                      const place = had.sink.inbox.findLastIndex(({ cursor }) => cursor === after);
                      const got = had.sink.inbox.slice(0, place).filter(({ conversationId }) => conversationId === id);
                      from.set(id, Math.max(had.from.get(id) ?? 0, ...got.map(({ seq }) => seq)));
                    }
                  }
                  cases.push({
                    user: who,
                    sink: rig.open(who, { after: after ?? null }),
                    from,
                    ends: ends(),
                    stopped: false,
                  });
                  break;
                }
                case 'stall': {
                  const one = pick(step.which);
                  if (one && !one.sink.isFull) one.sink.room = step.room;
                  break;
                }
                case 'drain':
                  pick(step.which)?.sink.drain(step.room);
                  break;
                case 'stop': {
                  const one = pick(step.which);
                  one?.sink.stop();
                  if (one) one.stopped = true;
                  break;
                }
                case 'acknowledge': {
                  // What its last reader has had.
                  const who = step.user as UserId;
                  const one = cases.findLast((some) => some.user === who);
                  const had = one?.sink.inbox.findLast(({ conversationId }) => conversationId === step.lane)?.seq ?? 0;
                  const name = `${who} ${step.lane}`;
                  if (had > (marks.get(name) ?? 0)) {
                    marks.set(name, had);
                    rig.acknowledge(who, step.lane, had);
                  }
                  break;
                }
                case 'project':
                  rig.userLanes.listedShare = Math.max(rig.userLanes.listedShare, step.listed);
                  rig.userLanes.writtenShare = Math.max(rig.userLanes.writtenShare, step.written);
                  break;
                case 'fail': {
                  // Reads of the lanes fail, as many as that.
                  let left = step.reads;
                  rig.journal.misfortune = { append: () => 'none', read: () => left-- > 0 };
                  break;
                }
                case 'turns':
                  await turns(step.count);
                  break;
                default:
                  step satisfies never;
              }
            }
            // Who could not be started was told so, and got nothing; who was started is not ended.
            const isRefused = ({ sink }: Case) => sink.code === 'UNAVAILABLE' && sink.frames.length === 0;
            const open = cases.filter((one) => !one.stopped && !isRefused(one));
            const done = ends();
            // Something that every reader gets after all else: it shows that nothing more was on its way.
            const last = rig.scribe('last');
            last.create([...USERS] as unknown as UserId[]);
            for (const { sink } of open) {
              sink.room = Number.POSITIVE_INFINITY;
              if (sink.isFull) sink.drain(Number.POSITIVE_INFINITY);
            }
            for (const { sink } of open) {
              await until(
                () => sink.ended || (sink.isCaughtUp && sink.words.includes('last ConversationCreated 1')),
                () => `${sink.code ?? ''} ${sink.words.join(', ')}`,
              );
              expect(sink.ended && sink.frames.length > 0, String(sink.error)).toBe(false);
            }
            const checkAll = (): void => {
              for (const one of open.filter((some) => !isRefused(some)))
                for (const id of LANES) {
                  const { events } = scribes.get(id) as Scribe;
                  check(one, id, events, done.get(id) ?? 0, one.sink.inbox);
                }
            };
            // A read that has failed is tried again a little later.
            await until(() => holds(checkAll)).catch(() => {});
            await turns(10);
            checkAll();
            for (const one of cases) {
              // Whatever it had when it was told that it has everything, it has all from before it came.
              const place = one.sink.inbox.findIndex(({ __typename: type }) => type === 'InboxCaughtUp');
              if (place < 0) continue;
              for (const id of LANES) {
                const { events } = scribes.get(id) as Scribe;
                check(one, id, events, one.ends.get(id) ?? 0, one.sink.inbox.slice(0, place));
              }
            }
          } finally {
            await rig.inboxes.stop();
          }
        },
      ),
      { numRuns: 100 },
    );
  }, 120_000);
});

function holds(check: () => void): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}

/** A record of the one partition: who came into its lane, who went, or a message. */
const anyRecord = fc.record({
  lane,
  kind: fc.constantFrom('say', 'say', 'add', 'remove'),
  users: fc.subarray([...USERS, 'dave'], { minLength: 1 }),
});
const anyUse = fc.oneof(
  { weight: 8, arbitrary: anyRecord },
  { weight: 1, arbitrary: fc.record({ listed: fc.nat(100), isRoomy: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ left: fc.nat(8) }) },
);

describe('what is held for lists of conversations', () => {
  it('makes any list that MongoDB has, if it is not too old, the list as it is now, whatever was dropped', () => {
    fc.assert(
      fc.property(fc.array(anyUse, { maxLength: 60 }), (uses) => {
        const tail = new InboxTail(revisionOf(0));
        const log: StoredRecord[] = [];
        const seqs = new Map<string, number>();
        for (const use of uses)
          if ('left' in use) {
            tail.shrink(use.left);
            expect(tail.size).toBeLessThanOrEqual(use.left);
          } else if ('listed' in use) tail.trim(revisionOf(Math.floor((log.length * use.listed) / 100)), use.isRoomy);
          else {
            const seq = (seqs.get(use.lane) ?? 0) + 1;
            seqs.set(use.lane, seq);
            log.push(recordOf(use, seq, log.length + 1));
            tail.add(log.at(-1) as StoredRecord);
          }
        expect(tail.size).toBeLessThanOrEqual(LANES.length * (1 + 3));
        for (let listed = tail.from as number; listed <= log.length; listed++)
          for (const who of USERS as readonly string[] as readonly UserId[]) {
            const lanes = listAfter(log.slice(0, listed), who);
            expect(tail.fold(who, revisionOf(listed), lanes)).toBe(true);
            for (const [id, { left }] of listAfter(log, who)) expect(lanes.get(id)?.left, id).toBe(left);
            expect(lanes.size).toBe(listAfter(log, who).size);
          }
        if (tail.from > 0) expect(tail.fold('bob' as UserId, revisionOf(tail.from - 1), new Map())).toBe(false);
        for (const [i, { lane: id, revision, record }] of log.entries()) {
          const isLast = !log.slice(i + 1).some((later) => later.lane === id);
          if (isLast && revision > tail.from)
            expect(tail.newest(id)).toEqual({ seq: record?.events[0]?.seq, at: record?.events[0]?.at, revision });
        }
      }),
      { numRuns: 500 },
    );
  });
});

function recordOf(
  { lane: id, kind, users }: { lane: string; kind: string; users: string[] },
  seq: number,
  revision: number,
): StoredRecord {
  const type = { say: 'MessageSent', add: 'MembersAdded', remove: 'MemberRemoved' }[kind];
  const event = { type, seq, at: 1_000 + revision, by: 'alice', members: users, member: users[0], text: 'hi' };
  return { lane: id, revision, record: { v: 1, id: `r${revision}`, events: [event] } } as unknown as StoredRecord;
}

/** Of a user, as the projector writes it. */
function listAfter(log: readonly StoredRecord[], who: UserId): Map<LaneId, ListedLane> {
  const lanes = new Map<LaneId, ListedLane>();
  for (const { lane: id, record } of log)
    for (const { seq, at, ...event } of record?.events ?? []) {
      if (event.type === 'MembersAdded' && event.members.includes(who)) lanes.set(id, { seq, at, left: undefined });
      if (event.type === 'MemberRemoved' && event.member === who) lanes.set(id, { seq, at, left: seq });
    }
  return lanes;
}
