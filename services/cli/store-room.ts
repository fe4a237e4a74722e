/** What the streams of both accounts may hold, beside the one budget of them all. */
import { budgetOf } from '../../schema/streams.ts';
import { appOfStream } from '../../schema/subjects.ts';
import type { Config, NatsAddress } from '../config.ts';
import { Questions } from '../journal/ask.ts';
import { listStreams } from '../journal/installation.ts';
import type { Integrations } from '../journal/integrations.ts';
import { openLink } from '../journal/link.ts';
import type { StreamThere } from '../journal/topology.ts';
import type { Logger } from '../logger.ts';

const ANSWER_MS = 5_000;

export interface StoreRoom {
  readonly streams: number;
  readonly storedBytes: number;
  /** What they may hold, and what MQTT's sessions have beside them. */
  readonly mayHoldBytes: number;
  /** Of integrations. */
  readonly apps: ReadonlyMap<string, StreamThere>;
  readonly appsMayHoldBytes: number;
}

/** Without a user of the bridge nothing is known of the streams of integrations. Throws where NATS does not answer. */
export async function readStoreRoom(
  config: Pick<Config, 'nats' | 'natsBridge' | 'storeBytes'>,
  log: Logger,
): Promise<StoreRoom> {
  const { nats, natsBridge, storeBytes } = config;
  const ours = await streamsAt(nats, log);
  const theirs = natsBridge === null ? [] : await streamsAt(natsBridge, log);
  const apps = new Map(theirs.filter(({ config: { name } }) => appOfStream(name)).map((one) => [one.config.name, one]));
  const all = [...ours, ...theirs];
  return {
    streams: all.length,
    storedBytes: sumOf(all, ({ state }) => state.bytes),
    mayHoldBytes: sumOf(all, mayHold) + budgetOf(storeBytes).mqtt,
    apps,
    appsMayHoldBytes: sumOf([...apps.values()], mayHold),
  };
}

/** Undefined: one more integration finds room. Else why not, and what helps. */
export async function whyNoRoom(
  config: Pick<Config, 'nats' | 'natsBridge' | 'storeBytes' | 'appStreams'>,
  registry: Pick<Integrations, 'list'>,
  log: Logger,
): Promise<string | undefined> {
  const { storeBytes, appStreams } = config;
  const { apps, appsMayHoldBytes } = await readStoreRoom(config, log);
  const coming = registry.list().filter(({ app, revokedAt }) => revokedAt === undefined && !apps.has(`APP_${app}`));
  const taken = appsMayHoldBytes + coming.length * appStreams.maxBytes;
  const share = budgetOf(storeBytes).apps;
  if (taken + appStreams.maxBytes <= share) return undefined;
  return `there is no room for another integration: ${apps.size + coming.length} have ${mib(taken)} of the ${mib(share)} that all may have, and it would need ${mib(appStreams.maxBytes)}. Lower LANES_APP_STREAM_BYTES (and start the bridge again), or raise LANES_STORE_BYTES`;
}

async function streamsAt(address: NatsAddress, log: Logger): Promise<readonly StreamThere[]> {
  const link = await openLink({ ...address, log, name: 'lanes-room', signal: AbortSignal.timeout(ANSWER_MS) });
  try {
    return [...(await listStreams(new Questions(link))).values()];
  } finally {
    await link.close();
  }
}

const mayHold = ({ config, state }: StreamThere): number => Math.max(Number(config.max_bytes), state.bytes);
const sumOf = (streams: readonly StreamThere[], of: (stream: StreamThere) => number): number =>
  streams.reduce((sum, stream) => sum + of(stream), 0);
const mib = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`;
