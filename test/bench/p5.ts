/** P5: resident memory of one more idle subscription, a socket of its own included, beside one more idle `ws` socket. */
import { freePort } from '../support/servers.ts';
import { type Figure, figureOf, ratioAtMost, type Sample } from './figure.ts';
import type { Crowd, Fanout } from './generate/fanout.ts';
import { startGenerator } from './generator.ts';
import { heldBy } from './inspector.ts';
import type { Relay } from './limits/relay.ts';
import { LANES, manyLanes } from './p1.ts';
import type { Rig } from './rig.ts';
import { byTurns, type Pace } from './rounds.ts';

const FROM = 1000;
const TO = 8000;

export async function* p5(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const first = await rig.startApi();
  const senders = await manyLanes(rig, first, 'p5').finally(() => first.stop());
  const receivers = Array.from({ length: TO }, (_, i) => {
    // The i-th follows lane i modulo 1,000; of that lane's members another one each time round.
    const [lane, round] = [i % LANES, Math.floor(i / LANES)];
    const { token, lanes } = senders[(lane % 10) + 10 * round] as (typeof senders)[number];
    return { token, lane: [...lanes].sort()[Math.floor(lane / 10)] as string };
  });
  const results = await byTurns(
    pace,
    () => ofBareSockets(),
    () => ofSubscriptions(rig, receivers),
    { warmUp: false },
  );
  yield figureOf(
    {
      id: 'P5',
      what: `memory of an idle subscription on its own socket (${LANES.toLocaleString('en-US')} lanes; slope from ${FROM} to ${TO})`,
      mode: rig.mode,
      unit: 'KiB',
      target: ratioAtMost(3),
      stretch: ratioAtMost(2),
      notes: ['resident memory after full garbage collections, asked for by the inspector, on both sides'],
    },
    results.ours,
    results.limit,
  );
}

async function ofBareSockets(): Promise<Sample> {
  const inspector = await freePort();
  const relay = await startGenerator<Relay>('limits/relay', {}, [`--inspect=127.0.0.1:${inspector}`]);
  try {
    const { port } = relay.opened;
    return await slopeOf(relay.pid, inspector, { kind: 'relay', port, receivers: TO });
  } finally {
    await relay.stop();
  }
}

async function ofSubscriptions(rig: Rig, receivers: readonly { token: string; lane: string }[]): Promise<Sample> {
  const inspector = await freePort();
  const api = await rig.startApi([`--inspect=127.0.0.1:${inspector}`]);
  try {
    return await slopeOf(api.pid, inspector, { kind: 'ours', port: api.port, receivers });
  } finally {
    await api.stop();
  }
}

/** KiB for each more. */
async function slopeOf(pid: number, inspector: number, crowd: Crowd): Promise<Sample> {
  const generator = await startGenerator<Fanout>('generate/fanout', crowd);
  try {
    await generator.run({ kind: 'grow', to: FROM });
    const before = await heldBy(pid, inspector);
    await generator.run({ kind: 'grow', to: TO });
    const after = await heldBy(pid, inspector);
    return { value: (after - before) / 1024 / (TO - FROM) };
  } finally {
    await generator.stop();
  }
}
