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
   * The conversations you are a member of, the one with the newest activity first. Which ones it holds, and in which order, may lag
   * behind by a moment; what it shows of each is not older than the request. Null only with an error at this path (`BAD_USER_INPUT`, `UNAVAILABLE`).
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
 * Every command that takes a `clientKey` can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and
 * `KEY_REUSED`. After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at
 * any time: it is done once, and the first answer is given again. The commands that take none say what is to be, not what is to
 * be done: to give one again does no harm.
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
  /**
   * Makes a device of yours known, or changes its address for pushes. A push address belongs to one device of one user: registered
   * elsewhere, it moves. A device that is not seen for 90 days is forgotten. Refused with `DEVICE_LIMIT`.
   */
  readonly registerDevice?: Maybe<RegisterDevicePayload>;
  /** Forgets a device of yours, its push address and what it has acknowledged. Also where there is no such device. */
  readonly unregisterDevice?: Maybe<UnregisterDevicePayload>;
  /**
   * Says what a device has stored: each mark that it has every event of a conversation up to a place. Answered when the marks are
   * stored durably: all of them, or an error. Marks only rise: a lower one, and one given again, change nothing. A mark for a
   * conversation that is not yours is passed over. A mark after a conversation's last event is the error `BAD_USER_INPUT`, and
   * then none of them is stored; a device that is not registered, or was forgotten, is the error `UNKNOWN_DEVICE`. After
   * `OUTCOME_UNKNOWN` acknowledge again.
   */
  readonly acknowledge?: Maybe<AcknowledgePayload>;
  /**
   * Says that you have read a conversation up to a place, on whatever device. It only rises: a lower place, and the same one again,
   * change nothing. What is read counts as delivered. Answered when it is stored durably. A place after the conversation's last
   * event is the error `BAD_USER_INPUT`. Refused with `NOT_FOUND`. After `OUTCOME_UNKNOWN` mark again.
   */
  readonly markRead?: Maybe<MarkReadPayload>;
  /**
   * Keeps pushes of a conversation from your devices until a time, or lets them come again. Nothing else changes: streams and unread
   * counts go on. Refused with `NOT_FOUND`.
   */
  readonly muteConversation?: Maybe<MuteConversationPayload>;
  /** Changes settings of yours, the same on all your devices. What is left out stays as it is. */
  readonly updateSettings?: Maybe<UpdateSettingsPayload>;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command that takes a `clientKey` can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and
 * `KEY_REUSED`. After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at
 * any time: it is done once, and the first answer is given again. The commands that take none say what is to be, not what is to
 * be done: to give one again does no harm.
 */
