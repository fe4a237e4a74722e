/**
 * Wishes, and the ways in which one is answered. The names of the refusals have their home here.
 */
import type { ConversationKind } from './events.ts';
import type { ClientKey, LaneId, Millis, Seq, UserId } from './ids.ts';

/** Who gives a command, parsed from a token. */
export interface Actor {
  readonly user: UserId;
  /** The server that acts for `user`; recorded in the event. */
  readonly via?: UserId;
  /** Reads and administers every conversation; does not send. */
  readonly admin: boolean;
  /** A server of the host application, acting for `user`. */
  readonly server: boolean;
}

interface Given {
  readonly lane: LaneId;
  readonly actor: Actor;
  readonly key: ClientKey;
  /** Hash of what the command says, so that a key used again with another body is noticed. */
  readonly hash: string;
}

export interface CreateConversation extends Given {
  readonly type: 'CreateConversation';
  readonly kind: ConversationKind;
  readonly title?: string;
  /** Without the creator, who is always a member; no doubles. For DIRECT exactly one other. */
  readonly members: readonly UserId[];
}
export interface SendMessage extends Given {
  readonly type: 'SendMessage';
  readonly text: string;
}
export interface AddMembers extends Given {
  readonly type: 'AddMembers';
  readonly members: readonly UserId[];
  readonly hideHistory: boolean;
}
export interface RemoveMember extends Given {
  readonly type: 'RemoveMember';
  readonly member: UserId;
}
export interface LeaveConversation extends Given {
  readonly type: 'LeaveConversation';
}
export type Command = CreateConversation | SendMessage | AddMembers | RemoveMember | LeaveConversation;

/** What the sender gets when the lane holds the event durably. */
export interface Acknowledgement {
  readonly lane: LaneId;
  readonly seq: Seq;
  readonly at: Millis;
  /** This key was accepted before; the first answer again. */
  readonly repeated: boolean;
  /** False: it was so already; seq is the lane's last. */
  readonly changed: boolean;
}

/** Retryable: the same command may be accepted later without anybody changing anything. */
export const REFUSALS = {
  NOT_FOUND: { retryable: false },
  NOT_ALLOWED: { retryable: false },
  ALREADY_EXISTS: { retryable: false },
  KEY_REUSED: { retryable: false },
  TOO_LARGE: { retryable: false },
  MEMBER_LIMIT: { retryable: false },
  CONTENDED: { retryable: true },
  STORE_FULL: { retryable: true },
  RATE_LIMITED: { retryable: true },
  DEVICE_LIMIT: { retryable: false },
} as const;
export type RefusalCode = keyof typeof REFUSALS;

export interface Refusal {
  readonly code: RefusalCode;
  readonly message: string;
  readonly retryAfterMs?: number;
}

/**
 * The end of a command. `unknown`: it may have been accepted; only the same key settles it. `unavailable`: it was certainly
 * not accepted, and nothing could be decided now.
 */
export type Outcome =
  | { readonly kind: 'accepted'; readonly ack: Acknowledgement }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'unknown'; readonly message: string }
  | { readonly kind: 'unavailable'; readonly message: string };

/** Of a request's body, through every door, and of one message on a socket. */
export const MAX_REQUEST_BYTES = 256 * 1024;
export const MAX_MEMBERS = 10_000;
/** UTF-8 bytes. */
export const MAX_TEXT_BYTES = 16 * 1024;
/** UTF-8 bytes. */
export const MAX_TITLE_BYTES = 1024;
