/** What follows from a provider's answer. Pure. */
import { type NoPushReason, PUSH_EXPIRES_MS, type PushOutcome } from '../../schema/delivery.ts';
import type { Millis } from '../../schema/ids.ts';
import type { Settled } from '../views/ledger.ts';
import type { PushResult } from './push.ts';

/** Answers that say that nothing was tried: the ledger keeps attempts. */
const NOT_TRIED = new Set(['BUSY', 'ABORTED', 'PROVIDER_OFF']);
/** What is tried again waits for an eighth of its age, and at most so long where the provider asks for no more. */
const AGE_SHARE = 8;
const WAIT_MAX_MS = 60_000;
const ANOTHER_ADDRESS_MS = 1_000;

export interface Told {
  readonly acceptedAt: Millis;
  readonly now: Millis;
  /** A device of the user has acknowledged the message meanwhile. */
  readonly isDelivered: boolean;
  /** The dead token was taken away. False: the device has a newer one. */
  readonly isDropped?: boolean;
}

export function settledBy(result: PushResult, told: Told): Pick<Settled, 'now' | 'attempt'> {
  const { now, isDelivered, isDropped } = told;
  const attempt = (o: PushOutcome, code?: string) => ({ at: now, o, ...(code === undefined ? {} : { code }) });
  const over = (why: NoPushReason) => ({ kind: 'over', why }) as const;
  switch (result.kind) {
    case 'sent':
    case 'replaced':
      return { now: { kind: 'sent' }, attempt: attempt('SENT') };
    case 'dead-token':
      if (isDropped === false)
        return { now: againOf(ANOTHER_ADDRESS_MS, told), attempt: attempt('RETRYING', result.code) };
      return { now: over('TOKEN_DEAD'), attempt: attempt('REFUSED', result.code) };
    case 'refused':
      if (result.code === 'EXPIRED') return { now: over('EXPIRED'), attempt: attempt('DROPPED', 'EXPIRED') };
      return { now: over('PROVIDER_REFUSED'), attempt: attempt('REFUSED', result.code) };
    case 'retry':
    case 'credentials': {
      const tried = NOT_TRIED.has(result.code) ? {} : { attempt: attempt('RETRYING', result.code) };
      if (isDelivered) return { now: over('DELIVERED_IN_TIME'), ...tried };
      return { now: againOf(result.afterMs, told), ...tried };
    }
    default:
      return result satisfies never;
  }
}

function againOf(afterMs: number, { acceptedAt, now }: Told): Settled['now'] {
  const due = now + Math.max(afterMs, Math.min((now - acceptedAt) / AGE_SHARE, WAIT_MAX_MS));
  // The last try is at the end, where it is told that it is over.
  return { kind: 'again', due: Math.ceil(Math.max(now, Math.min(due, acceptedAt + PUSH_EXPIRES_MS))) };
}
