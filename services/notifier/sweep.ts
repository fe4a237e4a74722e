/**
 * Takes up again what is due in the ledger: pushes that a provider did not take, and claims that ran out because whoever made them
 * died. They go through the work queue once more, so that they are looked at like new ones.
 */
import { type NoPushReason, RECIPIENTS_MAX, type WorkItem } from '../../schema/delivery.ts';
import type { DeviceId, LaneId, Millis, UserId } from '../../schema/ids.ts';
import { partitionOf } from '../../schema/subjects.ts';
import type { DeliveryBell } from '../journal/bell.ts';
import type { UndeliveredQueue } from '../journal/undelivered.ts';
import type { DeviceRecord, Devices } from '../views/devices.ts';
import type { Due, Ledger } from '../views/ledger.ts';
import { isLater } from '../views/ledger-documents.ts';
import type { NotifierMetrics } from './metrics.ts';

export interface SweepParts {
  readonly ledger: Pick<Ledger, 'due' | 'postpone' | 'giveUp' | 'noticedIn'>;
  readonly devices: Pick<Devices, 'of'>;
  readonly bell: Pick<DeliveryBell, 'ring'>;
  readonly queue: Pick<UndeliveredQueue, 'put'>;
  readonly metrics: Pick<NotifierMetrics, 'swept'>;
  readonly partitions: number;
  readonly clock: () => Millis;
}

export const SWEPT_AT_ONCE = 2_000;
/** An item that was put and not worked on by then is put again. */
const TICKET_MS = 60_000;
/** A message waits so long for a later one to the same device: that one's push will do for both. */
const BEHIND_LATER_MS = 5_000;

/** How many entries were found: `SWEPT_AT_ONCE` means that there may be more. Throws JournalUnavailable, what MongoDB throws. */
export async function sweep(parts: SweepParts): Promise<number> {
  const { ledger, queue, metrics, partitions, clock } = parts;
  const now = clock();
  const found = await ledger.due(now, SWEPT_AT_ONCE);
  const { latest, behind } = latestOf(await giveUpLost(parts, found));
  const ticket = now + TICKET_MS;
  const items = itemsOf(latest, ticket);
  for (let p = 0; p < partitions; p++) {
    const some = items.filter(({ l }) => partitionOf(l, partitions) === p);
    if (some.length > 0) await queue.put(p, some);
  }
  // Whatever was worked on meanwhile has another time already, and keeps it.
  await ledger.postpone(latest, ticket);
  await ledger.postpone(behind, now + BEHIND_LATER_MS);
  metrics.swept(latest.length);
  return found.length;
}

/** What can reach nobody any more is over, and what a later push has done: nothing waits for it. Answers the others. */
async function giveUpLost({ ledger, devices, bell }: SweepParts, found: readonly Due[]): Promise<readonly Due[]> {
  if (found.length === 0) return found;
  const places = new Map(found.map(({ id: { l, u, d } }) => [placeOf(l, u, d), { u, l, d }]));
  const [owned, noticed] = await Promise.all([
    devices.of([...new Set(found.map(({ id }) => id.u))]),
    ledger.noticedIn([...places.values()]),
  ]);
  const last = new Map([...noticed].map(([{ l, u, d }, one]) => [placeOf(l, u, d), one]));
  const lost = found.flatMap((entry) => {
    const { l, u, d } = entry.id;
    const isLate = isLater(last.get(placeOf(l, u, d)), entry.subject);
    const why = isLate ? 'SUPERSEDED' : whyLost(owned.get(u)?.find(({ device }) => device === d));
    return why === undefined ? [] : [{ entry, why }];
  });
  if (lost.length === 0) return found;
  await ledger.giveUp(lost);
  for (const { entry } of lost) bell.ring({ lane: entry.id.l, seq: entry.id.s, users: [entry.id.u] });
  const over = new Set(lost.map(({ entry }) => entry));
  return found.filter((entry) => !over.has(entry));
}

const placeOf = (lane: LaneId, user: UserId, device: DeviceId): string => `${lane} ${user} ${device}`;

function whyLost(device: DeviceRecord | undefined): NoPushReason | undefined {
  if (!device) return 'NO_DEVICE';
  if (device.tokenState === 'DEAD') return 'TOKEN_DEAD';
  return device.push === undefined ? 'NO_PUSH_ADDRESS' : undefined;
}

/** Of each device and lane the last message, and the others. */
function latestOf(found: readonly Due[]): { readonly latest: readonly Due[]; readonly behind: readonly Due[] } {
  const last = new Map<string, Due>();
  for (const one of found) {
    const { l, s, u, d } = one.id;
    const key = placeOf(l, u, d);
    if (s > (last.get(key)?.id.s ?? 0)) last.set(key, one);
  }
  const latest = new Set(last.values());
  return { latest: [...latest], behind: found.filter((one) => !latest.has(one)) };
}

/** Pure. */
export function itemsOf(entries: readonly Due[], due: Millis): WorkItem[] {
  const byPart = new Map<string, { readonly subject: Due['subject']; readonly users: Set<UserId> }>();
  for (const { subject, id } of entries) {
    const key = `${subject.lane} ${subject.seq} ${subject.part}`;
    const one = byPart.get(key) ?? { subject, users: new Set() };
    one.users.add(id.u);
    byPart.set(key, one);
  }
  return [...byPart.values()].flatMap(
    ({ subject: { lane: l, seq: s, revision: r, acceptedAt: at, part: c }, users }) => {
      const all = [...users];
      return Array.from({ length: Math.ceil(all.length / RECIPIENTS_MAX) }, (_, i): WorkItem => {
        const u = all.slice(i * RECIPIENTS_MAX, (i + 1) * RECIPIENTS_MAX);
        return { v: 1, l, s, r, at, c, u, due };
      });
    },
  );
}
