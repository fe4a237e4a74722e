/**
 * Commands from what people ask for, the same through every door: ids of ours, the hash of what a command says, and every
 * argument parsed. `at` stands before the fields' names in a `BadInput`, such as `input.`.
 */
import { hash } from 'node:crypto';
import type {
  Actor,
  AddMembers,
  CreateConversation,
  LeaveConversation,
  RemoveMember,
  SendMessage,
} from '../../schema/commands.ts';
import type {
  AddMembersInput,
  CreateConversationInput,
  LeaveConversationInput,
  OpenDirectInput,
  RemoveMemberInput,
  SendMessageInput,
} from '../../schema/generated.ts';
import { type ClientKey, DIRECT_PREFIX, GROUP_PREFIX, type LaneId, type UserId } from '../../schema/ids.ts';
import { BadInput, chosenLaneIdOf, clientKeyOf, laneIdOf, textOf, userIdOf, userIdsOf } from './parse.ts';

/** 192 bits in base64url: no two are ever the same by chance, or by design. */
const ID_CHARS = 32;
/** 96 bits: enough to notice another body, and stored with every event. */
const HASH_CHARS = 16;

const digest = (what: string, chars: number): string => hash('sha256', what, 'base64url').slice(0, chars);

/** The hash of what a command says; it takes part in stored events, so its form does not change. */
const bodyHash = (...body: readonly unknown[]): string => digest(JSON.stringify(body), HASH_CHARS);

/** A retry of the same creation makes the same id. */
export const groupLaneIdOf = (creator: UserId, key: ClientKey): LaneId =>
  `${GROUP_PREFIX}${digest(JSON.stringify([creator, key]), ID_CHARS)}` as LaneId;

/** The same from both sides. Lengths stand before the names, so that no two pairs look the same. */
export function directLaneIdOf(one: UserId, other: UserId): LaneId {
  const pair = [one, other].sort().map((user) => `${user.length}:${user}`);
  return `${DIRECT_PREFIX}${digest(pair.join(''), ID_CHARS)}` as LaneId;
}

export function sendMessageOf(actor: Actor, input: SendMessageInput, at = ''): SendMessage {
  const lane = laneIdOf(`${at}conversationId`, input.conversationId);
  const key = clientKeyOf(`${at}clientKey`, input.clientKey);
  const text = textOf(`${at}text`, input.text);
  return { type: 'SendMessage', lane, actor, key, text, hash: bodyHash('SendMessage', text) };
}

export function createConversationOf(actor: Actor, input: CreateConversationInput, at = ''): CreateConversation {
  const key = clientKeyOf(`${at}clientKey`, input.clientKey);
  const chosen = input.id === null || input.id === undefined ? undefined : chosenLaneIdOf(`${at}id`, input.id);
  const title = input.title === null || input.title === undefined ? undefined : textOf(`${at}title`, input.title);
  const members = userIdsOf(`${at}members`, input.members).filter((user) => user !== actor.user);
  return {
    type: 'CreateConversation',
    lane: chosen ?? groupLaneIdOf(actor.user, key),
    actor,
    key,
    kind: 'GROUP',
    ...(title === undefined ? {} : { title }),
    members,
    hash: bodyHash('CreateConversation', 'GROUP', title ?? null, [...members].sort()),
  };
}

export function openDirectOf(actor: Actor, input: OpenDirectInput, at = ''): CreateConversation {
  const key = clientKeyOf(`${at}clientKey`, input.clientKey);
  const other = userIdOf(`${at}with`, input.with);
  if (other === actor.user) throw new BadInput(`${at}with`, 'another user than yourself');
  return {
    type: 'CreateConversation',
    lane: directLaneIdOf(actor.user, other),
    actor,
    key,
    kind: 'DIRECT',
    members: [other],
    hash: bodyHash('CreateConversation', 'DIRECT', null, [other]),
  };
}

export function addMembersOf(actor: Actor, input: AddMembersInput, at = ''): AddMembers {
  const lane = laneIdOf(`${at}conversationId`, input.conversationId);
  const key = clientKeyOf(`${at}clientKey`, input.clientKey);
  const members = userIdsOf(`${at}members`, input.members);
  if (members.length === 0) throw new BadInput(`${at}members`, 'at least one user');
  const hideHistory = input.hideHistory ?? false;
  const saying = bodyHash('AddMembers', [...members].sort(), hideHistory);
  return { type: 'AddMembers', lane, actor, key, members, hideHistory, hash: saying };
}

export function removeMemberOf(actor: Actor, input: RemoveMemberInput, at = ''): RemoveMember {
  const lane = laneIdOf(`${at}conversationId`, input.conversationId);
  const key = clientKeyOf(`${at}clientKey`, input.clientKey);
  const member = userIdOf(`${at}member`, input.member);
  return { type: 'RemoveMember', lane, actor, key, member, hash: bodyHash('RemoveMember', member) };
}

export function leaveConversationOf(actor: Actor, input: LeaveConversationInput, at = ''): LeaveConversation {
  const lane = laneIdOf(`${at}conversationId`, input.conversationId);
  const key = clientKeyOf(`${at}clientKey`, input.clientKey);
  return { type: 'LeaveConversation', lane, actor, key, hash: bodyHash('LeaveConversation') };
}
