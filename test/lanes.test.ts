/** The folded states of lanes: loaded from snapshot and tail, never trusted to be new, and bounded. */
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { LaneEvent, LaneRecord } from '../schema/events.ts';
import { type ClientKey, type LaneId, type Revision, revisionOf, type Seq, type UserId } from '../schema/ids.ts';
import { type Journal, JournalUnavailable, type ReadOptions } from '../services/journal/journal.ts';
import { Lanes, type Loaded, PoisonedLane } from '../services/journal/lanes.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { evolve } from '../services/lane/lane.ts';
import { LANE } from './support/commands.ts';
import { FaultyJournal, GOOD_DAY } from './support/faulty-journal.ts';
import { LaggingJournal } from './support/lagging-journal.ts';
import { LossyLive } from './support/stream-rig.ts';

const log = pino({ level: 'silent' });
const alice = 'alice' as UserId;

const eventAt = (seq: number): LaneEvent => {
  const stamp = { seq: seq as Seq, at: seq, by: alice, key: `k${seq}` as ClientKey, hash: 'h' };
  return seq === 1
    ? { type: 'ConversationCreated', kind: 'GROUP', members: [alice], ...stamp }
    : { type: 'MessageSent', text: 'x', ...stamp };
};

/** A lane of `events` events, `perRecord` in each record. */
async function filled(events: number, perRecord = 1, lane: LaneId = LANE): Promise<MemoryJournal> {
  const journal = new MemoryJournal({ partitions: 1 });
  let revision = revisionOf(0);
  for (let seq = 1; seq <= events; seq += perRecord) {
    const record: LaneRecord = {
      v: 1,
      id: `r${seq}`,
      lane,
      events: Array.from({ length: Math.min(perRecord, events - seq + 1) }, (_, i) => eventAt(seq + i)),
    };
    const stored = await journal.append(record, revision);
    if (stored.kind === 'stored') revision = stored.revision;
  }
  return journal;
}

/** Counts the questions, and the records that are read. */
class Counting extends FaultyJournal {
  records = 0;
  snapshots = 0;
  lasts = 0;
  batches = 0;
  constructor(inner: Journal) {
    super(inner, GOOD_DAY);
    const { read, readSnapshot, last, lastRevisions } = this;
    this.readSnapshot = (lane) => readSnapshot(lane).finally(() => this.snapshots++);
    this.last = (lane) => last(lane).finally(() => this.lasts++);
    this.lastRevisions = (lanes) => lastRevisions(lanes).finally(() => this.batches++);
    this.read = async (lane: LaneId, from: Revision, options?: ReadOptions) => {
      const result = await read(lane, from, options);
      this.records += result.records.length;
      return result;
    };
  }
}
const lanesOver = (journal: Journal): Lanes => new Lanes(journal, { maxWeight: 100_000, log });

describe('a cold lane', () => {
  it('is folded from its first record, and after that from its snapshot and what came since', async () => {
    const store = await filled(5_000, 10);
    const first = await lanesOver(store).load(LANE);
    expect(first.lane.seq).toBe(5_000);
    const journal = new Counting(store);
    const again = await lanesOver(journal).load(LANE);
    expect(again).toEqual(first);
    expect(journal.records).toBeLessThan(5);
  });

  it('does not believe a snapshot that is ahead of it, or that another lane left in its place', async () => {
    const longer = await filled(3_000, 10);
    await lanesOver(longer).load(LANE);
    const snapshot = await longer.readSnapshot(LANE);
    expect(snapshot?.state.seq).toBe(3_000);
    for (const [events, perRecord] of [
      [20, 10],
      [3_000, 1],
    ] as const) {
      const store = await filled(events, perRecord);
      if (snapshot) await store.writeSnapshot(LANE, snapshot);
      const loaded = await lanesOver(store).load(LANE);
      expect(loaded.lane.seq).toBe(events);
      expect(loaded.recordId).toBe(`r${events - perRecord + 1}`);
    }
  });

  it('with a record that cannot be read is not guessed', async () => {
    const store = await filled(3);
    store.put(LANE, new TextEncoder().encode('{"v":1,"broken'));
    await expect(lanesOver(store).load(LANE)).rejects.toBeInstanceOf(PoisonedLane);
    await expect(lanesOver(store).fresh(LANE)).rejects.toBeInstanceOf(PoisonedLane);
  });

  it('that does not exist takes no place, however many are asked for', async () => {
    const lanes = lanesOver(await filled(1));
    for (let i = 0; i < 100; i++) await lanes.fresh(`no-${i}` as LaneId);
    expect(lanes.peek('no-1' as LaneId)).toBeUndefined();
  });
});

