/**
 * R1: how many acknowledgements of one mark each are stored in a second by one api process, beside bare publishes of as many
 * bytes; then with the projector and MongoDB beside, and how far those are behind.
 */
import { MongoClient } from 'mongodb';
import { pino } from 'pino';
import type { LaneEvent, LaneRecord } from '../../schema/events.ts';
import { type LaneId, revisionOf } from '../../schema/ids.ts';
import { openJetStreamJournal } from '../../services/journal/jetstream.ts';
import { openJetStreamReceipts } from '../../services/journal/receipts-jetstream.ts';
import { type Figure, figureOf, type Wanted } from './figure.ts';
import type { Acks, AcksOptions } from './generate/acks.ts';
import { wait } from './generate/load.ts';
import { type Generator, startGenerator } from './generator.ts';
import { limitSampleOf, sampleOf } from './p1.ts';
import { LIFTED, PARTITIONS, type Rig } from './rig.ts';
import { byTurns, type Pace } from './rounds.ts';

const LANES = 1_000;
const READERS = 100;
/** Each reader is in a tenth of the lanes. */
const GROUPS = 10;
/** So many that marks rise during the whole of a run, so few that the api holds all lanes. */
const EVENTS = 200;
const IN_FLIGHT = 200;
const DEVICE = 'phone';
/** Of a record of one mark. */
const MARK_BYTES = 190;
const WANTED_PER_SECOND = 5_000;
const CAUGHT_UP_MS = 120_000;

const readerOf = (i: number): string => `reader${String(i).padStart(3, '0')}`;

/** One record each, so that it takes no longer than it must. */
async function fillLanes(rig: Rig, prefix: string): Promise<readonly string[]> {
  const { nats, storeBytes: maxBytes } = rig.servers.config({ LANES_PARTITIONS: String(PARTITIONS) });
  const log = pino({ level: 'silent' });
  const journal = await openJetStreamJournal({ ...nats, partitions: PARTITIONS, maxBytes, log, name: 'bench' });
  const names = Array.from({ length: LANES }, (_, i) => `${prefix}${String(i).padStart(4, '0')}`);
  const waiting = [...names.entries()];
  const work = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [i, lane] = next;
      const outcome = await journal.append(recordOf(lane as LaneId, i), revisionOf(0));
      if (outcome.kind !== 'stored') throw new Error(`lane ${lane}: ${outcome.kind}`);
    }
  };
  await Promise.all(Array.from({ length: 32 }, work));
  await journal.close();
  return names;
}

function recordOf(lane: LaneId, i: number): LaneRecord {
  const members = Array.from({ length: READERS / GROUPS }, (_, m) => readerOf((i % GROUPS) + m * GROUPS));
  const events = Array.from({ length: EVENTS }, (_, s) => ({
    ...(s === 0
      ? { type: 'ConversationCreated', kind: 'GROUP', members: ['writer', ...members] }
      : { type: 'MessageSent', text: 'x' }),
    ...{ seq: s + 1, at: Date.now(), by: 'writer', key: `k${s}`, hash: 'x' },
  }));
  return { v: 1, id: `fill-${lane}`, lane, events: events as unknown as readonly LaneEvent[] };
}

