/** Who is let in: a connection's claim, judged by the registry. No await, no I/O. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type AppId, appOfUser, parseUserId } from '../schema/ids.ts';
import type { Integration } from '../services/journal/integrations.ts';
import { type Door, isClientIdOf } from './rights.ts';

/** What a server says of a connection that wants to come in. */
export interface Claim {
  readonly user: string;
  readonly password: string;
  /** `Client`, or what else may connect to a server (a leaf node). */
  readonly kind: string;
  /** `nats`, `websocket` or `mqtt`. */
  readonly type: string;
  /** Of MQTT; '' elsewhere. */
  readonly clientId: string;
}

export type Verdict =
  | { readonly kind: 'in'; readonly integration: Integration; readonly door: Door; readonly since: number }
  | { readonly kind: 'out'; readonly why: OutReason; readonly app?: AppId };
export type OutReason = 'no integration' | 'password' | 'revoked' | 'client id' | 'connections' | 'kind' | 'flood';

/** What `secretHash` of an integration is made by; of random secrets of 256 bits, which no dictionary holds. */
export const hashOfSecret = (secret: string): string => createHash('sha256').update(secret).digest('base64url');

/** As of when the integration's present secret is its own. */
export const sinceOf = ({ createdAt, rotatedAt }: Integration): number => rotatedAt ?? createdAt;

/** The same work whether the integration is known or not, and whether the password is nearly right or not. */
export function judge(
  claim: Claim,
  known: (app: AppId) => Integration | undefined,
  hasRoom: (app: AppId) => boolean,
): Verdict {
  const user = parseUserId(claim.user);
  const app = user && appOfUser(user);
  const integration = app && known(app);
  const isRight = isSecretOf(claim.password, integration?.secretHash ?? NOBODYS_HASH);
  if (app === undefined || integration === undefined) return { kind: 'out', why: 'no integration' };
  if (!isRight) return { kind: 'out', why: 'password', app };
  if (integration.revokedAt !== undefined) return { kind: 'out', why: 'revoked', app };
  const door = claim.kind === 'Client' ? doorOf(claim.type) : undefined;
  if (door === undefined) return { kind: 'out', why: 'kind', app };
  if (door === 'mqtt' && !isClientIdOf(app, claim.clientId)) return { kind: 'out', why: 'client id', app };
  if (!hasRoom(app)) return { kind: 'out', why: 'connections', app };
  return { kind: 'in', integration, door, since: sinceOf(integration) };
}

/** Of nobody's secret: what a claim is compared with where there is nothing to compare it with. */
export const NOBODYS_HASH = hashOfSecret('');

export function isSecretOf(secret: string, hash: string): boolean {
  const [given, kept] = [Buffer.from(hashOfSecret(secret)), Buffer.from(hash)];
  return given.length === kept.length && timingSafeEqual(given, kept);
}

function doorOf(type: string): Door | undefined {
  switch (type) {
    case 'nats':
    case 'websocket':
      return 'nats';
    case 'mqtt':
      return 'mqtt';
    default:
      return undefined;
  }
}
