/** The tokens that a user has are no good any more. */
import { ID_RULE, type Millis, parseUserId } from '../../schema/ids.ts';
import { timeOf } from '../lane/parse.ts';
import { type Command, complain, UsageError } from './command.ts';
import { withRevocations } from './registry.ts';

export const command: Command = {
  usage: `usage: lanes user revoke <user> [--before <time>]

Tokens of that user that were issued before (claim "iat"; a token without it counts as older) are refused by every api within a
second, and the sockets and streams that were opened with them are closed within 2 seconds. Whoever issues tokens has to be told
as well: newer ones are good.

  --before  a time such as 2025-06-01T12:00:00Z (default: now); it is never moved back`,
  options: { before: { type: 'string' } },
  words: [1, 1],
  run: async ({ positionals: [name], text }) => {
    const user = parseUserId(name);
    if (user === undefined) throw new UsageError(`a user is ${ID_RULE}`);
    const word = text('before');
    const given = word === undefined ? undefined : timeGiven(word);
    const counts = await withRevocations((revocations, _, now) => revocations.revoke(user, beforeOf(given, now())));
    complain(`tokens of ${user} from before ${new Date(counts).toISOString()} are refused`);
    return 0;
  },
};

function timeGiven(text: string): Millis {
  try {
    return timeOf('--before', text);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function beforeOf(given: Millis | undefined, now: Millis): Millis {
  if (given !== undefined && given > now)
    throw new UsageError('--before: a time that has passed, or tokens that are issued until then are refused too');
  return given ?? now;
}
