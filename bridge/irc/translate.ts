/** Lanes ↔ IRC: what a frame of the api says as lines, and what a line of a client says as a text. Pure. */
import { type LaneId, parseLaneId } from '../../schema/ids.ts';
import type { Frame, ShownMessage } from './documents.ts';
import { type Line, MAX_BODY_BYTES } from './line.ts';
import { channelOf, maskOf, say } from './replies.ts';

/** Lines that one message becomes at most; what is left is not shown. */
export const MAX_MESSAGE_LINES = 64;

/** Undefined: no name of a conversation's channel. */
export const laneOf = (channel: string): LaneId | undefined =>
  channel.startsWith('#') ? parseLaneId(channel.slice(1)) : undefined;

export interface Shown {
  /** The time stands before the text: for a client that is not told it by a tag. */
  readonly stamped?: boolean;
}

/**
 * A message: one line for each of its own lines, and more where one does not fit. All have the time, the first one alone the
 * id: ids are unique (IRCv3 message-ids).
 */
export function messageLines(lane: LaneId, message: ShownMessage, { stamped = false }: Shown = {}): readonly Line[] {
  const { seq, sender, at, text } = message;
  if (text === null) return [];
  const channel = channelOf(lane);
  const prefix = maskOf(sender);
  const stamp = stamped ? `[${at.slice(0, 19).replace('T', ' ')}] ` : '';
  const room = MAX_BODY_BYTES - 2 - Buffer.byteLength(`:${prefix} PRIVMSG ${channel} :${stamp}`);
  return textLines(text, room).map((line, i) => ({
    tags: new Map([['time', at], ...(i === 0 ? [['msgid', `${lane}:${seq}`] as const] : [])]),
    prefix,
    command: 'PRIVMSG',
    params: [channel, stamped ? `${stamp}${line.replace(ACTION, '* $1')}` : line],
  }));
}

/** CTCP ACTION: what `/me` says. */
const ACTION = new RegExp(`^${String.fromCharCode(1)}ACTION (.*)${String.fromCharCode(1)}$`, 's');
const SPOKEN_ACTION = /^\/me (?=.)/s;
const ACTION_BYTES = 9;

function textLines(text: string, room: number): string[] {
  const [first = '', ...others] = text.split(/\r\n|\r|\n/).map(harmless);
  const action = SPOKEN_ACTION.test(first);
  const begun = action
    ? piecesOf(first.replace(SPOKEN_ACTION, ''), room - ACTION_BYTES).map((piece) => `\x01ACTION ${piece}\x01`)
    : piecesOf(first, room);
  const lines = [...begun, ...others.flatMap((line) => piecesOf(line, room))];
  if (lines.length <= MAX_MESSAGE_LINES) return lines;
  const left = lines.length - MAX_MESSAGE_LINES + 1;
  return [...lines.slice(0, MAX_MESSAGE_LINES - 1), `[${left} more lines: too long for IRC]`];
}

/** What would end a line, or be taken for a command to the client (CTCP), is shown by its sign. An empty line is not nothing. */
const harmless = (line: string): string => (line === '' ? ' ' : line.replaceAll('\0', '␀').replaceAll('\x01', '␁'));

/** Together they are the line again. Each has at most so many bytes, and ends behind a space where there is a late one. */
export function piecesOf(line: string, maxBytes: number): string[] {
  const pieces: string[] = [];
  let piece = '';
  let bytes = 0;
  for (const character of line) {
    const size = Buffer.byteLength(character);
    if (bytes + size > maxBytes) {
      const space = piece.lastIndexOf(' ') + 1;
      const end = space > piece.length / 2 ? space : piece.length;
      pieces.push(piece.slice(0, end));
      piece = piece.slice(end);
      bytes = Buffer.byteLength(piece);
    }
    piece += character;
    bytes += size;
  }
  return [...pieces, piece];
}

/** Bold, colours and their like (the formatting that clients agree on): of no meaning elsewhere. */
const FORMATTING =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
  /\x03(?:\d{1,2}(?:,\d{1,2})?)?|\x04(?:[0-9a-fA-F]{6}(?:,[0-9a-fA-F]{6})?)?|[\x02\x0f\x11\x16\x1d\x1e\x1f]/g;

export type Said =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'nothing' }
  /** A command to other clients: there are none that would know it. */
  | { readonly kind: 'ctcp' };

/** What somebody says by PRIVMSG, as the text of a message. */
export function saidOf(param: string): Said {
  const plain = param.replace(FORMATTING, '');
  const action = ACTION.exec(plain)?.[1];
  if (action === undefined && plain.startsWith('\x01')) return { kind: 'ctcp' };
  const text = action === undefined ? plain : `/me ${action}`;
  return (action ?? text).trim() === '' ? { kind: 'nothing' } : { kind: 'text', text };
}

/** What happened in a conversation, as its channel's members see it. */
export function eventLines(lane: LaneId, frame: Frame): readonly Line[] {
  const channel = channelOf(lane);
  switch (frame.kind) {
    case 'message':
      return messageLines(lane, frame);
    case 'added':
      return frame.members.map((user) => ({
        ...timed(frame.at),
        prefix: maskOf(user),
        command: 'JOIN',
        params: [channel],
      }));
    case 'removed':
      return [removedLine(channel, frame)];
    case 'reset':
      return [say(channel, RESETS[frame.reason] ?? 'The store was restored: what you see may not be what it holds')];
    case 'started':
    case 'caught-up':
    case 'other':
      return [];
    default:
      return frame satisfies never;
  }
}

const RESETS: Readonly<Record<string, string>> = {
  TOO_FAR_BEHIND: 'More was said meanwhile than is shown here: CHATHISTORY brings it, and /cycle its end',
};

function removedLine(channel: string, { by, member, at }: Extract<Frame, { kind: 'removed' }>): Line {
  return by === member
    ? { ...timed(at), prefix: maskOf(member), command: 'PART', params: [channel, 'left the conversation'] }
    : { ...timed(at), prefix: maskOf(by), command: 'KICK', params: [channel, member, 'removed from the conversation'] };
}

const timed = (at: string) => ({ tags: new Map([['time', at]]) });
