/** What `lanes doctor` looks at. Each check answers findings and never throws: a broken part must not hide the others. */
import { existsSync, readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { laneStream, SNAPSHOT_STREAM } from '../../schema/subjects.ts';
import type { Config, Settings } from '../config.ts';
import { pathsOf } from '../embedded/data-dir.ts';
import { inspectMongo, inspectNats, type StreamReport } from '../embedded/inspect.ts';
import { SOURCES, versionOf, whyNot } from '../embedded/sources.ts';
import { adminPortOf } from '../metrics.ts';

const ANSWER_MS = 3000;
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

export function checkSettings({ environment, fsync, nats, host, jwt }: Settings): Finding[] {
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
export function checkData({ dataDir }: Settings): Finding[] {
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

export async function checkNats(config: Config): Promise<Finding[]> {
  try {
    const { version, roundTripMs, streams } = await inspectNats(config.nats);
    const parsed = versionOf(version);
    const refused = parsed === undefined ? 'says no version' : whyNot(SOURCES['nats-server'], parsed);
    const says = `nats-server ${version}, JetStream, ${roundTripMs} ms away`;
    const server = refused === undefined ? ok('nats', says) : bad('nats', refused, 'run nats-server 2.14.3 or newer');
    return [server, ...checkStreams(config, streams)];
  } catch (error) {
    return [
      bad('nats', `${config.nats.servers.join(', ')}: ${messageOf(error)}`, 'start it, or correct LANES_NATS_URL'),
    ];
  }
}

function checkStreams({ partitions }: Config, streams: readonly StreamReport[]): Finding[] {
  const wanted = [...Array.from({ length: partitions }, (_, p) => laneStream(p)), SNAPSHOT_STREAM];
  const there = new Set(streams.map(({ name }) => name));
  const missing = wanted.filter((name) => !there.has(name));
  const lanes = streams.filter(({ name }) => wanted.includes(name));
  const findings: Finding[] = [];
  if (missing.length === wanted.length)
    findings.push(warning('streams', 'none yet', 'the first start of the api makes them'));
  else if (missing.length > 0)
    findings.push(
      bad('streams', `${missing.join(', ')} missing`, 'start the api; if messages were lost, restore a backup'),
    );
  else {
    const sum = (of: (stream: StreamReport) => number) => lanes.reduce((total, stream) => total + of(stream), 0);
    const says = `${lanes.length}, ${sum(({ messages }) => messages)} records, ${gib(sum(({ bytes }) => bytes))}`;
    findings.push(ok('streams', says));
  }
  if (there.has(laneStream(partitions)))
    findings.push(bad('partitions', `the streams have more than LANES_PARTITIONS=${partitions}`, 'set it as it was'));
  const filling = lanes.filter(({ bytes, maxBytes }) => maxBytes > 0 && bytes > maxBytes * STREAM_FULL_PART);
  if (filling.length > 0) {
    const says = filling
      .map(({ name, bytes, maxBytes }) => `${name} ${Math.round((100 * bytes) / maxBytes)} %`)
      .join(', ');
    findings.push(
      warning('streams', `nearly full: ${says}`, 'raise LANES_STORE_BYTES; full streams refuse with STORE_FULL'),
    );
  }
  return findings;
}

export async function checkMongo(config: Config): Promise<Finding[]> {
  const where = new URL(config.mongo.url.replace(/,[^/]*/, '')).host;
  try {
    const { version, set, writable, roundTripMs } = await inspectMongo(config.mongo);
    const parsed = versionOf(version);
    const refused = parsed === undefined ? 'says no version' : whyNot(SOURCES.mongod, parsed);
    if (refused !== undefined) return [bad('mongo', refused, 'run MongoDB 6.0 to 8.x')];
    if (set === null) return [bad('mongo', 'not a replica set', 'start mongod with --replSet (one member is enough)')];
    if (!writable) return [bad('mongo', `set ${set} has no primary here`, 'see rs.status(); the majority must be up')];
    return [ok('mongo', `mongod ${version}, set ${set}, ${roundTripMs.toFixed(1)} ms away`)];
  } catch (error) {
    return [
      bad('mongo', `${where}: ${messageOf(error)}`, 'start it, or correct LANES_MONGO_URL; sends go on meanwhile'),
    ];
  }
}

export async function checkApi({ host, port }: Settings): Promise<Finding[]> {
  const url = `http://${reachable(host)}:${port}/readyz`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
    if (answer.ok) return [ok('api', `${url} is ready`)];
    return [
      bad('api', `${url}: ${answer.status} ${(await answer.text()).trim().slice(0, 200)}`, 'the reason names the part'),
    ];
  } catch {
    return [bad('api', `${url} does not answer`, 'run "npm start" or "lanes api", or correct LANES_PORT')];
  }
}

/** By its own figures: how far it is behind, and what it had to park. */
export async function checkProjector(settings: Settings): Promise<Finding[]> {
  const url = `http://${reachable(settings.host)}:${adminPortOf(settings, 'projector')}/metrics`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
    const figures = await answer.text();
    const lag = greatest(figures, /^lanes_projector_lag_records(?:\{[^}]*\})? (\S+)$/gm);
    const parked = greatest(figures, /^lanes_projector_parked(?:_total)?(?:\{[^}]*\})? (\S+)$/gm);
    if (parked > 0) return [bad('projector', `${parked} records are parked`, 'see its log, then "lanes verify"')];
    if (lag > 10_000)
      return [warning('projector', `${lag} records behind`, 'is MongoDB slow? History is late, not lost')];
    return [ok('projector', `${lag} records behind`)];
  } catch {
    return [
      bad('projector', `${url} does not answer`, 'run "npm start" or "lanes projector"; history waits, sends go on'),
    ];
  }
}

function greatest(figures: string, pattern: RegExp): number {
  return Math.max(0, ...[...figures.matchAll(pattern)].map(([, value]) => Number(value)));
}

const reachable = (host: string): string => (host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host);
