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
  run: async ({ positionals: [word], text }) => {
    const user = parseUserId(word);
    if (user === undefined) throw new UsageError(`a user is ${ID_RULE}`);
    const before = beforeOf(text('before'), Date.now());
    const counts = await withRevocations((revocations) => revocations.revoke(user, before));
    complain(`tokens of ${user} from before ${new Date(counts).toISOString()} are refused`);
    return 0;
  },
};

function beforeOf(text: string | undefined, now: Millis): Millis {
  if (text === undefined) return now;
  let at: Millis;
  try {
    at = timeOf('--before', text);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (at > now)
    throw new UsageError('--before: a time that has passed, or tokens that are issued until then are refused too');
  return at;
}
