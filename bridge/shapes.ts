/** What reads give, field by field as the GraphQL types have them. Pure. */
import type { MessageSent } from '../schema/events.ts';
import { type LaneId, type Millis, memberIdOf, messageIdOf, type UserId } from '../schema/ids.ts';
import type { Loaded } from '../services/journal/lanes.ts';
import type { Member, Sight } from '../services/lane/lane.ts';
import type { Person } from '../services/views/people.ts';
import type { Mine } from '../services/views/receipts.ts';
import { readSeqOf } from '../services/views/unread.ts';

export type People = ReadonlyMap<UserId, Person>;

const timeOf = (at: Millis): string => new Date(at).toISOString();

export const userShape = (id: UserId, people: People) => ({
  id,
  name: people.get(id)?.name ?? null,
  avatarUrl: people.get(id)?.avatarUrl ?? null,
});

export const messageShape = (lane: LaneId, { seq, by, text, at, key }: MessageSent, people: People) => ({
  id: messageIdOf(lane, seq),
  conversationId: lane,
  seq,
  changedSeq: seq,
  sender: userShape(by, people),
  text,
  sentAt: timeOf(at),
  clientKey: key,
});

export interface Placed {
  readonly user: UserId;
  readonly member: Member;
}

/** `mine`: the member's marks; `isHidden`: what it has read is not for others. */
export function memberShape(
  loaded: Loaded,
  { user, member }: Placed,
  { mine, isHidden, people }: { readonly mine: Mine | undefined; readonly isHidden: boolean; readonly people: People },
) {
  const readSeq = readSeqOf(loaded, user, mine);
  return {
    id: memberIdOf(loaded.lane.id, user),
    user: userShape(user, people),
    role: member.role,
    joinedAt: timeOf(member.joinedAt),
    // Reading implies delivered, and so does sending.
    deliveredSeq: Math.max(readSeq, mine?.delivered ?? 0),
    readSeq: isHidden ? null : readSeq,
  };
}

/** What a conversation's shape is made of; `unread` null: the reader is no member. */
export interface ConversationParts {
  readonly loaded: Loaded;
  readonly sight: Sight;
  readonly lastMessage: MessageSent | undefined;
  readonly mine: Mine | undefined;
  readonly unread: number | null;
}

export function conversationShape(reader: UserId, parts: ConversationParts, people: People) {
  const { loaded, sight, lastMessage, mine, unread } = parts;
  const { lane } = loaded;
  const member = lane.members.get(reader);
  const other = directWith(parts, reader);
  return {
    id: lane.id,
    kind: lane.kind,
    title: lane.title ?? null,
    createdAt: timeOf(lane.createdAt),
    lastSeq: lane.seq,
    firstSeq: sight.from,
    lastActivityAt: timeOf(lane.lastAt),
    lastMessage: lastMessage ? messageShape(lane.id, lastMessage, people) : null,
    memberCount: lane.members.size,
    me: member ? memberShape(loaded, { user: reader, member }, { mine, isHidden: false, people }) : null,
    directWith: other === undefined ? null : userShape(other, people),
    readSeq: member ? readSeqOf(loaded, reader, mine) : null,
    unread,
  };
}

/** Who is named in it. */
export const usersIn = (reader: UserId, parts: ConversationParts): readonly UserId[] =>
  [reader, parts.lastMessage?.by, directWith(parts, reader)].filter((user) => user !== undefined);

function directWith({ loaded: { lane } }: ConversationParts, reader: UserId): UserId | undefined {
  if (lane.kind !== 'DIRECT' || !lane.members.has(reader)) return undefined;
  return [...lane.members.keys()].find((user) => user !== reader);
}
