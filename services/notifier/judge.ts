/** Asks the stores what a decision needs, as fresh as they are, and decides: the same before a push is queued and before it goes. */
import type { Millis, Revision, Seq, UserId } from '../../schema/ids.ts';
import { type Lanes, type Loaded, PoisonedLane } from '../journal/lanes.ts';
import { lastSentBy } from '../lane/sent.ts';
import type { Logger } from '../logger.ts';
import type { DeviceRecord, Devices } from '../views/devices.ts';
import type { PushProviderName } from '../views/push-address.ts';
import type { ReceiptBoard } from '../views/receipts.ts';
import { readSeqOf } from '../views/unread.ts';
import { recipientsOf, type Told, undeliveredOf, type Verdict, verdictOf } from './undelivered.ts';

export interface JudgeParts {
  readonly lanes: Lanes;
  readonly board: Pick<ReceiptBoard, 'of'>;
  readonly devices: Pick<Devices, 'of' | 'mutedIn' | 'settings'>;
  readonly providers: ReadonlySet<PushProviderName>;
  readonly clock: () => Millis;
  readonly log: Logger;
}

export interface Message extends Told {
  readonly revision: Revision;
}
/** A lane as it is now, with messages of it. `among`: only these recipients are asked about. */
export interface Case {
  readonly loaded: Loaded;
  readonly messages: readonly Message[];
  readonly among?: ReadonlySet<UserId>;
}
export interface Judged {
  readonly loaded: Loaded;
  readonly message: Message;
  /** Everybody who has not got it, with what follows from that, in the order of the members. */
  readonly verdicts: ReadonlyMap<UserId, Verdict>;
  /** How many recipients had it in time. */
  readonly delivered: number;
  readonly readSeqOf: (user: UserId) => Seq;
  /** Of who has not got it. */
  readonly devices: ReadonlyMap<UserId, readonly DeviceRecord[]>;
}

/** Users in one question. */
const USERS_AT_ONCE = 1_000;

/**
 * Each lane at least as new as it was at the call; whatever is cached and still the newest costs one question for all of them.
 * Lanes that cannot be read for good are left out, with an alarm. Throws JournalUnavailable.
 */
export async function freshLanes({ lanes, log }: JudgeParts, ids: readonly Loaded['lane']['id'][]) {
  const fresh = new Map<Loaded['lane']['id'], Loaded>();
  for (const [id, loaded] of await lanes.freshMany(ids)) {
    if (!(loaded instanceof PoisonedLane)) fresh.set(id, loaded);
    else log.error({ alarm: 'poisoned', err: loaded, lane: id }, 'nothing of a poisoned lane is pushed');
  }
  return fresh;
}

/** Throws HistoryUnavailable, JournalUnavailable. */
export async function judge(parts: JudgeParts, cases: readonly Case[]): Promise<Judged[]> {
  const left = (await Promise.all(cases.map((one) => leftOf(parts, one)))).flat();
  const users = [...new Set(left.flatMap(({ users: some }) => some))];
  const [devices, settings, muted] = await Promise.all([
    inParts(users, (some) => parts.devices.of(some)),
    inParts(users, (some) => parts.devices.settings(some)),
    mutesOf(parts, left),
  ]);
  const { providers, clock } = parts;
  const now = clock();
  return left.map(({ users: some, ...one }) => {
    const { loaded, message } = one;
    const given = { devices, settings, muted: muted.get(loaded) ?? new Map(), providers, now };
    return {
      ...one,
      devices,
      verdicts: new Map(some.map((user) => [user, verdictOf(user, message, given)])),
    };
  });
}

interface Left extends Omit<Judged, 'verdicts' | 'devices'> {
  readonly users: readonly UserId[];
}

async function leftOf({ board }: JudgeParts, { loaded, messages, among }: Case): Promise<Left[]> {
  const marks = await board.of(loaded.lane.id);
  const delivered = (user: UserId): number =>
    Math.max(marks.get(user)?.delivered ?? 0, lastSentBy(loaded.lane.sent, user));
  return messages.map((message) => {
    const all = recipientsOf(loaded.lane, message);
    const recipients = among ? all.filter((user) => among.has(user)) : all;
    const users = undeliveredOf(recipients, message.seq, delivered);
    return {
      loaded,
      message,
      users,
      delivered: recipients.length - users.length,
      readSeqOf: (user) => readSeqOf(loaded, user, marks.get(user)),
    };
  });
}

async function mutesOf({ devices, clock }: JudgeParts, left: readonly Left[]) {
  const byLane = new Map<Loaded, Set<UserId>>();
  for (const { loaded, users } of left) byLane.set(loaded, new Set([...(byLane.get(loaded) ?? []), ...users]));
  const asked = [...byLane].map(async ([loaded, users]) => {
    const some = await inParts([...users], (part) => devices.mutedIn(loaded.lane.id, part, clock()));
    return [loaded, some] as const;
  });
  return new Map(await Promise.all(asked));
}

async function inParts<T>(
  users: readonly UserId[],
  ask: (some: readonly UserId[]) => Promise<ReadonlyMap<UserId, T>>,
): Promise<ReadonlyMap<UserId, T>> {
  if (users.length === 0) return new Map();
  if (users.length <= USERS_AT_ONCE) return ask(users);
  const parts = Array.from({ length: Math.ceil(users.length / USERS_AT_ONCE) }, (_, i) =>
    ask(users.slice(i * USERS_AT_ONCE, (i + 1) * USERS_AT_ONCE)),
  );
  return new Map((await Promise.all(parts)).flatMap((part) => [...part]));
}
