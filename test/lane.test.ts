/** The lane's two pure functions: given these events, when this command, then this. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command } from '../schema/commands.ts';
import type { LaneEvent } from '../schema/events.ts';
import type { ClientKey, LaneId, Seq, UserId } from '../schema/ids.ts';
import { DEFAULT_RULES, type Decision, decide, type Rules } from '../services/lane/decide.ts';
import { emptyLane, evolve, type Lane, sightOf, visible } from '../services/lane/lane.ts';
import { laneOfSnapshot, snapshotOf } from '../services/lane/snapshot.ts';
import { anyBody, type Body, by, commandOf, LANE } from './support/commands.ts';

const rules: Rules = { ...DEFAULT_RULES, maxMembers: 5 };
const NOW = 1_700_000_000_000;

/** Decides and applies one command after another; refused ones change nothing. */
function given(...wishes: readonly (readonly [user: string, body: Body])[]): Lane {
  return wishes.reduce((lane, [user, body], i) => {
    const decision = decide(lane, commandOf(user, `g${i}`, body), NOW, rules);
    return decision.kind === 'event' ? evolve(lane, decision.event) : lane;
  }, emptyLane(LANE));
}
const when = (lane: Lane, command: Command): Decision => decide(lane, command, NOW, rules);
const refusalOf = (decision: Decision): string | undefined =>
  decision.kind === 'refused' ? decision.refusal.code : undefined;
const user = (id: string): UserId => id as UserId;

const created: [string, Body] = ['alice', { type: 'CreateConversation', kind: 'GROUP', members: ['bob'] }];
const direct: [string, Body] = ['alice', { type: 'CreateConversation', kind: 'DIRECT', members: ['bob'] }];
const sent: Body = { type: 'SendMessage', text: 'hi' };

describe('a conversation', () => {
  it('begins with its creation, whose creator is a member and the owner', () => {
    const lane = given(created);
    expect(lane.seq).toBe(1);
    expect([...lane.members].map(([id, m]) => [id, m.role, m.firstSeq])).toEqual([
      ['alice', 'OWNER', 1],
      ['bob', 'MEMBER', 1],
    ]);
  });

  it('cannot be created twice, but the same command gives the same answer', () => {
    const lane = given(created);
    expect(refusalOf(when(lane, commandOf('bob', 'other', created[1])))).toBe('ALREADY_EXISTS');
    expect(when(lane, commandOf('alice', 'g0', created[1]))).toEqual({ kind: 'repeated', seq: 1, at: NOW });
  });

  it('that is direct is found from both sides, and its members do not change', () => {
    const lane = given(direct);
    expect(
      when(lane, commandOf('bob', 'k', { type: 'CreateConversation', kind: 'DIRECT', members: ['alice'] })),
    ).toMatchObject({
      kind: 'unchanged',
      seq: 1,
    });
    for (const body of [
      { type: 'AddMembers', members: ['carol'], hideHistory: false },
      { type: 'RemoveMember', member: 'bob' },
      { type: 'LeaveConversation' },
    ] as const)
      expect(refusalOf(when(lane, commandOf('alice', 'k', body)))).toBe('NOT_ALLOWED');
  });

  it('is not there for strangers, whatever they ask', () => {
    const bodies: Body[] = [sent, { type: 'LeaveConversation' }, { type: 'RemoveMember', member: 'bob' }];
    for (const lane of [given(created), emptyLane(LANE)])
      for (const body of bodies) expect(refusalOf(when(lane, commandOf('mallory', 'k', body)))).toBe('NOT_FOUND');
  });

  it('has its limits, each with a name', () => {
    const lane = given(created);
    const many = { type: 'AddMembers', members: ['c', 'd', 'e', 'f'], hideHistory: false } as const;
    expect(refusalOf(when(lane, commandOf('alice', 'k', many)))).toBe('MEMBER_LIMIT');
    const long = { type: 'SendMessage', text: 'ä'.repeat(8_193) } as const;
    expect(refusalOf(when(lane, commandOf('alice', 'k', long)))).toBe('TOO_LARGE');
    expect(when(lane, commandOf('alice', 'k', { type: 'SendMessage', text: 'ä'.repeat(8_192) })).kind).toBe('event');
  });

  it('passes to the member who has been there longest when its last owner goes', () => {
    const lane = given(created, ['alice', { type: 'AddMembers', members: ['carol'], hideHistory: false }]);
    const decision = when(lane, commandOf('alice', 'k', { type: 'LeaveConversation' }));
    expect(decision).toMatchObject({
      kind: 'event',
      event: { type: 'MemberRemoved', member: 'alice', newOwner: 'bob' },
    });
    const after = decision.kind === 'event' ? evolve(lane, decision.event) : lane;
    expect(after.members.get(user('bob'))?.role).toBe('OWNER');
    expect(refusalOf(when(after, commandOf('carol', 'k', { type: 'RemoveMember', member: 'bob' })))).toBe(
      'NOT_ALLOWED',
    );
  });

  it('is administered, but not written, by an administrator', () => {
    const lane = given(created);
    const admin = (body: Body) =>
      when(lane, { ...commandOf('root', 'k', body), actor: { ...by('root'), admin: true } });
    expect(refusalOf(admin(sent))).toBe('NOT_ALLOWED');
    expect(admin({ type: 'RemoveMember', member: 'bob' }).kind).toBe('event');
  });

  it('is opened by servers only, where the rules say so', () => {
    const strict: Rules = { ...rules, create: 'server' };
    const command = commandOf('alice', 'k', created[1]);
    expect(refusalOf(decide(emptyLane(LANE), command, NOW, strict))).toBe('NOT_ALLOWED');
    const asServer: Command = { ...command, actor: { ...command.actor, server: true, via: user('shop') } };
    expect(decide(emptyLane(LANE), asServer, NOW, strict)).toMatchObject({ kind: 'event', event: { via: 'shop' } });
  });
});

