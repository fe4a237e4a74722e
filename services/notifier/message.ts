/** The message that a work item names, read from its lane: nothing of what people write is kept anywhere else for a push. */

import { PUSH_EXPIRES_MS, type WorkItem } from '../../schema/delivery.ts';
import type { MessageSent } from '../../schema/events.ts';
import { messageIdOf, type Seq, type UserId } from '../../schema/ids.ts';
import { type Journal, JournalUnavailable } from '../journal/journal.ts';
import type { Loaded } from '../journal/lanes.ts';
import type { MessagePush } from './push.ts';

/** Undefined: the lane has no such message there, for good. Throws JournalUnavailable, also where a replica has it not yet. */
export async function readMessage(
  journal: Pick<Journal, 'read'>,
  { lane, revision }: Loaded,
  { s, r }: Pick<WorkItem, 's' | 'r'>,
): Promise<MessageSent | undefined> {
  if (revision < r) return undefined;
  const [stored] = (await journal.read(lane.id, r, { limit: 1 })).records;
  if (!stored) throw new JournalUnavailable(`lane ${lane.id}: it does not show its record at stream sequence ${r}`);
  const event = stored.revision === r ? stored.record?.events.find(({ seq }) => seq === s) : undefined;
  return event?.type === 'MessageSent' ? event : undefined;
}

export interface Told {
  readonly loaded: Loaded;
  readonly event: MessageSent;
  readonly senderName: string | undefined;
  readonly privacy: boolean;
}

export function messagePushOf(
  { loaded: { lane }, event, senderName, privacy }: Told,
  { unread, badge }: { readonly unread: number; readonly badge: number },
): MessagePush {
  const { seq, by, at, text } = event;
  return {
    kind: 'message',
    conversationId: lane.id,
    seq: seq as Seq,
    messageId: messageIdOf(lane.id, seq),
    senderId: by as UserId,
    ...(senderName === undefined || privacy ? {} : { senderName }),
    ...(lane.title === undefined || privacy ? {} : { title: lane.title }),
    text: privacy ? '' : text,
    unread,
    badge,
    privacy,
    expiresAt: at + PUSH_EXPIRES_MS,
  };
}
