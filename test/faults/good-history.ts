/**
 * Makes histories in which every promise is kept, with as much disorder as the promises allow: answers that are lost before
 * or after the store, answers that come late, keys sent twice at once, members who come and go, streams that break.
 */
import { createHash } from 'node:crypto';
import type { Command } from '../../schema/commands.ts';
import type { LaneEvent } from '../../schema/events.ts';
import type { ClientKey, LaneId, UserId } from '../../schema/ids.ts';
import { DEFAULT_RULES, decide } from '../../services/lane/decide.ts';
import { emptyLane, evolve, type Lane } from '../../services/lane/lane.ts';
import { readSome } from './good-reads.ts';
import { type Random, randomOf } from './random.ts';
import type { Answer, Attempt, HistoryEvent, StoredLaneRecord, Trace, Wish } from './trace.ts';

export const USERS = ['ada', 'ben', 'cyd', 'dan', 'eve'];
/** Where the run's clock and the lanes' clock begin. */
export const EPOCH = 1_750_000_000_000;

/** A lane as it grows: `states[n]` after event n, from `times[n]` on. */
export interface Grown {
  readonly lane: string;
  readonly states: Lane[];
  readonly times: number[];
  readonly events: LaneEvent[];
}

type Fate =
  | 'answered'
  | 'unsent'
  | 'lost-before'
  | 'lost-after'
  | 'unknown-after'
  | 'not-now'
  | 'contended'
  | 'rate-limited';
interface Given {
  readonly user: string;
  readonly lane: string;
  readonly key: string;
  readonly wish: Wish;
  readonly tries: number;
}
interface Step {
  readonly time: number;
  run(): void;
}

export const goodHistory = (seed: number): Trace => grow(seed).trace;

export function grow(seed: number): { readonly trace: Trace; readonly lanes: readonly Grown[] } {
  const random = randomOf(seed);
  const grown = new Map<string, Grown>();
  const attempts: Attempt[] = [];
  const steps: Step[] = [];
  const at = (time: number, run: () => void) => void steps.push({ time, run });
  const give = (time: number, given: Given) => at(time, () => attempt(random, time, given, grown, attempts, at, give));
  for (let n = random.int(1, 3); n > 0; n--) openLane(random, `lane${n}`, give);
  while (steps.length > 0) {
    const next = steps.reduce((first, step, i) => (step.time < (steps[first] as Step).time ? i : first), 0);
    (steps.splice(next, 1)[0] as Step).run();
  }
  const lanes = new Map([...grown.values()].map((lane) => [lane.lane, recordsOf(random, lane)]));
  const { history, parked } = storesOf(random, lanes);
  const reads = [...grown.values()].map((lane) => readSome(random, lane, USERS));
  const trace = {
    attempts,
    sessions: reads.flatMap(({ sessions }) => sessions),
    pages: reads.flatMap(({ pages }) => pages),
    surprises: [],
    stores: { lanes, history, parked },
  };
  return { trace, lanes: [...grown.values()] };
}

function openLane(random: Random, lane: string, give: (time: number, given: Given) => void): void {
  const members = random.shuffle(USERS).slice(0, random.int(1, 4));
  const [owner] = members as [string];
  const wish: Wish = { type: 'create', kind: 'GROUP', title: `of ${owner}`, members: members.slice(1) };
  give(random.int(0, 20), { user: owner, lane, key: `${lane}-0`, wish, tries: 0 });
  const ends = random.int(100, 2_000);
  for (let n = random.int(5, 40); n > 0; n--) {
    const user = random.chance(0.3) ? owner : random.pick(USERS);
    const given = { user, lane, key: `${lane}-${n}`, wish: wishOf(random, `${user} says ${n}`), tries: 0 };
    const time = random.int(20, ends);
    give(time, given);
    // The same key at once, from another process.
    if (random.chance(0.08)) give(time + random.int(0, 3), given);
  }
}

function wishOf(random: Random, text: string): Wish {
  const chance = random.next();
  if (chance < 0.75) return { type: 'send', text };
  if (chance < 0.87)
    return { type: 'add', members: random.shuffle(USERS).slice(0, random.int(1, 2)), hideHistory: random.chance(0.4) };
  return chance < 0.97 ? { type: 'remove', member: random.pick(USERS) } : { type: 'leave' };
}

function attempt(
  random: Random,
  sentAt: number,
  given: Given,
  grown: Map<string, Grown>,
  attempts: Attempt[],
  at: (time: number, run: () => void) => void,
  give: (time: number, given: Given) => void,
): void {
  const fate = fateOf(random);
  const decidedAt = sentAt + random.int(1, fate === 'answered' ? 15 : 80);
  const answeredAt = (fate === 'answered' ? decidedAt : sentAt) + random.int(1, 30);
  const settle = (answer: Answer) => {
    const { user, lane, key, wish } = given;
    const process = random.pick(['api-0', 'api-1']);
    const door = random.pick(['http', 'ws'] as const);
    const answeredWallAt = EPOCH + answeredAt;
    attempts.push({ user, lane, key, wish, process, door, sentAt, answeredAt, answeredWallAt, answer });
    goOn(random, answeredAt, given, answer, give);
  };
  const reaches = fate === 'answered' || fate === 'lost-after' || fate === 'unknown-after';
  if (fate !== 'answered') settle(failureOf(fate));
  if (!reaches) return;
  at(decidedAt, () => {
    const answer = decideIt(given, decidedAt, grown);
    if (fate === 'answered') settle(answer);
  });
}

