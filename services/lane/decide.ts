/**
 * What becomes of a command on a lane as it stands. Pure: the time comes in, a decision goes out.
 */
import {
  type Actor,
  type Command,
  MAX_MEMBERS,
  MAX_TEXT_BYTES,
  MAX_TITLE_BYTES,
  type Refusal,
  type RefusalCode,
} from '../../schema/commands.ts';
import type { LaneEvent } from '../../schema/events.ts';
import type { Millis, Seq, UserId } from '../../schema/ids.ts';
import { lookUpKey, type RememberedKey } from './keys.ts';
import type { Lane } from './lane.ts';

export interface Rules {
  /** Who may open conversations. */
  readonly create: 'users' | 'server';
  /** Who may add members to a group. */
  readonly membersAdd: 'owner' | 'member';
  readonly maxMembers: number;
  /** UTF-8 bytes. */
  readonly maxTextBytes: number;
}
export const DEFAULT_RULES: Rules = {
  create: 'users',
  membersAdd: 'owner',
  maxMembers: MAX_MEMBERS,
  maxTextBytes: MAX_TEXT_BYTES,
};

export type Decision =
  | { readonly kind: 'event'; readonly event: LaneEvent }
  /** The command had been accepted before, as the event named. */
  | { readonly kind: 'repeated'; readonly seq: Seq; readonly at: Millis }
  /** It is so already; nothing to write. */
  | { readonly kind: 'unchanged'; readonly seq: Seq; readonly at: Millis }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** The lane does not remember far enough back: ask history for the key, then decide again with the answer. */
  | { readonly kind: 'look-up' };

/** What history said of the command's key: the event it wrote, or that no event up to `upTo` has it. */
export type KeyFact =
  | { readonly kind: 'absent'; readonly upTo: Seq }
  | { readonly kind: 'present'; readonly event: RememberedKey };

export function decide(lane: Lane, command: Command, now: Millis, rules: Rules, fact?: KeyFact): Decision {
  const known = lookUpKey(lane.keys, command.actor.user, command.key);
  const before = known.kind === 'known' ? known.event : fact?.kind === 'present' ? fact.event : undefined;
  if (before)
    return before.hash === command.hash
      ? { kind: 'repeated', seq: before.seq, at: before.at }
      : refuse('KEY_REUSED', 'This clientKey was used before in this conversation, with other content.');
  // Before anything else is said, its key is known not to have written: a repeated command gets its first answer, also where
  // it would be refused if it came now. Who never was here has written nothing, and costs no look-up.
  const covered = fact?.kind === 'absent' && lane.keys.from <= fact.upTo + 1;
  if (known.kind === 'look-up' && !covered && mayHaveWritten(lane, command.actor)) return { kind: 'look-up' };
  const wish = wishOf(lane, command, rules);
  if (wish.kind !== 'event') return wish;
  const { actor, key, hash } = command;
  const seq = (lane.seq + 1) as Seq;
  const at = Math.max(now, lane.lastAt);
  const stamp = { seq, at, by: actor.user, ...(actor.via ? { via: actor.via } : {}), key, hash };
  return { kind: 'event', event: { ...wish.body, ...stamp } as LaneEvent };
}

const mayHaveWritten = ({ members, former }: Lane, { user, admin }: Actor): boolean =>
  admin || members.has(user) || former.has(user);

/** An event without its stamp. */
type Body<E = LaneEvent> = E extends LaneEvent ? Omit<E, 'seq' | 'at' | 'by' | 'via' | 'key' | 'hash'> : never;
type Wish = { readonly kind: 'event'; readonly body: Body } | Exclude<Decision, { kind: 'event' | 'look-up' }>;

const unchanged = (seq: Seq, at: Millis) => ({ kind: 'unchanged', seq, at }) as const;
const write = (body: Body): Wish => ({ kind: 'event', body });
const refuse = (code: RefusalCode, message: string) => ({ kind: 'refused', refusal: { code, message } }) as const;
const notFound = () => refuse('NOT_FOUND', 'There is no such conversation, or you are not in it.');
const bytesOf = (text: string): number => Buffer.byteLength(text, 'utf8');

