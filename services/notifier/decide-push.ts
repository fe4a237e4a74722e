/**
 * Records whose grace is over become decisions and work items. All of it may be done again, with the same end: an item that is
 * put twice finds in the ledger what the first one did.
 */
import { type NoPushReason, RECIPIENTS_MAX, type WorkItem } from '../../schema/delivery.ts';
import type { LaneId, Millis, UserId } from '../../schema/ids.ts';
import type { DeliveryBell } from '../journal/bell.ts';
import type { StoredRecord } from '../journal/journal.ts';
import type { UndeliveredQueue } from '../journal/undelivered.ts';
import type { Decision, Ledger } from '../views/ledger.ts';
import { type Case, freshLanes, type Judged, type JudgeParts, judge, type Message } from './judge.ts';
import type { NotifierMetrics } from './metrics.ts';
import { isExpired } from './undelivered.ts';

export interface DeciderParts extends JudgeParts {
  readonly ledger: Pick<Ledger, 'decide'>;
  readonly queue: Pick<UndeliveredQueue, 'put'>;
  readonly bell: Pick<DeliveryBell, 'ring'>;
  readonly metrics: NotifierMetrics;
}

/** Members of the lanes that are decided together: what one decision holds in memory. */
const MEMBERS_AT_ONCE = 10_000;

/**
 * Settles when the items of every message in these records are stored. Throws HistoryUnavailable, JournalUnavailable and what
 * MongoDB throws; then some may be.
 */
export async function decidePushes(
  parts: DeciderParts,
  partition: number,
  records: readonly StoredRecord[],
): Promise<void> {
  const messages = messagesOf(parts, records);
  if (messages.size === 0) return;
  const asOf = parts.clock();
  const loaded = await freshLanes(parts, [...messages.keys()]);
  for (const lot of lotsOf(messages, loaded)) {
    const judged = await judge(parts, lot);
    const decided = judged.flatMap((one) => partsOf(one, asOf));
    await parts.ledger.decide(decided.map(({ decision }) => decision));
    await parts.queue.put(
      partition,
      decided.flatMap(({ item }) => item ?? []),
    );
    for (const { decision } of decided) ring(parts, decision);
    for (const one of judged) count(parts, one);
  }
}

/** Messages that somebody may still want to hear of, by lane. */
function messagesOf({ lanes, clock }: DeciderParts, records: readonly StoredRecord[]): Map<LaneId, Message[]> {
  const now = clock();
  const messages = new Map<LaneId, Message[]>();
  for (const stored of records) {
    const { lane, record, revision } = stored;
    lanes.advance([stored]);
    for (const event of record?.events ?? []) {
      if (event.type !== 'MessageSent' || isExpired(event, now)) continue;
      const { seq, by, at } = event;
      const some = messages.get(lane);
      if (some) some.push({ seq, by, at, revision });
      else messages.set(lane, [{ seq, by, at, revision }]);
    }
  }
  return messages;
}

function* lotsOf(messages: ReadonlyMap<LaneId, readonly Message[]>, lanes: ReadonlyMap<LaneId, Case['loaded']>) {
  let lot: Case[] = [];
  let members = 0;
  for (const [id, some] of messages) {
    const loaded = lanes.get(id);
    if (!loaded) continue;
    lot.push({ loaded, messages: some });
    members += loaded.lane.members.size * some.length;
    if (members < MEMBERS_AT_ONCE) continue;
    yield lot;
    lot = [];
    members = 0;
  }
  if (lot.length > 0) yield lot;
}

interface Part {
  readonly decision: Decision;
  readonly item: WorkItem | undefined;
}

/** Nothing is written of those who had the message in time. */
function partsOf({ loaded, message, verdicts }: Judged, asOf: Millis): Part[] {
  const all = [...verdicts];
  return Array.from({ length: Math.ceil(all.length / RECIPIENTS_MAX) }, (_, part) => {
    const { seq, revision, at } = message;
    const push: UserId[] = [];
    const no = new Map<NoPushReason, UserId[]>();
    for (const [user, verdict] of all.slice(part * RECIPIENTS_MAX, (part + 1) * RECIPIENTS_MAX)) {
      if (verdict.kind === 'push') push.push(user);
      else note(no, verdict.reason, user);
    }
    const subject = { lane: loaded.lane.id, seq, revision, acceptedAt: at, part };
    const item: WorkItem = { v: 1, l: loaded.lane.id, s: seq, r: revision, at, c: part, u: push };
    return { decision: { subject, push, no, asOf }, item: push.length > 0 ? item : undefined };
  });
}

export function note(by: Map<NoPushReason, UserId[]>, reason: NoPushReason, user: UserId): void {
  const users = by.get(reason);
  if (users) users.push(user);
  else by.set(reason, [user]);
}

function ring({ bell }: DeciderParts, { subject: { lane, seq }, push, no }: Decision): void {
  bell.ring({ lane, seq, users: [...push, ...[...no.values()].flat()] });
}

function count({ metrics }: DeciderParts, { verdicts, delivered }: Judged): void {
  metrics.decided('DELIVERED_IN_TIME', delivered);
  for (const verdict of verdicts.values()) metrics.decided(verdict.kind === 'push' ? 'PUSH' : verdict.reason, 1);
}