function fateOf(random: Random): Fate {
  if (random.chance(0.7)) return 'answered';
  return random.pick([
    'unsent',
    'lost-before',
    'lost-after',
    'unknown-after',
    'not-now',
    'contended',
    'rate-limited',
  ] as const);
}

function failureOf(fate: Fate): Answer {
  switch (fate) {
    case 'unknown-after':
      return { kind: 'error', code: 'OUTCOME_UNKNOWN', retryable: true };
    case 'unsent':
      return { kind: 'unsent', why: 'connection refused' };
    case 'not-now':
      return { kind: 'error', code: 'UNAVAILABLE', retryable: true };
    case 'contended':
      return { kind: 'refused', code: 'CONTENDED', retryable: true };
    case 'rate-limited':
      return { kind: 'refused', code: 'RATE_LIMITED', retryable: true };
    default:
      return { kind: 'lost', why: 'connection reset' };
  }
}

/** Most senders try until they know; some give up; some ask again what they know, or with other words. */
function goOn(random: Random, time: number, given: Given, answer: Answer, give: (time: number, given: Given) => void) {
  const tries = given.tries + 1;
  if (tries > 6) return;
  const settled = answer.kind === 'accepted' || (answer.kind === 'refused' && !answer.retryable);
  if (!settled && random.chance(0.9)) give(time + random.int(1, 100), { ...given, tries });
  if (!settled) return;
  if (random.chance(0.15)) give(time + random.int(1, 400), { ...given, tries });
  if (random.chance(0.05)) give(time + random.int(1, 400), { ...given, wish: { type: 'send', text: 'other' }, tries });
}

function decideIt({ user, lane, key, wish }: Given, now: number, grown: Map<string, Grown>): Answer {
  const had = grown.get(lane) ?? { lane, states: [emptyLane(lane as LaneId)], times: [0], events: [] };
  const state = had.states.at(-1) as Lane;
  const decision = decide(state, commandOf(user, lane, key, wish), EPOCH + now, DEFAULT_RULES);
  switch (decision.kind) {
    case 'event':
      had.states.push(evolve(state, decision.event));
      had.times.push(now);
      had.events.push(decision.event);
      grown.set(lane, had);
      return { kind: 'accepted', seq: decision.event.seq, at: decision.event.at, repeated: false, changed: true };
    case 'repeated':
      return { kind: 'accepted', seq: decision.seq, at: decision.at, repeated: true, changed: true };
    case 'unchanged':
      return { kind: 'accepted', seq: decision.seq, at: decision.at, repeated: false, changed: false };
    case 'refused':
      return { kind: 'refused', code: decision.refusal.code, retryable: false };
    case 'look-up':
      throw new Error('a short lane remembers every key');
    default:
      return decision satisfies never;
  }
}

function commandOf(user: string, lane: string, key: string, wish: Wish): Command {
  const hash = createHash('sha256').update(JSON.stringify(wish)).digest('base64url').slice(0, 16);
  const actor = { user: user as UserId, admin: false, server: false };
  const given = { lane: lane as LaneId, actor, key: key as ClientKey, hash };
  switch (wish.type) {
    case 'send':
      return { ...given, type: 'SendMessage', text: wish.text };
    case 'create': {
      const { kind, title, members } = wish;
      const named = title === undefined ? {} : { title };
      return { ...given, type: 'CreateConversation', kind, ...named, members: members as UserId[] };
    }
    case 'add':
      return { ...given, type: 'AddMembers', members: wish.members as UserId[], hideHistory: wish.hideHistory };
    case 'remove':
      return { ...given, type: 'RemoveMember', member: wish.member as UserId };
    case 'leave':
      return { ...given, type: 'LeaveConversation' };
    default:
      return wish satisfies never;
  }
}

/** Events that followed each other may have gone into one record. */
function recordsOf(random: Random, { events }: Grown): StoredLaneRecord[] {
  const records: StoredLaneRecord[] = [];
  let revision = random.int(1, 50);
  for (let from = 0; from < events.length; ) {
    const to = Math.min(events.length, from + (random.chance(0.3) ? random.int(2, 4) : 1));
    records.push({ revision, events: events.slice(from, to) });
    revision += random.int(1, 5);
    from = to;
  }
  return records;
}

function storesOf(random: Random, lanes: Map<string, StoredLaneRecord[]>) {
  const history = new Map<string, HistoryEvent[]>();
  for (const [lane, records] of lanes)
    history.set(
      lane,
      records.flatMap(({ revision, events = [] }) => events.map((event) => ({ revision, event }))),
    );
  const parked: { lane: string; revision: number }[] = [];
  if (lanes.size > 0 && random.chance(0.2)) {
    const [lane, records] = random.pick([...lanes]);
    const revision = (records.at(-1)?.revision ?? 0) + 1;
    records.push({ revision, events: undefined });
    parked.push({ lane, revision });
  }
  return { history, parked };
}
