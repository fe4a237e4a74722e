/**
 * The interface of the bridge on NATS as an AsyncAPI 3 document: made from the shapes that requests are checked by, and from the
 * schemas of events. It is written from the bridge's side: it receives commands, and sends replies and events.
 */
import { z } from 'zod';
import { APP_TEMPLATES } from '../schema/subjects.ts';
import { descriptionOf, jsonSchemaOf } from './describe.ts';
import { replyForms } from './replies.ts';
import { REQUESTS, type Verb } from './requests.ts';

type Plain = Readonly<Record<string, unknown>>;

const VERBS = Object.keys(REQUESTS) as readonly Verb[];
const EVENTS = ['ConversationCreated', 'MessageSent', 'MembersAdded', 'MemberRemoved'] as const;

const PARAMETERS: Readonly<Record<string, string>> = {
  app: "The integration's name. Its user in conversations is `app_` and the name.",
  conversation: 'The conversation.',
  requestId: 'What the request named itself.',
  replayId: 'As the reply to `replay` named it.',
};

const marker = (type: string, description: string, more: z.core.$ZodLooseShape = {}) =>
  z
    .looseObject({
      type: z.literal(type).meta({ description: 'What this is.' }),
      conversationId: z.string().meta({ description: 'The conversation.' }),
      seq: z.int().meta({ description: 'A place in it.' }),
      ...more,
    })
    .meta({ description });
const MARKERS = {
  CaughtUp: marker('CaughtUp', 'The end of a replay: everything up to `seq` that you may see has been sent.'),
  Reset: marker(
    'Reset',
    'In the place of events that are gone unread, or that never were here: read `history` up to `seq`; the next event is the one after it.',
    { resetReason: z.string().meta({ description: 'Why. More may be added.', examples: ['TOO_FAR_BEHIND'] }) },
  ),
  DeadLetter: marker('DeadLetter', 'What you failed to take.', {
    reason: z.string().meta({
      description: 'Why: refused for good, given as often as the consumer allows, or not taken by a webhook in a day.',
      examples: ['TERMINATED', 'MAX_DELIVERIES', 'WEBHOOK'],
    }),
    message: z.string().optional().meta({ description: 'What was said with the refusal, or the last answer.' }),
    consumer: z.string().meta({ description: 'The consumer that did not take it.' }),
    deliveries: z.int().meta({ description: 'How often it was given.' }),
    at: z.string().meta({ description: 'When it was given up.', format: 'date-time' }),
    streamSeq: z.int().meta({ description: 'The sequence in your stream of what it was.' }),
    event: z.unknown().meta({ description: 'The event.' }),
  }),
};
const HEADERS = {
  type: 'object',
  properties: {
    'Lanes-Deadline-Ms': {
      type: 'string',
      pattern: '^\\d{1,12}$',
      description: 'For how many milliseconds you wait for the reply. Then it is answered with what is known.',
    },
    traceparent: { type: 'string', description: 'W3C trace context; it goes into the log of the server.' },
  },
};

const ref = (path: string): Plain => ({ $ref: `#/${path}` });
const messageName = (verb: Verb, what: 'request' | 'reply', form = ''): string => `${verb}.${what}${form}`;

export function asyncApi(version: string): Plain {
  const schemas: Record<string, unknown> = {};
  const messages = messagesOf(schemas);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Lanes for integrations, on NATS',
      version,
      description:
        'Commands, replies and events of integrations. schema/PROTOCOL.md has the promises. The reply to a request is exactly one of its forms; fields may be added to replies and events, and unknown ones are to be ignored.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    servers: {
      lanes: {
        host: '{host}',
        protocol: 'nats',
        description: 'Credentials, and the prefix of your inboxes, are what `lanes integration add` printed.',
        variables: { host: { default: 'localhost:4222', description: "The installation's NATS servers." } },
      },
    },
    channels: channels(),
    operations: operations(),
    components: { messages, schemas: Object.fromEntries(Object.entries(schemas).sort()) },
  };
}

