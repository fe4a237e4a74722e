/** Who the integrations are. */
import { userOfApp } from '../../schema/ids.ts';
import type { Integration } from '../journal/integrations.ts';
import { type Command, complain, say } from './command.ts';
import { withRegistry } from './registry.ts';

export const command: Command = {
  usage: `usage: lanes integration list

One line for each integration: its name, its user, its scope, since when, and what became of it.`,
  options: {},
  words: [0, 0],
  run: () =>
    withRegistry(async (registry) => {
      const all = registry.list();
      for (const integration of all) say(lineOf(integration));
      if (all.length === 0) complain('there are none: "lanes integration add <app>" makes one');
      return 0;
    }),
};

const dayOf = (at: number): string => new Date(at).toISOString();

function lineOf({ app, scope, createdAt, rotatedAt, revokedAt, webhook }: Integration): string {
  return [
    app,
    userOfApp(app),
    scope,
    `since ${dayOf(createdAt)}`,
    ...(rotatedAt === undefined ? [] : [`rotated ${dayOf(rotatedAt)}`]),
    ...(webhook === undefined ? [] : [`webhook ${new URL(webhook.url).origin}`]),
    ...(revokedAt === undefined ? [] : [`REVOKED ${dayOf(revokedAt)}`]),
  ].join('  ');
}
