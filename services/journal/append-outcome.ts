/** What the server's answer to an append says. */
import { revisionOf } from '../../schema/ids.ts';
import type { AppendOutcome } from './journal.ts';
import { type Answer, jsonOf, statusOf } from './message.ts';

interface PublishAnswer {
  readonly seq?: number;
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

/** The codes: errors.json of nats-server 2.15. */
export function outcomeOf(answer: Answer): AppendOutcome {
  if (answer.data.length === 0)
    return statusOf(answer.head) === 503
      ? { kind: 'busy', message: 'no stream answers: its leader is missing or being elected' }
      : { kind: 'unknown', message: 'the store answered nothing' };
  let parsed: PublishAnswer;
  try {
    parsed = jsonOf(answer.data) as PublishAnswer;
  } catch {
    return { kind: 'unknown', message: 'the store answered what is no JSON' };
  }
  const { error, seq } = parsed;
  // A duplicate is answered with the sequence of the first: stored, and once.
  if (!error) return seq ? { kind: 'stored', revision: revisionOf(seq) } : { kind: 'unknown', message: 'no sequence' };
  const message = `${error.description} (${error.err_code})`;
  switch (error.err_code) {
    case 10071:
      return { kind: 'conflict' };
    // The same id is being stored. The stream lost its place while it stored ours: perhaps a replica has it.
    case 10158:
    case 10060:
      return { kind: 'unknown', message };
    // Stream limits; limits of the server or the account.
    case 10077:
      return /maximum (bytes|messages) exceeded|space|resource/i.test(message)
        ? { kind: 'full', message }
        : { kind: 'busy', message };
    case 10023:
    case 10028:
    case 10047:
      return { kind: 'full', message };
    // Among them 10164 (another write to the lane is in flight on the replicas) and 10167 (the stream's queue is full).
    // An error is answered before anything is stored or proposed to replicas.
    default:
      return { kind: 'busy', message };
  }
}
