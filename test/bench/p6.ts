/** P6: rows that the projector writes in a second, beside `insertMany` of the same documents; and how far it is behind. */
import { type Db, MongoClient } from 'mongodb';
import { laneStream } from '../../schema/subjects.ts';
import { cpuBetween, readCpu } from './cpu.ts';
import { type Figure, figureOf, ratioAtLeast, type Sample, valueAtMost } from './figure.ts';
import type { Fill } from './generate/fill.ts';
import type { Inserts } from './generate/inserts.ts';
import type { Lag } from './generate/lag.ts';
import { wait } from './generate/load.ts';
import { startGenerator } from './generator.ts';
import { manyLanes, sampleOf } from './p1.ts';
import { connectNats, LIFTED, PARTITIONS, type Rig } from './rig.ts';
import { byTurns, type Pace, quietest } from './rounds.ts';

const LANES = 1000;
/** Of each lane in one round; a quick round has fewer. */
const EVENTS = 50;
const QUICK_EVENTS = 20;
const RATE = 2000;
const PROJECT_MS = 120_000;
/** Batches in flight, of which the faster is the limit: the projector may have several, too. */
const LIMIT_AT_ONCE = 2;

export async function* p6(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const client = await new MongoClient(rig.servers.mongo.url).connect();
  try {
    yield await rows(rig, pace, client.db());
    yield await lag(rig, pace, client.db());
  } finally {
    await client.close();
  }
}

/** The collection of the generation in use; waits for the projector to have made one. */
async function historyOf(db: Db): Promise<string> {
  for (const until = Date.now() + PROJECT_MS; Date.now() < until; await wait(20)) {
    const meta = await db.collection<{ _id: string; current: string }>('meta').findOne({ _id: 'generation' });
    if (meta !== null) return `history_${meta.current}`;
  }
  throw new Error('the projector made no history');
}

/** Settles when everything that is in the lanes is in history: what other figures left behind is not to be measured here. */
async function caughtUp(rig: Rig, db: Db): Promise<void> {
  const connection = await connectNats(rig.servers);
  const { streams } = await connection.jetstreamManager();
  const behind = async (): Promise<boolean> => {
    const positions = await db.collection<{ _id: string; w: number }>('positions').find().toArray();
    for (let p = 0; p < PARTITIONS; p++) {
      const { last_seq: end } = (await streams.info(laneStream(p))).state;
      if (end > 0 && !positions.some(({ _id, w }) => _id.endsWith(`:${p}`) && w >= end)) return true;
    }
    return false;
  };
  try {
    for (const until = Date.now() + PROJECT_MS; await behind(); await wait(50))
      if (Date.now() > until) throw new Error(`the projector is still behind after ${PROJECT_MS / 1000} s`);
  } finally {
    await connection.close();
  }
}

async function rows(rig: Rig, pace: Pace, db: Db): Promise<Figure> {
  // The first start makes streams, collections and indexes.
  const first = await rig.startProjector();
  const ready = async () => {
    const history = await historyOf(db);
    await caughtUp(rig, db);
    return history;
  };
  const history = await ready().finally(() => first.stop());
  const { url, user, password } = rig.servers.nats;
  const fill = await startGenerator<Fill>('generate/fill', { url, user, password, partitions: PARTITIONS });
  const inserts = await startGenerator<Inserts>('generate/inserts', { url: rig.servers.mongo.url });
  try {
    const events = pace.rounds > 2 ? EVENTS : QUICK_EVENTS;
    let round = 0;
    const results = await byTurns(
      pace,
      async (): Promise<Sample> => {
        const pids = { mongod: rig.servers.mongo.pid };
        const job = { like: history, count: LANES * events, pids };
        const one = await inserts.run({ ...job, atOnce: 1 });
        const several = await inserts.run({ ...job, atOnce: LIMIT_AT_ONCE });
        const best = several.perSecond > one.perSecond ? several : one;
        return { value: best.perSecond, ops: best.rows, cpu: best.cpu };
      },
      async (): Promise<Sample> => {
        await fill.run({ prefix: `p6r${round++}x`, lanes: LANES, events });
        return project(rig, db, history, LANES * events);
      },
    );
    const notes = [
      `${LANES} lanes, one event a record; limit: the same documents, 1 or ${LIMIT_AT_ONCE} batches in flight, the faster of the two`,
    ];
    const goals = { target: ratioAtLeast(0.6), stretch: ratioAtLeast(0.8) };
    return figureOf(
      { id: 'P6', what: 'rows the projector writes', mode: rig.mode, unit: 'rows/s', ...goals, notes },
      results.ours,
      results.limit,
    );
  } finally {
    await Promise.all([fill.stop(), inserts.stop()]);
  }
}

/** From the first of the new rows that can be seen to the last. */
async function project(rig: Rig, db: Db, history: string, count: number): Promise<Sample> {
  const collection = db.collection(history);
  const before = await collection.estimatedDocumentCount();
  const projector = await rig.startProjector();
  const pids = { projector: projector.pid, mongod: rig.servers.mongo.pid, 'nats-server': rig.servers.nats.pid };
  try {
    const until = Date.now() + PROJECT_MS;
    let [from, seen] = [readCpu(pids), 0];
    for (;;) {
      const now = (await collection.estimatedDocumentCount()) - before;
      if (seen === 0 && now > 0) [from, seen] = [readCpu(pids), now];
      if (now >= count) break;
      if (Date.now() > until) throw new Error(`the projector wrote ${now} of ${count} rows in ${PROJECT_MS / 1000} s`);
      await wait(5);
    }
    const cpu = cpuBetween(from, readCpu(pids));
    return { value: (count - seen) / cpu.seconds, ops: count - seen, cpu };
  } finally {
    await projector.stop();
  }
}

async function lag(rig: Rig, pace: Pace, db: Db): Promise<Figure> {
  const api = await rig.startApi();
  const projector = await rig.startProjector();
  try {
    const senders = await manyLanes(rig, api, 'p6lag');
    const generator = await startGenerator<Lag>('generate/lag', {
      kind: 'ws',
      port: api.port,
      senders,
      mongoUrl: rig.servers.mongo.url,
      history: await historyOf(db),
    });
    try {
      await caughtUp(rig, db);
      const pids = {
        api: api.pid,
        'nats-server': rig.servers.nats.pid,
        projector: projector.pid,
        mongod: rig.servers.mongo.pid,
      };
      const run = () => generator.run({ kind: 'open', rate: RATE, warmMs: pace.warmMs, ms: pace.ms, pids });
      await run();
      const results = await quietest(pace, async () => {
        const result = await run();
        return { ...result, others: result.cpu.others };
      });
      const medians = results.map((result) => result.lag.p50);
      const samples = results.map((result) => sampleOf(result, result.lag.p99));
      const what = `from acknowledgement to history, ${RATE.toLocaleString('en-US')} sends/s, p99`;
      const goals = { target: valueAtMost(250), stretch: valueAtMost(100) };
      const notes = [`p50 of the rounds: ${medians.map((ms) => ms.toFixed(1)).join(', ')} ms; ${LIFTED}`];
      return figureOf({ id: 'P6', what, mode: rig.mode, unit: 'ms', ...goals, notes }, samples, []);
    } finally {
      await generator.stop();
    }
  } finally {
    await projector.stop();
    await api.stop();
  }
}
