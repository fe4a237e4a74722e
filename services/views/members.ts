/** The members of a conversation in pages, by every door. */
import type { Maybe } from '../../schema/generated.ts';
import type { UserId } from '../../schema/ids.ts';
import type { Lane, Member } from '../lane/lane.ts';
import { type Connection, connectionOf, memberCursor, memberOfCursor } from './connection.ts';

export const USUAL_MEMBERS = 50;

type Placed = readonly [user: UserId, member: Member];
/** Members in the order of coming in, those of one event by id: an order that leavings and comings do not disturb. */
const inOrder = new WeakMap<Lane['members'], readonly Placed[]>();

function orderedMembers({ members }: Lane): readonly Placed[] {
  const known = inOrder.get(members);
  if (known) return known;
  const ordered = [...members].sort(([a, x], [b, y]) => x.joinedSeq - y.joinedSeq || (a < b ? -1 : 1));
  inOrder.set(members, ordered);
  return ordered;
}

/** `size` of them behind the cursor `after`, each as `nodeOf` makes it. Throws BadInput for what is no cursor of this list. */
export function membersPage<Node extends { readonly user: UserId; readonly member: Member }>(
  lane: Lane,
  size: number,
  after: Maybe<string> | undefined,
  nodeOf: (user: UserId, member: Member) => Node,
): Connection<Node> {
  const ordered = orderedMembers(lane);
  const start = startAfter(ordered, after);
  const nodes = ordered.slice(start, start + size).map(([user, member]) => nodeOf(user, member));
  const more = { before: start > 0, after: start + nodes.length < ordered.length };
  return connectionOf(nodes, ({ user, member }) => memberCursor(member.joinedSeq, user), more);
}

/** The index of the first member behind the cursor, whether or not its own member is still there. */
function startAfter(ordered: readonly Placed[], after: Maybe<string> | undefined): number {
  if (after === null || after === undefined) return 0;
  const { joinedSeq, user } = memberOfCursor('after', after);
  let from = 0;
  let to = ordered.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    const [id, member] = ordered[middle] as Placed;
    const isBehind = member.joinedSeq - joinedSeq || (id === user ? 0 : id < user ? -1 : 1);
    if (isBehind > 0) to = middle;
    else from = middle + 1;
  }
  return from;
}
