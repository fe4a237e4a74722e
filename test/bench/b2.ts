/** B2: how long after its acceptance an event is with an integration. */
import { type Figure, figureOf, valueAtMost } from './figure.ts';
import type { AppLag } from './generate/app-lag.ts';
import { startGenerator } from './generator.ts';
import { enrol, startBridge } from './integrations.ts';
import { sampleOf } from './p1.ts';
import { LIFTED, type Rig } from './rig.ts';
import { type Pace, quietest } from './rounds.ts';

const APP = 'bench2';
const RATE = 2_000;
const LANES = 1_000;
const USERS = 100;

export async function* b2(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  yield await lag(rig, pace, LANES);
  yield await lag(rig, pace, 1);
}

/** `count` conversations with the integration in them; each user is in its share, all of them in the only one. */
async function lag(rig: Rig, pace: Pace, count: number): Promise<Figure> {
  const app = `${APP}_${count}`;
  const [credentials] = await enrol(rig, [app]);
  if (!credentials) throw new Error('no integration');
  const api = await rig.startApi();
  const bridge = await startBridge(rig);
  try {
    const users = Array.from({ length: USERS }, (_, i) => `b2user${i}`);
    const membersOf = (lane: number) => (count === 1 ? users : [users[lane % USERS] as string]);
    const lanes = Array.from({ length: count }, (_, i) => ({
      id: `b2x${count}x${i}`,
      members: [...membersOf(i), credentials.user],
    }));
    await rig.createLanes(api.port, lanes);
    const senders = users.map((user) => ({
      token: rig.tokenOf(user),
      lanes: lanes.filter(({ members }) => members.includes(user)).map(({ id }) => id),
    }));
    const generator = await startGenerator<AppLag>('generate/app-lag', {
      ...{ kind: 'ws', port: api.port, senders, app, door: credentials.nats },
    });
    try {
      const pids = { api: api.pid, bridge: bridge.pid, 'nats-server': rig.servers.nats.pid };
      const run = () => generator.run({ kind: 'open', rate: RATE, warmMs: pace.warmMs, ms: pace.ms, pids });
      await run();
      const results = await quietest(pace, async () => {
        const result = await run();
        return { ...result, others: result.cpu.others };
      });
      const medians = results.map((result) => result.lag.p50.toFixed(1)).join(', ');
      const most = results.map((result) => result.lag.max.toFixed(0)).join(', ');
      return figureOf(
        {
          id: 'B2',
          what: `from acknowledgement to an integration's consumer, ${RATE.toLocaleString('en-US')} sends/s into ${count.toLocaleString('en-US')} conversation${count === 1 ? '' : 's'}, p99`,
          ...{ mode: rig.mode, unit: 'ms', target: valueAtMost(50) },
          notes: [`p50 of the rounds: ${medians} ms; the longest: ${most} ms; ${LIFTED}`],
        },
        results.map((result) => sampleOf(result, result.lag.p99)),
        [],
      );
    } finally {
      await generator.stop();
    }
  } finally {
    await bridge.stop();
    await api.stop();
  }
}
