/** What an integration is given to come in with, once: only its hash is kept. */
import { randomBytes } from 'node:crypto';
import { type AppId, type Millis, userOfApp } from '../schema/ids.ts';
import { appInbox } from '../schema/subjects.ts';
import type { PublicAddresses } from '../services/config.ts';
import type { Integration } from '../services/journal/integrations.ts';
import { hashOfSecret } from './judge.ts';

export interface Credentials {
  readonly app: AppId;
  /** Its id as a member of conversations. */
  readonly user: string;
  readonly nats: {
    readonly url: string;
    /** null: no such listener, or nobody said where. */
    readonly webSocketUrl: string | null;
    readonly user: string;
    readonly password: string;
    /** Of the client's inboxes: answers go nowhere else. */
    readonly inboxPrefix: string;
  };
  readonly mqtt: {
    readonly url: string | null;
    readonly user: string;
    readonly password: string;
    /** For more connections at a time: with `:0` to `:63` behind it. */
    readonly clientId: string;
  };
}

const SECRET_BYTES = 32;

export const newSecret = (): string => randomBytes(SECRET_BYTES).toString('base64url');

export const newIntegration = (
  app: AppId,
  scope: Integration['scope'],
  secret: string,
  createdAt: Millis,
): Integration => ({ app, scope, secretHash: hashOfSecret(secret), createdAt });

export const rotated = (integration: Integration, secret: string, now: Millis): Integration => ({
  ...integration,
  secretHash: hashOfSecret(secret),
  // Rises even where the clocks of two machines differ: it is what old connections are told by.
  rotatedAt: Math.max(now, (integration.rotatedAt ?? integration.createdAt) + 1),
});

export const revoked = (integration: Integration, now: Millis): Integration => ({ ...integration, revokedAt: now });

export function credentialsOf(app: AppId, secret: string, { nats, webSocket, mqtt }: PublicAddresses): Credentials {
  const who = { user: userOfApp(app), password: secret };
  return {
    app,
    user: userOfApp(app),
    nats: { url: nats, webSocketUrl: webSocket, ...who, inboxPrefix: appInbox(app) },
    mqtt: { url: mqtt, ...who, clientId: app },
  };
}
