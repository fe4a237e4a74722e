/**
 * A message of the protocol `graphql-transport-ws` as graphql-ws is given it, which holds it for as long as its operation lasts: read
 * already, without its text, and without what the protocol does not know.
 */
import { MAX_OPERATION_ID } from './limits.ts';

/** Undefined: the id of its operation is longer than one may be. */
// biome-ignore lint/suspicious/noExplicitAny: graphql-ws takes what is read, and its types know the text only
export function messageOf(text: string): any {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return text;
  }
  if (typeof message !== 'object' || message === null || Array.isArray(message)) return text;
  const { id, type, payload } = message as Readonly<Record<string, unknown>>;
  return typeof id === 'string' && id.length > MAX_OPERATION_ID ? undefined : { id, type, payload };
}

/** Of the message of a subscription, nothing but the text that all who sent its document share. */
export function keepOnlyQuery(payload: { query: string }, query: string): void {
  for (const name of Object.keys(payload)) if (name !== 'query') Reflect.deleteProperty(payload, name);
  payload.query = query;
}
