/** What a client may look at without opening anything, and the small commands that need nobody else for their answer. */
import { parseUserId, type UserId } from '../../schema/ids.ts';
import type { Api, Trouble } from './api.ts';
import { pongOf } from './connection.ts';
import { type Conversation, MAX_NAMED, readConversation, readConversations } from './directory.ts';
import type { Line } from './line.ts';
import { channelOf, names, noSuchChannel, reply, SERVER, say, topic, topicOf, who } from './replies.ts';
import { laneOf } from './translate.ts';

/** Who asks, and how it is told that the api has no answer. */
export interface Asker {
  readonly user: UserId;
  readonly api: Pick<Api, 'ask'>;
  troubled(command: string, target: string, trouble: Trouble): Line;
}

export async function look(
  asker: Asker,
  command: 'NAMES' | 'WHO' | 'TOPIC' | 'LIST',
  [name = '', changed]: readonly string[],
): Promise<readonly Line[]> {
  const { user, api, troubled } = asker;
  if (command === 'LIST') return list(asker);
  if (command === 'WHO' && !name.startsWith('#')) return [reply('315', user, name || '*', 'End of WHO')];
  if (command === 'TOPIC' && changed !== undefined) return [reply('482', user, name, 'Titles do not change')];
  const lane = laneOf(name);
  if (!lane) return [noSuchChannel(user, name)];
  const answer = await readConversation(api, lane);
  if (answer.kind === 'trouble') return [troubled(command, name, answer)];
  if (!answer.data) return [noSuchChannel(user, name)];
  if (command === 'TOPIC') return [topic(user, answer.data)];
  return command === 'NAMES' ? namesOf(user, answer.data) : who(user, name, answer.data.members);
}

export function namesOf(user: UserId, { id, members, isCut }: Conversation): readonly Line[] {
  const name = channelOf(id);
  const cut = isCut ? [say(name, `Only the first ${MAX_NAMED} members are named`)] : [];
  return [...names(user, name, members), ...cut];
}

async function list({ user, api, troubled }: Asker): Promise<readonly Line[]> {
  const answer = await readConversations(api);
  if (answer.kind === 'trouble') return [troubled('LIST', '*', answer)];
  const lines = answer.data.map((conversation) =>
    reply('322', user, channelOf(conversation.id), String(conversation.memberCount), topicOf(conversation) ?? ''),
  );
  return [reply('321', user, 'Channel', 'Members  Title'), ...lines, reply('323', user, 'End of LIST')];
}

/** Of a user nothing is known here but the id: /who #channel tells names. Pure. */
export function whois(user: UserId, nick: string): readonly Line[] {
  const end = reply('318', user, nick, 'End of WHOIS');
  if (!parseUserId(nick)) return [reply('401', user, nick, 'There can be no such user'), end];
  return [
    reply('311', user, nick, nick, 'lanes', '*', nick),
    reply('312', user, nick, SERVER, 'Whether somebody is there is not known'),
    end,
  ];
}

/** Pure. */
export function smallAnswer(user: UserId, command: string, params: readonly string[]): Line {
  const [first = '', second = ''] = params;
  const answer = (numeric: string, ...rest: string[]) => reply(numeric, user, ...rest);
  switch (command) {
    case 'PING':
      return pongOf(params);
    case 'MODE':
      if (!first.startsWith('#')) return answer('221', '+');
      if (second === '') return answer('324', first, '+');
      return /^\+?b$/.test(second)
        ? answer('368', first, 'There are no bans')
        : answer('482', first, 'Modes do not change here');
    case 'NICK':
      return answer('484', 'Your nick is your user id');
    case 'PASS':
    case 'USER':
      return answer('462', 'You are registered');
    case 'AUTHENTICATE':
      return answer('907', 'You have authenticated already');
    case 'USERHOST': {
      const asked = params.slice(0, 5).map((nick) => `${nick}=+${nick}@lanes`);
      return answer('302', asked.join(' '));
    }
    case 'ISON':
      return answer('303', '');
    case 'MOTD':
      return answer('422', 'There is no message of the day');
    default:
      return answer('421', command, 'There is no such command here');
  }
}
