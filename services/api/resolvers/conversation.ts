/** A conversation and its members, from the lane's state; its messages and events, from history and the lane together. */
import type { GraphQLResolveInfo } from 'graphql';
import type {
  ConversationEventsArgs,
  ConversationMembersArgs,
  ConversationMessagesArgs,
} from '../../../schema/generated.ts';
import { memberIdOf, type UserId } from '../../../schema/ids.ts';
import type { Loaded } from '../../journal/lanes.ts';
import { type Lane, type Member, type Sight, sightOf } from '../../lane/lane.ts';
import { type Connection, connectionOf, lanePageOf, seqCursor, sizeOf } from '../../views/connection.ts';
import { membersPage, USUAL_MEMBERS } from '../../views/members.ts';
import type { Reads } from '../../views/reads.ts';
import type { Identity } from '../auth.ts';
import { type RequestContext, spendRows, spendText } from '../context.ts';
import type { EventFrame } from '../sources.ts';
import { eventFrameOf, isShown, type MessageSource } from './events.ts';

export interface ConversationSource {
  readonly loaded: Loaded;
  readonly reader: UserId;
  readonly sight: Sight;
}
export interface MemberSource {
  readonly loaded: Loaded;
  readonly user: UserId;
  readonly member: Member;
}

/** The conversation as this reader may see it; null: to this reader there is none. Who left sees it in streams only. */
export function conversationOf(loaded: Loaded, { actor }: Identity): ConversationSource | null {
  const sight = sightOf(loaded.lane, actor.user, actor.admin);
  return sight?.to === Number.POSITIVE_INFINITY ? { loaded, reader: actor.user, sight } : null;
}

export const conversationResolvers = (reads: Reads) => ({
  Conversation: {
    id: ({ loaded }: ConversationSource) => loaded.lane.id,
    kind: ({ loaded }: ConversationSource) => loaded.lane.kind,
    title: ({ loaded }: ConversationSource, _: unknown, context: RequestContext) =>
      spendText(context, loaded.lane.title ?? null),
    createdAt: ({ loaded }: ConversationSource) => loaded.lane.createdAt,
    lastSeq: ({ loaded }: ConversationSource) => loaded.lane.seq,
    firstSeq: ({ sight }: ConversationSource) => sight.from,
    lastActivityAt: ({ loaded }: ConversationSource) => loaded.lane.lastAt,
    lastMessage: async (
      { loaded, sight }: ConversationSource,
      _: unknown,
      { charge }: RequestContext,
    ): Promise<MessageSource | null> => {
      charge(1);
      const event = await reads.lastMessage(loaded, sight);
      return event ? { lane: loaded.lane.id, event } : null;
    },
    memberCount: ({ loaded }: ConversationSource) => loaded.lane.members.size,
    me: ({ loaded, reader }: ConversationSource): MemberSource | null => memberOf(loaded, reader),
    directWith: ({ loaded, reader }: ConversationSource) => otherOf(loaded.lane, reader),
    members: membersOf,
    messages: async (
      { loaded, sight }: ConversationSource,
      args: ConversationMessagesArgs,
      context: RequestContext,
      info: GraphQLResolveInfo,
    ) => {
      const ask = lanePageOf(args);
      context.charge(ask.first ?? ask.last ?? 0);
      const page = await reads.page(loaded, sight, ask, 'messages');
      spendRows(context, page.events.length, info);
      const lane = loaded.lane.id;
      const nodes = page.events.flatMap((event): MessageSource[] =>
        event.type === 'MessageSent' ? [{ lane, event }] : [],
      );
      return { ...connectionOf(nodes, ({ event }) => seqCursor(event.seq), page), asOf: page.asOf };
    },
    events: async (
      { loaded, sight }: ConversationSource,
      args: ConversationEventsArgs,
      context: RequestContext,
      info: GraphQLResolveInfo,
    ) => {
      const ask = lanePageOf(args);
      context.charge(ask.first ?? ask.last ?? 0);
      const page = await reads.page(loaded, sight, ask);
      spendRows(context, page.events.length, info);
      const nodes = page.events.filter(isShown).map((event) => eventFrameOf(loaded.lane.id, event));
      return { ...connectionOf<EventFrame>(nodes, ({ seq }) => seqCursor(seq), page), asOf: page.asOf };
    },
  },
  Member: {
    id: ({ loaded, user }: MemberSource) => memberIdOf(loaded.lane.id, user),
    user: ({ user }: MemberSource) => user,
    role: ({ member }: MemberSource) => member.role,
    joinedAt: ({ member }: MemberSource) => member.joinedAt,
  },
});

function memberOf(loaded: Loaded, user: UserId): MemberSource | null {
  const member = loaded.lane.members.get(user);
  return member ? { loaded, user, member } : null;
}

function otherOf({ kind, members }: Lane, reader: UserId): UserId | null {
  if (kind !== 'DIRECT' || !members.has(reader)) return null;
  return [...members.keys()].find((user) => user !== reader) ?? null;
}

function membersOf(
  { loaded }: ConversationSource,
  args: ConversationMembersArgs,
  context: RequestContext,
  info: GraphQLResolveInfo,
): Connection<MemberSource> {
  const size = sizeOf('first', args.first ?? USUAL_MEMBERS);
  context.charge(size);
  spendRows(context, Math.min(size, loaded.lane.members.size), info);
  return membersPage(loaded.lane, size, args.after, (user, member): MemberSource => ({ loaded, user, member }));
}
