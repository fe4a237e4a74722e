/**
 * Every JetStream stream of Lanes as data: what it holds, how much of it, and what happens when it is full. One budget
 * (`LANES_STORE_BYTES`) covers them all, in the lanes' account and in the integrations'. No I/O.
 */
import type { AppId } from './ids.ts';
import {
  ADVISORY_STREAM,
  allBridgePositions,
  allIntegrationSubjects,
  allRevocationSubjects,
  allSnapshotSubjects,
  allUndeliveredSubjects,
  allWebhookSubjects,
  appDeads,
  appEvents,
  appReplays,
  appStream,
  BRIDGE_STREAM,
  CONSUMER_ADVISORIES,
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
  WEBHOOK_STREAM,
} from './subjects.ts';

/** As JetStream's API has it; sizes in bytes, times in nanoseconds, -1 without a limit. */
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
  readonly duplicate_window?: number;
  readonly max_consumers?: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
/** The creation of a conversation with 10,000 members of the longest ids is 670 kB. */
const RECORD_BYTES_MAX = MIB;
const SNAPSHOT_BYTES_MAX = MIB;
const RECEIPT_BYTES_MAX = 512 * KIB;
const UNDELIVERED_BYTES_MAX = 256 * KIB;
const INSTALLATION_BYTES = MIB;
/** An installation has no more integrations than this, revoked ones included: a full stream could not revoke either. */
export const INTEGRATIONS_MAX = 2_000;
const INTEGRATION_RECORD_BYTES_MAX = 4 * KIB;
const INTEGRATION_BYTES = INTEGRATIONS_MAX * (INTEGRATION_RECORD_BYTES_MAX + KIB);
/** The 40,000 users revoked last, at 286 bytes each with the longest names: who is revoked while it is full takes the place of the one revoked longest ago. */
const REVOCATION_RECORD_BYTES_MAX = KIB;
const REVOCATION_BYTES = 12 * MIB;
export const INSTALLATION_STREAM = `KV_${INSTALLATION_BUCKET}`;
/** The subject of the number of partitions, as `nats kv get LANES_INSTALLATION partitions` asks for it. */
export const PARTITIONS_KEY = `$KV.${INSTALLATION_BUCKET}.partitions`;

/** A part of the whole, and the most that it is worth. */
interface Share {
  readonly part: number;
  readonly most: number;
}
const NO_MOST = Number.POSITIVE_INFINITY;
/** What is left of the whole is the lanes'. */
const SHARES = {
  /** A cache; the oldest go when it is full. */
  snapshots: { part: 0.1, most: NO_MOST },
  /** Of all partitions together. The projector purges what it has passed and is old; a full one refuses marks, and loses none. */
  receipts: { part: 0.08, most: NO_MOST },
  /** What waits to be pushed; a full one makes the notifier wait, and what waits for it is in the lanes. */
  undelivered: { part: 0.02, most: NO_MOST },
  /** The streams of all integrations: no more of them are made than it holds. */
  apps: { part: 0.15, most: NO_MOST },
  /** The bridge's own. */
  positions: { part: 0.005, most: 8 * MIB },
  advisories: { part: 0.005, most: 8 * MIB },
  webhooks: { part: 0.01, most: 64 * MIB },
  /** What the server keeps of MQTT's sessions and retained messages, in streams of its own making. */
  mqtt: { part: 0.02, most: 256 * MIB },
} as const satisfies Record<string, Share>;
/** One integration has at most this part of what all have. */
const APPS_LEAST = 8;

export type Budget = Readonly<Record<keyof typeof SHARES | 'lanes' | 'fixed', number>>;

/** In bytes; their sum is `maxBytes`. Throws RangeError where nothing is left for the lanes: a stream of no bytes has no limit. */
export function budgetOf(maxBytes: number): Budget {
  const entries = Object.entries(SHARES).map(([name, { part, most }]) => [
    name,
    Math.floor(Math.min(most, maxBytes * part)),
  ]);
  const shares = Object.fromEntries(entries) as Record<keyof typeof SHARES, number>;
  const fixed = INSTALLATION_BYTES + INTEGRATION_BYTES + REVOCATION_BYTES;
  const rest = Object.values(shares).reduce((left, share) => left - share, maxBytes - fixed);
  if (rest <= 0) throw new RangeError(`${maxBytes} bytes are too few for all streams`);
  return { ...shares, fixed, lanes: rest };
}

/** What one integration's stream holds: what is `wanted`, as long as a few find room. */
export const appBytesOf = (maxBytes: number, wanted: number): number =>
  Math.max(MIB, Math.min(wanted, Math.floor(budgetOf(maxBytes).apps / APPS_LEAST)));

const COMMON = {
  storage: 'file',
  retention: 'limits',
  max_msgs: -1,
  max_age: 0,
  allow_direct: true,
} as const;

export interface StreamOptions {
  readonly partitions: number;
  readonly replicas: number;
  /** What all streams together may hold. */
  readonly maxBytes: number;
}

