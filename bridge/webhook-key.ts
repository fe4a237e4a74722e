/** By what a webhook that comes in is known when it comes again: its `clientKey`, or the id that its sender puts into a header. */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isName } from '../schema/ids.ts';

/** The caller's mistake, in words. */
export class BadHookKey extends Error {}

const HEADERS = ['idempotency-key', 'webhook-id'] as const;
const HEADER_CHARS = 256;
const KEY_CHARS = 40;
const BRACE = 0x7b;

/**
 * The body with a `clientKey` in it, made from the header where it says none itself. What is no JSON object is left as it is, for
 * the command to refuse; so is every other mistake, keys that stand twice among them. Throws BadHookKey.
 */
export function keyedBody(body: Uint8Array, headers: IncomingHttpHeaders): Uint8Array {
  const said = objectOf(body);
  if (said === undefined || 'clientKey' in said) return body;
  const key = headerKeyOf(headers);
  if (key === undefined)
    throw new BadHookKey(
      'clientKey: in the body, or a header Idempotency-Key or webhook-id, so that a repetition is known',
    );
  const at = body.indexOf(BRACE);
  const comma = Object.keys(said).length === 0 ? '' : ',';
  return Buffer.concat([body.subarray(0, at + 1), Buffer.from(`"clientKey":"${key}"${comma}`), body.subarray(at + 1)]);
}

function headerKeyOf(headers: IncomingHttpHeaders): string | undefined {
  const name = HEADERS.find((one) => headers[one] !== undefined);
  const value = name && headers[name];
  if (typeof value !== 'string') return undefined;
  // As the draft of the IETF has it, the value is a string in quotation marks; most senders leave them out.
  const text = /^"(.*)"$/.exec(value)?.[1] ?? value;
  if (text === '' || value.length > HEADER_CHARS) throw new BadHookKey(`${name}: 1 to ${HEADER_CHARS} characters`);
  // Ids of other systems have characters that ours have not.
  return isName(text) ? text : `h_${createHash('sha256').update(text).digest('base64url').slice(0, KEY_CHARS)}`;
}

function objectOf(body: Uint8Array): object | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
