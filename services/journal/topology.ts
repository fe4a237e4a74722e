/**
 * The streams of the lanes, as data, and their making: what is missing is made, what is there is checked and brought up to
 * date as long as nothing stored is touched, and what cannot be mended is an error that says so.
 */
import {
  allSnapshotSubjects,
  INSTALLATION_BUCKET,
  laneStream,
  laneSubjects,
  republishTarget,
  SNAPSHOT_STREAM,
} from '../../schema/subjects.ts';
import { ConfigError } from '../config.ts';
import type { Logger } from '../logger.ts';
import { ApiRefusal, type Questions } from './ask.ts';
import { expectedHeader } from './message.ts';

/** Below it: unsafe expected revisions on replicas (< 2.11), no batched direct get, known security faults. */
export const SERVER_VERSION_MIN = '2.14.3';

/** As JetStream's API has it; sizes in bytes, -1 without a limit. */
export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly description: string;
  readonly storage: 'file';
  readonly retention: 'limits';
  readonly discard: 'new' | 'old';
  readonly num_replicas: number;
  readonly max_bytes: number;
  readonly max_msg_size: number;
  readonly max_msgs: -1;
  readonly max_age: 0;
  readonly max_msgs_per_subject: number;
  readonly allow_direct: true;
  readonly allow_rollup_hdrs?: boolean;
  readonly republish?: { readonly src: string; readonly dest: string };
}

export interface TopologyOptions {
  readonly partitions: number;
  /** Default: 3 where the server is one of a cluster, else 1. Streams that are there keep theirs. */
  readonly replicas?: number | undefined;
  /** What all streams together may hold; should be well below the disk. */
  readonly maxBytes: number;
}

/** A tenth of the store; snapshots are a cache, and the oldest go when it is full. */
const SNAPSHOT_SHARE = 0.1;
/** The creation of a conversation with 10,000 members of the longest ids is 670 kB. */
const RECORD_BYTES_MAX = 1024 * 1024;
const SNAPSHOT_BYTES_MAX = 1024 * 1024;
const INSTALLATION_BYTES = 1024 * 1024;
const INSTALLATION_STREAM = `KV_${INSTALLATION_BUCKET}`;
const PARTITIONS_KEY = `$KV.${INSTALLATION_BUCKET}.partitions`;

const COMMON = {
  storage: 'file',
  retention: 'limits',
  max_msgs: -1,
  max_age: 0,
  allow_direct: true,
} as const;

/**
 * Every stream of an installation. Deletes and purges are not denied: that cannot be taken back, and the erasure of a
 * person's data will need them; who may ask for them is a matter of rights.
 */
export function streamsOf({ partitions, replicas, maxBytes }: TopologyOptions & { replicas: number }): StreamConfig[] {
  const snapshots = Math.floor(maxBytes * SNAPSHOT_SHARE);
  const lanes = Math.floor((maxBytes - snapshots - INSTALLATION_BYTES) / partitions);
  return [
    {
      ...COMMON,
      name: INSTALLATION_STREAM,
      subjects: [`$KV.${INSTALLATION_BUCKET}.>`],
      description: 'Lanes: what was fixed at the installation',
      discard: 'new',
      num_replicas: replicas,
      max_bytes: INSTALLATION_BYTES,
      max_msg_size: 64 * 1024,
      max_msgs_per_subject: 1,
      allow_rollup_hdrs: true,
    },
    {
      ...COMMON,
      name: SNAPSHOT_STREAM,
      subjects: [allSnapshotSubjects],
      description: 'Lanes: folded states, a cache',
      discard: 'old',
      num_replicas: replicas,
      max_bytes: snapshots,
      max_msg_size: SNAPSHOT_BYTES_MAX,
      max_msgs_per_subject: 1,
    },
    ...Array.from(
      { length: partitions },
      (_, p): StreamConfig => ({
        ...COMMON,
        name: laneStream(p),
        subjects: [laneSubjects(p)],
        description: `Lanes: every event of the conversations of partition ${p}`,
        discard: 'new',
        num_replicas: replicas,
        max_bytes: lanes,
        max_msg_size: RECORD_BYTES_MAX,
        max_msgs_per_subject: -1,
        republish: { src: laneSubjects(p), dest: republishTarget(p) },
      }),
    ),
  ];
}

/** A stream as the server describes it. */
interface StreamThere {
  readonly config: Partial<Record<keyof StreamConfig | 'sealed' | 'persist_mode' | 'no_ack', unknown>> & {
    readonly name: string;
  };
  readonly state: {
    readonly messages: number;
    readonly bytes: number;
    readonly first_seq: number;
    readonly last_seq: number;
  };
}

