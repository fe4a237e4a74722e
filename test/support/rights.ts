/** The tables of `rights.matrix.test.ts`: who sees and does what. */

/** `late`: a member from whom what was before its coming is hidden. Of integrations, `admin` is one with `--scope all`. */
export const ACTORS = ['stranger', 'former', 'late', 'member', 'owner', 'admin'] as const;
export type Actor = (typeof ACTORS)[number];
/** Of each row: an outcome, and who gets it. */
export type Table = Readonly<Record<string, Readonly<Record<string, string>>>>;

const ALL = ACTORS.join(' ');

/** Of each row what came of it, and for whom. */
export const tableOf = (table: Readonly<Record<string, Readonly<Record<Actor, string>>>>): Table =>
  Object.fromEntries(
    Object.entries(table).map(([name, row]) => {
      const outcomes = [...new Set(Object.values(row))];
      return [
        name,
        Object.fromEntries(outcomes.map((one) => [one, ACTORS.filter((who) => row[who] === one).join(' ')])),
      ];
    }),
  );

/** One after the other. */
export async function forEach<T>(ask: (actor: Actor) => T | Promise<T>): Promise<Record<Actor, T>> {
  const answers: [Actor, T][] = [];
  for (const actor of ACTORS) answers.push([actor, await ask(actor)]);
  return Object.fromEntries(answers) as Record<Actor, T>;
}

/** Texts of a room: before the late one came, after the former one left, and what it is called. */
export const [OLD, NEW, TITLE] = ['canary-old', 'canary-new', 'canary-title'];
/** What must be in nothing that each is answered. */
export const HIDDEN: Readonly<Record<Actor, readonly string[]>> = {
  stranger: [OLD, NEW, TITLE],
  former: [NEW],
  late: [OLD],
  member: [],
  owner: [],
  admin: [],
};
/** What came of it all, as text; fails where somebody was told what is hidden from it. */
export class Told {
  readonly #text = new Map<Actor, string>();

  add(actor: Actor, answer: unknown): void {
    this.#text.set(actor, `${this.#text.get(actor) ?? ''}${JSON.stringify(answer)}`);
  }

