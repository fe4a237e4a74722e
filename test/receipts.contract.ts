/** What every log of receipts guarantees, by the comments of its port: run over each adapter. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceId, LaneId, UserId } from '../schema/ids.ts';
import { type Revision, revisionOf, seqOf } from '../schema/ids.ts';
import { type Mark, RECEIPT_MARKS_MAX, type ReceiptRecord } from '../schema/receipts.ts';
import type { ReceiptLog, StoredReceipts } from '../services/journal/receipts.ts';
import { until } from './support/scribe.ts';

/** A log of two partitions, and two processes that use it. */
export interface ReceiptsRig {
  readonly log: ReceiptLog;
  readonly other: ReceiptLog;
  /** Stores bytes that no process of ours wrote. */
  put(partition: number, payload: Uint8Array): Promise<void>;
  stop(): Promise<void>;
}

export const markOf = (user: string, lane: string, seq: number, more: Partial<Mark> = {}): Mark => ({
  u: user as UserId,
  l: lane as LaneId,
  k: 'delivered',
  s: seqOf(seq),
  at: 1_700_000_000_000 + seq,
  ...more,
});
export const receiptsOf = (...marks: readonly Mark[]): ReceiptRecord => ({ v: 1, id: randomUUID(), marks });

export async function storeReceipts(log: ReceiptLog, partition: number, record: ReceiptRecord): Promise<Revision> {
  for (;;) {
    const outcome = await log.append(partition, record);
    if (outcome.kind === 'stored') return outcome.revision;
    if (outcome.kind === 'full') throw new Error(outcome.message);
  }
}

/** The records from `from` on, up to the log's end as it is now. */
export async function readReceipts(log: ReceiptLog, partition: number, from = 1): Promise<StoredReceipts[]> {
  const { first, end } = await log.state(partition);
  const all: StoredReceipts[] = [];
  if (first > end || from > end) return all;
  const { signal } = new AbortController();
  for await (const batch of log.consume(partition, revisionOf(from), { maxBatch: 7, signal })) {
    all.push(...batch);
    if ((all.at(-1)?.revision ?? 0) >= end) break;
  }
  return all;
}