export type MutationOpenDirectArgs = {
  input: OpenDirectInput;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command that takes a `clientKey` can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and
 * `KEY_REUSED`. After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at
 * any time: it is done once, and the first answer is given again. The commands that take none say what is to be, not what is to
 * be done: to give one again does no harm.
 */
export type MutationCreateConversationArgs = {
  input: CreateConversationInput;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command that takes a `clientKey` can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and
 * `KEY_REUSED`. After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at
 * any time: it is done once, and the first answer is given again. The commands that take none say what is to be, not what is to
 * be done: to give one again does no harm.
 */
export type MutationAddMembersArgs = {
  input: AddMembersInput;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command that takes a `clientKey` can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and
 * `KEY_REUSED`. After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at
 * any time: it is done once, and the first answer is given again. The commands that take none say what is to be, not what is to
 * be done: to give one again does no harm.
 */
export type MutationRemoveMemberArgs = {
  input: RemoveMemberInput;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command that takes a `clientKey` can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and
 * `KEY_REUSED`. After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at
 * any time: it is done once, and the first answer is given again. The commands that take none say what is to be, not what is to
 * be done: to give one again does no harm.
 */
export type MutationLeaveConversationArgs = {
  input: LeaveConversationInput;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command that takes a `clientKey` can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and
 * `KEY_REUSED`. After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at
 * any time: it is done once, and the first answer is given again. The commands that take none say what is to be, not what is to
 * be done: to give one again does no harm.
 */
export type MutationSendMessageArgs = {
  input: SendMessageInput;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command that takes a `clientKey` can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and
 * `KEY_REUSED`. After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at
 * any time: it is done once, and the first answer is given again. The commands that take none say what is to be, not what is to
 * be done: to give one again does no harm.
 */
export type MutationRegisterDeviceArgs = {
  input: RegisterDeviceInput;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command that takes a `clientKey` can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and
 * `KEY_REUSED`. After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at
 * any time: it is done once, and the first answer is given again. The commands that take none say what is to be, not what is to
 * be done: to give one again does no harm.
 */
export type MutationUnregisterDeviceArgs = {
  input: UnregisterDeviceInput;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command that takes a `clientKey` can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and
 * `KEY_REUSED`. After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at
 * any time: it is done once, and the first answer is given again. The commands that take none say what is to be, not what is to
 * be done: to give one again does no harm.
 */
export type MutationAcknowledgeArgs = {
  input: AcknowledgeInput;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command that takes a `clientKey` can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and
 * `KEY_REUSED`. After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at
 * any time: it is done once, and the first answer is given again. The commands that take none say what is to be, not what is to
 * be done: to give one again does no harm.
 */
export type MutationMarkReadArgs = {
  input: MarkReadInput;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command that takes a `clientKey` can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and
 * `KEY_REUSED`. After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at
 * any time: it is done once, and the first answer is given again. The commands that take none say what is to be, not what is to
 * be done: to give one again does no harm.
 */
export type MutationMuteConversationArgs = {
  input: MuteConversationInput;
};


/**
 * Everything that changes something. Each field is nullable, so that one failure never takes the answer of another with it, and
 * each payload has `refused`: the command was understood and decided against. An error at the field's path means that the
 * command was not decided: `BAD_USER_INPUT`, `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`, `UNAVAILABLE`, or `OUTCOME_UNKNOWN`.
 * Every command that takes a `clientKey` can be refused with `RATE_LIMITED` (your send budget), `CONTENDED`, `STORE_FULL` and
 * `KEY_REUSED`. After `OUTCOME_UNKNOWN`, or when no answer came at all, send the same command with the same `clientKey` again, at
 * any time: it is done once, and the first answer is given again. The commands that take none say what is to be, not what is to
 * be done: to give one again does no harm.
 */
export type MutationUpdateSettingsArgs = {
  input: UpdateSettingsInput;
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
  /**
   * Everything that comes to you, over all conversations, for one device: store and forward. What this device has not
   * acknowledged, in order within each conversation, then `InboxCaughtUp`, then what happens, as it happens; conversations that
   * are new to you appear by themselves. Where more than 500 events of a conversation wait, a `Reset` takes their place. A device
   * that is not registered, or was forgotten, ends with the error `UNKNOWN_DEVICE`.
   */
  readonly inbox: InboxFrame;
  /**
   * How far a message has come: of each recipient that you may see (`Message.delivery` says who that is) how it is now, then again
   * after each change, as it happens. Ends with the error `NOT_FOUND` where there is no message at that place, or it is not yours
   * to see; completes when you are no member any more.
   */
  readonly delivery: Delivery;
};


/** Everything that comes in by itself, by WebSocket (`graphql-transport-ws`) or by server-sent events. */
export type SubscriptionConversationArgs = {
  id: Scalars['ID']['input'];
  after?: InputMaybe<Scalars['Int']['input']>;
};


/** Everything that comes in by itself, by WebSocket (`graphql-transport-ws`) or by server-sent events. */
export type SubscriptionInboxArgs = {
  device: Scalars['ID']['input'];
  after?: InputMaybe<Scalars['String']['input']>;
};


/** Everything that comes in by itself, by WebSocket (`graphql-transport-ws`) or by server-sent events. */
export type SubscriptionDeliveryArgs = {
  conversationId: Scalars['ID']['input'];
  seq: Scalars['Int']['input'];
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

/** Makes a device known. */
export type RegisterDeviceInput = {
  /** An id of your choosing, kept by the device: 1 to 64 characters of `A-Z a-z 0-9 _ -`, unique among your own devices. */
  readonly device: Scalars['ID']['input'];
  /** Where pushes to it go. Absent: what was registered before stays. Null: there is no address any more. */
  readonly push?: InputMaybe<PushAddressInput>;
};

/** Where pushes to a device go: exactly one of these. Addresses are secrets: they are never shown again. */
export type PushAddressInput =
  /** An iPhone, iPad or Mac, by the Apple Push Notification service. */
  { readonly apns: ApnsAddressInput; readonly fcm?: never; readonly gcm?: never; readonly webPush?: never; }
  |  /** An app that uses Firebase Cloud Messaging. */
  { readonly apns?: never; readonly fcm: FcmAddressInput; readonly gcm?: never; readonly webPush?: never; }
  |  /** An app that uses a server which speaks the former GCM protocol. Google's own no longer does. */
  { readonly apns?: never; readonly fcm?: never; readonly gcm: GcmAddressInput; readonly webPush?: never; }
  |  /** A browser, by Web Push. */
  { readonly apns?: never; readonly fcm?: never; readonly gcm?: never; readonly webPush: WebPushAddressInput; };

/** An address of the Apple Push Notification service. */
export type ApnsAddressInput = {
  /** The device token: hexadecimal digits, at most 512. */
  readonly token: Scalars['String']['input'];
  /** The app's bundle id, at most 255 characters. Absent or null: the installation's own. */
  readonly topic?: InputMaybe<Scalars['String']['input']>;
  /** Which of Apple's services the token is for. Absent or null: `PRODUCTION`. */
  readonly environment?: InputMaybe<ApnsEnvironment>;
};

/** Which of Apple's services a token is for. */
export type ApnsEnvironment =
  /** Apps from the App Store and from TestFlight. */
  | 'PRODUCTION'
  /** Apps that a developer runs from Xcode. */
  | 'SANDBOX';

/** An address of Firebase Cloud Messaging. */
export type FcmAddressInput = {
  /** The registration token, at most 4,096 characters without spaces. */
  readonly token: Scalars['String']['input'];
};

/** An address of a server that speaks the former GCM protocol. */
export type GcmAddressInput = {
  /** The registration token, at most 4,096 characters without spaces. */
  readonly token: Scalars['String']['input'];
};

/** A browser's `PushSubscription`. */
export type WebPushAddressInput = {
  /**
   * Its `endpoint`: an https URL of a browser's push service, or of one that the installation names, at most 2,048 characters. One that
   * leads into a private network is not pushed to.
   */
  readonly endpoint: Scalars['String']['input'];
  /** Its key `p256dh`: 65 bytes in base64url. */
  readonly p256dh: Scalars['String']['input'];
  /** Its key `auth`: 16 bytes in base64url. */
  readonly auth: Scalars['String']['input'];
};

/** Forgets a device. */
export type UnregisterDeviceInput = {
  /** The device's id. */
  readonly device: Scalars['ID']['input'];
};

/** Says what a device has stored. */
export type AcknowledgeInput = {
  /** The device's id, as it was registered. */
  readonly device: Scalars['ID']['input'];
  /** What it has: 1 to 1,000 marks. Of two for one conversation the higher counts. */
  readonly marks: ReadonlyArray<MarkInput>;
};

/**
 * A mark: the device has stored every event of the conversation up to a place. Not to be given for an event that came alone (in a
 * push, in a page).
 */
export type MarkInput = {
  /** The conversation's id. */
  readonly conversationId: Scalars['ID']['input'];
  /** The place, from 0, not after the conversation's last event. */
  readonly seq: Scalars['Int']['input'];
};

/** Says what you have read. */
export type MarkReadInput = {
  /** The conversation's id. */
  readonly conversationId: Scalars['ID']['input'];
  /** The place up to which you have read, from 0, not after the conversation's last event. */
  readonly seq: Scalars['Int']['input'];
};

/** Mutes a conversation, or ends that. */
export type MuteConversationInput = {
  /** The conversation's id. */
  readonly conversationId: Scalars['ID']['input'];
  /** Until when it is muted. Null, absent, or a time that has passed: it is not muted. */
  readonly until?: InputMaybe<Scalars['DateTime']['input']>;
};

/** Changes settings. */
export type UpdateSettingsInput = {
  /** True: what you have read is not shown to others. Absent: it stays as it is. Null: as it is for who never set it, false. */
  readonly hideReadMarks?: InputMaybe<Scalars['Boolean']['input']>;
  /** The time of day at which no pushes come. Absent: it stays as it is. Null: there is none. */
  readonly doNotDisturb?: InputMaybe<DoNotDisturbInput>;
};

/** A time of every day. */
export type DoNotDisturbInput = {
  /** When it begins: `HH:MM`, from `00:00` to `23:59`. */
  readonly from: Scalars['String']['input'];
  /** When it ends: `HH:MM`, another time than `from`. One that is earlier than `from` is that of the next day. */
  readonly to: Scalars['String']['input'];
  /** The time zone of both, by its IANA name, for example `Europe/Berlin`. */
  readonly timeZone: Scalars['String']['input'];
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

/** The answer to `registerDevice`. Exactly one of `device` and `refused` is not null. */
export type RegisterDevicePayload = {
  readonly __typename?: 'RegisterDevicePayload';
  /** The device as it is registered now. Null: the command was refused. */
  readonly device?: Maybe<Device>;
  /** The command was decided against. Null: it was done. */
  readonly refused?: Maybe<Refused>;
};

/** The answer to `unregisterDevice`. */
export type UnregisterDevicePayload = {
  readonly __typename?: 'UnregisterDevicePayload';
  /** True: there was such a device, and it is forgotten. False: there was none. */
  readonly changed?: Maybe<Scalars['Boolean']['output']>;
  /** The command was decided against. Null: it was done. */
  readonly refused?: Maybe<Refused>;
};

/** The answer to `acknowledge`. */
export type AcknowledgePayload = {
  readonly __typename?: 'AcknowledgePayload';
  /** When the marks were stored, durably. Null: the command was refused. */
  readonly acknowledgedAt?: Maybe<Scalars['DateTime']['output']>;
  /** The command was decided against. Null: it was done. */
  readonly refused?: Maybe<Refused>;
};

/** The answer to `markRead`. */
export type MarkReadPayload = {
  readonly __typename?: 'MarkReadPayload';
  /** The conversation, with your mark as it is now. Null: the command was refused, or the conversation cannot be read just now. */
  readonly conversation?: Maybe<Conversation>;
  /** The command was decided against. Null: it was done. */
  readonly refused?: Maybe<Refused>;
};

/** The answer to `muteConversation`. */
export type MuteConversationPayload = {
  readonly __typename?: 'MuteConversationPayload';
  /** The conversation. Null: the command was refused, or the conversation cannot be read just now. */
  readonly conversation?: Maybe<Conversation>;
  /** The command was decided against. Null: it was done. */
  readonly refused?: Maybe<Refused>;
};

/** The answer to `updateSettings`. */
export type UpdateSettingsPayload = {
  readonly __typename?: 'UpdateSettingsPayload';
  /** All settings as they are now. Null: the command was refused. */
  readonly settings?: Maybe<Settings>;
  /** The command was decided against. Null: it was done. */
  readonly refused?: Maybe<Refused>;
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
  /**
   * You send faster than your budget allows; every command with a `clientKey` counts, whatever becomes of it. Retryable after
   * `retryAfterMs`.
   */
  | 'RATE_LIMITED'
  /** You have as many devices as may be: unregister one. Not retryable. */
  | 'DEVICE_LIMIT';

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
  /**
   * A subscription named a conversation that does not exist or is not yours, or a message that is none; they are never told apart.
   * Not retryable.
   */
  | 'NOT_FOUND'
  /** A fault of the server's; the details are in its log only. What was asked may or may not have been done. */
  | 'INTERNAL_SERVER_ERROR'
  /**
   * No answer came from the store in time: the command may have been accepted. Send it again, with the same `clientKey` where it
   * takes one.
   */
  | 'OUTCOME_UNKNOWN'
  /** Nothing was decided or read, because a part of the system is out of reach. Retryable. */
  | 'UNAVAILABLE'
  /**
   * Too many requests, sockets or operations from you or your address. Retryable after `retryAfterMs`. (The budget of sends is
   * the refusal of the same name.)
   */
  | 'RATE_LIMITED'
  /**
   * You have no such device: it was never registered, or it was not seen for 90 days and forgotten. Register it again. Not
   * retryable.
   */
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
 * One thing that comes by `Subscription.inbox`. For each conversation your position is the greatest `seq` that you have had in a
 * frame of it; drop an event whose `seq` you hold. Types that implement this are added without notice: a client ignores one that
 * it does not know, and keeps its `seq` where that is not 0.
 */
export type InboxFrame = {
  /** The conversation that the frame belongs to. Null: it belongs to none. */
  readonly conversationId?: Maybe<Scalars['ID']['output']>;
  /** For an event its place in its conversation; for a `Reset` the position that it speaks of. 0: it has no place in a conversation. */
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
export type ConversationCreated = ConversationEvent & ConversationFrame & InboxFrame & {
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
export type MessageSent = ConversationEvent & ConversationFrame & InboxFrame & {
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
export type MembersAdded = ConversationEvent & ConversationFrame & InboxFrame & {
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
export type MemberRemoved = ConversationEvent & ConversationFrame & InboxFrame & {
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
export type Reset = ConversationFrame & InboxFrame & {
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

/**
 * A member has received or read more than before. Several moves may come as one: what counts is the newest of each member. Before
 * each `CaughtUp` and `InboxCaughtUp` comes your own where it has moved and, in conversations of at most 100 members, those of
 * others that have a mark; after it what moves, soon after it has moved: your own, and in such conversations those of others.
 */
export type ReceiptMoved = ConversationFrame & InboxFrame & {
  readonly __typename?: 'ReceiptMoved';
  /** The conversation in which it moved. */
  readonly conversationId: Scalars['ID']['output'];
  /** Always 0: a mark has no place in the conversation, and leaves your position where it is. */
  readonly seq: Scalars['Int']['output'];
  /** Whose mark it is. */
  readonly user: User;
  /** The place up to which this member has received everything, on one device at least. Null: not known. */
  readonly deliveredSeq?: Maybe<Scalars['Int']['output']>;
  /** The place up to which this member has read. Null: it hides that, or it is not known. */
  readonly readSeq?: Maybe<Scalars['Int']['output']>;
  /** In your own: how many messages you have not read, as in `Conversation.unread`. Null: it is another's, or not known. */
  readonly unread?: Maybe<Scalars['Int']['output']>;
};

/**
 * By `Subscription.inbox`: everything that waited for this device has been sent, over all conversations, and what follows is live.
 * It comes after every catch-up, so perhaps more than once.
 */
export type InboxCaughtUp = InboxFrame & {
  readonly __typename?: 'InboxCaughtUp';
  /** Always null. */
  readonly conversationId?: Maybe<Scalars['ID']['output']>;
  /** Always 0. */
  readonly seq: Scalars['Int']['output'];
  /** When that was so. */
  readonly at: Scalars['DateTime']['output'];
  /** The reader's place in its inbox, for `after`: keep it when everything before it is stored. Opaque: its form is not promised. */
  readonly cursor: Scalars['String']['output'];
};

/** By `Subscription.inbox`, about every 30 s while frames flow: a newer place of the reader's. */
export type InboxPosition = InboxFrame & {
  readonly __typename?: 'InboxPosition';
  /** Always null. */
  readonly conversationId?: Maybe<Scalars['ID']['output']>;
  /** Always 0. */
  readonly seq: Scalars['Int']['output'];
  /** When it was given. */
  readonly at: Scalars['DateTime']['output'];
  /** The reader's place in its inbox, for `after`: keep it when everything before it is stored. Opaque: its form is not promised. */
  readonly cursor: Scalars['String']['output'];
};

/** Who the caller is. */
export type Me = {
  readonly __typename?: 'Me';
  /** Your user id: the token's `sub`, or the user for whom a server acts. */
  readonly id: Scalars['ID']['output'];
  /** You, as others see you. */
  readonly user: User;
  /** Your devices, by id, at most 100. Null only with an error at this path. */
  readonly devices?: Maybe<ReadonlyArray<Device>>;
  /**
   * How many messages you have not read, over all conversations, each counted up to 1,000, and at most the 10,000 conversations with
   * the newest activity. It may lag behind by a moment. Null only with an error at this path.
   */
  readonly unreadMessages?: Maybe<Scalars['Int']['output']>;
  /** In how many of those conversations there is a message that you have not read. Null only with an error at this path. */
  readonly unreadConversations?: Maybe<Scalars['Int']['output']>;
  /** What you have set. Null only with an error at this path. */
  readonly settings?: Maybe<Settings>;
};

/** What a user has set, the same on all devices. */
export type Settings = {
  readonly __typename?: 'Settings';
  /** True: what you have read is not shown to others. */
  readonly hideReadMarks: Scalars['Boolean']['output'];
  /** The time of day at which no pushes come. Null: there is none. */
  readonly doNotDisturb?: Maybe<DoNotDisturb>;
};

/** A time of every day. */
export type DoNotDisturb = {
  readonly __typename?: 'DoNotDisturb';
  /** When it begins: `HH:MM`. */
  readonly from: Scalars['String']['output'];
  /** When it ends: `HH:MM`. One that is earlier than `from` is that of the next day. */
  readonly to: Scalars['String']['output'];
  /** The time zone of both, by its IANA name. */
  readonly timeZone: Scalars['String']['output'];
};

/** A device of yours. Its push address is never shown. */
export type Device = {
  readonly __typename?: 'Device';
  /** The device's id, of its own choosing: unique among your devices. */
  readonly id: Scalars['ID']['output'];
  /** Which provider's pushes it has an address of, or had. Null: it never had one, or it was cleared. */
  readonly provider?: Maybe<PushProvider>;
  /** When it was last there, to about a minute: by registering, acknowledging, or its inbox. Null: not known. */
  readonly lastSeenAt?: Maybe<Scalars['DateTime']['output']>;
  /** What has become of its push address. Null: it never had one, or it was cleared. */
  readonly tokenState?: Maybe<PushTokenState>;
};

/** Who brings pushes to devices. Values are added without notice. */
export type PushProvider =
  /** The Apple Push Notification service. */
  | 'APNS'
  /** Firebase Cloud Messaging. */
  | 'FCM'
  /** A server that speaks the former GCM protocol. */
  | 'GCM'
  /** Web Push, to browsers. */
  | 'WEB_PUSH';

/** What has become of a push address. Values are added without notice. */
export type PushTokenState =
  /** As far as is known, pushes reach the device. */
  | 'VALID'
  /** The provider said that there is no such address any more: register a new one. */
  | 'DEAD'
  /** Another device was registered with it. */
  | 'MOVED';

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
  /**
   * The place up to which this member has received everything, on one device at least; 0: nothing yet. Null: not known, or, with an
   * error at this path, it cannot be read just now.
   */
  readonly deliveredSeq?: Maybe<Scalars['Int']['output']>;
  /**
   * The place up to which this member has read; 0: nothing yet. Sending a message reads up to it. Null: this member hides it, or,
   * with an error at this path, it cannot be read just now.
   */
  readonly readSeq?: Maybe<Scalars['Int']['output']>;
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
  /**
   * How far it has come, by recipient: the members to whom it was sent, without the sender, by id. The sender, administrators and
   * the host's servers see all of them, a recipient sees itself alone, and other members see none. Null, without an error: on a
   * frame of a stream, which is the same for all its readers; ask by a query, or follow `Subscription.delivery`. Null with an
   * error at this path: `BAD_USER_INPUT`, or it cannot be read just now.
   */
  readonly delivery?: Maybe<DeliveryConnection>;
};


/** A message, as it is now. */
export type MessageDeliveryArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
};

/** How far a message has come with one recipient. Accepted, notified, delivered and read are four facts, each with its time. */
export type Delivery = {
  readonly __typename?: 'Delivery';
  /** `<conversation id>:<seq>:<user id>`. */
  readonly id: Scalars['ID']['output'];
  /** The message's conversation. */
  readonly conversationId: Scalars['ID']['output'];
  /** The message's place in it. */
  readonly seq: Scalars['Int']['output'];
  /** The recipient. */
  readonly user: User;
  /** The furthest that it has come. `READ` is shown as `DELIVERED` to others where the recipient hides what it has read. */
  readonly state: DeliveryState;
  /** When the message was stored, durably. */
  readonly acceptedAt: Scalars['DateTime']['output'];
  /** When a push provider first took a push of it: no proof that it reached the device. Null: none has. */
  readonly notifiedAt?: Maybe<Scalars['DateTime']['output']>;
  /** When a device of the recipient first acknowledged it, or the recipient read it. Null: it has not. */
  readonly deliveredAt?: Maybe<Scalars['DateTime']['output']>;
  /** When the recipient read it. Null: it has not, or it hides that. */
  readonly readAt?: Maybe<Scalars['DateTime']['output']>;
  /**
   * The id of the device that acknowledged it first. Null: none has, it is not known which one did, or this is not yours to see:
   * the recipient, administrators and the host's servers see it.
   */
  readonly deliveredTo?: Maybe<Scalars['ID']['output']>;
  /** Each push of it that was tried, the oldest first. Null: not yours to see, as `deliveredTo`. */
  readonly attempts?: Maybe<ReadonlyArray<PushAttempt>>;
  /** Why no push of it went. Null: one did, or this is not yours to see, as `deliveredTo`. */
  readonly noPushReason?: Maybe<NoPushReason>;
};

/** How far a message has come with one recipient. Values are added without notice. */
export type DeliveryState =
  /** It is stored, durably. */
  | 'ACCEPTED'
  /** A push provider has taken a push of it. */
  | 'NOTIFIED'
  /** A device of the recipient has acknowledged it. */
  | 'DELIVERED'
  /** The recipient has read it. */
  | 'READ';

/** One push that was tried. */
export type PushAttempt = {
  readonly __typename?: 'PushAttempt';
  /** The id of the recipient's device. */
  readonly device: Scalars['ID']['output'];
  /** Who was to bring it. */
  readonly provider: PushProvider;
  /** When. */
  readonly at: Scalars['DateTime']['output'];
  /** What became of it. */
  readonly outcome: PushOutcome;
  /** The provider's own word for it, or ours. Null: there is none. */
  readonly code?: Maybe<Scalars['String']['output']>;
};

/** What became of one push. Values are added without notice. */
export type PushOutcome =
  /** The provider has taken it: no proof that it reached the device. */
  | 'SENT'
  /** The provider, or we, will not: this push, or this address, is not good. */
  | 'REFUSED'
  /** Not now: it is tried again. */
  | 'RETRYING'
  /** Given up: it was tried long enough, or it was delivered meanwhile. */
  | 'DROPPED';

/** Why no push went. Values are added without notice. */
export type NoPushReason =
  /** It is too early: the recipient's devices still have time to acknowledge it. Not the last word. */
  | 'WAITING_GRACE'
  /** It is to be pushed: that is under way, or tried again later. Not the last word. */
  | 'WAITING_PROVIDER'
  /** A device acknowledged it, or the recipient read it, in time. */
  | 'DELIVERED_IN_TIME'
  /** The recipient had muted the conversation. */
  | 'MUTED'
  /** It was a time at which the recipient is not to be disturbed. */
  | 'DO_NOT_DISTURB'
  /** The recipient had no device. */
  | 'NO_DEVICE'
  /** No device of the recipient had an address for pushes. */
  | 'NO_PUSH_ADDRESS'
  /** The push address is no longer one, so its provider said. */
  | 'TOKEN_DEAD'
  /** This installation does not use the provider of the recipient's devices. */
  | 'PROVIDER_OFF'
  /** The provider refused this push for good. */
  | 'PROVIDER_REFUSED'
  /** The device already had a push for a later message of the conversation. */
  | 'SUPERSEDED'
  /** It was too old when it could have been pushed. */
  | 'EXPIRED'
  /** The recipient was no member any more when it was to be pushed. */
  | 'NOT_A_MEMBER';

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
  /**
   * The place up to which you have read; 0: nothing yet. Sending a message reads up to it. Null: you are no member, or, with an
   * error at this path, it cannot be read just now.
   */
  readonly readSeq?: Maybe<Scalars['Int']['output']>;
  /**
   * How many messages by others lie after `readSeq`, of those that you may see: at most 1,000, which stands for that many or more.
   * Null: you are no member, or, with an error at this path, it cannot be read just now.
   */
  readonly unread?: Maybe<Scalars['Int']['output']>;
  /** Until when you have muted it. Null: it is not muted, or, with an error at this path, it cannot be read just now. */
  readonly mutedUntil?: Maybe<Scalars['DateTime']['output']>;
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

/** A page of recipients of a message, and how many there are. */
export type DeliveryConnection = {
  readonly __typename?: 'DeliveryConnection';
  /** The recipients of this page with their cursors. */
  readonly edges: ReadonlyArray<DeliveryEdge>;
  /** The same recipients, without cursors. */
  readonly nodes: ReadonlyArray<Delivery>;
  /** Where this page lies. */
  readonly pageInfo: PageInfo;
  /** How many recipients there are in all. Null: you don't see all of them. */
  readonly recipientCount?: Maybe<Scalars['Int']['output']>;
  /** How many of them have received it. Null: you don't see all of them. */
  readonly deliveredCount?: Maybe<Scalars['Int']['output']>;
  /** How many of them have read it, without those who hide that. Null: you don't see all of them. */
  readonly readCount?: Maybe<Scalars['Int']['output']>;
};

/** A recipient in a page. */
export type DeliveryEdge = {
  readonly __typename?: 'DeliveryEdge';
  /** Its place in the list, for `after`. Opaque: its form is not promised. */
  readonly cursor: Scalars['String']['output'];
  /** How far the message has come with this recipient. */
  readonly node: Delivery;
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
    | ( ReceiptMoved )
  ;
  InboxFrame:
    | ( ConversationCreated )
    | ( MessageSent )
    | ( MembersAdded )
    | ( MemberRemoved )
    | ( Reset )
    | ( ReceiptMoved )
    | ( InboxCaughtUp )
    | ( InboxPosition )
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
  RegisterDeviceInput: RegisterDeviceInput;
  PushAddressInput: PushAddressInput;
  ApnsAddressInput: ApnsAddressInput;
  ApnsEnvironment: ApnsEnvironment;
  FcmAddressInput: FcmAddressInput;
  GcmAddressInput: GcmAddressInput;
  WebPushAddressInput: WebPushAddressInput;
  UnregisterDeviceInput: UnregisterDeviceInput;
  AcknowledgeInput: AcknowledgeInput;
  MarkInput: MarkInput;
  MarkReadInput: MarkReadInput;
  MuteConversationInput: MuteConversationInput;
  UpdateSettingsInput: UpdateSettingsInput;
  DoNotDisturbInput: DoNotDisturbInput;
  OpenDirectPayload: ResolverTypeWrapper<Omit<OpenDirectPayload, 'conversation'> & { conversation?: Maybe<ResolversTypes['Conversation']> }>;
  CreateConversationPayload: ResolverTypeWrapper<Omit<CreateConversationPayload, 'conversation'> & { conversation?: Maybe<ResolversTypes['Conversation']> }>;
  AddMembersPayload: ResolverTypeWrapper<Omit<AddMembersPayload, 'conversation'> & { conversation?: Maybe<ResolversTypes['Conversation']> }>;
  RemoveMemberPayload: ResolverTypeWrapper<Omit<RemoveMemberPayload, 'conversation'> & { conversation?: Maybe<ResolversTypes['Conversation']> }>;
  LeaveConversationPayload: ResolverTypeWrapper<Omit<LeaveConversationPayload, 'conversation'> & { conversation?: Maybe<ResolversTypes['Conversation']> }>;
  SendMessagePayload: ResolverTypeWrapper<SendMessagePayload>;
  RegisterDevicePayload: ResolverTypeWrapper<RegisterDevicePayload>;
  UnregisterDevicePayload: ResolverTypeWrapper<UnregisterDevicePayload>;
  AcknowledgePayload: ResolverTypeWrapper<AcknowledgePayload>;
  MarkReadPayload: ResolverTypeWrapper<Omit<MarkReadPayload, 'conversation'> & { conversation?: Maybe<ResolversTypes['Conversation']> }>;
  MuteConversationPayload: ResolverTypeWrapper<Omit<MuteConversationPayload, 'conversation'> & { conversation?: Maybe<ResolversTypes['Conversation']> }>;
  UpdateSettingsPayload: ResolverTypeWrapper<UpdateSettingsPayload>;
  Accepted: ResolverTypeWrapper<Accepted>;
  Refused: ResolverTypeWrapper<Refused>;
  RefusalCode: RefusalCode;
  ErrorCode: ErrorCode;
  ConversationFrame: ResolverTypeWrapper<ResolversInterfaceTypes<ResolversTypes>['ConversationFrame']>;
  InboxFrame: ResolverTypeWrapper<ResolversInterfaceTypes<ResolversTypes>['InboxFrame']>;
  ConversationEvent: ResolverTypeWrapper<ResolversInterfaceTypes<ResolversTypes>['ConversationEvent']>;
  ConversationCreated: ResolverTypeWrapper<ConversationCreated>;
  MessageSent: ResolverTypeWrapper<MessageSent>;
  MembersAdded: ResolverTypeWrapper<MembersAdded>;
  MemberRemoved: ResolverTypeWrapper<MemberRemoved>;
  StreamStarted: ResolverTypeWrapper<StreamStarted>;
  CaughtUp: ResolverTypeWrapper<CaughtUp>;
  Reset: ResolverTypeWrapper<Reset>;
  ResetReason: ResetReason;
  ReceiptMoved: ResolverTypeWrapper<ReceiptMoved>;
  InboxCaughtUp: ResolverTypeWrapper<InboxCaughtUp>;
  InboxPosition: ResolverTypeWrapper<InboxPosition>;
  Me: ResolverTypeWrapper<Me>;
  Settings: ResolverTypeWrapper<Settings>;
  DoNotDisturb: ResolverTypeWrapper<DoNotDisturb>;
  Device: ResolverTypeWrapper<Device>;
  PushProvider: PushProvider;
  PushTokenState: PushTokenState;
  User: ResolverTypeWrapper<User>;
  Member: ResolverTypeWrapper<Member>;
  MemberRole: MemberRole;
  Message: ResolverTypeWrapper<Message>;
  Delivery: ResolverTypeWrapper<Delivery>;
  DeliveryState: DeliveryState;
  PushAttempt: ResolverTypeWrapper<PushAttempt>;
  PushOutcome: PushOutcome;
  NoPushReason: NoPushReason;
  Conversation: ResolverTypeWrapper<Omit<Conversation, 'me' | 'events'> & { me?: Maybe<ResolversTypes['Member']>, events?: Maybe<ResolversTypes['EventConnection']> }>;
  ConversationKind: ConversationKind;
  PageInfo: ResolverTypeWrapper<PageInfo>;
  ConversationConnection: ResolverTypeWrapper<Omit<ConversationConnection, 'edges' | 'nodes'> & { edges: ReadonlyArray<ResolversTypes['ConversationEdge']>, nodes: ReadonlyArray<ResolversTypes['Conversation']> }>;
  ConversationEdge: ResolverTypeWrapper<Omit<ConversationEdge, 'node'> & { node: ResolversTypes['Conversation'] }>;
  MemberConnection: ResolverTypeWrapper<Omit<MemberConnection, 'nodes'> & { nodes: ReadonlyArray<ResolversTypes['Member']> }>;
  MemberEdge: ResolverTypeWrapper<Omit<MemberEdge, 'node'> & { node: ResolversTypes['Member'] }>;
  DeliveryConnection: ResolverTypeWrapper<DeliveryConnection>;
  DeliveryEdge: ResolverTypeWrapper<DeliveryEdge>;
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
  RegisterDeviceInput: RegisterDeviceInput;
  PushAddressInput: PushAddressInput;
  ApnsAddressInput: ApnsAddressInput;
  FcmAddressInput: FcmAddressInput;
  GcmAddressInput: GcmAddressInput;
  WebPushAddressInput: WebPushAddressInput;
  UnregisterDeviceInput: UnregisterDeviceInput;
  AcknowledgeInput: AcknowledgeInput;
  MarkInput: MarkInput;
  MarkReadInput: MarkReadInput;
  MuteConversationInput: MuteConversationInput;
  UpdateSettingsInput: UpdateSettingsInput;
  DoNotDisturbInput: DoNotDisturbInput;
  OpenDirectPayload: Omit<OpenDirectPayload, 'conversation'> & { conversation?: Maybe<ResolversParentTypes['Conversation']> };
  CreateConversationPayload: Omit<CreateConversationPayload, 'conversation'> & { conversation?: Maybe<ResolversParentTypes['Conversation']> };
  AddMembersPayload: Omit<AddMembersPayload, 'conversation'> & { conversation?: Maybe<ResolversParentTypes['Conversation']> };
  RemoveMemberPayload: Omit<RemoveMemberPayload, 'conversation'> & { conversation?: Maybe<ResolversParentTypes['Conversation']> };
  LeaveConversationPayload: Omit<LeaveConversationPayload, 'conversation'> & { conversation?: Maybe<ResolversParentTypes['Conversation']> };
  SendMessagePayload: SendMessagePayload;
  RegisterDevicePayload: RegisterDevicePayload;
  UnregisterDevicePayload: UnregisterDevicePayload;
  AcknowledgePayload: AcknowledgePayload;
  MarkReadPayload: Omit<MarkReadPayload, 'conversation'> & { conversation?: Maybe<ResolversParentTypes['Conversation']> };
  MuteConversationPayload: Omit<MuteConversationPayload, 'conversation'> & { conversation?: Maybe<ResolversParentTypes['Conversation']> };
  UpdateSettingsPayload: UpdateSettingsPayload;
  Accepted: Accepted;
  Refused: Refused;
  ConversationFrame: ResolversInterfaceTypes<ResolversParentTypes>['ConversationFrame'];
  InboxFrame: ResolversInterfaceTypes<ResolversParentTypes>['InboxFrame'];
  ConversationEvent: ResolversInterfaceTypes<ResolversParentTypes>['ConversationEvent'];
  ConversationCreated: ConversationCreated;
  MessageSent: MessageSent;
  MembersAdded: MembersAdded;
  MemberRemoved: MemberRemoved;
  StreamStarted: StreamStarted;
  CaughtUp: CaughtUp;
  Reset: Reset;
  ReceiptMoved: ReceiptMoved;
  InboxCaughtUp: InboxCaughtUp;
  InboxPosition: InboxPosition;
  Me: Me;
  Settings: Settings;
  DoNotDisturb: DoNotDisturb;
  Device: Device;
  User: User;
  Member: Member;
  Message: Message;
  Delivery: Delivery;
  PushAttempt: PushAttempt;
  Conversation: Omit<Conversation, 'me' | 'events'> & { me?: Maybe<ResolversParentTypes['Member']>, events?: Maybe<ResolversParentTypes['EventConnection']> };
  PageInfo: PageInfo;
  ConversationConnection: Omit<ConversationConnection, 'edges' | 'nodes'> & { edges: ReadonlyArray<ResolversParentTypes['ConversationEdge']>, nodes: ReadonlyArray<ResolversParentTypes['Conversation']> };
  ConversationEdge: Omit<ConversationEdge, 'node'> & { node: ResolversParentTypes['Conversation'] };
  MemberConnection: Omit<MemberConnection, 'nodes'> & { nodes: ReadonlyArray<ResolversParentTypes['Member']> };
  MemberEdge: Omit<MemberEdge, 'node'> & { node: ResolversParentTypes['Member'] };
  DeliveryConnection: DeliveryConnection;
  DeliveryEdge: DeliveryEdge;
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
  registerDevice?: Resolver<Maybe<ResolversTypes['RegisterDevicePayload']>, ParentType, ContextType, RequireFields<MutationRegisterDeviceArgs, 'input'>>;
  unregisterDevice?: Resolver<Maybe<ResolversTypes['UnregisterDevicePayload']>, ParentType, ContextType, RequireFields<MutationUnregisterDeviceArgs, 'input'>>;
  acknowledge?: Resolver<Maybe<ResolversTypes['AcknowledgePayload']>, ParentType, ContextType, RequireFields<MutationAcknowledgeArgs, 'input'>>;
  markRead?: Resolver<Maybe<ResolversTypes['MarkReadPayload']>, ParentType, ContextType, RequireFields<MutationMarkReadArgs, 'input'>>;
  muteConversation?: Resolver<Maybe<ResolversTypes['MuteConversationPayload']>, ParentType, ContextType, RequireFields<MutationMuteConversationArgs, 'input'>>;
  updateSettings?: Resolver<Maybe<ResolversTypes['UpdateSettingsPayload']>, ParentType, ContextType, RequireFields<MutationUpdateSettingsArgs, 'input'>>;
};

export type SubscriptionResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['Subscription'] = ResolversParentTypes['Subscription']> = {
  conversation?: SubscriptionResolver<ResolversTypes['ConversationFrame'], "conversation", ParentType, ContextType, RequireFields<SubscriptionConversationArgs, 'id'>>;
  inbox?: SubscriptionResolver<ResolversTypes['InboxFrame'], "inbox", ParentType, ContextType, RequireFields<SubscriptionInboxArgs, 'device'>>;
  delivery?: SubscriptionResolver<ResolversTypes['Delivery'], "delivery", ParentType, ContextType, RequireFields<SubscriptionDeliveryArgs, 'conversationId' | 'seq'>>;
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

export type RegisterDevicePayloadResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['RegisterDevicePayload'] = ResolversParentTypes['RegisterDevicePayload']> = {
  device?: Resolver<Maybe<ResolversTypes['Device']>, ParentType, ContextType>;
  refused?: Resolver<Maybe<ResolversTypes['Refused']>, ParentType, ContextType>;
};

export type UnregisterDevicePayloadResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['UnregisterDevicePayload'] = ResolversParentTypes['UnregisterDevicePayload']> = {
  changed?: Resolver<Maybe<ResolversTypes['Boolean']>, ParentType, ContextType>;
  refused?: Resolver<Maybe<ResolversTypes['Refused']>, ParentType, ContextType>;
};

export type AcknowledgePayloadResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['AcknowledgePayload'] = ResolversParentTypes['AcknowledgePayload']> = {
  acknowledgedAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  refused?: Resolver<Maybe<ResolversTypes['Refused']>, ParentType, ContextType>;
};

export type MarkReadPayloadResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['MarkReadPayload'] = ResolversParentTypes['MarkReadPayload']> = {
  conversation?: Resolver<Maybe<ResolversTypes['Conversation']>, ParentType, ContextType>;
  refused?: Resolver<Maybe<ResolversTypes['Refused']>, ParentType, ContextType>;
};

export type MuteConversationPayloadResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['MuteConversationPayload'] = ResolversParentTypes['MuteConversationPayload']> = {
  conversation?: Resolver<Maybe<ResolversTypes['Conversation']>, ParentType, ContextType>;
  refused?: Resolver<Maybe<ResolversTypes['Refused']>, ParentType, ContextType>;
};

export type UpdateSettingsPayloadResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['UpdateSettingsPayload'] = ResolversParentTypes['UpdateSettingsPayload']> = {
  settings?: Resolver<Maybe<ResolversTypes['Settings']>, ParentType, ContextType>;
  refused?: Resolver<Maybe<ResolversTypes['Refused']>, ParentType, ContextType>;
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
  __resolveType: TypeResolveFn<'ConversationCreated' | 'MessageSent' | 'MembersAdded' | 'MemberRemoved' | 'StreamStarted' | 'CaughtUp' | 'Reset' | 'ReceiptMoved', ParentType, ContextType>;
};

export type InboxFrameResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['InboxFrame'] = ResolversParentTypes['InboxFrame']> = {
  __resolveType: TypeResolveFn<'ConversationCreated' | 'MessageSent' | 'MembersAdded' | 'MemberRemoved' | 'Reset' | 'ReceiptMoved' | 'InboxCaughtUp' | 'InboxPosition', ParentType, ContextType>;
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

export type ReceiptMovedResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['ReceiptMoved'] = ResolversParentTypes['ReceiptMoved']> = {
  conversationId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  seq?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  deliveredSeq?: Resolver<Maybe<ResolversTypes['Int']>, ParentType, ContextType>;
  readSeq?: Resolver<Maybe<ResolversTypes['Int']>, ParentType, ContextType>;
  unread?: Resolver<Maybe<ResolversTypes['Int']>, ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type InboxCaughtUpResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['InboxCaughtUp'] = ResolversParentTypes['InboxCaughtUp']> = {
  conversationId?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  seq?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type InboxPositionResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['InboxPosition'] = ResolversParentTypes['InboxPosition']> = {
  conversationId?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  seq?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type MeResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['Me'] = ResolversParentTypes['Me']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  devices?: Resolver<Maybe<ReadonlyArray<ResolversTypes['Device']>>, ParentType, ContextType>;
  unreadMessages?: Resolver<Maybe<ResolversTypes['Int']>, ParentType, ContextType>;
  unreadConversations?: Resolver<Maybe<ResolversTypes['Int']>, ParentType, ContextType>;
  settings?: Resolver<Maybe<ResolversTypes['Settings']>, ParentType, ContextType>;
};

export type SettingsResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['Settings'] = ResolversParentTypes['Settings']> = {
  hideReadMarks?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  doNotDisturb?: Resolver<Maybe<ResolversTypes['DoNotDisturb']>, ParentType, ContextType>;
};

export type DoNotDisturbResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['DoNotDisturb'] = ResolversParentTypes['DoNotDisturb']> = {
  from?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  to?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  timeZone?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type DeviceResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['Device'] = ResolversParentTypes['Device']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  provider?: Resolver<Maybe<ResolversTypes['PushProvider']>, ParentType, ContextType>;
  lastSeenAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  tokenState?: Resolver<Maybe<ResolversTypes['PushTokenState']>, ParentType, ContextType>;
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
  deliveredSeq?: Resolver<Maybe<ResolversTypes['Int']>, ParentType, ContextType>;
  readSeq?: Resolver<Maybe<ResolversTypes['Int']>, ParentType, ContextType>;
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
  delivery?: Resolver<Maybe<ResolversTypes['DeliveryConnection']>, ParentType, ContextType, RequireFields<MessageDeliveryArgs, 'first'>>;
};

export type DeliveryResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['Delivery'] = ResolversParentTypes['Delivery']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  conversationId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  seq?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  state?: Resolver<ResolversTypes['DeliveryState'], ParentType, ContextType>;
  acceptedAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  notifiedAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  deliveredAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  readAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  deliveredTo?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  attempts?: Resolver<Maybe<ReadonlyArray<ResolversTypes['PushAttempt']>>, ParentType, ContextType>;
  noPushReason?: Resolver<Maybe<ResolversTypes['NoPushReason']>, ParentType, ContextType>;
};

export type PushAttemptResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['PushAttempt'] = ResolversParentTypes['PushAttempt']> = {
  device?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  provider?: Resolver<ResolversTypes['PushProvider'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  outcome?: Resolver<ResolversTypes['PushOutcome'], ParentType, ContextType>;
  code?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
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
  readSeq?: Resolver<Maybe<ResolversTypes['Int']>, ParentType, ContextType>;
  unread?: Resolver<Maybe<ResolversTypes['Int']>, ParentType, ContextType>;
  mutedUntil?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
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

export type DeliveryConnectionResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['DeliveryConnection'] = ResolversParentTypes['DeliveryConnection']> = {
  edges?: Resolver<ReadonlyArray<ResolversTypes['DeliveryEdge']>, ParentType, ContextType>;
  nodes?: Resolver<ReadonlyArray<ResolversTypes['Delivery']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
  recipientCount?: Resolver<Maybe<ResolversTypes['Int']>, ParentType, ContextType>;
  deliveredCount?: Resolver<Maybe<ResolversTypes['Int']>, ParentType, ContextType>;
  readCount?: Resolver<Maybe<ResolversTypes['Int']>, ParentType, ContextType>;
};

export type DeliveryEdgeResolvers<ContextType = unknown, ParentType extends ResolversParentTypes['DeliveryEdge'] = ResolversParentTypes['DeliveryEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['Delivery'], ParentType, ContextType>;
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
  RegisterDevicePayload?: RegisterDevicePayloadResolvers<ContextType>;
  UnregisterDevicePayload?: UnregisterDevicePayloadResolvers<ContextType>;
  AcknowledgePayload?: AcknowledgePayloadResolvers<ContextType>;
  MarkReadPayload?: MarkReadPayloadResolvers<ContextType>;
  MuteConversationPayload?: MuteConversationPayloadResolvers<ContextType>;
  UpdateSettingsPayload?: UpdateSettingsPayloadResolvers<ContextType>;
  Accepted?: AcceptedResolvers<ContextType>;
  Refused?: RefusedResolvers<ContextType>;
  ConversationFrame?: ConversationFrameResolvers<ContextType>;
  InboxFrame?: InboxFrameResolvers<ContextType>;
  ConversationEvent?: ConversationEventResolvers<ContextType>;
  ConversationCreated?: ConversationCreatedResolvers<ContextType>;
  MessageSent?: MessageSentResolvers<ContextType>;
  MembersAdded?: MembersAddedResolvers<ContextType>;
  MemberRemoved?: MemberRemovedResolvers<ContextType>;
  StreamStarted?: StreamStartedResolvers<ContextType>;
  CaughtUp?: CaughtUpResolvers<ContextType>;
  Reset?: ResetResolvers<ContextType>;
  ReceiptMoved?: ReceiptMovedResolvers<ContextType>;
  InboxCaughtUp?: InboxCaughtUpResolvers<ContextType>;
  InboxPosition?: InboxPositionResolvers<ContextType>;
  Me?: MeResolvers<ContextType>;
  Settings?: SettingsResolvers<ContextType>;
  DoNotDisturb?: DoNotDisturbResolvers<ContextType>;
  Device?: DeviceResolvers<ContextType>;
  User?: UserResolvers<ContextType>;
  Member?: MemberResolvers<ContextType>;
  Message?: MessageResolvers<ContextType>;
  Delivery?: DeliveryResolvers<ContextType>;
  PushAttempt?: PushAttemptResolvers<ContextType>;
  Conversation?: ConversationResolvers<ContextType>;
  PageInfo?: PageInfoResolvers<ContextType>;
  ConversationConnection?: ConversationConnectionResolvers<ContextType>;
  ConversationEdge?: ConversationEdgeResolvers<ContextType>;
  MemberConnection?: MemberConnectionResolvers<ContextType>;
  MemberEdge?: MemberEdgeResolvers<ContextType>;
  DeliveryConnection?: DeliveryConnectionResolvers<ContextType>;
  DeliveryEdge?: DeliveryEdgeResolvers<ContextType>;
  MessageConnection?: MessageConnectionResolvers<ContextType>;
  MessageEdge?: MessageEdgeResolvers<ContextType>;
  EventConnection?: EventConnectionResolvers<ContextType>;
  EventEdge?: EventEdgeResolvers<ContextType>;
};


