/**
 * The ledger of pushes, as the notifier writes it. Every write may be repeated with the same end. Methods throw what MongoDB
 * throws; then what was asked may have been done.
 */
import { randomUUID } from 'node:crypto';
import { type AnyBulkWriteOperation, type Db, MaxKey, MinKey } from 'mongodb';
import type { NoPushReason } from '../../schema/delivery.ts';
import type { DeviceId, LaneId, Millis, Revision, Seq, UserId } from '../../schema/ids.ts';
import type { Place } from '../journal/place.ts';
import {
  type AttemptDocument,
  type DecisionDocument,
  DUE_INDEX,
  decisionsOf,
  type EntryDocument,
  type EntryId,
  entriesOf,
  freeAt,
  messageRange,
  type NoticeDocument,
  type Noticed,
  type NotifierPositionDocument,
  noticeKey,
  noticesOf,
  notifierPositionsOf,
} from './ledger-documents.ts';
import type { PushProviderName } from './push-address.ts';
import { DUPLICATE_KEY, writeErrorsOf } from './store.ts';

/** The message that an entry is about. */
export interface Subject {
  readonly lane: LaneId;
  readonly seq: Seq;
  readonly revision: Revision;
  readonly acceptedAt: Millis;
  /** The part of its recipients. */
  readonly part: number;
}
export interface Decision {
  readonly subject: Subject;
  /** Every receipt that was stored before it was read for this. */
  readonly asOf: Millis;
  readonly push: readonly UserId[];
  readonly no: ReadonlyMap<NoPushReason, readonly UserId[]>;
}
export interface Claim {
  readonly subject: Subject;
  readonly user: UserId;
  readonly device: DeviceId;
  readonly provider: PushProviderName;
  /** When it was last looked whether the user has it: every receipt that was stored before was read for that. */
  readonly asOf: Millis;
}
export interface Settled {
  readonly claim: Claim;
  /** Absent: nothing was tried. */
  readonly attempt?: Omit<AttemptDocument, 'asOf'>;
  /** `again`: not before `due`. `over`: no push went, and none will. */
  readonly now:
    | { readonly kind: 'sent' }
    | { readonly kind: 'again'; readonly due: Millis }
    | { readonly kind: 'over'; readonly why: NoPushReason };
  /** The time that the claim was good for: who took the entry up after it has the say. */
  readonly claimedUntil: Millis;
}
/** An entry that waits for its time. */
export interface Due {
  readonly id: EntryId;
  readonly due: Millis;
  readonly subject: Subject;
}

/** Attempts kept of one entry, the newest. */
const ATTEMPTS_MAX = 20;

export const entryIdOf = ({ subject: { lane: l, seq: s }, user: u, device: d }: Claim): EntryId => ({ l, s, u, d });

export class Ledger {
  /** Whose claims these are: differs for each that makes some. */
  readonly owner = randomUUID();
  readonly #db: () => Promise<Db>;
  readonly #clock: () => Millis;

  constructor(db: () => Promise<Db>, clock: () => Millis = Date.now) {
    this.#db = db;
    this.#clock = clock;
  }

