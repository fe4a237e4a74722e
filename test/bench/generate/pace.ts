/**
 * An open-loop schedule: operation i is due at start + i / rate, whatever became of those before it. A thread of its own
 * sleeps until the next due time (a timer of the event loop is only good to a millisecond) and wakes the loop.
 */
import { Worker } from 'node:worker_threads';

const CLOCK = `
const { workerData, parentPort } = require('node:worker_threads');
const stop = new Int32Array(workerData.stop);
let next = workerData.startNs;
for (;;) {
  const ms = (next - Number(process.hrtime.bigint())) / 1e6;
  if (Atomics.wait(stop, 0, 0, Math.max(0, ms)) !== 'timed-out') break;
  parentPort.postMessage(0);
  next += workerData.periodNs;
}`;

export const nowNs = (): number => Number(process.hrtime.bigint());

/**
 * Calls `fire(i, dueNs)` for each operation of the schedule, at its time or as soon after it as the loop is free. Settles
 * after the last one.
 */
export async function pace(rate: number, count: number, fire: (i: number, dueNs: number) => void): Promise<void> {
  const periodNs = 1e9 / rate;
  const stop = new SharedArrayBuffer(4);
  const startNs = nowNs() + 50e6;
  const clock = new Worker(CLOCK, { eval: true, workerData: { stop, startNs, periodNs } });
  let i = 0;
  await new Promise<void>((resolve, reject) => {
    clock.once('error', reject);
    clock.on('message', () => {
      for (let due = startNs + i * periodNs; i < count && due <= nowNs(); due = startNs + i * periodNs) {
        fire(i, due);
        i++;
      }
      if (i >= count) resolve();
    });
  });
  Atomics.store(new Int32Array(stop), 0, 1);
  Atomics.notify(new Int32Array(stop), 0);
  await clock.terminate();
}
