/** New credentials for an integration. */
import { credentialsOf, newSecret, rotated } from '../../bridge/credentials.ts';
import { ConfigError } from '../config.ts';
import { type Command, say } from './command.ts';
import { appOf, CONFLICT, liveOf, withRegistry } from './registry.ts';

export const command: Command = {
  usage: `usage: lanes integration rotate <app>

Prints new credentials, as "add" does. The old password is good no longer, and connections that came in with it are ended
within 2 seconds. Its stream and its consumers stay as they are.`,
  options: {},
  words: [1, 1],
  run: ({ positionals: [word] }) => {
    const app = appOf(word);
    return withRegistry(async (registry, config, now) => {
      const secret = newSecret();
      if ((await registry.put(rotated(liveOf(registry, app), secret, now()))) === 'conflict')
        throw new ConfigError(CONFLICT);
      say(JSON.stringify(credentialsOf(app, secret, config.natsPublic)));
      return 0;
    });
  },
};
