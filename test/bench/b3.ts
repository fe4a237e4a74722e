/** B3: resident memory of one bridge that delivers to many integrations in many conversations. */

import { connect } from 'nats';
import { residentOf } from './cpu.ts';
import { type Figure, figureOf, type Sample, valueAtMost } from './figure.ts';
import type { Fill } from './generate/fill.ts';
import { wait } from './generate/load.ts';
import { startGenerator } from './generator.ts';
import { enrol, startBridge } from './integrations.ts';
import { PARTITIONS, type Rig } from './rig.ts';
import type { Pace } from './rounds.ts';

const APPS = 50;
const CONVERSATIONS = 1_000;
const EVENTS = 3;
const QUICK_CONVERSATIONS = 200;
const DELIVER_MS = 300_000;
const MIB = 1024 * 1024;

export async function* b3(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const isQuick = pace.rounds <= 2;
  const conversations = isQuick ? QUICK_CONVERSATIONS : CONVERSATIONS;
  const apps = Array.from({ length: APPS }, (_, i) => `b3app${i}`);
  const credentials = await enrol(rig, apps);
  const { url, user, password } = rig.servers.nats;
  const fill = await startGenerator<Fill>('generate/fill', { url, user, password, partitions: PARTITIONS });
  const bridge = await startBridge(rig);
  try {
    const guests = credentials.map((one) => one.user);
    const watch = watching(bridge.pid);
    const lanes = APPS * conversations;
    await fill.run({ prefix: 'b3x', lanes, events: EVENTS, guests });
    await delivered(rig, apps, conversations * EVENTS);
    const sample: Sample = { value: watch.stop() / MIB, ops: lanes * EVENTS };
    yield figureOf(
      {
        id: 'B3',
        what: `the most memory of one bridge, ${APPS} integrations each in ${conversations.toLocaleString('en-US')} conversations of its own`,
        ...{ mode: rig.mode, unit: 'MiB', target: valueAtMost(300) },
        notes: [
          `${(lanes * EVENTS).toLocaleString('en-US')} events delivered meanwhile; resident memory, looked at every 50 ms`,
        ],
      },
      [sample],
      [],
    );
  } finally {
    await bridge.stop();
    await fill.stop();
  }
}

function watching(pid: number): { stop(): number } {
  let most = residentOf(pid);
  const timer = setInterval(() => {
    most = Math.max(most, residentOf(pid));
  }, 50);
  return {
    stop: () => {
      clearInterval(timer);
      return most;
    },
  };
}

/** Settles when each of them has so many messages in its stream. */
async function delivered(rig: Rig, apps: readonly string[], each: number): Promise<void> {
  const { natsBridge } = rig.servers.config();
  const { url } = rig.servers.nats;
  const connection = await connect({ servers: url, user: natsBridge?.user ?? '', pass: natsBridge?.password ?? '' });
  try {
    const { streams } = await connection.jetstreamManager({ apiPrefix: natsBridge?.jsApi ?? '$JS.API' });
    const left = new Set(apps);
    for (const until = Date.now() + DELIVER_MS; left.size > 0; await wait(100)) {
      for (const app of left) if ((await streams.info(`APP_${app}`)).state.messages >= each) left.delete(app);
      if (Date.now() > until) throw new Error(`${left.size} integrations have not everything`);
    }
  } finally {
    await connection.close();
  }
}
