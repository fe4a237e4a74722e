/** What clients of the api say and ask again and again, in the words of the published schema. */
import { randomUUID } from 'node:crypto';
import { createLogger } from '../../services/logger.ts';
import { start as startProjector } from '../../services/projector/main.ts';
import { type Client, type Data, startApi, type TestApi, type TestSocket } from './api.ts';
import { startServers, type TestServers } from './servers.ts';

export interface House {
  readonly servers: TestServers;
  readonly api: TestApi;
  stop(): Promise<void>;
}

/** Real servers, the api and the projector. */
export async function openHouse(): Promise<House> {
  const servers = await startServers();
  const api = await startApi(servers);
  const log = createLogger({ logLevel: 'error' }, 'projector', 2);
  const projector = await startProjector(servers.config({ LANES_ADMIN_PORT: '0' }), log);
  return {
    servers,
    api,
    stop: async () => {
      await projector.stop();
      await api.stop();
      await servers.stop();
    },
  };
}

/** Gives the id of a new group of `by` and the others. */
export async function groupOf(by: Client, members: readonly string[]): Promise<string> {
  const input = { members, clientKey: randomUUID() };
  const { createConversation } = await by.ask(
    'mutation($input: CreateConversationInput!) { createConversation(input: $input) { accepted { conversationId } } }',
    { input },
  );
  return createConversation.accepted.conversationId;
}

/** Gives the message's seq. */
export async function say(by: Client, conversationId: string, text = 'hi'): Promise<number> {
  const input = { conversationId, text, clientKey: randomUUID() };
  const { sendMessage } = await by.ask(
    'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } } }',
    { input },
  );
  return sendMessage.accepted.seq;
}

export const changeMembers = (by: Client, field: 'addMembers' | 'removeMember' | 'leaveConversation', input: Data) =>
  by.ask(
    `mutation($input: ${field[0]?.toUpperCase()}${field.slice(1)}Input!) { ${field}(input: $input) { accepted { seq } refused { code } } }`,
    { input: { ...input, clientKey: randomUUID() } },
  );

export const REGISTER =
  'mutation($input: RegisterDeviceInput!) { registerDevice(input: $input) { device { id provider lastSeenAt tokenState } refused { code message retryable retryAfterMs } } }';
export const ACKNOWLEDGE =
  'mutation($input: AcknowledgeInput!) { acknowledge(input: $input) { acknowledgedAt refused { code } } }';
export const MARK_READ =
  'mutation($input: MarkReadInput!) { markRead(input: $input) { conversation { readSeq unread } refused { code message retryable } } }';

export const register = async (by: Client, device: string): Promise<Data> =>
  (await by.ask(REGISTER, { input: { device } })).registerDevice.device;
export const acknowledge = async (by: Client, device: string, conversationId: string, seq: number): Promise<Data> =>
  (await by.ask(ACKNOWLEDGE, { input: { device, marks: [{ conversationId, seq }] } })).acknowledge;
export const markRead = async (by: Client, conversationId: string, seq: number): Promise<Data> =>
  (await by.ask(MARK_READ, { input: { conversationId, seq } })).markRead;

/** How each member stands, as `by` sees it: `[deliveredSeq, readSeq]` by user. */
export async function marksSeenBy(by: Client, id: string): Promise<Map<string, [number | null, number | null]>> {
  const { conversation } = await by.ask(
    'query($id: ID!) { conversation(id: $id) { members { nodes { user { id } deliveredSeq readSeq } } } }',
    { id },
  );
  return new Map(
    conversation.members.nodes.map(({ user, deliveredSeq, readSeq }: Data) => [user.id, [deliveredSeq, readSeq]]),
  );
}

export const FOLLOW = `subscription($id: ID!, $after: Int) { conversation(id: $id, after: $after) {
  __typename conversationId seq
  ... on MessageSent { message { text } }
  ... on ReceiptMoved { user { id } deliveredSeq readSeq unread }
} }`;
export const DELIVERY = `subscription($id: ID!, $seq: Int!) { delivery(conversationId: $id, seq: $seq) {
  id conversationId seq user { id } state acceptedAt notifiedAt deliveredAt readAt deliveredTo
  attempts { device provider at outcome code } noPushReason
} }`;

/** The frames of one subscription so far, in short words: `CaughtUp 3`, `ReceiptMoved bob 3 0`; with the unread count in one's own. */
export const storyOf = (socket: TestSocket, id: string): string[] =>
  socket.nexts(id).map(({ data: { conversation: frame } }: Data) => {
    if (frame.__typename !== 'ReceiptMoved') return `${frame.__typename} ${frame.seq}`;
    const { user, deliveredSeq, readSeq, unread } = frame;
    return ['ReceiptMoved', user.id, deliveredSeq, readSeq, ...(unread === null ? [] : [`unread ${unread}`])].join(' ');
  });
