/** Delivered and read: what devices and readers say, and how far everybody is. */
import type {
  MutationAcknowledgeArgs,
  MutationMarkReadArgs,
  MutationMuteConversationArgs,
} from '../../../schema/generated.ts';
import type { LaneId, UserId } from '../../../schema/ids.ts';
import type { Lanes } from '../../journal/lanes.ts';
import { MARKS_MAX, type Marked, type Marking, type Wish } from '../../journal/marking.ts';
import { deviceIdOf, laneIdOf, markSeqOf, timeOf } from '../../lane/parse.ts';
import type { Devices } from '../../views/devices.ts';
import type { History } from '../../views/history.ts';
import type { Mine } from '../../views/receipts.ts';
import { readSeqOf, type Unread } from '../../views/unread.ts';
import type { RequestContext } from '../context.ts';
import { apiError, badInput, unavailable } from '../errors.ts';
import type { RequestMarks } from '../request-marks.ts';
import type { ReceiptFrame } from '../sources.ts';
import { type ConversationSource, conversationOf, type MemberSource } from './conversation.ts';
import { orNull, refusedPayload } from './mutation.ts';

export interface ReceiptParts {
  readonly lanes: Pick<Lanes, 'fresh'>;
  readonly marking: Pick<Marking, 'mark'>;
  readonly devices: Pick<Devices, 'seen' | 'mute'>;
  readonly unread: Unread;
  readonly history: Pick<History, 'conversationsOf'>;
  readonly marksOf: (context: RequestContext) => RequestMarks;
}

/** The conversations that count for `Me.unread…`: those with the newest activity. */
const COUNTED_CONVERSATIONS = 10_000;
const NOT_FOUND = refusedPayload({
  code: 'NOT_FOUND',
  message: 'There is no such conversation, or you are not in it.',
});

export const receiptResolvers = (parts: ReceiptParts) => ({
  Mutation: {
    acknowledge: async (_: unknown, { input }: MutationAcknowledgeArgs, { identity }: RequestContext) => {
      const { user } = identity.actor;
      const device = deviceIdOf('input.device', input.device);
      const wishes = wishesOf('input.marks', input.marks);
      if (!(await parts.devices.seen(user, device))) throw unknownDevice();
      const { at } = stored(await parts.marking.mark(user, 'delivered', wishes, device), 'input.marks');
      return { acknowledgedAt: at };
    },
    markRead: async (_: unknown, { input }: MutationMarkReadArgs, context: RequestContext) => {
      const { user } = context.identity.actor;
      const wish = wishOf('input', input);
      const { taken } = stored(await parts.marking.mark(user, 'read', [wish]), 'input.seq');
      return taken.has(wish.lane) ? { conversation: () => conversationNow(parts, wish.lane, context) } : NOT_FOUND;
    },
    muteConversation: async (_: unknown, { input }: MutationMuteConversationArgs, context: RequestContext) => {
      const { user } = context.identity.actor;
      const lane = laneIdOf('input.conversationId', input.conversationId);
      const { until } = input;
      const time = until === null || until === undefined ? null : timeOf('input.until', until);
      const loaded = await context.fresh(lane);
      if (!loaded.lane.members.has(user)) return NOT_FOUND;
      await parts.devices.mute(user, lane, time);
      return { conversation: () => conversationNow(parts, lane, context) };
    },
  },
  Me: {
    unreadMessages: async (_: UserId, __: unknown, context: RequestContext) => (await totals(parts, context)).messages,
    unreadConversations: async (_: UserId, __: unknown, context: RequestContext) =>
      (await totals(parts, context)).conversations,
  },
  Conversation: {
    readSeq: async (source: ConversationSource, _: unknown, context: RequestContext) =>
      isMember(source) ? readSeqOf(source.loaded, source.reader, await ownMarks(parts, source, context)) : null,
    unread: async (source: ConversationSource, _: unknown, context: RequestContext) => {
      if (!isMember(source)) return null;
      const { loaded, sight, reader } = source;
      const readSeq = readSeqOf(loaded, reader, await ownMarks(parts, source, context));
      return parts.unread.of(loaded, sight, reader, readSeq);
    },
    mutedUntil: async (source: ConversationSource, _: unknown, context: RequestContext) =>
      (isMember(source) ? await parts.marksOf(context).mutedUntil(source.loaded.lane.id) : undefined) ?? null,
  },
  Member: {
    deliveredSeq: async (member: MemberSource, _: unknown, context: RequestContext) => {
      const mine = await marksOfMember(parts, member, context);
      return deliveredSeqOf(readSeqOf(member.loaded, member.user, mine), mine);
    },
    readSeq: async (member: MemberSource, _: unknown, context: RequestContext) => {
      const own = member.user === context.identity.actor.user;
      if (!own && (await parts.marksOf(context).hides(member.user))) return null;
      return readSeqOf(member.loaded, member.user, await marksOfMember(parts, member, context));
    },
  },
});

