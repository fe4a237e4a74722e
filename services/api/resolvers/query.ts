/** Everything that can be read once, and users. */
import type { GraphQLResolveInfo } from 'graphql';
import type { QueryConversationArgs, QueryConversationsArgs, QueryMessageArgs } from '../../../schema/generated.ts';
import type { UserId } from '../../../schema/ids.ts';
import { type Lanes, PoisonedLane } from '../../journal/lanes.ts';
import { laneIdOf, placeOf } from '../../lane/parse.ts';
import type { Logger } from '../../logger.ts';
import { activityCursor, activityOfCursor, type Connection, connectionOf, sizeOf } from '../../views/connection.ts';
import type { History } from '../../views/history.ts';
import type { Reads } from '../../views/reads.ts';
import { type AnswerContext, type RequestContext, spendRows, spendText } from '../context.ts';
import { selects } from '../document-limits.ts';
import type { People } from '../people.ts';
import { type ConversationSource, conversationOf } from './conversation.ts';
import { eventResolvers, type MessageSource } from './events.ts';

interface QueryParts {
  readonly lanes: Pick<Lanes, 'freshMany'>;
  readonly history: Pick<History, 'conversationsOf'>;
  readonly reads: Pick<Reads, 'event'>;
  readonly log: Logger;
}
const USUAL_CONVERSATIONS = 20;
/** The fields of a user that may have to be waited for, and what one that is costs beside one that is not (measured). */
const NAMES = new Set(['name', 'avatarUrl']);
const WAITING_BYTES = 256;

export const queryResolvers = (parts: QueryParts) => ({
  Query: {
    me: (_: unknown, __: unknown, { identity }: RequestContext) => identity.actor.user,
    conversation: async (_: unknown, args: QueryConversationArgs, { identity, fresh }: RequestContext) =>
      conversationOf(await fresh(laneIdOf('id', args.id)), identity),
    conversations: async (
      _: unknown,
      args: QueryConversationsArgs,
      context: RequestContext,
      info: GraphQLResolveInfo,
    ) => {
      const page = await conversationsPage(parts, args, context);
      spendRows(context, page.nodes.length, info);
      return page;
    },
    message: async (_: unknown, args: QueryMessageArgs, { identity, fresh }: RequestContext) => {
      const lane = laneIdOf('conversationId', args.conversationId);
      const seq = placeOf('seq', args.seq);
      const conversation = conversationOf(await fresh(lane), identity);
      return conversation && messageAt(parts.reads, conversation, seq);
    },
  },
  Me: {
    id: (user: UserId) => user,
    user: (user: UserId) => user,
  },
});

/** The message at a place; null: there is none that this reader may see. */
export async function messageAt(
  reads: Pick<Reads, 'event'>,
  { loaded, sight }: ConversationSource,
  seq: number,
): Promise<MessageSource | null> {
  if (seq < sight.from || seq > loaded.lane.seq) return null;
  const event = await reads.event(loaded, seq);
  return event?.type === 'MessageSent' ? { lane: loaded.lane.id, event } : null;
}

async function conversationsPage(
  { lanes, history, log }: QueryParts,
  args: QueryConversationsArgs,
  { identity, charge }: RequestContext,
): Promise<Connection<ConversationSource>> {
  const limit = sizeOf('first', args.first ?? USUAL_CONVERSATIONS);
  charge(limit);
  const after = args.after === null || args.after === undefined ? undefined : activityOfCursor('after', args.after);
  const found = await history.conversationsOf(identity.actor.user, { limit: limit + 1, ...(after ? { after } : {}) });
  const listed = found.slice(0, limit);
  // The list may be behind the lanes, which say what is shown of it, and whether at all.
  const states = await lanes.freshMany(listed.map(({ lane }) => lane));
  const edges = listed.flatMap(({ lane, lastActivityAt }) => {
    const loaded = states.get(lane);
    // One that cannot be read leaves a gap in the list, not the list away.
    if (loaded instanceof PoisonedLane) log.error({ err: loaded, lane }, 'a poisoned lane is left out of a list');
    const node = !loaded || loaded instanceof PoisonedLane ? null : conversationOf(loaded, identity);
    return node ? [{ node, cursor: activityCursor(lastActivityAt, lane) }] : [];
  });
  const cursors = new Map(edges.map(({ node, cursor }) => [node, cursor]));
  const nodes = edges.map(({ node }) => node);
  const more = { before: after !== undefined, after: found.length > limit };
  return connectionOf(nodes, (node) => cursors.get(node) ?? '', more);
}

export const userResolvers = (people: People) => ({
  ConversationCreated: { members: namedFirst(people, eventResolvers.ConversationCreated.members) },
  MembersAdded: { members: namedFirst(people, eventResolvers.MembersAdded.members) },
  User: {
    id: (user: UserId) => user,
    name: (user: UserId, _: unknown, context: AnswerContext) => shown(people, user, 'name', context),
    avatarUrl: (user: UserId, _: unknown, context: AnswerContext) => shown(people, user, 'avatarUrl', context),
  },
});

type MembersOf = typeof eventResolvers.MembersAdded.members;

/** The names of a long list are waited for once, not at each field: thousands of fields that wait take many times as long. */
const namedFirst =
  (people: People, membersOf: MembersOf) =>
  (...asked: Parameters<MembersOf>): readonly UserId[] | Promise<readonly UserId[]> => {
    const [, , , { fieldNodes, fragments }] = asked;
    const members = membersOf(...asked);
    if (!selects(fieldNodes, fragments, NAMES)) return members;
    const waiting = members.map((user) => people.find(user)).filter((found) => found instanceof Promise);
    return waiting.length === 0 ? members : Promise.all(waiting).then(() => members);
  };

/** At once where it is known, so that a frame whose names are known is made at once. */
function shown(
  people: People,
  user: UserId,
  what: 'name' | 'avatarUrl',
  context: AnswerContext,
): string | null | Promise<string | null> {
  const person = people.find(user);
  if (person instanceof Promise) {
    context.spend(WAITING_BYTES);
    return person.then((found) => spendText(context, found[what] ?? null));
  }
  return spendText(context, person[what] ?? null);
}
