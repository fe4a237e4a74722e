/** What an integration failed to take, as it lies on its `dead` subjects: listed and driven again by the command line. */
import type { LaneId, Millis } from '../schema/ids.ts';

export interface DeadLetter {
  readonly type: 'DeadLetter';
  readonly conversationId: LaneId;
  /** Of the event; 0 where it has none. */
  readonly seq: number;
  /** When it was given up; RFC 3339 in UTC with milliseconds. */
  readonly at: string;
  /** Who did not take it: the consumer's name, or `webhook`. */
  readonly consumer: string;
  readonly reason: string;
  /** How often it was tried; absent where nobody counted. */
  readonly deliveries?: number;
  /** As it was offered. */
  readonly event: unknown;
}

export function deadLetterOf(
  lane: LaneId,
  body: Uint8Array,
  given: { readonly consumer: string; readonly reason: string; readonly deliveries?: number; readonly at: Millis },
): DeadLetter {
  const event = jsonOf(body);
  const seq = typeof event === 'object' && event !== null && 'seq' in event ? Number(event.seq) : 0;
  const { consumer, reason, deliveries } = given;
  return {
    type: 'DeadLetter',
    conversationId: lane,
    seq: Number.isSafeInteger(seq) ? seq : 0,
    at: new Date(given.at).toISOString(),
    consumer,
    reason,
    ...(deliveries === undefined ? {} : { deliveries }),
    event,
  };
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8'));
  } catch {
    return null;
  }
}
