/**
 * The newest records of one partition, as far as lists of conversations need them: which lanes they are of, and who came into a
 * lane or went. MongoDB's list of a user's lanes and this together are the list as it is at `to`, exactly.
 */
import type { LaneEvent } from '../../schema/events.ts';
import { type LaneId, type Millis, type Revision, revisionOf, type Seq, type UserId } from '../../schema/ids.ts';
import type { StoredRecord } from '../journal/journal.ts';
import type { ListedLane } from '../views/user-lanes.ts';
import { printOf } from './inbox-cursor.ts';

/** Kept though MongoDB has them: readers that come back with a place not older than these cost no question. */
const KEPT = 4_096;
/** Never more than this, whatever MongoDB has; then nothing can be listed until it has caught up. About 150 bytes each. */
const KEPT_MAX = 65_536;

interface Newest {
  readonly seq: Seq;
  readonly at: Millis;
  readonly revision: Revision;
}
interface Change {
  readonly lane: LaneId;
  readonly seq: Seq;
  readonly member: boolean;
  readonly revision: Revision;
}
interface Passed {
  readonly revision: Revision;
  readonly print: number;
  readonly lane: LaneId;
  readonly users: readonly UserId[] | undefined;
}

export class InboxTail {
  /** Every record with a revision above it, up to `to`, is here. */
  from: Revision;
  to: Revision;
  /** Of the record `to`. */
  print = 0;
  #passed: Passed[] = [];
  /** Index of the first that is kept. */
  #first = 0;
  readonly #newest = new Map<LaneId, Newest>();
  /** In the order of the stream. */
  readonly #changes = new Map<UserId, Change[]>();

  /** Records come from `from` itself on: that one says only which stream it is. */
  constructor(from: Revision) {
    this.from = from;
    this.to = revisionOf(Math.max(0, from - 1));
  }

  add({ lane, revision, record }: StoredRecord): void {
    this.to = revision;
    this.print = printOf(record?.id ?? '');
    if (revision <= this.from) return;
    const last = record?.events.at(-1);
    if (last) this.#newest.set(lane, { seq: last.seq, at: last.at, revision });
    const users: UserId[] = [];
    for (const event of record?.events ?? [])
      for (const user of namedIn(event)) {
        const change = { lane, seq: event.seq, member: event.type !== 'MemberRemoved', revision };
        const changes = this.#changes.get(user);
        if (changes) changes.push(change);
        else this.#changes.set(user, [change]);
        users.push(user);
      }
    this.#passed.push({ revision, print: this.print, lane, users: users.length > 0 ? users : undefined });
    if (this.#size > KEPT_MAX) this.#drop();
  }

  /** MongoDB has everything up to `listed`, for every question that is still under way. */
  trim(listed: Revision): void {
    while (this.#size > KEPT && (this.#passed[this.#first] as Passed).revision <= listed) this.#drop();
  }

  /** Brings what MongoDB said of a user, true up to `listed` at least, up to `to`. False: too much has passed since. */
  fold(user: UserId, listed: Revision, lanes: Map<LaneId, ListedLane>): boolean {
    if (listed < this.from) return false;
    // Also where MongoDB had some of them: the last of them says how it is.
    for (const { lane, seq, member, revision } of this.#changes.get(user) ?? []) {
      if (revision <= listed) continue;
      const { seq: last = seq, at = 0 } = lanes.get(lane) ?? {};
      lanes.set(lane, { seq: last, at, left: member ? undefined : seq });
    }
    return true;
  }

  /** The lane's last event, where it is among these records. */
  newest(lane: LaneId): Newest | undefined {
    return this.#newest.get(lane);
  }

  /** Of the record `revision`, where it is kept. */
  printAt(revision: Revision): number | undefined {
    if (revision === this.to) return this.print;
    let low = this.#first;
    let high = this.#passed.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#passed[middle] as Passed).revision < revision) low = middle + 1;
      else high = middle;
    }
    const found = this.#passed[low];
    return found?.revision === revision ? found.print : undefined;
  }

  get #size(): number {
    return this.#passed.length - this.#first;
  }

  #drop(): void {
    const { revision, lane, users } = this.#passed[this.#first++] as Passed;
    this.from = revision;
    const newest = this.#newest.get(lane);
    if (newest && newest.revision <= revision) this.#newest.delete(lane);
    for (const user of users ?? []) {
      const kept = this.#changes.get(user)?.filter((change) => change.revision > revision) ?? [];
      if (kept.length > 0) this.#changes.set(user, kept);
      else this.#changes.delete(user);
    }
    if (this.#first < KEPT) return;
    this.#passed = this.#passed.slice(this.#first);
    this.#first = 0;
  }
}

/** Whom an event takes into its lane, or out of it. */
export function namedIn(event: LaneEvent): readonly UserId[] {
  switch (event.type) {
    case 'ConversationCreated':
    case 'MembersAdded':
      return event.members;
    case 'MemberRemoved':
      return [event.member];
    case 'MessageSent':
      return NOBODY;
    default:
      event satisfies never;
      return NOBODY;
  }
}
const NOBODY: readonly UserId[] = [];
