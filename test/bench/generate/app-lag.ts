/**
 * The load generator of B2: sends on a schedule, and the time from the acknowledgement of each until an integration's durable
 * consumer has it.
 */
import { AckPolicy, type ConsumerMessages, type NatsConnection } from 'nats';
import { acknowledged } from './acknowledged.ts';
import { type AppDoor, enter } from './app-client.ts';
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
} from './load.ts';
import { nowNs } from './pace.ts';
import { serve } from './serve.ts';
import { openWsLoad, type WsOptions } from './ws-load.ts';

export interface AppLag {
  readonly open: WsOptions & { readonly app: string; readonly door: AppDoor };
  readonly opened: undefined;
  readonly run: LoadJob;
  readonly result: LoadResult & { readonly lag: Percentiles; readonly samples: number };
}

let load: Load | undefined;
let connection: NatsConnection | undefined;
let messages: ConsumerMessages | undefined;
/** By `<lane>:<seq>`: acknowledged and not seen, seen and not acknowledged. */
const acked = new Map<string, number>();
const seen = new Map<string, number>();
let lag = newHistogram();
let samples = 0;

function meet(name: string, ackedNs: number, seenNs: number): void {
  acked.delete(name);
  seen.delete(name);
  recordNs(lag, seenNs - ackedNs);
  samples++;
}

function wasAcknowledged(lane: string, seq: number): void {
  const name = `${lane}:${seq}`;
  const [now, seenNs] = [nowNs(), seen.get(name)];
  if (seenNs !== undefined) meet(name, now, Math.max(now, seenNs));
  else acked.set(name, now);
}

async function consume(app: string, door: AppDoor): Promise<void> {
  connection = await enter(door);
  const manager = await connection.jetstreamManager({ checkAPI: false });
  const stream = `APP_${app}`;
  await manager.consumers.add(stream, { durable_name: 'bench', ack_policy: AckPolicy.None });
  const consumer = await connection.jetstream().consumers.get(stream, 'bench');
  messages = await consumer.consume({
    max_messages: 2_000,
    callback: (message) => {
      const name = message.headers?.get('Nats-Msg-Id') ?? '';
      const [now, ackedNs] = [nowNs(), acked.get(name)];
      if (ackedNs !== undefined) meet(name, ackedNs, now);
      else seen.set(name, now);
    },
  });
}

serve<AppLag>({
  open: async ({ app, door, ...ws }) => {
    load = acknowledged(await openWsLoad(ws), wasAcknowledged);
    await consume(app, door);
    return undefined;
  },
  run: async (job) => {
    if (load === undefined) throw new Error('not open');
    [lag, samples] = [newHistogram(), 0];
    const result = await runLoad(load, { ...job, pids: { ...job.pids, generator: process.pid } });
    await drained(
      () => acked.size === 0,
      () => `${acked.size} events did not come`,
    );
    seen.clear();
    return { ...result, lag: percentilesOf(lag), samples };
  },
  close: async () => {
    await messages?.close();
    await load?.close();
    await connection?.close();
  },
});
