/** What this room asks of the api, and what it reads of the answers: everything from outside is parsed here. */
import { z } from 'zod';
import { type ClientKey, parseClientKey, parseUserId, type UserId } from '../../schema/ids.ts';

const user = z
  .object({ id: z.string().transform((id, context) => parseUserId(id) ?? bad(context)) })
  .transform(({ id }) => id);
const bad = (context: z.RefinementCtx) => {
  context.addIssue('not a user id');
  return z.NEVER;
};
const at = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const seq = z.number().int();

export interface ShownMessage {
  readonly seq: number;
  readonly sender: UserId;
  readonly at: string;
  readonly text: string | null;
}
export type Frame =
  | ({ readonly kind: 'message'; readonly clientKey: ClientKey | undefined } & ShownMessage)
  | { readonly kind: 'added'; readonly seq: number; readonly at: string; readonly members: readonly UserId[] }
  | {
      readonly kind: 'removed';
      readonly seq: number;
      readonly at: string;
      readonly by: UserId;
      readonly member: UserId;
    }
  | { readonly kind: 'reset'; readonly seq: number; readonly reason: string }
  | { readonly kind: 'started' | 'caught-up' | 'other'; readonly seq: number };

export const ME = '{ me { id } }';
export const meShape = z.object({ me: user });

export const CONVERSATION = `query($id: ID!, $after: String) { conversation(id: $id) {
  id title lastSeq directWith { id }
  members(first: 100, after: $after) { nodes { role user { id name } } pageInfo { hasNextPage endCursor } }
} }`;
export type ConversationPage = z.infer<typeof conversationShape>;
const pageInfo = z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullable() });
export type PageInfo = z.infer<typeof pageInfo>;
const described = { id: z.string(), title: z.string().nullable(), directWith: user.nullable() };
export const conversationShape = z.object({
  conversation: z
    .object({
      ...described,
      lastSeq: seq,
      members: z.object({
        nodes: z.array(
          z
            .object({ role: z.string(), user: z.object({ id: z.string(), name: z.string().nullable() }) })
            .transform(({ role, user: { id, name } }) => ({ id, name, isOwner: role === 'OWNER' })),
        ),
        pageInfo,
      }),
    })
    .nullable(),
});

export const CONVERSATIONS = `query($after: String) { conversations(first: 100, after: $after) {
  nodes { id title memberCount lastActivityAt directWith { id } } pageInfo { hasNextPage endCursor }
} }`;
export const conversationsShape = z.object({
  conversations: z.object({
    nodes: z.array(z.object({ ...described, memberCount: z.number(), lastActivityAt: at })),
    pageInfo,
  }),
});

export type ConversationsPage = z.infer<typeof conversationsShape>;

const EVENT = '__typename conversationId seq at by { id } ... on MessageSent { message { text clientKey } }';
export const FOLLOW = `subscription($id: ID!, $after: Int) { conversation(id: $id, after: $after) {
  __typename conversationId seq
  ... on ConversationEvent { at by { id } }
  ... on MessageSent { message { text clientKey } }
  ... on MembersAdded { members { id } }
  ... on MemberRemoved { member { id } }
  ... on Reset { resetReason }
} }`;
const frameBase = z.looseObject({ __typename: z.string(), seq });
const messageFrame = z.object({
  seq,
  at,
  by: user,
  message: z.object({ text: z.string().nullable(), clientKey: z.string().nullable() }),
});

export const SEND = `mutation($input: SendMessageInput!) { sendMessage(input: $input) {
  accepted { seq } refused { code message retryable retryAfterMs }
} }`;
export const sendShape = z.object({
  sendMessage: z.object({
    accepted: z.object({ seq }).nullable(),
    refused: z
      .object({ code: z.string(), message: z.string(), retryable: z.boolean(), retryAfterMs: z.number().nullable() })
      .nullable(),
  }),
});

/** Events are dense: a page of one around a place is the event at it, where it may be seen. */
export const eventsQuery = (args: string): string =>
  `events(${args}) { edges { cursor node { ${EVENT} } } pageInfo { hasNextPage hasPreviousPage } }`;
export const eventsShape = z.object({
  edges: z.array(z.object({ cursor: z.string(), node: z.unknown().transform(messageOf) })),
  pageInfo: z.object({ hasNextPage: z.boolean(), hasPreviousPage: z.boolean() }),
});
/** Of a subscription's payload. */
export const followShape = z.object({ conversation: z.unknown().transform(frameOf) });

/** In a page nothing but messages is read. */
function messageOf(given: unknown): Frame {
  const { __typename, seq: place } = frameBase.parse(given);
  return __typename === 'MessageSent' ? frameOf(given) : { kind: 'other', seq: place };
}

/** A frame that is not known keeps its place. Throws a ZodError for what is none. */
export function frameOf(given: unknown): Frame {
  const { __typename, seq: place } = frameBase.parse(given);
  switch (__typename) {
    case 'MessageSent': {
      const { at: sentAt, by, message } = messageFrame.parse(given);
      const clientKey = parseClientKey(message.clientKey);
      return { kind: 'message', seq: place, at: sentAt, sender: by, text: message.text, clientKey };
    }
    case 'MembersAdded':
      return { kind: 'added', ...z.object({ seq, at, members: z.array(user) }).parse(given) };
    case 'MemberRemoved':
      return { kind: 'removed', ...z.object({ seq, at, by: user, member: user }).parse(given) };
    case 'Reset':
      return { kind: 'reset', seq: place, reason: z.object({ resetReason: z.string() }).parse(given).resetReason };
    case 'StreamStarted':
      return { kind: 'started', seq: place };
    case 'CaughtUp':
      return { kind: 'caught-up', seq: place };
    default:
      return { kind: 'other', seq: place };
  }
}
