/** What `lanes doctor` looks at. Each check answers findings and never throws: a broken part must not hide the others. */
import { existsSync, readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SNAPSHOT_STREAM } from '../../schema/subjects.ts';
import { type Config, ConfigError, readSettings, type Settings } from '../config.ts';
import { openConfig, pathsOf } from '../embedded/data-dir.ts';
import { inspectMongo, inspectNats } from '../embedded/inspect.ts';
import { flawsOf, MONGODB_RELEASE, mendedOf, SOURCES, type Version, versionOf, whyNot } from '../embedded/sources.ts';
import { inspectTopology } from '../journal/jetstream.ts';
import type { StreamReport, TopologyReport } from '../journal/topology.ts';
import { createLogger, type Logger } from '../logger.ts';
import { within } from '../within.ts';
import { checkBudget } from './check-budget.ts';
import { checkDoors } from './check-doors.ts';
import { checkBridge, checkNotifier, checkProjector, checkStore, reachable } from './check-rooms.ts';

const ANSWER_MS = 3000;
/** Of one check, however many servers it asks. */
const CHECK_MS = 10_000;
const DISK_FREE_LEAST = 0.05;
const STREAM_FULL_PART = 0.8;

export type Finding = {
  readonly state: 'ok' | 'warning' | 'bad';
  readonly what: string;
  readonly says: string;
  /** How to mend it; of a finding that is not `ok`. */
  readonly mend?: string;
};

const ok = (what: string, says: string): Finding => ({ state: 'ok', what, says });
const warning = (what: string, says: string, mend: string): Finding => ({ state: 'warning', what, says, mend });
const bad = (what: string, says: string, mend: string): Finding => ({ state: 'bad', what, says, mend });
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;

/** Every check in turn, each finding told as it is found. */
export async function examine(tell: (finding: Finding) => void): Promise<Finding[]> {
  const all: Finding[] = [];
  const add = (findings: readonly Finding[]) => {
    for (const finding of findings) tell(finding);
    all.push(...findings);
  };
  try {
    const settings = readSettings();
    add(checkSettings(settings));
    add(checkData(settings));
    const config = openConfig(settings);
    const nats = await inTime('nats', checkNats(config));
    add(nats);
    if (nats.every(({ state }) => state === 'ok')) {
      add(await inTime('streams', checkStreams(config, createLogger({ logLevel: 'silent' }, 'doctor', 2))));
      add(await inTime('budget', checkBudget(config, settings)));
      add(await inTime('integrations', checkDoors(config)));
    }
    add(await inTime('mongo', checkMongo(config)));
    add(await checkApi(settings));
    add(await checkStore(settings));
    add(await checkProjector(settings));
    add(await checkNotifier(settings));
    add(await checkBridge(settings));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    add([{ state: 'bad', what: 'settings', says: error.message, mend: 'correct that, then run this again' }]);
  }
  return all;
}

/** What a check found by then, or that it found nothing: a server that hangs does not hide the others. */
async function inTime(what: string, check: Promise<Finding[]>): Promise<Finding[]> {
  let found: Finding[] = [
    bad(what, `no answer within ${CHECK_MS / 1_000} s`, 'one of its servers hangs, or is overloaded: see their logs'),
  ];
  const done = check.then((findings) => {
    found = findings;
  });
  await within(CHECK_MS, done);
  return found;
}

function checkSettings({ environment, fsync, nats, host, jwt }: Settings): Finding[] {
  const open = !['127.0.0.1', '::1', 'localhost'].includes(host);
  const findings = [ok('settings', `${environment}, every LANES_… name and value is known`)];
  if (nats === null && fsync === 'default')
    findings.push(
      warning(
        'durability',
        'LANES_FSYNC=default: a power cut can lose 2 minutes of accepted messages',
        'unset LANES_FSYNC',
      ),
    );
  if (open && jwt.secret === null && jwt.jwksUrl === null)
    findings.push(
      bad(
        'tokens',
        `LANES_HOST=${host} lets others in, with a development secret`,
        'set LANES_JWT_SECRET or LANES_JWKS_URL',
      ),
    );
  return findings;
}

