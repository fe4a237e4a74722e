/** The streams of an installation, as data: what they should be, and how what is there differs from it. */
import {
  allIntegrationSubjects,
  allRevocationSubjects,
  allSnapshotSubjects,
  allUndeliveredSubjects,
  INSTALLATION_BUCKET,
  INTEGRATION_STREAM,
  integrationRepublishTarget,
  laneStream,
  laneSubjects,
  liveReceiptSubject,
  REVOCATION_STREAM,
  receiptStream,
  receiptSubject,
  republishTarget,
  revocationRepublishTarget,
  SNAPSHOT_STREAM,
  UNDELIVERED_STREAM,
} from '../../schema/subjects.ts';

/** Below it: unsafe expected revisions on replicas (< 2.11), no batched direct get, known security faults. */
export const SERVER_VERSION_MIN = '2.14.3';

/** As JetStream's API has it; sizes in bytes, -1 without a limit. */
export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly description: string;
  readonly storage: 'file';
  readonly retention: 'limits' | 'workqueue';
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
/** Of all partitions together. The projector purges what it has passed and is old; a full one refuses marks, and loses none. */
const RECEIPT_SHARE = 0.08;
/** What waits to be pushed; a full one makes the notifier wait, and what waits for it is in the lanes. */
const UNDELIVERED_SHARE = 0.02;
/** The creation of a conversation with 10,000 members of the longest ids is 670 kB. */
const RECORD_BYTES_MAX = 1024 * 1024;
const SNAPSHOT_BYTES_MAX = 1024 * 1024;
const RECEIPT_BYTES_MAX = 512 * 1024;
const UNDELIVERED_BYTES_MAX = 256 * 1024;
const INSTALLATION_BYTES = 1024 * 1024;
/** An installation has no more integrations than this, revoked ones included: a full stream could not revoke either. */
export const INTEGRATIONS_MAX = 2_000;
const INTEGRATION_RECORD_BYTES_MAX = 4 * 1024;
const INTEGRATION_BYTES = INTEGRATIONS_MAX * (INTEGRATION_RECORD_BYTES_MAX + 1024);
/** The 50,000 users revoked last, of the longest names: who is revoked while it is full takes the place of the one revoked longest ago. */
const REVOCATION_RECORD_BYTES_MAX = 1024;
const REVOCATION_BYTES = 12 * 1024 * 1024;
export const INSTALLATION_STREAM = `KV_${INSTALLATION_BUCKET}`;
/** The subject of the number of partitions, as `nats kv get LANES_INSTALLATION partitions` asks for it. */
export const PARTITIONS_KEY = `$KV.${INSTALLATION_BUCKET}.partitions`;

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
  const receipts = Math.floor((maxBytes * RECEIPT_SHARE) / partitions);
  const undelivered = Math.floor(maxBytes * UNDELIVERED_SHARE);
  const small = INSTALLATION_BYTES + INTEGRATION_BYTES + REVOCATION_BYTES;
  const rest = maxBytes - snapshots - receipts * partitions - undelivered - small;
  const lanes = Math.floor(rest / partitions);
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
    ...receiptStreamsOf(partitions, replicas, receipts),
    {
      ...COMMON,
      name: UNDELIVERED_STREAM,
      subjects: [allUndeliveredSubjects],
      description: 'Lanes: messages that are to be pushed',
      retention: 'workqueue',
      discard: 'new',
      num_replicas: replicas,
      max_bytes: undelivered,
      max_msg_size: UNDELIVERED_BYTES_MAX,
      max_msgs_per_subject: -1,
    },
    {
      ...COMMON,
      name: INTEGRATION_STREAM,
      subjects: [allIntegrationSubjects],
      description: 'Lanes: who the integrations are',
      discard: 'new',
      num_replicas: replicas,
      max_bytes: INTEGRATION_BYTES,
      max_msg_size: INTEGRATION_RECORD_BYTES_MAX,
      max_msgs_per_subject: 1,
      republish: { src: allIntegrationSubjects, dest: integrationRepublishTarget },
    },
    {
      ...COMMON,
      name: REVOCATION_STREAM,
      subjects: [allRevocationSubjects],
      description: 'Lanes: whose tokens were revoked',
      discard: 'old',
      num_replicas: replicas,
      max_bytes: REVOCATION_BYTES,
      max_msg_size: REVOCATION_RECORD_BYTES_MAX,
      max_msgs_per_subject: 1,
      republish: { src: allRevocationSubjects, dest: revocationRepublishTarget },
    },
  ];
}

/** No limit of age, and new ones are refused by a full one: only the projector takes away, and only what MongoDB holds. */
const receiptStreamsOf = (partitions: number, replicas: number, maxBytes: number): StreamConfig[] =>
  Array.from({ length: partitions }, (_, p) => ({
    ...COMMON,
    name: receiptStream(p),
    subjects: [receiptSubject(p)],
    description: `Lanes: what was received and read in the conversations of partition ${p}`,
    discard: 'new',
    num_replicas: replicas,
    max_bytes: maxBytes,
    max_msg_size: RECEIPT_BYTES_MAX,
    max_msgs_per_subject: -1,
    republish: { src: receiptSubject(p), dest: liveReceiptSubject(p) },
  }));

/** A stream as the server describes it. */
export interface StreamThere {
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

/** How a stream stands beside what is expected. `options` as they were given: replicas that nobody asked for are left alone. */
export function reportOf(
  expected: StreamConfig,
  there: StreamThere | undefined,
  options: TopologyOptions,
): StreamReport {
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
