/** The replies as schemas: what the service's description and `schema/asyncapi.yaml` say of them, and what tests hold them to. */
import { z } from 'zod';
import { REFUSALS } from '../schema/commands.ts';
import { ERRORS } from '../schema/errors.ts';
import { APP_TEMPLATES } from '../schema/subjects.ts';
import type { Verb } from './requests.ts';

const id = (description: string) => z.string().meta({ description });
const time = (description: string) =>
  z.string().meta({ description: `${description} RFC 3339, UTC, milliseconds.`, format: 'date-time' });
const seq = (description: string) => z.int().meta({ description });
const retryable = z.boolean().meta({ description: 'The same request may be answered otherwise later.' });
const growing = (names: readonly string[], description: string) =>
  z.string().meta({ description: `${description} More may be added.`, examples: [...names] });

const accepted = z
  .object({
    conversationId: id('The conversation that it was written into.'),
    seq: seq('The place of its event; where nothing changed, the last event of the conversation.'),
    acceptedAt: time('When it was stored durably.'),
    repeated: z.boolean().meta({ description: 'This clientKey was accepted before: the first answer again.' }),
    changed: z.boolean().meta({ description: 'False: it was so already.' }),
  })
  .meta({ id: 'Accepted', description: 'Done, and stored durably.' });
const refused = z
  .object({
    code: growing(Object.keys(REFUSALS), 'Why.'),
    message: z.string().meta({ description: 'For people.' }),
    retryable,
    retryAfterMs: z
      .int()
      .nullable()
      .meta({ description: 'When to try again, in milliseconds; null: nothing is known.' }),
  })
  .meta({ id: 'Refused', description: 'Understood, and decided against. Nothing was changed.' });
const error = z
  .object({
    message: z.string().meta({ description: 'For people.' }),
    extensions: z.object({
      code: growing(Object.keys(ERRORS), 'What went wrong.'),
      retryable,
      retryAfterMs: z.int().optional().meta({ description: 'When to try again, in milliseconds.' }),
      faultId: z.string().optional().meta({ description: 'What the log of the server has it as.' }),
    }),
  })
  .meta({ id: 'Error', description: 'Not understood, or not answered. OUTCOME_UNKNOWN: it may have been accepted.' });

const user = z
  .object({
    id: id('The user.'),
    name: z.string().nullable().meta({ description: 'As its last token said; null: not known.' }),
    avatarUrl: z.string().nullable().meta({ description: 'As its last token said; null: not known.' }),
  })
  .meta({ id: 'User', description: 'A user.' });
const message = z
  .object({
    id: id('<conversation>:<seq>.'),
    conversationId: id('Its conversation.'),
    seq: seq('Its place in the conversation.'),
    changedSeq: seq('The last event that changed it.'),
    sender: user,
    text: z.string().meta({ description: 'What it says.' }),
    sentAt: time('When it was accepted.'),
    clientKey: id("The sender's own name for it."),
  })
  .meta({ id: 'Message', description: 'A message.' });
const member = z
  .object({
    id: id('<conversation>:<user>.'),
    user,
    role: growing(['OWNER', 'MEMBER'], 'What it may.'),
    joinedAt: time('When it came in.'),
    deliveredSeq: z.int().nullable().meta({ description: 'It has stored every event up to here; null: not known.' }),
    readSeq: z
      .int()
      .nullable()
      .meta({ description: 'It has read every event up to here; null: hidden, or not known.' }),
  })
  .meta({ id: 'Member', description: 'A member of a conversation.' });
