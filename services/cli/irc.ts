/** Runs the room that speaks IRC. It needs neither NATS nor MongoDB, and so no addresses of them: the api is all it knows. */
import { readSettings } from '../config.ts';
import { createLogger } from '../logger.ts';
import { run } from '../run.ts';
import type { Command } from './command.ts';

export const command: Command = {
  usage: `usage: lanes irc

Speaks IRC on LANES_IRC_PORT (6667), loopback unless LANES_HOST says otherwise: any IRC client connects with a token as its
SASL PLAIN password (or server password) and joins #<conversation>. A client of the api at LANES_API_URL (the one on this machine);
/metrics is on LANES_ADMIN_PORT + 5. Stops, drained, at Ctrl-C or SIGTERM.`,
  options: {},
  words: [0, 0],
  run: async () => {
    const settings = readSettings();
    const log = createLogger(settings, 'irc');
    return run(async (stopping) => (await import('../../bridge/irc/main.ts')).start(settings, log, stopping), log);
  },
};
