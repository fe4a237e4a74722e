/** What is told of each recipient of each message, against the marks, the pushes and the lanes. And marks: none lost, none made up. */
import { isRecipient } from './check-pushes.ts';
import { CLOCKS_MS, type PushFacts } from './push-facts.ts';
import type { DeliverySeen, MarkSent, StoredMark } from './push-trace.ts';
import type { Invariant, Violation } from './trace.ts';

/** The product looks so far for a reply. */
const REPLIES_WITHIN = 100;
const TYPED = new Set(['UNAVAILABLE', 'RATE_LIMITED']);

type Report = (invariant: Invariant, lane: string, what: string, evidence?: unknown) => void;

export function checkTold(facts: PushFacts): Violation[] {
  const found: Violation[] = [];
  const report: Report = (invariant, lane, what, evidence) => found.push({ invariant, lane, what, evidence });
  const { deliveries, marks, stored } = facts.pushing;
  for (const one of deliveries) checkDelivery(facts, one, report);
  checkAllAreTold(facts, report);
  for (const mark of marks) checkMark(facts, mark, report);
  const sent = new Map<string, MarkSent[]>();
  for (const mark of marks) {
    const name = `${mark.user} ${mark.lane} ${mark.seq}`;
    sent.set(name, [...(sent.get(name) ?? []), mark]);
  }
  for (const mark of stored) checkStored(mark, sent.get(`${mark.user} ${mark.lane} ${mark.seq}`) ?? [], report);
  return found;
}

function checkMark(facts: PushFacts, mark: MarkSent, report: Report): void {
  const { user, lane, seq, kind, answer } = mark;
  if (answer === 'unknown') return;
  switch (answer.kind) {
    case 'stored':
      // Of a conversation that is another's a mark is passed over.
      if (facts.lanes.get(lane)?.spans(user).length === 0) return;
      if (!facts.storedBy(user, lane, seq, kind) && !facts.wroteAt(user, lane, seq))
        report('I1', lane, `a mark was answered as stored, and it is not`, mark);
      return;
    case 'refused':
      if (kind === 'delivered') report('I6', lane, `refused what its inbox had brought: ${answer.code}`, mark);
      return;
    case 'error':
      if (!TYPED.has(answer.code)) report('I12', lane, `an error that says nothing: ${answer.code}`, mark);
      return;
    default:
      answer satisfies never;
  }
}

function checkStored(mark: StoredMark, sent: readonly MarkSent[], report: Report): void {
  const { kind, device, at } = mark;
  const fits = (one: MarkSent): boolean =>
    (one.kind === kind || one.kind === 'read') &&
    one.device === device &&
    one.sentAt <= at + CLOCKS_MS &&
    isInTime(one, at);
  if (!sent.some(fits)) report('I11', mark.lane, 'a mark that nobody gave', mark);
}

/** Whoever had an answer had it after the mark's own time. */
const isInTime = ({ answer, answeredAt }: MarkSent, at: number): boolean =>
  answer === 'unknown' || answer.kind !== 'stored' || at <= answeredAt + CLOCKS_MS;

function checkAllAreTold(facts: PushFacts, report: Report): void {
  const told = new Set(facts.pushing.deliveries.map(({ lane, seq, user }) => `${lane} ${seq} ${user}`));
  const asked = new Set(facts.pushing.deliveries.map(({ lane, seq }) => `${lane} ${seq}`));
  const users = new Set(facts.pushing.devices.map(({ user }) => user));
  for (const lane of facts.lanes.values())
    for (const event of lane.events)
      if (event.type === 'MessageSent' && asked.has(`${lane.lane} ${event.seq}`))
        for (const user of users)
          if (isRecipient(lane, user, event) && !told.has(`${lane.lane} ${event.seq} ${user}`))
            report('told', lane.lane, `nothing is told of ${user}`, event);
}

