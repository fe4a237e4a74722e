/** A command that runs one room in the foreground until it is told to stop. */
import type { Config } from '../config.ts';
import { readSettings } from '../config.ts';
import { openConfig } from '../embedded/data-dir.ts';
import { createLogger, type Logger } from '../logger.ts';
import { type Running, run } from '../run.ts';
import type { Command } from './command.ts';

type Start = (config: Config, log: Logger, stopping: AbortSignal) => Promise<Running>;

export function roomCommand(name: string, does: string, load: () => Promise<{ readonly start: Start }>): Command {
  return {
    usage: `usage: lanes ${name}\n\n${does}\nStops, drained, at Ctrl-C or SIGTERM. Servers: LANES_NATS_URL, LANES_MONGO_URL, or those of a running "npm start".`,
    options: {},
    words: [0, 0],
    run: async () => {
      // Loading the room takes longest; the settings are read meanwhile.
      const loading = load();
      loading.catch(() => undefined);
      const config = openConfig(readSettings());
      const log = createLogger(config, name);
      return run(async (stopping) => (await loading).start(config, log, stopping), log);
    },
  };
}