  leaks(): string[] {
    return ACTORS.flatMap((actor) =>
      HIDDEN[actor].flatMap((text) => (this.#text.get(actor)?.includes(text) ? [`${actor}: ${text}`] : [])),
    );
  }
}

export const QUERIES: Table = {
  me: { value: ALL },
  conversation: { null: 'stranger former', value: 'late member owner admin' },
  // Of one's own.
  conversations: { value: ALL },
  'message of before': { null: 'stranger former late', value: 'member owner admin' },
  'message of after': { null: 'stranger former', value: 'late member owner admin' },
  'whose deliveries': { '': 'stranger former', late: 'late', member: 'member', 'late member silent': 'owner admin' },
};

/** Frames by their types, in the order of their first coming. */
export const FRAMES: Table = {
  conversation: {
    NOT_FOUND: 'stranger',
    'StreamStarted ConversationCreated MessageSent MemberRemoved': 'former',
    'StreamStarted MembersAdded MessageSent ReceiptMoved CaughtUp': 'late',
    'StreamStarted ConversationCreated MessageSent MemberRemoved MembersAdded ReceiptMoved CaughtUp':
      'member owner admin',
  },
  'conversation from a place that is none': {
    NOT_FOUND: 'stranger former',
    'StreamStarted Reset ReceiptMoved CaughtUp': 'late member owner admin',
  },
  inbox: {
    InboxCaughtUp: 'stranger admin',
    'ConversationCreated MessageSent MemberRemoved InboxCaughtUp': 'former',
    'MembersAdded MessageSent ReceiptMoved InboxCaughtUp': 'late',
    'MessageSent MembersAdded ReceiptMoved InboxCaughtUp': 'member',
    'ConversationCreated MessageSent MemberRemoved MembersAdded ReceiptMoved InboxCaughtUp': 'owner',
  },
  'delivery of before': { NOT_FOUND: 'stranger former late', Delivery: 'member owner admin' },
  'delivery of after': { NOT_FOUND: 'stranger former', Delivery: 'late member owner admin' },
};

export const MUTATIONS: Table = {
  openDirect: { value: 'stranger former late member owner', NOT_ALLOWED: 'admin' },
  createConversation: { ALREADY_EXISTS: 'stranger former late member owner', NOT_ALLOWED: 'admin' },
  addMembers: { NOT_FOUND: 'stranger former', NOT_ALLOWED: 'late member', value: 'owner admin' },
  removeMember: { NOT_FOUND: 'stranger former', NOT_ALLOWED: 'late member', value: 'owner admin' },
  // An administrator is no member: nothing changes.
  leaveConversation: { NOT_FOUND: 'stranger former', value: 'late member owner admin' },
  sendMessage: { NOT_FOUND: 'stranger former', value: 'late member owner', NOT_ALLOWED: 'admin' },
  registerDevice: { value: ALL },
  unregisterDevice: { value: ALL },
  // Marks for what is not one's own are passed over.
  acknowledge: { value: ALL },
  markRead: { NOT_FOUND: 'stranger former admin', value: 'late member owner' },
  muteConversation: { NOT_FOUND: 'stranger former admin', value: 'late member owner' },
  updateSettings: { value: ALL },
};

/** `history`: the seqs of the events that come. */
export const VERB_ROWS: Table = {
  send: { NOT_FOUND: 'stranger former admin', accepted: 'late member owner' },
  create: { ALREADY_EXISTS: ALL },
  'open-direct': { accepted: ALL },
  'add-members': { NOT_FOUND: 'stranger former admin', NOT_ALLOWED: 'late member', accepted: 'owner' },
  'remove-member': { NOT_FOUND: 'stranger former admin', NOT_ALLOWED: 'late member', accepted: 'owner' },
  leave: { NOT_FOUND: 'stranger former admin', accepted: 'late member owner' },
  'mark-read': { NOT_FOUND: 'stranger former admin', value: 'late member owner' },
  acknowledge: { value: ALL },
  conversation: { null: 'stranger former', value: 'late member owner admin' },
  conversations: { value: ALL },
  members: { NOT_FOUND: 'stranger former', value: 'late member owner admin' },
  message: { null: 'stranger former late', value: 'member owner admin' },
  history: { NOT_FOUND: 'stranger former', '5 6': 'late', '1 2 3 4 5 6': 'member owner admin' },
  replay: { NOT_FOUND: 'stranger former', value: 'late member owner admin' },
};

/** In an integration's own stream, by the seqs that come. */
export const EVENTS: Table = {
  ConversationCreated: { '': 'stranger late', '1': 'former member owner admin' },
  MemberRemoved: { '': 'stranger late', '4': 'former member owner admin' },
  MembersAdded: { '': 'stranger former', '5': 'late member owner admin' },
  MessageSent: { '': 'stranger', '2 3': 'former', '6 7': 'late', '2 3 6 7': 'member owner admin' },
};

/** It comes every 30 s, and is made as `InboxCaughtUp` is. */
export const UNSEEN: readonly string[] = ['InboxPosition'];

/**
 * By type and, in the order of `ACTORS`, what each sees of its fields: `+` a value, `0` null and nothing else, `-` nothing of that type.
 * One's own, where the type is one of oneself: devices, settings, marks.
 */
export const FIELDS: Table = {
  Accepted: { '++++++': 'conversationId seq acceptedAt repeated changed' },
  AcknowledgePayload: { '++++++': 'acknowledgedAt', '000000': 'refused' },
  AddMembersPayload: { '++++00': 'refused', '0000++': 'accepted conversation' },
  CaughtUp: { '--++++': 'conversationId seq' },
  Conversation: {
    '--++++': 'id kind title createdAt lastSeq firstSeq lastActivityAt lastMessage memberCount members messages events',
    '--+++0': 'me readSeq unread mutedUntil',
    '--00+0': 'directWith',
  },
  ConversationConnection: { '++++++': 'edges nodes pageInfo' },
  ConversationCreated: { '-+-+++': 'conversationId seq at by kind title members' },
  ConversationEdge: { '--+++-': 'cursor node' },
  CreateConversationPayload: { '++++++': 'refused', '000000': 'accepted conversation' },
  Delivery: {
    '--++++': 'id conversationId seq user state acceptedAt notifiedAt deliveredAt readAt',
    '--++0+': 'attempts noPushReason',
    '--0+0+': 'deliveredTo',
  },
  DeliveryConnection: { '--++++': 'edges nodes pageInfo recipientCount deliveredCount readCount' },
  DeliveryEdge: { '--++++': 'cursor node' },
  Device: { '++++++': 'id provider lastSeenAt tokenState' },
  DoNotDisturb: { '++++++': 'from to timeZone' },
  EventConnection: { '--++++': 'edges nodes pageInfo asOf' },
  EventEdge: { '--++++': 'cursor node' },
  InboxCaughtUp: { '++++++': 'seq at cursor', '000000': 'conversationId' },
  LeaveConversationPayload: { '++0000': 'refused', '00++++': 'accepted', '00000+': 'conversation' },
  MarkReadPayload: { '++000+': 'refused', '00+++0': 'conversation' },
  Me: { '++++++': 'id user devices unreadMessages unreadConversations settings' },
  Member: { '--++++': 'id user role joinedAt deliveredSeq readSeq' },
  MemberConnection: { '--++++': 'edges nodes pageInfo' },
  MemberEdge: { '--++++': 'cursor node' },
  MemberRemoved: { '-+-+++': 'conversationId seq at by member' },
  MembersAdded: { '--++++': 'conversationId seq at by members' },
  Message: { '-+++++': 'id conversationId seq changedSeq sender text sentAt clientKey', '-0++++': 'delivery' },
  MessageConnection: { '--++++': 'edges nodes pageInfo asOf' },
  MessageEdge: { '--++++': 'cursor node' },
  MessageSent: { '-+++++': 'conversationId seq at by message' },
  MuteConversationPayload: { '++000+': 'refused', '00+++0': 'conversation' },
  OpenDirectPayload: { '+++++0': 'accepted conversation', '00000+': 'refused' },
  PageInfo: { '++++++': 'hasNextPage hasPreviousPage', '00++++': 'startCursor endCursor' },
  PushAttempt: { '--++-+': 'device provider at outcome', '--00-0': 'code' },
  ReceiptMoved: { '--++++': 'conversationId seq user deliveredSeq readSeq', '--+++0': 'unread' },
  Refused: { '++++++': 'code message retryable', '000000': 'retryAfterMs' },
  RegisterDevicePayload: { '++++++': 'device', '000000': 'refused' },
  RemoveMemberPayload: { '++++00': 'refused', '0000++': 'accepted conversation' },
  Reset: { '--++++': 'conversationId seq resetReason' },
  SendMessagePayload: { '++000+': 'refused', '00+++0': 'accepted message' },
  Settings: { '++++++': 'hideReadMarks doNotDisturb' },
  StreamStarted: { '-+++++': 'conversationId seq' },
  UnregisterDevicePayload: { '++++++': 'changed', '000000': 'refused' },
  UpdateSettingsPayload: { '++++++': 'settings', '000000': 'refused' },
  User: { '++++++': 'id name avatarUrl' },
};
