/** Seeds of the door, for a NATS that somebody else runs. */
import { existsSync } from 'node:fs';
import { newCalloutSeeds, parseCalloutKeys } from '../callout-keys.ts';
import { ConfigError } from '../config.ts';
import { writePrivate } from '../embedded/data-dir.ts';
import { type Command, say } from './command.ts';

export const command: Command = {
  usage: `usage: lanes integration keys [file]

Makes seeds for the door of integrations, and prints the public halves, which go into the server's configuration
(docs/bridge.md). The seeds go to <file>, for LANES_NATS_CALLOUT_SEED_FILE of the bridge; without one they are printed, too, as
docker-compose.yml takes them. The embedded nats-server has its own and needs none.`,
  options: {},
  words: [0, 1],
  run: async ({ positionals: [file] }) => {
    if (file !== undefined && existsSync(file))
      throw new ConfigError(`${file} is there already: with other seeds nobody would come in any more`);
    const seeds = newCalloutSeeds();
    const { issuer, curve } = parseCalloutKeys(seeds, file ?? '');
    if (file === undefined) say(`NATS_CALLOUT_SEEDS=${seeds.trim().split('\n').join(' ')}`);
    else writePrivate(file, seeds);
    say(`NATS_CALLOUT_ISSUER=${issuer.getPublicKey()}`);
    say(`NATS_CALLOUT_XKEY=${curve?.getPublicKey()}`);
    return 0;
  },
};