export function receiptsContract(name: string, open: () => Promise<ReceiptsRig>): void {
  describe(`the log of receipts in ${name}`, () => {
    let rig: ReceiptsRig;
    let log: ReceiptLog;
    beforeAll(async () => {
      rig = await open();
      log = rig.log;
    });
    afterAll(() => rig?.stop());

    it('stores records one behind the other, each partition by itself', async () => {
      const before = [await log.end(0), await log.end(1)];
      const mark = markOf('bob', 'c1', 7, { d: 'phone' as DeviceId, k: 'read' });
      const record = receiptsOf(mark, markOf('carol', 'c1', 6));
      const revision = await storeReceipts(log, 0, record);
      expect(revision).toBe((before[0] ?? 0) + 1);
      expect([await rig.other.end(0), await rig.other.end(1)]).toEqual([revision, before[1]]);
      const [stored] = await readReceipts(rig.other, 0, revision);
      expect(stored).toMatchObject({ partition: 0, revision, id: record.id, marks: record.marks });
      expect(Math.abs((stored?.storedAt ?? 0) - Date.now())).toBeLessThan(60_000);
      expect(await storeReceipts(rig.other, 0, receiptsOf(mark))).toBe(revision + 1);
    });

    it('takes the same record again, and the largest that there may be', async () => {
      const record = receiptsOf(
        ...Array.from({ length: RECEIPT_MARKS_MAX }, (_, i) =>
          markOf('u'.repeat(64), 'l'.repeat(64), Number.MAX_SAFE_INTEGER - 2e12 - i, { d: 'd'.repeat(64) as DeviceId }),
        ),
      );
      const first = await storeReceipts(log, 1, record);
      const second = await storeReceipts(log, 1, record);
      const read = await readReceipts(log, 1, first);
      expect(read.map(({ revision, id }) => [revision, id])).toEqual([
        [first, record.id],
        [second, record.id],
      ]);
      expect(read[1]?.marks).toEqual(record.marks);
    });

    it('sees at its end every append that was answered before, also of others', async () => {
      for (let i = 0; i < 20; i++) {
        const revision = await storeReceipts(i % 2 ? log : rig.other, 0, receiptsOf(markOf('bob', 'c1', i)));
        expect(await log.end(0)).toBe(revision);
      }
    });

    it('is followed from any place, in order, without a hole, until it is stopped', async () => {
      const from = revisionOf((await log.end(1)) + 1);
      const stop = new AbortController();
      const seen: StoredReceipts[] = [];
      const following = (async () => {
        for await (const batch of rig.other.consume(1, from, { maxBatch: 10, signal: stop.signal })) {
          expect(batch.length).toBeGreaterThan(0);
          expect(batch.length).toBeLessThanOrEqual(10);
          seen.push(...batch);
        }
      })();
      const written: string[] = [];
      for (let i = 0; i < 30; i++) {
        const some = Array.from({ length: 10 }, () => receiptsOf(markOf('bob', `c${i}`, i)));
        const stored = await Promise.all(
          some.map(async (record) => [await storeReceipts(log, 1, record), record.id] as const),
        );
        written.push(...stored.sort(([a], [b]) => a - b).map(([, id]) => id));
      }
      await until(
        () => seen.length,
        (count) => count >= written.length,
      );
      stop.abort();
      await following;
      expect(seen.map(({ id }) => id)).toEqual(written);
      expect(seen.map(({ revision }) => revision)).toEqual(written.map((_, i) => from + i));
      const again = await readReceipts(log, 1, from + 100);
      expect(again.map(({ id }) => id)).toEqual(written.slice(100));
    });

    it('gives bytes that are no record their place, and no marks', async () => {
      const valid = { v: 1, id: 'r', marks: [{ ...markOf('bob', 'c1', 1) }] };
      const mark = (more: object) => ({ ...valid, marks: [{ ...valid.marks[0], ...more }] });
      const poison = [
        '',
        '[]',
        'null',
        '{"v":2}',
        JSON.stringify({ ...valid, id: 'a b' }),
        JSON.stringify({ ...valid, marks: [] }),
        JSON.stringify({ ...valid, marks: [null] }),
        JSON.stringify(mark({ u: { $gt: '' } })),
        JSON.stringify(mark({ l: 'a.b' })),
        JSON.stringify(mark({ d: '' })),
        JSON.stringify(mark({ k: 'seen' })),
        JSON.stringify(mark({ s: -1 })),
        JSON.stringify(mark({ s: '5' })),
        JSON.stringify(mark({ at: 1.5 })),
      ];
      const from = (await log.end(0)) + 1;
      for (const bytes of poison) await rig.put(0, new TextEncoder().encode(bytes));
      await rig.put(0, new TextEncoder().encode(JSON.stringify(mark({ later: 'field' }))));
      await until(
        () => log.end(0),
        (end) => end >= from + poison.length,
      );
      const read = await readReceipts(rig.other, 0, from);
      expect(read.map(({ id, marks }) => [id, marks.length])).toEqual([...poison.map(() => ['', 0]), ['r', 1]]);
    });

    it('is purged from its beginning, and read on from what is left', async () => {
      const revisions: number[] = [];
      for (let i = 0; i < 10; i++) revisions.push(await storeReceipts(log, 0, receiptsOf(markOf('bob', 'c1', i))));
      const [third = 0, last = 0] = [revisions[2], revisions[9]];
      const before = await log.state(0);
      await log.purge(0, revisionOf(third));
      const after = await rig.other.state(0);
      expect(after).toMatchObject({ first: third, end: last });
      expect(after.bytes).toBeLessThan(before.bytes);
      expect((await readReceipts(rig.other, 0)).map(({ revision }) => revision)).toEqual(revisions.slice(2));
      await log.purge(0, revisionOf(third));
      await log.purge(0, revisionOf(1));
      expect(await log.state(0)).toMatchObject({ first: third, end: last });
      await log.purge(0, revisionOf(last));
      expect(await log.state(0)).toMatchObject({ first: last, end: last });
      expect(await storeReceipts(log, 0, receiptsOf(markOf('bob', 'c1', 1)))).toBe(last + 1);
    });

    it('tells the first record since a time', async () => {
      const revision = await storeReceipts(log, 1, receiptsOf(markOf('bob', 'c1', 1)));
      const [stored] = await readReceipts(log, 1, revision);
      expect(await log.firstSince(1, stored?.storedAt ?? 0)).toBeLessThanOrEqual(revision);
      expect(await log.firstSince(1, 0)).toBe((await log.state(1)).first);
      expect(await log.firstSince(1, Date.now() + 60_000)).toBeUndefined();
    });
  });
}
