/** Where an integration's events are posted to. */

import { urlFaultOf, withNewSecret, withoutWebhook, withUrl } from '../../bridge/webhook-settings.ts';
import type { Millis } from '../../schema/ids.ts';
import { ConfigError } from '../config.ts';
import type { Integration } from '../journal/integrations.ts';
import { type Command, say, UsageError } from './command.ts';
import { appOf, CONFLICT, liveOf, withRegistry } from './registry.ts';

export const command: Command = {
  usage: `usage: lanes integration webhook <app> [--url <https URL> | --rotate | --off]

Prints one JSON object. With --url what the integration sees is posted there from now on, and the secret that it is signed with
(Standard Webhooks) is printed, once; a later --url goes on with the same secret, where the last one was, also after its
receiver turned it off (410). --rotate makes another secret, and the old one signs beside it for a day. --off ends it. Without
any: how it is set.`,
  options: { url: { type: 'string' }, rotate: { type: 'boolean' }, off: { type: 'boolean' } },
  words: [1, 1],
  run: ({ positionals: [word], text, flag }) => {
    const app = appOf(word);
    const url = text('url');
    if ([url !== undefined, flag('rotate'), flag('off')].filter(Boolean).length > 1)
      throw new UsageError('one of --url, --rotate and --off');
    const fault = url === undefined ? undefined : urlFaultOf(url);
    if (fault !== undefined) throw new UsageError(`--url is ${fault}`);
    return withRegistry(async (registry, _, now) => {
      const integration = liveOf(registry, app);
      const changed = changedOf(integration, { url, rotate: flag('rotate'), off: flag('off') }, now());
      if (changed !== integration && (await registry.put(changed)) === 'conflict') throw new ConfigError(CONFLICT);
      say(JSON.stringify({ app, ...shownOf(changed, integration.webhook?.secret) }));
      return 0;
    });
  },
};

function changedOf(
  integration: Integration,
  wish: { readonly url: string | undefined; readonly rotate: boolean; readonly off: boolean },
  now: Millis,
): Integration {
  if (wish.url !== undefined) return withUrl(integration, wish.url, now);
  if (wish.off) return withoutWebhook(integration);
  if (!wish.rotate) return integration;
  const rotated = withNewSecret(integration, now);
  if (rotated === undefined) throw new ConfigError(`${integration.app} has no webhook: give it one with --url`);
  return rotated;
}

/** A secret is shown where it is new. */
function shownOf({ webhook }: Integration, known: string | undefined) {
  if (webhook === undefined) return { webhook: null };
  const { url, secret, since, off } = webhook;
  return {
    webhook: {
      url,
      since: new Date(since).toISOString(),
      ...(secret === known ? {} : { secret }),
      ...(off === undefined ? {} : { off: { at: new Date(off.at).toISOString(), why: off.why } }),
    },
  };
}