function checkDelivery(facts: PushFacts, told: DeliverySeen, report: Report): void {
  const { lane, seq, user, state, acceptedAt, deliveredAt, deliveredTo, readAt } = told;
  const say = (what: string, evidence?: unknown) => report('told', lane, what, { told, evidence });
  const event = facts.lanes.get(lane)?.at(seq);
  if (event?.at !== acceptedAt) say('accepted at another time', event);
  const delivered = facts.storedBy(user, lane, seq, 'delivered');
  const read = facts.storedBy(user, lane, seq, 'read');
  const wroteAt = facts.wroteAt(user, lane, seq);
  const isFar = (facts.lanes.get(lane)?.lastSeq ?? 0) > seq + REPLIES_WITHIN;
  const pushed = facts.devicesOf(user).filter((device) => facts.takenBy(device, lane).some((push) => push.seq === seq));
  const isRead = read !== undefined || wroteAt !== undefined;
  if ((state === 'READ') !== isRead) say('read, or not read', { read, wroteAt });
  else if (!isRead && (state === 'DELIVERED') !== (delivered !== undefined))
    say('delivered, or not delivered', delivered);
  if (deliveredAt !== (delivered?.at ?? wroteAt) && !(isFar && deliveredAt === undefined))
    say('delivered at another time', { delivered, wroteAt });
  if (delivered && deliveredTo !== delivered.device) say('delivered to another device', delivered);
  if (readAt !== (read?.at ?? wroteAt) && !(isFar && readAt === undefined))
    say('read at another time', { read, wroteAt });
  checkPushesTold(facts, told, say);
  if (state === 'ACCEPTED' && pushed.length > 0 && told.noPushReason === undefined)
    say('a push was taken, and nothing is told of it');
}

/** Every push that is told was taken before, and where none is told a reason is, which is so. */
function checkPushesTold(facts: PushFacts, told: DeliverySeen, say: (what: string, evidence?: unknown) => void): void {
  const { lane, seq, user, attempts, notifiedAt, noPushReason } = told;
  const devices = facts.devicesOf(user);
  for (const { name, taken, sent } of devices.map((device) => ({
    name: device.device,
    taken: facts.takenBy(device, lane).filter((push) => push.seq === seq),
    sent: attempts.filter((attempt) => attempt.outcome === 'SENT' && attempt.device === device.device),
  }))) {
    if (sent.length > taken.length) say(`more pushes to ${name} than were taken`, taken);
    for (const { at } of sent)
      if (!taken.some(({ cameAt }) => cameAt <= at + CLOCKS_MS)) say(`sent to ${name} before it was taken`, taken);
  }
  const stranger = attempts.find((attempt) => !devices.some(({ device }) => device === attempt.device));
  if (stranger) say(`a push to ${stranger.device}, which the user has not`);
  const first = attempts.filter(({ outcome }) => outcome === 'SENT').map(({ at }) => at);
  if (notifiedAt !== (first.length === 0 ? undefined : Math.min(...first))) say('notified at another time');
  if ((notifiedAt === undefined) === (noPushReason === undefined)) say('notified, or a reason why not: one of both');
  if (noPushReason !== undefined && !isReason(facts, told, noPushReason)) say('no push, for a reason that is none');
}

function isReason(facts: PushFacts, { lane, seq, user, state }: DeliverySeen, reason: string): boolean {
  const devices = facts.devicesOf(user);
  switch (reason) {
    case 'DELIVERED_IN_TIME':
      return state === 'DELIVERED' || state === 'READ';
    case 'MUTED':
      return facts.isMuted(user, lane);
    case 'NO_DEVICE':
      return devices.length === 0;
    case 'TOKEN_DEAD':
      return devices.some((device) => facts.deadAt(device) !== undefined);
    case 'SUPERSEDED':
      return devices.some((device) => facts.takenBy(device, lane).some((push) => push.seq > seq));
    default:
      // Nothing else happens in a run.
      return false;
  }
}
