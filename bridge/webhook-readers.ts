/** A webhook as what it is to its integration's stream: one who reads it, and must be told when something goes unread. */
import type { AppId, LaneId } from '../schema/ids.ts';
import { appEvent, appEvents, appStream } from '../schema/subjects.ts';
import type { Questions } from '../services/journal/ask.ts';
import type { ConsumerInfo } from './lag.ts';
import { WebhookState } from './webhook-state.ts';

/** In the form of consumers: its place, and one for each conversation that is behind. Empty: it has not begun. Throws JournalUnavailable. */
export async function webhookReaders(questions: Questions, app: AppId): Promise<readonly ConsumerInfo[]> {
  const state = new WebhookState(questions);
  const position = await state.position(app);
  if (!position) return [];
  const { next } = position.value;
  const behind = await state.behind(app);
  const request = { seq: next, next_by_subj: appEvents(app), batch: 1 };
  const { messages, pending } = await questions.batch(appStream(app), request);
  return [
    readerOf('webhook', appEvents(app), next, messages.length + pending),
    ...[...behind].map(([line, { value }]) =>
      readerOf(`webhook ${line}`, appEvent(app, line as LaneId), value.next, 1),
    ),
  ];
}

const readerOf = (name: string, filter: string, next: number, pending: number): ConsumerInfo => ({
  name,
  config: { durable_name: name, filter_subject: filter },
  ack_floor: { stream_seq: next - 1 },
  num_pending: pending,
  num_ack_pending: 0,
});
