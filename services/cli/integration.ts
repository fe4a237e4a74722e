/** `lanes integration …`: third parties. */
import { groupOf } from './command.ts';

export const command = groupOf(
  'integration',
  'Third parties on NATS subjects, MQTT and webhooks. An integration <app> is the user app_<app>: members add it to their\nconversations like anybody (docs/bridge.md).',
  {
    add: { summary: 'makes one and prints its credentials, once', load: () => import('./integration-add.ts') },
    list: { summary: 'who there is', load: () => import('./integration-list.ts') },
    rotate: {
      summary: 'gives it new credentials; the old ones end at once',
      load: () => import('./integration-rotate.ts'),
    },
    revoke: { summary: 'ends it for good', load: () => import('./integration-revoke.ts') },
    lag: { summary: 'how far its consumers are behind', load: () => import('./integration-lag.ts') },
    dead: { summary: 'what it gave up on, and gives it again', load: () => import('./integration-dead.ts') },
    webhook: { summary: 'where its events are posted to', load: () => import('./integration-webhook.ts') },
    hook: { summary: 'a URL and a secret that post messages as it', load: () => import('./integration-hook.ts') },
    keys: { summary: 'makes the seeds for a NATS of your own', load: () => import('./integration-keys.ts') },
  },
);
