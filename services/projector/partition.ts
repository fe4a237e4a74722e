/** One partition's way into history: read, project, insert, then what hangs on it, then the watermark. */
import { type Revision, revisionOf } from '../../schema/ids.ts';
import type { Journal, StoredRecord } from '../journal/journal.ts';
import { Abandoned, pause, persist } from '../persist.ts';
import { type Activity, type MembershipChange, project } from '../views/project.ts';
import type { Unit } from '../views/store.ts';
import type { PositionDocument } from '../views/views.ts';
import type { Session } from './session.ts';

const BATCH_RECORDS = 500;
/** Where history was made from another stream, it is looked this often whether that has changed. */
const HALTED_MS = 5_000;

interface Batch {
  /** Those that can be projected, and those that cannot, with the reason. */
  readonly units: readonly Unit[];
  readonly poison: readonly { readonly unit: Unit; readonly reason: string }[];
  readonly memberships: readonly MembershipChange[];
  readonly activity: readonly Activity[];
  readonly first: StoredRecord;
  readonly last: StoredRecord;
}

/**
 * Projects until `signal` aborts, or the record `until` is in history; what is under way is finished. Throws Abandoned when
 * the session ends before.
 */
export async function projectPartition(
  journal: Journal,
  session: Session,
  partition: number,
  { signal, until = Number.POSITIVE_INFINITY }: { readonly signal: AbortSignal; readonly until?: number },
): Promise<void> {
  const start = await startOf(journal, session, partition, signal).catch((error: unknown) => {
    if (error instanceof Abandoned && signal.aborted) return undefined;
    throw error;
  });
  if (!start || signal.aborted) return;
  session.began(partition, start.w);
  let settled: Promise<void> = Promise.resolve();
  // From the watermark itself, not behind it: that record says whether this is still the same stream.
  const from = revisionOf(Math.max(1, Math.min(start.listed + 1, start.w)));
  if (from > until) return;
  for await (const read of journal.consume(partition, from, { maxBatch: BATCH_RECORDS, signal })) {
    const batch = batchOf(
      partition,
      read.filter(({ revision }) => revision <= until),
      start.w,
    );
    const { done } = await session.writer.write(batch.units);
    const before = settled;
    settled = settle(session, partition, batch, done, before);
    settled.catch(() => undefined);
    // One batch settles while the next is read and inserted.
    await before;
    if (batch.last.revision >= until) break;
  }
  await settled;
}

/** After the batch before it, so that the watermark never passes anything that is not written. */
async function settle(
  session: Session,
  partition: number,
  batch: Batch,
  inserted: Promise<(string | undefined)[]>,
  before: Promise<void>,
): Promise<void> {
  const reasons = await inserted;
  await before;
  const refused = batch.units.flatMap((unit, i) => {
    const reason = reasons[i];
    return reason === undefined ? [] : [{ unit, reason }];
  });
  for (const { unit, reason } of [...batch.poison, ...refused]) await park(session, unit, reason);
  await writeMemberships(session, batch);
  const { revision, record, storedAt } = batch.last;
  await session.gather(partition, revision, batch.activity);
  session.advance({ partition, w: revision, rid: record?.id ?? null }, storedAt);
  session.observe.projected(Date.now() - batch.first.storedAt);
}

/** The last of each user and lane. A conversation is listed as soon as it is somebody's, not with the next gathering. */
async function writeMemberships(session: Session, { memberships, activity }: Batch): Promise<void> {
  if (memberships.length === 0) return;
  const last = new Map(memberships.map((change) => [`${change.user} ${change.lane}`, change]));
  await session.persist('memberships', () => session.store.writeMemberships([...last.values()]));
  const lanes = new Set(memberships.map(({ lane }) => lane));
  await session.persist('conversations', () =>
    session.store.writeActivity(activity.filter(({ lane }) => lanes.has(lane))),
  );
}

async function park(session: Session, unit: Unit, reason: string): Promise<void> {
  const { lane, revision } = unit.stored;
  session.log.error(
    { alarm: 'parked', lane, partition: unit.partition, revision, reason },
    'a record cannot be in history and is parked',
  );
  await session.persist('parked', () => session.store.park(unit, reason));
  session.observe.alarm();
  session.observe.parked(
    unit.partition,
    await session.persist('parked', () => session.store.countParked(unit.partition)),
  );
}

/** What was in history before is read only for what may not be listed yet. */
function batchOf(partition: number, records: readonly StoredRecord[], watermark: Revision): Batch {
  const units: Unit[] = [];
  const poison: { unit: Unit; reason: string }[] = [];
  const memberships: MembershipChange[] = [];
  const activity = new Map<string, Activity>();
  for (const stored of records) {
    const projected = project(stored);
    if (projected.kind === 'events') activity.set(stored.lane, projected.activity);
    if (stored.revision <= watermark) continue;
    if (projected.kind === 'poison') {
      poison.push({ unit: { partition, stored, documents: [] }, reason: projected.reason });
      continue;
    }
    units.push({ partition, stored, documents: projected.documents });
    memberships.push(...projected.memberships);
  }
  const [first, last] = [records[0] as StoredRecord, records.at(-1) as StoredRecord];
  return { units, poison, memberships, activity: [...activity.values()], first, last };
}

/**
 * Where to go on, once it is certain that the stream is the one that history was made from: the record at the watermark is
 * the same. A stream that was restored or made anew is not projected over the old history; that takes a rebuild.
 * Undefined: `signal` aborted.
 */
async function startOf(
  journal: Journal,
  session: Session,
  partition: number,
  signal: AbortSignal,
): Promise<PositionDocument | undefined> {
  const { store, observe, log } = session;
  // A stop must not wait for a journal that is down.
  const trying = { signal: AbortSignal.any([session.signal, signal]), log };
  for (let halted = false; !signal.aborted; halted = true) {
    const position = await persist('position', () => store.position(partition), trying);
    const reason = await persist(
      'the end of the stream',
      () => otherStream(journal, partition, position, signal),
      trying,
    );
    if (signal.aborted) return undefined;
    observe.halted(partition, reason !== undefined);
    observe.parked(partition, position.parked);
    if (reason !== position.halted) await persist('halted', () => store.setHalted(partition, reason), trying);
    if (reason === undefined) return position;
    if (!halted) log.error({ alarm: 'halted', partition, reason }, 'nothing is projected until "lanes rebuild"');
    await pause(HALTED_MS, signal);
  }
  return undefined;
}

async function otherStream(
  journal: Journal,
  partition: number,
  { w, rid }: PositionDocument,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (w === 0) return undefined;
  const end = await journal.partitionEnd(partition);
  if (end < w)
    return `history reaches to stream sequence ${w}, the stream ends at ${end}: it was restored or made anew`;
  for await (const [record] of journal.consume(partition, w, { maxBatch: 1, signal }))
    return record?.revision === w && (record.record?.id ?? null) === rid
      ? undefined
      : `the stream has another record at ${w} than history was made from: it was restored or made anew`;
  return undefined;
}
