/** Users' settings, and the conversations that they have muted. */
import type { Collection, Db } from 'mongodb';
import type { LaneId, Millis, UserId } from '../../schema/ids.ts';

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

/** Absent or undefined: kept; null: as by default. */
export interface SettingsChange {
  readonly hideReadMarks?: boolean | null | undefined;
  readonly doNotDisturb?: DoNotDisturb | null | undefined;
}

interface SettingsDocument {
  readonly _id: UserId;
  readonly hideReadMarks?: boolean;
  readonly doNotDisturb?: DoNotDisturb;
}
interface MuteDocument {
  readonly _id: { readonly u: UserId; readonly l: LaneId };
  readonly until: Date;
}

const settingsOf = (db: Db): Collection<SettingsDocument> => db.collection('settings');
const mutesOf = (db: Db): Collection<MuteDocument> => db.collection('mutes');
/** Ids in one question. */
const IDS_MAX = 1_000;

export async function createPreferenceIndexes(db: Db): Promise<void> {
  await Promise.all([
    mutesOf(db).createIndex({ '_id.l': 1 }, { name: 'lane' }),
    mutesOf(db).createIndex({ until: 1 }, { name: 'over', expireAfterSeconds: 0 }),
  ]);
}

export async function readSettings(db: Db, users: readonly UserId[]): Promise<ReadonlyMap<UserId, Settings>> {
  const all = new Map(users.map((user): [UserId, Settings] => [user, DEFAULT_SETTINGS]));
  for (let i = 0; i < users.length; i += IDS_MAX) {
    const some = users.slice(i, i + IDS_MAX);
    for (const found of await settingsOf(db)
      .find({ _id: { $in: some } })
      .toArray())
      all.set(found._id, settingsFrom(found));
  }
  return all;
}

export async function writeSettings(db: Db, user: UserId, change: SettingsChange): Promise<Settings> {
  const entries = Object.entries(change).filter(([, value]) => value !== undefined);
  const $set = Object.fromEntries(entries.filter(([, value]) => value !== null));
  const $unset = Object.fromEntries(entries.flatMap(([name, value]) => (value === null ? [[name, '' as const]] : [])));
  const settings = settingsOf(db);
  const found =
    entries.length === 0
      ? await settings.findOne({ _id: user })
      : await settings.findOneAndUpdate({ _id: user }, { $set, $unset }, { upsert: true, returnDocument: 'after' });
  return found ? settingsFrom(found) : DEFAULT_SETTINGS;
}

const settingsFrom = ({ hideReadMarks = false, doNotDisturb }: SettingsDocument): Settings => ({
  hideReadMarks,
  ...(doNotDisturb === undefined ? {} : { doNotDisturb }),
});

export async function writeMute(db: Db, u: UserId, l: LaneId, until: Millis | null): Promise<void> {
  const _id = { u, l };
  if (until === null) await mutesOf(db).deleteOne({ _id });
  else await mutesOf(db).updateOne({ _id }, { $set: { until: new Date(until) } }, { upsert: true });
}

/** Of few users by their ids; of many, whoever muted the lane, as few do. */
export async function readMutesIn(db: Db, lane: LaneId, users: readonly UserId[], now: Millis) {
  const asked = new Set(users);
  const which = users.length <= IDS_MAX ? { _id: { $in: users.map((u) => ({ u, l: lane })) } } : { '_id.l': lane };
  const found = await mutesOf(db)
    .find({ ...which, until: { $gt: new Date(now) } })
    .toArray();
  return new Map(
    found.flatMap(({ _id: { u }, until }): [UserId, Millis][] => (asked.has(u) ? [[u, until.getTime()]] : [])),
  );
}

export async function readMutesOf(db: Db, user: UserId, lanes: readonly LaneId[], now: Millis) {
  const all = new Map<LaneId, Millis>();
  for (let i = 0; i < lanes.length; i += IDS_MAX) {
    const ids = lanes.slice(i, i + IDS_MAX).map((l) => ({ u: user, l }));
    const found = await mutesOf(db)
      .find({ _id: { $in: ids }, until: { $gt: new Date(now) } })
      .toArray();
    for (const { _id, until } of found) all.set(_id.l, until.getTime());
  }
  return all;
}
