/** The journal on three nats-servers: its contract, and what a node that was frozen may not do to it. */
import { connect as connectNats } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LaneId, Revision } from '../schema/ids.ts';
import { revisionOf } from '../schema/ids.ts';
import { laneStream, laneSubject, partitionOf } from '../schema/subjects.ts';
import { type JetStreamJournal, openJetStreamJournal } from '../services/journal/jetstream.ts';
import { JournalUnavailable, type StoredRecord } from '../services/journal/journal.ts';
import { fill, journalContract, newLane, recordOf, store, until } from './journal.contract.ts';
import { startCluster, type TestCluster } from './support/cluster.ts';
import type { ClusterNode } from './support/nats-cluster.ts';
import { silent } from './support/projecting.ts';

const opened = (cluster: TestCluster, partitions: number, node?: ClusterNode): Promise<JetStreamJournal> => {
  const { nats, storeBytes: maxBytes } = cluster.config({}, node);
  return openJetStreamJournal({ ...nats, partitions, maxBytes, name: 'test', log: silent });
};

journalContract(
  'JetStream, three servers',
  async () => {
    const cluster = await startCluster();
    const [first, second] = cluster.nats.nodes;
    const [journal, other] = await Promise.all([opened(cluster, 2, first), opened(cluster, 2, second)]);
    const { servers, user, password } = cluster.nats.address();
    const raw = await connectNats({ servers: [...servers], user: user ?? '', pass: password ?? '' });
    return {
      ...{ journal, other, hasHoles: true as const },
      put: async (lane, payload) => {
        await raw.request(laneSubject(partitionOf(lane, 2), lane), payload);
      },
      stop: async () => {
        await Promise.all([journal.close(), other.close(), raw.close()]);
        await cluster.stop();
      },
    };
  },
  { mayLag: true },
);

describe('a node that was leader and was frozen', () => {
  let cluster: TestCluster;
  let old: ClusterNode;
  /** Connected to the node that is frozen, and to another. */
  let through: JetStreamJournal;
  let beside: JetStreamJournal;

  beforeAll(async () => {
    cluster = await startCluster();
    const [first, second] = cluster.nats.nodes;
    old = first as ClusterNode;
    [through, beside] = await Promise.all([opened(cluster, 1, first), opened(cluster, 1, second)]);
  }, 60_000);
  afterAll(async () => {
    await Promise.all([through?.close(), beside?.close()]);
    await cluster?.stop();
  }, 60_000);

  /** What it answered; undefined: that it cannot tell. */
  const told = <T>(answer: Promise<T>): Promise<T | undefined> =>
    answer.catch((error: unknown) => {
      if (error instanceof JournalUnavailable) return undefined;
      throw error;
    });

  it('answers nothing that was, once it is awake', { timeout: 120_000 }, async () => {
    const lane = newLane();
    let [newest] = (await fill(beside, lane, 1)) as [Revision];
    for (let seq = 2; seq <= 3; seq++) {
      await cluster.nats.lead(laneStream(0), old);
      old.freeze();
      try {
        newest = await store(beside, recordOf(lane, seq), newest);
      } finally {
        old.wake();
      }
      const seen = new Set<number | undefined>();
      let isAwake = false;
      // It is heard again, as one of the cluster, when it can be made leader.
      const awake = cluster.nats.lead(laneStream(0), old).then(() => {
        isAwake = true;
      });
      while (!isAwake) {
        const all = await Promise.all([
          told(through.last(lane).then((last) => last?.revision ?? 0)),
          told(through.lastRevisions([lane]).then((last) => last.get(lane))),
          told(through.partitionEnd(0)),
        ]);
        for (const one of all) seen.add(one);
      }
      await awake;
      seen.delete(undefined);
      expect([...seen]).toEqual([newest]);
    }
  });

  it('leaves places that hold no record, and who reads the partition gets all others in order', async () => {
    const end = await beside.partitionEnd(0);
    const lanes = Array.from({ length: 20 }, () => newLane());
    const revisions: Revision[] = [];
    for (const lane of lanes) {
      expect(await through.last(lane)).toBeUndefined();
      revisions.push(await store(beside, recordOf(lane, 1), revisionOf(0)));
      expect((await through.last(lane))?.revision).toBe(revisions.at(-1));
    }
    expect(revisions.at(-1)).toBeGreaterThan((revisions[0] as number) + lanes.length);
    for (const journal of [through, beside]) {
      const given: StoredRecord[] = [];
      const stop = new AbortController();
      const options = { maxBatch: 7, signal: stop.signal };
      for await (const batch of journal.consume(0, revisionOf(end + 1), options)) {
        given.push(...batch);
        if (given.length >= lanes.length) break;
      }
      expect(given.map(({ lane, revision }) => [lane, revision])).toEqual(lanes.map((lane, i) => [lane, revisions[i]]));
    }
    for (let i = 0; i < 50; i++) await through.last(lanes[0] as LaneId);
    expect(await through.partitionEnd(0)).toBe(revisions.at(-1));
    const known = new Set<LaneId>();
    for await (const some of through.lanes(0)) for (const { lane } of some) known.add(lane);
    expect(known.size).toBe(lanes.length + 1);
  });

  it('is not needed for a proof: without two nodes of three nothing is read', { timeout: 60_000 }, async () => {
    const lane = newLane();
    await fill(beside, lane, 1);
    const [first, second, third] = cluster.nats.nodes as [ClusterNode, ClusterNode, ClusterNode];
    await cluster.nats.lead(laneStream(0), second);
    first.freeze();
    third.freeze();
    try {
      await expect(beside.last(lane)).rejects.toBeInstanceOf(JournalUnavailable);
      await expect(beside.partitionEnd(0)).rejects.toBeInstanceOf(JournalUnavailable);
    } finally {
      first.wake();
      third.wake();
    }
    await until('it reads again', async () => (await told(beside.last(lane))) !== undefined, 40_000);
  });
});
