/** The GraphQL that the load speaks, and what its answers mean. */
import { type Answer, contentOf, type Frame, type PageRead, type Seen, type Wish } from './trace.ts';

export interface GraphQLRequest {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}
/** What came back: GraphQL JSON, or nothing that can be relied on. */
export type Reply =
  | { readonly kind: 'json'; readonly status: number; readonly body: unknown }
  | { readonly kind: 'lost'; readonly why: string }
  | { readonly kind: 'unsent'; readonly why: string };

const mutationOf = (field: string, input: string): string =>
  `mutation Do($input: ${input}!) { answer: ${field}(input: $input) {
    accepted { conversationId seq acceptedAt repeated changed } refused { code retryable retryAfterMs } } }`;
const SEND = mutationOf('sendMessage', 'SendMessageInput');
const CREATE = mutationOf('createConversation', 'CreateConversationInput');
const DIRECT = mutationOf('openDirect', 'OpenDirectInput');
const ADD = mutationOf('addMembers', 'AddMembersInput');
const REMOVE = mutationOf('removeMember', 'RemoveMemberInput');
const LEAVE = mutationOf('leaveConversation', 'LeaveConversationInput');

export function commandRequestOf(lane: string, key: string, wish: Wish): GraphQLRequest {
  const given = { conversationId: lane, clientKey: key };
  const request = (query: string, input: Readonly<Record<string, unknown>>) => ({ query, variables: { input } });
  switch (wish.type) {
    case 'send':
      return request(SEND, { ...given, text: wish.text });
    case 'create': {
      const { kind, title, members } = wish;
      if (kind === 'DIRECT') return request(DIRECT, { with: members[0], clientKey: key });
      return request(CREATE, { id: lane, title: title ?? null, members, clientKey: key });
    }
    case 'add':
      return request(ADD, { ...given, members: wish.members, hideHistory: wish.hideHistory });
    case 'remove':
      return request(REMOVE, { ...given, member: wish.member });
    case 'leave':
      return request(LEAVE, given);
    default:
      return wish satisfies never;
  }
}

export interface GraphQLAnswer<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly {
    readonly message?: string;
    readonly extensions?: { readonly code?: string; readonly retryable?: boolean; readonly retryAfterMs?: number };
  }[];
}
interface Payload {
  readonly accepted: null | {
    readonly conversationId: string;
    readonly seq: number;
    readonly acceptedAt: string;
    readonly repeated: boolean;
    readonly changed: boolean;
  };
  readonly refused: null | { readonly code: string; readonly retryable: boolean; readonly retryAfterMs?: number };
}

export function answerOf(reply: Reply): Answer & { readonly lane?: string } {
  if (reply.kind !== 'json') return reply;
  const { data, errors } = reply.body as GraphQLAnswer<{ answer?: Payload | null }>;
  const { accepted, refused } = data?.answer ?? {};
  if (accepted) {
    const { seq, acceptedAt, repeated, changed, conversationId } = accepted;
    return { kind: 'accepted', seq, at: Date.parse(acceptedAt), repeated, changed, lane: conversationId };
  }
  if (refused) {
    const { code, retryable, retryAfterMs } = refused;
    return { kind: 'refused', code, retryable, ...(retryAfterMs ? { waitMs: retryAfterMs } : {}) };
  }
  return errorOf(errors, reply.status);
}

export function errorOf(errors: GraphQLAnswer<unknown>['errors'], status: number): Extract<Answer, { kind: 'error' }> {
  const { code, retryable = false, retryAfterMs } = errors?.[0]?.extensions ?? {};
  const wait = retryAfterMs ? { waitMs: retryAfterMs } : {};
  return { kind: 'error', code: code ?? `nothing, with status ${status}`, retryable, ...wait };
}

export const EVENT = `__typename ... on ConversationEvent { seq at by { id } }
  ... on ConversationCreated { kind title members { id } } ... on MessageSent { message { seq text clientKey sender { id } } }
  ... on MembersAdded { members { id } } ... on MemberRemoved { member { id } }`;

export const followRequestOf = (lane: string, after: number | null): GraphQLRequest => ({
  query: `subscription Follow($id: ID!, $after: Int) { conversation(id: $id, after: $after) {
    conversationId seq ${EVENT} ... on Reset { resetReason } } }`,
  variables: { id: lane, after },
});

