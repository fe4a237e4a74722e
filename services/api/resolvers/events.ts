/**
 * Events, frames and messages. What these resolvers give is the same for all who may see it and never depends on who asks:
 * that is what lets one execution serve a whole conversation's subscribers.
 */

import type { GraphQLResolveInfo } from 'graphql';
import type { LaneEvent, MessageSent } from '../../../schema/events.ts';
import { type LaneId, messageIdOf } from '../../../schema/ids.ts';
import { type AnswerContext, spendRows, spendText } from '../context.ts';
import type { EventFrame, FrameSource, ResetFrame } from '../sources.ts';

export interface MessageSource {
  readonly lane: LaneId;
  readonly event: MessageSent;
}

const SHOWN = new Set<string>(['ConversationCreated', 'MessageSent', 'MembersAdded', 'MemberRemoved']);

/** False for an event of a later version: it keeps its place and nothing of it is shown. */
export const isShown = (event: LaneEvent): boolean => SHOWN.has(event.type);

export const eventFrameOf = (lane: LaneId, event: LaneEvent): EventFrame => ({
  __typename: event.type,
  lane,
  seq: event.seq,
  event,
});

/** The source of an event's type: a frame that holds just such an event. */
interface Of<Type extends LaneEvent['type']> {
  readonly lane: LaneId;
  readonly event: Extract<LaneEvent, { type: Type }>;
}

const frame = {
  conversationId: ({ lane }: FrameSource) => lane,
  seq: ({ seq }: FrameSource) => seq,
};
const stamp = {
  ...frame,
  at: ({ event }: EventFrame) => event.at,
  by: ({ event }: EventFrame) => event.by,
};

/** The one list without pages: up to as many as a conversation has. */
function membersOf(
  { event }: Of<'ConversationCreated' | 'MembersAdded'>,
  _: unknown,
  context: AnswerContext,
  info: GraphQLResolveInfo,
) {
  spendRows(context, event.members.length, info);
  return event.members;
}

export const eventResolvers = {
  StreamStarted: frame,
  CaughtUp: frame,
  Reset: { ...frame, resetReason: ({ resetReason }: ResetFrame) => resetReason },
  ConversationCreated: {
    ...stamp,
    kind: ({ event }: Of<'ConversationCreated'>) => event.kind,
    title: ({ event }: Of<'ConversationCreated'>, _: unknown, context: AnswerContext) =>
      spendText(context, event.title ?? null),
    members: membersOf,
  },
  MessageSent: {
    ...stamp,
    message: ({ lane, event }: Of<'MessageSent'>): MessageSource => ({ lane, event }),
  },
  MembersAdded: { ...stamp, members: membersOf },
  MemberRemoved: { ...stamp, member: ({ event }: Of<'MemberRemoved'>) => event.member },
  Message: {
    id: ({ lane, event }: MessageSource) => messageIdOf(lane, event.seq),
    conversationId: ({ lane }: MessageSource) => lane,
    seq: ({ event }: MessageSource) => event.seq,
    changedSeq: ({ event }: MessageSource) => event.seq,
    sender: ({ event }: MessageSource) => event.by,
    text: ({ event }: MessageSource, _: unknown, context: AnswerContext) => spendText(context, event.text),
    sentAt: ({ event }: MessageSource) => event.at,
    clientKey: ({ event }: MessageSource) => event.key,
  },
} as const;
