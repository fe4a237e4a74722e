/** Kinds of broken pushes and marks: each takes a good history of people with phones and spoils one thing. */

import { COUNTED_FROM, countOf, isRecipient } from './check-pushes.ts';
import { factsOf } from './facts.ts';
import { EPOCH } from './good-history.ts';
import { CLOCKS_MS, type PushFacts, pushFactsOf } from './push-facts.ts';
import type { LedgerEntry, MarkSent, Pushing, PushSeen } from './push-trace.ts';
import type { Random } from './random.ts';
import { type Kind, some } from './spoil.ts';
import type { Trace } from './trace.ts';

interface Given {
  readonly pushing: Pushing;
  readonly random: Random;
  readonly facts: PushFacts;
}

/** `change` answers undefined where the history does not lend itself to it. */
export const pushKind = (
  name: string,
  finds: Kind['finds'],
  change: (given: Given) => Partial<Pushing> | undefined,
): Kind => ({
  name,
  finds,
  spoil: (trace: Trace, random) => {
    const { pushing } = trace;
    const changed = pushing && change({ pushing, random, facts: pushFactsOf(trace, pushing, factsOf(trace)) });
    return changed && { ...trace, pushing: { ...pushing, ...changed } };
  },
});

const replaced = <T>(all: readonly T[], one: T, by: T): T[] => all.map((other) => (other === one ? by : other));
const without = <T>(all: readonly T[], one: T): T[] => all.filter((other) => other !== one);

/** A push that was taken, and that alone told its device of its message and of those before; nobody ever acknowledged it. */
function lonelyPush({ pushing, random, facts }: Given): PushSeen | undefined {
  return some(random, pushing.pushes, (push) => {
    const device = facts.deviceOf(push);
    const lane = facts.lanes.get(push.lane);
    const event = lane?.at(push.seq);
    if (push.met !== 'taken' || !device || !lane || event?.type !== 'MessageSent') return false;
    const { user } = device;
    const isHad =
      facts.storedBy(user, push.lane, push.seq, 'delivered') !== undefined ||
      facts.wroteAt(user, push.lane, push.seq) !== undefined;
    const others = facts.takenBy(device, push.lane).filter(({ seq }) => seq >= push.seq);
    return !isHad && others.length === 1 && facts.deadAt(device) === undefined && isRecipient(lane, user, event);
  });
}

const entryOfPush = (facts: PushFacts, push: PushSeen): LedgerEntry | undefined => {
  const device = facts.deviceOf(push);
  return device && facts.entryOf(push.lane, push.seq, device);
};

/** An entry whose user was told later that its mark is stored. */
function answeredLater({ pushing, random, facts }: Given) {
  const entry = some(
    random,
    pushing.entries,
    ({ user, lane, seq, asOf }) => asOf !== undefined && facts.answeredAt(user, lane, seq) !== undefined,
  );
  return entry && { entry, answeredAt: facts.answeredAt(entry.user, entry.lane, entry.seq) as number };
}

const storedMark = ({ pushing, random }: Given, kind?: MarkSent['kind']): MarkSent | undefined =>
  some(
    random,
    pushing.marks,
    ({ answer, ...mark }) =>
      answer !== 'unknown' && answer.kind === 'stored' && (kind === undefined || mark.kind === kind),
  );

const FAR_MS = 200_000;

const undelivered: readonly Kind[] = [
  pushKind('an undelivered message is not pushed', 'I9', (given) => {
    const push = lonelyPush(given);
    return push && { pushes: without(given.pushing.pushes, push) };
  }),
  pushKind('an undelivered message is pushed long after', 'I9', (given) => {
    const push = lonelyPush(given);
    if (!push) return undefined;
    return { pushes: replaced(given.pushing.pushes, push, { ...push, cameAt: push.cameAt + FAR_MS }) };
  }),
  pushKind('a provider that took no pushes was not down', 'I9', (given) => {
    const push = lonelyPush(given);
    if (!push) return undefined;
    const late = { ...push, cameAt: push.cameAt + FAR_MS };
    // As long, and somewhere else.
    const outages = [{ of: 'APNS', fromAt: EPOCH - FAR_MS, toAt: EPOCH }];
    return { pushes: replaced(given.pushing.pushes, push, late), outages };
  }),
  pushKind('a push is left open', 'I9', ({ pushing, random, facts }) => {
    const entry = some(random, pushing.entries, ({ lane, seq, user }) => {
      const its = facts.lanes.get(lane);
      const event = its?.at(seq);
      return its !== undefined && event !== undefined && isRecipient(its, user, event) && !facts.isMuted(user, lane);
    });
    return entry && { entries: replaced(pushing.entries, entry, { ...entry, due: EPOCH + FAR_MS }) };
  }),
  pushKind('the other phone of a dead token gets no push', 'I9', (given) => {
    const { pushing, facts } = given;
    const push = some(given.random, pushing.pushes, (one) => {
      const device = facts.deviceOf(one);
      const other = device && facts.devicesOf(device.user).find(({ token }) => token !== device.token);
      const lane = facts.lanes.get(one.lane);
      const event = lane?.at(one.seq);
      if (one.met !== 'taken' || !device || !lane || !event || !other || facts.deadAt(other) === undefined)
        return false;
      return (
        isRecipient(lane, device.user, event) &&
        facts.deadAt(device) === undefined &&
        facts.storedBy(device.user, one.lane, one.seq, 'delivered') === undefined &&
        facts.wroteAt(device.user, one.lane, one.seq) === undefined
      );
    });
    return push && { pushes: pushing.pushes.filter(({ token, lane }) => token !== push.token || lane !== push.lane) };
  }),
];