describe('who sees what', () => {
  const history = given(
    created,
    ['alice', sent],
    ['alice', { type: 'AddMembers', members: ['carol'], hideHistory: true }],
    ['alice', { type: 'AddMembers', members: ['dora'], hideHistory: false }],
    ['alice', { type: 'RemoveMember', member: 'bob' }],
    ['alice', sent],
  );
  it('begins at the joining where history was hidden, and else at the first event', () => {
    expect(sightOf(history, user('carol'), false)).toEqual({ from: 3, to: Number.POSITIVE_INFINITY });
    expect(sightOf(history, user('dora'), false)).toEqual({ from: 1, to: Number.POSITIVE_INFINITY });
  });
  it('ends with the removal, which is still seen', () => {
    expect(visible(history, user('bob'), false, 5)).toBe(true);
    expect(visible(history, user('bob'), false, 6)).toBe(false);
    expect(sightOf(history, user('mallory'), false)).toBeUndefined();
  });
  it('begins anew for who returns', () => {
    const back = given(
      created,
      ['alice', { type: 'RemoveMember', member: 'bob' }],
      ['alice', sent],
      ['alice', { type: 'AddMembers', members: ['bob'], hideHistory: true }],
    );
    expect(sightOf(back, user('bob'), false)).toEqual({ from: 4, to: Number.POSITIVE_INFINITY });
  });
});

describe('any run of commands', () => {
  const runs = fc.array(
    fc.record({
      user: fc.constantFrom('alice', 'bob', 'carol', 'dora', 'mallory'),
      key: fc.integer({ min: 0, max: 20 }).map((n) => `k${n}`),
      body: anyBody,
      tick: fc.integer({ min: -50, max: 50 }),
    }),
    { maxLength: 60 },
  );

  it('gives dense events, time that never falls, one event a key, at least one owner, and a state that survives a snapshot', () => {
    fc.assert(
      fc.property(runs, (run) => {
        let lane = emptyLane(LANE);
        let now = NOW;
        const events: LaneEvent[] = [];
        for (const { user: id, key, body, tick } of run) {
          now += tick;
          const before = lane;
          const decision = decide(lane, commandOf(id, key, body), now, rules);
          if (decision.kind === 'event') {
            expect(decision.event.seq).toBe(lane.seq + 1);
            expect(decision.event.at).toBeGreaterThanOrEqual(lane.lastAt);
            lane = evolve(lane, decision.event);
            events.push(decision.event);
          } else expect(lane).toBe(before);
          if (decision.kind === 'repeated') expect(events[decision.seq - 1]).toMatchObject({ by: id, key });
          expect(laneOfSnapshot(JSON.parse(JSON.stringify(snapshotOf(lane))))).toEqual(lane);
        }
        expect(new Set(events.map((e) => `${e.by} ${e.key}`)).size).toBe(events.length);
        expect(events.reduce(evolve, emptyLane(LANE))).toEqual(lane);
        const owners = [...lane.members.values()].filter((m) => m.role === 'OWNER').length;
        expect(owners).toBe(lane.owners);
        if (lane.kind === 'GROUP' && lane.members.size > 0) expect(owners).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });

  it('never shows an event to who was not in the conversation, nor hides one from who was', () => {
    fc.assert(
      fc.property(runs, (run) => {
        let lane = emptyLane(LANE);
        const members = new Set<string>();
        const sawAll = new Map<string, number[]>();
        for (const [i, { user: id, body }] of run.entries()) {
          const decision = decide(lane, commandOf(id, `n${i}`, body), NOW, rules);
          if (decision.kind !== 'event') continue;
          const { event } = decision;
          const leaving = event.type === 'MemberRemoved' ? event.member : undefined;
          if (event.type === 'ConversationCreated' || event.type === 'MembersAdded')
            for (const member of event.members) {
              members.add(member);
              // Whoever comes sees from here on, or, when nothing is hidden, from the beginning.
              const hidden = event.type === 'MembersAdded' && event.hideHistory;
              sawAll.set(member, hidden ? [] : Array.from({ length: event.seq - 1 }, (_, n) => n + 1));
            }
          for (const member of members) sawAll.get(member)?.push(event.seq);
          if (leaving) members.delete(leaving);
          lane = evolve(lane, event);
        }
        for (const id of ['alice', 'bob', 'carol', 'dora', 'mallory']) {
          const seen = Array.from({ length: lane.seq }, (_, n) => n + 1).filter((seq) =>
            visible(lane, user(id), false, seq),
          );
          expect(seen).toEqual(sawAll.get(id) ?? []);
        }
      }),
      { numRuns: 300 },
    );
  });
});

it('an event out of its place throws, and one of a later version keeps its place', () => {
  const lane = given(created);
  const stamp = { at: NOW, by: user('alice'), key: 'z' as ClientKey, hash: 'h' };
  expect(() => evolve(lane, { type: 'MessageSent', text: 'x', seq: 3 as Seq, ...stamp })).toThrow(/does not follow/);
  const later = { type: 'MessagePraised', seq: 2, ...stamp } as unknown as LaneEvent;
  expect(evolve(lane, later)).toMatchObject({ seq: 2, members: lane.members, id: LANE satisfies LaneId });
});
