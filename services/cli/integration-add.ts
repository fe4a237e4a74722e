/** A new integration; its credentials are printed this once. */
import { credentialsOf, newIntegration, newSecret } from '../../bridge/credentials.ts';
import { ConfigError } from '../config.ts';
import { createLogger } from '../logger.ts';
import { type Command, say, UsageError } from './command.ts';
import { appOf, CONFLICT, withRegistry } from './registry.ts';
import { whyNoRoom } from './store-room.ts';

const SCOPES = ['member', 'all'] as const;

export const command: Command = {
  usage: `usage: lanes integration add <app> [--scope all]

Makes the integration <app> and prints one JSON object, this once: {app, user, nats: {url, user, password, inboxPrefix, …},
mqtt: {url, user, password, clientId}}. Only a hash of the password is kept. Refused where the streams of all integrations would hold
more than their part of LANES_STORE_BYTES.

  --scope  member (default): it sees the conversations that it is a member of
           all: it sees every conversation; it acts only in those that it is a member of`,
  options: { scope: { type: 'string' } },
  words: [1, 1],
  run: ({ positionals: [word], text }) => {
    const app = appOf(word);
    const scope = SCOPES.find((one) => one === (text('scope') ?? 'member'));
    if (scope === undefined) throw new UsageError(`--scope takes ${SCOPES.join(' or ')}`);
    return withRegistry(async (registry, config, now) => {
      if (registry.get(app) !== undefined)
        throw new ConfigError(
          `${app} is there already, or was: a name is given once ("lanes integration rotate ${app}"?)`,
        );
      const why = await whyNoRoom(config, registry, createLogger({ logLevel: 'silent' }, 'integration', 2));
      if (why !== undefined) throw new ConfigError(why);
      const secret = newSecret();
      if ((await registry.put(newIntegration(app, scope, secret, now()))) === 'conflict')
        throw new ConfigError(CONFLICT);
      say(JSON.stringify(credentialsOf(app, secret, config.natsPublic)));
      return 0;
    });
  },
};
