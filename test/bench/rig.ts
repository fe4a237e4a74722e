/**
 * What every figure stands on: real servers in one durability mode, rooms on them with the rate limits lifted, users with
 * tokens, conversations with members.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { connect, type NatsConnection } from 'nats';
import type { LaneId } from '../../schema/ids.ts';
import { MAX_PARTITIONS, partitionOf } from '../../schema/subjects.ts';
import { startServers, type TestServers } from '../support/servers.ts';
import type { Mode } from './figure.ts';
import type { PublishOptions } from './generate/publish-load.ts';
import { type Room, type RoomOptions, startRoom } from './room.ts';

export const PARTITIONS = 16;
/** Said in the output wherever rooms run. */
export const LIFTED = 'rate limits lifted by settings (LANES_SENDS_PER_SECOND, LANES_SENDS_BURST)';
export const LIFTING = { LANES_SENDS_PER_SECOND: '1000000', LANES_SENDS_BURST: '1000000' };
const SETTINGS = {
  LANES_PARTITIONS: String(PARTITIONS),
  ...LIFTING,
  LANES_LOG_LEVEL: 'warn',
};
const TOKEN_SECONDS = 6 * 60 * 60;
const CREATES_AT_ONCE = 32;

export interface Rig {
  readonly mode: Mode;
  readonly servers: TestServers;
  tokenOf(user: string): string;
  startApi(nodeArgs?: readonly string[]): Promise<Room>;
  startProjector(): Promise<Room>;
  /** What starts a room of this rig. */
  roomOptions(name: RoomOptions['name'], nodeArgs?: readonly string[]): RoomOptions;
  /** Conversations by the api on that port; member 0 creates. */
  createLanes(
    port: number,
    lanes: readonly { readonly id: string; readonly members: readonly string[] }[],
  ): Promise<void>;
  /** Plain streams with as many partitions as ours, and how to publish to `subjects` subjects in them. */
  publishTo(subjects: number, payloadBytes: number, republish?: boolean): Promise<PublishOptions>;
  stop(): Promise<void>;
}

/** `profileDir`: each room writes a CPU profile there when it ends; the figures of such a run are not figures. */
export async function startRig(mode: 'always' | 'default', profileDir?: string): Promise<Rig> {
  const servers = await startServers({ fsync: mode });
  const secret = randomBytes(32).toString('hex');
  const environment = servers.environment({ ...SETTINGS, LANES_JWT_SECRET: secret, LANES_FSYNC: mode });
  const tokenOf = (user: string) => signToken(secret, user);
  const roomOptions: Rig['roomOptions'] = (name, nodeArgs = []) => ({
    name,
    environment,
    nodeArgs: [...nodeArgs, ...(profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`])],
    logDir: servers.dir,
  });
  return {
    mode,
    servers,
    tokenOf,
    roomOptions,
    startApi: (nodeArgs) => startRoom(roomOptions('api', nodeArgs)),
    startProjector: () => startRoom(roomOptions('projector')),
    createLanes: async (port, lanes) => {
      const waiting = [...lanes];
      const worker = async () => {
        for (let lane = waiting.pop(); lane !== undefined; lane = waiting.pop())
          await createLane(port, tokenOf(lane.members[0] ?? ''), lane);
      };
      await Promise.all(Array.from({ length: CREATES_AT_ONCE }, worker));
    },
    publishTo: (subjects, payloadBytes, republish) => limitStreams(servers, subjects, payloadBytes, republish),
    stop: () => servers.stop(),
  };
}

function signToken(secret: string, user: string): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, exp: Math.floor(Date.now() / 1000) + TOKEN_SECONDS })}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}

const CREATE =
  'mutation($input:CreateConversationInput!){createConversation(input:$input){accepted{seq}refused{code message}}}';

async function createLane(port: number, token: string, { id, members }: { id: string; members: readonly string[] }) {
  const input = { id, members, clientKey: `create-${id}`.slice(0, 64) };
  const answer = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: CREATE, variables: { input } }),
  });
  const text = await answer.text();
  if (!text.includes('"accepted":{'))
    throw new Error(`createConversation ${id}: ${answer.status} ${text.slice(0, 400)}`);
}

export async function connectNats(servers: TestServers): Promise<NatsConnection> {
  const { url, user, password } = servers.nats;
  return connect({ servers: url, user, pass: password });
}

/** The same layout as ours (file storage, one replica, subjects spread by the same hash), and nothing else of ours. */
async function limitStreams(
  servers: TestServers,
  subjects: number,
  payloadBytes: number,
  republish = false,
): Promise<PublishOptions> {
  const connection = await connectNats(servers);
  const manager = await connection.jetstreamManager();
  const prefix = republish ? 'live' : 'bench';
  for (let p = 0; p < Math.min(PARTITIONS, MAX_PARTITIONS); p++) {
    await manager.streams.add({
      name: `${prefix.toUpperCase()}_LIMIT_${p}`,
      subjects: [`${prefix}.${p}.*`],
      ...(republish ? { republish: { src: `${prefix}.${p}.*`, dest: `${prefix}.sent.${p}.{{wildcard(1)}}` } } : {}),
    });
  }
  await connection.close();
  const { url, user, password } = servers.nats;
  const names = Array.from({ length: subjects }, (_, i) => `lane${i}`);
  return {
    kind: 'publish',
    url,
    user,
    password,
    payloadBytes,
    subjects: names.map((name) => `${prefix}.${partitionOf(name as LaneId, PARTITIONS)}.${name}`),
  };
}
