/**
 * Every NATS subject and stream name of Lanes, built from parsed ids only, so that no input can add a token or a wildcard.
 */
import { type AppId, type LaneId, parseAppId, type UserId } from './ids.ts';

/** The partitions that one installation may have; fixed when its streams are made. */
export const MAX_PARTITIONS = 256;

/**
 * The partition of a lane: FNV-1a (32 bit) over the id's ASCII bytes, modulo the number of partitions.
 * It is part of the stored format: a change of it would lose every lane.
 */
export function partitionOf(lane: LaneId, partitions: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < lane.length; i++) {
    hash ^= lane.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return (hash >>> 0) % partitions;
}

export const laneSubject = (partition: number, lane: LaneId): string => `chat.lane.${partition}.${lane}`;
export const liveSubject = (partition: number, lane: LaneId): string => `chat.live.${partition}.${lane}`;
export const snapshotSubject = (partition: number, lane: LaneId): string => `chat.snapshot.${partition}.${lane}`;
/** Part `part` (from 1) of a snapshot too large for one message; the head at `snapshotSubject` names how many there are. */
export const snapshotPartSubject = (partition: number, lane: LaneId, part: number): string =>
  `chat.snapshot.${partition}.${lane}.${part}`;

/** What a partition's stream stores, and what the server republishes it as once it is stored. */
export const laneSubjects = (partition: number): string => `chat.lane.${partition}.*`;
export const liveSubjects = (partition: number): string => `chat.live.${partition}.*`;
/**
 * In a partition's stream, and no lane's: no id has this token. What is stored there proves that a read is not of the past; the
 * stream keeps the last one, and its live copies come between those of the lanes.
 */
const BARRIER = '!barrier';
export const barrierSubject = (partition: number): string => `chat.lane.${partition}.${BARRIER}`;
/** What `laneOfSubject` makes of it. */
export const isBarrier = (lane: LaneId): boolean => (lane as string) === BARRIER;
export const allLiveSubjects = 'chat.live.>';
export const allSnapshotSubjects = 'chat.snapshot.>';

/** What members have received and read, of all lanes of a partition; and the server's copy of it once it is stored. */
export const receiptSubject = (partition: number): string => `chat.receipt.${partition}`;
export const liveReceiptSubject = (partition: number): string => `chat.receipt.${partition}.live`;
/** Messages of a partition that nobody's device has acknowledged in time, to be pushed. */
export const undeliveredSubject = (partition: number): string => `chat.undelivered.${partition}`;
export const allUndeliveredSubjects = 'chat.undelivered.*';
/** Rung when something was written down of what becomes of a message of the lane. */
export const deliverySubject = (partition: number, lane: LaneId): string => `chat.delivery.${partition}.${lane}`;

/** Who an integration is, one subject each; and the server's copy of it once it is stored. */
export const integrationSubject = (app: AppId): string => `chat.integration.${app}`;
export const allIntegrationSubjects = 'chat.integration.*';
export const liveIntegrationSubjects = 'chat.integration.*.live';
/** In the server's mapping syntax. */
export const integrationRepublishTarget = 'chat.integration.{{wildcard(1)}}.live';

/** From when on a user's tokens count, one subject each, in base64url: a user's id may not be a token of a subject. And the server's copy. */
export const revocationSubject = (user: UserId): string =>
  `chat.revocation.${Buffer.from(user, 'utf8').toString('base64url')}`;
export const allRevocationSubjects = 'chat.revocation.*';
export const liveRevocationSubjects = 'chat.revocation.*.live';
/** In the server's mapping syntax. */
export const revocationRepublishTarget = 'chat.revocation.{{wildcard(1)}}.live';

/** An integration's own branch: nothing else of `chat.` is anybody's but ours. */
const branchOf = (app: AppId): string => `chat.app.${app}`;
export const appCommand = (app: AppId, verb: string): string => `${branchOf(app)}.cmd.${verb}`;
/** The requests of one integration, whatever the verb. */
export const appCommands = (app: AppId): string => `${branchOf(app)}.cmd.*`;
/** The requests of every integration; and those of one verb. */
export const allAppCommands = 'chat.app.*.cmd.*';
export const verbCommands = (verb: string): string => `chat.app.*.cmd.${verb}`;
/** As a description of the interface has them, by what stands in their places. */
export const APP_TEMPLATES = {
  command: (verb: string): string => `chat.app.{app}.cmd.${verb}`,
  reply: 'chat.app.{app}.reply.{requestId}',
  event: 'chat.app.{app}.event.{conversation}',
  replay: 'chat.app.{app}.replay.{replayId}.{conversation}',
  dead: 'chat.app.{app}.dead.{conversation}',
};
export const appEvent = (app: AppId, lane: LaneId): string => `${branchOf(app)}.event.${lane}`;
export const appEvents = (app: AppId): string => `${branchOf(app)}.event.>`;
/** An event that was given up on, once more: below its conversation's subject, which goes on undisturbed. */
export const appEventAgain = (app: AppId, lane: LaneId): string => `${branchOf(app)}.event.${lane}.again`;
/** `replayId` and `requestId` are names (`isName`). */
export const appReplay = (app: AppId, replayId: string, lane: LaneId): string =>
  `${branchOf(app)}.replay.${replayId}.${lane}`;
