/**
 * The streams of the integrations' account: each integration's own, and two of the bridge's. An integration's stream refuses
 * what it has no room for, and lets nothing go by itself: what goes is the bridge's business (retention.ts), which tells it.
 */
import type { AppId } from '../schema/ids.ts';
import {
  ADVISORY_STREAM,
  allBridgePositions,
  appDeads,
  appEvents,
  appReplays,
  appStream,
  BRIDGE_STREAM,
  CONSUMER_ADVISORIES,
} from '../schema/subjects.ts';
import { ApiRefusal, type Questions } from '../services/journal/ask.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import type { Link } from '../services/journal/link.ts';
import { jsonOf, numberOf } from '../services/journal/message.ts';

/** As JetStream's API has it; sizes in bytes, times in nanoseconds. */
export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly description: string;
  readonly storage: 'file';
  readonly retention: 'limits';
  readonly discard: 'new' | 'old';
  readonly max_bytes: number;
  readonly max_age: number;
  readonly max_msgs: -1;
  readonly max_msgs_per_subject: number;
  readonly num_replicas: number;
  readonly allow_direct: true;
  readonly duplicate_window: number;
  readonly max_consumers?: number;
}

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

/** Of one integration, durable or not. */
export const CONSUMERS_MAX = 64;
/** The expected sequence proves that nothing is stored twice; ids only spare the consumer what a repeated append would bring. */
const DUPLICATES_NS = 2_000_000_000;
const POSITION_BYTES = 8 * 1024 * 1024;
const ADVISORY_BYTES = 8 * 1024 * 1024;
const NAME_IN_USE = 10058;
const NO_STREAM = 10059;
const NO_MESSAGE = 10037;

const COMMON = {
  storage: 'file',
  retention: 'limits',
  max_age: 0,
  max_msgs: -1,
  allow_direct: true,
  duplicate_window: DUPLICATES_NS,
} as const;

export const appStreamOf = (app: AppId, maxBytes: number, replicas: number): StreamConfig => ({
  ...COMMON,
  name: appStream(app),
  subjects: [appEvents(app), appReplays(app), appDeads(app)],
  description: `Lanes: what the integration ${app} sees`,
  discard: 'new',
  max_bytes: maxBytes,
  max_msgs_per_subject: -1,
  num_replicas: replicas,
  max_consumers: CONSUMERS_MAX,
});

/** How far the bridge has come for each integration; and what the server says of messages that were given up on. */
export const bridgeStreamsOf = (replicas: number): readonly StreamConfig[] => [
  {
    ...COMMON,
    name: BRIDGE_STREAM,
    subjects: [allBridgePositions],
    description: 'Lanes: how far the bridge has come for each integration',
    discard: 'old',
    max_bytes: POSITION_BYTES,
    max_msgs_per_subject: 1,
    num_replicas: replicas,
  },
  {
    ...COMMON,
    name: ADVISORY_STREAM,
    subjects: CONSUMER_ADVISORIES,
    description: 'Lanes: what integrations gave up on, until it is written down for them',
    discard: 'old',
    max_bytes: ADVISORY_BYTES,
    max_msgs_per_subject: -1,
    num_replicas: replicas,
  },
];

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
  const changes = changesOf(there.config, wanted);
  if (!changes) return there;
  return questions.api<StreamInfo>(`STREAM.UPDATE.${wanted.name}`, { ...there.config, ...changes });
}

const EQUAL = ['subjects', 'discard', 'max_age', 'max_msgs', 'max_msgs_per_subject', 'duplicate_window'] as const;

/** Room that an operator has added is left. */
function changesOf(there: StreamConfig, wanted: StreamConfig): Partial<StreamConfig> | undefined {
  const different = EQUAL.filter((field) => JSON.stringify(there[field]) !== JSON.stringify(wanted[field]));
  const changes = {
    ...Object.fromEntries(different.map((field) => [field, wanted[field]])),
    ...(there.max_bytes < wanted.max_bytes ? { max_bytes: wanted.max_bytes } : {}),
    ...(there.allow_direct ? {} : { allow_direct: true as const }),
  };
  return Object.keys(changes).length > 0 ? changes : undefined;
}

/** The last message of a subject, as the leader has it, and its sequence. Throws JournalUnavailable, also where there is no stream. */
export async function readLast(
  { link, questions }: { readonly link: Link; readonly questions: Questions },
  stream: string,
  subject: string,
): Promise<{ readonly at: number; readonly body: unknown } | undefined> {
  if (!link.isClustered) {
    const answer = await questions.one(`${link.jsApi}.DIRECT.GET.${stream}.${subject}`);
    return answer && { at: numberOf(answer.head, 'Nats-Sequence'), body: jsonOf(answer.data) };
  }
  try {
    const { message } = await questions.api<{ readonly message: { readonly seq: number; readonly data?: string } }>(
      `STREAM.MSG.GET.${stream}`,
      { last_by_subj: subject },
    );
    return { at: message.seq, body: jsonOf(Buffer.from(message.data ?? '', 'base64')) };
  } catch (error) {
    if (error instanceof ApiRefusal && error.code === NO_MESSAGE) return undefined;
    throw error instanceof ApiRefusal ? new JournalUnavailable(error.message, { cause: error }) : error;
  }
}
