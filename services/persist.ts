/** Work that is to be done whatever happens to the store: again and again until it is, or until nobody wants it any more. */
import type { Logger } from './logger.ts';

const FIRST_MS = 20;
const MOST_MS = 1_000;
/** An outage is said at its start, then this often. */
const SAY_EVERY_MS = 10_000;

/** Nobody waits for it any more. */
export class Abandoned extends Error {
  override readonly name = 'Abandoned';
}

/** Settles with what `work` gives. Rejects only with Abandoned, after `signal` aborts; then the work may have been done. */
export async function persist<T>(
  what: string,
  work: () => Promise<T>,
  { signal, log }: { readonly signal: AbortSignal; readonly log: Logger },
): Promise<T> {
  let saidAt: number | undefined;
  for (let failures = 0; ; failures++) {
    if (signal.aborted) throw new Abandoned(what);
    try {
      const result = await work();
      if (saidAt !== undefined) log.info({ what, failures }, 'it works again');
      return result;
    } catch (error) {
      const now = performance.now();
      if (failures > 0 && (saidAt === undefined || now - saidAt > SAY_EVERY_MS)) {
        log.warn({ what, failures, err: error }, 'not possible now, tried again');
        saidAt = now;
      }
      await pause(Math.min(FIRST_MS * 2 ** failures, MOST_MS) * (0.5 + Math.random() / 2), signal);
    }
  }
}

/** Settles after `ms`, or when `signal` aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
