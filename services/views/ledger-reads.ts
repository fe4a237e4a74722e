/** What the ledger tells of one message, by recipient. */
import type { Db } from 'mongodb';
import type { NoPushReason } from '../../schema/delivery.ts';
import type { LaneId, Seq, UserId } from '../../schema/ids.ts';
import type { PushAttempt } from './delivery.ts';
import { type DecisionDocument, decisionsOf, type EntryDocument, entriesOf, messageRange } from './ledger-documents.ts';

export interface PushStory {
  /** What the notifier decided first. */
  readonly decided?: 'push' | NoPushReason;
  /** Why the push that was decided did not go after all. */
  readonly late?: NoPushReason;
  /** A push to a device is under way, or tried again later. */
  readonly isOpen: boolean;
  /** Why devices got none, each once. */
  readonly closed: readonly NoPushReason[];
  /** Of all devices, in no order. */
  readonly attempts: readonly PushAttempt[];
}

type Story = { -readonly [key in keyof PushStory]: PushStory[key] } & {
  closed: NoPushReason[];
  attempts: PushAttempt[];
};

/** Users that the ledger knows nothing of are not in the map. */
export async function readStories(
  db: Db,
  lane: LaneId,
  seq: Seq,
  users: readonly UserId[],
): Promise<ReadonlyMap<UserId, PushStory>> {
  const stories = new Map<UserId, Story>();
  const storyOf = (user: UserId): Story => {
    const story = stories.get(user) ?? { isOpen: false, closed: [], attempts: [] };
    stories.set(user, story);
    return story;
  };
  // Entries follow decisions: read the other way round, a push could be missed that was just decided and begun.
  for (const { push, no, late } of await readDecisions(db, lane, seq, users)) {
    for (const user of push) storyOf(user).decided = 'push';
    for (const [user, reason] of byUser(no)) storyOf(user).decided ??= reason;
    for (const [user, reason] of byUser(late)) storyOf(user).late = reason;
  }
  for (const entry of await readEntries(db, lane, seq, users)) tell(storyOf(entry._id.u), entry);
  return stories;
}

function tell(story: Story, { _id, provider, due, why, attempts }: EntryDocument): void {
  if (due !== undefined) story.isOpen = true;
  if (why !== undefined && !story.closed.includes(why)) story.closed.push(why);
  for (const { at, o: outcome, code } of attempts)
    story.attempts.push({ device: _id.d, provider, at, outcome, ...(code === undefined ? {} : { code }) });
}

const byUser = (reasons: DecisionDocument['late']): [UserId, NoPushReason][] =>
  Object.entries(reasons ?? {}).flatMap(([reason, users]) =>
    users.map((user) => [user, reason as NoPushReason] as [UserId, NoPushReason]),
  );

/** Only what they say of these users: of a large group they name thousands. */
function readDecisions(db: Db, l: LaneId, s: Seq, users: readonly UserId[]) {
  const these = (list: string) => ({ $setIntersection: [list, { $literal: [...users] }] });
  const byReason = (field: string) => ({
    $arrayToObject: {
      $map: { input: { $objectToArray: { $ifNull: [field, {}] } }, in: { k: '$$this.k', v: these('$$this.v') } },
    },
  });
  const from = { l, s, c: 0 };
  const to = { l, s, c: Number.MAX_SAFE_INTEGER };
  return decisionsOf(db)
    .aggregate<Pick<DecisionDocument, 'push' | 'no' | 'late'>>([
      { $match: { _id: { $gte: from, $lte: to } } },
      { $project: { push: these('$push'), no: byReason('$no'), late: byReason('$late') } },
    ])
    .toArray();
}

function readEntries(db: Db, l: LaneId, s: Seq, users: readonly UserId[]): Promise<EntryDocument[]> {
  return entriesOf(db)
    .find({ $or: users.map((user) => messageRange(l, s, user)) })
    .toArray();
}