/** Free space for what the streams may still take, and secrets that only their owner can read. */
function checkData({ dataDir }: Settings): Finding[] {
  if (!existsSync(dataDir)) return [warning('data', `${dataDir} is not there yet`, 'the first "npm start" makes it')];
  const { bavail, blocks, bsize } = statfsSync(dataDir);
  const says = `${dataDir}: ${gib(bavail * bsize)} of ${gib(blocks * bsize)} free`;
  const full = bavail < blocks * DISK_FREE_LEAST;
  const findings = [full ? bad('disk', says, 'make room, or move LANES_DATA to a larger disk') : ok('disk', says)];
  const { secrets } = pathsOf(dataDir);
  const names = existsSync(secrets) ? readdirSync(secrets) : [];
  const loose = names.filter((name) => (statSync(join(secrets, name)).mode & 0o077) !== 0);
  if (loose.length > 0)
    findings.push(bad('secrets', `others may read ${loose.join(', ')} in ${secrets}`, `chmod 600 ${secrets}/*`));
  return findings;
}

async function checkNats({ nats }: Config): Promise<Finding[]> {
  try {
    const { version, roundTripMs } = await inspectNats(nats);
    const parsed = versionOf(version);
    const refused = parsed === undefined ? 'says no version' : whyNot(SOURCES['nats-server'], parsed);
    if (refused !== undefined) return [bad('nats', refused, 'run nats-server 2.14.3 or newer')];
    return [ok('nats', `nats-server ${version}, JetStream, ${roundTripMs} ms away`)];
  } catch (error) {
    return [bad('nats', `${nats.servers.join(', ')}: ${messageOf(error)}`, 'start it, or correct LANES_NATS_URL')];
  }
}

/** The streams as they are and as they should be. Only where NATS answers. */
async function checkStreams(config: Config, log: Logger): Promise<Finding[]> {
  const { nats, partitions, storeBytes: maxBytes } = config;
  const signal = AbortSignal.timeout(ANSWER_MS);
  try {
    const report = await inspectTopology({ ...nats, partitions, maxBytes, log, name: 'doctor', signal });
    if (report.partitions === undefined)
      return [warning('streams', 'none yet', 'the first start of the api or the projector makes them')];
    return [
      ...[...checkPartitions(report), ...report.streams.flatMap(checkStream), ...checkReplicas(report)],
      summaryOf(report),
    ];
  } catch (error) {
    return [bad('streams', messageOf(error), 'is JetStream enabled for our user?')];
  }
}

function checkPartitions({ partitions, expectedPartitions }: TopologyReport): Finding[] {
  if (partitions === expectedPartitions) return [];
  const says = `made with ${partitions}, LANES_PARTITIONS is ${expectedPartitions}`;
  return [bad('partitions', says, `set LANES_PARTITIONS=${partitions}: the number is fixed at the installation`)];
}

function checkStream({ name, state, differences, bytes, maxBytes }: StreamReport): Finding[] {
  const lines = differences.map(({ field, expected, actual }) => {
    return `${field} is ${JSON.stringify(actual)}, should be ${JSON.stringify(expected)}`;
  });
  switch (state) {
    case 'missing':
      return [
        bad('streams', `${name} is missing`, 'the next start makes it; if it held messages, restore a backup first'),
      ];
    case 'broken':
      return [bad('streams', `${name}: ${lines.join('; ')}`, 'no update can change that: restore a backup')];
    case 'differs':
      return [
        warning('streams', `${name}: ${lines.join('; ')}`, 'the next start of the api or the projector mends it'),
      ];
    case 'ok': {
      if (maxBytes <= 0 || bytes <= maxBytes * STREAM_FULL_PART || name === SNAPSHOT_STREAM) return [];
      const says = `${name} is ${Math.round((100 * bytes) / maxBytes)} % full; then sends are refused with STORE_FULL`;
      return [warning('streams', says, 'raise LANES_STORE_BYTES, and the disk')];
    }
    default:
      return state satisfies never;
  }
}

