/** The GraphQL of an app on a phone: its device, its inbox, its marks; and of who asks what became of a message. */
import {
  EVENT,
  errorOf,
  type GraphQLAnswer,
  type GraphQLRequest,
  type RawEvent,
  type Reply,
  seenOfRaw,
} from './documents.ts';
import type { AppDevice, DeliverySeen, InboxFrame, MarkSent } from './push-trace.ts';
import { contentOf } from './trace.ts';

const REGISTER = `mutation Register($input: RegisterDeviceInput!) { answer: registerDevice(input: $input) {
  device { id tokenState } refused { code } } }`;
const ACKNOWLEDGE = `mutation Acknowledge($input: AcknowledgeInput!) { answer: acknowledge(input: $input) {
  acknowledgedAt refused { code } } }`;
const READ = 'mutation Read($input: MarkReadInput!) { answer: markRead(input: $input) { refused { code } } }';
const MUTE =
  'mutation Mute($input: MuteConversationInput!) { answer: muteConversation(input: $input) { refused { code } } }';

const request = (query: string, input: Readonly<Record<string, unknown>>): GraphQLRequest => ({
  query,
  variables: { input },
});

export const registerRequestOf = ({ device, gateway, token }: AppDevice): GraphQLRequest =>
  request(REGISTER, { device, push: gateway === 'APNS' ? { apns: { token } } : { fcm: { token } } });
/** The address stays as it was. */
export const comeBackRequestOf = ({ device }: AppDevice): GraphQLRequest => request(REGISTER, { device });
export const muteRequestOf = (conversationId: string, until: number): GraphQLRequest =>
  request(MUTE, { conversationId, until: new Date(until).toISOString() });
export const acknowledgeRequestOf = (device: string, places: ReadonlyMap<string, number>): GraphQLRequest =>
  request(ACKNOWLEDGE, { device, marks: [...places].map(([conversationId, seq]) => ({ conversationId, seq })) });
export const readRequestOf = (conversationId: string, seq: number): GraphQLRequest =>
  request(READ, { conversationId, seq });

interface Said {
  readonly answer: null | { readonly refused: null | { readonly code: string } };
}

/** What a command that changes no lane came to. */
export function saidOf(reply: Reply): MarkSent['answer'] {
  if (reply.kind === 'unsent') return { kind: 'error', code: 'UNAVAILABLE' };
  if (reply.kind === 'lost') return 'unknown';
  const { data, errors } = reply.body as GraphQLAnswer<Said>;
  if (data?.answer?.refused) return { kind: 'refused', code: data.answer.refused.code };
  if (data?.answer && !errors) return { kind: 'stored' };
  const { code } = errorOf(errors, reply.status);
  return code === 'OUTCOME_UNKNOWN' ? 'unknown' : { kind: 'error', code };
}

export const inboxRequestOf = (device: string): GraphQLRequest => ({
  query: `subscription Inbox($device: ID!) { inbox(device: $device) { conversationId seq ${EVENT} ... on Reset { resetReason } } }`,
  variables: { device },
});

type RawInboxFrame = Omit<RawEvent, 'conversationId'> & { readonly conversationId: string | null };

export function inboxFrameOf(result: unknown, at: number): InboxFrame | { readonly error: string } {
  const { data, errors } = result as GraphQLAnswer<{ inbox?: RawInboxFrame }>;
  const raw = data?.inbox;
  if (!raw) return { error: errorOf(errors, 200).code };
  const { __typename: type, conversationId, seq, resetReason } = raw;
  const frame = { type, lane: conversationId ?? undefined, seq, at };
  if (raw.at !== undefined) return { ...frame, content: contentOf(seenOfRaw({ ...raw, conversationId: '' })) };
  return { ...frame, ...(resetReason === undefined ? {} : { resetReason }) };
}

export const deliveryRequestOf = (conversationId: string, seq: number): GraphQLRequest => ({
  query: `query Delivery($conversationId: ID!, $seq: Int!) { message(conversationId: $conversationId, seq: $seq) {
    delivery(first: 100) { nodes { user { id } state acceptedAt notifiedAt deliveredAt readAt deliveredTo noPushReason
      attempts { device outcome at } } } } }`,
  variables: { conversationId, seq },
});

interface RawDelivery {
  readonly user: { readonly id: string };
  readonly state: string;
  readonly acceptedAt: string;
  readonly notifiedAt: string | null;
  readonly deliveredAt: string | null;
  readonly readAt: string | null;
  readonly deliveredTo: string | null;
  readonly noPushReason: string | null;
  readonly attempts: readonly { readonly device: string; readonly outcome: string; readonly at: string }[] | null;
}

/** Undefined: no answer just now. */
export function deliveriesOf(reply: Reply, lane: string, seq: number): DeliverySeen[] | undefined {
  if (reply.kind !== 'json') return undefined;
  const { data, errors } = reply.body as GraphQLAnswer<{
    message?: { delivery: null | { nodes: readonly RawDelivery[] } } | null;
  }>;
  if (errors) return undefined;
  return data?.message?.delivery?.nodes.map((raw) => ({
    ...{ lane, seq, user: raw.user.id, state: raw.state, acceptedAt: Date.parse(raw.acceptedAt) },
    ...{ notifiedAt: timeOf(raw.notifiedAt), deliveredAt: timeOf(raw.deliveredAt), readAt: timeOf(raw.readAt) },
    ...{ deliveredTo: raw.deliveredTo ?? undefined, noPushReason: raw.noPushReason ?? undefined },
    attempts: (raw.attempts ?? []).map(({ at, ...attempt }) => ({ ...attempt, at: Date.parse(at) })),
  }));
}

const timeOf = (text: string | null): number | undefined => (text === null ? undefined : Date.parse(text));
