/** B1: how many sends of integrations over NATS are accepted in a second, beside the same number of bare publishes in flight. */
import { type Figure, figureOf, ratioAtLeast } from './figure.ts';
import type { AppSender } from './generate/command-load.ts';
import type { Sends } from './generate/sends.ts';
import { type Generator, startGenerator } from './generator.ts';
import { enrol, startBridge } from './integrations.ts';
import { LANES, limitSampleOf, recordBytes, sampleOf } from './p1.ts';
import { LIFTED, type Rig } from './rig.ts';
import { byTurns, type Pace } from './rounds.ts';

const APPS = 20;
/** As many are in flight on each side. */
const IN_FLIGHT = 200;

export async function* b1(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const api = await rig.startApi();
  const bridge = await startBridge(rig);
  const started: Generator<Sends>[] = [];
  try {
    const apps = await manyApps(rig, api.port);
    const ours = await startGenerator<Sends>('generate/sends', { kind: 'commands', apps });
    started.push(ours);
    const limit = await startGenerator<Sends>('generate/sends', await rig.publishTo(LANES, recordBytes()));
    started.push(limit);
    const job = { kind: 'closed', inFlight: IN_FLIGHT, warmMs: pace.warmMs, ms: pace.ms } as const;
    const nats = { 'nats-server': rig.servers.nats.pid };
    const results = await byTurns(
      pace,
      () => limit.run({ ...job, pids: nats }),
      () => ours.run({ ...job, pids: { bridge: bridge.pid, ...nats } }),
    );
    const lanes = LANES.toLocaleString('en-US');
    yield figureOf(
      {
        id: 'B1',
        what: `accepted sends of ${APPS} integrations over NATS, ${lanes} lanes, each event into its integration's stream, too`,
        ...{ mode: rig.mode, unit: 'sends/s', target: ratioAtLeast(0.5) },
        notes: [`${IN_FLIGHT} in flight on each side; ${LIFTED}`],
      },
      results.ours.map((result) => sampleOf(result, result.perSecond)),
      results.limit.map((result) => limitSampleOf(result, result.perSecond)),
    );
  } finally {
    await Promise.all(started.map((generator) => generator.stop()));
    await bridge.stop();
    await api.stop();
  }
}

/** Each of the conversations has one integration in it. */
async function manyApps(rig: Rig, port: number): Promise<AppSender[]> {
  const names = Array.from({ length: APPS }, (_, i) => `bench1x${i}`);
  const enrolled = await enrol(rig, names);
  const lanes = Array.from({ length: LANES }, (_, i) => ({
    id: `b1x${i}`,
    members: ['b1user', enrolled[i % APPS]?.user ?? ''],
  }));
  await rig.createLanes(port, lanes);
  return enrolled.map((credentials, app) => ({
    credentials,
    lanes: lanes.filter((_, i) => i % APPS === app).map(({ id }) => id),
  }));
}
