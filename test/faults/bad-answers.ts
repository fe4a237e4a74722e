/** Kinds of broken answers: each takes a good history and makes one answer to a sender a lie. */

import type { Random } from './random.ts';
import { acksOf, eventsOf, type Kind, some, someEvent } from './spoil.ts';
import type { Answer, Attempt, Trace } from './trace.ts';

type Accepted = Extract<Answer, { kind: 'accepted' }>;
const acceptedOf = ({ answer }: Attempt): Accepted | undefined =>
  answer.kind === 'accepted' && answer.changed ? answer : undefined;

const withAnswer = (trace: Trace, attempt: Attempt, answer: Answer): Trace => ({
  ...trace,
  attempts: trace.attempts.map((other) => (other === attempt ? { ...attempt, answer } : other)),
});
const plus = (trace: Trace, attempt: Attempt): Trace => ({ ...trace, attempts: [...trace.attempts, attempt] });
const later = (attempt: Attempt, answer: Answer): Attempt => ({
  ...attempt,
  sentAt: attempt.answeredAt + 5_000,
  answeredAt: attempt.answeredAt + 5_010,
  answer,
});
const refused = (code: string): Answer => ({ kind: 'refused', code, retryable: false });

const change = (
  name: string,
  finds: Kind['finds'],
  where: (attempt: Attempt, trace: Trace) => boolean,
  answerOf: (had: Accepted) => Answer,
): Kind => ({
  name,
  finds,
  spoil: (trace, random) => {
    const attempt = some(random, trace.attempts, (item) => acceptedOf(item) !== undefined && where(item, trace));
    const had = attempt && acceptedOf(attempt);
    return attempt && had && withAnswer(trace, attempt, answerOf(had));
  },
});

const again = (name: string, finds: Kind['finds'], answerOf: (had: Accepted) => Answer): Kind => ({
  name,
  finds,
  spoil: (trace, random) => {
    const attempt = some(random, trace.attempts, (item) => acceptedOf(item) !== undefined);
    const had = attempt && acceptedOf(attempt);
    return attempt && had && plus(trace, later(attempt, answerOf(had)));
  },
});

const acksFor = (trace: Trace, attempt: Attempt): number =>
  eventsOf(trace, attempt.lane)
    .filter((event) => event.by === attempt.user && event.key === attempt.key)
    .flatMap((event) => acksOf(trace, attempt.lane, event)).length;

/** A member for good, and an answer long after everything. */
function memberAtEnd(trace: Trace, random: Random) {
  const created = someEvent(trace, random, ({ lane, event }) => {
    if (event.type !== 'ConversationCreated' || acksOf(trace, lane, event).length === 0) return false;
    const gone = eventsOf(trace, lane).some((other) => other.type === 'MemberRemoved' && other.member === event.by);
    return !gone;
  });
  const attempt = created && acksOf(trace, created.lane, created.event)[0];
  return attempt && { attempt, lane: attempt.lane, end: eventsOf(trace, attempt.lane).length };
}

