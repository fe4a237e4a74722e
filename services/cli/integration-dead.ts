/** What an integration gave up on: listed, and given once more. */
import { listDead, redrive } from '../../bridge/redrive.ts';
import { appStream } from '../../schema/subjects.ts';
import { ConfigError } from '../config.ts';
import { ApiRefusal, Questions } from '../journal/ask.ts';
import { JournalUnavailable } from '../journal/journal.ts';
import { openLink } from '../journal/link.ts';
import { createLogger } from '../logger.ts';
import { type Command, complain, say } from './command.ts';
import { appOf, withRegistry } from './registry.ts';

export const command: Command = {
  usage: `usage: lanes integration dead <app> [--redrive]

One line of JSON for each event that the integration refused for good, or did not take as often as its consumer allows: which,
why, when, and the event itself. With --redrive each of them is given to it again, on chat.app.<app>.event.<conversation>.again, and
is no dead letter any more.`,
  options: { redrive: { type: 'boolean' } },
  words: [1, 1],
  run: ({ positionals: [word], flag }) => {
    const app = appOf(word as string);
    return withRegistry(async (registry, { natsBridge }) => {
      if (natsBridge === null)
        throw new ConfigError('LANES_NATS_BRIDGE_USER is not set: the streams are in its account');
      if (registry.get(app) === undefined) throw new ConfigError(`there is no integration ${app}`);
      const log = createLogger({ logLevel: 'warn' }, 'dead', 2);
      const link = await openLink({ ...natsBridge, log, name: 'lanes-dead', signal: AbortSignal.timeout(10_000) });
      try {
        const questions = new Questions(link);
        let count = 0;
        for await (const listed of listDead(questions, app)) {
          count++;
          say(JSON.stringify(listed.letter));
          if (flag('redrive')) await redrive(questions, app, listed);
        }
        complain(`${count} ${count === 1 ? 'event' : 'events'}${flag('redrive') ? ', given again' : ''}`);
        return 0;
      } catch (error) {
        if (!(error instanceof JournalUnavailable || error instanceof ApiRefusal)) throw error;
        complain(`${appStream(app)} cannot be read now: ${error.message}`);
        return 1;
      } finally {
        await link.close();
      }
    });
  },
};
