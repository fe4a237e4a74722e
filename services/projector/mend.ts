/**
 * One lane's history put right in place, up to the projector's watermark; what is above it is the projector's, which goes on
 * meanwhile. Whatever is wrong goes and what is right comes in one transaction.
 */
import { type LaneId, type Revision, revisionOf, type UserId } from '../../schema/ids.ts';
import { partitionOf } from '../../schema/subjects.ts';
import { ConfigError } from '../config.ts';
import type { Journal } from '../journal/journal.ts';
import { Audit, nameOf } from '../views/audit.ts';
import { Mend } from '../views/mend.ts';
import { type Activity, type MembershipChange, project } from '../views/project.ts';
import { Store, type Unit } from '../views/store.ts';
import type { EventDocument } from '../views/views.ts';
import { Comparison, type Difference } from './compare.ts';
import { laneSource, type Source } from './source.ts';
import type { Stores } from './stores.ts';

const DUPLICATE_KEY = 11_000;
/** Documents that can be exchanged at once; more than so many wrong ones is a rebuild of everything. */
const WRONG_MAX = 10_000;

export interface Mended {
  readonly wrong: number;
  readonly missing: number;
}

export async function mendLane({ journal, mongo }: Stores, generation: string, lane: LaneId): Promise<Mended> {
  const db = await mongo.db();
  const audit = new Audit(db, generation);
  const store = new Store(() => mongo.db(), generation);
  const mend = new Mend(mongo, generation);
  const partition = partitionOf(lane, journal.partitions);
  const position = await audit.position(partition);
  if (position?.halted !== undefined)
    throw new ConfigError(`partition ${partition}: ${position.halted}. Rebuild everything: lanes rebuild`);
  const watermark = position?.w ?? revisionOf(0);
  const end = (await journal.last(lane))?.revision ?? revisionOf(0);
  const source = laneSource(journal, lane);
  const all = { journal, source, audit, store, mend, partition, lane, end, watermark };
  if (end === 0) {
    await mend.dropLane(lane);
    await store.countParked(partition);
    return { wrong: 0, missing: 0 };
  }
  const wrong = await exchangeWrong(all);
  const missing = await fill(all);
  await store.countParked(partition);
  return { wrong, missing };
}

/**
 * What history has of the lane after the record `upTo` goes, and its lists are as they were there. Only while the projector stands
 * still. May be repeated.
 */
export async function cutLane(
  { journal, mongo }: Stores,
  generation: string,
  lane: LaneId,
  upTo: Revision,
): Promise<void> {
  const mend = new Mend(mongo, generation);
  const partition = partitionOf(lane, journal.partitions);
  const audit = new Audit(await mongo.db(), generation);
  const store = new Store(() => mongo.db(), generation);
  const end = (await journal.last(lane))?.revision ?? revisionOf(0);
  await mend.dropLists(lane);
  const source = laneSource(journal, lane);
  await fill({ journal, source, audit, store, mend, partition, lane, end, watermark: upTo });
  // Last, so that a repetition finds the lane again.
  await mend.dropTail(lane, upTo);
}

interface Work {
  readonly journal: Journal;
  readonly source: Source;
  readonly audit: Audit;
  readonly store: Store;
  readonly mend: Mend;
  readonly partition: number;
  readonly lane: LaneId;
  readonly end: Revision;
  readonly watermark: Revision;
}

async function exchangeWrong({ journal, source, audit, mend, partition, lane, end, watermark }: Work): Promise<number> {
  const wrong = new Map<string, EventDocument>();
  const right: EventDocument[] = [];
  const stale: Revision[] = [];
  const parked = await audit.parked(partition, lane);
  const comparison = new Comparison(audit, parked, ({ kind, document }: Difference) => {
    if (!document || (kind !== 'different' && kind !== 'surplus')) return;
    wrong.set(nameOf(document._id), document);
    if (kind === 'different' && document.rev <= watermark) right.push(document);
    if (wrong.size > WRONG_MAX)
      throw new ConfigError(`more than ${WRONG_MAX} events of ${lane} differ: rebuild everything with lanes rebuild`);
  });
  const met = new Set<Revision>();
  for await (const records of source(revisionOf(1), end)) {
    for (const { revision } of records) met.add(revision);
    await comparison.records(records);
  }
  await comparison.beyond(journal, partition, end, source);
  for (const { revision } of parked) if (revision <= end && !met.has(revision)) stale.push(revision);
  if (wrong.size + stale.length === 0) return 0;
  const out = [...wrong.values()].map(({ _id }) => _id);
  const forget = stale.map((rev) => ({ p: partition, rev }));
  try {
    await mend.exchange(out, right, forget);
  } catch (error) {
    if ((error as { code?: number }).code !== DUPLICATE_KEY) throw error;
    // The lane itself has one key twice: the wrong ones go, and what cannot come in is parked by the filling.
    await mend.exchange(out, [], forget);
  }
  return wrong.size;
}

/** Missing events come in, parked records that can be in history too, and what hangs on the events is set. */
async function fill({ source, audit, store, mend, partition, lane, end, watermark }: Work): Promise<number> {
  const parked = new Map((await audit.parked(partition, lane)).map((record) => [record.revision, record]));
  const members = new Map<UserId, MembershipChange>();
  let last: Activity | undefined;
  let missing = 0;
  for await (const records of source(revisionOf(1), revisionOf(Math.min(end, watermark)))) {
    const units: Unit[] = [];
    for (const stored of records) {
      const projected = project(stored);
      if (projected.kind === 'poison') {
        await store.park({ partition, stored, documents: [] }, projected.reason);
        continue;
      }
      for (const change of projected.memberships) members.set(change.user, change);
      last = projected.activity;
      units.push({ partition, stored, documents: projected.documents });
    }
    missing += await insertMissing(units);
  }
  if (last) {
    await mend.setMembers(lane, last.seq, [...members.values()]);
    await mend.setActivity(lane, last.seq, last.at);
  }
  return missing;

  async function insertMissing(units: readonly Unit[]): Promise<number> {
    const there = await audit.documents(units.flatMap(({ documents }) => documents.map(({ _id }) => _id)));
    const lacking = units.filter(({ documents }) => !documents.every(({ _id }) => there.has(nameOf(_id))));
    const unparked = lacking.filter(({ stored }) => parked.has(stored.revision));
    const plain = lacking.filter(({ stored }) => !parked.has(stored.revision));
    const reasons = plain.length === 0 ? [] : await store.insert(plain);
    for (const [i, unit] of plain.entries()) {
      const reason = reasons[i];
      if (reason !== undefined) await store.park(unit, reason);
    }
    for (const unit of unparked) await unpark(unit);
    // Parked and whole in history: only the one or the other.
    const both = units.filter((unit) => parked.has(unit.stored.revision) && !lacking.includes(unit));
    if (both.length > 0)
      await mend.exchange(
        [],
        [],
        both.map(({ stored }) => ({ p: partition, rev: stored.revision })),
      );
    return lacking.length;
  }

  /** What still cannot be in history stays parked. */
  async function unpark(unit: Unit): Promise<void> {
    const out = unit.documents.map(({ _id }) => _id);
    const rev = unit.stored.revision;
    const tried = await mend.exchange(out, unit.documents, [{ p: partition, rev }]).then(
      () => undefined,
      (error: Error & { code?: number }) => error,
    );
    if (tried && tried.code !== DUPLICATE_KEY) throw tried;
  }
}
