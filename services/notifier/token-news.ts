/** What a provider's answer says of the token that was pushed to. */
import type { DeviceId, UserId } from '../../schema/ids.ts';
import type { Logger } from '../logger.ts';
import type { Devices } from '../views/devices.ts';
import type { PushResult } from './push.ts';

export interface NewsParts {
  readonly devices: Pick<Devices, 'dropToken' | 'replaceToken' | 'countRefusal' | 'clearRefusals'>;
  readonly log: Logger;
}
export interface PushedTo {
  readonly user: UserId;
  readonly device: DeviceId;
  readonly tokenHash: string;
  /** Pushes to it that were refused in a row. */
  readonly refusals?: number;
}

/**
 * A dead token is taken away, as is one that was refused again and again; one that has another in its place gets it. Answers whether a dead one was
 * taken away; undefined: none was told of, or it cannot be said now. Never rejects.
 */
export async function takeTokenNews(
  { devices, log }: NewsParts,
  { user, device, tokenHash, refusals = 0 }: PushedTo,
  result: PushResult,
): Promise<boolean | undefined> {
  const name = { user, device, tokenHash };
  try {
    if (result.kind === 'replaced') await devices.replaceToken({ ...name, token: result.token });
    if (result.kind === 'sent' && refusals > 0) await devices.clearRefusals(name);
    if (result.kind === 'refused' && result.of === 'address') {
      const isDropped = await devices.countRefusal({ ...name, reason: result.code });
      if (isDropped) log.info({ user, device, code: result.code }, 'a push token was refused again and again');
    }
    if (result.kind !== 'dead-token') return undefined;
    const before = result.before === undefined ? {} : { registeredBefore: result.before };
    const isDropped = await devices.dropToken({ ...name, ...before, reason: result.code });
    log.info({ user, device, code: result.code, isDropped }, 'a push token is dead');
    return isDropped;
  } catch (error) {
    // The next push to it is answered the same, and then it is done.
    log.debug({ err: error }, 'a token cannot be changed now');
    return undefined;
  }
}
