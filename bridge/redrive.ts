/** The dead letters of an integration, listed and given once more: what `lanes integration dead` does. */
import type { AppId } from '../schema/ids.ts';
import { appDeads, appEventAgain, appStream } from '../schema/subjects.ts';
import { outcomeOf } from '../services/journal/append-outcome.ts';
import type { Questions } from '../services/journal/ask.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import { headersOf, jsonOf, numberOf } from '../services/journal/message.ts';
import { readStream } from './app-streams.ts';
import type { DeadLetter } from './dead-letters.ts';

/** `at`: the letter's own sequence in the integration's stream. */
export interface Listed {
  readonly at: number;
  readonly letter: DeadLetter;
}

const BATCH = 200;

/** Those that are there at the call, the oldest first; one for each message and consumer. None where the integration has no stream. Throws JournalUnavailable. */
export async function* listDead(questions: Questions, app: AppId): AsyncGenerator<Listed> {
  const seen = new Set<string>();
  const end = (await readStream(questions, appStream(app)))?.state.last_seq ?? 0;
  for (let from = 1; from <= end; ) {
    const request = { seq: from, batch: BATCH, next_by_subj: appDeads(app) };
    const { messages } = await questions.batch(appStream(app), request);
    for (const { head, data } of messages) {
      const at = numberOf(head, 'Nats-Sequence');
      from = at + 1;
      if (at > end) return;
      const letter = jsonOf(data) as DeadLetter;
      const name = `${letter.consumer} ${letter.streamSeq}`;
      if (seen.has(name)) await remove(questions, app, at);
      else yield { at, letter };
      seen.add(name);
    }
    if (messages.length === 0) return;
  }
}

/**
 * The event once more, on its conversation's subject with `.again` behind it, and then the letter goes: a kill in between gives
 * it twice, and never not at all. Throws JournalUnavailable.
 */
export async function redrive(questions: Questions, app: AppId, { at, letter }: Listed): Promise<void> {
  const answer = await questions.publish(
    appEventAgain(app, letter.conversationId),
    Buffer.from(JSON.stringify(letter.event)),
    headersOf(`Nats-Msg-Id: again:${at}`),
  );
  const outcome = answer && outcomeOf(answer);
  if (outcome?.kind !== 'stored')
    throw new JournalUnavailable(`the event ${letter.seq} of ${letter.conversationId} is not stored: ${outcome?.kind}`);
  await remove(questions, app, at);
}

const remove = (questions: Questions, app: AppId, seq: number): Promise<unknown> =>
  questions.api(`STREAM.MSG.DELETE.${appStream(app)}`, { seq, no_erase: true });
