/** The end of an integration. */
import { revoked } from '../../bridge/credentials.ts';
import { ConfigError } from '../config.ts';
import { type Command, complain } from './command.ts';
import { appOf, CONFLICT, liveOf, withRegistry } from './registry.ts';

export const command: Command = {
  usage: `usage: lanes integration revoke <app>

It comes in no more, and its connections are ended within 2 seconds. For good: the name is not given again. It stays a member
of its conversations until somebody removes it there.`,
  options: {},
  words: [1, 1],
  run: ({ positionals: [word] }) => {
    const app = appOf(word);
    return withRegistry(async (registry, _, now) => {
      if ((await registry.put(revoked(liveOf(registry, app), now()))) === 'conflict') throw new ConfigError(CONFLICT);
      complain(`${app} is revoked`);
      return 0;
    });
  },
};
