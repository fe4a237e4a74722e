/** P2: how long after its time in the schedule a send is acknowledged, at 1,000 a second, beside a bare publish. */
import { type Figure, figureOf, type Goal, moreAtMost } from './figure.ts';
import type { LoadResult } from './generate/load.ts';
import type { Sends } from './generate/sends.ts';
import { startGenerator } from './generator.ts';
import { LANES, limitSampleOf, manyLanes, recordBytes, sampleOf } from './p1.ts';
import { LIFTED, type Rig } from './rig.ts';
import { byTurns, type Pace } from './rounds.ts';

const RATE = 1000;
const CONNECTIONS = 100;
const GOALS: Readonly<Record<'p50' | 'p99', { target: Goal; stretch: Goal }>> = {
  p50: { target: moreAtMost(1.5), stretch: moreAtMost(0.8) },
  p99: { target: moreAtMost(10), stretch: moreAtMost(5) },
};

export async function* p2(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  yield* await measure(rig, pace, 'http');
  yield* await measure(rig, pace, 'ws');
}

async function measure(rig: Rig, pace: Pace, over: 'http' | 'ws'): Promise<Figure[]> {
  const api = await rig.startApi();
  try {
    const senders = await manyLanes(rig, api, `p2${over}`);
    const open: Sends['open'] =
      over === 'http'
        ? { kind: 'http', port: api.port, connections: CONNECTIONS, senders }
        : { kind: 'ws', port: api.port, senders };
    const ours = await startGenerator<Sends>('generate/sends', open);
    const limit = await startGenerator<Sends>('generate/sends', await rig.publishTo(LANES, recordBytes()));
    try {
      const job = { kind: 'open', rate: RATE, warmMs: pace.warmMs, ms: pace.ms } as const;
      const nats = { 'nats-server': rig.servers.nats.pid };
      const results = await byTurns(
        pace,
        () => limit.run({ ...job, pids: nats }),
        () => ours.run({ ...job, pids: { api: api.pid, ...nats, mongod: rig.servers.mongo.pid } }),
      );
      return (['p50', 'p99'] as const).map((which) => figure(rig, over, which, results));
    } finally {
      await Promise.all([ours.stop(), limit.stop()]);
    }
  } finally {
    await api.stop();
  }
}

type Both = { readonly ours: readonly LoadResult[]; readonly limit: readonly LoadResult[] };

function figure(rig: Rig, over: 'http' | 'ws', which: 'p50' | 'p99', results: Both): Figure {
  const what = `send to acknowledgement over ${over === 'http' ? 'HTTP' : 'WebSocket'} at ${RATE.toLocaleString('en-US')}/s, ${which}`;
  const notes = which === 'p50' ? [LIFTED] : [latenessNote(results)];
  return figureOf(
    { id: 'P2', what, mode: rig.mode, unit: 'ms', ...GOALS[which], notes },
    results.ours.map((result) => sampleOf(result, result.latency[which])),
    results.limit.map((result) => limitSampleOf(result, result.latency[which])),
  );
}

/** How far the generator itself was behind its schedule; this is in the latencies of both sides. */
function latenessNote({ ours, limit }: Both): string {
  const worst = (of: readonly LoadResult[]): string =>
    Math.max(...of.map((result) => result.late?.p99 ?? 0)).toFixed(2);
  return `the generators started sends late by at most (p99) ${worst(ours)} ms for ours, ${worst(limit)} ms for the limit`;
}
