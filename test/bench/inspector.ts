/** Has a Node process that runs with `--inspect` collect its garbage, so that what it holds can be told from what it leaves. */
import { WebSocket } from 'ws';
import { residentOf } from './cpu.ts';
import { wait } from './generate/load.ts';
import { readHttp } from './room.ts';

const SETTLE_MS = 15_000;
const STEADY = 0.002;

/** Resident bytes after full collections, once they no longer change. */
export async function heldBy(pid: number, inspectorPort: number): Promise<number> {
  const until = Date.now() + SETTLE_MS;
  let last = Number.POSITIVE_INFINITY;
  for (;;) {
    await collectGarbage(inspectorPort);
    await wait(500);
    const now = residentOf(pid);
    if (Math.abs(now - last) < now * STEADY || Date.now() > until) return now;
    last = now;
  }
}

async function collectGarbage(port: number): Promise<void> {
  const [target] = JSON.parse(await readHttp(port, '/json/list')) as { webSocketDebuggerUrl: string }[];
  if (target === undefined) throw new Error('this process has no inspector');
  const socket = new WebSocket(target.webSocketDebuggerUrl, { perMessageDeflate: false });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('message', () => resolve());
    socket.once('open', () => socket.send(JSON.stringify({ id: 1, method: 'HeapProfiler.collectGarbage' })));
  });
  socket.close();
}
