/**
 * What MongoDB holds of pushes: who was to be pushed and who not, every attempt, and what each device was last told of a lane.
 * Not made from lanes, so in no generation. Forgotten after `DELIVERY_DAYS`.
 */
import { type Collection, type Db, MaxKey, MinKey } from 'mongodb';
import { DELIVERY_DAYS, type NoPushReason, type PushOutcome } from '../../schema/delivery.ts';
import type { DeviceId, LaneId, Millis, Revision, Seq, UserId } from '../../schema/ids.ts';
import type { PushProviderName } from './push-address.ts';

type ByReason = { readonly [reason in NoPushReason]?: readonly UserId[] };

/** What was decided of one part of a message's recipients. Whoever had it in time is not in it. */
export interface DecisionDocument {
  readonly _id: { readonly l: LaneId; readonly s: Seq; readonly c: number };
  /** As of when it was decided first. */
  readonly at: Date;
  readonly push: readonly UserId[];
  readonly no: ByReason;
  /** Why a push that was decided did not go after all. */
  readonly late?: ByReason;
}

export interface AttemptDocument {
  readonly at: Millis;
  readonly o: PushOutcome;
  readonly code?: string;
  /** When it was last looked, before it, whether the user has the message. */
  readonly asOf: Millis;
}

/** The order of its keys is part of the format: a message's entries, and a recipient's among them, are one range. */
export interface EntryId {
  readonly l: LaneId;
  readonly s: Seq;
  readonly u: UserId;
  readonly d: DeviceId;
}
/** One push of one message to one device. While `due` is there it is not over: after that time whoever looks takes it up. */
export interface EntryDocument {
  readonly _id: EntryId;
  /** The record that the message is in, when it was accepted, the part of its recipients: for a work item made anew. */
  readonly r: Revision;
  readonly sent: Millis;
  readonly c: number;
  readonly provider: PushProviderName;
  readonly at: Date;
  readonly due?: Millis;
  /** Who holds it, while somebody does. */
  readonly by?: string;
  /** As of when the user was seen not to have it, for whoever holds or held it last. */
  readonly asOf?: Millis;
  /** Why it is over without a push. */
  readonly why?: NoPushReason;
  readonly attempts: readonly AttemptDocument[];
}

/** The last message of the lane that the device had a push for. `open`: its notification may still be shown. */
export interface NoticeDocument {
  readonly _id: { readonly u: UserId; readonly l: LaneId; readonly d: DeviceId };
  readonly s: Seq;
  readonly open: boolean;
  readonly at: Date;
}

/** How far the notifier has come in a partition: for every record up to it the work items are stored. */
export interface NotifierPositionDocument {
  readonly _id: number;
  readonly w: Revision;
  readonly rid: string | null;
  /** When the record there was stored. Not there in what an earlier version wrote. */
  readonly at?: Millis;
}

export const decisionsOf = (db: Db): Collection<DecisionDocument> => db.collection('push_decisions');
export const entriesOf = (db: Db): Collection<EntryDocument> => db.collection('ledger');
export const noticesOf = (db: Db): Collection<NoticeDocument> => db.collection('push_notices');
export const notifierPositionsOf = (db: Db): Collection<NotifierPositionDocument> =>
  db.collection('notifier_positions');

const EXPIRES = { name: 'forgotten', expireAfterSeconds: DELIVERY_DAYS * 24 * 60 * 60 };
export const DUE_INDEX = 'due';

/** Does nothing where they are there. */
export async function createLedger(db: Db): Promise<void> {
  await Promise.all([
    decisionsOf(db).createIndex({ at: 1 }, EXPIRES),
    entriesOf(db).createIndex({ at: 1 }, EXPIRES),
    entriesOf(db).createIndex({ due: 1 }, { name: DUE_INDEX, sparse: true }),
    noticesOf(db).createIndex({ at: 1 }, EXPIRES),
  ]);
}

/** The last message that a device had a push for, and when that was known. */
export interface Noticed {
  readonly s: Seq;
  readonly at: Millis;
}

/** It was for a later message of the lane. One from before this was accepted was for a message that the lane lost. */
export const isLater = (
  noticed: Noticed | undefined,
  { seq, acceptedAt }: { readonly seq: Seq; readonly acceptedAt: Millis },
) => noticed !== undefined && noticed.s > seq && noticed.at >= acceptedAt;

export const noticeKey = (user: UserId, device: DeviceId): string => `${user} ${device}`;

/** Every entry of a message, or of one of its recipients. */
export const messageRange = (l: LaneId, s: number, u?: UserId) => {
  const from = { l, s, u: u ?? new MinKey(), d: new MinKey() };
  const to = { l, s, u: u ?? new MaxKey(), d: new MaxKey() };
  return { _id: { $gte: from as unknown as EntryId, $lte: to as unknown as EntryId } };
};

/** An entry that nobody holds: its time has come, or it is due `at` that very time. */
export const freeAt = (now: Millis, at?: Millis) => ({
  $or: [{ due: { $lte: now } }, ...(at === undefined ? [] : [{ due: at }])],
});
