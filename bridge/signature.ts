/** How a webhook proves where it comes from: Standard Webhooks 1.0 (standardwebhooks.com), the symmetric scheme `v1`. */
import { createHmac, randomBytes } from 'node:crypto';
import type { Millis } from '../schema/ids.ts';
import type { Webhook } from '../services/journal/integrations.ts';

const PREFIX = 'whsec_';
/** The specification wants 24 to 64. */
const SECRET_BYTES = 32;

export const newWebhookSecret = (): string => `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64')}`;

/** The signature covers id, time and body, as they go over the wire. After a rotation there are two, the new one first. */
export function signedHeaders(
  { secret, oldSecret }: Pick<Webhook, 'secret' | 'oldSecret'>,
  { id, body }: { readonly id: string; readonly body: Uint8Array },
  now: Millis,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(now / 1000));
  const secrets = oldSecret !== undefined && oldSecret.until > now ? [secret, oldSecret.secret] : [secret];
  const signatures = secrets.map((one) => {
    const mac = createHmac('sha256', Buffer.from(one.slice(PREFIX.length), 'base64'));
    return `v1,${mac.update(`${id}.${timestamp}.`).update(body).digest('base64')}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}
