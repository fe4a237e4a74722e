/** A request of an integration, as what the inside does. Pure; throws BadInput that names the field and its rule. */
import type { Actor, Command } from '../schema/commands.ts';
import { type AppId, type DeviceId, type LaneId, type UserId, userOfApp } from '../schema/ids.ts';
import type { Wish } from '../services/journal/marking.ts';
import { BadInput, laneIdOf, markSeqOf, placeOf } from '../services/lane/parse.ts';
import * as wishes from '../services/lane/wishes.ts';
import { activityOfCursor, MAX_PAGE, memberOfCursor } from '../services/views/connection.ts';
import { USUAL_MEMBERS } from '../services/views/members.ts';
import { parseRequest, type Verb } from './requests.ts';

/** The one device that an integration is. */
export const APP_DEVICE = 'app' as DeviceId;
const USUAL_CONVERSATIONS = 20;

export type ReadAsk =
  | { readonly verb: 'conversation'; readonly lane: LaneId }
  | { readonly verb: 'conversations'; readonly first: number; readonly after: string | undefined }
  | { readonly verb: 'members'; readonly lane: LaneId; readonly first: number; readonly after: string | undefined }
  | { readonly verb: 'message'; readonly lane: LaneId; readonly seq: number }
  | { readonly verb: 'history'; readonly lane: LaneId; readonly first: number; readonly after: number };

export interface ReplayAsk {
  readonly conversationId: LaneId;
  /** Events behind it … */
  readonly after: number;
  /** … up to this one, or to the last one as it is now. */
  readonly upTo?: number;
}

export type Asked =
  | { readonly kind: 'command'; readonly command: Command }
  | { readonly kind: 'acknowledge'; readonly marks: readonly Wish[] }
  | { readonly kind: 'mark-read'; readonly mark: Wish }
  | { readonly kind: 'read'; readonly ask: ReadAsk }
  | { readonly kind: 'replay'; readonly ask: ReplayAsk }
  /** It would act for somebody else. */
  | { readonly kind: 'forbidden' };

/** Whoever an integration is, it acts as a member: its operator's scope lets it see, not do. */
export const actorOf = (app: AppId): Actor => ({ user: userOfApp(app), admin: false, server: false });

/** `value` is parsed JSON. */
export function translate(app: AppId, verb: Verb, value: unknown): Asked {
  const asked = asOf(app, verb, value);
  return isForOther(userOfApp(app), value) ? { kind: 'forbidden' } : asked;
}

const isForOther = (user: UserId, value: unknown): boolean => {
  const { as } = value as { readonly as?: unknown };
  return as !== undefined && as !== user;
};

function asOf(app: AppId, verb: Verb, value: unknown): Asked {
  const actor = actorOf(app);
  switch (verb) {
    case 'send':
      return command(wishes.sendMessageOf(actor, parseRequest(verb, value)));
    case 'create': {
      const { id = null, title = null, ...rest } = parseRequest(verb, value);
      return command(wishes.createConversationOf(actor, { id, title, ...rest }));
    }
    case 'open-direct':
      return command(wishes.openDirectOf(actor, parseRequest(verb, value)));
    case 'add-members': {
      const { hideHistory, ...rest } = parseRequest(verb, value);
      return command(wishes.addMembersOf(actor, { hideHistory: hideHistory ?? false, ...rest }));
    }
    case 'remove-member':
      return command(wishes.removeMemberOf(actor, parseRequest(verb, value)));
    case 'leave':
      return command(wishes.leaveConversationOf(actor, parseRequest(verb, value)));
    case 'mark-read':
      return { kind: 'mark-read', mark: markOf('', parseRequest(verb, value)) };
    case 'acknowledge': {
      const { marks } = parseRequest(verb, value);
      return { kind: 'acknowledge', marks: marks.map((mark, i) => markOf(`marks[${i}].`, mark)) };
    }
    case 'replay': {
      const { conversationId, after, upTo } = parseRequest(verb, value);
      const ask = { conversationId: laneIdOf('conversationId', conversationId), after };
      if (typeof upTo === 'number' && upTo < after) throw new BadInput('upTo', 'not before after');
      return { kind: 'replay', ask: { ...ask, ...(typeof upTo === 'number' ? { upTo } : {}) } };
    }
    case 'conversation':
    case 'conversations':
    case 'members':
    case 'message':
    case 'history':
      return { kind: 'read', ask: readOf(verb, value) };
    default:
      return verb satisfies never;
  }
}

const command = (of: Command): Asked => ({ kind: 'command', command: of });

const markOf = (
  at: string,
  { conversationId, seq }: { readonly conversationId: string; readonly seq: number },
): Wish => ({
  lane: laneIdOf(`${at}conversationId`, conversationId),
  seq: markSeqOf(`${at}seq`, seq),
});

function readOf(verb: ReadAsk['verb'], value: unknown): ReadAsk {
  switch (verb) {
    case 'conversation': {
      const { conversationId, id } = parseRequest(verb, value);
      if (conversationId !== undefined && id !== undefined)
        throw new BadInput('id', 'not together with conversationId');
      return { verb, lane: laneIdOf('conversationId', conversationId ?? id) };
    }
    case 'conversations': {
      const { first, after } = parseRequest(verb, value);
      if (typeof after === 'string') activityOfCursor('after', after);
      return { verb, first: first ?? USUAL_CONVERSATIONS, after: after ?? undefined };
    }
    case 'members': {
      const { conversationId, first, after } = parseRequest(verb, value);
      if (typeof after === 'string') memberOfCursor('after', after);
      const lane = laneIdOf('conversationId', conversationId);
      return { verb, lane, first: first ?? USUAL_MEMBERS, after: after ?? undefined };
    }
    case 'message': {
      const { conversationId, seq } = parseRequest(verb, value);
      return { verb, lane: laneIdOf('conversationId', conversationId), seq: placeOf('seq', seq) };
    }
    case 'history': {
      const { conversationId, first, after } = parseRequest(verb, value);
      return { verb, lane: laneIdOf('conversationId', conversationId), first: first ?? MAX_PAGE, after: after ?? 0 };
    }
    default:
      return verb satisfies never;
  }
}
