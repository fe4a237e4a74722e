/** The streams of the integrations' account as they are there: found, made, brought up to date, and read. */
import type { Millis } from '../schema/ids.ts';
import { lowestBytesOf, type StreamConfig } from '../schema/streams.ts';
import { ApiRefusal, type Questions } from '../services/journal/ask.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import type { Link } from '../services/journal/link.ts';
import { headerOf, jsonOf, numberOf } from '../services/journal/message.ts';

/** What `STREAM.INFO` says, as far as it is needed. */
export interface StreamInfo {
  readonly config: StreamConfig;
  /** Tells a stream from another of the same name. */
  readonly created: string;
  readonly state: {
    readonly messages: number;
    readonly bytes: number;
    readonly first_seq: number;
    readonly first_ts: string;
    readonly last_seq: number;
    readonly subjects?: Readonly<Record<string, number>>;
  };
}

const NAME_IN_USE = 10058;
const NO_STREAM = 10059;

/** Undefined: there is no such stream. Throws JournalUnavailable, ApiRefusal. */
export async function readStream(
  questions: Questions,
  name: string,
  request?: Record<string, unknown>,
): Promise<StreamInfo | undefined> {
  try {
    return await questions.api<StreamInfo>(`STREAM.INFO.${name}`, request);
  } catch (error) {
    if (error instanceof ApiRefusal && error.code === NO_STREAM) return undefined;
    throw error;
  }
}

/** Makes what is missing, and sets right what an update can. Several bridges may do it at once. Throws as `readStream`. */
export async function ensureStream(questions: Questions, wanted: StreamConfig): Promise<StreamInfo> {
  const there = await readStream(questions, wanted.name);
  if (!there) {
    try {
      return await questions.api<StreamInfo>(`STREAM.CREATE.${wanted.name}`, wanted);
    } catch (error) {
      if (!(error instanceof ApiRefusal && error.code === NAME_IN_USE)) throw error;
      return questions.api<StreamInfo>(`STREAM.INFO.${wanted.name}`);
    }
  }
  const changes = changesOf(there, wanted);
  if (!changes) return there;
  try {
    return await questions.api<StreamInfo>(`STREAM.UPDATE.${wanted.name}`, { ...there.config, ...changes });
  } catch (error) {
    // A server that has promised more than it has refuses even to promise less.
    const isLowering = Object.keys(changes).length === 1 && Number(changes.max_bytes) < there.config.max_bytes;
    if (error instanceof ApiRefusal && isLowering) return there;
    throw error;
  }
}

const EQUAL = ['subjects', 'discard', 'max_age', 'max_msgs', 'max_msgs_per_subject', 'duplicate_window'] as const;

/** More room than is wanted is taken back, as far as what is stored allows: the budget is one of all. */
function changesOf({ config: there, state }: StreamInfo, wanted: StreamConfig): Partial<StreamConfig> | undefined {
  const room = Math.max(wanted.max_bytes, lowestBytesOf(state.bytes));
  const isOther = there.max_bytes < wanted.max_bytes || there.max_bytes > room;
  const different = EQUAL.filter((field) => JSON.stringify(there[field]) !== JSON.stringify(wanted[field]));
  const changes = {
    ...Object.fromEntries(different.map((field) => [field, wanted[field]])),
    ...(isOther ? { max_bytes: there.max_bytes < wanted.max_bytes ? wanted.max_bytes : room } : {}),
    ...(there.allow_direct ? {} : { allow_direct: true as const }),
  };
  return Object.keys(changes).length > 0 ? changes : undefined;
}

/** The last message of a subject, as the leader has it, its sequence, and when it was stored. Throws JournalUnavailable, also where there is no stream. */
export async function readLast(
  { link, questions }: { readonly link: Link; readonly questions: Questions },
  stream: string,
  subject: string,
): Promise<{ readonly at: number; readonly storedAt: Millis; readonly body: unknown } | undefined> {
  if (!link.isClustered) {
    const answer = await questions.direct(`${stream}.${subject}`);
    if (!answer) return undefined;
    const { head, data } = answer;
    return {
      ...{ at: numberOf(head, 'Nats-Sequence'), storedAt: Date.parse(headerOf(head, 'Nats-Time-Stamp')) },
      body: jsonOf(data),
    };
  }
  try {
    const stored = await questions.stored(stream, { last_by_subj: subject });
    return stored && { at: stored.seq, storedAt: Date.parse(stored.time), body: jsonOf(stored.data) };
  } catch (error) {
    throw error instanceof ApiRefusal ? new JournalUnavailable(error.message, { cause: error }) : error;
  }
}
