/** P4, P4b: one lane with a crowd, beside a loop of `ws.send` that sends frames of the same size to as many. */
import { type Figure, figureOf, ratioAtLeast, ratioAtMost, type Sample, voidOf } from './figure.ts';
import type { Fanout, FanoutResult } from './generate/fanout.ts';
import { type Generator, startGenerator } from './generator.ts';
import type { Relay } from './limits/relay.ts';
import { LIFTED, type Rig } from './rig.ts';
import { byTurns, type Pace } from './rounds.ts';

const IN_FLIGHT = [1, 4];
const CROWD = 1000;
const LARGE_CROWD = 10_000;

/** Both sides with the same crowd; `measure` gets a run of either by turns. */
async function withCrowds<T>(
  rig: Rig,
  size: number,
  use: (sides: {
    readonly flow: (side: 'ours' | 'limit', inFlight: number, warmMs: number, ms: number) => Promise<FanoutResult>;
    readonly payloadBytes: number;
  }) => Promise<T>,
): Promise<T> {
  const api = await rig.startApi();
  const started: { stop(): Promise<void> }[] = [api];
  const keep = <G extends { stop(): Promise<void> }>(generator: G): G => {
    started.unshift(generator);
    return generator;
  };
  try {
    const lane = `crowd${size}`;
    const members = Array.from({ length: size }, (_, i) => `c${String(i).padStart(5, '0')}`);
    await rig.createLanes(api.port, [{ id: lane, members }]);
    const receivers = members.map((user) => ({ token: rig.tokenOf(user), lane }));
    const sender = { token: rig.tokenOf(members[0] as string), lanes: [lane] };
    const ours = keep(
      await startGenerator<Fanout>('generate/fanout', { kind: 'ours', port: api.port, receivers, sender }),
    );
    const relay = keep(await startGenerator<Relay>('limits/relay', {}));
    const limit = keep(
      await startGenerator<Fanout>('generate/fanout', { kind: 'relay', port: relay.opened.port, receivers: size }),
    );
    await ours.run({ kind: 'grow', to: size });
    await limit.run({ kind: 'grow', to: size });
    const payloadBytes = (await ours.run({ kind: 'probe' })) as number;
    const pids = {
      ours: { api: api.pid, 'nats-server': rig.servers.nats.pid, mongod: rig.servers.mongo.pid },
      limit: { relay: relay.pid },
    };
    const generators: Record<'ours' | 'limit', Generator<Fanout>> = { ours, limit };
    return await use({
      payloadBytes,
      flow: async (side, inFlight, warmMs, ms) =>
        (await generators[side].run({
          kind: 'flow',
          inFlight,
          warmMs,
          ms,
          payloadBytes,
          pids: pids[side],
        })) as FanoutResult,
    });
  } finally {
    for (const one of started) await one.stop();
  }
}

const sampleOf = (result: FanoutResult, value: number): Sample => ({
  value,
  ops: result.deliveries,
  cpu: result.cpu,
  void: voidOf(result.cpu),
});

export function p4(rig: Rig, pace: Pace): Promise<Figure[]> {
  return withCrowds(rig, CROWD, async ({ flow, payloadBytes }) => {
    const figures: Figure[] = [];
    for (const inFlight of IN_FLIGHT) {
      const results = await byTurns(
        pace.rounds,
        () => flow('limit', inFlight, pace.warmMs, pace.ms),
        () => flow('ours', inFlight, pace.warmMs, pace.ms),
      );
      figures.push(
        figureOf(
          {
            id: 'P4',
            what: `deliveries to ${CROWD.toLocaleString('en-US')} subscribers of one lane, ${inFlight} in flight`,
            mode: rig.mode,
            unit: 'deliveries/s',
            target: ratioAtLeast(0.6),
            stretch: ratioAtLeast(1),
            notes: [`frames of ${payloadBytes} bytes on both sides; ours are stored first; ${LIFTED}`],
          },
          results.ours.map((result) => sampleOf(result, result.perSecond)),
          results.limit.map((result) => sampleOf(result, result.perSecond)),
        ),
      );
    }
    return figures;
  });
}

export function p4b(rig: Rig, pace: Pace): Promise<Figure[]> {
  return withCrowds(rig, LARGE_CROWD, async ({ flow, payloadBytes }) => {
    const results = await byTurns(
      pace.rounds,
      () => flow('limit', 1, pace.warmMs, pace.ms),
      () => flow('ours', 1, pace.warmMs, pace.ms),
    );
    return [
      figureOf(
        {
          id: 'P4b',
          what: `${LARGE_CROWD.toLocaleString('en-US')} subscribers of one lane: send to the last one, median`,
          mode: rig.mode,
          unit: 'ms',
          target: ratioAtMost(1.6),
          stretch: ratioAtMost(1.25),
          notes: [
            `frames of ${payloadBytes} bytes on both sides; CPU is for each delivery; ours are stored first; ${LIFTED}`,
          ],
        },
        results.ours.map((result) => sampleOf(result, result.toLast.p50)),
        results.limit.map((result) => sampleOf(result, result.toLast.p50)),
      ),
    ];
  });
}
