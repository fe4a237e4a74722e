/** The streams of an installation, as data: what they should be, and how what is there differs from it. */
import { lowestBytesOf, type StreamConfig } from '../../schema/streams.ts';

/** Below it: unsafe expected revisions on replicas (< 2.11), no batched direct get, known security faults. */
export const SERVER_VERSION_MIN = '2.14.3';

export interface TopologyOptions {
  readonly partitions: number;
  /** Default: 3 where the server is one of a cluster, else 1. Streams that are there keep theirs. */
  readonly replicas?: number | undefined;
  /** What all streams together may hold, those of integrations too; should be well below the disk. */
  readonly maxBytes: number;
  /** Sizes above what they should be are lowered, to a quarter above what is stored at the most. Default: they are left. */
  readonly lowers?: boolean;
}

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
  /** Of several servers, as the stream's leader says. `active`: nanoseconds since the follower was last heard. */
  readonly cluster?: {
    readonly replicas?: readonly {
      readonly name: string;
      readonly current: boolean;
      readonly offline?: boolean;
      readonly active: number;
      readonly lag?: number;
    }[];
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
  /** 0: it is missing. */
  readonly replicas: number;
  /** Servers that hold the stream, and are down or behind. */
  readonly lame: readonly string[];
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
      replicas: 0,
      lame: [],
    };
  const differences = differencesOf(expected, there, options);
  const kinds = differences.map(({ kind }) => kind);
  return {
    name: expected.name,
    state: kinds.includes('broken') ? 'broken' : kinds.includes('mended') ? 'differs' : 'ok',
    differences,
    messages: there.state.messages,
    bytes: there.state.bytes,
    maxBytes: Number(there.config.max_bytes),
    replicas: Number(there.config.num_replicas),
    lame: (there.cluster?.replicas ?? []).filter(isLame).map(({ name }) => name),
  };
}

/** A follower is heard every second; one that is only a little behind is soon no longer. */
const UNHEARD_NS = 3e9;
const LAG_MOST = 1_000;
const isLame = ({ current, offline, active, lag = 0 }: Replica): boolean =>
  offline === true || active > UNHEARD_NS || (!current && lag > LAG_MOST);
type Replica = NonNullable<NonNullable<StreamThere['cluster']>['replicas']>[number];

/** What no update can change, or what would mean that events were stored elsewhere or let go. */
const FIXED = ['storage', 'retention', 'subjects'] as const;
const EQUAL = ['discard', 'max_msgs', 'max_age', 'max_msgs_per_subject', 'republish'] as const;
const FLAGS = ['allow_direct', 'allow_rollup_hdrs'] as const;
/** Raised; sizes are lowered where that is asked for, the others never: an operator may have given more. */
const AT_LEAST = ['max_bytes', 'max_msg_size', 'num_replicas'] as const;

function differencesOf(
  expected: StreamConfig,
  { config: actual, state }: StreamThere,
  options: TopologyOptions,
): Difference[] {
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
    const lowered = Math.max(least, lowestBytesOf(state.bytes));
    if (field === 'max_bytes' && options.lowers && !unlimited && lowered < has) {
      differences.push({ field, expected: lowered, actual: has, kind: 'mended' });
      continue;
    }
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
