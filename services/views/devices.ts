/**
 * What users have set themselves: their devices with the addresses for pushes, their settings, and what they have muted. Not
 * made from lanes, so in no generation. Addresses are secrets: they are given to the notifier alone and never logged.
 */
import { type Collection, type Db, MongoServerError } from 'mongodb';
import type { DeviceId, LaneId, Millis, UserId } from '../../schema/ids.ts';
import type { Logger } from '../logger.ts';
import { askMongo } from './ask.ts';
import type { Mongo } from './connect.ts';
import {
  type Change,
  changeOf,
  createDeviceIndexes,
  type DeviceDocument,
  type DeviceRecord,
  devicesOf,
  FORGOTTEN_MS,
  NO_TOKEN,
  recordOf,
  tokenHashOf,
} from './device-documents.ts';
import {
  createPreferenceIndexes,
  readMutesIn,
  readMutesOf,
  readSettings,
  type Settings,
  type SettingsChange,
  writeMute,
  writeSettings,
} from './preferences.ts';
import type { PushAddress } from './push-address.ts';
import { dropDeviceMarks } from './receipts-store.ts';
import { DUPLICATE_KEY } from './store.ts';

export {
  type DeviceRecord,
  type PushTokenState,
  tokenHashOf,
} from './device-documents.ts';
export { DEFAULT_SETTINGS, type DoNotDisturb, type Settings, type SettingsChange } from './preferences.ts';

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
  /** A push to it was refused, with the address to blame. True: for the tenth time in a row, and the token was taken away. */
  countRefusal(token: TokenName & { readonly reason: string }): Promise<boolean>;
  /** A push to it was taken. */
  clearRefusals(token: TokenName): Promise<void>;
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
  /** The settings after it. */
  changeSettings(user: UserId, change: SettingsChange): Promise<Settings>;
}

/** Does not wait for MongoDB; its indexes are made before the first question. */
export function openDevices(mongo: Mongo, log: Logger, clock: () => Millis = Date.now): Devices {
  return new MongoDevices(mongo, log, clock);
}

/** Of one process: a device seen this lately is not asked for again. */
const SEEN_MS = 60_000;
const SEEN_MAX = 100_000;
/** An address that refuses so many pushes in a row is none. */
const REFUSALS_MAX = 10;
/** Others that register the same token at the same moment. */
const REGISTER_TRIES = 8;

interface Asked {
  readonly db: Db;
  readonly devices: Collection<DeviceDocument>;
}

class MongoDevices implements Devices {
  readonly #mongo: Mongo;
  readonly #log: Logger;
  readonly #clock: () => Millis;
  #indexed: Promise<unknown> | undefined;
  /** When each was asked for, the oldest first; what came of it, while that is under way. */
  readonly #seen = new Map<string, { readonly at: Millis; readonly isThere: Promise<boolean> }>();

  constructor(mongo: Mongo, log: Logger, clock: () => Millis) {
    this.#mongo = mongo;
    this.#log = log;
    this.#clock = clock;
  }

  register(user: UserId, device: DeviceId, push: PushAddress | null | undefined) {
    return this.#ask(async ({ db, devices }) => {
      const now = this.#clock();
      const _id = { u: user, d: device };
      const had = await devices.find({ '_id.u': user }, { projection: { lastSeenAt: 1 } }).toArray();
      const live = had.filter(({ lastSeenAt }) => this.#isLive(lastSeenAt));
      if (!live.some(({ _id: { d } }) => d === device)) {
        if (live.length >= DEVICES_PER_USER) return { kind: 'too-many' } as const;
        // What was left of an earlier one of the same name says nothing about this one.
        await devices.deleteOne({ _id, lastSeenAt: { $lte: this.#forgotten() } });
        await dropDeviceMarks(db, user, device);
      }
      const found = await this.#write(devices, _id, changeOf(push, now), now);
      this.#seen.delete(nameOf(user, device));
      return { kind: 'registered', device: recordOf(found) } as const;
    });
  }

  unregister(user: UserId, device: DeviceId): Promise<boolean> {
    return this.#ask(async ({ db, devices }) => {
      const { deletedCount } = await devices.deleteOne({ _id: { u: user, d: device } });
      await dropDeviceMarks(db, user, device);
      this.#seen.delete(nameOf(user, device));
      return deletedCount > 0;
    });
  }

  async get(user: UserId, device: DeviceId): Promise<DeviceRecord | undefined> {
    return (await this.of([user])).get(user)?.find((record) => record.device === device);
  }

  of(users: readonly UserId[]): Promise<ReadonlyMap<UserId, readonly DeviceRecord[]>> {
    return this.#ask(async ({ devices }) => {
      const byUser = new Map<UserId, DeviceRecord[]>();
      const theirs = { '_id.u': { $in: [...users] }, lastSeenAt: { $gt: this.#forgotten() } };
      for await (const document of devices.find(theirs, { sort: { _id: 1 } })) {
        const record = recordOf(document);
        const some = byUser.get(record.user);
        if (some) some.push(record);
        else byUser.set(record.user, [record]);
      }
      return byUser;
    });
  }

