/** What a webhook's receiver did not take in time, as it lies on the integration's `dead` subjects. */
import type { Millis } from '../schema/ids.ts';
import type { DeadLetter } from './dead-letters.ts';
import type { SourceEvent } from './webhook-source.ts';

export function webhookLetterOf(
  { lane, at: streamSeq, body }: SourceEvent,
  given: { readonly message: string; readonly deliveries: number; readonly at: Millis },
): DeadLetter {
  const event = jsonOf(body);
  const { message, deliveries } = given;
  return {
    type: 'DeadLetter',
    conversationId: lane,
    seq: event.seq,
    reason: 'WEBHOOK',
    ...{ message, consumer: 'webhook', deliveries, at: new Date(given.at).toISOString(), streamSeq, event },
  };
}

const jsonOf = (body: Uint8Array): { readonly seq: number } =>
  JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8')) as { readonly seq: number };