/** The frame of a stream. Nothing of it depends on who asks: what is to be hidden, its source has not. */
export const receiptFrameResolvers = {
  ReceiptMoved: {
    conversationId: ({ lane }: ReceiptFrame) => lane,
    seq: ({ seq }: ReceiptFrame) => seq,
    user: ({ user }: ReceiptFrame) => user,
    deliveredSeq: ({ delivered }: ReceiptFrame) => delivered,
    readSeq: ({ read }: ReceiptFrame) => read,
    unread: ({ unread }: ReceiptFrame) => unread,
  },
};

/** Reading implies delivered, and so does sending. */
export const deliveredSeqOf = (readSeq: number, mine: Mine | undefined): number =>
  Math.max(readSeq, mine?.delivered ?? 0);

export const unknownDevice = () =>
  apiError('UNKNOWN_DEVICE', 'You have no such device: it was never registered, or forgotten. Register it.');

const isMember = ({ loaded, reader }: ConversationSource): boolean => loaded.lane.members.has(reader);

const ownMarks = ({ marksOf }: ReceiptParts, { loaded }: ConversationSource, context: RequestContext) =>
  marksOf(context).own(loaded.lane.id);

async function marksOfMember(
  { marksOf }: ReceiptParts,
  { loaded, user }: MemberSource,
  context: RequestContext,
): Promise<Mine | undefined> {
  const marks = marksOf(context);
  const lane = loaded.lane.id;
  return user === context.identity.actor.user ? marks.own(lane) : (await marks.all(lane)).get(user);
}

/** As it is after what was just done. */
function conversationNow({ lanes, marksOf }: ReceiptParts, lane: LaneId, context: RequestContext) {
  marksOf(context).forget();
  return orNull(async () => conversationOf(await lanes.fresh(lane), context.identity));
}

interface Totals {
  readonly messages: number;
  readonly conversations: number;
}
/** Of a request that asks for both numbers, counted once. */
const counted = new WeakMap<RequestContext, Promise<Totals>>();

function totals(parts: ReceiptParts, context: RequestContext): Promise<Totals> {
  const counting = counted.get(context) ?? countTotals(parts, context.identity.actor.user);
  counted.set(context, counting);
  return counting;
}

async function countTotals({ history, unread }: ReceiptParts, user: UserId): Promise<Totals> {
  const listed = await history.conversationsOf(user, { limit: COUNTED_CONVERSATIONS });
  const lanes = listed.map(({ lane }) => lane);
  let messages = 0;
  let conversations = 0;
  for (const { unread: some } of (await unread.ofMany(user, lanes, 'fresh')).values()) {
    messages += some;
    if (some > 0) conversations++;
  }
  return { messages, conversations };
}

interface MarkArgument {
  readonly conversationId: string;
  readonly seq: number;
}

const wishOf = (field: string, { conversationId, seq }: MarkArgument): Wish => ({
  lane: laneIdOf(`${field}.conversationId`, conversationId),
  seq: markSeqOf(`${field}.seq`, seq),
});

function wishesOf(field: string, marks: readonly MarkArgument[]): readonly Wish[] {
  if (marks.length === 0 || marks.length > MARKS_MAX) throw badInput(field, `1 to ${MARKS_MAX} marks`);
  return marks.map((mark, i) => wishOf(`${field}[${i}]`, mark));
}

/** What is stored; throws the error for what is not. */
function stored(marked: Marked, field: string): Marked & { kind: 'stored' } {
  switch (marked.kind) {
    case 'stored':
      return marked;
    case 'beyond':
      throw badInput(field, `not after the last event of the conversation ${marked.lane}`);
    case 'unknown':
      throw apiError('OUTCOME_UNKNOWN', marked.message);
    case 'unavailable':
      throw unavailable(marked.message);
    default:
      return marked satisfies never;
  }
}