export interface RawEvent {
  readonly __typename: string;
  readonly conversationId: string;
  readonly seq: number;
  readonly at?: string;
  readonly by?: { readonly id: string };
  readonly kind?: string;
  readonly title?: string | null;
  readonly members?: readonly { readonly id: string }[];
  readonly member?: { readonly id: string };
  readonly message?: { readonly text: string | null; readonly clientKey: string | null };
  readonly resetReason?: string;
}

export function seenOfRaw({ __typename: type, seq, at, by, kind, title, members, member, message }: RawEvent): Seen {
  const seen = { type, seq, at: Date.parse(at ?? ''), by: by?.id ?? '' };
  if (message) return { ...seen, text: message.text, clientKey: message.clientKey };
  if (kind !== undefined) return { ...seen, kind, title: title ?? null, members: (members ?? []).map(({ id }) => id) };
  if (members) return { ...seen, members: members.map(({ id }) => id) };
  return member ? { ...seen, member: member.id } : seen;
}

/** Undefined: an answer without a frame. */
export function frameOf(result: unknown, at: number): Frame | { readonly error: string } {
  const { data, errors } = result as GraphQLAnswer<{ conversation?: RawEvent }>;
  const raw = data?.conversation;
  if (!raw) return { error: errorOf(errors, 200).code };
  const { __typename: type, conversationId: lane, seq, resetReason } = raw;
  if (raw.at !== undefined) return { type, lane, seq, at, content: contentOf(seenOfRaw(raw)) };
  return { type, lane, seq, at, ...(resetReason === undefined ? {} : { resetReason }) };
}

export interface PageArguments {
  readonly first?: number;
  readonly after?: string;
  readonly last?: number;
  readonly before?: string;
  readonly aroundSeq?: number;
}

export const pageRequestOf = (lane: string, kind: PageRead['kind'], ask: PageArguments): GraphQLRequest => ({
  query: `query Page($id: ID!, $first: Int, $after: String, $last: Int, $before: String, $aroundSeq: Int) {
    conversation(id: $id) { lastSeq
      page: ${kind}(first: $first, after: $after, last: $last, before: $before, aroundSeq: $aroundSeq) {
        asOf pageInfo { hasPreviousPage hasNextPage startCursor endCursor }
        nodes { ${kind === 'events' ? EVENT : 'seq text clientKey sentAt sender { id }'} } } } }`,
  variables: { id: lane, ...ask },
});

interface RawMessage {
  readonly seq: number;
  readonly text: string | null;
  readonly clientKey: string | null;
  readonly sentAt: string;
  readonly sender: { readonly id: string };
}
interface RawPage {
  readonly lastSeq: number;
  readonly page: null | {
    readonly asOf: number;
    readonly pageInfo: Cursors & { readonly hasPreviousPage: boolean; readonly hasNextPage: boolean };
    readonly nodes: readonly unknown[];
  };
}
export interface Cursors {
  readonly startCursor: string | null;
  readonly endCursor: string | null;
}

export type PageAnswer =
  | { readonly kind: 'page'; readonly page: PageRead['page']; readonly cursors: Cursors }
  | { readonly kind: 'error'; readonly code: string }
  | { readonly kind: 'lost' };

export function pageOf(reply: Reply, kind: PageRead['kind']): PageAnswer {
  if (reply.kind !== 'json') return { kind: 'lost' };
  const { data, errors } = reply.body as GraphQLAnswer<{ conversation?: RawPage | null }>;
  if (errors || !data) return { kind: 'error', code: errorOf(errors, reply.status).code };
  const { conversation } = data;
  if (!conversation) return { kind: 'page', page: null, cursors: { startCursor: null, endCursor: null } };
  const { lastSeq, page } = conversation;
  if (!page) return { kind: 'error', code: 'no page and no error' };
  const { hasPreviousPage, hasNextPage, ...cursors } = page.pageInfo;
  const seen = page.nodes.map((node) =>
    kind === 'events' ? seenOfRaw(node as RawEvent) : seenOfMessage(node as RawMessage),
  );
  const nodes = seen.map((one) => ({ seq: one.seq, content: contentOf(one) }));
  return { kind: 'page', page: { asOf: page.asOf, lastSeq, nodes, hasPreviousPage, hasNextPage }, cursors };
}

const seenOfMessage = ({ seq, text, clientKey, sentAt, sender }: RawMessage): Seen => ({
  type: 'MessageSent',
  seq,
  at: Date.parse(sentAt),
  by: sender.id,
  text,
  clientKey,
});
