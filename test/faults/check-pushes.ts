/** I9, I10 and I14 on the providers' logs, the marks and the ledger. */
import type { LaneFacts, Span } from './facts.ts';
import { CLOCKS_MS, type PushFacts } from './push-facts.ts';
import type { AppDevice, LedgerEntry, Pushing, PushSeen } from './push-trace.ts';
import type { Invariant, Violation } from './trace.ts';

/** Beside the time of grace; TARGETS. Time in which what pushes need was down by plan does not count (`PushFacts.upMs`). */
const PUSHED_WITHIN_MS = 60_000;
/** I14. Of fewer no ratio is told. */
const MOST = 1.2;
export const COUNTED_FROM = 20;

type Report = (invariant: Invariant, lane: string, what: string, evidence?: unknown) => void;

export function checkPushes(facts: PushFacts): Violation[] {
  const found: Violation[] = [];
  const report: Report = (invariant, lane, what, evidence) => found.push({ invariant, lane, what, evidence });
  const users = new Set(facts.pushing.devices.map(({ user }) => user));
  for (const lane of facts.lanes.values())
    for (const event of lane.events)
      if (event.type === 'MessageSent')
        for (const user of users) if (isRecipient(lane, user, event)) checkPushed(facts, lane, event, user, report);
  for (const push of facts.pushing.pushes) if (push.kind === 'message') checkPush(facts, push, report);
  checkDecisions(facts, report);
  checkCount(facts, report);
  return found;
}

interface Sent {
  readonly seq: number;
  readonly at: number;
  readonly by: string;
}

const belonging = (lane: LaneFacts, user: string, seq: number): Span | undefined =>
  lane.spans(user).find(({ joined, left }) => joined < seq && seq < left);

/** It was meant for the user, who has belonged to the conversation ever since. */
export const isRecipient = (lane: LaneFacts, user: string, { seq, by }: Sent): boolean =>
  by !== user && belonging(lane, user, seq)?.left === Number.POSITIVE_INFINITY;

/** I9, of one message and one recipient. */
function checkPushed(facts: PushFacts, lane: LaneFacts, event: Sent, user: string, report: Report): void {
  const { seq, at } = event;
  if (facts.isMuted(user, lane.lane)) return;
  const had = Math.min(
    facts.storedBy(user, lane.lane, seq, 'delivered')?.at ?? Number.POSITIVE_INFINITY,
    facts.wroteAt(user, lane.lane, seq) ?? Number.POSITIVE_INFINITY,
  );
  for (const device of facts.devicesOf(user)) {
    const entry = facts.entryOf(lane.lane, seq, device);
    const about = { user, device: device.device, seq, at, entry };
    if (entry?.due !== undefined) report('I9', lane.lane, `its push is still open`, about);
    const done = Math.min(had, settledAt(facts, lane.lane, seq, device, entry));
    if (done === Number.POSITIVE_INFINITY) {
      report('I9', lane.lane, 'neither acknowledged nor pushed nor refused', about);
      continue;
    }
    const tookMs = facts.upMs(device.gateway, at, done);
    if (tookMs > facts.pushing.graceMs + PUSHED_WITHIN_MS)
      report('I9', lane.lane, `acknowledged or pushed after ${Math.round(tookMs / 100) / 10} s`, about);
  }
}

/** When the device was told of this message or of a later one, or its provider said for good that it will not be. */
function settledAt(
  facts: PushFacts,
  lane: string,
  seq: number,
  device: AppDevice,
  entry: LedgerEntry | undefined,
): number {
  const times = facts.takenBy(device, lane).flatMap((push) => (push.seq >= seq ? [push.cameAt] : []));
  const dead = facts.deadAt(device);
  if (dead !== undefined) times.push(dead);
  const refused = entry?.why === 'PROVIDER_REFUSED' ? entry.attempts.at(-1)?.at : undefined;
  if (refused !== undefined) times.push(refused);
  return Math.min(Number.POSITIVE_INFINITY, ...times);
}

/** I10, of one request that a provider had. */
function checkPush(facts: PushFacts, push: PushSeen, report: Report): void {
  const { lane, seq, cameAt } = push;
  const device = facts.deviceOf(push);
  const event = facts.lanes.get(lane)?.at(seq);
  if (!device || event?.type !== 'MessageSent') {
    report('I10', lane, 'a push of what is no message', push);
    return;
  }
  const { user } = device;
  const laneFacts = facts.lanes.get(lane) as LaneFacts;
  if (event.by === user || !belonging(laneFacts, user, seq))
    report('I10', lane, `pushed to ${user}, who is no recipient`, push);
  if (facts.isMuted(user, lane)) report('I10', lane, `pushed to ${user}, who had muted it`, push);
  if (cameAt + CLOCKS_MS < event.at + facts.pushing.graceMs)
    report('I10', lane, 'pushed before its grace was over', { push, event });
  if (!facts.entryOf(lane, seq, device)) report('I10', lane, 'pushed, and the ledger knows nothing of it', push);
}

/**
 * I10, of every look at whether a user has a message that led to a push, the first as well as those right before a request: whatever
 * had been answered before it had to be seen. Of a look whose notifier died before it wrote what became of it, only the last is known.
 */
function checkDecisions({ pushing, answeredAt }: PushFacts, report: Report): void {
  const check = (lane: string, seq: number, user: string, asOf: number): void => {
    const at = answeredAt(user, lane, seq);
    if (at === undefined || at + CLOCKS_MS >= asOf) return;
    report('I10', lane, `decided ${asOf - at} ms after an acknowledgement of ${user} had been answered`, { seq, asOf });
  };
  for (const { lane, seq, asOf, push } of pushing.decisions) for (const user of push) check(lane, seq, user, asOf);
  for (const { lane, seq, user, asOf, attempts } of pushing.entries) {
    const looks = new Set([...attempts.map((attempt) => attempt.asOf), ...(asOf === undefined ? [] : [asOf])]);
    for (const look of looks) check(lane, seq, user, look);
  }
}

export interface Count {
  /** Requests that providers had, whatever they answered. */
  readonly asked: number;
  readonly taken: number;
  /** Messages that were taken, each once for each device. */
  readonly offered: number;
}

export function countOf(pushes: readonly PushSeen[]): Count {
  const messages = pushes.filter(({ kind }) => kind === 'message');
  const taken = messages.filter(({ met }) => met === 'taken');
  const offered = new Set(taken.map(({ token, lane, seq }) => `${token} ${lane} ${seq}`)).size;
  return { asked: messages.length, taken: taken.length, offered };
}

/** I14, on what providers took: whatever is more than one for a message and a device came twice. */
function checkCount({ pushing }: PushFacts, report: Report): void {
  const { taken, offered } = countOf(pushing.pushes);
  if (offered >= COUNTED_FROM && taken > MOST * offered)
    report('I14', '', `${taken} pushes for ${offered} that were to be made`);
}

export function figuresOf(pushing: Pushing): string {
  const { asked, taken, offered } = countOf(pushing.pushes);
  const ratioOf = (count: number): string => (offered === 0 ? '–' : (count / offered).toFixed(3));
  const stored = pushing.marks.filter(({ answer }) => answer !== 'unknown' && answer.kind === 'stored').length;
  return `${taken} pushes taken for ${offered} messages and devices, ${ratioOf(taken)} each; ${asked} requests, ${ratioOf(asked)} each · ${stored} marks stored`;
}
