/**
 * The names of things. A branded type is the proof that a value was parsed at the edge: inside, nothing checks it again.
 */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** A conversation, and so a lane: one token of a NATS subject. */
export type LaneId = Branded<string, 'LaneId'>;
export type UserId = Branded<string, 'UserId'>;
/** An integration's own name; its user in conversations is `app_<app>`. */
export type AppId = Branded<string, 'AppId'>;
/** A user's own name for one of its devices: unique among that user's, not beyond. */
export type DeviceId = Branded<string, 'DeviceId'>;
/** A sender's own name for one command; unique within (lane, sender) for ever. */
export type ClientKey = Branded<string, 'ClientKey'>;
/** An event's place in its lane: 1, 2, 3 … without holes. 0 is "before the first". */
export type Seq = Branded<number, 'Seq'>;
/** The JetStream stream sequence of a lane's last record; 0 where there is none. Only the journal gives it a meaning. */
export type Revision = Branded<number, 'Revision'>;
/** Epoch milliseconds, UTC. */
export type Millis = number;

/** The one form of every id: it is safe as a subject token, a URL path segment and a MongoDB value. */
export const NAME = /^[A-Za-z0-9_-]{1,64}$/;
/** Shorter than a user's by the prefix, so that the integration's user is an id, too. */
const APP_NAME = /^[A-Za-z0-9_-]{1,60}$/;
export const APP_RULE = '1 to 60 characters of A-Z, a-z, 0-9, "_" and "-"';
export const ID_RULE = '1 to 64 characters of A-Z, a-z, 0-9, "_" and "-"';
/** Prefixes of the ids that we make ourselves; a client may not choose an id that begins with one. */
export const GROUP_PREFIX = 'g_';
export const DIRECT_PREFIX = 'd_';
/** User ids of integrations; a token's `sub` may not begin with it. */
export const APP_PREFIX = 'app_';

export const isName = (value: unknown): value is string => typeof value === 'string' && NAME.test(value);

export const parseLaneId = (value: unknown): LaneId | undefined => (isName(value) ? (value as LaneId) : undefined);
export const parseUserId = (value: unknown): UserId | undefined => (isName(value) ? (value as UserId) : undefined);
export const parseDeviceId = (value: unknown): DeviceId | undefined =>
  isName(value) ? (value as DeviceId) : undefined;
export const parseClientKey = (value: unknown): ClientKey | undefined =>
  isName(value) ? (value as ClientKey) : undefined;

export const parseAppId = (value: unknown): AppId | undefined =>
  typeof value === 'string' && APP_NAME.test(value) ? (value as AppId) : undefined;
export const userOfApp = (app: AppId): UserId => `${APP_PREFIX}${app}` as UserId;
/** Undefined: a person. */
export const appOfUser = (user: UserId): AppId | undefined =>
  user.startsWith(APP_PREFIX) ? parseAppId(user.slice(APP_PREFIX.length)) : undefined;

/** A lane id that a client may choose for a conversation of its own. */
export const parseChosenLaneId = (value: unknown): LaneId | undefined =>
  isName(value) && !value.startsWith(GROUP_PREFIX) && !value.startsWith(DIRECT_PREFIX) ? (value as LaneId) : undefined;

/** An integer from 0 to 2^53 - 1. */
export const parseSeq = (value: unknown): Seq | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? (value as Seq) : undefined;

export const seqOf = (value: number): Seq => value as Seq;
export const revisionOf = (value: number): Revision => value as Revision;

/** `Message.id`, and an event's id on NATS. */
export const messageIdOf = (lane: LaneId, seq: number): string => `${lane}:${seq}`;
export const memberIdOf = (lane: LaneId, user: UserId): string => `${lane}:${user}`;
export const deliveryIdOf = (lane: LaneId, seq: number, user: UserId): string => `${lane}:${seq}:${user}`;