export const ANSWER_KINDS: readonly Kind[] = [
  change(
    'an answer names a seq past the end of the lane',
    'I1',
    (attempt, trace) => acksFor(trace, attempt) === 1,
    // What it wrote is elsewhere, so it is a wrong answer; with nothing written it is a loss: see the stores' kinds.
    (had) => ({ ...had, seq: 1_000_000, changed: false }),
  ),
  {
    name: 'an acknowledgement for what was never stored',
    finds: 'I1',
    spoil: (trace, random) => {
      const attempt = some(random, trace.attempts, ({ answer, lane, user, key }) => {
        const wrote = eventsOf(trace, lane).some((event) => event.by === user && event.key === key);
        return answer.kind === 'lost' && !wrote;
      });
      return attempt && withAnswer(trace, attempt, { kind: 'accepted', seq: 2, at: 1, repeated: false, changed: true });
    },
  },
  {
    name: 'answered as being so already, and it was not',
    finds: 'I1',
    spoil: (trace, random) => {
      const member = memberAtEnd(trace, random);
      if (!member) return undefined;
      const wish = { type: 'add', members: ['nobody'], hideHistory: false } as const;
      const answer: Answer = { kind: 'accepted', seq: member.end, at: 1, repeated: false, changed: false };
      return plus(trace, { ...later(member.attempt, answer), key: 'added', wish: { ...wish, members: ['nobody'] } });
    },
  },
  change(
    'two answers for one key carry different seqs',
    'I2',
    (attempt, trace) => acksFor(trace, attempt) > 1,
    (had) => ({ ...had, seq: had.seq + 1 }),
  ),
  change(
    'an answer carries another time than the event',
    'I2',
    () => true,
    (had) => ({ ...had, at: had.at + 1 }),
  ),
  change(
    'a command sent once is answered as repeated',
    'I2',
    (attempt, trace) =>
      trace.attempts.filter(({ user, key }) => user === attempt.user && key === attempt.key).length === 1,
    (had) => ({ ...had, repeated: true }),
  ),
  again('two answers for one key say that it is the first', 'I2', (had) => ({ ...had, repeated: false })),
  again('the same command again is refused as KEY_REUSED', 'I2', () => refused('KEY_REUSED')),
  again('accepted, and refused when asked again', 'I2', () => refused('NOT_ALLOWED')),
  {
    name: 'other words under a used key are accepted',
    finds: 'I2',
    spoil: (trace, random) => {
      const attempt = some(
        random,
        trace.attempts,
        ({ answer }) => answer.kind === 'refused' && answer.code === 'KEY_REUSED',
      );
      const event = eventsOf(trace, attempt?.lane ?? '').find(
        ({ by, key }) => by === attempt?.user && key === attempt.key,
      );
      if (!attempt || !event) return undefined;
      const { seq, at } = event;
      return withAnswer(trace, attempt, { kind: 'accepted', seq, at, repeated: true, changed: true });
    },
  },
  {
    name: 'KEY_REUSED for a key that wrote nothing',
    finds: 'I2',
    spoil: (trace, random) => {
      const attempt = some(random, trace.attempts);
      return attempt && plus(trace, { ...later(attempt, refused('KEY_REUSED')), key: 'unused' });
    },
  },
  {
    name: 'every answer said no, and it is stored',
    finds: 'I11',
    spoil: (trace, random) => {
      const attempt = some(random, trace.attempts, (item) => acceptedOf(item) !== undefined);
      if (!attempt) return undefined;
      const same = ({ user, key }: Attempt) => user === attempt.user && key === attempt.key;
      const attempts = trace.attempts.map((item) => (same(item) ? { ...item, answer: refused('NOT_ALLOWED') } : item));
      return { ...trace, attempts };
    },
  },
  {
    name: 'a member is refused as a stranger',
    finds: 'I6',
    spoil: (trace, random) => {
      const member = memberAtEnd(trace, random);
      if (!member) return undefined;
      const wish = { type: 'send', text: 'still here' } as const;
      return plus(trace, { ...later(member.attempt, refused('NOT_FOUND')), key: 'late', wish });
    },
  },
  {
    name: 'answered unchanged on an old state',
    finds: 'I6',
    spoil: (trace, random) => {
      const member = memberAtEnd(trace, random);
      if (
        !member ||
        member.end < 2 ||
        acksOf(trace, member.lane, eventsOf(trace, member.lane).at(-1) as never).length === 0
      )
        return undefined;
      const answer: Answer = { kind: 'accepted', seq: 1, at: 1, repeated: false, changed: false };
      const wish = { type: 'add' as const, members: [member.attempt.user], hideHistory: false };
      return plus(trace, {
        ...later(member.attempt, answer),
        sentAt: 50_000,
        answeredAt: 50_010,
        key: 'unchanged',
        wish,
      });
    },
  },
  {
    name: 'a fault without a name',
    finds: 'I12',
    spoil: (trace, random) => {
      const attempt = some(random, trace.attempts, ({ answer }) => answer.kind === 'lost');
      const answer: Answer = { kind: 'error', code: 'INTERNAL_SERVER_ERROR', retryable: false };
      return attempt && withAnswer(trace, attempt, answer);
    },
  },
  {
    name: 'a process ended by itself',
    finds: 'I12',
    spoil: (trace) => ({ ...trace, surprises: [{ process: 'api-0', at: 1, what: 'ended with 1' }] }),
  },
];
