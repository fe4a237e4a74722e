/**
 * How far a message has come with each of its recipients: accepted, notified, delivered, read, each with its time, and why no
 * push went where none did. Put together from the receipts, the ledger of pushes and the lane's own state.
 */
import { DELIVERY_DAYS, type DeliveryState, type NoPushReason, PUSH_EXPIRES_MS } from '../../schema/delivery.ts';
import type { MessageSent } from '../../schema/events.ts';
import type { DeviceId, LaneId, Millis, Seq, UserId } from '../../schema/ids.ts';
import type { DeliveryBell } from '../journal/bell.ts';
import type { Stoppable } from '../journal/journal.ts';
import type { Loaded } from '../journal/lanes.ts';
import { lastSentBy } from '../lane/sent.ts';
import type { Logger } from '../logger.ts';
import { askMongo } from './ask.ts';
import type { Mongo } from './connect.ts';
import type { Devices } from './devices.ts';
import type { AttemptDocument } from './ledger-documents.ts';
import { type PushStory, readStories } from './ledger-reads.ts';
import type { PushProviderName } from './push-address.ts';
import type { Reads } from './reads.ts';
import type { ReceiptBoard } from './receipts.ts';
import type { When } from './receipts-when.ts';

export interface PushAttempt {
  readonly device: DeviceId;
  readonly provider: PushProviderName;
  readonly at: Millis;
  readonly outcome: AttemptDocument['o'];
  readonly code?: string;
}

export interface Delivery {
  readonly lane: LaneId;
  readonly seq: Seq;
  readonly user: UserId;
  readonly state: DeliveryState;
  readonly acceptedAt: Millis;
  /** When a provider first took a push of it. */
  readonly notifiedAt?: Millis;
  /** Absent in the states after it: when that was is not known any more. So `readAt`. */
  readonly deliveredAt?: Millis;
  readonly readAt?: Millis;
  readonly deliveredTo?: DeviceId;
  /** The oldest first. */
  readonly attempts: readonly PushAttempt[];
  /** Absent: a push went, or it is too long ago to be known. */
  readonly noPushReason?: NoPushReason;
  /** The recipient does not show others what it has read. */
  readonly hidesRead: boolean;
}

/** Every method throws HistoryUnavailable or JournalUnavailable, within about 2 s. */
export interface Deliveries {
  /** Of some of the message's recipients: whoever is none is left out. */
  of(loaded: Loaded, message: MessageSent, users: readonly UserId[]): Promise<ReadonlyMap<UserId, Delivery>>;
  /**
   * Rings soon after anything may have changed for these recipients of the message, or without them: for any. It may ring for
   * nothing, and it may miss a push's outcome: whoever must not miss any looks again after a while. `onChange` must not throw.
   */
  watch(lane: LaneId, seq: Seq, onChange: (users: readonly UserId[] | undefined) => void): Stoppable;
}

/** Those that the message was meant for and who belong to the conversation now, by id; without its sender. */
export function recipientIds({ lane }: Loaded, { seq, by }: MessageSent): UserId[] {
  const found: UserId[] = [];
  for (const [user, { joinedSeq }] of lane.members) if (user !== by && joinedSeq < seq) found.push(user);
  return found.sort();
}

/** As everybody sees it who is neither the recipient nor an administrator: `READ` withheld where the recipient hides it. */
export function shownToOthers(delivery: Delivery): Delivery {
  if (!delivery.hidesRead || delivery.state !== 'READ') return delivery;
  const { readAt: _, ...rest } = delivery;
  return { ...rest, state: 'DELIVERED' };
}

export interface DeliveryParts {
  readonly mongo: Mongo;
  readonly board: Pick<ReceiptBoard, 'whenAll' | 'listen'>;
  readonly devices: Pick<Devices, 'settings'>;
  readonly reads: Pick<Reads, 'page'>;
  readonly bell: Pick<DeliveryBell, 'listen'>;
  readonly log: Logger;
  readonly clock?: () => Millis;
}

export function openDeliveries(parts: DeliveryParts): Deliveries {
  return {
    of: (loaded, message, users) => deliveriesOf(parts, loaded, message, users),
    watch: (lane, seq, onChange) => {
      const stops = [
        parts.bell.listen(lane, (rung) => rung.seq === seq && onChange(rung.users)),
        parts.board.listen((marks) => {
          const users = marks.filter(({ l, s }) => l === lane && s >= seq).map(({ u }) => u);
          if (users.length > 0) onChange([...new Set(users)]);
        }),
      ];
      return {
        stop: () => {
          for (const one of stops) one.stop();
        },
      };
    },
  };
}