const channelOf = (address: string | null, names: readonly string[], description: string): Plain => {
  const parameters = [...(address ?? '').matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  return {
    address,
    description,
    ...(parameters.length === 0
      ? {}
      : { parameters: Object.fromEntries(parameters.map((name) => [name, { description: PARAMETERS[name] }])) }),
    messages: Object.fromEntries(names.map((name) => [name, ref(`components/messages/${name}`)])),
  };
};

const replyNames = (verb: Verb): readonly string[] =>
  replyForms(verb).map((_, i) => messageName(verb, 'reply', String(i + 1)));

const channels = (): Plain => {
  const replies = VERBS.flatMap(replyNames);
  return {
    ...Object.fromEntries(
      VERBS.map((verb) => [
        verb,
        channelOf(APP_TEMPLATES.command(verb), [messageName(verb, 'request')], descriptionOf(verb)),
      ]),
    ),
    inbox: channelOf(null, replies, "The request's reply subject, which has to lie under your own inbox prefix."),
    reply: channelOf(APP_TEMPLATES.reply, replies, 'Where the request had no reply subject, but a `requestId`.'),
    eventStream: channelOf(
      APP_TEMPLATES.event,
      [...EVENTS, 'Reset'],
      'The events of your conversations, durable, in your own stream; at least once, in order in each conversation. Header `Nats-Msg-Id`: <conversation>:<seq>.',
    ),
    replayStream: channelOf(
      APP_TEMPLATES.replay,
      [...EVENTS, 'CaughtUp'],
      'What a `replay` brings back, in the same stream.',
    ),
    deadLetters: channelOf(APP_TEMPLATES.dead, ['DeadLetter'], 'What you failed to take, in the same stream.'),
  };
};

const operations = (): Plain => ({
  ...Object.fromEntries(
    VERBS.map((verb) => [
      verb,
      {
        action: 'receive',
        channel: ref(`channels/${verb}`),
        summary: descriptionOf(verb),
        messages: [ref(`channels/${verb}/messages/${messageName(verb, 'request')}`)],
        reply: {
          channel: ref('channels/inbox'),
          messages: replyNames(verb).map((name) => ref(`channels/inbox/messages/${name}`)),
        },
      },
    ]),
  ),
  deliverEvents: {
    action: 'send',
    channel: ref('channels/eventStream'),
    summary: 'Every event that you may see, as it is accepted.',
  },
  deliverDeadLetters: {
    action: 'send',
    channel: ref('channels/deadLetters'),
    summary: 'What you failed to take.',
  },
  deliverReplays: { action: 'send', channel: ref('channels/replayStream'), summary: 'What a `replay` brings back.' },
});

function messagesOf(schemas: Record<string, unknown>): Plain {
  const ofVerbs = VERBS.flatMap((verb): [string, Plain][] => [
    [
      messageName(verb, 'request'),
      { summary: descriptionOf(verb), headers: HEADERS, payload: schemaOf(REQUESTS[verb], schemas) },
    ],
    ...replyForms(verb).map((form, i): [string, Plain] => [
      messageName(verb, 'reply', String(i + 1)),
      { summary: form.meta()?.description ?? '', payload: schemaOf(form, schemas) },
    ]),
  ]);
  const events = EVENTS.map((type): [string, Plain] => [type, { payload: { $ref: `./events/${type}.json` } }]);
  const markers = Object.entries(MARKERS).map(([type, schema]): [string, Plain] => [
    type,
    { payload: schemaOf(schema, schemas) },
  ]);
  return Object.fromEntries([...ofVerbs, ...events, ...markers]);
}

/** A schema whose parts with names of their own go to `schemas`, once. */
function schemaOf(schema: z.ZodType, schemas: Record<string, unknown>): unknown {
  const { $schema: _, $defs = {}, ...rest } = jsonSchemaOf(schema);
  for (const [name, part] of Object.entries($defs)) schemas[name] = rooted(withoutId(part));
  return rooted(rest);
}

const withoutId = ({ id: _, ...rest }: z.core.JSONSchema.JSONSchema): Plain => rest;

/** References from the document's root. */
const rooted = (schema: unknown): unknown =>
  JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/'));
