/** P4, P4b: one lane with a crowd, beside a loop of `ws.send` that sends frames of the same size to as many. */
import { type Figure, figureOf, ratioAtLeast, ratioAtMost, type Sample, voidOf } from './figure.ts';
import type { Fanout, FanoutResult } from './generate/fanout.ts';
import type { Protocol } from './generate/serve.ts';
import { type Generator, startGenerator } from './generator.ts';
import type { Relay } from './limits/relay.ts';
import { LIFTED, type Rig } from './rig.ts';
import { byTurns, type Pace } from './rounds.ts';

const IN_FLIGHT = [1, 4];
const CROWD = 1000;
const LARGE_CROWD = 10_000;

interface Crowds {
  flow(side: 'ours' | 'limit', inFlight: number): Promise<FanoutResult>;
  readonly payloadBytes: number;
  stop(): Promise<void>;
}

/** Both sides with the same crowd. */
async function openCrowds(rig: Rig, pace: Pace, size: number): Promise<Crowds> {
  const api = await rig.startApi();
  const started: { stop(): Promise<void> }[] = [api];
  const stop = async () => {
    for (const one of started) await one.stop();
  };
  const open = async <P extends Protocol>(script: string, options: P['open']): Promise<Generator<P>> => {
    const generator = await startGenerator<P>(script, options);
    started.unshift(generator);
    return generator;
  };
  try {
    const lane = `crowd${size}`;
    const members = Array.from({ length: size }, (_, i) => `c${String(i).padStart(5, '0')}`);
    await rig.createLanes(api.port, [{ id: lane, members }]);
    const receivers = members.map((user) => ({ token: rig.tokenOf(user), lane }));
    const sender = { token: rig.tokenOf(members[0] as string), lanes: [lane] };
    const ours = await open<Fanout>('generate/fanout', { kind: 'ours', port: api.port, receivers, sender });
    const relay = await open<Relay>('limits/relay', {});
    const limit = await open<Fanout>('generate/fanout', { kind: 'relay', port: relay.opened.port, receivers: size });
    await ours.run({ kind: 'grow', to: size });
    await limit.run({ kind: 'grow', to: size });
    const payloadBytes = (await ours.run({ kind: 'probe' })) as number;
    const nats = { 'nats-server': rig.servers.nats.pid, mongod: rig.servers.mongo.pid };
    const sides = {
      ours: { generator: ours, pids: { api: api.pid, ...nats } },
      limit: { generator: limit, pids: { relay: relay.pid } },
    };
    const flow = async (side: 'ours' | 'limit', inFlight: number): Promise<FanoutResult> => {
      const { generator, pids } = sides[side];
      const job = { kind: 'flow', inFlight, warmMs: pace.warmMs, ms: pace.ms, payloadBytes, pids } as const;
      return (await generator.run(job)) as FanoutResult;
    };
    return { flow, payloadBytes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const sampleOf = (result: FanoutResult, value: number): Sample => ({
  value,
  ops: result.deliveries,
  cpu: result.cpu,
  void: voidOf(result.cpu),
});

const perSecond = (result: FanoutResult): Sample => sampleOf(result, result.perSecond);
const toLast = (result: FanoutResult): Sample => sampleOf(result, result.toLast.p50);
const counted = (size: number): string => `${size.toLocaleString('en-US')} subscribers of one lane`;
const noteOf = ({ payloadBytes }: Crowds): string =>
  `an operation is one delivery; frames of ${payloadBytes} bytes on both sides; ours are stored first; ${LIFTED}`;

async function flows(crowds: Crowds, pace: Pace, inFlight: number) {
  return byTurns(
    pace,
    () => crowds.flow('limit', inFlight),
    () => crowds.flow('ours', inFlight),
  );
}

export async function* p4(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const crowds = await openCrowds(rig, pace, CROWD);
  try {
    for (const inFlight of IN_FLIGHT) {
      const results = await flows(crowds, pace, inFlight);
      const what = `deliveries to ${counted(CROWD)}, ${inFlight} in flight`;
      const goals = { target: ratioAtLeast(0.6), stretch: ratioAtLeast(1) };
      yield figureOf(
        { id: 'P4', what, mode: rig.mode, unit: 'deliveries/s', ...goals, notes: [noteOf(crowds)] },
        results.ours.map(perSecond),
        results.limit.map(perSecond),
      );
    }
  } finally {
    await crowds.stop();
  }
}

export async function* p4b(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const crowds = await openCrowds(rig, pace, LARGE_CROWD);
  try {
    const results = await flows(crowds, pace, 1);
    const what = `${counted(LARGE_CROWD)}: from a send to the last one, median of a round`;
    const goals = { target: ratioAtMost(1.6), stretch: ratioAtMost(1.25) };
    yield figureOf(
      { id: 'P4b', what, mode: rig.mode, unit: 'ms', ...goals, notes: [noteOf(crowds)] },
      results.ours.map(toLast),
      results.limit.map(toLast),
    );
  } finally {
    await crowds.stop();
  }
}
