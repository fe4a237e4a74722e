/** Whether it is a user's quiet time, by the clock on the user's wall. Pure. */
import type { Millis } from '../../schema/ids.ts';
import type { DoNotDisturb } from '../views/devices.ts';

/** Time zones whose clocks are kept; there are about 600 names. */
const CLOCKS_MAX = 1_000;
const clocks = new Map<string, Intl.DateTimeFormat | undefined>();

/**
 * From `from` to `to`, the latter not included; over midnight where `from` is the later one; never where they are the same, or
 * where the time zone is none. A change of the clocks moves the window with them.
 */
export function isQuiet({ from, to, timeZone }: DoNotDisturb, now: Millis): boolean {
  const clock = clockOf(timeZone);
  if (!clock || from === to) return false;
  const time = clock.format(now);
  return from < to ? time >= from && time < to : time >= from || time < to;
}

/** Shows 'HH:MM', from 00:00 to 23:59, so that times compare as text. */
function clockOf(timeZone: string): Intl.DateTimeFormat | undefined {
  if (clocks.has(timeZone)) return clocks.get(timeZone);
  const clock = made(timeZone);
  if (clocks.size < CLOCKS_MAX) clocks.set(timeZone, clock);
  return clock;
}

function made(timeZone: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  } catch {
    return undefined;
  }
}
