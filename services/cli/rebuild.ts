/** History made anew from the lanes. */
import { readSettings } from '../config.ts';
import { openConfig } from '../embedded/data-dir.ts';
import { createLogger } from '../logger.ts';
import { type Command, say } from './command.ts';
import { conversationOf } from './conversation.ts';

export const command: Command = {
  usage: `usage: lanes rebuild [--conversation <id>]

Drops history and rebuilds it from the lanes. Everything may run meanwhile: readers use the old one until the new one has
caught up.

  --conversation  that lane only`,
  options: { conversation: { type: 'string' } },
  words: [0, 0],
  run: async (given) => {
    const conversation = conversationOf(given);
    const config = openConfig(readSettings());
    const log = createLogger({ logLevel: config.logLevel === 'info' ? 'warn' : config.logLevel }, 'rebuild', 2);
    const { rebuild } = await import('../projector/rebuild.ts');
    await rebuild({ config, log, ...conversation, print: say });
    return 0;
  },
};
