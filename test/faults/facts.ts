/** What is certain about one lane: its stored events, who was in it when, and what was known of it at which time. */
import type { LaneEvent } from '../../schema/events.ts';
import { type Attempt, contentOf, type Frame, seenOf, type Trace, type Wish } from './trace.ts';

/** One belonging of a user to a lane. */
export interface Span {
  readonly joined: number;
  readonly first: number;
  /** The seq of the removal; Infinity while it lasts. */
  left: number;
}

/** All attempts of one command. */
export interface Command {
  readonly user: string;
  readonly key: string;
  /** In the order of sending. */
  readonly attempts: Attempt[];
}

export interface LaneFacts {
  readonly lane: string;
  readonly events: readonly LaneEvent[];
  readonly lastSeq: number;
  at(seq: number): LaneEvent | undefined;
  content(seq: number): number | undefined;
  /** The events that this key wrote; more than one is a fault. */
  wroteBy(user: string, key: string): readonly LaneEvent[];
  spans(user: string): readonly Span[];
  commands: ReadonlyMap<string, Command>;
  /** The highest seq that somebody had learned of before `time`. */
  knownBefore(time: number): number;
  /** No event with this seq can have been in the lane before this time. */
  earliest(seq: number): number;
}

export const commandName = (user: string, key: string): string => `${user} ${key}`;

export function factsOf(trace: Trace): Map<string, LaneFacts> {
  const attempts = groupBy(trace.attempts, (attempt) => attempt.lane);
  const sessions = groupBy(trace.sessions, (session) => session.lane);
  const pages = groupBy(trace.pages, (page) => page.lane);
  const names = new Set([...trace.stores.lanes.keys(), ...attempts.keys(), ...sessions.keys(), ...pages.keys()]);
  return new Map(
    [...names].map((lane) => {
      const records = trace.stores.lanes.get(lane) ?? [];
      const events = records.flatMap((record) => record.events ?? []);
      const frames = (sessions.get(lane) ?? []).flatMap((session) => session.frames);
      return [lane, laneFactsOf(lane, events, attempts.get(lane) ?? [], frames)];
    }),
  );
}

function laneFactsOf(
  lane: string,
  events: readonly LaneEvent[],
  attempts: readonly Attempt[],
  frames: readonly Frame[],
): LaneFacts {
  const bySeq = new Map<number, LaneEvent>();
  for (const event of events) if (!bySeq.has(event.seq)) bySeq.set(event.seq, event);
  const contents = new Map([...bySeq].map(([seq, event]) => [seq, contentOf(seenOf(event))]));
  const byKey = groupBy(events, (event) => commandName(event.by, event.key));
  const commands = commandsOf(attempts);
  const spans = spansOf(events);
  const known = learnedOf(bySeq, contents, attempts, frames);
  return {
    lane,
    events,
    lastSeq: events.reduce((last, event) => Math.max(last, event.seq), 0),
    at: (seq) => bySeq.get(seq),
    content: (seq) => contents.get(seq),
    wroteBy: (user, key) => byKey.get(commandName(user, key)) ?? [],
    spans: (user) => spans.get(user) ?? [],
    commands,
    knownBefore: known,
    earliest: (seq) => {
      const event = bySeq.get(seq);
      const command = event && commands.get(commandName(event.by, event.key));
      return command?.attempts[0]?.sentAt ?? Number.NEGATIVE_INFINITY;
    },
  };
}

function commandsOf(attempts: readonly Attempt[]): Map<string, Command> {
  const commands = new Map<string, Command>();
  for (const attempt of [...attempts].sort((a, b) => a.sentAt - b.sentAt)) {
    const name = commandName(attempt.user, attempt.key);
    const command = commands.get(name);
    if (command) command.attempts.push(attempt);
    else commands.set(name, { user: attempt.user, key: attempt.key, attempts: [attempt] });
  }
  return commands;
}

export function spansOf(events: readonly LaneEvent[]): Map<string, Span[]> {
  const spans = new Map<string, Span[]>();
  const join = (user: string, joined: number, first: number) => {
    const had = spans.get(user);
    if (had) had.push({ joined, first, left: Number.POSITIVE_INFINITY });
    else spans.set(user, [{ joined, first, left: Number.POSITIVE_INFINITY }]);
  };
  for (const event of events) {
    if (event.type === 'ConversationCreated') for (const user of event.members) join(user, event.seq, 1);
    if (event.type === 'MembersAdded')
      for (const user of event.members) join(user, event.seq, event.hideHistory ? event.seq : 1);
    if (event.type === 'MemberRemoved') {
      const last = spans.get(event.member)?.at(-1);
      if (last) last.left = Math.min(last.left, event.seq);
    }
  }
  return spans;
}

/** Only what is true of the lane counts as learned, so that one false answer is one violation and not a hundred. */
function learnedOf(
  bySeq: ReadonlyMap<number, LaneEvent>,
  contents: ReadonlyMap<number, number>,
  attempts: readonly Attempt[],
  frames: readonly Frame[],
): (time: number) => number {
  const learned: { at: number; seq: number }[] = [];
  for (const { answer, answeredAt, user, key } of attempts) {
    if (answer.kind !== 'accepted' || !answer.changed) continue;
    const event = bySeq.get(answer.seq);
    if (event?.by === user && event.key === key) learned.push({ at: answeredAt, seq: answer.seq });
  }
  for (const frame of frames)
    if (frame.content !== undefined && contents.get(frame.seq) === frame.content)
      learned.push({ at: frame.at, seq: frame.seq });
  learned.sort((a, b) => a.at - b.at);
  let highest = 0;
  const times: number[] = [];
  const seqs: number[] = [];
  for (const { at, seq } of learned) {
    if (seq <= highest) continue;
    highest = seq;
    times.push(at);
    seqs.push(seq);
  }
  return (time) => {
    let from = 0;
    let to = times.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((times[middle] as number) < time) from = middle + 1;
      else to = middle;
    }
    return seqs[from - 1] ?? 0;
  };
}

/** Whether the user belonged to the lane when its last event was `seq`. */
export const memberAt = (facts: LaneFacts, user: string, seq: number): boolean =>
  facts.spans(user).some((span) => span.joined <= seq && seq < span.left);

/** Whether this event is what the wish, given by `user`, writes. */
export function wrote(event: LaneEvent, user: string, wish: Wish): boolean {
  switch (wish.type) {
    case 'send':
      return event.type === 'MessageSent' && event.text === wish.text;
    case 'create':
      return (
        event.type === 'ConversationCreated' &&
        event.kind === wish.kind &&
        (event.title ?? '') === (wish.title ?? '') &&
        sameSet(event.members, [user, ...wish.members])
      );
    case 'add':
      return (
        event.type === 'MembersAdded' &&
        event.members.length > 0 &&
        event.members.every((member) => wish.members.includes(member)) &&
        (event.hideHistory === true) === wish.hideHistory
      );
    case 'remove':
      return event.type === 'MemberRemoved' && event.member === wish.member;
    case 'leave':
      return event.type === 'MemberRemoved' && event.member === user;
    default:
      return wish satisfies never;
  }
}

const sameSet = (a: readonly string[], b: readonly string[]): boolean => {
  const [left, right] = [new Set(a), new Set(b)];
  return left.size === right.size && [...left].every((member) => right.has(member));
};

export function groupBy<T>(from: readonly T[], nameOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of from) {
    const name = nameOf(item);
    const group = groups.get(name);
    if (group) group.push(item);
    else groups.set(name, [item]);
  }
  return groups;
}
