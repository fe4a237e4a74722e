/** What an operator changes of an integration's webhooks. Pure: the registry stores what comes out. */
import { isIP } from 'node:net';
import type { Millis } from '../schema/ids.ts';
import { foreignUrlOf } from '../services/foreign-hosts.ts';
import type { Integration, Webhook } from '../services/journal/integrations.ts';
import { isPublicAddress } from '../services/public-address.ts';
import { newSecret } from './credentials.ts';
import { hashOfSecret } from './judge.ts';
import { newWebhookSecret } from './signature.ts';

/** A record of the registry has 4 KiB. */
const URL_CHARS = 2_000;
/** So long both secrets sign after a rotation. */
export const ROTATION_MS = 24 * 60 * 60_000;

/** Why it is no URL of a webhook; undefined: it is one. */
export function urlFaultOf(text: string): string | undefined {
  const url = text.length <= URL_CHARS ? foreignUrlOf(text) : undefined;
  if (url === undefined) return `an https URL without a user in it, of at most ${URL_CHARS} characters`;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0 && !isPublicAddress(host))
    return 'an address of the public internet: no private one is posted to';
  return undefined;
}

/** A new webhook begins now. Another URL, or the same one after it was turned off, goes on where the old one was. */
export function withUrl(
  integration: Integration,
  url: string,
  now: Millis,
): Integration & { readonly webhook: Webhook } {
  const { off: _, ...had } = integration.webhook ?? { secret: newWebhookSecret(), since: now, off: undefined };
  return { ...integration, webhook: { ...had, url } };
}

export function withoutWebhook({ webhook: _, ...integration }: Integration): Integration {
  return integration;
}

/** Undefined: there is none. */
export function withNewSecret(
  integration: Integration,
  now: Millis,
): (Integration & { readonly webhook: Webhook }) | undefined {
  const { webhook } = integration;
  if (webhook === undefined) return undefined;
  const oldSecret = { secret: webhook.secret, until: now + ROTATION_MS };
  return { ...integration, webhook: { ...webhook, secret: newWebhookSecret(), oldSecret } };
}

/** The door for what comes in, with a secret of its own; an earlier one is good no longer. */
export function withHook(integration: Integration): { readonly integration: Integration; readonly secret: string } {
  const secret = newSecret();
  return { integration: { ...integration, hookHash: hashOfSecret(secret) }, secret };
}

export function withoutHook({ hookHash: _, ...integration }: Integration): Integration {
  return integration;
}
