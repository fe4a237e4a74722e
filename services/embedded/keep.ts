/** Keeps one process running: started again when it ends, later and later while it keeps ending. */
import type { Logger } from '../logger.ts';
import { pause } from '../persist.ts';
import type { Exit } from './process.ts';

const FIRST_MS = 200;
const LAST_MS = 10_000;
/** A process that lived this long was well: the next pause is a short one again. */
const WELL_MS = 30_000;

export type Kept = { readonly pid: number; readonly exited: Promise<Exit>; stop(): Promise<void> };
export type Keeper = {
  /** The pid of the process that runs now; undefined between two. */
  readonly pid: () => number | undefined;
  /** Ends the process and starts no other; settles when it is gone. */
  stop(): Promise<void>;
};

/**
 * Settles when the process is ready for the first time; a first start that fails rejects and is not repeated. `stopping`
 * ends a start that is under way and forbids further ones; the process itself is ended by `stop` alone.
 */
export async function keepRunning(
  name: string,
  start: (stopping: AbortSignal) => Promise<Kept>,
  log: Logger,
  stopping: AbortSignal,
): Promise<Keeper> {
  const own = new AbortController();
  const either = AbortSignal.any([own.signal, stopping]);
  let current: Kept | undefined = await start(either);
  let pauseMs = FIRST_MS;

  const tend = async () => {
    let since = Date.now();
    while (!either.aborted) {
      if (current !== undefined) {
        const { code, signal } = await current.exited;
        current = undefined;
        if (either.aborted) return;
        pauseMs = Date.now() - since > WELL_MS ? FIRST_MS : pauseMs;
        log.error({ process: name, code, signal, againInMs: pauseMs }, `${name} ended and is started again`);
      }
      await pause(pauseMs, either);
      if (either.aborted) return;
      pauseMs = Math.min(pauseMs * 2, LAST_MS);
      since = Date.now();
      try {
        current = await start(either);
        log.info({ process: name, pid: current.pid }, `${name} runs again`);
      } catch (error) {
        if (either.aborted) return;
        const reason = error instanceof Error ? error.message : JSON.stringify(error);
        log.error({ process: name, reason, againInMs: pauseMs }, `${name} does not start`);
      }
    }
  };
  const tended = tend();

  return {
    pid: () => current?.pid,
    stop: async () => {
      own.abort(new Error(`${name} is stopped`));
      await current?.stop();
      await tended;
      // A start that was under way when the stop came.
      await current?.stop();
    },
  };
}
