/**
 * The load generator of P6's lag: sends on a schedule, and for one in twenty of them the time from its acknowledgement until
 * its document can be read in history.
 */
import { MongoClient } from 'mongodb';
import { acknowledged } from './acknowledged.ts';
import {
  drained,
  type Load,
  type LoadJob,
  type LoadResult,
  newHistogram,
  type Percentiles,
  percentilesOf,
  recordNs,
  runLoad,
  wait,
} from './load.ts';
import { nowNs } from './pace.ts';
import { serve } from './serve.ts';
import { openWsLoad, type WsOptions } from './ws-load.ts';

export interface Lag {
  readonly open: WsOptions & { readonly mongoUrl: string; readonly history: string };
  readonly opened: undefined;
  readonly run: LoadJob;
  readonly result: LoadResult & { readonly lag: Percentiles; readonly samples: number };
}

const SAMPLE = 20;
/** Between two looks, and so the finest that can be told. */
const LOOK_MS = 2;

let load: Load | undefined;
let client: MongoClient | undefined;
let history = '';
let turn = 0;
/** Acknowledged, not seen in history yet: by `<lane> <seq>`. */
const waiting = new Map<string, { lane: string; seq: number; ackedNs: number }>();
let lag = newHistogram();
let [open, samples] = [true, 0];

function wasAcknowledged(lane: string, seq: number): void {
  if (turn++ % SAMPLE === 0) waiting.set(`${lane} ${seq}`, { lane, seq, ackedNs: nowNs() });
}

/** All that is waited for is asked for at once, again and again. */
async function look(): Promise<void> {
  const collection = client?.db().collection<{ _id: { l: string; s: number } }>(history);
  while (open) {
    if (waiting.size > 0 && collection !== undefined) {
      const ids = [...waiting.values()].map(({ lane, seq }) => ({ l: lane, s: seq }));
      const found = await collection.find({ _id: { $in: ids } }, { projection: { _id: 1 } }).toArray();
      const seenNs = nowNs();
      for (const { _id } of found) {
        const name = `${_id.l} ${_id.s}`;
        recordNs(lag, seenNs - (waiting.get(name)?.ackedNs ?? seenNs));
        samples++;
        waiting.delete(name);
      }
    }
    await wait(LOOK_MS);
  }
}

serve<Lag>({
  open: async ({ mongoUrl, history: name, ...ws }) => {
    load = acknowledged(await openWsLoad(ws), wasAcknowledged);
    client = await new MongoClient(mongoUrl).connect();
    history = name;
    void look();
    return undefined;
  },
  run: async (job) => {
    if (load === undefined) throw new Error('not open');
    [lag, samples] = [newHistogram(), 0];
    const result = await runLoad(load, { ...job, pids: { ...job.pids, generator: process.pid } });
    await drained(() => waiting.size === 0);
    return { ...result, lag: percentilesOf(lag), samples };
  },
  close: async () => {
    open = false;
    await load?.close();
    await client?.close();
  },
});