export interface Difference {
  readonly field: string;
  readonly expected: unknown;
  readonly actual: unknown;
  /** `mended`: each start sets it right. `kept`: left as it is. `broken`: nothing but a new stream would help. */
  readonly kind: 'mended' | 'kept' | 'broken';
}
export interface StreamReport {
  readonly name: string;
  readonly state: 'ok' | 'missing' | 'differs' | 'broken';
  readonly differences: readonly Difference[];
  readonly messages: number;
  readonly bytes: number;
  readonly maxBytes: number;
}
export interface TopologyReport {
  readonly server: { readonly version: string; readonly isSupported: boolean; readonly isClustered: boolean };
  /** As fixed at the installation; undefined: nothing is installed. */
  readonly partitions: number | undefined;
  readonly expectedPartitions: number;
  readonly streams: readonly StreamReport[];
}

/** The server's side of a connection, as far as the topology asks. */
export interface ServerFacts {
  readonly serverVersion: string;
  readonly isClustered: boolean;
}

/** What is expected and what is there. Changes nothing. Throws JournalUnavailable. */
export async function describeTopology(
  server: ServerFacts,
  questions: Questions,
  options: TopologyOptions,
): Promise<TopologyReport> {
  const there = await listStreams(questions);
  const partitions = await readPartitions(questions, there);
  return {
    server: {
      version: server.serverVersion,
      isSupported: isSupported(server.serverVersion),
      isClustered: server.isClustered,
    },
    partitions,
    expectedPartitions: options.partitions,
    streams: streamsOf(withReplicas(server, options)).map((expected) =>
      reportOf(expected, there.get(expected.name), options),
    ),
  };
}

/**
 * Makes and mends the streams. Several processes may do it at once. Throws ConfigError, one line that names what is wrong
 * and what helps; JournalUnavailable where JetStream does not answer.
 */
export async function ensureTopology(
  server: ServerFacts,
  questions: Questions,
  options: TopologyOptions & { readonly log: Logger },
): Promise<void> {
  if (!isSupported(server.serverVersion))
    throw new ConfigError(
      `nats-server ${server.serverVersion} is too old: ${SERVER_VERSION_MIN} or newer is needed (expected revisions are not safe before)`,
    );
  const there = await listStreams(questions);
  const [installation, ...streams] = streamsOf(withReplicas(server, options)) as [StreamConfig, ...StreamConfig[]];
  await ensureStream(questions, installation, there.get(installation.name), options);
  await claimPartitions(questions, options.partitions, there);
  await Promise.all(streams.map((stream) => ensureStream(questions, stream, there.get(stream.name), options)));
  const made = streams.filter(({ name }) => !there.has(name)).length;
  if (made > 0) options.log.info({ streams: made, maxBytes: options.maxBytes }, 'streams made');
}

const withReplicas = (server: ServerFacts, options: TopologyOptions) => ({
  ...options,
  replicas: options.replicas ?? (server.isClustered ? 3 : 1),
});

export function isSupported(version: string): boolean {
  const parts = version.split(/[.-]/).map(Number);
  for (const [i, least] of SERVER_VERSION_MIN.split('.').map(Number).entries()) {
    const part = parts[i] ?? 0;
    if (part !== least) return part > least;
  }
  return true;
}

async function listStreams(questions: Questions): Promise<ReadonlyMap<string, StreamThere>> {
  const all = new Map<string, StreamThere>();
  for (;;) {
    const page = await questions.api<{ total: number; streams: StreamThere[] | null }>('STREAM.LIST', {
      offset: all.size,
    });
    for (const stream of page.streams ?? []) all.set(stream.config.name, stream);
    if (!page.streams?.length || all.size >= page.total) return all;
  }
}

/** Undefined: nothing is installed here. */
async function readPartitions(
  questions: Questions,
  there: ReadonlyMap<string, StreamThere>,
): Promise<number | undefined> {
  const stored = there.has(INSTALLATION_STREAM) ? await readStoredPartitions(questions) : undefined;
  if (stored !== undefined) return stored;
  // The note is lost: the streams themselves tell.
  let partitions = 0;
  while (there.has(laneStream(partitions))) partitions++;
  return partitions === 0 ? undefined : partitions;
}

async function readStoredPartitions(questions: Questions): Promise<number | undefined> {
  try {
    const request = { last_by_subj: PARTITIONS_KEY };
    const answer = await questions.api<{ message: { data: string } }>(`STREAM.MSG.GET.${INSTALLATION_STREAM}`, request);
    return Number(Buffer.from(answer.message.data, 'base64').toString());
  } catch (error) {
    if (error instanceof ApiRefusal && error.code === 10037) return undefined;
    throw error;
  }
}

/** The first start fixes the number; of two that start at once, one. */
async function claimPartitions(
  questions: Questions,
  wanted: number,
  there: ReadonlyMap<string, StreamThere>,
): Promise<void> {
  let stored = await readPartitions(questions, there);
  if (stored === undefined || !there.has(INSTALLATION_STREAM)) {
    if (stored === undefined || stored === wanted)
      await questions.publish(PARTITIONS_KEY, Buffer.from(String(wanted)), expectedHeader(0));
    stored = (await readStoredPartitions(questions)) ?? stored;
  }
  if (stored !== wanted)
    throw new ConfigError(
      `LANES_PARTITIONS is ${wanted}, but this installation was made with ${stored}: the number is fixed then. Set LANES_PARTITIONS=${stored}`,
    );
}

