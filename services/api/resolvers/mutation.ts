/** Everything that changes something: an argument becomes a command, an outcome becomes a payload or an error. */
import { type Command, type Outcome, REFUSALS, type Refusal } from '../../../schema/commands.ts';
import type { MessageSent } from '../../../schema/events.ts';
import type {
  MutationAddMembersArgs,
  MutationCreateConversationArgs,
  MutationLeaveConversationArgs,
  MutationOpenDirectArgs,
  MutationRemoveMemberArgs,
  MutationSendMessageArgs,
} from '../../../schema/generated.ts';
import type { Buckets } from '../../buckets.ts';
import { JournalUnavailable } from '../../journal/journal.ts';
import { type Lanes, type Loaded, PoisonedLane } from '../../journal/lanes.ts';
import type { Submit } from '../../journal/submit.ts';
import * as commands from '../../lane/wishes.ts';
import { HistoryUnavailable } from '../../views/history.ts';
import type { Reads } from '../../views/reads.ts';
import type { RequestContext } from '../context.ts';
import { apiError, unavailable } from '../errors.ts';
import { type ConversationSource, conversationOf } from './conversation.ts';
import type { MessageSource } from './events.ts';
import { messageAt } from './query.ts';

/** How a field of a mutation's input is named in an error. */
const AT = 'input.';

interface MutationParts {
  readonly submit: Pick<Submit, 'submit'>;
  readonly lanes: Pick<Lanes, 'peek' | 'fresh'>;
  readonly reads: Pick<Reads, 'event'>;
  /** What each user may write. */
  readonly sends: Buckets;
}
type Acknowledgement = Extract<Outcome, { kind: 'accepted' }>['ack'];
type SendMessage = Extract<Command, { type: 'SendMessage' }>;

export const mutationResolvers = (parts: MutationParts) => ({
  Mutation: {
    openDirect: (_: unknown, { input }: MutationOpenDirectArgs, context: RequestContext) =>
      changed(parts, commands.openDirectOf(context.identity.actor, input, AT), context),
    createConversation: (_: unknown, { input }: MutationCreateConversationArgs, context: RequestContext) =>
      changed(parts, commands.createConversationOf(context.identity.actor, input, AT), context),
    addMembers: (_: unknown, { input }: MutationAddMembersArgs, context: RequestContext) =>
      changed(parts, commands.addMembersOf(context.identity.actor, input, AT), context),
    removeMember: (_: unknown, { input }: MutationRemoveMemberArgs, context: RequestContext) =>
      changed(parts, commands.removeMemberOf(context.identity.actor, input, AT), context),
    leaveConversation: (_: unknown, { input }: MutationLeaveConversationArgs, context: RequestContext) =>
      changed(parts, commands.leaveConversationOf(context.identity.actor, input, AT), context),
    sendMessage: async (_: unknown, { input }: MutationSendMessageArgs, context: RequestContext) => {
      const command = commands.sendMessageOf(context.identity.actor, input, AT);
      const outcome = await submitted(parts, command);
      if (outcome.kind === 'refused') return refusedPayload(outcome.refusal);
      const { ack } = outcome;
      return { accepted: acceptedOf(ack), message: () => messageOf(parts, command, ack, context) };
    },
  },
});

async function changed(parts: MutationParts, command: Exclude<Command, SendMessage>, context: RequestContext) {
  const outcome = await submitted(parts, command);
  if (outcome.kind === 'refused') return refusedPayload(outcome.refusal);
  const { ack } = outcome;
  return { accepted: acceptedOf(ack), conversation: () => conversationAfter(parts, ack, context) };
}

/** What is decided; throws the error for what is not. */
async function submitted(parts: MutationParts, command: Command): Promise<Outcome & { kind: 'accepted' | 'refused' }> {
  const retryAfterMs = parts.sends.take(command.actor.user);
  if (retryAfterMs > 0)
    return {
      kind: 'refused',
      refusal: { code: 'RATE_LIMITED', message: 'You send faster than your budget allows.', retryAfterMs },
    };
  const outcome = await parts.submit.submit(command);
  switch (outcome.kind) {
    case 'accepted':
    case 'refused':
      return outcome;
    case 'unknown':
      throw apiError('OUTCOME_UNKNOWN', outcome.message);
    case 'unavailable':
      throw unavailable(outcome.message);
    default:
      return outcome satisfies never;
  }
}

const acceptedOf = ({ lane, seq, at, repeated, changed }: Acknowledgement) => ({
  conversationId: lane,
  seq,
  acceptedAt: at,
  repeated,
  changed,
});

/** The payload of a command that was decided against. */
export const refusedPayload = ({ code, message, retryAfterMs }: Refusal) => ({
  refused: { code, message, retryable: REFUSALS[code].retryable, retryAfterMs: retryAfterMs ?? null },
});

/** What was accepted just now is known from its command; what was accepted before is read, and may have left the sender's sight. */
function messageOf(
  parts: MutationParts,
  { lane, actor, key, hash, text }: SendMessage,
  ack: Acknowledgement,
  context: RequestContext,
): MessageSource | Promise<MessageSource | null> {
  const { seq, at } = ack;
  if (!ack.repeated) {
    const event: MessageSent = { type: 'MessageSent', seq, at, by: actor.user, key, hash, text };
    return { lane, event };
  }
  return orNull(async () => {
    const conversation = await conversationAfter(parts, ack, context);
    return conversation && messageAt(parts.reads, conversation, seq);
  });
}

const conversationAfter = (
  { lanes }: MutationParts,
  ack: Acknowledgement,
  { identity }: RequestContext,
): Promise<ConversationSource | null> =>
  orNull(async () => {
    // The state after the event just written is new enough; one that wrote nothing now may have been changed by others.
    const known = ack.changed && !ack.repeated ? lanes.peek(ack.lane) : undefined;
    const loaded: Loaded = known && known.lane.seq >= ack.seq ? known : await lanes.fresh(ack.lane);
    return conversationOf(loaded, identity);
  });

/** Accepted stays accepted: an object that cannot be read just now is null. */
export async function orNull<T>(read: () => Promise<T | null>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    const passing =
      error instanceof JournalUnavailable || error instanceof HistoryUnavailable || error instanceof PoisonedLane;
    if (passing) return null;
    throw error;
  }
}
