/**
 * What every verb takes: the one source of what is checked, of the JSON Schemas in the service's description, and of
 * `schema/asyncapi.yaml`. Field names are those of the GraphQL API.
 */
import { z } from 'zod';
import { ID_RULE, NAME } from '../schema/ids.ts';
import { APP_TEMPLATES } from '../schema/subjects.ts';
import { MARKS_MAX } from '../services/journal/marking.ts';
import { BadInput } from '../services/lane/parse.ts';
import { MAX_PAGE } from '../services/views/connection.ts';

const name = (description: string) => z.string(ID_RULE).regex(NAME, ID_RULE).meta({ description });
const text = (description: string) => z.string('a text').min(1, 'not empty').meta({ description });
const whole = (least: number, description: string) => {
  const rule = `an integer from ${least} to 2^53 - 1`;
  return z.int(rule).min(least, rule).meta({ description });
};
const size = (usual: number) => {
  const rule = `1 to ${MAX_PAGE}`;
  return z
    .int(rule)
    .min(1, rule)
    .max(MAX_PAGE, rule)
    .nullish()
    .meta({ description: `How many at the most. Usually ${usual}.` });
};
const list = <T extends z.ZodType>(of: T, description: string) => z.array(of, 'a list').meta({ description });

const conversationId = name('The conversation.');
const clientKey = name(
  'Your own name for this command, unique for you in the conversation for ever; a UUIDv7 is best. The same key again is the same command, and gets its first answer.',
);
const members = list(name('A user.'), 'Users, by their ids.');
const cursor = z
  .string('a cursor that this list gave')
  .nullish()
  .meta({ description: 'The `endCursor` of the page before.' });

/** In every request, whatever its verb. */
const COMMON = {
  requestId: name(
    `Where the request has no reply subject, as in MQTT: the answer comes on "${APP_TEMPLATES.reply}".`,
  ).optional(),
  as: name('Who to act for. No integration may act for others: FORBIDDEN.').optional(),
};
const request = <Shape extends z.core.$ZodLooseShape>(description: string, shape: Shape) =>
  z
    .strictObject({ ...shape, ...COMMON }, { error: (issue) => strangeFieldOf(issue) ?? 'a JSON object' })
    .meta({ description });

const strangeFieldOf = ({ code, keys }: { readonly code?: string; readonly keys?: unknown }): string | undefined =>
  code === 'unrecognized_keys' && Array.isArray(keys) ? 'no such field' : undefined;

export const REQUESTS = {
  send: request('Sends a message into a conversation that you are in.', {
    conversationId,
    clientKey,
    text: text('What it says: at most 16 KiB of UTF-8.'),
  }),
  create: request('Opens a group; you are its owner.', {
    id: name('Its id, if it is to have one of your choice. Not beginning with "g_" or "d_".').nullish(),
    title: text('Its title: at most 1 KiB of UTF-8.').nullish(),
    members,
    clientKey,
  }),
  'open-direct': request('Opens the conversation of two; the same one from both sides.', {
    with: name('The other one.'),
    clientKey,
  }),
  'add-members': request('Brings users into a group.', {
    conversationId,
    members,
    hideHistory: z
      .boolean('true or false')
      .nullish()
      .meta({ description: 'They see nothing from before they came. Usually false.' }),
    clientKey,
  }),
  'remove-member': request('Takes a user out of a group.', {
    conversationId,
    member: name('Who is to go.'),
    clientKey,
  }),
  leave: request('Leaves a group.', { conversationId, clientKey }),
  'mark-read': request('You have read everything up to `seq`.', {
    conversationId,
    seq: whole(0, 'The last event that you have read.'),
  }),
  acknowledge: request(
    'You have stored every event up to each `seq`. Conversations that are not yours are passed over.',
    {
      marks: z
        .array(
          z.strictObject(
            { conversationId, seq: whole(0, 'The last event that you have stored.') },
            { error: (issue) => strangeFieldOf(issue) ?? 'an object' },
          ),
          'a list',
        )
        .min(1, `1 to ${MARKS_MAX} marks`)
        .max(MARKS_MAX, `1 to ${MARKS_MAX} marks`)
        .meta({ description: 'One for each conversation.' }),
    },
  ),
  conversation: request('One conversation as it is now; null: there is none, or it is not yours.', {
    conversationId: conversationId.optional(),
    id: name('The same as `conversationId`, as GraphQL names it. Give one of the two.').optional(),
  }),
  conversations: request('Your conversations, those with the newest activity first. The list may lag behind.', {
    first: size(20),
    after: cursor,
  }),
  members: request('The members of a conversation, in the order of coming in.', {
    conversationId,
    first: size(50),
    after: cursor,
  }),
  message: request('One message; null: there is none there that you may see.', {
    conversationId,
    seq: whole(1, 'Its place in the conversation.'),
  }),
  history: request("A page of a conversation's events, from any position on.", {
    conversationId,
    after: whole(0, 'Events behind this seq. Usually 0.').nullish(),
    first: size(100),
  }),
  replay: request('Brings events back from any position, on subjects of their own in your stream.', {
    conversationId,
    after: whole(0, 'Events behind this seq.'),
    upTo: whole(0, 'And not behind this one. Usually the last one now.').nullish(),
  }),
} as const;

export type Verb = keyof typeof REQUESTS;
export type RequestOf<V extends Verb> = z.output<(typeof REQUESTS)[V]>;

export const isVerb = (verb: string): verb is Verb => Object.hasOwn(REQUESTS, verb);

/** Throws BadInput that names the field and its rule. */
export function parseRequest<V extends Verb>(verb: V, value: unknown): RequestOf<V> {
  const parsed = REQUESTS[verb].safeParse(value);
  if (parsed.success) return parsed.data as RequestOf<V>;
  const [issue] = parsed.error.issues;
  throw new BadInput(fieldOf(issue), issue?.message ?? 'no such request');
}

/** As GraphQL's errors name it: `marks[2].seq`. What a caller made up is cut short. */
function fieldOf(issue: z.core.$ZodIssue | undefined): string {
  const strange = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const path = [...(issue?.path ?? []), ...strange];
  const joined = path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part).slice(0, 64)}`))
    .join('');
  return joined === '' ? 'the request' : joined.replace(/^\./, '');
}
