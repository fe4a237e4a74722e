/** The frames of an inbox that belong to no conversation. */
import type { InboxMark } from '../sources.ts';

const mark = {
  conversationId: () => null,
  seq: ({ seq }: InboxMark) => seq,
  at: ({ at }: InboxMark) => at,
  cursor: ({ cursor }: InboxMark) => cursor,
};

export const inboxFrameResolvers = { InboxCaughtUp: mark, InboxPosition: mark };