/**
 * Every stream of the lanes' account. Deletes and purges are not denied: that cannot be taken back, and the erasure of a person's
 * data will need them; who may ask for them is a matter of rights.
 */
export function streamsOf(options: StreamOptions): StreamConfig[] {
  const { partitions, replicas, maxBytes } = options;
  const budget = budgetOf(maxBytes);
  const each = Array.from({ length: partitions }, (_, p) => p);
  return [
    {
      ...COMMON,
      name: INSTALLATION_STREAM,
      subjects: [`$KV.${INSTALLATION_BUCKET}.>`],
      description: 'Lanes: what was fixed at the installation',
      discard: 'new',
      num_replicas: replicas,
      max_bytes: INSTALLATION_BYTES,
      max_msg_size: 64 * KIB,
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
      max_bytes: budget.snapshots,
      max_msg_size: SNAPSHOT_BYTES_MAX,
      max_msgs_per_subject: 1,
    },
    ...each.map((p) => laneStreamOf(p, replicas, Math.floor(budget.lanes / partitions))),
    ...each.map((p) => receiptStreamOf(p, replicas, Math.floor(budget.receipts / partitions))),
    {
      ...COMMON,
      name: UNDELIVERED_STREAM,
      subjects: [allUndeliveredSubjects],
      description: 'Lanes: messages that are to be pushed',
      retention: 'workqueue',
      discard: 'new',
      num_replicas: replicas,
      max_bytes: budget.undelivered,
      max_msg_size: UNDELIVERED_BYTES_MAX,
      max_msgs_per_subject: -1,
    },
    ...registryStreamsOf(replicas),
  ];
}

const laneStreamOf = (p: number, replicas: number, maxBytes: number): StreamConfig => ({
  ...COMMON,
  name: laneStream(p),
  subjects: [laneSubjects(p)],
  description: `Lanes: every event of the conversations of partition ${p}`,
  discard: 'new',
  num_replicas: replicas,
  max_bytes: maxBytes,
  max_msg_size: RECORD_BYTES_MAX,
  max_msgs_per_subject: -1,
  // Barriers: only the last one is kept.
  ...(replicas > 1 ? { allow_rollup_hdrs: true } : {}),
  republish: { src: laneSubjects(p), dest: republishTarget(p) },
});

/** No limit of age, and new ones are refused by a full one: only the projector takes away, and only what MongoDB holds. */
const receiptStreamOf = (p: number, replicas: number, maxBytes: number): StreamConfig => ({
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
});

const registryStreamsOf = (replicas: number): StreamConfig[] => [
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

/** Of one integration, durable or not. */
export const CONSUMERS_MAX = 64;
/** The expected sequence proves that nothing is stored twice; ids only spare the consumer what a repeated append would bring. */
const DUPLICATES_NS = 2_000_000_000;
const APPS_COMMON = { ...COMMON, max_msg_size: -1, duplicate_window: DUPLICATES_NS } as const;

/** It refuses what it has no room for, and lets nothing go by itself: what goes is the bridge's business, which tells it. */
export const appStreamOf = (app: AppId, maxBytes: number, replicas: number): StreamConfig => ({
  ...APPS_COMMON,
  name: appStream(app),
  subjects: [appEvents(app), appReplays(app), appDeads(app)],
  description: `Lanes: what the integration ${app} sees`,
  discard: 'new',
  max_bytes: maxBytes,
  max_msgs_per_subject: -1,
  num_replicas: replicas,
  max_consumers: CONSUMERS_MAX,
});

/** The bridge's own, in the integrations' account: how far it has come for each; and what the server says of messages that were given up on. */
export function bridgeStreamsOf({ replicas, maxBytes }: Omit<StreamOptions, 'partitions'>): readonly StreamConfig[] {
  const { positions, advisories } = budgetOf(maxBytes);
  return [
    {
      ...APPS_COMMON,
      name: BRIDGE_STREAM,
      subjects: [allBridgePositions],
      description: 'Lanes: how far the bridge has come for each integration',
      discard: 'old',
      max_bytes: positions,
      max_msgs_per_subject: 1,
      num_replicas: replicas,
    },
    {
      ...APPS_COMMON,
      name: ADVISORY_STREAM,
      subjects: CONSUMER_ADVISORIES,
      description: 'Lanes: what integrations gave up on, until it is written down for them',
      discard: 'old',
      max_bytes: advisories,
      max_msgs_per_subject: -1,
      num_replicas: replicas,
    },
  ];
}

export const webhookStreamOf = ({ replicas, maxBytes }: Omit<StreamOptions, 'partitions'>): StreamConfig => ({
  ...APPS_COMMON,
  name: WEBHOOK_STREAM,
  subjects: [allWebhookSubjects],
  description: 'Lanes: how far webhooks have been sent',
  discard: 'new',
  max_bytes: budgetOf(maxBytes).webhooks,
  max_msgs_per_subject: 1,
  num_replicas: replicas,
  duplicate_window: 1_000_000_000,
});

/** What is stored is never crowded by a smaller budget: a stream is lowered at most to this. */
export const lowestBytesOf = (stored: number): number => Math.ceil(stored * 1.25);
