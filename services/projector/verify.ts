/** History against the lanes: what each lane was at the start must be in history, in order, with the same content, and nothing else. */
import { type LaneId, parseLaneId, type Revision, revisionOf, seqOf } from '../../schema/ids.ts';
import { partitionOf } from '../../schema/subjects.ts';
import { type Config, ConfigError } from '../config.ts';
import type { Journal } from '../journal/journal.ts';
import type { Logger } from '../logger.ts';
import { pause } from '../persist.ts';
import { Audit } from '../views/audit.ts';
import { readGeneration } from '../views/generation.ts';
import { Comparison, type Difference } from './compare.ts';
import { laneSource, partitionSource } from './source.ts';
import { type Stores, withStores } from './stores.ts';

/** So long the projector may stand still before it counts as not running. */
const STANDSTILL_MS = 30_000;
const LOOK_EVERY_MS = 50;
/** Each holds a seq for every lane of its partition. */
const PARTITIONS_AT_ONCE = 3;

export interface VerifyOptions {
  readonly conversation?: LaneId;
  /** Gets one line for each difference. */
  readonly print: (line: string) => void;
  /** The projector may be behind, and stand still, for so long. Default 30 s. */
  readonly standstillMs?: number;
}
export interface Verified {
  readonly differences: number;
  /** Events that were compared. */
  readonly events: number;
}

/** Opens the stores and verifies. Throws ConfigError, one line, when it cannot be told. */
export const verify = (options: VerifyOptions & { readonly config: Config; readonly log: Logger }): Promise<Verified> =>
  withStores(options.config, options.log, 'verify', (stores) => verifyHistory(stores, options));

export async function verifyHistory({ journal, mongo }: Stores, options: VerifyOptions): Promise<Verified> {
  const db = await mongo.db();
  const generation = await readGeneration(db);
  if (generation === undefined)
    throw new ConfigError('there is no history yet: the projector never ran (lanes projector, or npm start)');
  const audit = new Audit(db, generation);
  let differences = 0;
  const say = (line: string): void => {
    differences++;
    options.print(line);
  };
  const tell = ({ lane, says }: Difference): void => say(`${lane}: ${says}`);
  if (!(await audit.hasKeyIndex())) say('history: its unique index of keys is missing');
  const run = { journal, audit, tell, say, standstillMs: options.standstillMs ?? STANDSTILL_MS };
  const events = options.conversation ? await verifyLane(run, options.conversation) : await verifyAll(run);
  if ((await readGeneration(db)) !== generation)
    throw new ConfigError('history was rebuilt while it was verified: run it again');
  return { differences, events };
}

interface Run {
  readonly journal: Journal;
  readonly audit: Audit;
  readonly tell: (difference: Difference) => void;
  readonly say: (line: string) => void;
  readonly standstillMs: number;
}

async function verifyAll(run: Run): Promise<number> {
  const { journal } = run;
  const partitions = Array.from({ length: journal.partitions }, (_, p) => p);
  const ends = await Promise.all(partitions.map((p) => journal.partitionEnd(p)));
  await Promise.all(partitions.map((p) => projected(run, p, ends[p] ?? revisionOf(0))));
  const counts: number[] = [];
  const work = async (): Promise<void> => {
    for (let p = partitions.shift(); p !== undefined; p = partitions.shift())
      counts.push(await verifyPartition(run, p, ends[p] ?? revisionOf(0)));
  };
  await Promise.all(Array.from({ length: PARTITIONS_AT_ONCE }, work));
  await unknownLanes(run);
  return counts.reduce((sum, count) => sum + count, 0);
}

async function verifyPartition({ journal, audit, tell, say }: Run, partition: number, end: Revision): Promise<number> {
  const w = (await audit.position(partition))?.w ?? 0;
  const now = await journal.partitionEnd(partition);
  if (w > now) say(`partition ${partition}: history reaches to stream sequence ${w}, and the stream ends at ${now}`);
  const comparison = new Comparison(audit, await audit.parked(partition), tell);
  const source = partitionSource(journal, partition);
  for await (const records of source(revisionOf(1), end)) await comparison.records(records);
  await comparison.beyond(journal, partition, end, source);
  return comparison.events;
}

async function verifyLane(run: Run, lane: LaneId): Promise<number> {
  const { journal, audit, tell, say } = run;
  const partition = partitionOf(lane, journal.partitions);
  const end = (await journal.last(lane))?.revision ?? revisionOf(0);
  await projected(run, partition, end);
  const comparison = new Comparison(audit, await audit.parked(partition, lane), tell);
  const source = laneSource(journal, lane);
  for await (const records of source(revisionOf(1), end)) await comparison.records(records);
  if (comparison.ends.size > 0) await comparison.beyond(journal, partition, end, source);
  else if ((await audit.outside([{ lane, seq: seqOf(0) }])).length > 0)
    say(`${lane}: history has events of it, and there is no such lane`);
  return comparison.events;
}

/** Settles when the projector has passed `end`. A halted partition is a difference of its own, and is not waited for. */
async function projected({ audit, say, standstillMs }: Run, partition: number, end: Revision): Promise<void> {
  let last = -1;
  let since = performance.now();
  for (;;) {
    const position = await audit.position(partition);
    const w = position?.w ?? 0;
    if (position?.halted !== undefined) return say(`partition ${partition}: ${position.halted}`);
    if (w >= end) return;
    if (w > last) since = performance.now();
    last = w;
    if (performance.now() - since > standstillMs)
      throw new ConfigError(
        `the projector stands still: partition ${partition} is projected up to ${w} of ${end}. Is it running? (lanes projector)`,
      );
    await pause(LOOK_EVERY_MS, new AbortController().signal);
  }
}

async function unknownLanes({ journal, audit, say }: Run): Promise<void> {
  for await (const some of audit.lanes()) {
    const ids = some.map(({ lane }) => parseLaneId(lane)).filter((lane) => lane !== undefined);
    const revisions = await journal.lastRevisions(ids);
    for (const { lane, events } of some) {
      const id = parseLaneId(lane);
      if (id === undefined || !revisions.get(id))
        say(`${String(lane)}: history has ${events} events of it, and there is no such lane`);
    }
  }
}
