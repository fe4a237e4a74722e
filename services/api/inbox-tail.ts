/**
 * The newest records of one partition, as far as lists of conversations need them: the last event of each lane, and the last
 * time that each user came into a lane or went. MongoDB's list of a user's lanes and this together are the list as it is at
 * `to`, exactly. A lane with many records takes as much room as with one.
 */
import type { LaneEvent } from '../../schema/events.ts';
import { type LaneId, type Millis, type Revision, revisionOf, type Seq, type UserId } from '../../schema/ids.ts';
import type { StoredRecord } from '../journal/journal.ts';
import type { ListedLane } from '../views/user-lanes.ts';
import { printOf } from './inbox-cursor.ts';

/** Records that are kept though MongoDB has them, where there is room: readers that come back with a place not older cost no question. */
const KEPT = 4_096;
/** `shrink` drops such a part of the records at a time. */
const SHRINK_STEPS = 16;

interface Newest {
  readonly seq: Seq;
  readonly at: Millis;
  readonly revision: Revision;
}
interface Change {
  readonly user: UserId;
  readonly lane: LaneId;
  readonly seq: Seq;
  readonly member: boolean;
  readonly revision: Revision;
}
interface Print {
  readonly revision: Revision;
  readonly print: number;
}

export class InboxTail {
  /** Of every record with a revision above it, up to `to`, everything is here. */
  from: Revision;
  to: Revision;
  /** Of the record `to`. */
  print = 0;
  /** Of the KEPT newest records, from index `#first` on. */
  #prints: Print[] = [];
  #first = 0;
  /** In the order of their revisions, as `#order` is. */
  readonly #newest = new Map<LaneId, Newest>();
  readonly #changes = new Map<UserId, Map<LaneId, Change>>();
  readonly #order = new Set<Change>();

  /** Records come from `from` itself on: that one says only which stream it is. */
  constructor(from: Revision) {
    this.from = from;
    this.to = revisionOf(Math.max(0, from - 1));
  }

  /** Lanes, and users' comings and goings. */
  get size(): number {
    return this.#newest.size + this.#order.size;
  }

  add({ lane, revision, record }: StoredRecord): void {
    this.to = revision;
    this.print = printOf(record?.id ?? '');
    if (revision <= this.from) return;
    const last = record?.events.at(-1);
    if (last) {
      this.#newest.delete(lane);
      this.#newest.set(lane, { seq: last.seq, at: last.at, revision });
    }
    for (const event of record?.events ?? [])
      for (const user of namedIn(event))
        this.#change({ user, lane, seq: event.seq, member: event.type !== 'MemberRemoved', revision });
    this.#prints.push({ revision, print: this.print });
    if (this.#prints.length - this.#first > KEPT) this.#first++;
    if (this.#first < KEPT) return;
    this.#prints = this.#prints.slice(this.#first);
    this.#first = 0;
  }

  /** MongoDB has everything up to `listed`, for every question that is still under way. */
  trim(listed: Revision, isRoomy: boolean): void {
    const kept = isRoomy ? (this.#prints[this.#first]?.revision ?? 0) - 1 : this.to;
    this.#drop(revisionOf(Math.max(0, Math.min(listed, kept, this.to))));
  }

  /** Drops the oldest until so much is left. What MongoDB has listed below `from` can then be put together with nothing. */
  shrink(size: number): void {
    while (this.size > size) this.#drop(revisionOf(this.from + Math.ceil((this.to - this.from) / SHRINK_STEPS)));
  }

  /** Brings what MongoDB said of a user, true up to `listed` at least, up to `to`. False: too much has passed since. */
  fold(user: UserId, listed: Revision, lanes: Map<LaneId, ListedLane>): boolean {
    if (listed < this.from) return false;
    // Also where MongoDB had some of them: the last of them says how it is.
    for (const [lane, { seq, member, revision }] of this.#changes.get(user) ?? []) {
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
    let high = this.#prints.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#prints[middle] as Print).revision < revision) low = middle + 1;
      else high = middle;
    }
    const found = this.#prints[low];
    return found?.revision === revision ? found.print : undefined;
  }

  #change(change: Change): void {
    const { user, lane } = change;
    const lanes = this.#changes.get(user) ?? new Map<LaneId, Change>();
    this.#changes.set(user, lanes);
    const had = lanes.get(lane);
    if (had) this.#order.delete(had);
    lanes.set(lane, change);
    this.#order.add(change);
  }

  #drop(upTo: Revision): void {
    if (upTo <= this.from) return;
    this.from = upTo;
    for (const [lane, { revision }] of this.#newest) {
      if (revision > upTo) break;
      this.#newest.delete(lane);
    }
    for (const change of this.#order) {
      if (change.revision > upTo) break;
      this.#order.delete(change);
      const lanes = this.#changes.get(change.user);
      lanes?.delete(change.lane);
      if (lanes?.size === 0) this.#changes.delete(change.user);
    }
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