async function ensureStream(
  questions: Questions,
  expected: StreamConfig,
  there: StreamThere | undefined,
  options: TopologyOptions & { readonly log: Logger },
): Promise<void> {
  try {
    if (!there) {
      await questions.api(`STREAM.CREATE.${expected.name}`, expected);
      options.log.debug({ stream: expected.name, maxBytes: expected.max_bytes }, 'stream made');
      return;
    }
    const { differences } = reportOf(expected, there, options);
    const broken = differences.find(({ kind }) => kind === 'broken');
    if (broken)
      throw new ConfigError(
        `stream ${expected.name}: ${broken.field} is ${JSON.stringify(broken.actual)} and must be ${JSON.stringify(broken.expected)}; no update can change that`,
      );
    const mended = differences.filter(({ kind }) => kind === 'mended');
    if (mended.length === 0) return;
    const changes = Object.fromEntries(mended.map(({ field, expected: value }) => [field, value]));
    await questions.api(`STREAM.UPDATE.${expected.name}`, { ...there.config, ...changes });
    options.log.info({ stream: expected.name, changes }, 'stream brought up to date');
  } catch (error) {
    // Somebody else made it, with other sizes: what they made is checked in its turn.
    if (error instanceof ApiRefusal && error.code === 10058) {
      const made = (await listStreams(questions)).get(expected.name);
      if (made) return ensureStream(questions, expected, made, options);
    }
    throw error instanceof ApiRefusal ? refusalOf(expected, error) : error;
  }
}

function refusalOf({ name, max_bytes }: StreamConfig, error: ApiRefusal): ConfigError {
  const helps =
    error.code === 10047 || error.code === 10023 || error.code === 10122
      ? `: it may hold ${max_bytes} bytes; make room, raise the server's max_file_store or lower LANES_STORE_BYTES`
      : '';
  return new ConfigError(`stream ${name} cannot be made: ${error.message}${helps}`);
}

function reportOf(expected: StreamConfig, there: StreamThere | undefined, options: TopologyOptions): StreamReport {
  if (!there)
    return {
      name: expected.name,
      state: 'missing',
      differences: [],
      messages: 0,
      bytes: 0,
      maxBytes: expected.max_bytes,
    };
  const differences = differencesOf(expected, there.config, options);
  const kinds = differences.map(({ kind }) => kind);
  return {
    name: expected.name,
    state: kinds.includes('broken') ? 'broken' : kinds.includes('mended') ? 'differs' : 'ok',
    differences,
    messages: there.state.messages,
    bytes: there.state.bytes,
    maxBytes: Number(there.config.max_bytes),
  };
}

/** What no update can change, or what would mean that events were stored elsewhere or let go. */
const FIXED = ['storage', 'retention', 'subjects'] as const;
const EQUAL = ['discard', 'max_msgs', 'max_age', 'max_msgs_per_subject', 'republish'] as const;
const FLAGS = ['allow_direct', 'allow_rollup_hdrs'] as const;
/** Raised, never lowered: an operator may have given more. */
const AT_LEAST = ['max_bytes', 'max_msg_size', 'num_replicas'] as const;

function differencesOf(expected: StreamConfig, actual: StreamThere['config'], options: TopologyOptions): Difference[] {
  const differences: Difference[] = [];
  const note = (field: keyof StreamConfig, kind: Difference['kind']): void => {
    differences.push({ field, expected: expected[field], actual: actual[field], kind });
  };
  const differs = (field: keyof StreamConfig): boolean =>
    JSON.stringify(partOf(expected[field], actual[field])) !== JSON.stringify(expected[field]);
  for (const field of FIXED) if (differs(field)) note(field, 'broken');
  if (actual.sealed === true) differences.push({ field: 'sealed', expected: false, actual: true, kind: 'broken' });
  if (actual.persist_mode === 'async')
    differences.push({ field: 'persist_mode', expected: 'default', actual: 'async', kind: 'broken' });
  if (actual.no_ack === true) differences.push({ field: 'no_ack', expected: false, actual: true, kind: 'mended' });
  for (const field of EQUAL) if (differs(field)) note(field, 'mended');
  for (const field of FLAGS) if (expected[field] && !actual[field]) note(field, 'mended');
  for (const field of AT_LEAST) {
    const [least, has] = [expected[field], Number(actual[field])];
    if (has === least) continue;
    const unlimited = has === -1;
    const lacks = unlimited ? field === 'max_bytes' : has < least;
    note(field, lacks && (field !== 'num_replicas' || options.replicas !== undefined) ? 'mended' : 'kept');
  }
  return differences;
}

/** Only the fields that we set: the server adds its own. */
const partOf = (expected: unknown, actual: unknown): unknown =>
  typeof expected === 'object' &&
  expected !== null &&
  !Array.isArray(expected) &&
  typeof actual === 'object' &&
  actual !== null
    ? Object.fromEntries(Object.keys(expected).map((key) => [key, (actual as Record<string, unknown>)[key]]))
    : actual;
