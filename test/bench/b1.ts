/** B1: how many sends of integrations over NATS are accepted in a second, beside the same number of bare publishes in flight. */
import { openCallout } from '../../bridge/callout.ts';
import { revoked } from '../../bridge/credentials.ts';
import { openIntegrations } from '../../services/journal/integrations-jetstream.ts';
import { createLogger } from '../../services/logger.ts';
import { type Figure, figureOf, ratioAtLeast, type Wanted } from './figure.ts';
import type { AppSender } from './generate/command-load.ts';
import type { CommandsRoom } from './generate/commands-room.ts';
import type { Sends } from './generate/sends.ts';
import { startGenerator } from './generator.ts';
import { enrol, startBridge } from './integrations.ts';
import { LANES, limitSampleOf, recordBytes, sampleOf } from './p1.ts';
import { LIFTED, LIFTING, PARTITIONS, type Rig } from './rig.ts';
import { byTurns, type Pace } from './rounds.ts';

const APPS = 20;
/** As many are in flight on each side. */
const IN_FLIGHT = 200;

interface Answering {
  readonly pid: number;
  stop(): Promise<void>;
}

export async function* b1(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const lanes = LANES.toLocaleString('en-US');
  const sends = `accepted sends of ${APPS} integrations over NATS, ${lanes} lanes`;
  const base = { id: 'B1', mode: rig.mode, unit: 'sends/s' };
  const target = ratioAtLeast(0.5);
  const what = `${sends}, each event delivered into a stream beside it; the limit publishes twice, too`;
  yield await measure(rig, pace, { wanted: { ...base, what, target }, open: () => startBridge(rig), twice: true });
  yield await measure(rig, pace, { wanted: { ...base, what: sends, target }, open: () => startCommands(rig) });
}

/** The commands of a bridge alone: nothing is delivered, and who comes in is looked at in this process. */
async function startCommands(rig: Rig): Promise<Answering> {
  const config = rig.servers.config({ ...LIFTING, LANES_PARTITIONS: String(PARTITIONS) });
  const log = createLogger({ logLevel: 'warn' }, 'bridge', 2);
  const registry = await openIntegrations({ ...config.nats, log, name: 'bench doors' });
  const callout = await openCallout({ config, registry, log });
  const room = await startGenerator<CommandsRoom>('generate/commands-room', config);
  const stop = async (): Promise<void> => {
    await room.stop();
    await callout.stop();
    // What they sent was not delivered, and is not to be by the bridge of another figure.
    for (const one of registry.list()) await registry.put(revoked(one, Date.now()));
    await registry.close();
  };
  return { pid: room.pid, stop };
}

interface Setting {
  readonly wanted: Wanted;
  readonly open: () => Promise<Answering>;
  readonly twice?: true;
}

async function measure(rig: Rig, pace: Pace, { wanted, open, twice }: Setting): Promise<Figure> {
  const apps = await manyApps(rig, twice ? 'b1e' : 'b1c');
  const bridge = await open();
  const started: { stop(): Promise<void> }[] = [bridge];
  try {
    const ours = await startGenerator<Sends>('generate/sends', { kind: 'commands', apps });
    started.unshift(ours);
    const publishing = await rig.publishTo(LANES, recordBytes());
    const limit = await startGenerator<Sends>('generate/sends', { ...publishing, ...(twice ? { twice } : {}) });
    started.unshift(limit);
    const job = { kind: 'closed', inFlight: IN_FLIGHT, warmMs: pace.warmMs, ms: pace.ms } as const;
    const nats = { 'nats-server': rig.servers.nats.pid };
    const results = await byTurns(
      pace,
      () => limit.run({ ...job, pids: nats }),
      () => ours.run({ ...job, pids: { bridge: bridge.pid, ...nats } }),
    );
    return figureOf(
      { ...wanted, notes: [`${IN_FLIGHT} in flight on each side; ${LIFTED}`] },
      results.ours.map((result) => sampleOf(result, result.perSecond)),
      results.limit.map((result) => limitSampleOf(result, result.perSecond)),
    );
  } finally {
    for (const one of started) await one.stop();
  }
}

/** Each of the conversations has one integration in it. */
async function manyApps(rig: Rig, prefix: string): Promise<AppSender[]> {
  const names = Array.from({ length: APPS }, (_, i) => `${prefix}x${i}`);
  const enrolled = await enrol(rig, names);
  const lanes = Array.from({ length: LANES }, (_, i) => ({
    id: `${prefix}x${i}`,
    members: ['b1user', enrolled[i % APPS]?.user ?? ''],
  }));
  const api = await rig.startApi();
  await rig.createLanes(api.port, lanes).finally(() => api.stop());
  return enrolled.map((credentials, app) => ({
    credentials,
    lanes: lanes.filter((_, i) => i % APPS === app).map(({ id }) => id),
  }));
}
