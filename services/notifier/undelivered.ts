/** Who is to be pushed a message, and why the others are not. Pure: everything that is asked of the stores is given. */
import { type NoPushReason, PUSH_EXPIRES_MS } from '../../schema/delivery.ts';
import type { Millis, Seq, UserId } from '../../schema/ids.ts';
import type { Lane } from '../lane/lane.ts';
import type { DeviceRecord, Settings } from '../views/devices.ts';
import type { PushAddress, PushProviderName } from '../views/push-address.ts';
import { isQuiet } from './do-not-disturb.ts';

/** A message, as far as the decision needs it. */
export interface Told {
  readonly seq: Seq;
  readonly by: UserId;
  readonly at: Millis;
}

/** A device that can be reached. */
export type Target = DeviceRecord & { readonly push: PushAddress; readonly tokenHash: string };

export interface Reachability {
  readonly devices: ReadonlyMap<UserId, readonly DeviceRecord[]>;
  readonly settings: ReadonlyMap<UserId, Settings>;
  /** Of those who muted the conversation, until when. */
  readonly muted: ReadonlyMap<UserId, Millis>;
  /** The providers that are on. */
  readonly providers: ReadonlySet<PushProviderName>;
  readonly now: Millis;
}

export type Verdict =
  | { readonly kind: 'push'; readonly targets: readonly Target[] }
  | { readonly kind: 'no'; readonly reason: NoPushReason };

const no = (reason: NoPushReason): Verdict => ({ kind: 'no', reason });

/** Who was meant to get the message and still belongs to the conversation: neither its sender, nor who came after it. */
export function recipientsOf({ members }: Pick<Lane, 'members'>, { seq, by }: Told): UserId[] {
  const found: UserId[] = [];
  for (const [user, { joinedSeq }] of members) if (user !== by && joinedSeq < seq) found.push(user);
  return found;
}

/** Recipients of whom no device has acknowledged the message, and who have not read it. `deliveredSeq` of who has read covers that. */
export const undeliveredOf = (
  recipients: readonly UserId[],
  seq: Seq,
  deliveredSeq: (user: UserId) => number,
): UserId[] => recipients.filter((user) => deliveredSeq(user) < seq);

export const isExpired = ({ at }: Pick<Told, 'at'>, now: Millis): boolean => now >= at + PUSH_EXPIRES_MS;

/** Of one who has not got the message. What the user wants comes before what is possible. */
export function verdictOf(user: UserId, told: Told, given: Reachability): Verdict {
  const { devices, settings, muted, providers, now } = given;
  if (isExpired(told, now)) return no('EXPIRED');
  if ((muted.get(user) ?? 0) > now) return no('MUTED');
  const own = devices.get(user) ?? [];
  if (own.length === 0) return no('NO_DEVICE');
  const quiet = settings.get(user)?.doNotDisturb;
  if (quiet && isQuiet(quiet, now)) return no('DO_NOT_DISTURB');
  const reachable = own.filter(isReachable);
  if (reachable.length === 0)
    return no(own.some(({ tokenState }) => tokenState === 'DEAD') ? 'TOKEN_DEAD' : 'NO_PUSH_ADDRESS');
  const targets = reachable.filter(({ push }) => providers.has(push.provider));
  return targets.length === 0 ? no('PROVIDER_OFF') : { kind: 'push', targets };
}

const isReachable = (device: DeviceRecord): device is Target =>
  device.push !== undefined && device.tokenHash !== undefined && device.tokenState === 'VALID';