/** As `Deliveries.of`, for who follows nothing. */
export async function deliveriesOf(
  parts: Omit<DeliveryParts, 'bell' | 'board'> & { readonly board: Pick<ReceiptBoard, 'whenAll'> },
  loaded: Loaded,
  message: MessageSent,
  wanted: readonly UserId[],
) {
  const { mongo, board, devices, log, clock = Date.now } = parts;
  const { id: lane, members } = loaded.lane;
  const users = wanted.filter(
    (user) => user !== message.by && (members.get(user)?.joinedSeq ?? message.seq) < message.seq,
  );
  if (users.length === 0) return new Map<UserId, Delivery>();
  // What was pushed is read before what was received: a push never looks later than the receipt that it led to.
  const stories = await askMongo(mongo, log, (db) => readStories(db, lane, message.seq, users));
  const [whens, settings] = await Promise.all([board.whenAll(lane, users, message.seq), devices.settings(users)]);
  const replies = await repliesOf(
    parts.reads,
    loaded,
    message,
    users.filter((user) => !whens.get(user)?.readAt),
  );
  return new Map(
    users.map((user) => {
      const facts = { when: withReply(whens.get(user), replies.get(user)), story: stories.get(user), now: clock() };
      const hidesRead = settings.get(user)?.hideReadMarks ?? false;
      return [user, { ...deliveryOf(lane, message, user, facts), hidesRead }];
    }),
  );
}

/** A read mark without a time says no more than that it was. */
type Marked = When & { readonly isRead?: boolean };

function withReply(when: When | undefined, reply: { readonly at?: Millis } | undefined): Marked {
  if (!reply) return { ...when };
  const { at } = reply;
  return at === undefined ? { ...when, isRead: true } : { deliveredAt: at, ...when, readAt: at, isRead: true };
}

/** Messages after it that are looked at for a reply. */
const REPLIES_WITHIN = 100;

/** Who has written since has read it: by the first thing written. Without a time where that is further away. */
async function repliesOf(reads: Pick<Reads, 'page'>, loaded: Loaded, { seq }: MessageSent, users: readonly UserId[]) {
  const wrote = users.filter((user) => lastSentBy(loaded.lane.sent, user) > seq);
  const replies = new Map<UserId, { readonly at?: Millis }>(wrote.map((user) => [user, {}]));
  if (wrote.length === 0) return replies;
  const sight = { from: (seq + 1) as Seq, to: loaded.lane.seq };
  const { events } = await reads.page(loaded, sight, { first: REPLIES_WITHIN }, 'messages');
  for (const { by, at } of [...events].reverse()) if (replies.has(by)) replies.set(by, { at });
  return replies;
}

export interface Facts {
  readonly when: Marked;
  readonly story: PushStory | undefined;
  readonly now: Millis;
}

/** Pure. */
export function deliveryOf(
  lane: LaneId,
  { seq, at: acceptedAt }: Pick<MessageSent, 'seq' | 'at'>,
  user: UserId,
  { when, story, now }: Facts,
): Omit<Delivery, 'hidesRead'> {
  const { deliveredAt, deliveredTo, readAt, isRead = readAt !== undefined } = when;
  const attempts = [...(story?.attempts ?? [])].sort((a, b) => a.at - b.at);
  const notifiedAt = attempts.find(({ outcome }) => outcome === 'SENT')?.at;
  const isDelivered = isRead || deliveredAt !== undefined;
  const state = isRead ? 'READ' : isDelivered ? 'DELIVERED' : notifiedAt !== undefined ? 'NOTIFIED' : 'ACCEPTED';
  const reason = notifiedAt === undefined ? noPushReasonOf(story, { isDelivered, acceptedAt, now }) : undefined;
  return {
    lane,
    seq,
    user,
    state,
    acceptedAt,
    ...(notifiedAt === undefined ? {} : { notifiedAt }),
    ...(deliveredAt === undefined ? {} : { deliveredAt }),
    ...(readAt === undefined ? {} : { readAt }),
    ...(deliveredTo === undefined ? {} : { deliveredTo }),
    attempts,
    ...(reason === undefined ? {} : { noPushReason: reason }),
  };
}

/** Of several devices that got no push, each for a reason of its own, the one that says the most. */
const TELLING: readonly NoPushReason[] = ['PROVIDER_REFUSED', 'TOKEN_DEAD', 'EXPIRED', 'DELIVERED_IN_TIME'];
const REMEMBERED_MS = DELIVERY_DAYS * 24 * 60 * 60 * 1000;

/** Where no push went: why. The notifier writes nothing down of who had the message in time, and of what is too old. */
function noPushReasonOf(
  story: PushStory | undefined,
  {
    isDelivered,
    acceptedAt,
    now,
  }: { readonly isDelivered: boolean; readonly acceptedAt: Millis; readonly now: Millis },
): NoPushReason | undefined {
  if (story?.late) return story.late;
  if (story?.isOpen) return 'WAITING_PROVIDER';
  if (story && story.closed.length > 0) return TELLING.find((one) => story.closed.includes(one)) ?? story.closed[0];
  // Nothing has begun: whoever has the message by now is not pushed any more.
  if (story?.decided === 'push') return isDelivered ? 'DELIVERED_IN_TIME' : 'WAITING_PROVIDER';
  if (story?.decided) return story.decided;
  if (now - acceptedAt >= REMEMBERED_MS) return undefined;
  if (isDelivered) return 'DELIVERED_IN_TIME';
  return now - acceptedAt >= PUSH_EXPIRES_MS ? 'EXPIRED' : 'WAITING_GRACE';
}
