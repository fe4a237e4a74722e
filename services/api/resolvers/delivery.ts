/** How far a message has come with each recipient; and who sees what of that. */
import type { GraphQLResolveInfo } from 'graphql';
import type { MessageSent } from '../../../schema/events.ts';
import type { MessageDeliveryArgs } from '../../../schema/generated.ts';
import { deliveryIdOf, type UserId } from '../../../schema/ids.ts';
import type { Loaded } from '../../journal/lanes.ts';
import { lastSentBy } from '../../lane/sent.ts';
import { type Connection, connectionOf, sizeOf, userCursor, userOfCursor } from '../../views/connection.ts';
import { type Deliveries, type Delivery, type PushAttempt, recipientIds, shownToOthers } from '../../views/delivery.ts';
import { type AnswerContext, type RequestContext, spendRows } from '../context.ts';
import type { Viewer } from '../gate.ts';
import type { RequestMarks } from '../request-marks.ts';
import type { MessageSource } from './events.ts';

/** What one viewer is shown of a delivery. */
export interface DeliverySource {
  readonly __typename: 'Delivery';
  readonly seq: number;
  readonly delivery: Delivery;
  /** Also what the recipient's devices and pushes did. */
  readonly isWhole: boolean;
}

/** Whose deliveries of a message a viewer sees, of those who may read the message at all. */
export interface Insight {
  readonly users: readonly UserId[];
  /** All recipients. */
  readonly isWhole: boolean;
}

export function insightOf(loaded: Loaded, message: MessageSent, { user, admin, server }: Viewer): Insight {
  const users = recipientIds(loaded, message);
  if (admin || server || user === message.by) return { users, isWhole: true };
  return { users: users.includes(user) ? [user] : [], isWhole: false };
}

export function deliverySourceOf(delivery: Delivery, { user, admin, server }: Viewer): DeliverySource {
  const isWhole = admin || server === true || user === delivery.user;
  const shown = isWhole ? delivery : shownToOthers(delivery);
  return { __typename: 'Delivery', seq: delivery.seq, delivery: shown, isWhole };
}

interface DeliveryParts {
  readonly deliveries: Pick<Deliveries, 'of'>;
  readonly marksOf: (context: RequestContext) => RequestMarks;
}
type DeliveryPage = Connection<DeliverySource> & Record<'recipientCount' | 'deliveredCount' | 'readCount', unknown>;

export const deliveryResolvers = (parts: DeliveryParts) => ({
  Message: {
    // A frame of a stream is the same for all its readers.
    delivery: (
      source: MessageSource,
      args: MessageDeliveryArgs,
      context: RequestContext | AnswerContext,
      info: GraphQLResolveInfo,
    ) => ('identity' in context ? deliveryPage(parts, source, args, { context, info }) : null),
  },
  Delivery: {
    id: ({ delivery: { lane, seq, user } }: DeliverySource) => deliveryIdOf(lane, seq, user),
    conversationId: ({ delivery }: DeliverySource) => delivery.lane,
    seq: ({ delivery }: DeliverySource) => delivery.seq,
    user: ({ delivery }: DeliverySource) => delivery.user,
    state: ({ delivery }: DeliverySource) => delivery.state,
    acceptedAt: ({ delivery }: DeliverySource) => delivery.acceptedAt,
    notifiedAt: ({ delivery }: DeliverySource) => delivery.notifiedAt ?? null,
    deliveredAt: ({ delivery }: DeliverySource) => delivery.deliveredAt ?? null,
    readAt: ({ delivery }: DeliverySource) => delivery.readAt ?? null,
    deliveredTo: ({ delivery, isWhole }: DeliverySource) => (isWhole ? (delivery.deliveredTo ?? null) : null),
    attempts: ({ delivery, isWhole }: DeliverySource) => (isWhole ? delivery.attempts : null),
    noPushReason: ({ delivery, isWhole }: DeliverySource) => (isWhole ? (delivery.noPushReason ?? null) : null),
  },
  PushAttempt: {
    device: ({ device }: PushAttempt) => device,
    provider: ({ provider }: PushAttempt) => provider,
    at: ({ at }: PushAttempt) => at,
    outcome: ({ outcome }: PushAttempt) => outcome,
    code: ({ code }: PushAttempt) => code ?? null,
  },
});

async function deliveryPage(
  parts: DeliveryParts,
  { lane, event }: MessageSource,
  args: MessageDeliveryArgs,
  { context, info }: { readonly context: RequestContext; readonly info: GraphQLResolveInfo },
): Promise<DeliveryPage> {
  const size = sizeOf('first', args.first ?? 50);
  context.charge(size);
  const after = args.after === null || args.after === undefined ? '' : userOfCursor('after', args.after);
  const loaded = await context.fresh(lane);
  const viewer = context.identity.actor;
  const { users, isWhole } = insightOf(loaded, event, viewer);
  const start = users.findIndex((user) => user > after);
  const from = start < 0 ? users.length : start;
  const some = users.slice(from, from + size);
  spendRows(context, some.length, info);
  const found = await parts.deliveries.of(loaded, event, some);
  const nodes = some.flatMap((user) => {
    const delivery = found.get(user);
    return delivery ? [deliverySourceOf(delivery, viewer)] : [];
  });
  const more = { before: from > 0, after: from + some.length < users.length };
  const counting = { loaded, seq: event.seq, users, marks: parts.marksOf(context) };
  return {
    ...connectionOf(nodes, ({ delivery }) => userCursor(delivery.user), more),
    recipientCount: isWhole ? users.length : null,
    deliveredCount: () => (isWhole ? countDelivered(counting) : null),
    readCount: () => (isWhole ? countRead(counting) : null),
  };
}

interface Counting {
  readonly loaded: Loaded;
  readonly seq: number;
  readonly users: readonly UserId[];
  readonly marks: RequestMarks;
}

async function countDelivered({ loaded: { lane }, seq, users, marks }: Counting): Promise<number> {
  const all = await marks.all(lane.id);
  return users.filter((user) => Math.max(all.get(user)?.delivered ?? 0, lastSentBy(lane.sent, user)) >= seq).length;
}

async function countRead({ loaded: { lane }, seq, users, marks }: Counting): Promise<number> {
  const all = await marks.all(lane.id);
  const read = users.filter((user) => Math.max(all.get(user)?.read ?? 0, lastSentBy(lane.sent, user)) >= seq);
  const hidden = await Promise.all(read.map((user) => marks.hides(user)));
  return hidden.filter((hides) => !hides).length;
}
