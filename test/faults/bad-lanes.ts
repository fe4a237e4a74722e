/** Kinds of broken lanes; history follows each, so that only the lane's own promise is broken. */
import type { LaneEvent } from '../../schema/events.ts';
import type { ClientKey, Seq, UserId } from '../../schema/ids.ts';
import { acksOf, eventsOf, type Kind, type Place, relaid, some, someEvent } from './spoil.ts';
import type { Trace } from './trace.ts';

const renumbered = (events: readonly LaneEvent[]): LaneEvent[] =>
  events.map((event, i) => ({ ...event, seq: (i + 1) as Seq }));
const changed = (trace: Trace, { lane, event }: Place, change: Partial<LaneEvent>): Trace =>
  relaid(
    trace,
    lane,
    eventsOf(trace, lane).map((other) => (other === event ? ({ ...other, ...change } as LaneEvent) : other)),
  );

export const LANE_KINDS: readonly Kind[] = [
  {
    name: 'the last acknowledged message is gone',
    finds: 'I1',
    spoil: (trace, random) => {
      const last = someEvent(
        trace,
        random,
        ({ lane, event }) => event === eventsOf(trace, lane).at(-1) && acksOf(trace, lane, event).length > 0,
      );
      return last && relaid(trace, last.lane, eventsOf(trace, last.lane).slice(0, -1));
    },
  },
  {
    name: 'an acknowledged message is gone, and what follows moved up',
    finds: 'I1',
    spoil: (trace, random) => {
      const place = someEvent(trace, random, ({ lane, event }) => acksOf(trace, lane, event).length > 0);
      if (!place) return undefined;
      const left = eventsOf(trace, place.lane).filter((event) => event !== place.event);
      return relaid(trace, place.lane, renumbered(left));
    },
  },
  {
    name: 'another message stands in the place of an acknowledged one',
    finds: 'I1',
    spoil: (trace, random) => {
      const place = someEvent(trace, random, ({ lane, event }) => acksOf(trace, lane, event).length > 0);
      return place && changed(trace, place, { key: 'other' as ClientKey });
    },
  },
  {
    name: 'a whole lane is gone',
    finds: 'I1',
    spoil: (trace, random) => {
      const lane = some(random, [...trace.stores.lanes.keys()], (name) =>
        eventsOf(trace, name).some((event) => acksOf(trace, name, event).length > 0),
      );
      return lane === undefined ? undefined : relaid(trace, lane, []);
    },
  },
  {
    name: 'a message is stored twice',
    finds: 'I2',
    spoil: (trace, random) => {
      const place = someEvent(trace, random, ({ event }) => event.type === 'MessageSent');
      if (!place) return undefined;
      const events = eventsOf(trace, place.lane);
      return relaid(trace, place.lane, renumbered([...events, { ...place.event, at: events.at(-1)?.at ?? 0 }]));
    },
  },
  {
    name: 'the lane has a hole',
    finds: 'I6',
    spoil: (trace, random) => {
      const place = someEvent(trace, random, ({ lane, event }) => event.seq < eventsOf(trace, lane).length);
      if (!place) return undefined;
      return relaid(
        trace,
        place.lane,
        eventsOf(trace, place.lane).filter((event) => event !== place.event),
      );
    },
  },
  {
    name: 'time falls within a lane',
    finds: 'I6',
    spoil: (trace, random) => {
      const place = someEvent(trace, random, ({ event }) => event.seq > 1);
      return place && changed(trace, place, { at: place.event.at - 1_000_000 });
    },
  },
  {
    name: 'two messages are stored against the order in which they were answered and sent',
    finds: 'I6',
    spoil: (trace, random) => {
      const place = someEvent(trace, random, ({ lane, event }) => follows(trace, lane, event));
      if (!place) return undefined;
      const events = [...eventsOf(trace, place.lane)];
      const [one, two] = [events[place.event.seq - 2], place.event] as [LaneEvent, LaneEvent];
      events.splice(one.seq - 1, 2, { ...two, at: one.at }, { ...one, at: two.at });
      return withMovedAnswers(relaid(trace, place.lane, renumbered(events)), place.lane, one, two);
    },
  },
  {
    name: 'a member who was gone has written',
    finds: 'I6',
    spoil: (trace, random) => {
      const place = someEvent(trace, random, ({ event }) => event.type === 'MemberRemoved');
      if (place?.event.type !== 'MemberRemoved') return undefined;
      const late = someEvent(
        trace,
        random,
        ({ lane, event }) => lane === place.lane && event.type === 'MessageSent' && event.seq === place.event.seq + 1,
      );
      return late && changed(trace, late, { by: place.event.member });
    },
  },
  {
    name: 'the lane has what nobody sent',
    finds: 'I11',
    spoil: (trace, random) => {
      const place = someEvent(trace, random, ({ event }) => event.type === 'MessageSent');
      if (!place) return undefined;
      const events = eventsOf(trace, place.lane);
      const ghost = { ...place.event, key: 'ghost' as ClientKey, at: events.at(-1)?.at ?? 0 };
      return relaid(trace, place.lane, renumbered([...events, ghost]));
    },
  },
  {
    name: 'a message is stored as by another than who sent it',
    finds: 'I11',
    spoil: (trace, random) => {
      const place = someEvent(trace, random, ({ event }) => event.type === 'MessageSent');
      return place && changed(trace, place, { by: 'mallory' as UserId });
    },
  },
  {
    name: 'a message is stored with a text that nobody sent',
    finds: 'I11',
    spoil: (trace, random) => {
      const place = someEvent(trace, random, ({ event }) => event.type === 'MessageSent');
      return place && changed(trace, place, { text: 'not what was said' });
    },
  },
];

/** Whether the event before was answered before this one was sent. */
function follows(trace: Trace, lane: string, event: LaneEvent): boolean {
  const before = eventsOf(trace, lane)[event.seq - 2];
  if (before?.type !== 'MessageSent' || event.type !== 'MessageSent') return false;
  const answered = Math.min(...acksOf(trace, lane, before).map(({ answeredAt }) => answeredAt));
  const sent = trace.attempts.filter(({ user, key }) => user === event.by && key === event.key);
  return answered < Math.min(...sent.map(({ sentAt }) => sentAt));
}

/** The answers tell the new seqs, so that only the order is wrong. */
function withMovedAnswers(trace: Trace, lane: string, one: LaneEvent, two: LaneEvent): Trace {
  const other = new Map([one, two].map((event, i) => [`${event.by} ${event.key}`, i === 0 ? two : one]));
  const attempts = trace.attempts.map((attempt) => {
    const now = attempt.lane === lane ? other.get(`${attempt.user} ${attempt.key}`) : undefined;
    const { answer } = attempt;
    if (!now || answer.kind !== 'accepted' || !answer.changed) return attempt;
    return { ...attempt, answer: { ...answer, seq: now.seq, at: now.at } };
  });
  return { ...trace, attempts };
}