  seen(user: UserId, device: DeviceId): Promise<boolean> {
    const name = nameOf(user, device);
    const now = this.#clock();
    const asked = this.#seen.get(name);
    if (asked && now - asked.at < SEEN_MS) return asked.isThere;
    const isThere = this.#ask(async ({ devices }) => {
      const filter = { _id: { u: user, d: device }, lastSeenAt: { $gt: this.#forgotten() } };
      const update = { $max: { lastSeenAt: new Date(now) } };
      return (await devices.updateOne(filter, update, { writeConcern: { w: 1 } })).matchedCount > 0;
    });
    const entry = { at: now, isThere };
    this.#seen.delete(name);
    this.#seen.set(name, entry);
    for (const oldest of this.#seen.keys()) {
      if (this.#seen.size <= SEEN_MAX) break;
      this.#seen.delete(oldest);
    }
    // Only a yes is remembered: who was told no registers, and comes again.
    const forget = () => this.#seen.get(name) === entry && this.#seen.delete(name);
    isThere.then((is) => is || forget(), forget);
    return isThere;
  }

  dropToken({ user, device, tokenHash, registeredBefore, reason }: Parameters<Devices['dropToken']>[0]) {
    return this.#ask(async ({ devices }) => {
      const when = registeredBefore === undefined ? {} : { tokenSince: { $lt: registeredBefore } };
      const { modifiedCount } = await devices.updateOne(
        { _id: { u: user, d: device }, tokenHash, ...when },
        { $set: { tokenState: 'DEAD', tokenReason: reason }, $unset: NO_TOKEN },
      );
      return modifiedCount > 0;
    });
  }

  async countRefusal({ reason, ...token }: Parameters<Devices['countRefusal']>[0]): Promise<boolean> {
    const { user, device, tokenHash } = token;
    const counted = await this.#ask(({ devices }) =>
      devices.findOneAndUpdate(
        { _id: { u: user, d: device }, tokenHash },
        { $inc: { refusals: 1 } },
        { returnDocument: 'after', projection: { refusals: 1 } },
      ),
    );
    return (counted?.refusals ?? 0) >= REFUSALS_MAX && this.dropToken({ ...token, reason });
  }

  async clearRefusals({ user, device, tokenHash }: TokenName): Promise<void> {
    await this.#ask(({ devices }) =>
      devices.updateOne({ _id: { u: user, d: device }, tokenHash }, { $unset: { refusals: '' } }),
    );
  }

  replaceToken({ user, device, tokenHash, token }: Parameters<Devices['replaceToken']>[0]): Promise<boolean> {
    return this.#ask(async ({ devices }) => {
      const mine = { _id: { u: user, d: device }, tokenHash };
      const had = (await devices.findOne(mine))?.push;
      if (!had || had.provider === 'WEB_PUSH') return false;
      const push = { ...had, token };
      const now = this.#clock();
      const $set = { push, tokenHash: tokenHashOf(push), tokenSince: now };
      try {
        return (await devices.updateOne(mine, { $set })).modifiedCount > 0;
      } catch (error) {
        if (!isDuplicate(error)) throw error;
        const moved = await devices.updateOne(mine, { $set: { tokenState: 'MOVED' }, $unset: NO_TOKEN });
        return moved.modifiedCount > 0;
      }
    });
  }

  mute(user: UserId, lane: LaneId, until: Millis | null) {
    return this.#ask(({ db }) => writeMute(db, user, lane, until));
  }

  mutedIn(lane: LaneId, users: readonly UserId[], now: Millis) {
    return this.#ask(({ db }) => readMutesIn(db, lane, users, now));
  }

  mutesOf(user: UserId, lanes: readonly LaneId[], now: Millis) {
    return this.#ask(({ db }) => readMutesOf(db, user, lanes, now));
  }

  settings(users: readonly UserId[]) {
    return this.#ask(({ db }) => readSettings(db, users));
  }

  changeSettings(user: UserId, change: SettingsChange) {
    return this.#ask(({ db }) => writeSettings(db, user, change));
  }

  /** A token is one device's: where another has it, or takes it at the same moment, the later registration wins. */
  async #write(devices: Collection<DeviceDocument>, _id: DeviceDocument['_id'], change: Change, now: Millis) {
    const { tokenHash } = change.$set;
    for (let tries = 1; ; tries++) {
      if (tokenHash !== undefined)
        await devices.updateMany({ tokenHash, _id: { $ne: _id } }, { $set: { tokenState: 'MOVED' }, $unset: NO_TOKEN });
      try {
        const update = { ...change, $setOnInsert: { since: now } };
        const found = await devices.findOneAndUpdate({ _id }, update, { upsert: true, returnDocument: 'after' });
        if (found) return found;
      } catch (error) {
        if (!isDuplicate(error) || tries >= REGISTER_TRIES) throw error;
      }
    }
  }

  #forgotten(): Date {
    return new Date(this.#clock() - FORGOTTEN_MS);
  }

  #isLive(lastSeenAt: Date): boolean {
    return lastSeenAt > this.#forgotten();
  }

  #ask<T>(work: (asked: Asked) => Promise<T>): Promise<T> {
    return askMongo(this.#mongo, this.#log, async (db) => {
      this.#indexed ??= Promise.all([createDeviceIndexes(db), createPreferenceIndexes(db)]);
      await this.#indexed.catch((error: unknown) => {
        this.#indexed = undefined;
        throw error;
      });
      return work({ db, devices: devicesOf(db) });
    });
  }
}

const nameOf = (user: UserId, device: DeviceId): string => `${user} ${device}`;
const isDuplicate = (error: unknown): boolean => error instanceof MongoServerError && error.code === DUPLICATE_KEY;
