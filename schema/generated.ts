/** Written by schema/generate.ts from schema/chat.graphql. Not edited by hand. */
import type { GraphQLResolveInfo, GraphQLScalarType, GraphQLScalarTypeConfig } from 'graphql';
export type Maybe<T> = T | null;
export type InputMaybe<T> = Maybe<T>;
export type Omit<T, K extends keyof T> = Pick<T, Exclude<keyof T, K>>;
export type RequireFields<T, K extends keyof T> = Omit<T, K> & { [P in K]-?: NonNullable<T[P]> };
/** All built-in and custom scalars, mapped to their actual values */
export type Scalars = {
  ID: { input: string; output: string; }
  String: { input: string; output: string; }
  Boolean: { input: boolean; output: boolean; }
  Int: { input: number; output: number; }
  Float: { input: number; output: number; }
  /** A point in time: an RFC 3339 string in UTC with exactly three digits of milliseconds, for example `2025-06-01T12:00:00.000Z`. */
  DateTime: { input: string; output: string; }
};

/**
 * Everything that can be read once. A query that names a conversation is at least as new as that conversation was when the
 * request came in, whichever process answers it; where that cannot be promised the answer is the error `UNAVAILABLE`.
 */
export type Query = {
  readonly __typename?: 'Query';
  /** Who the token says you are. Without a valid token every field of the API is the error `UNAUTHENTICATED`. */
  readonly me: Me;
  /**
   * One conversation. Null, without an error: there is no such conversation, or it is not yours; the two are never told apart.
   * Null with an error at this path (`BAD_USER_INPUT`, `UNAVAILABLE`): nothing is said about the conversation.
   */
  readonly conversation?: Maybe<Conversation>;
  /**
   * The conversations you are a member of, the one with the newest activity first. This list alone may lag behind by a moment:
   * open a conversation to be sure of its state. Null only with an error at this path (`BAD_USER_INPUT`, `UNAVAILABLE`).
   */
  readonly conversations?: Maybe<ConversationConnection>;
  /**
   * One message, by its place. Null, without an error: there is no message at that place (the place may be another event's), or
   * it is not yours to see; the two are never told apart.
   */
  readonly message?: Maybe<Message>;
};


/**
 * Everything that can be read once. A query that names a conversation is at least as new as that conversation was when the
 * request came in, whichever process answers it; where that cannot be promised the answer is the error `UNAVAILABLE`.
 */
export type QueryConversationArgs = {
  id: Scalars['ID']['input'];
};


/**
 * Everything that can be read once. A query that names a conversation is at least as new as that conversation was when the
 * request came in, whichever process answers it; where that cannot be promised the answer is the error `UNAVAILABLE`.
 */
export type QueryConversationsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
};


/**
 * Everything that can be read once. A query that names a conversation is at least as new as that conversation was when the
 * request came in, whichever process answers it; where that cannot be promised the answer is the error `UNAVAILABLE`.
 */
export type QueryMessageArgs = {
  conversationId: Scalars['ID']['input'];
  seq: Scalars['Int']['input'];
};

/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and `KEY_REUSED`.
 * After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at any time:
 * it is done once, and the first answer is given again.
 */
