/** A store that lost its newest records in a power cut, and was filled again past every reader's place: nobody reads on in silence. */
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type LaneId, revisionOf } from '../schema/ids.ts';
import { type JetStreamJournal, openJetStreamJournal } from '../services/journal/jetstream.ts';
import type { StoredRecord } from '../services/journal/journal.ts';
import { OtherStream } from '../services/journal/place.ts';
import { openJetStreamReceipts } from '../services/journal/receipts-jetstream.ts';
import { fill, newLane } from './journal.contract.ts';
import { markOf } from './receipts.contract.ts';
import { type PowerCut, powerCutOf } from './support/power-cut.ts';
import { until } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';
import { type StallingProxy, startStallingProxy } from './support/stalling-proxy.ts';

const log = pino({ level: 'silent' });
const GIB = 1024 ** 3;

describe('a store that lost its newest records', () => {
  let servers: TestServers;
  let power: PowerCut;
  let proxy: StallingProxy;
  const closing: (() => Promise<unknown>)[] = [];
  const options = (name: string, port?: number) => ({
    ...servers.config().nats,
    ...(port === undefined ? {} : { servers: [`nats://127.0.0.1:${port}`] }),
    ...{ name, log, partitions: 1, maxBytes: GIB },
  });
  const open = async (port?: number): Promise<JetStreamJournal> => {
    const journal = await openJetStreamJournal(options('test', port));
    closing.push(() => journal.close());
    return journal;
  };

  beforeAll(async () => {
    servers = await startServers({ mongo: false });
    power = powerCutOf(servers);
    proxy = await startStallingProxy(Number(new URL(servers.nats.url).port));
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
    proxy.allow(Number.POSITIVE_INFINITY);
  });
  afterAll(async () => {
    await proxy?.stop();
    await servers?.stop();
  });

  /** Reads a partition on; what was given, and how it ended. */
  const follow = (journal: JetStreamJournal, from: number, after?: string | null) => {
    const stop = new AbortController();
    const given: StoredRecord[] = [];
    let ended: unknown;
    const reading = (async () => {
      const consuming = { maxBatch: 50, signal: stop.signal, after };
      for await (const batch of journal.consume(0, revisionOf(from), consuming)) given.push(...batch);
    })().catch((error: unknown) => {
      ended = error;
    });
    closing.unshift(async () => {
      stop.abort();
      await reading;
    });
    return { given, ended: () => ended };
  };
  const ids = (records: readonly StoredRecord[]) => records.map(({ record }) => record?.id);

  for (const refilled of ['before', 'after'] as const)
    it(`and is filled again ${refilled} the reader is back: the reader is given nothing of it, and told`, async () => {
      const [writer, reader] = [await open(), await open(proxy.port)];
      const end = await writer.partitionEnd(0);
      const [kept, lost]: LaneId[] = [newLane('kept'), newLane('lost')];
      await fill(writer, kept as LaneId, 6);
      await power.remember();
      await until(
        () => writer.status(),
        ({ isReady }) => isReady,
      );
      const { given, ended } = follow(reader, end + 1);
      await fill(writer, lost as LaneId, 6);
      await until(
        () => given.length,
        (length) => length === 12,
      );
      if (refilled === 'before') proxy.allow(0);
      await power.cut();
      await power.restart();
      await until(
        () => writer.status(),
        ({ isReady }) => isReady,
      );
      expect(await writer.partitionEnd(0)).toBe(end + 6);
      await Promise.all(['a', 'b', 'c', 'd'].map((name) => fill(writer, newLane(name), 4)));
      proxy.allow(Number.POSITIVE_INFINITY);
      await until(ended, (error) => error !== undefined);
      expect(ended()).toBeInstanceOf(OtherStream);
      expect(given.length).toBe(12);
      // Who comes with that place is told as well; who comes with one that is still right, goes on there.
      const late = follow(reader, end + 13, given[11]?.record?.id);
      await until(late.ended, (error) => error instanceof OtherStream);
      const right = follow(reader, end + 7, given[5]?.record?.id);
      await until(
        () => right.given.length,
        (length) => length === 16,
      );
      expect(ids(right.given)).not.toContain(given[6]?.record?.id);
      expect(await reader.whyOther(0, { revision: revisionOf(end + 12), id: given[11]?.record?.id })).toContain(
        'another record',
      );
      expect(await reader.whyOther(0, { revision: revisionOf(end + 6), id: given[5]?.record?.id })).toBeUndefined();
      // Nothing is known of a place that was written down before its record's id was.
      expect(await reader.whyOther(0, { revision: revisionOf(end + 12) })).toBeUndefined();
      expect(await reader.whyOther(0, { revision: revisionOf(end + 99) })).toContain('ends at');
    }, 60_000);

  it('and got exactly as many again: a reader that has nothing to read is told within a poll', async () => {
    const writer = await open();
    const end = await writer.partitionEnd(0);
    await fill(writer, newLane('kept'), 2);
    await power.remember();
    await until(
      () => writer.status(),
      ({ isReady }) => isReady,
    );
    await fill(writer, newLane('lost'), 3);
    const { given, ended } = follow(writer, end + 6);
    await power.cut();
    await power.restart();
    await until(
      () => writer.status(),
      ({ isReady }) => isReady,
    );
    await fill(writer, newLane('other'), 3);
    await until(ended, (error) => error !== undefined);
    expect(ended()).toBeInstanceOf(OtherStream);
    expect(given).toEqual([]);
  }, 60_000);

  it('of receipts: their reader is told, too', async () => {
    await open();
    const receipts = await openJetStreamReceipts(options('receipts'));
    closing.push(() => receipts.close());
    const append = async (id: string) =>
      until(
        () => receipts.append(0, { v: 1, id, marks: [markOf('bob', 'c1', 1)] }),
        ({ kind }) => kind === 'stored',
      );
    for (let n = 1; n <= 3; n++) await append(`kept${n}`);
    await power.remember();
    const given: string[] = [];
    const stop = new AbortController();
    const reading = (async () => {
      for await (const batch of receipts.consume(0, revisionOf(1), { maxBatch: 10, signal: stop.signal }))
        given.push(...batch.map(({ id }) => id));
    })();
    const ended = reading.then(
      () => undefined,
      (error: unknown) => error,
    );
    for (let n = 1; n <= 3; n++) await append(`lost${n}`);
    await until(
      () => given.length,
      (length) => length === 6,
    );
    await power.cut();
    await power.restart();
    for (let n = 1; n <= 6; n++) await append(`new${n}`);
    expect(await ended).toBeInstanceOf(OtherStream);
    expect(given).toEqual(['kept1', 'kept2', 'kept3', 'lost1', 'lost2', 'lost3']);
    stop.abort();
    // What was purged says nothing of the stream: it goes on behind it.
    await receipts.purge(0, revisionOf(5));
    expect(await receipts.whyOther(0, { revision: revisionOf(4), id: 'lost1' })).toBeUndefined();
    expect(await receipts.whyOther(0, { revision: revisionOf(6), id: 'lost3' })).toContain('another record');
  }, 60_000);
});
