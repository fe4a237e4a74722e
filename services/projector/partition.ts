/** One partition's way into history: read, project, insert, then what hangs on it, then the watermark. */
import { type Revision, revisionOf } from '../../schema/ids.ts';
import { untilSame } from '../journal/halts.ts';
import type { Journal, StoredRecord } from '../journal/journal.ts';
import { OtherStream } from '../journal/place.ts';
import { Abandoned } from '../persist.ts';
import { type Activity, type MembershipChange, project } from '../views/project.ts';
import type { Unit } from '../views/store.ts';
import type { PositionDocument } from '../views/views.ts';
import type { Session } from './session.ts';

const BATCH_RECORDS = 500;

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
 * the session ends before, OtherStream where the stream turns out to be another one than was read: begun again, it stands still.
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
  const listed = Math.min(start.listed, start.w);
  if (listed >= until) return;
  const options = { maxBatch: BATCH_RECORDS, signal, after: listed === start.w ? start.rid : undefined };
  try {
    for await (const read of journal.consume(partition, revisionOf(listed + 1), options)) {
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
  } catch (error) {
    // What history was made from, it has to know: its watermark is what the stream is compared with.
    if (error instanceof OtherStream) await settled.then(() => session.flush());
    throw error;
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
  session.advance({ partition, w: revision, rid: record?.id ?? null, at: storedAt });
  session.observe.projected(session.clock() - batch.first.storedAt);
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
 * the same. Another one is not projected over the old history. Throws Abandoned.
 */
async function startOf(
  journal: Journal,
  session: Session,
  partition: number,
  signal: AbortSignal,
): Promise<PositionDocument> {
  const { store, observe, log } = session;
  const { position } = await untilSame(
    {
      ...{ service: 'projector', partition, log },
      placeOf: async () => {
        const position = await store.position(partition);
        return { revision: position.w, id: position.rid, position };
      },
      whyOther: (place) => journal.whyOther(partition, place),
      onHalt: async (reason, { position: { halted, parked } }) => {
        observe.halted(partition, reason);
        observe.parked(partition, parked);
        if (reason !== halted) await session.persist('halted', () => store.setHalted(partition, reason));
      },
    },
    // A stop must not wait for a journal that is down.
    AbortSignal.any([session.signal, signal]),
  );
  return position;
}
