/** Who is connected, and which lanes concern them: what each stored record is matched with. True as of what the feed has delivered. */
import type { LaneId, Millis, UserId } from '../../schema/ids.ts';
import type { ListedLane } from '../views/user-lanes.ts';
import type { InboxReader } from './inbox-reader.ts';

export interface IndexedLane {
  readonly lane: LaneId;
  /** The last event that was delivered, and its time. */
  seq: number;
  at: Millis;
  /** Most lanes concern one connected user, or none. */
  users: IndexedUser | Set<IndexedUser>;
}
export interface IndexedUser {
  readonly user: UserId;
  readonly readers: Set<InboxReader>;
  readonly lanes: Set<IndexedLane>;
}

export class InboxIndex {
  readonly users = new Map<UserId, IndexedUser>();
  readonly lanes = new Map<LaneId, IndexedLane>();
  /** Users' lanes, each for each of its users. */
  size = 0;

  /** A reader of a user's begins. `lanes`: what the user belongs to; needed where no reader of its is here yet. */
  join(reader: InboxReader, user: UserId, lanes: ReadonlyMap<LaneId, ListedLane>): IndexedUser {
    let indexed = this.users.get(user);
    if (!indexed) {
      indexed = { user, readers: new Set(), lanes: new Set() };
      this.users.set(user, indexed);
      for (const [lane, { seq, at, left }] of lanes) if (left === undefined) this.enter(indexed, lane, seq, at);
    }
    indexed.readers.add(reader);
    return indexed;
  }

  /** The user is forgotten with its last reader. */
  leave(reader: InboxReader, indexed: IndexedUser): void {
    indexed.readers.delete(reader);
    if (indexed.readers.size > 0) return;
    this.users.delete(indexed.user);
    for (const lane of indexed.lanes) this.#unlink(indexed, lane);
    indexed.lanes.clear();
  }

  /** The user belongs to the lane from now on. */
  enter(indexed: IndexedUser, id: LaneId, seq: number, at: Millis): void {
    const lane = this.lanes.get(id);
    if (!lane) {
      const made = { lane: id, seq, at, users: indexed };
      this.lanes.set(id, made);
      indexed.lanes.add(made);
    } else {
      if (hasUser(lane, indexed)) return;
      if (lane.users instanceof Set) lane.users.add(indexed);
      else lane.users = new Set([lane.users, indexed]);
      indexed.lanes.add(lane);
    }
    this.size++;
  }

  /** The user belongs to the lane no more. */
  exit(indexed: IndexedUser, lane: IndexedLane): void {
    if (indexed.lanes.delete(lane)) this.#unlink(indexed, lane);
  }

  #unlink(indexed: IndexedUser, lane: IndexedLane): void {
    this.size--;
    if (lane.users instanceof Set) {
      lane.users.delete(indexed);
      if (lane.users.size > 0) return;
    }
    this.lanes.delete(lane.lane);
  }
}

export const hasUser = ({ users }: IndexedLane, indexed: IndexedUser): boolean =>
  users instanceof Set ? users.has(indexed) : users === indexed;

export function* usersOf(lane: IndexedLane | undefined): Iterable<IndexedUser> {
  if (lane?.users instanceof Set) yield* lane.users;
  else if (lane) yield lane.users;
}
