/**
 * What one reader may see of a lane while it is followed: asked for every event, answered from memory while the lane's
 * members are the same.
 */
import type { LaneEvent } from '../../schema/events.ts';
import type { UserId } from '../../schema/ids.ts';
import { type Lane, type Sight, sightOf } from '../lane/lane.ts';
import type { Identity } from './auth.ts';
import { SERVER_SHARES } from './limits.ts';
import type { Ring } from './ring.ts';

export interface Viewer {
  readonly user: UserId;
  readonly admin: boolean;
  /** A server of the host application, acting for `user`. */
  readonly server?: boolean;
  /** Such a server, acting for itself: its share of a process is larger than a person's. */
  readonly isService?: boolean;
}

/** How many times a person's share of a process may be this one's. */
export const sharesOf = ({ isService }: Viewer): number => (isService ? SERVER_SHARES : 1);

export function viewerOf({ actor: { user, admin, server, via = user } }: Identity): Viewer {
  return { user, admin, server, isService: server && via === user };
}

export class Gate {
  readonly viewer: Viewer;
  /** The last event that may be seen; infinite while the reader belongs to the lane. */
  end = Number.POSITIVE_INFINITY;
  /** The lane's last seq when the stream began: only a removal after it ends the stream. */
  #since = 0;
  /** The members among which the user was looked up last. */
  #members: Lane['members'] | undefined;

  constructor(viewer: Viewer) {
    this.viewer = viewer;
  }

  /** The stream begins, or begins anew, on this lane. Undefined: there is no such lane for this reader. */
  open(lane: Lane): Sight | undefined {
    const sight = sightOf(lane, this.viewer.user, this.viewer.admin);
    this.#since = lane.seq;
    this.#members = lane.members;
    this.end = sight?.to ?? 0;
    return sight;
  }

  /** Whether to `review` before more is given. A removal ahead always is: the state may already know of a return after it. */
  isStale(lane: Lane, ring: Ring, position: number): boolean {
    return lane.members !== this.#members || ring.lastRemoval > position;
  }

  /**
   * Looks the user up again. `stranger`: there is no such lane for it any more. `hole`: it was removed, and is back with a
   * later beginning, so that the stream cannot go on at `position` without one.
   */
  review(lane: Lane, ring: Ring, position: number): 'sees' | 'stranger' | 'hole' {
    const sight = sightOf(lane, this.viewer.user, this.viewer.admin);
    if (!sight) return 'stranger';
    if (sight.from > position + 1) return 'hole';
    this.#members = lane.members;
    this.end = sight.to;
    for (let seq = Math.max(position + 1, ring.first); seq <= ring.lastRemoval; seq++) this.pass(ring.at(seq).event);
    return 'sees';
  }

  /** Notes an event that is about to be given: the reader's own removal is the last, whatever came after it. */
  pass(event: LaneEvent): void {
    const { user, admin } = this.viewer;
    if (event.type === 'MemberRemoved' && event.member === user && event.seq > this.#since && !admin)
      this.end = Math.min(this.end, event.seq);
  }
}