const conversation = z
  .object({
    id: id('The conversation.'),
    kind: growing(['GROUP', 'DIRECT'], 'Of two, or of any number.'),
    title: z.string().nullable().meta({ description: 'Its title; null: none.' }),
    createdAt: time('When it was opened.'),
    lastSeq: seq('Its last event.'),
    firstSeq: seq('The first event that you may see.'),
    lastActivityAt: time('When its last event was accepted.'),
    lastMessage: message.nullable().meta({ description: 'Null: there is none that you may see.' }),
    memberCount: z.int().meta({ description: 'How many members it has.' }),
    me: member.nullable().meta({ description: 'You among its members; null: you are none.' }),
    directWith: user.nullable().meta({ description: 'The other one of a direct conversation.' }),
    readSeq: z.int().nullable().meta({ description: 'You have read every event up to here; null: you are no member.' }),
    unread: z
      .int()
      .nullable()
      .meta({ description: 'Messages by others behind it, at most 1,000; null: you are no member.' }),
  })
  .meta({ id: 'Conversation', description: 'A conversation, as you may see it.' });
/** Each type has a schema of its own in `schema/events`. */
const event = z
  .looseObject({
    type: growing(['ConversationCreated', 'MessageSent', 'MembersAdded', 'MemberRemoved'], 'What happened.'),
    conversationId: id('Where.'),
    seq: seq('Its place there.'),
    at: time('When it was accepted.'),
    by: z.looseObject({ id: id('The user.') }).meta({ description: 'Who did it.' }),
  })
  .meta({ id: 'Event', description: 'An event, as on `event` subjects: schema/events has one schema for each type.' });

const hasNextPage = z.boolean().meta({ description: 'There are more.' });
const endCursor = z.string().nullable().meta({ description: 'For `after` in the request for the next page.' });
const one = z.object({ conversation: conversation.nullable() });

/** By verb, what `result` is. Verbs that are not here answer `accepted`. */
export const RESULTS = {
  'mark-read': one,
  acknowledge: z.object({ acknowledgedAt: time('When it was stored durably.') }),
  conversation: one,
  conversations: z.object({ conversations: z.array(conversation), hasNextPage, endCursor }),
  members: z.object({ members: z.array(member), hasNextPage, endCursor }),
  message: z.object({ message: message.nullable() }),
  history: z.object({
    events: z.array(event).meta({ description: 'Rising by seq. Perhaps fewer than asked for, where they are large.' }),
    asOf: seq('The last event of the conversation that this page is true for.'),
    hasNextPage,
  }),
  replay: z.object({
    replayId: id(`It comes on "${APP_TEMPLATES.replay}", and ends with a CaughtUp.`),
    from: seq('The first event of it …'),
    to: seq('… and the last; before `from`: there is nothing to bring back.'),
  }),
} as const satisfies Partial<Record<Verb, z.ZodType>>;

/** Each reply has exactly one of the fields, which the three forms of a verb have between them. */
export const ACCEPTED = z.object({ accepted }).meta({ description: 'A command that was accepted.' });
export const REFUSED = z.object({ refused }).meta({ description: 'A command that was refused.' });
export const ERRONEOUS = z
  .object({ errors: z.array(error).length(1) })
  .meta({ description: 'An error; the headers `Nats-Service-Error-Code` and `Nats-Service-Error` are set.' });

const resultOf = (verb: Verb): z.ZodType | undefined =>
  Object.hasOwn(RESULTS, verb) ? RESULTS[verb as keyof typeof RESULTS] : undefined;

/** Reads are never refused: what may not be seen is null, or not found. */
const READS: ReadonlySet<Verb> = new Set<Verb>([
  'conversation',
  'conversations',
  'members',
  'message',
  'history',
  'replay',
]);

/** The forms that the verb's replies have. */
export function replyForms(verb: Verb): readonly z.ZodType[] {
  const result = resultOf(verb);
  const done = result ? z.object({ result }).meta({ description: 'The answer.' }) : ACCEPTED;
  return READS.has(verb) ? [done, ERRONEOUS] : [done, REFUSED, ERRONEOUS];
}

/** Any of them. */
export const replySchema = (verb: Verb): z.ZodType =>
  z
    .union(replyForms(verb) as [z.ZodType, ...z.ZodType[]])
    .meta({ description: `The reply to \`${verb}\`: one of these.` });
