/** P3: from a send's time in the schedule to each of ten subscribers, beside publish, core subscriber, bare `ws`. */
import { type Figure, figureOf, type Goal, moreAtMost, type Sample, voidOf } from './figure.ts';
import type { Through, ThroughResult } from './generate/through.ts';
import { type Generator, startGenerator } from './generator.ts';
import type { Relay } from './limits/relay.ts';
import { hotLane, recordBytes } from './p1.ts';
import { LIFTED, type Rig } from './rig.ts';
import type { Room } from './room.ts';
import { byTurns, type Pace } from './rounds.ts';

const RATE = 1000;
const SUBSCRIBERS = 10;
const SENDERS = 10;
const GOALS: Readonly<Record<'p50' | 'p99', { target: Goal; stretch: Goal }>> = {
  p50: { target: moreAtMost(2), stretch: moreAtMost(1) },
  p99: { target: moreAtMost(15), stretch: moreAtMost(8) },
};

export async function* p3(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const api = await rig.startApi();
  const started: { stop(): Promise<void> }[] = [api];
  try {
    const relay = await openRelay(rig);
    started.unshift(relay);
    const publish = await rig.publishTo(1, recordBytes(), true);
    const limit = await startGenerator<Through>('generate/through', {
      kind: 'relay',
      port: relay.opened.port,
      receivers: SUBSCRIBERS,
      publish,
    });
    started.unshift(limit);
    const ours = await openOurs(rig, api);
    started.unshift(ours);
    const job = { rate: RATE, warmMs: pace.warmMs, ms: pace.ms, receiversEach: SUBSCRIBERS };
    const nats = { 'nats-server': rig.servers.nats.pid };
    const results = await byTurns(
      pace,
      () => limit.run({ ...job, pids: { relay: relay.pid, ...nats } }),
      () => ours.run({ ...job, pids: { api: api.pid, ...nats, mongod: rig.servers.mongo.pid } }),
    );
    for (const which of ['p50', 'p99'] as const) yield figure(rig, which, results);
  } finally {
    for (const one of started) await one.stop();
  }
}

function openRelay(rig: Rig): Promise<Generator<Relay>> {
  const { url, user, password } = rig.servers.nats;
  return startGenerator<Relay>('limits/relay', { nats: { url, user, password, subject: 'live.sent.>' } });
}

async function openOurs(rig: Rig, api: Room): Promise<Generator<Through>> {
  const lane = `p3${rig.mode}`;
  const members = await hotLane(rig, api, lane);
  return startGenerator<Through>('generate/through', {
    kind: 'ours',
    port: api.port,
    receivers: members.slice(0, SUBSCRIBERS).map(({ token }) => ({ token, lane })),
    senders: members.slice(SUBSCRIBERS, SUBSCRIBERS + SENDERS),
  });
}

function figure(
  rig: Rig,
  which: 'p50' | 'p99',
  results: { readonly ours: readonly ThroughResult[]; readonly limit: readonly ThroughResult[] },
): Figure {
  const sampleOf = (result: ThroughResult): Sample => ({
    value: result.latency[which],
    ops: result.deliveries,
    cpu: result.cpu,
    void: result.failed > 0 ? `${result.failed} failed: ${result.firstError}` : voidOf(result.cpu),
  });
  const what = `send to subscriber, ${RATE.toLocaleString('en-US')} sends/s in one lane × ${SUBSCRIBERS} subscribers, ${which}`;
  const notes =
    which === 'p50'
      ? [`an operation is one delivery; ${LIFTED}`]
      : ['limit: JetStream publish, republished, core subscriber, bare ws'];
  return figureOf(
    { id: 'P3', what, mode: rig.mode, unit: 'ms', ...GOALS[which], notes },
    results.ours.map(sampleOf),
    results.limit.map(sampleOf),
  );
}