  async position(partition: number): Promise<NotifierPositionDocument | undefined> {
    return (await notifierPositionsOf(await this.#db()).findOne({ _id: partition })) ?? undefined;
  }

  async advance(partition: number, { revision: w, id: rid = null, at }: Place): Promise<void> {
    const positions = notifierPositionsOf(await this.#db());
    await positions.replaceOne({ _id: partition }, { w, rid, ...(at === undefined ? {} : { at }) }, { upsert: true });
  }

  /** A decision that is made again takes the place of the first; what became of it meanwhile stays. */
  async decide(decisions: readonly Decision[]): Promise<void> {
    const writes = decisions.map(({ subject, push, no, asOf }): AnyBulkWriteOperation<DecisionDocument> => {
      const filter = { _id: { l: subject.lane, s: subject.seq, c: subject.part } };
      const update = { $set: { push, no: Object.fromEntries(no) }, $setOnInsert: { at: new Date(asOf) } };
      return { updateOne: { filter, update, upsert: true } };
    });
    if (writes.length > 0) await decisionsOf(await this.#db()).bulkWrite(writes, { ordered: false });
  }

  /** Pushes that were decided, and are not to go any more. Their entries that are not over are over by it. */
  async withdraw(subject: Subject, no: ReadonlyMap<NoPushReason, readonly UserId[]>): Promise<void> {
    if (no.size === 0) return;
    const db = await this.#db();
    const { lane: l, seq: s, part: c } = subject;
    const late = [...no].map(([reason, users]) => [`late.${reason}`, { $each: [...users] }]);
    await decisionsOf(db).updateOne({ _id: { l, s, c } }, { $addToSet: Object.fromEntries(late) });
    for (const [why, users] of no)
      await entriesOf(db).updateMany(
        { ...messageRange(l, s), '_id.u': { $in: [...users] }, due: { $exists: true } },
        { $set: { why }, $unset: { due: true } },
      );
  }

  /**
   * Takes the pushes up until `until`: no other claim gets them before. An entry that is over, or that another claim holds, is not
   * given; one due `at` that very time is, and one of a message that the lane lost. For each claim whether it was given.
   */
  async claim(claims: readonly Claim[], until: Millis, now: Millis, at?: Millis): Promise<boolean[]> {
    const free = freeAt(now, at);
    const created = new Date(now);
    const writes = claims.map((claim): AnyBulkWriteOperation<EntryDocument> => {
      const { subject, provider, asOf } = claim;
      const fixed = { r: subject.revision, sent: subject.acceptedAt, c: subject.part, at: created, attempts: [] };
      const update = { $set: { due: until, by: this.owner, provider, asOf }, $setOnInsert: fixed };
      return { updateOne: { filter: { _id: entryIdOf(claim), ...free }, update, upsert: true } };
    });
    const given = claims.map(() => true);
    if (writes.length === 0) return given;
    try {
      await entriesOf(await this.#db()).bulkWrite(writes, { ordered: false });
    } catch (error) {
      for (const { code, index, errmsg } of writeErrorsOf(error)) {
        if (code !== DUPLICATE_KEY) throw new Error(`not claimed: ${errmsg}`);
        given[index] = false;
      }
    }
    const refused = claims.filter((_, i) => !given[i]);
    if (refused.length === 0 || !(await this.#forgetLost(refused))) return given;
    const again = await this.claim(refused, until, now, at);
    return given.map((isGiven) => isGiven || again.shift() === true);
  }

  /** Entries of messages that had the places of these before: a lane's times never fall. True: there were some. */
  async #forgetLost(claims: readonly Claim[]): Promise<boolean> {
    const lost = claims.map((claim) => ({ _id: entryIdOf(claim), sent: { $lt: claim.subject.acceptedAt } }));
    return (await entriesOf(await this.#db()).deleteMany({ $or: lost })).deletedCount > 0;
  }

  /** What these had claimed anybody may claim from now on: they are gone. Answers how many pushes that were. */
  async free(owners: readonly string[], now: Millis): Promise<number> {
    const held = { by: { $in: [...owners] }, due: { $gt: now } };
    const update = { $set: { due: now }, $unset: { by: true as const } };
    return (await entriesOf(await this.#db()).updateMany(held, update, { hint: DUE_INDEX })).modifiedCount;
  }

  /** What became of pushes that were claimed. That one was sent is written whoever holds it now. */
  async settle(settled: readonly Settled[]): Promise<void> {
    const db = await this.#db();
    const writes = settled.map((one): AnyBulkWriteOperation<EntryDocument> => {
      const { now, claim, claimedUntil } = one;
      const attempt = one.attempt && { ...one.attempt, asOf: claim.asOf };
      const kept = attempt && { $push: { attempts: { $each: [attempt], $slice: -ATTEMPTS_MAX } } };
      const change =
        now.kind === 'again'
          ? { $set: { due: now.due }, $unset: { by: true as const } }
          : { $unset: { due: true as const, by: true as const } };
      const why = now.kind === 'over' ? { $set: { why: now.why } } : {};
      const held = now.kind !== 'sent' ? { due: claimedUntil } : attempt ? { attempts: { $ne: attempt } } : {};
      return { updateOne: { filter: { _id: entryIdOf(claim), ...held }, update: { ...change, ...why, ...kept } } };
    });
    if (writes.length > 0) await entriesOf(db).bulkWrite(writes, { ordered: false });
    await this.#notice(db, settled);
  }

  /** Pushes that nobody will try: an entry each that says why. */
  async close(claims: readonly Claim[], why: NoPushReason): Promise<void> {
    const at = new Date(this.#clock());
    const writes = claims.map((claim): AnyBulkWriteOperation<EntryDocument> => {
      const { subject, provider } = claim;
      const fixed = { r: subject.revision, sent: subject.acceptedAt, c: subject.part, provider, at, attempts: [] };
      const filter = { _id: entryIdOf(claim), due: { $exists: true } };
      return {
        updateOne: { filter, update: { $set: { why }, $unset: { due: true }, $setOnInsert: fixed }, upsert: true },
      };
    });
    try {
      if (writes.length > 0) await entriesOf(await this.#db()).bulkWrite(writes, { ordered: false });
    } catch (error) {
      // Those that are over keep how they ended.
      const other = writeErrorsOf(error).find(({ code }) => code !== DUPLICATE_KEY);
      if (other) throw new Error(`not closed: ${other.errmsg}`);
    }
  }

  /**
   * Entries of these users that `claim` would have given, at the same `now` and `at`, and was not asked for: their devices have no
   * address. `dead`: those of which a provider said so.
   */
  async abandon(
    { lane: l, seq: s }: Subject,
    users: readonly UserId[],
    { now, at }: { readonly now: Millis; readonly at: Millis },
    dead: readonly Pick<Claim, 'user' | 'device'>[],
  ): Promise<void> {
    const entries = entriesOf(await this.#db());
    const free = freeAt(now, at);
    const over = (why: NoPushReason) => ({ $set: { why }, $unset: { due: true as const } });
    if (dead.length > 0) {
      const ids = dead.map(({ user: u, device: d }): EntryId => ({ l, s, u, d }));
      await entries.updateMany({ _id: { $in: ids }, ...free }, over('TOKEN_DEAD'));
    }
    await entries.updateMany({ ...messageRange(l, s), '_id.u': { $in: [...users] }, ...free }, over('NO_PUSH_ADDRESS'));
  }

  /** Entries that nobody will take up, if they still have the time that was seen. */
  async giveUp(entries: readonly { readonly entry: Due; readonly why: NoPushReason }[]): Promise<void> {
    const writes = entries.map(
      ({ entry: { id, due }, why }): AnyBulkWriteOperation<EntryDocument> => ({
        updateOne: { filter: { _id: id, due }, update: { $set: { why }, $unset: { due: true } } },
      }),
    );
    if (writes.length > 0) await entriesOf(await this.#db()).bulkWrite(writes, { ordered: false });
  }

  /** Entries whose time has come, the longest due first. */
  async due(now: Millis, limit: number): Promise<Due[]> {
    const found = await entriesOf(await this.#db())
      .find({ due: { $lte: now } }, { sort: { due: 1 }, limit, hint: DUE_INDEX, projection: { attempts: 0 } })
      .toArray();
    return found.map(({ _id, due = now, r, sent, c }) => ({
      id: _id,
      due,
      subject: { lane: _id.l, seq: _id.s, revision: r, acceptedAt: sent, part: c },
    }));
  }

  /** Gives them another time, if they still have the one that was seen. */
  async postpone(entries: readonly Due[], to: Millis): Promise<void> {
    const writes = entries.map(
      ({ id, due }): AnyBulkWriteOperation<EntryDocument> => ({
        updateOne: { filter: { _id: id, due }, update: { $set: { due: to }, $unset: { by: true } } },
      }),
    );
    if (writes.length > 0) await entriesOf(await this.#db()).bulkWrite(writes, { ordered: false });
  }

  /** What each of these devices had a push for last; those that had none are not in the map. */
  async noticed(lane: LaneId, devices: readonly { readonly user: UserId; readonly device: DeviceId }[]) {
    const found = await this.noticedIn(devices.map(({ user: u, device: d }) => ({ u, l: lane, d })));
    return new Map([...found].map(([{ u, d }, noticed]) => [noticeKey(u, d), noticed]));
  }

  /** The same, of any lanes. */
  async noticedIn(ids: readonly NoticeDocument['_id'][]): Promise<ReadonlyMap<NoticeDocument['_id'], Noticed>> {
    const found = await noticesOf(await this.#db())
      .find({ _id: { $in: ids } }, { projection: { s: 1, at: 1 } })
      .toArray();
    return new Map(found.map(({ _id, s, at }) => [_id, { s, at: at.getTime() }]));
  }

  /** Devices that may still show a notification of the lane, none of which is about anything the user has not read. */
  async openNotices(read: readonly { readonly user: UserId; readonly lane: LaneId; readonly upTo: number }[]) {
    if (read.length === 0) return [];
    const some = read.map(({ user: u, lane: l, upTo }) => ({
      _id: { $gte: { u, l, d: new MinKey() }, $lte: { u, l, d: new MaxKey() } } as unknown as NoticeDocument['_id'],
      open: true,
      s: { $lte: upTo as Seq },
    }));
    return noticesOf(await this.#db())
      .find({ $or: some })
      .toArray();
  }

  /** True: it was open as it was seen, and this call closed it. */
  async closeNotice({ _id, s }: NoticeDocument): Promise<boolean> {
    const closed = await noticesOf(await this.#db()).updateOne({ _id, s, open: true }, { $set: { open: false } });
    return closed.modifiedCount > 0;
  }

  async #notice(db: Db, settled: readonly Settled[]): Promise<void> {
    const at = new Date(this.#clock());
    const writes = settled
      .filter(({ now }) => now.kind === 'sent')
      .map(({ claim: { subject, user: u, device: d } }): AnyBulkWriteOperation<NoticeDocument> => {
        const { seq, acceptedAt } = subject;
        const isBefore = { $lt: ['$at', new Date(acceptedAt)] };
        const update = [{ $set: { s: { $cond: [isBefore, seq, { $max: ['$s', seq] }] }, open: true, at } }];
        return { updateOne: { filter: { _id: { u, l: subject.lane, d } }, update, upsert: true } };
      });
    if (writes.length > 0) await noticesOf(db).bulkWrite(writes, { ordered: false });
  }
}
