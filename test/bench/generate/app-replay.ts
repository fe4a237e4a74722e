/** The client of B4: asks for replays, and counts what comes back. */
import type { NatsConnection } from 'nats';
import { type CpuUse, cpuBetween, type Pids, readCpu } from '../cpu.ts';
import { type AppDoor, enter } from './app-client.ts';
import { drained, wait } from './load.ts';
import { serve } from './serve.ts';

export interface AppReplay {
  readonly open: { readonly app: string; readonly door: AppDoor };
  readonly opened: undefined;
  readonly run: { readonly lane: string; readonly pids: Pids };
  /** `ordered`: every event came once, in order. */
  readonly result: {
    readonly events: number;
    readonly ordered: boolean;
    readonly perSecond: number;
    readonly cpu: CpuUse;
  };
}

let connection: NatsConnection | undefined;
let app = '';
let [count, last, ordered, end] = [0, 0, true, 0];
const ROOM_MS = 60_000;
const SEQ = /"seq":(\d+)/;
const decoder = new TextDecoder();

serve<AppReplay>({
  open: async ({ app: name, door }) => {
    app = name;
    connection = await enter(door);
    connection.subscribe(`chat.app.${app}.replay.>`, {
      callback: (_error, message) => {
        const text = decoder.decode(message.data.subarray(0, 160));
        const seq = Number(SEQ.exec(text)?.[1]);
        if (text.startsWith('{"type":"CaughtUp"')) end = seq;
        else {
          ordered &&= seq === last + 1;
          last = seq;
          count++;
        }
      },
    });
    await connection.flush();
    return undefined;
  },
  run: async ({ lane, pids }) => {
    [count, last, ordered, end] = [0, 0, true, 0];
    let from = readCpu({ ...pids, generator: process.pid });
    let text = '';
    // What was replayed before has to go first where there is no room for more.
    for (const until = Date.now() + ROOM_MS; text === '' || text.includes('RATE_LIMITED'); ) {
      if (text !== '') await wait(200);
      from = readCpu({ ...pids, generator: process.pid });
      const body = JSON.stringify({ conversationId: lane, after: 0 });
      const answer = await connection?.request(`chat.app.${app}.cmd.replay`, body, { timeout: 10_000 });
      text = answer?.string() ?? '';
      if (Date.now() > until) break;
    }
    if (!text.includes('"replayId"')) throw new Error(`no replay: ${text.slice(0, 300)}`);
    const to = Number(/"to":(\d+)/.exec(text)?.[1]);
    await drained(
      () => end > 0,
      () => `${count} events came`,
    );
    const cpu = cpuBetween(from, readCpu({ ...pids, generator: process.pid }));
    return { events: count, ordered: ordered && last === end && end === to, perSecond: count / cpu.seconds, cpu };
  },
  close: async () => connection?.close(),
});
