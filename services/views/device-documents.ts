/** A user's device as MongoDB holds it, and the address for pushes that it has. */
import { createHash } from 'node:crypto';
import type { Collection, Db } from 'mongodb';
import type { DeviceId, Millis, UserId } from '../../schema/ids.ts';
import type { PushAddress, PushProviderName } from './push-address.ts';

/** `DEAD`: its provider said so, or refused it again and again. `MOVED`: another device was registered with it. */
export type PushTokenState = 'VALID' | 'DEAD' | 'MOVED';

export interface DeviceRecord {
  readonly user: UserId;
  readonly device: DeviceId;
  /** When this registration began: a device that was unregistered or forgotten, and comes again, begins anew. */
  readonly since: Millis;
  readonly lastSeenAt: Millis;
  /** With `tokenHash`, `tokenSince`: present together, while `tokenState` is VALID. */
  readonly push?: PushAddress;
  /** Names the token without telling it. */
  readonly tokenHash?: string;
  /** When the token was last registered. */
  readonly tokenSince?: Millis;
  /** Pushes to it that were refused in a row; absent: none. */
  readonly refusals?: number;
  /** Which provider's token it has or had. */
  readonly provider?: PushProviderName;
  /** Absent: it never had one, or it was cleared. */
  readonly tokenState?: PushTokenState;
}

/** A stable name of an address that tells nothing of it. */
export function tokenHashOf(push: PushAddress): string {
  // Apple's tokens are hexadecimal: the same one in other letters is the same one.
  const name =
    push.provider === 'WEB_PUSH' ? push.endpoint : push.provider === 'APNS' ? push.token.toLowerCase() : push.token;
  return createHash('sha256').update(`${push.provider} ${name}`).digest('base64url');
}

/** A device that is not seen for so long is forgotten. */
export const FORGOTTEN_MS = 90 * 24 * 60 * 60 * 1000;
export const NO_TOKEN = { push: '', tokenHash: '', tokenSince: '', refusals: '' } as const;

export interface DeviceDocument {
  readonly _id: { readonly u: UserId; readonly d: DeviceId };
  readonly since: Millis;
  readonly lastSeenAt: Date;
  readonly push?: PushAddress;
  readonly tokenHash?: string;
  readonly tokenSince?: Millis;
  readonly refusals?: number;
  readonly provider?: PushProviderName;
  readonly tokenState?: PushTokenState;
  /** Why its provider would have it no more. */
  readonly tokenReason?: string;
}
export const devicesOf = (db: Db): Collection<DeviceDocument> => db.collection('devices');

export async function createDeviceIndexes(db: Db): Promise<void> {
  const devices = devicesOf(db);
  await Promise.all([
    devices.createIndex(
      { tokenHash: 1 },
      { name: 'token', unique: true, partialFilterExpression: { tokenHash: { $exists: true } } },
    ),
    devices.createIndex({ '_id.u': 1 }, { name: 'user' }),
    devices.createIndex({ lastSeenAt: 1 }, { name: 'forgotten', expireAfterSeconds: FORGOTTEN_MS / 1000 }),
  ]);
}

export interface Change {
  readonly $set: Partial<DeviceDocument>;
  readonly $unset: Readonly<Record<string, ''>>;
}

export function changeOf(push: PushAddress | null | undefined, now: Millis): Change {
  const lastSeenAt = new Date(now);
  if (push === undefined) return { $set: { lastSeenAt }, $unset: {} };
  if (push === null)
    return { $set: { lastSeenAt }, $unset: { ...NO_TOKEN, provider: '', tokenState: '', tokenReason: '' } };
  const token = { push, tokenHash: tokenHashOf(push), tokenSince: now, provider: push.provider };
  return { $set: { lastSeenAt, ...token, tokenState: 'VALID' }, $unset: { tokenReason: '', refusals: '' } };
}

export function recordOf({ _id, lastSeenAt, tokenReason: _, ...rest }: DeviceDocument): DeviceRecord {
  return { user: _id.u, device: _id.d, lastSeenAt: lastSeenAt.getTime(), ...rest };
}
