/**
 * The making of an installation's streams: what is missing is made, what is there is checked and brought up to date as long
 * as nothing stored is touched, and what cannot be mended is an error that says so.
 */
import { INSTALLATION_STREAM, PARTITIONS_KEY, type StreamConfig, streamsOf } from '../../schema/streams.ts';
import { laneStream } from '../../schema/subjects.ts';
import { ConfigError } from '../config.ts';
import type { Logger } from '../logger.ts';
import { ApiRefusal, type Questions } from './ask.ts';
import { JournalUnavailable } from './journal.ts';
import { expectedHeader } from './message.ts';
import {
  reportOf,
  SERVER_VERSION_MIN,
  type StreamThere,
  type TopologyOptions,
  type TopologyReport,
} from './topology.ts';

/** JetStream's own numbers for what was asked and is not so. */
const NAME_IN_USE = 10058;
const NO_ROOM = [10023, 10047, 10122];
/** A server without room for two of a stream refuses the second of two starts while it makes the first's: looked for so often. */
const OTHER_LOOKS = 10;
const OTHER_WAIT_MS = 100;

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
  // What gives room back comes first: the others may need it.
  const isAbove = ({ name, max_bytes }: StreamConfig) => Number(there.get(name)?.config.max_bytes) > max_bytes;
  for (const some of [streams.filter(isAbove), streams.filter((stream) => !isAbove(stream))])
    await Promise.all(some.map((stream) => ensureStream(questions, stream, there.get(stream.name), options)));
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

interface StreamPage {
  readonly total: number;
  readonly streams: StreamThere[] | null;
  readonly missing?: readonly string[] | null;
}

/** Every stream of the account, by its name. Throws JournalUnavailable, ApiRefusal. */
export async function listStreams(questions: Questions): Promise<ReadonlyMap<string, StreamThere>> {
  const all = new Map<string, StreamThere>();
  for (;;) {
    const page = await questions.api<StreamPage>('STREAM.LIST', { offset: all.size });
    // Of several servers: these are there, and nobody could tell how they are.
    if (page.missing?.length) throw new JournalUnavailable(`no leader answers for ${page.missing.join(', ')}`);
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
  const stored = await questions.stored(INSTALLATION_STREAM, { last_by_subj: PARTITIONS_KEY });
  return stored && Number(Buffer.from(stored.data).toString());
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
    const isLowering = mended.every(
      ({ field, expected: to, actual }) => field === 'max_bytes' && Number(to) < Number(actual),
    );
    try {
      await questions.api(`STREAM.UPDATE.${expected.name}`, { ...there.config, ...changes });
    } catch (error) {
      // A server that has promised more than it has refuses even to promise less.
      if (!(error instanceof ApiRefusal && isLowering)) throw error;
      const reason = error.message;
      options.log.warn({ stream: expected.name, changes, reason }, 'a stream cannot be lowered: raise max_file_store');
      return;
    }
    options.log.info({ stream: expected.name, changes }, 'stream brought up to date');
  } catch (error) {
    // Somebody else made it, or is about to and has its room promised: what they made is checked in its turn.
    if (!there && error instanceof ApiRefusal && [NAME_IN_USE, ...NO_ROOM].includes(error.code)) {
      const made = await madeByOther(questions, expected.name);
      if (made) return ensureStream(questions, expected, made, options);
    }
    throw error instanceof ApiRefusal ? refusalOf(expected, error) : error;
  }
}

async function madeByOther(questions: Questions, name: string): Promise<StreamThere | undefined> {
  for (let looks = 1; ; looks++) {
    const made = (await listStreams(questions)).get(name);
    if (made || looks === OTHER_LOOKS) return made;
    await new Promise((wake) => setTimeout(wake, OTHER_WAIT_MS));
  }
}

function refusalOf({ name, max_bytes }: StreamConfig, error: ApiRefusal): ConfigError {
  const helps = NO_ROOM.includes(error.code)
    ? `: it may hold ${max_bytes} bytes; make room, raise the server's max_file_store or lower LANES_STORE_BYTES`
    : '';
  return new ConfigError(`stream ${name} cannot be made: ${error.message}${helps}`);
}
