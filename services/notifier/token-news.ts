/** What a provider's answer says of the token that was pushed to. */
import type { DeviceId, UserId } from '../../schema/ids.ts';
import type { Logger } from '../logger.ts';
import type { Devices } from '../views/devices.ts';
import type { PushResult } from './push.ts';

export interface NewsParts {
  readonly devices: Pick<Devices, 'dropToken' | 'replaceToken'>;
  readonly log: Logger;
}
export interface PushedTo {
  readonly user: UserId;
  readonly device: DeviceId;
  readonly tokenHash: string;
}

/**
 * A dead token is taken away, one that has another in its place gets it. Answers whether a dead one was taken away; undefined: none
 * was told of, or it cannot be said now. Never rejects.
 */
export async function takeTokenNews(
  { devices, log }: NewsParts,
  { user, device, tokenHash }: PushedTo,
  result: PushResult,
): Promise<boolean | undefined> {
  try {
    if (result.kind === 'replaced') await devices.replaceToken({ user, device, tokenHash, token: result.token });
    if (result.kind !== 'dead-token') return undefined;
    const before = result.before === undefined ? {} : { registeredBefore: result.before };
    const isDropped = await devices.dropToken({ user, device, tokenHash, ...before, reason: result.code });
    log.info({ user, device, code: result.code, isDropped }, 'a push token is dead');
    return isDropped;
  } catch (error) {
    // The next push to it is answered the same, and then it is done.
    log.debug({ err: error }, 'a token cannot be changed now');
    return undefined;
  }
}
