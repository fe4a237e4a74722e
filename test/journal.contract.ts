/** What every journal guarantees, by the comments of its port: run over each adapter. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LaneEvent, LaneRecord } from '../schema/events.ts';
import type { ClientKey, LaneId, UserId } from '../schema/ids.ts';
import { type Revision, revisionOf, seqOf } from '../schema/ids.ts';
import { partitionOf } from '../schema/subjects.ts';
import type { AppendOutcome, Journal, StoredRecord, StoredSnapshot } from '../services/journal/journal.ts';
import { type LaneSnapshot, SNAPSHOT_VERSION } from '../services/lane/snapshot.ts';
import { until as look } from './support/until.ts';

/** A store, and two processes that use it. */
export interface Rig {
  readonly journal: Journal;
  readonly other: Journal;
  /** The store has places that hold no record. */
  readonly hasHoles?: true;
  /** Stores bytes that no process of ours wrote. */
  put(lane: LaneId, payload: Uint8Array): Promise<void>;
  stop(): Promise<void>;
}

let lanesMade = 0;
export const newLane = (name = 'lane'): LaneId => `${name}-${process.pid}-${++lanesMade}` as LaneId;

export const messageOf = (seq: number, text = `message ${seq}`): LaneEvent => ({
  type: 'MessageSent',
  seq: seqOf(seq),
  at: 1_700_000_000_000 + seq,
  by: 'alice' as UserId,
  key: `key-${seq}` as ClientKey,
  hash: 'hash',
  text,
});

export const recordOf = (lane: LaneId, seq: number, text?: string): LaneRecord => ({
  v: 1,
  id: randomUUID(),
  lane,
  events: [messageOf(seq, text)],
});

/** Longer than any outage of a test. */
const STORE_MS = 60_000;

export type Counts = Partial<Record<AppendOutcome['kind'], number>>;

/**
 * Stores a record in a lane of one writer, as a writer must: the same append again until it is stored, found, or impossible.
 * Counts what was answered.
 */
export async function store(
  journal: Journal,
  record: LaneRecord,
  expected: Revision,
  counts: Counts = {},
): Promise<Revision> {
  const attempt = async (): Promise<Revision | undefined> => {
    const outcome = await journal.append(record, expected);
    counts[outcome.kind] = (counts[outcome.kind] ?? 0) + 1;
    if (outcome.kind === 'stored') return outcome.revision;
    if (outcome.kind === 'full') throw new Error(outcome.message);
    if (outcome.kind !== 'conflict') return undefined;
    const seen = await journal.read(record.lane, revisionOf(expected + 1), { limit: 1 }).catch(() => undefined);
    const [found] = seen?.records ?? [];
    if (found && found.record?.id !== record.id) throw new Error('somebody else wrote into a lane of one writer');
    return found?.revision;
  };
  return (await look(attempt, (revision) => revision !== undefined, STORE_MS)) as Revision;
}

/** Appends to a lane of one writer, one after the other; their revisions. */
export async function fill(journal: Journal, lane: LaneId, count: number, text?: string): Promise<Revision[]> {
  const revisions: Revision[] = [];
  let expected = (await journal.last(lane))?.revision ?? revisionOf(0);
  for (let seq = 1; seq <= count; seq++) {
    expected = await store(journal, recordOf(lane, seq, text), expected);
    revisions.push(expected);
  }
  return revisions;
}

export async function readAll(journal: Journal, lane: LaneId, from = revisionOf(1)): Promise<StoredRecord[]> {
  const all: StoredRecord[] = [];
  for (let next = from; ; ) {
    const { records, complete } = await journal.read(lane, next);
    all.push(...records);
    if (complete) return all;
    next = revisionOf((all.at(-1)?.revision ?? 0) + 1);
  }
}

