/**
 * The life of a process that runs a room: started once, stopped once, by a signal or because its supervisor is gone. The only
 * file that hears signals and ends the process.
 */
import { ConfigError } from './config.ts';
import type { Logger } from './logger.ts';

/** What a room's `start` answers. `stop` drains: it settles when nothing of the room is left running. */
export type Running = { stop(): Promise<void> };
/** A start that cannot succeed until somebody changes a setting; a supervisor does not repeat it. */
export const EXIT_CONFIG = 78;
/** What a room tells its supervisor, over the channel between them, once it is ready. */
export const READY = 'ready';

const DRAIN_MS = 15_000;

/**
 * Starts the room (whose start may heed `stopping` and reject), keeps it until SIGINT, SIGTERM, SIGHUP or the end of its
 * supervisor, drains it, and ends the process: with 0 after a whole stop, 1 if draining took longer than `drainMs` or
 * failed, 78 where a setting forbids the start.
 */
export async function run(
  start: (stopping: AbortSignal) => Promise<Running>,
  log: Logger,
  drainMs = DRAIN_MS,
): Promise<never> {
  const abort = new AbortController();
  const stopping = untilStop(log);
  stopping.then((reason) => abort.abort(new Error(`stopped: ${reason}`)));
  let code = 0;
  try {
    const started = start(abort.signal);
    const first = await Promise.race([started.then(() => 'started'), stopping]);
    if (first === 'started') {
      process.send?.(READY);
      await stopping;
    }
    code = await drain(started, abort.signal, log, drainMs);
  } catch (error) {
    code = error instanceof ConfigError ? EXIT_CONFIG : 1;
    if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
    else log.fatal({ err: error }, 'the start failed');
  }
  return process.exit(code);
}

async function drain(started: Promise<Running>, stopping: AbortSignal, log: Logger, drainMs: number): Promise<number> {
  const late = new Promise<'late'>((resolve) => setTimeout(() => resolve('late'), drainMs));
  const stopped = started.then(
    (room) => room.stop(),
    (error) => {
      // A start that heeded the signal left nothing behind.
      if (error !== stopping.reason) throw error;
    },
  );
  try {
    if ((await Promise.race([stopped, late])) !== 'late') return process.exitCode === undefined ? 0 : 1;
    log.error({ drainMs }, 'draining took too long');
  } catch (error) {
    log.error({ err: error }, 'stopping failed');
  }
  return 1;
}

/** Settles with the reason at the first request to stop. A fault that nobody caught stops the room too, and is logged. */
function untilStop(log: Logger): Promise<string> {
  return new Promise((resolve) => {
    let stopping = false;
    const stop = (reason: string) => {
      if (!stopping) log.info({ reason }, 'stopping');
      stopping = true;
      resolve(reason);
    };
    // Some wrappers pass a Ctrl-C on to a process that has had it already: a second signal changes nothing.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(signal));
    process.once('disconnect', () => stop('the supervisor is gone'));
    const fault = (error: unknown) => {
      log.fatal({ err: error }, 'a fault that nobody caught');
      process.exitCode = 1;
      stop('fault');
    };
    process.on('uncaughtException', fault);
    process.on('unhandledRejection', fault);
    // Without its supervisor's channel a room lives by what it serves alone.
    process.channel?.unref();
  });
}

/** Ends a process that only looked, once what it said is written, whatever is still open. */
export function endWith(code: number): Promise<never> {
  return new Promise(() => process.stdout.write('', () => process.exit(code)));
}