/** Of several servers: streams that would stop, or be lost, with one of them, and servers that do not keep up. */
export function checkReplicas({ server, streams }: Pick<TopologyReport, 'server' | 'streams'>): Finding[] {
  if (!server.isClustered) return [];
  const alone = streams.filter(({ replicas }) => replicas > 0 && replicas < 3).map(({ name }) => name);
  const lame = new Map<string, number>();
  for (const name of streams.flatMap((stream) => stream.lame)) lame.set(name, (lame.get(name) ?? 0) + 1);
  const findings = [...lame].map(([name, count]) => {
    const says = `${name} is down, frozen or behind: ${count} streams have a replica less`;
    return bad('cluster', says, 'start it, or see its log; while it is away another one must not be');
  });
  if (alone.length > 0) {
    const says = `${alone.length} streams have fewer than 3 replicas: ${alone.slice(0, 5).join(', ')}${alone.length > 5 ? ', …' : ''}`;
    findings.push(bad('cluster', says, 'for each of them: nats stream edit <name> --replicas 3'));
  }
  return findings;
}

function summaryOf({ streams }: TopologyReport): Finding {
  const sum = (of: (stream: StreamReport) => number) => streams.reduce((total, stream) => total + of(stream), 0);
  const [records, bytes, most] = [sum((one) => one.messages), sum((one) => one.bytes), sum((one) => one.maxBytes)];
  return ok('streams', `${streams.length}, ${records} records, ${gib(bytes)} of at most ${gib(most)}`);
}

async function checkMongo(config: Config): Promise<Finding[]> {
  const where = new URL(config.mongo.url.replace(/,[^/]*/, '')).host;
  try {
    const { version, set, writable, compressors, roundTripMs, lame } = await inspectMongo(config.mongo);
    const parsed = versionOf(version);
    const refused = parsed === undefined ? 'says no version' : whyNot(SOURCES.mongod, parsed);
    if (refused !== undefined) return [bad('mongo', refused, 'run MongoDB 6.0 to 8.x')];
    if (set === null) return [bad('mongo', 'not a replica set', 'start mongod with --replSet (one member is enough)')];
    if (!writable) return [bad('mongo', `set ${set} has no primary here`, 'see rs.status(); the majority must be up')];
    const away = ok('mongo', `mongod ${version}, set ${set}, ${roundTripMs.toFixed(1)} ms away`);
    const members = lame.map((host) =>
      bad('mongo', `${host} of set ${set} is down, frozen or behind`, 'start it, or see rs.status() and its log'),
    );
    return [away, ...members, ...(parsed === undefined ? [] : checkFlaws(parsed, compressors))];
  } catch (error) {
    return [
      bad('mongo', `${where}: ${messageOf(error)}`, 'start it, or correct LANES_MONGO_URL; sends go on meanwhile'),
    ];
  }
}

/** What is known to be wrong with that patch of mongod; a flaw of zlib is none where it is off. */
export function checkFlaws(version: Version, compressors: readonly string[]): Finding[] {
  const flaws = flawsOf(version).filter((flaw) => !flaw.includes('zlib') || compressors.includes('zlib'));
  if (flaws.length === 0) return [];
  const [mended, newest] = [mendedOf(version), `MongoDB ${MONGODB_RELEASE} or newer`];
  const mend = `run ${mended === undefined || mended === MONGODB_RELEASE ? newest : `${mended}, or ${newest}`}; until then let nobody reach it but Lanes`;
  return [warning('mongo', `mongod ${version.join('.')} has known flaws (${flaws.join('; ')})`, mend)];
}

async function checkApi({ host, port }: Settings): Promise<Finding[]> {
  const url = `http://${reachable(host)}:${port}/readyz`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
    const says = (await answer.text()).trim().slice(0, 200);
    if (answer.ok && says === 'ready') return [ok('api', `${url} is ready`)];
    if (answer.ok) return [bad('api', `${url}: ${says}`, 'a leader is elected within 9 s where a majority is up')];
    return [bad('api', `${url}: ${answer.status} ${says}`, 'the reason names the part')];
  } catch {
    return [bad('api', `${url} does not answer`, 'run "npm start" or "lanes api", or correct LANES_PORT')];
  }
}