/** Waits for a fact. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, ms = 15_000): Promise<void> {
  await look(
    async () => ((await isSo()) ? 'so' : what),
    (seen) => seen === 'so',
    ms,
  );
}

const revisionsOf = (records: readonly StoredRecord[]): number[] => records.map(({ revision }) => revision);
const seqsOf = (records: readonly StoredRecord[]): (number | undefined)[] =>
  records.map(({ record }) => record?.events[0]?.seq);

const stateOf = (lane: LaneId, seq: number, members: number): LaneSnapshot => ({
  v: SNAPSHOT_VERSION,
  id: lane,
  seq,
  lastAt: 1_700_000_000_000,
  kind: 'GROUP',
  createdAt: 1_700_000_000_000,
  members: Array.from({ length: members }, (_, i) => [randomUUID() + i, 'MEMBER', 1_700_000_000_000, 1, 1] as const),
  former: [],
  keys: { from: 1, horizon: 0, keys: [], future: [], lookUpAllUntil: 0 },
  sent: [],
  asides: { from: 1, seqs: [1] },
});

/** `mayLag`: reads that need not be of now are answered by replicas that may be behind; what they show at once is no contract. */
export function journalContract(name: string, open: () => Promise<Rig>, { mayLag = false } = {}): void {
  const describeShown = mayLag ? describe.skip : describe;
  describe(`the journal in ${name}`, () => {
    let rig: Rig;
    let journal: Journal;
    beforeAll(async () => {
      rig = await open();
      journal = rig.journal;
    });
    afterAll(() => rig?.stop());

    describe('append', () => {
      it('stores a record where the lane is as expected, and gives its revision', async () => {
        const lane = newLane();
        const first = recordOf(lane, 1);
        const stored = await journal.append(first, revisionOf(0));
        if (stored.kind !== 'stored') throw new Error(stored.kind);
        const second = await journal.append(recordOf(lane, 2), stored.revision);
        if (second.kind !== 'stored') throw new Error(second.kind);
        expect(second.revision).toBeGreaterThan(stored.revision);
        const [found] = await readAll(rig.other, lane);
        expect(found).toMatchObject({ lane, revision: stored.revision, record: first });
        expect(Math.abs((found?.storedAt ?? 0) - Date.now())).toBeLessThan(60_000);
      });

      it('is a conflict on any other revision, and writes nothing', async () => {
        const lane = newLane();
        const [revision = revisionOf(0)] = await fill(journal, lane, 1);
        await fill(journal, newLane(), 2);
        for (const wrong of [0, revision + 1, revision - 1, revision + 1_000_000])
          if (wrong !== revision)
            expect(await journal.append(recordOf(lane, 2), revisionOf(wrong))).toEqual({ kind: 'conflict' });
        expect(await journal.append(recordOf(newLane(), 1), revisionOf(7))).toEqual({ kind: 'conflict' });
        expect(revisionsOf(await readAll(journal, lane))).toEqual([revision]);
      });

      it('stores the same record at most once', async () => {
        const lane = newLane();
        const record = recordOf(lane, 1);
        const outcomes = await Promise.all(
          [journal, rig.other, journal].map((writer) => writer.append(record, revisionOf(0))),
        );
        outcomes.push(await journal.append(record, revisionOf(0)));
        const stored = new Set(outcomes.map((outcome) => (outcome.kind === 'stored' ? outcome.revision : 0)));
        stored.delete(0 as Revision);
        const lanes = await readAll(journal, lane);
        expect(revisionsOf(lanes)).toEqual([...stored]);
        expect(lanes).toHaveLength(1);
      });

      it('lets one of many writers win', async () => {
        const lane = newLane();
        for (let seq = 1, expected = revisionOf(0); seq <= 5; seq++) {
          const outcomes = await Promise.all(
            Array.from({ length: 40 }, (_, i) =>
              (i % 2 ? journal : rig.other).append(recordOf(lane, seq, `writer ${i}`), expected),
            ),
          );
          const won = outcomes.flatMap((outcome) => (outcome.kind === 'stored' ? [outcome.revision] : []));
          // On replicas a write that comes while another is in flight is busy, not a conflict.
          expect(outcomes.filter(({ kind }) => kind === 'conflict' || kind === 'busy')).toHaveLength(39);
          expect(won).toHaveLength(1);
          expected = won[0] as Revision;
        }
        expect(seqsOf(await readAll(journal, lane))).toEqual([1, 2, 3, 4, 5]);
      });

      it('takes a thousand lanes at once', async () => {
        const lanes = Array.from({ length: 1_000 }, () => newLane('wide'));
        const revisions = await Promise.all(lanes.map((lane) => store(journal, recordOf(lane, 1), revisionOf(0))));
        expect(await rig.other.lastRevisions(lanes)).toEqual(new Map(lanes.map((lane, i) => [lane, revisions[i]])));
      });

      it('keeps every character and a record of many events', async () => {
        const lane = newLane();
        const events = Array.from({ length: 300 }, (_, i) => messageOf(i + 1, 'ä€😀\u0000\n"\\'.repeat(20)));
        const record: LaneRecord = { ...recordOf(lane, 1), events };
        expect((await journal.append(record, revisionOf(0))).kind).toBe('stored');
        expect((await rig.other.last(lane))?.record).toEqual(record);
      });
    });

    describe('last', () => {
      it('is undefined for a lane without records', async () => {
        expect(await journal.last(newLane())).toBeUndefined();
      });

      it('sees every append answered before, also those of others', async () => {
        const lane = newLane();
        let expected = revisionOf(0);
        for (let seq = 1; seq <= 50; seq++) {
          const record = recordOf(lane, seq);
          const outcome = await (seq % 2 ? journal : rig.other).append(record, expected);
          if (outcome.kind !== 'stored') throw new Error(outcome.kind);
          expected = outcome.revision;
          expect(await journal.last(lane)).toMatchObject({ revision: expected, record: { id: record.id } });
        }
      });

      it('gives a poison record its place', async () => {
        const lane = newLane();
        await fill(journal, lane, 1);
        const poison = new TextEncoder().encode('{"v":99}');
        await rig.put(lane, poison);
        const last = await journal.last(lane);
        expect(last?.record).toBeUndefined();
        expect(Buffer.from(last?.payload ?? [])).toEqual(Buffer.from(poison));
        expect((await readAll(journal, lane)).map(({ record }) => record === undefined)).toEqual([false, true]);
      });

      it('is told for many lanes in one', async () => {
        const empty = Array.from({ length: 300 }, () => newLane('never'));
        const lanes = Array.from({ length: 900 }, () => newLane('many'));
        const stored = await Promise.all(lanes.map((lane) => fill(journal, lane, 2)));
        const expected = new Map([
          ...empty.map((lane) => [lane, revisionOf(0)] as const),
          ...lanes.map((lane, i) => [lane, stored[i]?.[1]] as const),
        ]);
        expect(await rig.other.lastRevisions([...lanes, ...empty, ...lanes])).toEqual(expected);
        expect(await journal.lastRevisions([])).toEqual(new Map());
      });
    });

    describeShown('read', () => {
      it('gives a lane from a revision on, and says whether there is more', async () => {
        const lane = newLane();
        const revisions: number[] = [];
        for (let i = 0; i < 10; i++) {
          revisions.push(await store(journal, recordOf(lane, i + 1), revisionOf(revisions.at(-1) ?? 0)));
          await fill(journal, newLane(), 1);
        }
        const from = revisionOf(revisions[3] ?? 0);
        expect(await journal.read(lane, from)).toMatchObject({ complete: true });
        expect(revisionsOf((await journal.read(lane, from)).records)).toEqual(revisions.slice(3));
        const between = revisionOf((revisions[3] ?? 0) + 1);
        expect(revisionsOf((await journal.read(lane, between)).records)).toEqual(revisions.slice(4));
        const some = await journal.read(lane, from, { limit: 3 });
        expect(revisionsOf(some.records)).toEqual(revisions.slice(3, 6));
        expect(some.complete).toBe(false);
        const rest = await journal.read(lane, from, { limit: 7 });
        expect(rest).toMatchObject({ complete: true });
        expect(rest.records).toHaveLength(7);
        expect(await journal.read(lane, from, { limit: 1 })).toMatchObject({ complete: false });
        const after = revisionOf((revisions[9] ?? 0) + 1);
        expect(await journal.read(lane, after)).toEqual({ records: [], complete: true });
        expect(await journal.read(newLane(), revisionOf(1))).toEqual({ records: [], complete: true });
      });

      it('gives a long lane page by page, and no other', async () => {
        const [lane, noise] = [newLane(), newLane()];
        await Promise.all([fill(journal, lane, 2_500), fill(journal, noise, 500)]);
        const all = await readAll(rig.other, lane);
        expect(seqsOf(all)).toEqual(Array.from({ length: 2_500 }, (_, i) => i + 1));
        expect(new Set(all.map((record) => record.lane))).toEqual(new Set([lane]));
      });

      it('gives large records, all of them', async () => {
        const lane = newLane();
        await fill(journal, lane, 40, 'x'.repeat(250_000));
        expect(seqsOf(await readAll(journal, lane))).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
      });
    });

    describeShown('snapshots', () => {
      const snapshotOf = (lane: LaneId, revision: number, members = 3): StoredSnapshot => ({
        revision: revisionOf(revision),
        recordId: randomUUID(),
        state: stateOf(lane, revision, members),
      });

      it('are given back as they were, and never go backwards', async () => {
        const lane = newLane();
        expect(await journal.readSnapshot(lane)).toBeUndefined();
        const [old, newer] = [snapshotOf(lane, 5), snapshotOf(lane, 9)];
        expect(await journal.writeSnapshot(lane, old)).toBe(true);
        expect(await rig.other.readSnapshot(lane)).toEqual(old);
        expect(await rig.other.writeSnapshot(lane, newer)).toBe(true);
        expect(await journal.writeSnapshot(lane, old)).toBe(false);
        expect(await journal.writeSnapshot(lane, snapshotOf(lane, 9))).toBe(false);
        expect(await journal.readSnapshot(lane)).toEqual(newer);
      });

      it('may be large, and one of two writers wins whole or not at all', async () => {
        const lane = newLane();
        const large = snapshotOf(lane, 3, 30_000);
        expect(await journal.writeSnapshot(lane, large)).toBe(true);
        // A replica may have parts of it a moment later.
        await until('it is there', async () => (await rig.other.readSnapshot(lane)) !== undefined);
        expect(await rig.other.readSnapshot(lane)).toEqual(large);
        const both = [snapshotOf(lane, 7, 30_000), snapshotOf(lane, 8, 30_000)];
        await Promise.all(both.map((snapshot, i) => (i ? journal : rig.other).writeSnapshot(lane, snapshot)));
        expect([undefined, ...both]).toContainEqual(await journal.readSnapshot(lane));
        const small = snapshotOf(lane, 9);
        expect(await journal.writeSnapshot(lane, small)).toBe(true);
        expect(await journal.readSnapshot(lane)).toEqual(small);
      });
    });

    describeShown('listen', () => {
      it('brings each record of its lane after it is stored, until it is stopped', async () => {
        const [lane, foreign, end] = [newLane(), newLane(), newLane()];
        const heard: StoredRecord[] = [];
        const afterStop: StoredRecord[] = [];
        const listening = rig.other.listen(lane, (record) => heard.push(record));
        const stopped = rig.other.listen(lane, (record) => afterStop.push(record));
        const atEnd: StoredRecord[] = [];
        const listeningAtEnd = rig.other.listen(end, (record) => atEnd.push(record));
        await rig.other.last(lane);
        stopped.stop();
        await rig.other.last(lane);
        await fill(journal, foreign, 3);
        const revisions = await fill(journal, lane, 20);
        await fill(journal, end, 1);
        await until('the last copy came', () => atEnd.length === 1 && heard.length >= 20);
        expect(revisionsOf(heard)).toEqual(revisions);
        expect(heard).toEqual(await readAll(journal, lane));
        expect(afterStop).toEqual([]);
        listening.stop();
        listeningAtEnd.stop();
      });

      it('misses nothing that is stored after a read that follows it', async () => {
        for (let round = 0; round < 20; round++) {
          const lane = newLane();
          const heard: number[] = [];
          const writing = fill(journal, lane, 10);
          const listening = rig.other.listen(lane, ({ revision }) => heard.push(revision));
          const read = revisionsOf(await readAll(rig.other, lane));
          const revisions = await writing;
          await until('all are read or heard', () => new Set([...read, ...heard]).size === revisions.length);
          listening.stop();
        }
      });
    });

    describe('consume', () => {
      const partitionLanes = (partition: number, count: number): LaneId[] => {
        const lanes: LaneId[] = [];
        while (lanes.length < count) {
          const lane = newLane('part');
          if (partitionOf(lane, journal.partitions) === partition) lanes.push(lane);
        }
        return lanes;
      };
      const expectWhole = async (records: readonly StoredRecord[], from: number): Promise<void> => {
        const revisions = revisionsOf(records);
        if (!rig.hasHoles) expect(revisions).toEqual(records.map((_, i) => from + i));
        expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
        const byLane = new Map<LaneId, number[]>();
        for (const { lane, revision } of records) byLane.set(lane, [...(byLane.get(lane) ?? []), revision]);
        for (const [lane, some] of byLane)
          expect(some).toEqual(revisionsOf(await readAll(journal, lane, revisionOf(from))));
      };

      it('brings all of a partition in order, then waits for the next', async () => {
        const lanes = partitionLanes(1, 50);
        await Promise.all(lanes.map((lane) => fill(journal, lane, 30)));
        const end = await journal.partitionEnd(1);
        const stop = new AbortController();
        const records: StoredRecord[] = [];
        let more: Promise<unknown> = Promise.resolve();
        let first = Number.POSITIVE_INFINITY;
        for await (const batch of rig.other.consume(1, revisionOf(1), { maxBatch: 100, signal: stop.signal })) {
          expect(batch.length).toBeGreaterThan(0);
          expect(batch.length).toBeLessThanOrEqual(100);
          records.push(...batch);
          if (records.at(-1)?.revision === end) {
            first = records.length;
            more = Promise.all(partitionLanes(1, 20).map((lane) => fill(journal, lane, 20)));
          }
          if (records.length === first + 400) stop.abort();
        }
        await more;
        expect(records.length).toBe(first + 400);
        await expectWhole(records, 1);
        const [lane] = lanes;
        expect(records.filter((record) => record.lane === lane)).toEqual(await readAll(journal, lane as LaneId));
      });

      it('begins where it is told to, also past the end', async () => {
        const end = await journal.partitionEnd(0);
        const stop = new AbortController();
        const consuming = journal.consume(0, revisionOf(end + 1), { maxBatch: 10, signal: stop.signal });
        const first = consuming[Symbol.asyncIterator]().next();
        const [lane] = partitionLanes(0, 1);
        const [revision] = await fill(rig.other, lane as LaneId, 1);
        const { value } = await first;
        expect(value).toMatchObject([{ lane, revision }]);
        if (!rig.hasHoles) expect(revision).toBe(end + 1);
        stop.abort();
      });

      it('loses nothing to a slow reader', async () => {
        const from = revisionOf((await journal.partitionEnd(1)) + 1);
        const stop = new AbortController();
        const records: StoredRecord[] = [];
        const writing = Promise.all(partitionLanes(1, 40).map((lane) => fill(journal, lane, 50)));
        for await (const batch of rig.other.consume(1, from, { maxBatch: 7, signal: stop.signal })) {
          records.push(...batch);
          // Its work takes a request of its own.
          if (records.length < 1_000) await rig.other.last(batch[0]?.lane as LaneId);
          if (records.length === 2_000) stop.abort();
        }
        await writing;
        await expectWhole(records, from);
      });

      it('ends when it is told to, while it waits', async () => {
        const stop = new AbortController();
        const end = await journal.partitionEnd(0);
        const consuming = journal.consume(0, revisionOf(end + 1), { maxBatch: 10, signal: stop.signal });
        const first = consuming[Symbol.asyncIterator]().next();
        await journal.last(newLane());
        stop.abort();
        expect(await first).toEqual({ done: true, value: undefined });
      });
    });

    it('tells a partition’s end, and its lanes with their last revisions', async () => {
      const lanes = Array.from({ length: 60 }, () => newLane('listed'));
      await Promise.all(lanes.map((lane) => fill(journal, lane, 3)));
      const found = new Map<LaneId, Revision>();
      for (let partition = 0; partition < journal.partitions; partition++) {
        const end = await journal.partitionEnd(partition);
        let highest = 0;
        for await (const some of rig.other.lanes(partition))
          for (const { lane, revision } of some) {
            expect(partitionOf(lane, journal.partitions)).toBe(partition);
            found.set(lane, revision);
            highest = Math.max(highest, revision);
          }
        expect(highest).toBe(end);
      }
      const last = await journal.lastRevisions(lanes);
      expect(last.size).toBe(60);
      for (const [lane, revision] of last) expect(found.get(lane)).toBe(revision);
    });
  });
}
