/** The door by which an integration's webhooks come in. */
import { withHook, withoutHook } from '../../bridge/webhook-settings.ts';
import { ConfigError } from '../config.ts';
import { type Command, say } from './command.ts';
import { appOf, CONFLICT, liveOf, withRegistry } from './registry.ts';

export const command: Command = {
  usage: `usage: lanes integration hook <app> [--off]

Prints one JSON object {app, url, secret}, once: whoever posts {conversationId, text} there, with "Authorization: Bearer <secret>"
and an Idempotency-Key, sends a message as the integration. Done again, it makes another secret, and the old one is good no
longer. --off ends it.`,
  options: { off: { type: 'boolean' } },
  words: [1, 1],
  run: ({ positionals: [word], flag }) => {
    const app = appOf(word);
    return withRegistry(async (registry, { host, bridgePort }) => {
      const integration = liveOf(registry, app);
      const made = flag('off') ? { integration: withoutHook(integration), secret: undefined } : withHook(integration);
      if ((await registry.put(made.integration)) === 'conflict') throw new ConfigError(CONFLICT);
      const at = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
      const url = `http://${at}:${bridgePort}/hooks/${app}`;
      say(JSON.stringify(made.secret === undefined ? { app, hook: null } : { app, url, secret: made.secret }));
      return 0;
    });
  },
};