async function measure(rig: Rig, pace: Pace, wanted: Wanted, projected: boolean): Promise<Figure> {
  const prefix = `r1${rig.mode.at(0)}${projected ? 'p' : 'a'}`;
  const lanes = await fillLanes(rig, prefix);
  const api = await rig.startApi();
  const projector = projected ? await rig.startProjector() : undefined;
  const started: Generator<Acks>[] = [];
  const start = async (options: Acks['open']): Promise<Generator<Acks>> => {
    const generator = await startGenerator<Acks>('generate/acks', options);
    started.push(generator);
    return generator;
  };
  try {
    const readers = Array.from({ length: READERS }, (_, r) => ({
      token: rig.tokenOf(readerOf(r)),
      lanes: lanes.filter((_, i) => i % GROUPS === r % GROUPS),
    }));
    const open: AcksOptions = { kind: 'acks', port: api.port, readers, device: DEVICE, lastSeq: EVENTS };
    const ours = await start(open);
    const limit = await start(await rig.publishTo(LANES, MARK_BYTES));
    const job = { kind: 'closed', inFlight: IN_FLIGHT, warmMs: pace.warmMs, ms: pace.ms } as const;
    const nats = { 'nats-server': rig.servers.nats.pid };
    const rooms = {
      api: api.pid,
      ...nats,
      ...(projector ? { projector: projector.pid } : {}),
      mongod: rig.servers.mongo.pid,
    };
    const results = await byTurns(
      pace,
      () => limit.run({ ...job, pids: nats }),
      () => ours.run({ ...job, pids: rooms }),
    );
    const latency = results.ours.map((result) => `${result.latency.p50.toFixed(1)}/${result.latency.p99.toFixed(0)}`);
    const notes = [
      `${IN_FLIGHT} in flight on each side, one mark each, ${LANES.toLocaleString('en-US')} lanes, ${READERS} devices; ${LIFTED}`,
      `p50/p99 of the rounds: ${latency.join(', ')} ms; ${await groupsOf(rig)}`,
      ...(projector ? [await caughtUp(rig)] : []),
    ];
    return figureOf(
      { ...wanted, notes },
      results.ours.map((result) => sampleOf(result, result.perSecond)),
      results.limit.map((result) => limitSampleOf(result, result.perSecond)),
    );
  } finally {
    await Promise.all(started.map((generator) => generator.stop()));
    await projector?.stop();
    await api.stop();
  }
}

async function withLog<T>(rig: Rig, work: (ends: readonly { end: number; bytes: number }[]) => Promise<T>): Promise<T> {
  const { nats } = rig.servers.config({ LANES_PARTITIONS: String(PARTITIONS) });
  const log = pino({ level: 'silent' });
  const receipts = await openJetStreamReceipts({ ...nats, partitions: PARTITIONS, log, name: 'bench' });
  try {
    return await work(await Promise.all(Array.from({ length: PARTITIONS }, (_, p) => receipts.state(p))));
  } finally {
    await receipts.close();
  }
}

const groupsOf = (rig: Rig): Promise<string> =>
  withLog(rig, async (states) => {
    const records = states.reduce((sum, { end }) => sum + end, 0);
    const bytes = states.reduce((sum, state) => sum + state.bytes, 0);
    return `the log has ${records.toLocaleString('en-US')} records of ${Math.round(bytes / Math.max(1, records))} bytes on the average`;
  });

/** From the last acknowledgement to the projector's positions being at the log's ends. */
const caughtUp = (rig: Rig): Promise<string> =>
  withLog(rig, async (states) => {
    const client = await new MongoClient(rig.servers.mongo.url).connect();
    const began = performance.now();
    try {
      const positions = client.db().collection<{ _id: number; w: number }>('receipt_positions');
      for (;;) {
        const reached = new Map((await positions.find().toArray()).map(({ _id, w }) => [_id, w]));
        const took = performance.now() - began;
        if (states.every(({ end }, p) => (reached.get(p) ?? 0) >= end))
          return `all of it in MongoDB ${took.toFixed(0)} ms later`;
        if (took > CAUGHT_UP_MS) return `not all of it in MongoDB ${CAUGHT_UP_MS / 1000} s later`;
        await wait(20);
      }
    } finally {
      await client.close();
    }
  });

export async function* r1(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const target = { of: 'value', is: 'at least', value: WANTED_PER_SECOND } as const;
  const base = { id: 'R1', mode: rig.mode, unit: 'acknowledgements/s', target };
  const what = 'acknowledgements stored by one api process, over WebSocket';
  yield await measure(rig, pace, { ...base, what }, false);
  yield await measure(rig, pace, { ...base, what: `${what}, the projector and MongoDB working beside it` }, true);
}
