/**
 * What users have set themselves: their devices with the addresses for pushes, their settings, and what they have muted. Not
 * made from lanes, so in no generation. Addresses are secrets: they are given to the notifier alone and never logged.
 */
import type { DeviceId, LaneId, Millis, UserId } from '../../schema/ids.ts';
import type { Logger } from '../logger.ts';
import type { Mongo } from './connect.ts';

export type PushAddress =
  | {
      readonly provider: 'APNS';
      readonly token: string;
      readonly topic?: string;
      readonly environment?: 'production' | 'sandbox';
    }
  | { readonly provider: 'FCM' | 'GCM'; readonly token: string }
  /** RFC 8291: the two keys in base64url. */
  | { readonly provider: 'WEB_PUSH'; readonly endpoint: string; readonly p256dh: string; readonly auth: string };
export type PushProviderName = PushAddress['provider'];

/** `DEAD`: its provider said so. `MOVED`: another device was registered with it. */
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
  /** Which provider's token it has or had. */
  readonly provider?: PushProviderName;
  /** Absent: it never had one, or it was cleared. */
  readonly tokenState?: PushTokenState;
}

export interface DoNotDisturb {
  /** 'HH:MM', local to `timeZone` (IANA); `from` > `to` goes over midnight. */
  readonly from: string;
  readonly to: string;
  readonly timeZone: string;
}
export interface Settings {
  readonly hideReadMarks: boolean;
  readonly doNotDisturb?: DoNotDisturb;
}
export const DEFAULT_SETTINGS: Settings = { hideReadMarks: false };

export interface TokenName {
  readonly user: UserId;
  readonly device: DeviceId;
  readonly tokenHash: string;
}

/** Past it `register` answers `too-many`: forgotten devices make room. */
export const DEVICES_PER_USER = 100;

/** Every method may throw HistoryUnavailable, within about 2 s; then a change may have been made, and may be made again. */
export interface Devices {
  /** `push` undefined: what is there is kept; null: cleared. A token that another device has moves to this one. */
  register(
    user: UserId,
    device: DeviceId,
    push: PushAddress | null | undefined,
  ): Promise<{ readonly kind: 'registered'; readonly device: DeviceRecord } | { readonly kind: 'too-many' }>;
  /** False: there was none. */
  unregister(user: UserId, device: DeviceId): Promise<boolean>;
  get(user: UserId, device: DeviceId): Promise<DeviceRecord | undefined>;
  /** By device id. Users without devices are not in the map. */
  of(users: readonly UserId[]): Promise<ReadonlyMap<UserId, readonly DeviceRecord[]>>;
  /** Notes that the device is there now. False: there is no such device (`UNKNOWN_DEVICE`). Cheap: once a minute per device it costs a write. */
  seen(user: UserId, device: DeviceId): Promise<boolean>;
  /** Takes the token away, if it is still this one and was last registered before that. True: it did. */
  dropToken(token: TokenName & { readonly registeredBefore?: Millis; readonly reason: string }): Promise<boolean>;
  /** The provider's own newer name for the same installation. Where another device has it, this one loses its token. True: changed. */
  replaceToken(token: TokenName & { readonly token: string }): Promise<boolean>;
  /** `until` null: not muted. */
  mute(user: UserId, lane: LaneId, until: Millis | null): Promise<void>;
  /** Of these users, who has muted the lane, and until when; only what is not over at `now`. */
  mutedIn(lane: LaneId, users: readonly UserId[], now: Millis): Promise<ReadonlyMap<UserId, Millis>>;
  /** Of these lanes, which the user has muted. */
  mutesOf(user: UserId, lanes: readonly LaneId[], now: Millis): Promise<ReadonlyMap<LaneId, Millis>>;
  /** Of everybody asked for: defaults where nothing is set. */
  settings(users: readonly UserId[]): Promise<ReadonlyMap<UserId, Settings>>;
  /** Undefined: kept; null: as by default. The settings after it. */
  changeSettings(
    user: UserId,
    change: { readonly hideReadMarks?: boolean | null; readonly doNotDisturb?: DoNotDisturb | null },
  ): Promise<Settings>;
}

/** Makes its indexes as soon as MongoDB answers; does not wait for it. */
export declare function openDevices(mongo: Mongo, log: Logger, clock?: () => Millis): Devices;
/** A stable name of an address that tells nothing of it. */
export declare function tokenHashOf(push: PushAddress): string;