const decided: readonly Kind[] = [
  pushKind('a push is decided after an acknowledgement', 'I10', (given) => {
    const found = answeredLater(given);
    if (!found) return undefined;
    const { entry, answeredAt } = found;
    return { entries: replaced(given.pushing.entries, entry, { ...entry, asOf: answeredAt + CLOCKS_MS + 1 }) };
  }),
  pushKind('an attempt goes on a look after an acknowledgement', 'I10', (given) => {
    const found = answeredLater(given);
    if (!found) return undefined;
    const { entry, answeredAt } = found;
    const attempts = [...entry.attempts, { at: answeredAt + 9, outcome: 'SENT', asOf: answeredAt + CLOCKS_MS + 1 }];
    return { entries: replaced(given.pushing.entries, entry, { ...entry, attempts }) };
  }),
  pushKind('the first decision does not see an acknowledgement', 'I10', ({ pushing, random, facts }) => {
    const fits = (user: string, lane: string, seq: number) => facts.answeredAt(user, lane, seq) !== undefined;
    const decision = some(random, pushing.decisions, ({ push, lane, seq }) =>
      push.some((user) => fits(user, lane, seq)),
    );
    if (!decision) return undefined;
    const asOf = EPOCH + FAR_MS;
    return { decisions: replaced(pushing.decisions, decision, { ...decision, asOf }) };
  }),
  pushKind('a push comes before its grace is over', 'I10', ({ pushing, random }) => {
    const push = some(random, pushing.pushes);
    return push && { pushes: replaced(pushing.pushes, push, { ...push, cameAt: EPOCH }) };
  }),
  pushKind('a push that the ledger knows nothing of', 'I10', ({ pushing, random, facts }) => {
    const push = some(random, pushing.pushes);
    const entry = push && entryOfPush(facts, push);
    return entry && { entries: without(pushing.entries, entry) };
  }),
  pushKind('a push to who had muted the conversation', 'I10', ({ pushing, random, facts }) => {
    const push = some(random, pushing.pushes);
    const user = push && facts.deviceOf(push)?.user;
    return push && user ? { muted: [...pushing.muted, { user, lane: push.lane }] } : undefined;
  }),
  pushKind('a push to its sender', 'I10', ({ pushing, random, facts }) => {
    const push = some(random, pushing.pushes, ({ lane, seq }) => {
      const by = facts.lanes.get(lane)?.at(seq)?.by;
      return by !== undefined && facts.devicesOf(by).length > 0;
    });
    const by = push && facts.lanes.get(push.lane)?.at(push.seq)?.by;
    const device = by === undefined ? undefined : facts.devicesOf(by)[0];
    return push && device && { pushes: [...pushing.pushes, { ...push, token: device.token, gateway: device.gateway }] };
  }),
  pushKind('a push of what is no message', 'I10', ({ pushing, random }) => {
    const push = some(random, pushing.pushes);
    return push && { pushes: replaced(pushing.pushes, push, { ...push, seq: 1 }) };
  }),
  pushKind('every push comes twice', 'I14', ({ pushing }) =>
    countOf(pushing.pushes).offered < COUNTED_FROM
      ? undefined
      : { pushes: pushing.pushes.flatMap((push) => [push, push]) },
  ),
];

const marks: readonly Kind[] = [
  pushKind('an acknowledged mark is lost', 'I1', (given) => {
    const mark = storedMark(given, 'delivered');
    if (!mark || given.facts.wroteAt(mark.user, mark.lane, mark.seq) !== undefined) return undefined;
    const isOf = (one: { readonly user: string; readonly lane: string }) =>
      one.user === mark.user && one.lane === mark.lane;
    return { stored: given.pushing.stored.filter((one) => !isOf(one) || one.seq < mark.seq) };
  }),
  pushKind('a mark that nobody gave', 'I11', ({ pushing, random }) => {
    const stored = some(random, pushing.stored);
    return stored && { stored: [...pushing.stored, { ...stored, seq: stored.seq + 50 }] };
  }),
  pushKind('a mark by another device', 'I11', ({ pushing, random }) => {
    const stored = some(random, pushing.stored, ({ device }) => device !== undefined);
    return stored && { stored: replaced(pushing.stored, stored, { ...stored, device: 'watch' }) };
  }),
  pushKind('a mark is refused that its inbox had brought', 'I6', (given) => {
    const mark = storedMark(given, 'delivered');
    const answer = { kind: 'refused', code: 'NOT_FOUND' } as const;
    return mark && { marks: [...given.pushing.marks, { ...mark, answer }] };
  }),
  pushKind('a mark has a fault without a name', 'I12', (given) => {
    const mark = storedMark(given);
    const answer = { kind: 'error', code: 'INTERNAL_SERVER_ERROR' } as const;
    return mark && { marks: [...given.pushing.marks, { ...mark, answer }] };
  }),
];

export const PUSH_KINDS: readonly Kind[] = [...undelivered, ...decided, ...marks];