describe('a cached lane', () => {
  it('is caught up by "fresh", at least to where it was at the call', async () => {
    const store = await filled(3);
    const lanes = lanesOver(store);
    const loaded = await lanes.load(LANE);
    const written = store.append({ v: 1, id: 'next', lane: LANE, events: [eventAt(4)] }, loaded.revision);
    expect((await written).kind).toBe('stored');
    const both = await Promise.all([lanes.fresh(LANE), lanes.fresh(LANE)]);
    expect(both.map(({ lane }) => lane.seq)).toEqual([4, 4]);
    expect((await lanes.load(LANE)).lane.seq).toBe(4);
  });

  it('is forgotten when the lane turns out to be another one', async () => {
    const store = await filled(5);
    const other = await filled(3, 3);
    let behind: Journal = store;
    const lanes = lanesOver(
      new Proxy(store, {
        get: (_, name) => {
          const value = Reflect.get(behind, name);
          return typeof value === 'function' ? value.bind(behind) : value;
        },
      }),
    );
    expect((await lanes.load(LANE)).recordId).toBe('r5');
    behind = other;
    expect(await lanes.fresh(LANE)).toMatchObject({ recordId: 'r1', revision: 1, lane: { seq: 3 } });
  });

  it('is kept by "fresh" though its own writer overtakes the answer, and costs no read', async () => {
    const store = await filled(3);
    const journal = new Counting(store);
    const lanes = lanesOver(journal);
    let now = await lanes.load(LANE);
    const readBefore = journal.records;
    const ask = journal.last;
    for (let seq = 4; seq < 40; seq++) {
      const event = eventAt(seq);
      // The answer is on its way while the next record is stored here.
      journal.last = async (lane) => {
        const answer = await ask(lane);
        const stored = await store.append({ v: 1, id: `r${seq}`, lane, events: [event] }, now.revision);
        if (stored.kind !== 'stored') throw new Error(stored.kind);
        const before = now.revision;
        now = { lane: evolve(now.lane, event), revision: stored.revision, recordId: `r${seq}` };
        lanes.stored(before, now);
        return answer;
      };
      expect((await lanes.fresh(LANE)).lane.seq).toBe(seq);
    }
    expect([journal.records - readBefore, journal.snapshots]).toEqual([0, 1]);
  });

  it('from before a reconnect is not decided on before the lane shows that it still has its record', async () => {
    const scribbled = async (ids: readonly string[]): Promise<MemoryJournal> => {
      const store = new MemoryJournal({ partitions: 1 });
      for (const [i, id] of ids.entries())
        await store.append({ v: 1, id, lane: LANE, events: [eventAt(i + 1)] }, revisionOf(i));
      return store;
    };
    const was = await scribbled(['a', 'b', 'c']);
    for (const ids of [['a', 'b', 'c'], ['a', 'b', 'c', 'd'], ['a', 'b', 'x'], ['a', 'b', 'x', 'y', 'z'], ['a'], []]) {
      const journal = new LossyLive(was);
      const lanes = lanesOver(journal);
      await lanes.load(LANE);
      journal.restore(await scribbled(ids), LANE);
      journal.reconnect();
      expect(lanes.peek(LANE)).toBeUndefined();
      expect(await lanes.load(LANE)).toMatchObject({ recordId: ids.at(-1) ?? '', lane: { seq: ids.length } });
      expect(lanes.peek(LANE)?.revision).toBe(ids.length || undefined);
    }
  });

  it('makes room for others when the states weigh too much', async () => {
    const store = await filled(2);
    const second = 'c2' as LaneId;
    await store.append({ v: 1, id: 'x', lane: second, events: [eventAt(1)] }, revisionOf(0));
    const lanes = new Lanes(store, { maxWeight: 15, log });
    await lanes.load(LANE);
    await lanes.load(second);
    expect(lanes.peek(LANE)).toBeUndefined();
    expect(lanes.peek(second)?.lane.seq).toBe(1);
  });
});

