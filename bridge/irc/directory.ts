/** Which conversations there are, and who is in them. */
import type { LaneId } from '../../schema/ids.ts';
import type { Answer, Api } from './api.ts';
import {
  CONVERSATION,
  CONVERSATIONS,
  type ConversationPage,
  type ConversationsPage,
  conversationShape,
  conversationsShape,
  type PageInfo,
} from './documents.ts';
import type { Described, Member } from './replies.ts';

/** Members that are named; in a larger conversation the first ones. */
export const MAX_NAMED = 1_000;
/** Conversations that LIST knows of: those with the newest activity. */
const MAX_LISTED = 500;
const PAGE = 100;

export interface Conversation extends Described {
  readonly id: string;
  /** The members on the first page are as of this place. */
  readonly lastSeq: number;
  readonly members: readonly Member[];
  /** There are more members than are named. */
  readonly isCut: boolean;
}

/** Null: there is no such conversation, or it is not this user's. */
export async function readConversation(api: Pick<Api, 'ask'>, id: LaneId): Promise<Answer<Conversation | null>> {
  let first: Omit<Conversation, 'members' | 'isCut'> | undefined;
  const members = new Map<string, Member>();
  for (let after: string | null = null; ; ) {
    const answer: Answer<ConversationPage> = await api.ask(CONVERSATION, { id, after }, conversationShape);
    if (answer.kind === 'trouble') return answer;
    const { conversation }: ConversationPage = answer.data;
    if (!conversation) return { kind: 'data', data: null };
    first ??= conversation;
    for (const member of conversation.members.nodes) members.set(member.id, member);
    const { hasNextPage, endCursor }: PageInfo = conversation.members.pageInfo;
    const isCut = hasNextPage && members.size >= MAX_NAMED;
    if (!hasNextPage || isCut) return { kind: 'data', data: { ...first, members: [...members.values()], isCut } };
    after = endCursor;
  }
}

export interface Listed extends Described {
  readonly memberCount: number;
  readonly lastActivityAt: string;
}

/** This user's, the one with the newest activity first. */
export async function readConversations(api: Pick<Api, 'ask'>): Promise<Answer<readonly Listed[]>> {
  const listed: Listed[] = [];
  for (let after: string | null = null; listed.length < MAX_LISTED; ) {
    const answer: Answer<ConversationsPage> = await api.ask(CONVERSATIONS, { after }, conversationsShape);
    if (answer.kind === 'trouble') return answer;
    const { nodes, pageInfo }: ConversationsPage['conversations'] = answer.data.conversations;
    listed.push(...nodes);
    if (!pageInfo.hasNextPage || nodes.length < PAGE) break;
    after = pageInfo.endCursor;
  }
  return { kind: 'data', data: listed };
}