export const appReplays = (app: AppId): string => `${branchOf(app)}.replay.>`;
export const appDead = (app: AppId, lane: LaneId): string => `${branchOf(app)}.dead.${lane}`;
export const appDeads = (app: AppId): string => `${branchOf(app)}.dead.>`;
export const appReply = (app: AppId, requestId: string): string => `${branchOf(app)}.reply.${requestId}`;
export const appReplies = (app: AppId): string => `${branchOf(app)}.reply.>`;
export const appStream = (app: AppId): string => `APP_${app}`;
/** The prefix of an integration's inboxes; its subjects are `<prefix>.…`. */
export const appInbox = (app: AppId): string => `_INBOX_${app}`;

/**
 * What the server makes of the subjects on which whoever answers would answer to *any* reply subject: JetStream's consumers and
 * acknowledgements, and discovery. In the integrations' account they come to the gate, which knows whose inbox a reply may go to;
 * under `chat.js.` it passes them on, which nobody else may publish to. Source → destination, in the server's mapping syntax.
 */
export const APPS_MAPPINGS: Readonly<Record<string, string>> = {
  '$JS.API.CONSUMER.>': 'chat.gate.api.CONSUMER.>',
  '$JS.API.STREAM.INFO.*': 'chat.gate.api.STREAM.INFO.$1',
  '$JS.ACK.>': 'chat.gate.ack.>',
  '$SRV.>': 'chat.gate.srv.>',
  'chat.js.api.>': '$JS.API.>',
  'chat.js.ack.>': '$JS.ACK.>',
  'chat.js.srv.>': '$SRV.>',
};
/**
 * MQTT clients have an account of their own beside it (the server keeps their sessions in streams by the very requests that are
 * mapped): what crosses between the two, without a reply subject, which MQTT has not.
 */
export const MQTT_ACCOUNT_SUFFIX = '_MQTT';
export const APPS_TO_MQTT: readonly string[] = ['event', 'replay', 'dead', 'reply'].map((of) => `chat.app.*.${of}.>`);
export const MQTT_TO_APPS = 'chat.app.*.cmd.*';
export const GATE_API = 'chat.gate.api.';
export const GATE_ACK = 'chat.gate.ack.';
export const GATE_SRV = 'chat.gate.srv.';
/** JetStream's API as the bridge asks it in the integrations' account. */
export const APPS_JETSTREAM = 'chat.js.api';
export const APPS_ACK = 'chat.js.ack';
export const APPS_SRV = 'chat.js.srv';

/** How far the bridge has come for an integration, one subject each. */
export const bridgePosition = (app: AppId): string => `chat.bridge.${app}`;
export const allBridgePositions = 'chat.bridge.*';
/** What the server says of messages that a consumer was given for the last time, or refused for good: `….<stream>.<consumer>`. */
export const CONSUMER_ADVISORIES: readonly string[] = [
  '$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.*.*',
  '$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.*.*',
];

/** Webhooks: who sends them, how far each integration's have come, and the conversations that its receiver keeps waiting. */
export const WEBHOOK_LEASE = 'chat.webhook.lease';
export const webhookPosition = (app: AppId): string => `chat.webhook.at.${app}`;
/** `line`: the end of a subject of the integration's events. */
export const webhookBehind = (app: AppId, line: string): string => `chat.webhook.behind.${app}.${line}`;
export const webhooksBehind = (app: AppId): string => `chat.webhook.behind.${app}.>`;
export const allWebhookSubjects = 'chat.webhook.>';

/** `chat.lane.<p>.*` → `chat.live.<p>.<lane>`, in the server's mapping syntax. */
export const republishTarget = (partition: number): string => `chat.live.${partition}.{{wildcard(1)}}`;

export const laneStream = (partition: number): string => `LANES_${partition}`;
export const receiptStream = (partition: number): string => `RECEIPTS_${partition}`;
export const UNDELIVERED_STREAM = 'UNDELIVERED';
export const INTEGRATION_STREAM = 'LANES_INTEGRATIONS';
export const REVOCATION_STREAM = 'LANES_REVOCATIONS';
export const BRIDGE_STREAM = 'LANES_BRIDGE';
export const ADVISORY_STREAM = 'LANES_ADVISORIES';
export const WEBHOOK_STREAM = 'LANES_WEBHOOKS';
export const SNAPSHOT_STREAM = 'LANE_SNAPSHOTS';
/** Where the installation's fixed facts are kept (the number of partitions). */
export const INSTALLATION_BUCKET = 'LANES_INSTALLATION';

/** The integration of a `chat.integration.<app>…` subject; undefined: no name. */
export const appOfSubject = (subject: string): AppId | undefined => parseAppId(subject.split('.')[2]);

/** The integration of an `APP_<app>` stream; undefined: not such a stream. */
export const appOfStream = (name: string): AppId | undefined =>
  name.startsWith('APP_') ? parseAppId(name.slice(4)) : undefined;
/** `chat.app.<app>.<branch>.…`: the branch, and the tokens after it. */
export const branchOfSubject = (subject: string): { readonly branch: string; readonly rest: readonly string[] } => {
  const [, , , branch = '', ...rest] = subject.split('.');
  return { branch, rest };
};

/** The lane of a `chat.lane.<p>.<lane>`, `chat.live.…` or `chat.snapshot.…` subject. */
export const laneOfSubject = (subject: string): LaneId => {
  const from = subject.indexOf('.', subject.indexOf('.', 5) + 1) + 1;
  const to = subject.indexOf('.', from);
  return (to < 0 ? subject.slice(from) : subject.slice(from, to)) as LaneId;
};
