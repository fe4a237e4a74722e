/** What the server says by itself: numeric replies (RFC 2812 section 5), standard replies, batches and labels. Pure. */
import type { LaneId, UserId } from '../../schema/ids.ts';
import { type Line, MAX_BODY_BYTES } from './line.ts';

/** With a dot, so that no client takes it for a user. */
export const SERVER = 'irc.lanes';
/** Messages that one CHATHISTORY brings at most. */
export const MAX_HISTORY = 100;
/** Channels open at once on one connection: the api takes 256 operations on a socket. */
export const MAX_CHANNELS = 200;

/** Nobody's address is shown. */
export const maskOf = (user: string): string => `${user}!${user}@lanes`;
export const channelOf = (lane: string): string => `#${lane}`;

export const reply = (numeric: string, nick: string, ...params: readonly string[]): Line => ({
  prefix: SERVER,
  command: numeric,
  params: [nick, ...params],
});
export const say = (target: string, text: string): Line => ({
  prefix: SERVER,
  command: 'NOTICE',
  params: [target, text],
});
/** IRCv3 standard-replies. */
export const fail = (command: string, code: string, ...rest: readonly string[]): Line => ({
  prefix: SERVER,
  command: 'FAIL',
  params: [command, code, ...rest],
});
export const closing = (why: string): Line => ({ command: 'ERROR', params: [`Closing link: ${why}`] });

export const noSuchChannel = (nick: string, channel: string): Line =>
  reply('403', nick, channel, 'There is no such conversation, or you are not in it');
export const needsMore = (nick: string, command: string): Line =>
  reply('461', nick, command, 'Something is missing behind it');

/** Source of the tokens: the ISUPPORT draft, IRCv3 chathistory, UTF8ONLY and message-tags. */
const SUPPORTED = [
  ...['CASEMAPPING=ascii', 'CHANTYPES=#', 'CHANNELLEN=65', 'NICKLEN=64', 'CHANMODES=,,,', 'PREFIX=(o)@'],
  ...[`CHANLIMIT=#:${MAX_CHANNELS}`, 'TARGMAX=PRIVMSG:1,NOTICE:1,JOIN:,PART:', 'NETWORK=Lanes', 'UTF8ONLY'],
];
const HISTORY_SUPPORTED = [`CHATHISTORY=${MAX_HISTORY}`, 'MSGREFTYPES=msgid,timestamp', 'CLIENTTAGDENY=*'];

export const welcome = (nick: string): readonly Line[] => [
  reply('001', nick, `Welcome to Lanes, ${nick}`),
  reply('002', nick, 'Channels are conversations: /list shows yours, /join #<conversation> opens one'),
  reply('003', nick, 'Closing a channel (PART) leaves you in the conversation'),
  reply('004', nick, SERVER, 'lanes', 'o', 'o'),
  reply('005', nick, ...SUPPORTED, 'are supported'),
  reply('005', nick, ...HISTORY_SUPPORTED, 'are supported'),
  reply('422', nick, 'There is no message of the day'),
];

export interface Member {
  readonly id: string;
  readonly name: string | null;
  readonly isOwner: boolean;
}

/** As many names in a line as fit. */
export function names(nick: string, channel: string, members: readonly Member[]): readonly Line[] {
  const room = MAX_BODY_BYTES - 2 - `:${SERVER} 353 ${nick} = ${channel} :`.length;
  const lines: string[] = [];
  let line = '';
  for (const { id, isOwner } of members) {
    const name = `${isOwner ? '@' : ''}${id}`;
    if (line !== '' && line.length + 1 + name.length > room) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? name : ` ${name}`;
  }
  if (line !== '') lines.push(line);
  return [...lines.map((said) => reply('353', nick, '=', channel, said)), reply('366', nick, channel, 'End of NAMES')];
}

export const who = (nick: string, channel: string, members: readonly Member[]): readonly Line[] => [
  ...members.map(({ id, name, isOwner }) =>
    reply('352', nick, channel, id, 'lanes', SERVER, id, isOwner ? 'H@' : 'H', `0 ${name ?? id}`),
  ),
  reply('315', nick, channel, 'End of WHO'),
];

export interface Described {
  readonly id: string;
  readonly title: string | null;
  readonly directWith: UserId | null;
}

export const topicOf = ({ title, directWith }: Omit<Described, 'id'>): string | null =>
  title ?? (directWith === null ? null : `Direct conversation with ${directWith}`);

export function topic(nick: string, conversation: Described): Line {
  const text = topicOf(conversation);
  const channel = channelOf(conversation.id as LaneId);
  return text === null ? reply('331', nick, channel, 'It has no title') : reply('332', nick, channel, text);
}

/** The lines between the begin and the end of a batch. */
export function batched(id: string, type: string, params: readonly string[], lines: readonly Line[]): readonly Line[] {
  return [
    { prefix: SERVER, command: 'BATCH', params: [`+${id}`, type, ...params] },
    ...lines.map((line) => tagged(line, 'batch', id)),
    { prefix: SERVER, command: 'BATCH', params: [`-${id}`] },
  ];
}

/** The answer to a command that had a label (IRCv3 labeled-response). `id`: of a batch, where it needs one. */
export function labeled(label: string, id: string, lines: readonly Line[]): readonly Line[] {
  const [first, ...others] = lines;
  if (!first) return [{ tags: new Map([['label', label]]), prefix: SERVER, command: 'ACK', params: [] }];
  if (others.length === 0) return [tagged(first, 'label', label)];
  const [begin, ...rest] = batched(id, 'labeled-response', [], lines);
  return begin ? [tagged(begin, 'label', label), ...rest] : [];
}

/** What has this tag already keeps it. */
function tagged(line: Line, name: string, value: string): Line {
  return line.tags?.has(name) ? line : { ...line, tags: new Map([...(line.tags ?? []), [name, value]]) };
}