describe('many lanes at once', () => {
  const ids = Array.from({ length: 50 }, (_, i) => `c${i}` as LaneId);
  const started = async (): Promise<{ store: MemoryJournal; journal: Counting; lanes: Lanes }> => {
    const store = new MemoryJournal({ partitions: 4 });
    for (const lane of ids)
      await store.append({ v: 1, id: `${lane} 1`, lane, events: [eventAt(1), eventAt(2)] }, revisionOf(0));
    const journal = new Counting(store);
    const lanes = lanesOver(journal);
    await lanes.freshMany(ids);
    return { store, journal, lanes };
  };
  const seqOf = (one: Loaded | PoisonedLane | undefined) => (one instanceof PoisonedLane ? one.name : one?.lane.seq);

  it('cost one question while nothing is new, and what somebody else wrote is read', async () => {
    const { store, journal, lanes } = await started();
    const { records } = journal;
    journal.batches = 0;
    expect([...(await lanes.freshMany([...ids, ...ids])).values()].map(seqOf)).toEqual(ids.map(() => 2));
    expect([journal.batches, journal.lasts, journal.records - records]).toEqual([1, 0, 0]);

    const [changed, other] = [ids[7] as LaneId, ids[8] as LaneId];
    const { revision } = await lanes.load(changed);
    await store.append({ v: 1, id: 'elsewhere', lane: changed, events: [eventAt(3)] }, revision);
    const again = await lanes.freshMany([changed, other, 'nowhere' as LaneId]);
    expect([changed, other, 'nowhere' as LaneId].map((id) => seqOf(again.get(id)))).toEqual([3, 2, 0]);
    expect(journal.lasts).toBe(1);
  });

  it('leave a poisoned one to the caller, and are not given when the store does not answer', async () => {
    const { store, journal, lanes } = await started();
    store.put(ids[3] as LaneId, new TextEncoder().encode('{"v":1,"broken'));
    const all = await lanes.freshMany(ids);
    expect(ids.filter((id) => all.get(id) instanceof PoisonedLane)).toEqual([ids[3]]);
    expect(all.size).toBe(ids.length);
    journal.misfortune = { append: () => 'none', read: () => true };
    await expect(lanes.freshMany(ids)).rejects.toBeInstanceOf(JournalUnavailable);
  });
});

describe('a replica that lags behind the leader', () => {
  it('is waited for', async () => {
    const lanes = lanesOver(new LaggingJournal(await filled(3), 60));
    expect((await lanes.fresh(LANE)).lane.seq).toBe(3);
  });

  it('for too long makes the lane unavailable, not poisoned', async () => {
    const lanes = lanesOver(new LaggingJournal(await filled(3), Number.POSITIVE_INFINITY));
    await expect(lanes.fresh(LANE)).rejects.toBeInstanceOf(JournalUnavailable);
  });

  it('or shows what its leader does not, poisons nothing', async () => {
    const journal = new LaggingJournal(await filled(3), 0);
    journal.shown = (record) =>
      record.revision === 2 ? { ...record, record: undefined, payload: Buffer.of() } : record;
    await expect(lanesOver(journal).fresh(LANE)).rejects.toBeInstanceOf(JournalUnavailable);
    journal.shown = (record) => record;
    expect((await lanesOver(journal).fresh(LANE)).lane.seq).toBe(3);
  });
});
