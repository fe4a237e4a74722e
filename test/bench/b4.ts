/** B4: events that a replay brings back in a second. */
import { type Figure, figureOf, valueAtLeast, voidOf } from './figure.ts';
import type { AppReplay } from './generate/app-replay.ts';
import type { Fill } from './generate/fill.ts';
import { startGenerator } from './generator.ts';
import { enrol, startBridge } from './integrations.ts';
import { PARTITIONS, type Rig } from './rig.ts';
import { type Pace, quietest } from './rounds.ts';

const APP = 'bench4';
const EVENTS = 60_000;

export async function* b4(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const [credentials] = await enrol(rig, [APP]);
  if (!credentials) throw new Error('no integration');
  const { url, user, password } = rig.servers.nats;
  const fill = await startGenerator<Fill>('generate/fill', { url, user, password, partitions: PARTITIONS });
  const prefix = `b4x${rig.mode}x`;
  // The records of one lane name none that they follow: they are in order because one connection wrote them.
  await fill.run({ prefix, lanes: 1, events: EVENTS, guests: [credentials.user] }).finally(() => fill.stop());
  const bridge = await startBridge(rig);
  const client = await startGenerator<AppReplay>('generate/app-replay', { app: APP, door: credentials.nats });
  try {
    const pids = { bridge: bridge.pid, 'nats-server': rig.servers.nats.pid };
    const run = async () => {
      const result = await client.run({ lane: `${prefix}0000`, pids });
      if (!result.ordered) throw new Error('a replay was not whole, or out of order');
      return { ...result, others: result.cpu.others };
    };
    await run();
    const results = await quietest(pace, run);
    yield figureOf(
      {
        id: 'B4',
        what: `events replayed to one integration, ${EVENTS.toLocaleString('en-US')} of one conversation, from the lane alone`,
        ...{ mode: rig.mode, unit: 'events/s', target: valueAtLeast(20_000) },
        notes: ['from the request to CaughtUp, each event stored in the integration’s stream'],
      },
      results.map(({ perSecond, events, cpu }) => ({ value: perSecond, ops: events, cpu, void: voidOf(cpu) })),
      [],
    );
  } finally {
    await client.stop();
    await bridge.stop();
  }
}
