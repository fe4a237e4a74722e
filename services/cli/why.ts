/** The story of a message's delivery, in plain lines. */
import { ID_RULE, parseLaneId, parseSeq, parseUserId } from '../../schema/ids.ts';
import { readSettings } from '../config.ts';
import { openConfig } from '../embedded/data-dir.ts';
import { createLogger } from '../logger.ts';
import { type Command, complain, say, UsageError } from './command.ts';

export const command: Command = {
  usage: `usage: lanes why <conversation> <seq> [user]

Tells how far a message has come with each of its recipients, or with one: when it was accepted, every push that was tried
and what its provider said, when it was delivered and read, and why no push went where none did. Exit code 1 where there is
no such message, or it was not meant for that user.`,
  options: {},
  words: [2, 3],
  run: async ({ positionals: [conversation, number, name] }) => {
    const lane = parseLaneId(conversation);
    if (lane === undefined) throw new UsageError(`a conversation's id is ${ID_RULE}`);
    const seq = parseSeq(Number(number));
    if (seq === undefined || seq === 0) throw new UsageError('a seq is a whole number from 1');
    const user = name === undefined ? undefined : parseUserId(name);
    if (name !== undefined && user === undefined) throw new UsageError(`a user's id is ${ID_RULE}`);
    const config = openConfig(readSettings());
    const log = createLogger({ logLevel: config.logLevel === 'info' ? 'warn' : config.logLevel }, 'why', 2);
    const { tellWhy } = await import('../notifier/why.ts');
    const found = await tellWhy({ config, log, lane, seq, user, print: say });
    if (found.kind === 'told') return 0;
    complain(found.message);
    return 1;
  },
};