function wishOf(lane: Lane, command: Command, rules: Rules): Wish {
  if (command.type === 'CreateConversation') return create(lane, command, rules);
  const { actor } = command;
  const self = lane.members.get(actor.user);
  if (lane.seq === 0 || (!self && !actor.admin)) return notFound();
  if (command.type === 'SendMessage') {
    if (!self || actor.admin) return refuse('NOT_ALLOWED', 'An administrator does not send messages.');
    return bytesOf(command.text) > rules.maxTextBytes
      ? refuse('TOO_LARGE', `A text has at most ${rules.maxTextBytes} bytes of UTF-8.`)
      : write({ type: 'MessageSent', text: command.text });
  }
  if (lane.kind === 'DIRECT') return refuse('NOT_ALLOWED', 'The members of a direct conversation do not change.');
  const administers = actor.admin || self?.role === 'OWNER';
  switch (command.type) {
    case 'AddMembers':
      return administers || rules.membersAdd === 'member'
        ? add(lane, command.members, command.hideHistory, rules)
        : refuse('NOT_ALLOWED', 'Only an owner adds members.');
    case 'RemoveMember':
      if (!administers) return refuse('NOT_ALLOWED', 'Only an owner removes members.');
      return lane.members.has(command.member) ? remove(lane, command.member) : unchanged(lane.seq, lane.lastAt);
    case 'LeaveConversation':
      return self ? remove(lane, actor.user) : unchanged(lane.seq, lane.lastAt);
    default:
      return command satisfies never;
  }
}

function create(lane: Lane, command: Extract<Command, { type: 'CreateConversation' }>, rules: Rules): Wish {
  const { actor, kind, title } = command;
  if (actor.admin) return refuse('NOT_ALLOWED', 'An administrator does not open conversations.');
  if (rules.create === 'server' && !actor.server)
    return refuse('NOT_ALLOWED', 'Here only the server of the host application opens conversations.');
  if (lane.seq > 0) {
    // A direct conversation is found from both sides; a group's id belongs to whoever made it.
    return kind === 'DIRECT' && lane.kind === 'DIRECT' && lane.members.has(actor.user)
      ? unchanged(1 as Seq, lane.createdAt)
      : refuse('ALREADY_EXISTS', 'A conversation with this id exists.');
  }
  if (title !== undefined && bytesOf(title) > MAX_TITLE_BYTES)
    return refuse('TOO_LARGE', `A title has at most ${MAX_TITLE_BYTES} bytes of UTF-8.`);
  const members = [...new Set<UserId>([actor.user, ...command.members])];
  if (members.length > rules.maxMembers) return memberLimit(rules);
  return write({ type: 'ConversationCreated', kind, ...(title === undefined ? {} : { title }), members });
}

function add(lane: Lane, wished: readonly UserId[], hideHistory: boolean, rules: Rules): Wish {
  const members = [...new Set(wished)].filter((user) => !lane.members.has(user));
  if (members.length === 0) return unchanged(lane.seq, lane.lastAt);
  if (lane.members.size + members.length > rules.maxMembers) return memberLimit(rules);
  return write({ type: 'MembersAdded', members, ...(hideHistory ? { hideHistory: true as const } : {}) });
}

/** When the last owner goes, the member who has been there longest becomes owner. */
function remove(lane: Lane, member: UserId): Wish {
  const lastOwner = lane.owners === 1 && lane.members.get(member)?.role === 'OWNER';
  const heir = lastOwner ? [...lane.members.keys()].find((user) => user !== member) : undefined;
  return write({ type: 'MemberRemoved', member, ...(heir === undefined ? {} : { newOwner: heir }) });
}

const memberLimit = (rules: Rules) => refuse('MEMBER_LIMIT', `A conversation has at most ${rules.maxMembers} members.`);
