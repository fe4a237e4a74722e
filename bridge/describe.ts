/** What the service says of itself to whoever discovers it: each verb with the schemas of its request and its replies. */
import { z } from 'zod';
import { replySchema } from './replies.ts';
import { REQUESTS, type Verb } from './requests.ts';

export const SERVICE_DESCRIPTION =
  'Lanes: conversations as ordered, durable logs. Publish requests on your own branch, as an integration.';

/** JSON Schema, draft 2020-12. */
export const jsonSchemaOf = (schema: z.ZodType): z.core.JSONSchema.JSONSchema =>
  z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'input' });

export const descriptionOf = (verb: Verb): string => REQUESTS[verb].meta()?.description ?? '';

/** NATS has metadata as texts: the schemas are JSON in them. */
export const endpointMetadata = (verb: Verb): Readonly<Record<string, string>> => ({
  description: descriptionOf(verb),
  request_schema: JSON.stringify(jsonSchemaOf(REQUESTS[verb])),
  reply_schema: JSON.stringify(jsonSchemaOf(replySchema(verb))),
});