export type Mutation = {
  readonly __typename?: 'Mutation';
  /**
   * Opens the direct conversation between you and one other user, or finds it: the two of you have exactly one, the same from
   * both sides. Found: `accepted.changed` is false and `accepted.seq` is 1. Its members never change. Refused with `NOT_ALLOWED`
   * where only the host's server may create.
   */
  readonly openDirect?: Maybe<OpenDirectPayload>;
  /**
   * Opens a group conversation with you as its owner. Creating is event 1 of the conversation; its first message is event 2.
   * Refused with `ALREADY_EXISTS` where the chosen id is taken, `NOT_ALLOWED` where only the host's server may create,
   * `MEMBER_LIMIT`, `TOO_LARGE` (the title).
   */
  readonly createConversation?: Maybe<CreateConversationPayload>;
  /**
   * Adds members to a group. Who is a member already is passed over; where all of them are, `accepted.changed` is false.
   * Allowed to owners (and, where the installation says so, to every member). Refused with `NOT_FOUND`, `NOT_ALLOWED`,
   * `MEMBER_LIMIT`.
   */
  readonly addMembers?: Maybe<AddMembersPayload>;
  /**
   * Removes one member from a group. Who is no member already: `accepted.changed` is false. Allowed to owners. The removed one's
   * streams run up to the removal and complete. Refused with `NOT_FOUND`, `NOT_ALLOWED`.
   */
  readonly removeMember?: Maybe<RemoveMemberPayload>;
  /**
   * Leaves a group. Allowed to every member; when the last owner leaves, the longest member becomes owner. `conversation` is null
   * in the answer: it is not yours any more. Refused with `NOT_FOUND`, `NOT_ALLOWED` (a direct conversation).
   */
  readonly leaveConversation?: Maybe<LeaveConversationPayload>;
  /**
   * Sends a message. `accepted` means that it is stored durably, and says at which place. Refused with `NOT_FOUND`,
   * `NOT_ALLOWED`, `TOO_LARGE`.
   */
  readonly sendMessage?: Maybe<SendMessagePayload>;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and `KEY_REUSED`.
 * After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at any time:
 * it is done once, and the first answer is given again.
 */
export type MutationOpenDirectArgs = {
  input: OpenDirectInput;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and `KEY_REUSED`.
 * After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at any time:
 * it is done once, and the first answer is given again.
 */
export type MutationCreateConversationArgs = {
  input: CreateConversationInput;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and `KEY_REUSED`.
 * After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at any time:
 * it is done once, and the first answer is given again.
 */
export type MutationAddMembersArgs = {
  input: AddMembersInput;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and `KEY_REUSED`.
 * After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at any time:
 * it is done once, and the first answer is given again.
 */
export type MutationRemoveMemberArgs = {
  input: RemoveMemberInput;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and `KEY_REUSED`.
 * After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at any time:
 * it is done once, and the first answer is given again.
 */
export type MutationLeaveConversationArgs = {
  input: LeaveConversationInput;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and `KEY_REUSED`.
 * After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at any time:
 * it is done once, and the first answer is given again.
 */
export type MutationSendMessageArgs = {
  input: SendMessageInput;
};

/** Everything that comes in by itself, by WebSocket (`graphql-transport-ws`) or by server-sent events. */
export type Subscription = {
  readonly __typename?: 'Subscription';
  /**
   * The events of one conversation, in order and without holes: `StreamStarted`, then every event after your position, then
   * `CaughtUp`, then what happens, as it happens. Your own events come too. Ends with the error `NOT_FOUND` where there is no
   * such conversation or it is not yours, and completes after the `MemberRemoved` that names you. Who is a former member gets
   * what is left up to that removal.
   */
  readonly conversation: ConversationFrame;
};


/** Everything that comes in by itself, by WebSocket (`graphql-transport-ws`) or by server-sent events. */
export type SubscriptionConversationArgs = {
  id: Scalars['ID']['input'];
  after?: InputMaybe<Scalars['Int']['input']>;
};

/** Opens or finds a direct conversation. */
export type OpenDirectInput = {
  /**
   * The other user's id: 1 to 64 characters of `A-Z a-z 0-9 _ -`, not your own. Users are the host application's: whether there
   * is such a user is not checked.
   */
  readonly with: Scalars['ID']['input'];
  /** Your name for this command, made once and kept for every retry: 1 to 64 characters of `A-Z a-z 0-9 _ -`. A UUIDv7 is best. */
  readonly clientKey: Scalars['String']['input'];
};

/** Opens a group conversation. */
export type CreateConversationInput = {
  /**
   * An id of your choosing: 1 to 64 characters of `A-Z a-z 0-9 _ -`, not beginning with `g_` or `d_`. Absent or null: one is made
   * from you and `clientKey`, so that a retry finds the same conversation.
   */
  readonly id?: InputMaybe<Scalars['ID']['input']>;
  /**
   * What the group is called: not empty, well-formed Unicode (else the error `BAD_USER_INPUT`), and at most 1,024 bytes of UTF-8
   * (else refused with `TOO_LARGE`). Absent or null: it has no title.
   */
  readonly title?: InputMaybe<Scalars['String']['input']>;
  /** The ids of the other members. You are always one, named or not; doubles count once. At most 10,000 members with you. */
  readonly members: ReadonlyArray<Scalars['ID']['input']>;
  /** Your name for this command, made once and kept for every retry: 1 to 64 characters of `A-Z a-z 0-9 _ -`. A UUIDv7 is best. */
  readonly clientKey: Scalars['String']['input'];
};

/** Adds members to a group. */
export type AddMembersInput = {
  /** The group's id. */
  readonly conversationId: Scalars['ID']['input'];
  /** The ids of the users to add, at least one. At most 10,000 members in all. */
  readonly members: ReadonlyArray<Scalars['ID']['input']>;
  /** True: they see the conversation from this adding on. False: from its beginning. */
  readonly hideHistory?: InputMaybe<Scalars['Boolean']['input']>;
  /** Your name for this command, made once and kept for every retry: 1 to 64 characters of `A-Z a-z 0-9 _ -`. A UUIDv7 is best. */
  readonly clientKey: Scalars['String']['input'];
};

/** Removes one member from a group. */
export type RemoveMemberInput = {
  /** The group's id. */
  readonly conversationId: Scalars['ID']['input'];
  /** The id of the user to remove. */
  readonly member: Scalars['ID']['input'];
  /** Your name for this command, made once and kept for every retry: 1 to 64 characters of `A-Z a-z 0-9 _ -`. A UUIDv7 is best. */
  readonly clientKey: Scalars['String']['input'];
};

/** Leaves a group. */
export type LeaveConversationInput = {
  /** The group's id. */
  readonly conversationId: Scalars['ID']['input'];
  /** Your name for this command, made once and kept for every retry: 1 to 64 characters of `A-Z a-z 0-9 _ -`. A UUIDv7 is best. */
  readonly clientKey: Scalars['String']['input'];
};

/** Sends a message. */
export type SendMessageInput = {
  /** The conversation's id. */
  readonly conversationId: Scalars['ID']['input'];
  /**
   * Your name for this message, made once and kept for every retry: 1 to 64 characters of `A-Z a-z 0-9 _ -`. A UUIDv7 is best.
   * Every member sees it, as `Message.clientKey`.
   */
  readonly clientKey: Scalars['String']['input'];
  /**
   * What the message says: not empty, well-formed Unicode (else the error `BAD_USER_INPUT`), and at most 16 KiB (16,384 bytes) of
   * UTF-8 (else refused with `TOO_LARGE`).
   */
  readonly text: Scalars['String']['input'];
};

/** The answer to `openDirect`. Exactly one of `accepted` and `refused` is not null. */
export type OpenDirectPayload = {
  readonly __typename?: 'OpenDirectPayload';
  /** The command is done, durably. Null: it was refused. */
  readonly accepted?: Maybe<Accepted>;
  /** The command was decided against. Null: it was accepted. */
  readonly refused?: Maybe<Refused>;
  /** The conversation. Null: the command was refused, or it was accepted and the conversation cannot be read just now. */
  readonly conversation?: Maybe<Conversation>;
};

/** The answer to `createConversation`. Exactly one of `accepted` and `refused` is not null. */
export type CreateConversationPayload = {
  readonly __typename?: 'CreateConversationPayload';
  /** The command is done, durably. Null: it was refused. */
  readonly accepted?: Maybe<Accepted>;
  /** The command was decided against. Null: it was accepted. */
  readonly refused?: Maybe<Refused>;
  /** The conversation. Null: the command was refused, or it was accepted and the conversation cannot be read just now. */
  readonly conversation?: Maybe<Conversation>;
};

/** The answer to `addMembers`. Exactly one of `accepted` and `refused` is not null. */
export type AddMembersPayload = {
  readonly __typename?: 'AddMembersPayload';
  /** The command is done, durably. Null: it was refused. */
  readonly accepted?: Maybe<Accepted>;
  /** The command was decided against. Null: it was accepted. */
  readonly refused?: Maybe<Refused>;
  /** The conversation. Null: the command was refused, or it was accepted and the conversation cannot be read just now. */
  readonly conversation?: Maybe<Conversation>;
};

/** The answer to `removeMember`. Exactly one of `accepted` and `refused` is not null. */
export type RemoveMemberPayload = {
  readonly __typename?: 'RemoveMemberPayload';
  /** The command is done, durably. Null: it was refused. */
  readonly accepted?: Maybe<Accepted>;
  /** The command was decided against. Null: it was accepted. */
  readonly refused?: Maybe<Refused>;
  /** The conversation. Null: the command was refused, or it was accepted and the conversation cannot be read just now. */
  readonly conversation?: Maybe<Conversation>;
};

/** The answer to `leaveConversation`. Exactly one of `accepted` and `refused` is not null. */
export type LeaveConversationPayload = {
  readonly __typename?: 'LeaveConversationPayload';
  /** The command is done, durably. Null: it was refused. */
  readonly accepted?: Maybe<Accepted>;
  /** The command was decided against. Null: it was accepted. */
  readonly refused?: Maybe<Refused>;
  /** Null after you left: the conversation is not yours any more. */
  readonly conversation?: Maybe<Conversation>;
};

/** The answer to `sendMessage`. Exactly one of `accepted` and `refused` is not null. */
export type SendMessagePayload = {
  readonly __typename?: 'SendMessagePayload';
  /** The message is stored, durably. Null: it was refused. */
  readonly accepted?: Maybe<Accepted>;
  /** The command was decided against. Null: it was accepted. */
  readonly refused?: Maybe<Refused>;
  /** The message. Null: the command was refused, or it was accepted and the message cannot be read just now. */
  readonly message?: Maybe<Message>;
};

/** A command that is done: what it changed is stored durably, before this answer was given. */
export type Accepted = {
  readonly __typename?: 'Accepted';
  /** The conversation that the command concerned. */
  readonly conversationId: Scalars['ID']['output'];
  /**
   * The place of the event that the command wrote; with `changed` false, the conversation's last place (for a conversation found
   * by `openDirect`: 1).
   */
  readonly seq: Scalars['Int']['output'];
  /** When that event was accepted. The same instant as the event's `at`, and for a message its `sentAt`. */
  readonly acceptedAt: Scalars['DateTime']['output'];
  /** True: a command with this `clientKey` was accepted before, and this is that first answer again. Nothing was written now. */
  readonly repeated: Scalars['Boolean']['output'];
  /** False: it was so already, and nothing was written, for example because the user to add is a member. */
  readonly changed: Scalars['Boolean']['output'];
};

/** A command that was understood and decided against. Nothing was written. */
export type Refused = {
  readonly __typename?: 'Refused';
  /** Why. Values are added without notice: treat one that you don't know by `retryable`. */
  readonly code: RefusalCode;
  /** Why, in a sentence for a developer's eyes. Not for programs, not translated, and it may change. */
  readonly message: Scalars['String']['output'];
  /** True: the same command with the same `clientKey` may be accepted later. False: it stays refused until something else changes. */
  readonly retryable: Scalars['Boolean']['output'];
  /** How long to wait at least before a retry, in milliseconds. Null: nothing is known; use a back-off of your own. */
  readonly retryAfterMs?: Maybe<Scalars['Int']['output']>;
};

/** Why a command was refused. Values are added without notice. */
export type RefusalCode =
  /** There is no such conversation, or you are not in it; the two are never told apart. Not retryable. */
  | 'NOT_FOUND'
  /** Your role, or the kind of the conversation, does not allow it. Not retryable. */
  | 'NOT_ALLOWED'
  /** A conversation with the chosen id exists. Not retryable. */
  | 'ALREADY_EXISTS'
  /**
   * You used this `clientKey` before in this conversation, for a command that said something else. Not retryable: it is a fault
   * of the client's, or two of its parts make the same keys.
   */
  | 'KEY_REUSED'
  /** The text or title is longer than the limit. Not retryable. */
  | 'TOO_LARGE'
  /** The conversation would have more members than the limit. Not retryable. */
  | 'MEMBER_LIMIT'
  /** Too many writers were at this conversation at once, and this one did not get its turn. Retryable. */
  | 'CONTENDED'
  /** The store is at its limit. Retryable, once an operator has made room. */
  | 'STORE_FULL'
  /** You send faster than your budget allows; every command counts, whatever becomes of it. Retryable after `retryAfterMs`. */
  | 'RATE_LIMITED';

/**
 * What `extensions.code` of an error can be, beside `extensions.retryable` (Boolean) and, where known, `extensions.retryAfterMs`
 * (milliseconds). No field has this type: it is the published list of the codes. Values are added without notice: treat one that
 * you don't know by `retryable`.
 */
export type ErrorCode =
  /** The request's document is not GraphQL, or has more tokens than the limit. Not retryable. */
  | 'GRAPHQL_PARSE_FAILED'
  /** The document does not fit this schema, or breaks a limit on its depth, fields, aliases or directives. Not retryable. */
  | 'GRAPHQL_VALIDATION_FAILED'
  /** An argument, variable, id or the request's own form is not acceptable. Not retryable. */
  | 'BAD_USER_INPUT'
  /** There is no token, or it is malformed, expired or signed by somebody else. Not retryable with the same token. */
  | 'UNAUTHENTICATED'
  /**
   * The token is good and does not allow this, for example acting for another user without the scope `lanes:server`. Not
   * retryable.
   */
  | 'FORBIDDEN'
  /** A subscription named a conversation that does not exist or is not yours; the two are never told apart. Not retryable. */
  | 'NOT_FOUND'
  /** A fault of the server's; the details are in its log only. What was asked may or may not have been done. */
  | 'INTERNAL_SERVER_ERROR'
  /** No answer came from the store in time: the command may have been accepted. Send it again with the same `clientKey`. */
  | 'OUTCOME_UNKNOWN'
  /** Nothing was decided or read, because a part of the system is out of reach. Retryable. */
  | 'UNAVAILABLE'
  /**
   * Too many requests, sockets or operations from you or your address. Retryable after `retryAfterMs`. (The budget of sends is
   * the refusal of the same name.)
   */
  | 'RATE_LIMITED'
  /** The device is not registered, or was forgotten. Reserved: there are no devices in this version, and nothing gives it yet. */
  | 'UNKNOWN_DEVICE';

/**
 * One thing that comes by `Subscription.conversation`. Your position is the greatest `seq` that you have had in a frame; drop an
 * event whose `seq` you hold. Types that implement this are added without notice: a client keeps the `seq` of one that it does
 * not know, and ignores the rest of it.
 */
export type ConversationFrame = {
  /** The conversation that the frame belongs to. */
  readonly conversationId: Scalars['ID']['output'];
  /** For an event its place in the conversation: 1, 2, 3 … without holes. For other frames the position that they speak of. */
  readonly seq: Scalars['Int']['output'];
};

/**
 * Something that happened in a conversation: a fact, in its place, which never changes. Types that implement this are added
 * without notice.
 */
export type ConversationEvent = {
  /** The conversation in which it happened. */
  readonly conversationId: Scalars['ID']['output'];
  /** Its place in the conversation: 1, 2, 3 … without holes, the same for everybody. */
  readonly seq: Scalars['Int']['output'];
  /** When it was accepted. Never falls within a conversation. */
  readonly at: Scalars['DateTime']['output'];
  /** Who did it. */
  readonly by: User;
};

/** The conversation was opened. Always event 1. */
export type ConversationCreated = ConversationEvent & ConversationFrame & {
  readonly __typename?: 'ConversationCreated';
  /** The conversation that was opened. */
  readonly conversationId: Scalars['ID']['output'];
  /** Always 1. */
  readonly seq: Scalars['Int']['output'];
  /** When it was opened. */
  readonly at: Scalars['DateTime']['output'];
  /** Who opened it: one of the members, and of a group the owner. */
  readonly by: User;
  /** Direct or group; it never changes. */
  readonly kind: ConversationKind;
  /** What it is called. Null: it has no title. */
  readonly title?: Maybe<Scalars['String']['output']>;
  /** The first members, the creator among them. At most 10,000. */
  readonly members: ReadonlyArray<User>;
};

/** A message was sent. */
export type MessageSent = ConversationEvent & ConversationFrame & {
  readonly __typename?: 'MessageSent';
  /** The conversation to which it was sent. */
  readonly conversationId: Scalars['ID']['output'];
  /** The message's place in the conversation. */
  readonly seq: Scalars['Int']['output'];
  /** When it was accepted. */
  readonly at: Scalars['DateTime']['output'];
  /** Who sent it. */
  readonly by: User;
  /** The message. */
  readonly message: Message;
};

/** Members came into a group. */
export type MembersAdded = ConversationEvent & ConversationFrame & {
  readonly __typename?: 'MembersAdded';
  /** The group. */
  readonly conversationId: Scalars['ID']['output'];
  /** The event's place in the conversation. */
  readonly seq: Scalars['Int']['output'];
  /** When they were added. */
  readonly at: Scalars['DateTime']['output'];
  /** Who added them. */
  readonly by: User;
  /** Who came: only those who were not members before. At most 10,000. */
  readonly members: ReadonlyArray<User>;
};

/**
 * A member left a group (then `by` is `member`), or was removed from it. The streams of that member complete after it. Where the
 * last owner went, the longest member is owner from here on.
 */
export type MemberRemoved = ConversationEvent & ConversationFrame & {
  readonly __typename?: 'MemberRemoved';
  /** The group. */
  readonly conversationId: Scalars['ID']['output'];
  /** The event's place in the conversation. */
  readonly seq: Scalars['Int']['output'];
  /** When it happened. */
  readonly at: Scalars['DateTime']['output'];
  /** Who removed the member: the member itself, when it left. */
  readonly by: User;
  /** Who is no member any more. */
  readonly member: User;
};

/** Always the first frame of a stream, and there once: what follows begins at `seq` + 1, whatever `after` was. */
export type StreamStarted = ConversationFrame & {
  readonly __typename?: 'StreamStarted';
  /** The conversation that is followed. */
  readonly conversationId: Scalars['ID']['output'];
  /** The position at which the stream starts. 0: the first event follows. */
  readonly seq: Scalars['Int']['output'];
};

/**
 * Everything up to `seq` has been sent, and what follows is live. It comes after every catch-up, so perhaps more than once: also
 * in the middle of a stream, after a reader that was too slow has been caught up.
 */
export type CaughtUp = ConversationFrame & {
  readonly __typename?: 'CaughtUp';
  /** The conversation that is followed. */
  readonly conversationId: Scalars['ID']['output'];
  /** The position up to which everything has been sent. */
  readonly seq: Scalars['Int']['output'];
};

/**
 * What lies before `seq` will not be sent on this stream: forget what you hold of the conversation, load a page of its history
 * again, and go on after `seq`. The stream itself goes on with the event after it.
 */
export type Reset = ConversationFrame & {
  readonly __typename?: 'Reset';
  /** The conversation that is followed. */
  readonly conversationId: Scalars['ID']['output'];
  /** The new position, which may be lower than yours; it replaces yours. */
  readonly seq: Scalars['Int']['output'];
  /** Why. */
  readonly resetReason: ResetReason;
};

/** Why a stream did not go on where the reader was. Values are added without notice: treat one that you don't know like the others. */
export type ResetReason =
  /** More events lie between your position and the newest one than a stream brings again. Reading pages of history is quicker. */
  | 'TOO_FAR_BEHIND'
  /**
   * Your position lies after the conversation's last event: it comes from another installation, or the store was restored from an
   * earlier copy. Forget everything that you hold of the conversation.
   */
  | 'AHEAD'
  /** The store was rebuilt, so that what you hold may not be what it holds. */
  | 'STORE_REBUILT';

/** Who the caller is. */
export type Me = {
  readonly __typename?: 'Me';
  /** Your user id: the token's `sub`, or the user for whom a server acts. */
  readonly id: Scalars['ID']['output'];
  /** You, as others see you. */
  readonly user: User;
};

/**
 * Somebody who can be in conversations. Users are the host application's: Lanes keeps no register of them, and knows of a name and
 * picture only what it saw in that user's last token.
 */
export type User = {
  readonly __typename?: 'User';
  /** The user's id, as the host application gave it: a token's `sub`. 1 to 64 characters of `A-Z a-z 0-9 _ -`. */
  readonly id: Scalars['ID']['output'];
  /** A name to show: the claim `name` of the user's last token. Null: not known. */
  readonly name?: Maybe<Scalars['String']['output']>;
  /** The address of a picture to show: the claim `picture` of the user's last token. Null: not known. */
  readonly avatarUrl?: Maybe<Scalars['String']['output']>;
};

/** A user's belonging to one conversation. */
export type Member = {
  readonly __typename?: 'Member';
  /** `<conversation id>:<user id>`. */
  readonly id: Scalars['ID']['output'];
  /** Who it is. */
  readonly user: User;
  /** What this member may do. */
  readonly role: MemberRole;
  /** When this member came in; for one who left and returned, the last time. */
  readonly joinedAt: Scalars['DateTime']['output'];
};

/** What a member may do. Values are added without notice. */
export type MemberRole =
  /** Adds and removes members, beside what every member does. The members of a direct conversation are none. */
  | 'OWNER'
  /** Reads, sends, and leaves. */
  | 'MEMBER';

/** A message, as it is now. */
export type Message = {
  readonly __typename?: 'Message';
  /** `<conversation id>:<seq>`. */
  readonly id: Scalars['ID']['output'];
  /** The conversation that it belongs to. */
  readonly conversationId: Scalars['ID']['output'];
  /** Its place in the conversation, which it keeps. Places are shared with other events, so messages alone have holes between them. */
  readonly seq: Scalars['Int']['output'];
  /**
   * The place of the last event that changed it; its own `seq` where none did. Of two copies, the one with the greater
   * `changedSeq` is the newer.
   */
  readonly changedSeq: Scalars['Int']['output'];
  /** Who sent it. */
  readonly sender: User;
  /** What it says. Null: there is no text to show. */
  readonly text?: Maybe<Scalars['String']['output']>;
  /** When it was accepted. Never falls along `seq`. */
  readonly sentAt: Scalars['DateTime']['output'];
  /** The sender's own name for it, by which a client knows its own message again. Null: not known any more. */
  readonly clientKey?: Maybe<Scalars['String']['output']>;
};

/** A conversation, as the caller may see it. */
export type Conversation = {
  readonly __typename?: 'Conversation';
  /** The conversation's id: 1 to 64 characters of `A-Z a-z 0-9 _ -`. */
  readonly id: Scalars['ID']['output'];
  /** Direct or group; it never changes. */
  readonly kind: ConversationKind;
  /** What it is called. Null: it has no title; a direct conversation never has one. */
  readonly title?: Maybe<Scalars['String']['output']>;
  /** When it was opened. */
  readonly createdAt: Scalars['DateTime']['output'];
  /** The place of its last event. */
  readonly lastSeq: Scalars['Int']['output'];
  /** The first place that you may see: 1, or the place of the event that brought you in where the history before was hidden. */
  readonly firstSeq: Scalars['Int']['output'];
  /** When its last event was accepted. */
  readonly lastActivityAt: Scalars['DateTime']['output'];
  /** The newest message that you may see. Null: there is none, or, with an error at this path, it cannot be read just now. */
  readonly lastMessage?: Maybe<Message>;
  /** How many members there are. */
  readonly memberCount: Scalars['Int']['output'];
  /** Your own belonging to it. Null: you read it as an administrator and are no member. */
  readonly me?: Maybe<Member>;
  /** The other member of a direct conversation. Null: it is a group, or you are not one of the two. */
  readonly directWith?: Maybe<User>;
  /** Its members, in the order of their coming in, those of one event by id. Null only with an error at this path. */
  readonly members?: Maybe<MemberConnection>;
  /**
   * A page of its messages. Edges always rise by `seq`, whichever end the page is taken from. Without any argument: the newest 50.
   * Null only with an error at this path: `BAD_USER_INPUT` (a page over 100, a cursor that is not one, arguments that don't go
   * together) or `UNAVAILABLE`.
   */
  readonly messages?: Maybe<MessageConnection>;
  /**
   * A page of everything that happened, messages included: dense, so that a page of 50 covers exactly 50 places. Arguments, order
   * and errors are as in `messages`.
   */
  readonly events?: Maybe<EventConnection>;
};


/** A conversation, as the caller may see it. */
export type ConversationMembersArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
};


/** A conversation, as the caller may see it. */
export type ConversationMessagesArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
  aroundSeq?: InputMaybe<Scalars['Int']['input']>;
};


/** A conversation, as the caller may see it. */
export type ConversationEventsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
  aroundSeq?: InputMaybe<Scalars['Int']['input']>;
};

/** What kind of conversation it is. Values are added without notice. */
export type ConversationKind =
  /** Between two users who stay the same. A pair has one. */
  | 'DIRECT'
  /** Between members who come and go. */
  | 'GROUP';

/** Where a page lies in its list. */
export type PageInfo = {
  readonly __typename?: 'PageInfo';
  /** True: there is more after this page. */
  readonly hasNextPage: Scalars['Boolean']['output'];
  /** True: there is more before this page. */
  readonly hasPreviousPage: Scalars['Boolean']['output'];
  /** The cursor of the page's first edge. Null: the page is empty. */
  readonly startCursor?: Maybe<Scalars['String']['output']>;
  /** The cursor of the page's last edge. Null: the page is empty. */
  readonly endCursor?: Maybe<Scalars['String']['output']>;
};

/** A page of conversations. */
export type ConversationConnection = {
  readonly __typename?: 'ConversationConnection';
  /** The conversations of this page with their cursors. */
  readonly edges: ReadonlyArray<ConversationEdge>;
  /** The same conversations, without cursors. */
  readonly nodes: ReadonlyArray<Conversation>;
  /** Where this page lies. */
  readonly pageInfo: PageInfo;
};

/** A conversation in a page. */
export type ConversationEdge = {
  readonly __typename?: 'ConversationEdge';
  /** Its place in the list, for `after`. Opaque: its form is not promised. */
  readonly cursor: Scalars['String']['output'];
  /** The conversation. */
  readonly node: Conversation;
};

/** A page of members. */
export type MemberConnection = {
  readonly __typename?: 'MemberConnection';
  /** The members of this page with their cursors. */
  readonly edges: ReadonlyArray<MemberEdge>;
  /** The same members, without cursors. */
  readonly nodes: ReadonlyArray<Member>;
  /** Where this page lies. */
  readonly pageInfo: PageInfo;
};

/** A member in a page. */
export type MemberEdge = {
  readonly __typename?: 'MemberEdge';
  /** Its place in the list, for `after`. Opaque: its form is not promised. */
  readonly cursor: Scalars['String']['output'];
  /** The member. */
  readonly node: Member;
};

/** A page of messages. */
export type MessageConnection = {
  readonly __typename?: 'MessageConnection';
  /** The messages of this page with their cursors, rising by `seq`. */
  readonly edges: ReadonlyArray<MessageEdge>;
  /** The same messages, without cursors. */
  readonly nodes: ReadonlyArray<Message>;
  /** Where this page lies. */
  readonly pageInfo: PageInfo;
  /**
   * The place up to which this page is true. Take it from the first page that you load as the `after` of
   * `Subscription.conversation`: then nothing is missed between page and stream, and nothing comes twice.
   */
  readonly asOf: Scalars['Int']['output'];
};

/** A message in a page. */
export type MessageEdge = {
  readonly __typename?: 'MessageEdge';
  /** Its place in the list, for `after` and `before`. Opaque: its form is not promised. */
  readonly cursor: Scalars['String']['output'];
  /** The message. */
  readonly node: Message;
};

/** A page of events. */
export type EventConnection = {
  readonly __typename?: 'EventConnection';
  /** The events of this page with their cursors, rising by `seq`. */
  readonly edges: ReadonlyArray<EventEdge>;
  /** The same events, without cursors. */
  readonly nodes: ReadonlyArray<ConversationEvent>;
  /** Where this page lies. */
  readonly pageInfo: PageInfo;
  /**
   * The place up to which this page is true. Take it from the first page that you load as the `after` of
   * `Subscription.conversation`: then nothing is missed between page and stream, and nothing comes twice.
   */
  readonly asOf: Scalars['Int']['output'];
};

/** An event in a page. */
export type EventEdge = {
  readonly __typename?: 'EventEdge';
  /** Its place in the list, for `after` and `before`. Opaque: its form is not promised. */
  readonly cursor: Scalars['String']['output'];
  /** The event. */
  readonly node: ConversationEvent;
};



export type ResolverTypeWrapper<T> = Promise<T> | T;


export type ResolverWithResolve<TResult, TParent, TContext, TArgs> = {
  resolve: ResolverFn<TResult, TParent, TContext, TArgs>;
};
export type Resolver<TResult, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>, TArgs = Record<PropertyKey, never>> = ResolverFn<TResult, TParent, TContext, TArgs> | ResolverWithResolve<TResult, TParent, TContext, TArgs>;

export type ResolverFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => Promise<TResult> | TResult;

export type SubscriptionSubscribeFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => AsyncIterable<TResult> | Promise<AsyncIterable<TResult>>;

export type SubscriptionResolveFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => TResult | Promise<TResult>;

export interface SubscriptionSubscriberObject<TResult, TKey extends string, TParent, TContext, TArgs> {
  subscribe: SubscriptionSubscribeFn<{ [key in TKey]: TResult }, TParent, TContext, TArgs>;
  resolve?: SubscriptionResolveFn<TResult, { [key in TKey]: TResult }, TContext, TArgs>;
}

export interface SubscriptionResolverObject<TResult, TParent, TContext, TArgs> {
  subscribe: SubscriptionSubscribeFn<unknown, TParent, TContext, TArgs>;
  resolve: SubscriptionResolveFn<TResult, never, TContext, TArgs>;
}

export type SubscriptionObject<TResult, TKey extends string, TParent, TContext, TArgs> =
  | SubscriptionSubscriberObject<TResult, TKey, TParent, TContext, TArgs>
  | SubscriptionResolverObject<TResult, TParent, TContext, TArgs>;

export type SubscriptionResolver<TResult, TKey extends string, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>, TArgs = Record<PropertyKey, never>> =
  | ((...args: never[]) => SubscriptionObject<TResult, TKey, TParent, TContext, TArgs>)
  | SubscriptionObject<TResult, TKey, TParent, TContext, TArgs>;

export type TypeResolveFn<TTypes, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>> = (
  parent: TParent,
  context: TContext,
  info: GraphQLResolveInfo
) => Maybe<TTypes> | Promise<Maybe<TTypes>>;

export type IsTypeOfResolverFn<T = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>> = (obj: T, context: TContext, info: GraphQLResolveInfo) => boolean | Promise<boolean>;

export type NextResolverFn<T> = () => Promise<T>;

export type DirectiveResolverFn<TResult = Record<PropertyKey, never>, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>, TArgs = Record<PropertyKey, never>> = (
  next: NextResolverFn<TResult>,
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => TResult | Promise<TResult>;




/** Mapping of interface types */
export type ResolversInterfaceTypes<_RefType extends Record<string, unknown>> = {
  ConversationFrame:
    | ( ConversationCreated )
    | ( MessageSent )
    | ( MembersAdded )
    | ( MemberRemoved )
    | ( StreamStarted )
    | ( CaughtUp )
    | ( Reset )
  ;
  ConversationEvent:
    | ( ConversationCreated )
    | ( MessageSent )
    | ( MembersAdded )
    | ( MemberRemoved )
  ;
};

/** Mapping between all available schema types and the resolvers types */
export type ResolversTypes = {
  DateTime: ResolverTypeWrapper<Scalars['DateTime']['output']>;
  Query: ResolverTypeWrapper<Record<PropertyKey, never>>;
  ID: ResolverTypeWrapper<Scalars['ID']['output']>;
  Int: ResolverTypeWrapper<Scalars['Int']['output']>;
  String: ResolverTypeWrapper<Scalars['String']['output']>;
  Mutation: ResolverTypeWrapper<Record<PropertyKey, never>>;
  Subscription: ResolverTypeWrapper<Record<PropertyKey, never>>;
  OpenDirectInput: OpenDirectInput;
  CreateConversationInput: CreateConversationInput;
  AddMembersInput: AddMembersInput;
  Boolean: ResolverTypeWrapper<Scalars['Boolean']['output']>;
  RemoveMemberInput: RemoveMemberInput;
  LeaveConversationInput: LeaveConversationInput;
  SendMessageInput: SendMessageInput;
  OpenDirectPayload: ResolverTypeWrapper<Omit<OpenDirectPayload, 'conversation'> & { conversation?: Maybe<ResolversTypes['Conversation']> }>;
  CreateConversationPayload: ResolverTypeWrapper<Omit<CreateConversationPayload, 'conversation'> & { conversation?: Maybe<ResolversTypes['Conversation']> }>;
  AddMembersPayload: ResolverTypeWrapper<Omit<AddMembersPayload, 'conversation'> & { conversation?: Maybe<ResolversTypes['Conversation']> }>;
  RemoveMemberPayload: ResolverTypeWrapper<Omit<RemoveMemberPayload, 'conversation'> & { conversation?: Maybe<ResolversTypes['Conversation']> }>;
  LeaveConversationPayload: ResolverTypeWrapper<Omit<LeaveConversationPayload, 'conversation'> & { conversation?: Maybe<ResolversTypes['Conversation']> }>;
  SendMessagePayload: ResolverTypeWrapper<SendMessagePayload>;
  Accepted: ResolverTypeWrapper<Accepted>;
  Refused: ResolverTypeWrapper<Refused>;
  RefusalCode: RefusalCode;
  ErrorCode: ErrorCode;
  ConversationFrame: ResolverTypeWrapper<ResolversInterfaceTypes<ResolversTypes>['ConversationFrame']>;
  ConversationEvent: ResolverTypeWrapper<ResolversInterfaceTypes<ResolversTypes>['ConversationEvent']>;
  ConversationCreated: ResolverTypeWrapper<ConversationCreated>;
  MessageSent: ResolverTypeWrapper<MessageSent>;
  MembersAdded: ResolverTypeWrapper<MembersAdded>;
  MemberRemoved: ResolverTypeWrapper<MemberRemoved>;
  StreamStarted: ResolverTypeWrapper<StreamStarted>;
  CaughtUp: ResolverTypeWrapper<CaughtUp>;
  Reset: ResolverTypeWrapper<Reset>;
  ResetReason: ResetReason;
  Me: ResolverTypeWrapper<Me>;
  User: ResolverTypeWrapper<User>;
  Member: ResolverTypeWrapper<Member>;
  MemberRole: MemberRole;
  Message: ResolverTypeWrapper<Message>;
  Conversation: ResolverTypeWrapper<Omit<Conversation, 'me' | 'events'> & { me?: Maybe<ResolversTypes['Member']>, events?: Maybe<ResolversTypes['EventConnection']> }>;
  ConversationKind: ConversationKind;
  PageInfo: ResolverTypeWrapper<PageInfo>;
  ConversationConnection: ResolverTypeWrapper<Omit<ConversationConnection, 'edges' | 'nodes'> & { edges: ReadonlyArray<ResolversTypes['ConversationEdge']>, nodes: ReadonlyArray<ResolversTypes['Conversation']> }>;
  ConversationEdge: ResolverTypeWrapper<Omit<ConversationEdge, 'node'> & { node: ResolversTypes['Conversation'] }>;
  MemberConnection: ResolverTypeWrapper<Omit<MemberConnection, 'nodes'> & { nodes: ReadonlyArray<ResolversTypes['Member']> }>;
  MemberEdge: ResolverTypeWrapper<Omit<MemberEdge, 'node'> & { node: ResolversTypes['Member'] }>;
  MessageConnection: ResolverTypeWrapper<MessageConnection>;
  MessageEdge: ResolverTypeWrapper<MessageEdge>;
  EventConnection: ResolverTypeWrapper<Omit<EventConnection, 'edges' | 'nodes'> & { edges: ReadonlyArray<ResolversTypes['EventEdge']>, nodes: ReadonlyArray<ResolversTypes['ConversationEvent']> }>;
  EventEdge: ResolverTypeWrapper<Omit<EventEdge, 'node'> & { node: ResolversTypes['ConversationEvent'] }>;
};

/** Mapping between all available schema types and the resolvers parents */
export type ResolversParentTypes = {
  DateTime: Scalars['DateTime']['output'];
  Query: Record<PropertyKey, never>;
  ID: Scalars['ID']['output'];
  Int: Scalars['Int']['output'];
  String: Scalars['String']['output'];
  Mutation: Record<PropertyKey, never>;
  Subscription: Record<PropertyKey, never>;
  OpenDirectInput: OpenDirectInput;
  CreateConversationInput: CreateConversationInput;
  AddMembersInput: AddMembersInput;
  Boolean: Scalars['Boolean']['output'];
  RemoveMemberInput: RemoveMemberInput;
  LeaveConversationInput: LeaveConversationInput;
  SendMessageInput: SendMessageInput;
  OpenDirectPayload: Omit<OpenDirectPayload, 'conversation'> & { conversation?: Maybe<ResolversParentTypes['Conversation']> };
  CreateConversationPayload: Omit<CreateConversationPayload, 'conversation'> & { conversation?: Maybe<ResolversParentTypes['Conversation']> };
  AddMembersPayload: Omit<AddMembersPayload, 'conversation'> & { conversation?: Maybe<ResolversParentTypes['Conversation']> };
  RemoveMemberPayload: Omit<RemoveMemberPayload, 'conversation'> & { conversation?: Maybe<ResolversParentTypes['Conversation']> };
  LeaveConversationPayload: Omit<LeaveConversationPayload, 'conversation'> & { conversation?: Maybe<ResolversParentTypes['Conversation']> };
  SendMessagePayload: SendMessagePayload;
  Accepted: Accepted;
  Refused: Refused;
  ConversationFrame: ResolversInterfaceTypes<ResolversParentTypes>['ConversationFrame'];
  ConversationEvent: ResolversInterfaceTypes<ResolversParentTypes>['ConversationEvent'];
  ConversationCreated: ConversationCreated;
  MessageSent: MessageSent;
  MembersAdded: MembersAdded;
  MemberRemoved: MemberRemoved;
  StreamStarted: StreamStarted;
  CaughtUp: CaughtUp;
  Reset: Reset;
  Me: Me;
  User: User;
  Member: Member;
  Message: Message;
  Conversation: Omit<Conversation, 'me' | 'events'> & { me?: Maybe<ResolversParentTypes['Member']>, events?: Maybe<ResolversParentTypes['EventConnection']> };
  PageInfo: PageInfo;
  ConversationConnection: Omit<ConversationConnection, 'edges' | 'nodes'> & { edges: ReadonlyArray<ResolversParentTypes['ConversationEdge']>, nodes: ReadonlyArray<ResolversParentTypes['Conversation']> };
  ConversationEdge: Omit<ConversationEdge, 'node'> & { node: ResolversParentTypes['Conversation'] };
  MemberConnection: Omit<MemberConnection, 'nodes'> & { nodes: ReadonlyArray<ResolversParentTypes['Member']> };
  MemberEdge: Omit<MemberEdge, 'node'> & { node: ResolversParentTypes['Member'] };
  MessageConnection: MessageConnection;
  MessageEdge: MessageEdge;
  EventConnection: Omit<EventConnection, 'edges' | 'nodes'> & { edges: ReadonlyArray<ResolversParentTypes['EventEdge']>, nodes: ReadonlyArray<ResolversParentTypes['ConversationEvent']> };
  EventEdge: Omit<EventEdge, 'node'> & { node: ResolversParentTypes['ConversationEvent'] };
};

export interface DateTimeScalarConfig extends GraphQLScalarTypeConfig<ResolversTypes['DateTime'], unknown> {
  name: 'DateTime';
}

export type QueryResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['Query'] = ResolversParentTypes['Query']> = {
  me?: Resolver<ResolversTypes['Me'], ParentType, ContextType>;
  conversation?: Resolver<Maybe<ResolversTypes['Conversation']>, ParentType, ContextType, RequireFields<QueryConversationArgs, 'id'>>;
  conversations?: Resolver<Maybe<ResolversTypes['ConversationConnection']>, ParentType, ContextType, RequireFields<QueryConversationsArgs, 'first'>>;
  message?: Resolver<Maybe<ResolversTypes['Message']>, ParentType, ContextType, RequireFields<QueryMessageArgs, 'conversationId' | 'seq'>>;
};

export type MutationResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['Mutation'] = ResolversParentTypes['Mutation']> = {
  openDirect?: Resolver<Maybe<ResolversTypes['OpenDirectPayload']>, ParentType, ContextType, RequireFields<MutationOpenDirectArgs, 'input'>>;
  createConversation?: Resolver<Maybe<ResolversTypes['CreateConversationPayload']>, ParentType, ContextType, RequireFields<MutationCreateConversationArgs, 'input'>>;
  addMembers?: Resolver<Maybe<ResolversTypes['AddMembersPayload']>, ParentType, ContextType, RequireFields<MutationAddMembersArgs, 'input'>>;
  removeMember?: Resolver<Maybe<ResolversTypes['RemoveMemberPayload']>, ParentType, ContextType, RequireFields<MutationRemoveMemberArgs, 'input'>>;
  leaveConversation?: Resolver<Maybe<ResolversTypes['LeaveConversationPayload']>, ParentType, ContextType, RequireFields<MutationLeaveConversationArgs, 'input'>>;
  sendMessage?: Resolver<Maybe<ResolversTypes['SendMessagePayload']>, ParentType, ContextType, RequireFields<MutationSendMessageArgs, 'input'>>;
};

export type SubscriptionResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['Subscription'] = ResolversParentTypes['Subscription']> = {
  conversation?: SubscriptionResolver<ResolversTypes['ConversationFrame'], "conversation", ParentType, ContextType, RequireFields<SubscriptionConversationArgs, 'id'>>;
};

export type OpenDirectPayloadResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['OpenDirectPayload'] = ResolversParentTypes['OpenDirectPayload']> = {
  accepted?: Resolver<Maybe<ResolversTypes['Accepted']>, ParentType, ContextType>;
  refused?: Resolver<Maybe<ResolversTypes['Refused']>, ParentType, ContextType>;
  conversation?: Resolver<Maybe<ResolversTypes['Conversation']>, ParentType, ContextType>;
};

export type CreateConversationPayloadResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['CreateConversationPayload'] = ResolversParentTypes['CreateConversationPayload']> = {
  accepted?: Resolver<Maybe<ResolversTypes['Accepted']>, ParentType, ContextType>;
  refused?: Resolver<Maybe<ResolversTypes['Refused']>, ParentType, ContextType>;
  conversation?: Resolver<Maybe<ResolversTypes['Conversation']>, ParentType, ContextType>;
};

export type AddMembersPayloadResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['AddMembersPayload'] = ResolversParentTypes['AddMembersPayload']> = {
  accepted?: Resolver<Maybe<ResolversTypes['Accepted']>, ParentType, ContextType>;
  refused?: Resolver<Maybe<ResolversTypes['Refused']>, ParentType, ContextType>;
  conversation?: Resolver<Maybe<ResolversTypes['Conversation']>, ParentType, ContextType>;
};

export type RemoveMemberPayloadResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['RemoveMemberPayload'] = ResolversParentTypes['RemoveMemberPayload']> = {
  accepted?: Resolver<Maybe<ResolversTypes['Accepted']>, ParentType, ContextType>;
  refused?: Resolver<Maybe<ResolversTypes['Refused']>, ParentType, ContextType>;
  conversation?: Resolver<Maybe<ResolversTypes['Conversation']>, ParentType, ContextType>;
};

export type LeaveConversationPayloadResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['LeaveConversationPayload'] = ResolversParentTypes['LeaveConversationPayload']> = {
  accepted?: Resolver<Maybe<ResolversTypes['Accepted']>, ParentType, ContextType>;
  refused?: Resolver<Maybe<ResolversTypes['Refused']>, ParentType, ContextType>;
  conversation?: Resolver<Maybe<ResolversTypes['Conversation']>, ParentType, ContextType>;
};

export type SendMessagePayloadResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['SendMessagePayload'] = ResolversParentTypes['SendMessagePayload']> = {
  accepted?: Resolver<Maybe<ResolversTypes['Accepted']>, ParentType, ContextType>;
  refused?: Resolver<Maybe<ResolversTypes['Refused']>, ParentType, ContextType>;
  message?: Resolver<Maybe<ResolversTypes['Message']>, ParentType, ContextType>;
};

export type AcceptedResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['Accepted'] = ResolversParentTypes['Accepted']> = {
  conversationId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  seq?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  acceptedAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  repeated?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  changed?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
};

export type RefusedResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['Refused'] = ResolversParentTypes['Refused']> = {
  code?: Resolver<ResolversTypes['RefusalCode'], ParentType, ContextType>;
  message?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  retryable?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  retryAfterMs?: Resolver<Maybe<ResolversTypes['Int']>, ParentType, ContextType>;
};

export type ConversationFrameResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['ConversationFrame'] = ResolversParentTypes['ConversationFrame']> = {
  __resolveType: TypeResolveFn<'ConversationCreated' | 'MessageSent' | 'MembersAdded' | 'MemberRemoved' | 'StreamStarted' | 'CaughtUp' | 'Reset', ParentType, ContextType>;
};

export type ConversationEventResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['ConversationEvent'] = ResolversParentTypes['ConversationEvent']> = {
  __resolveType: TypeResolveFn<'ConversationCreated' | 'MessageSent' | 'MembersAdded' | 'MemberRemoved', ParentType, ContextType>;
};

export type ConversationCreatedResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['ConversationCreated'] = ResolversParentTypes['ConversationCreated']> = {
  conversationId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  seq?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  by?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  kind?: Resolver<ResolversTypes['ConversationKind'], ParentType, ContextType>;
  title?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  members?: Resolver<ReadonlyArray<ResolversTypes['User']>, ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type MessageSentResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['MessageSent'] = ResolversParentTypes['MessageSent']> = {
  conversationId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  seq?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  by?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  message?: Resolver<ResolversTypes['Message'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type MembersAddedResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['MembersAdded'] = ResolversParentTypes['MembersAdded']> = {
  conversationId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  seq?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  by?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  members?: Resolver<ReadonlyArray<ResolversTypes['User']>, ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type MemberRemovedResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['MemberRemoved'] = ResolversParentTypes['MemberRemoved']> = {
  conversationId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  seq?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  by?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  member?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type StreamStartedResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['StreamStarted'] = ResolversParentTypes['StreamStarted']> = {
  conversationId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  seq?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type CaughtUpResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['CaughtUp'] = ResolversParentTypes['CaughtUp']> = {
  conversationId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  seq?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type ResetResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['Reset'] = ResolversParentTypes['Reset']> = {
  conversationId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  seq?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  resetReason?: Resolver<ResolversTypes['ResetReason'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type MeResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['Me'] = ResolversParentTypes['Me']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
};

export type UserResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['User'] = ResolversParentTypes['User']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  name?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  avatarUrl?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
};

export type MemberResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['Member'] = ResolversParentTypes['Member']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  role?: Resolver<ResolversTypes['MemberRole'], ParentType, ContextType>;
  joinedAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
};

export type MessageResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['Message'] = ResolversParentTypes['Message']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  conversationId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  seq?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  changedSeq?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  sender?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  text?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  sentAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  clientKey?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
};

export type ConversationResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['Conversation'] = ResolversParentTypes['Conversation']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  kind?: Resolver<ResolversTypes['ConversationKind'], ParentType, ContextType>;
  title?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  createdAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  lastSeq?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  firstSeq?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  lastActivityAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  lastMessage?: Resolver<Maybe<ResolversTypes['Message']>, ParentType, ContextType>;
  memberCount?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  me?: Resolver<Maybe<ResolversTypes['Member']>, ParentType, ContextType>;
  directWith?: Resolver<Maybe<ResolversTypes['User']>, ParentType, ContextType>;
  members?: Resolver<Maybe<ResolversTypes['MemberConnection']>, ParentType, ContextType, RequireFields<ConversationMembersArgs, 'first'>>;
  messages?: Resolver<Maybe<ResolversTypes['MessageConnection']>, ParentType, ContextType, Partial<ConversationMessagesArgs>>;
  events?: Resolver<Maybe<ResolversTypes['EventConnection']>, ParentType, ContextType, Partial<ConversationEventsArgs>>;
};

export type PageInfoResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['PageInfo'] = ResolversParentTypes['PageInfo']> = {
  hasNextPage?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  hasPreviousPage?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  startCursor?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  endCursor?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
};

export type ConversationConnectionResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['ConversationConnection'] = ResolversParentTypes['ConversationConnection']> = {
  edges?: Resolver<ReadonlyArray<ResolversTypes['ConversationEdge']>, ParentType, ContextType>;
  nodes?: Resolver<ReadonlyArray<ResolversTypes['Conversation']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type ConversationEdgeResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['ConversationEdge'] = ResolversParentTypes['ConversationEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['Conversation'], ParentType, ContextType>;
};

export type MemberConnectionResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['MemberConnection'] = ResolversParentTypes['MemberConnection']> = {
  edges?: Resolver<ReadonlyArray<ResolversTypes['MemberEdge']>, ParentType, ContextType>;
  nodes?: Resolver<ReadonlyArray<ResolversTypes['Member']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type MemberEdgeResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['MemberEdge'] = ResolversParentTypes['MemberEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['Member'], ParentType, ContextType>;
};

export type MessageConnectionResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['MessageConnection'] = ResolversParentTypes['MessageConnection']> = {
  edges?: Resolver<ReadonlyArray<ResolversTypes['MessageEdge']>, ParentType, ContextType>;
  nodes?: Resolver<ReadonlyArray<ResolversTypes['Message']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
  asOf?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
};

export type MessageEdgeResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['MessageEdge'] = ResolversParentTypes['MessageEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['Message'], ParentType, ContextType>;
};

export type EventConnectionResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['EventConnection'] = ResolversParentTypes['EventConnection']> = {
  edges?: Resolver<ReadonlyArray<ResolversTypes['EventEdge']>, ParentType, ContextType>;
  nodes?: Resolver<ReadonlyArray<ResolversTypes['ConversationEvent']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
  asOf?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
};

export type EventEdgeResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['EventEdge'] = ResolversParentTypes['EventEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['ConversationEvent'], ParentType, ContextType>;
};

export type Resolvers<ContextType = unknown> = {
  DateTime?: GraphQLScalarType;
  Query?: QueryResolvers<ContextType>;
  Mutation?: MutationResolvers<ContextType>;
  Subscription?: SubscriptionResolvers<ContextType>;
  OpenDirectPayload?: OpenDirectPayloadResolvers<ContextType>;
  CreateConversationPayload?: CreateConversationPayloadResolvers<ContextType>;
  AddMembersPayload?: AddMembersPayloadResolvers<ContextType>;
  RemoveMemberPayload?: RemoveMemberPayloadResolvers<ContextType>;
  LeaveConversationPayload?: LeaveConversationPayloadResolvers<ContextType>;
  SendMessagePayload?: SendMessagePayloadResolvers<ContextType>;
  Accepted?: AcceptedResolvers<ContextType>;
  Refused?: RefusedResolvers<ContextType>;
  ConversationFrame?: ConversationFrameResolvers<ContextType>;
  ConversationEvent?: ConversationEventResolvers<ContextType>;
  ConversationCreated?: ConversationCreatedResolvers<ContextType>;
  MessageSent?: MessageSentResolvers<ContextType>;
  MembersAdded?: MembersAddedResolvers<ContextType>;
  MemberRemoved?: MemberRemovedResolvers<ContextType>;
  StreamStarted?: StreamStartedResolvers<ContextType>;
  CaughtUp?: CaughtUpResolvers<ContextType>;
  Reset?: ResetResolvers<ContextType>;
  Me?: MeResolvers<ContextType>;
  User?: UserResolvers<ContextType>;
  Member?: MemberResolvers<ContextType>;
  Message?: MessageResolvers<ContextType>;
  Conversation?: ConversationResolvers<ContextType>;
  PageInfo?: PageInfoResolvers<ContextType>;
  ConversationConnection?: ConversationConnectionResolvers<ContextType>;
  ConversationEdge?: ConversationEdgeResolvers<ContextType>;
  MemberConnection?: MemberConnectionResolvers<ContextType>;
  MemberEdge?: MemberEdgeResolvers<ContextType>;
  MessageConnection?: MessageConnectionResolvers<ContextType>;
  MessageEdge?: MessageEdgeResolvers<ContextType>;
  EventConnection?: EventConnectionResolvers<ContextType>;
  EventEdge?: EventEdgeResolvers<ContextType>;
};


