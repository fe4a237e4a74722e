/** History against the lanes, one line for each difference. */
import { readSettings } from '../config.ts';
import { openConfig } from '../embedded/data-dir.ts';
import { createLogger } from '../logger.ts';
import { type Command, complain, say } from './command.ts';
import { conversationOf } from './conversation.ts';

export const command: Command = {
  usage: `usage: lanes verify [--conversation <id>]

Compares every lane, up to where it was at the start, with history, and prints one line for each difference. Exit code 0 only
if there is none. Everything may run meanwhile.

  --conversation  that lane only`,
  options: { conversation: { type: 'string' } },
  words: [0, 0],
  run: async (given) => {
    const conversation = conversationOf(given);
    const config = openConfig(readSettings());
    const log = createLogger({ logLevel: config.logLevel === 'info' ? 'warn' : config.logLevel }, 'verify', 2);
    const { verify } = await import('../projector/verify.ts');
    const { differences } = await verify({ config, log, ...conversation, print: say });
    complain(
      differences === 0 ? 'history equals the lanes' : `${differences} differences: "lanes rebuild" makes history anew`,
    );
    return differences === 0 ? 0 : 1;
  },
};
