/** How a process learns the server's time: from the quickest of several answers, and anew after a reconnect. */
import { expect, test } from 'vitest';
import { CLOCK_OFF_MS, NatsClock } from '../services/journal/clock.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import { silent } from './support/projecting.ts';

const HOUR_MS = 3_600_000;

/** A server whose clock is so far behind ours, and whose answers are wrong by what is given for each. */
function rigOf(behindMs: number, errors: readonly (number | 'down')[] = []) {
  const server = { behindMs, left: [...errors] };
  let reconnected = (): void => undefined;
  const clock = new NatsClock({
    ask: async () => {
      const error = server.left.shift() ?? 0;
      if (error === 'down') throw new JournalUnavailable('down');
      return Date.now() - server.behindMs + error;
    },
    onReconnect: (callback) => {
      reconnected = callback;
      return { stop: () => undefined };
    },
    log: silent,
  });
  return { clock, server, reconnect: () => reconnected() };
}
const near = (given: number, wanted: number): void => void expect(Math.abs(given - wanted)).toBeLessThan(CLOCK_OFF_MS);

test('it has the server’s time, and says how far its own is off', async () => {
  for (const behindMs of [HOUR_MS, -HOUR_MS]) {
    const { clock } = rigOf(behindMs);
    await clock.first(undefined);
    near(clock.now(), Date.now() - behindMs);
    near(clock.offsetMs, behindMs);
    expect(clock.reason).toContain(behindMs > 0 ? 'ahead of' : 'behind');
    clock.stop();
  }
  const { clock } = rigOf(0);
  await clock.first(undefined);
  expect(clock.reason).toBeUndefined();
  clock.stop();
});

test('it is measured again after a reconnect; while that fails it goes on as it was', async () => {
  const { clock, server, reconnect } = rigOf(HOUR_MS);
  await clock.first(undefined);
  server.left = ['down'];
  reconnect();
  await clock.measure();
  near(clock.offsetMs, HOUR_MS);
  server.behindMs = 0;
  reconnect();
  await clock.measure();
  near(clock.offsetMs, 0);
  expect(clock.reason).toBeUndefined();
  clock.stop();
});

test('the first measurement is waited for, and a signal ends that', async () => {
  const { clock } = rigOf(HOUR_MS, ['down', 'down']);
  await clock.first(undefined);
  near(clock.offsetMs, HOUR_MS);
  clock.stop();
  const never = rigOf(0, ['down']);
  await expect(never.clock.first(AbortSignal.abort())).rejects.toThrow();
  never.clock.stop();
});
