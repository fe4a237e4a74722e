import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { WorkItem } from '../schema/delivery.ts';
import { PUSH_EXPIRES_MS } from '../schema/delivery.ts';
import { type DeviceId, revisionOf, seqOf } from '../schema/ids.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { encodeRecord } from '../services/journal/record.ts';
import type { PushResult } from '../services/notifier/push.ts';
import { settledBy } from '../services/notifier/settle.ts';
import { startOf } from '../services/notifier/start.ts';
import { itemsOf, type SweepParts, sweep } from '../services/notifier/sweep.ts';
import { Mongo } from '../services/views/connect.ts';
import { openDevices } from '../services/views/devices.ts';
import { type Claim, type Due, Ledger, type Settled, type Subject } from '../services/views/ledger.ts';
import { forgetPushes } from '../services/views/ledger-cut.ts';
import { createLedger, decisionsOf, entriesOf, isLater } from '../services/views/ledger-documents.ts';
import { readStories } from '../services/views/ledger-reads.ts';
import { silent } from './support/projecting.ts';
import { laneId, until, userId } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';

const LANE = laneId('c1');
const NOW = Date.UTC(2026, 0, 1);
const subjectOf = (seq: number): Subject => ({
  ...{ lane: LANE, seq: seqOf(seq), revision: revisionOf(seq), acceptedAt: NOW, part: 0 },
});
const claimOf = (seq: number, user = 'bob', device = 'phone'): Claim => ({
  ...{ subject: subjectOf(seq), user: userId(user), device: device as DeviceId, provider: 'FCM', asOf: NOW - 5 },
});

describe('the ledger', () => {
  let servers: TestServers;
  let mongo: Mongo;
  let ledger: Ledger;
  beforeAll(async () => {
    servers = await startServers({ nats: false });
    mongo = new Mongo(servers.config().mongo, silent, { socketTimeoutMs: 5_000, maxPoolSize: 8 });
    ledger = new Ledger(() => mongo.db());
  });
  beforeEach(async () => {
    await (await mongo.db()).dropDatabase();
    await createLedger(await mongo.db());
  });
  afterAll(async () => {
    await mongo?.close();
    await servers?.stop();
  });

  const storyOf = async (seq: number, user = 'bob') =>
    (await readStories(await mongo.db(), LANE, seqOf(seq), [userId(user)])).get(userId(user));
  const register = async (user: string, device: string) => {
    const push = { provider: 'FCM', token: `${user}-${device}` } as const;
    const registered = await openDevices(mongo, silent).register(userId(user), device as DeviceId, push);
    if (registered.kind !== 'registered') throw new Error(registered.kind);
    return registered.device;
  };
  const partsOf = (clock: () => number, put: WorkItem[]): SweepParts => ({
    ...{ ledger, partitions: 2, clock, metrics: { swept: () => undefined }, bell: { ring: () => undefined } },
    ...{ devices: openDevices(mongo, silent) },
    queue: { put: async (_, items) => void put.push(...items) },
  });
  const settled = (claim: Claim, now: Settled['now'], claimedUntil: number, o: 'SENT' | 'RETRYING'): Settled => ({
    ...{ claim, now, claimedUntil, attempt: { at: NOW, o } },
  });

  test('of those who claim a push at once, one gets it', async () => {
    const claims = Array.from({ length: 20 }, (_, i) => claimOf(i + 2));
    const given = await Promise.all([1, 2, 3, 4].map(() => ledger.claim(claims, NOW + 30_000, NOW)));
    for (const [i] of claims.entries()) expect(given.filter((one) => one[i])).toHaveLength(1);
  });

  test('a claim holds until its time, then anybody gets it, and what is over nobody', async () => {
    const claim = claimOf(2);
    const take = async (now: number, at?: number) => (await ledger.claim([claim], now + 30_000, now, at))[0];
    expect(await take(NOW)).toBe(true);
    expect(await take(NOW + 29_999)).toBe(false);
    // Its own time, as a work item names it.
    expect(await take(NOW + 1_000, NOW + 30_000)).toBe(true);
    expect(await take(NOW + 31_000)).toBe(true);
    await ledger.settle([settled(claim, { kind: 'sent' }, NOW + 61_000, 'SENT')]);
    expect(await take(NOW + 1_000_000)).toBe(false);
    expect(await ledger.due(NOW + 1_000_000, 10)).toEqual([]);
  });

  test('what was settled twice is settled once; who lost the claim has no say, unless it was sent', async () => {
    const claim = claimOf(2);
    await ledger.claim([claim], NOW + 30_000, NOW);
    const again = settled(claim, { kind: 'again', due: NOW + 5 }, NOW + 30_000, 'RETRYING');
    await ledger.settle([again]);
    await ledger.settle([again]);
    expect((await storyOf(2))?.attempts).toHaveLength(1);
    await ledger.claim([claim], NOW + 40_000, NOW + 5);
    await ledger.settle([settled(claim, { kind: 'over', why: 'PROVIDER_REFUSED' }, NOW + 30_000, 'RETRYING')]);
    expect(await storyOf(2)).toMatchObject({ isOpen: true, closed: [] });
    const sent = settled(claim, { kind: 'sent' }, NOW + 30_000, 'SENT');
    await ledger.settle([sent]);
    await ledger.settle([sent]);
    expect((await storyOf(2))?.attempts.map(({ outcome }) => outcome)).toEqual(['RETRYING', 'SENT']);
    expect(await ledger.noticed(LANE, [claim])).toEqual(new Map([['bob phone', { s: 2, at: expect.any(Number) }]]));
  });

  test('a message that came in the place of a lost one is claimed, and no push of a lost one counts as later', async () => {
    let now = NOW + 10;
    const timed = new Ledger(
      () => mongo.db(),
      () => now,
    );
    const push = async (claim: Claim) => {
      expect(await timed.claim([claim], now + 30_000, now)).toEqual([true]);
      await timed.settle([settled(claim, { kind: 'sent' }, now + 30_000, 'SENT')]);
    };
    const noticed = async () => (await timed.noticed(LANE, [claimOf(2)])).get('bob phone');
    await push(claimOf(2));
    await push(claimOf(5));
    expect(isLater(await noticed(), subjectOf(2))).toBe(true);
    now = NOW + 100;
    const inPlaceOf = (seq: number): Claim => ({
      ...claimOf(seq),
      subject: { ...subjectOf(seq), acceptedAt: NOW + 50 },
    });
    expect(isLater(await noticed(), inPlaceOf(2).subject)).toBe(false);
    expect(await timed.claim([inPlaceOf(3), inPlaceOf(2), claimOf(5)], now + 1, now)).toEqual([true, true, false]);
    now += 2;
    await push(inPlaceOf(2));
    expect(await noticed()).toEqual({ s: 2, at: now });
    await push(inPlaceOf(3));
    await push(inPlaceOf(5));
    expect(await timed.claim([2, 3, 5].map(inPlaceOf), now + 1, now + 1)).toEqual([false, false, false]);
  });

  test('what was pushed of lost messages is forgotten by ranges of their names, not by a reading of everything for each', async () => {
    const db = await mongo.db();
    for (const seq of [2, 3, 4]) {
      const claim = claimOf(seq);
      await ledger.decide([{ subject: subjectOf(seq), push: [claim.user], no: new Map(), asOf: NOW }]);
      await ledger.claim([claim], NOW + 30_000, NOW);
      await ledger.settle([settled(claim, { kind: 'sent' }, NOW + 30_000, 'SENT')]);
    }
    await db.command({ profile: 2 });
    expect(await forgetPushes(db, revisionOf(3), () => true)).toBe(2);
    await db.command({ profile: 0 });
    const removals = await db.collection('system.profile').find({ op: 'remove' }).toArray();
    const scans = removals
      .filter(({ planSummary }) => planSummary === 'COLLSCAN')
      .map(({ ns }) => ns.split('.').at(-1));
    expect(scans).toEqual(['push_notices']);
    expect((await entriesOf(db).find().toArray()).map(({ _id }) => _id.s)).toEqual([2]);
    expect((await decisionsOf(db).find().toArray()).map(({ _id }) => _id.s)).toEqual([2]);
    expect(await ledger.noticed(LANE, [claimOf(2)])).toEqual(new Map());
  });

  test('tells as of when the user was seen not to have the message, of each attempt and of who holds the push', async () => {
    const claim = claimOf(2);
    await ledger.decide([{ subject: subjectOf(2), push: [claim.user], no: new Map(), asOf: NOW - 9 }]);
    await ledger.claim([claim], NOW + 30_000, NOW);
    await ledger.settle([settled(claim, { kind: 'again', due: NOW + 5 }, NOW + 30_000, 'RETRYING')]);
    await ledger.claim([{ ...claim, asOf: NOW + 7 }], NOW + 40_000, NOW + 8);
    const db = await mongo.db();
    expect((await decisionsOf(db).findOne())?.at).toEqual(new Date(NOW - 9));
    expect(await entriesOf(db).findOne()).toMatchObject({
      asOf: NOW + 7,
      attempts: [{ o: 'RETRYING', asOf: NOW - 5 }],
    });
  });

  test('what is withdrawn is over, with its reason; what was sent stays sent', async () => {
    const [open, sent] = [claimOf(2, 'bob'), claimOf(2, 'carol')];
    const users = [userId('bob'), userId('carol')];
    await ledger.decide([
      { subject: subjectOf(2), push: users, no: new Map([['MUTED', [userId('dora')]]]), asOf: NOW },
    ]);
    await ledger.claim([open, sent], NOW + 30_000, NOW);
    await ledger.settle([settled(sent, { kind: 'sent' }, NOW + 30_000, 'SENT')]);
    await ledger.withdraw(subjectOf(2), new Map([['DELIVERED_IN_TIME', users]]));
    expect(await storyOf(2)).toMatchObject({ decided: 'push', late: 'DELIVERED_IN_TIME', isOpen: false });
    expect(await storyOf(2, 'carol')).toMatchObject({ closed: [], attempts: [{ outcome: 'SENT' }] });
    expect(await storyOf(2, 'dora')).toMatchObject({ decided: 'MUTED' });
    expect(await storyOf(2, 'eve')).toBeUndefined();
    // Decided again after a death: what became of it stays.
    await ledger.decide([{ subject: subjectOf(2), push: users, no: new Map(), asOf: NOW }]);
    expect(await storyOf(2)).toMatchObject({ decided: 'push', late: 'DELIVERED_IN_TIME' });
  });

  test('what was claimed by who is gone is free at once; what waits for its time, and what others hold, is not', async () => {
    const gone = new Ledger(() => mongo.db());
    const [held, waits, later] = [claimOf(2), claimOf(3), claimOf(4)];
    await gone.claim([held, waits], NOW + 30_000, NOW);
    await gone.settle([settled(waits, { kind: 'again', due: NOW + 9_000 }, NOW + 30_000, 'RETRYING')]);
    await ledger.claim([later], NOW + 30_000, NOW);
    expect(await ledger.free([gone.owner], NOW + 1)).toBe(1);
    expect((await ledger.due(NOW + 1, 10)).map(({ id }) => id.s)).toEqual([2]);
    // It was not gone after all: what it did counts, what it wants does not.
    await gone.settle([settled(held, { kind: 'again', due: NOW + 7_000 }, NOW + 30_000, 'RETRYING')]);
    expect((await ledger.due(NOW + 1, 10)).map(({ id }) => id.s)).toEqual([2]);
    await gone.settle([settled(held, { kind: 'sent' }, NOW + 30_000, 'SENT')]);
    expect(await storyOf(2)).toMatchObject({ isOpen: false, attempts: [{ outcome: 'SENT' }] });
  });

  test('a notification is taken away by one, and not where something of it is unread', async () => {
    const claims = [claimOf(2, 'bob', 'phone'), claimOf(5, 'bob', 'tablet')];
    await ledger.claim(claims, NOW + 30_000, NOW);
    await ledger.settle(claims.map((claim) => settled(claim, { kind: 'sent' }, NOW + 30_000, 'SENT')));
    const notices = await ledger.openNotices([{ user: userId('bob'), lane: LANE, upTo: 4 }]);
    expect(notices.map(({ _id }) => _id.d)).toEqual(['phone']);
    const closed = await Promise.all([1, 2, 3].map(() => ledger.closeNotice(notices[0] as (typeof notices)[0])));
    expect(closed.filter(Boolean)).toHaveLength(1);
    expect(await ledger.openNotices([{ user: userId('bob'), lane: LANE, upTo: 4 }])).toEqual([]);
  });

  test('what is due goes into the queue once, the last of each device first, and comes back if nobody worked on it', async () => {
    const claims = [claimOf(2), claimOf(3), claimOf(4), claimOf(4, 'carol')];
    await ledger.claim(claims, NOW + 1, NOW);
    const put: WorkItem[] = [];
    let now = NOW + 10;
    const parts = partsOf(() => now, put);
    for (const user of ['bob', 'carol']) await register(user, 'phone');
    expect(await sweep(parts)).toBe(4);
    expect(put).toMatchObject([{ l: LANE, s: 4, u: ['bob', 'carol'], r: 4, at: NOW, c: 0, due: now + 60_000 }]);
    expect(await sweep(parts)).toBe(0);
    now += 5_000;
    expect(await sweep(parts)).toBe(2);
    expect(put.at(-1)).toMatchObject({ s: 3, u: ['bob'] });
    now += 60_000;
    await sweep(parts);
    expect(put.at(-1)).toMatchObject({ s: 4, u: ['bob', 'carol'] });
  });

  test('what is due to devices that cannot be reached any more is over at once, each with its reason', async () => {
    const claims = [2, 3, 4].flatMap((seq) => ['old', 'phone'].map((device) => claimOf(seq, 'bob', device)));
    await ledger.claim([...claims, claimOf(5, 'carol')], NOW + 1, NOW);
    const { tokenHash = '' } = await register('bob', 'old');
    await register('bob', 'phone');
    await openDevices(mongo, silent).dropToken({
      ...{ user: userId('bob'), device: 'old' as DeviceId, tokenHash, reason: 'UNREGISTERED' },
    });
    const put: WorkItem[] = [];
    const rung: string[] = [];
    await sweep({ ...partsOf(() => NOW + 10, put), bell: { ring: ({ lane, seq }) => rung.push(`${lane}:${seq}`) } });
    expect(put).toMatchObject([{ s: 4, u: ['bob'] }]);
    for (const seq of [2, 3, 4]) expect((await storyOf(seq))?.closed).toEqual(['TOKEN_DEAD']);
    expect(await storyOf(5, 'carol')).toMatchObject({ isOpen: false, closed: ['NO_DEVICE'] });
    expect(rung.sort()).toEqual(['c1:2', 'c1:3', 'c1:4', 'c1:5']);
  });

  test('what waits behind a later message is over, all together, when that one was pushed', async () => {
    await register('bob', 'phone');
    await register('bob', 'tablet');
    const claims = [2, 3, 4, 5].map((seq) => claimOf(seq));
    const last = claimOf(6);
    await ledger.claim([...claims, claimOf(3, 'bob', 'tablet')], NOW + 1, NOW);
    await ledger.claim([last], NOW + 30_000, NOW);
    await ledger.settle([settled(last, { kind: 'sent' }, NOW + 30_000, 'SENT')]);
    const put: WorkItem[] = [];
    await sweep(partsOf(() => NOW + 10, put));
    // Its other device had none.
    expect(put).toMatchObject([{ s: 3, u: ['bob'] }]);
    for (const seq of [2, 4, 5])
      expect(await storyOf(seq)).toMatchObject({ isOpen: false, closed: ['SUPERSEDED'], attempts: [] });
  });

  test('a device without an address is given up, also by an item that is worked on before its time is written', async () => {
    const [dead, cleared, held, other] = ['dead', 'cleared', 'held', 'other'].map((name) => claimOf(2, 'bob', name));
    await ledger.claim([dead, cleared, other] as Claim[], NOW + 1, NOW);
    await ledger.claim([held as Claim], NOW + 30_000, NOW);
    await ledger.claim([claimOf(3)], NOW + 1, NOW);
    const users = [userId('bob')];
    await ledger.abandon(subjectOf(2), users, { now: NOW + 5, at: NOW + 60_000 }, [dead as Claim]);
    const closed = (device: string) => entriesOf(db).findOne({ '_id.d': device as DeviceId, '_id.s': seqOf(2) });
    const db = await mongo.db();
    expect(await closed('dead')).toMatchObject({ why: 'TOKEN_DEAD' });
    expect(await closed('cleared')).toMatchObject({ why: 'NO_PUSH_ADDRESS' });
    expect(await closed('held')).toMatchObject({ due: NOW + 30_000 });
    expect(await storyOf(3)).toMatchObject({ isOpen: true });
  });
});

describe('where a partition is begun', () => {
  const DAY = PUSH_EXPIRES_MS;
  const signal = new AbortController().signal;
  let servers: TestServers;
  let mongo: Mongo;
  beforeAll(async () => {
    servers = await startServers({ nats: false });
    mongo = new Mongo(servers.config().mongo, silent, { socketTimeoutMs: 5_000, maxPoolSize: 8 });
  });
  afterAll(async () => {
    await mongo?.close();
    await servers?.stop();
  });

  /** Records stored so long ago, in order. */
  async function streamOf(...agoMs: readonly number[]): Promise<MemoryJournal> {
    let n = 0;
    const journal = new MemoryJournal({ partitions: 1, clock: () => NOW - (agoMs[n] as number) });
    for (; n < agoMs.length; n++)
      journal.put(laneId(`c${n}`), encodeRecord({ v: 1, id: `r${n}`, lane: laneId(`c${n}`), events: [] }));
    return journal;
  }
  const halted: (string | undefined)[] = [];
  const begin = async (journal: MemoryJournal, stop: AbortSignal = signal) => {
    const metrics = { halted: (_: number, reason: string | undefined) => void halted.push(reason) };
    const parts = { journal, ledger: new Ledger(() => mongo.db()), metrics, clock: () => NOW, log: silent };
    return (await startOf(parts, 0, stop)).revision + 1;
  };

  test('without a position at the first record that anybody may want to hear of', async () => {
    await (await mongo.db()).dropDatabase();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(2 * DAY), { maxLength: 40 }), async (times) => {
        const ago = times.sort((a, b) => b - a);
        const first = ago.findIndex((ms) => ms <= DAY);
        expect(await begin(await streamOf(...ago))).toBe((first < 0 ? ago.length : first) + 1);
      }),
      { numRuns: 30 },
    );
  });

  test('behind its position; nowhere while the stream is another one', async () => {
    const ledger = new Ledger(() => mongo.db());
    const journal = await streamOf(3 * DAY, 2 * DAY, 10, 5);
    const id = null;
    await ledger.advance(0, { revision: revisionOf(3), id });
    expect(await begin(journal)).toBe(4);
    await ledger.advance(0, { revision: revisionOf(4), id });
    expect(await begin(journal)).toBe(5);
    // Shorter than it was, or with another record there.
    for (const place of [
      { revision: revisionOf(9), id },
      { revision: revisionOf(4), id: 'another' },
    ]) {
      await ledger.advance(0, place);
      halted.splice(0);
      const stop = new AbortController();
      const begun = begin(journal, stop.signal).catch((error: Error) => error.name);
      await until(
        () => halted,
        ([reason]) => reason !== undefined,
      );
      stop.abort();
      expect(await begun).toBe('Abandoned');
    }
  });
});

test('items hold everybody who is due, of one message and part each, at most 500', () => {
  const due = fc.record({ s: fc.integer({ min: 1, max: 3 }), u: fc.integer({ min: 0, max: 700 }), c: fc.nat(1) });
  fc.assert(
    fc.property(fc.array(due, { maxLength: 2_000, size: 'max' }), (all) => {
      const entries = all.map(
        ({ s, u, c }): Due => ({
          id: { l: LANE, s: seqOf(s), u: userId(`u${u}`), d: 'd' as DeviceId },
          due: NOW,
          subject: { ...subjectOf(s), part: c },
        }),
      );
      const items = itemsOf(entries, NOW + 1);
      const names = items.flatMap(({ s, u, c }) => u.map((user) => `${s} ${c} ${user}`)).sort();
      expect(names).toEqual([...new Set(all.map(({ s, u, c }) => `${s} ${c} u${u}`))].sort());
      for (const { u, due: at } of items) {
        expect(u.length).toBeLessThanOrEqual(500);
        expect(at).toBe(NOW + 1);
      }
    }),
    { numRuns: 30 },
  );
});

describe('what follows from a provider’s answer', () => {
  const told = (more = {}) => ({ acceptedAt: NOW, now: NOW + 8_000, isDelivered: false, ...more });
  test.each<[string, PushResult, object, Partial<Settled>]>([
    ['sent', { kind: 'sent' }, {}, { now: { kind: 'sent' }, attempt: { at: NOW + 8_000, o: 'SENT' } }],
    ['replaced', { kind: 'replaced', token: 't' }, {}, { now: { kind: 'sent' } }],
    ['dead', { kind: 'dead-token', code: '410' }, { isDropped: true }, { now: { kind: 'over', why: 'TOKEN_DEAD' } }],
    [
      'dead, and registered anew',
      { kind: 'dead-token', code: '410' },
      { isDropped: false },
      { now: { kind: 'again', due: NOW + 9_000 } },
    ],
    [
      'dead, registered anew long ago, and dead all the same',
      { kind: 'dead-token', code: '410' },
      { isDropped: false, acceptedAt: NOW - 3_600_000 },
      { now: { kind: 'again', due: NOW + 68_000 } },
    ],
    ['refused', { kind: 'refused', code: '413' }, {}, { now: { kind: 'over', why: 'PROVIDER_REFUSED' } }],
    [
      'expired',
      { kind: 'refused', code: 'EXPIRED' },
      {},
      { now: { kind: 'over', why: 'EXPIRED' }, attempt: { at: NOW + 8_000, o: 'DROPPED', code: 'EXPIRED' } },
    ],
    [
      'later, by its age',
      { kind: 'retry', code: '503', afterMs: 10 },
      {},
      { now: { kind: 'again', due: NOW + 9_000 } },
    ],
    [
      'later, by its wish',
      { kind: 'retry', code: '429', afterMs: 90_000 },
      {},
      { now: { kind: 'again', due: NOW + 98_000 } },
    ],
    [
      'credentials',
      { kind: 'credentials', code: '403', afterMs: 30_000 },
      {},
      { now: { kind: 'again', due: NOW + 38_000 } },
    ],
    [
      'called back',
      { kind: 'retry', code: 'ABORTED', afterMs: 0 },
      { isDelivered: true },
      { now: { kind: 'over', why: 'DELIVERED_IN_TIME' } },
    ],
  ])('%s', (_, result, more, expected) => {
    expect(settledBy(result, told(more))).toMatchObject(expected);
  });

  test('what was not tried is no attempt, and nothing waits beyond its end', () => {
    expect(settledBy({ kind: 'retry', code: 'BUSY', afterMs: 1 }, told())).not.toHaveProperty('attempt');
    fc.assert(
      fc.property(fc.nat(PUSH_EXPIRES_MS), fc.nat(10 * 60_000), (age, afterMs) => {
        const { now } = settledBy({ kind: 'retry', code: '503', afterMs }, told({ now: NOW + age }));
        if (now.kind !== 'again') throw new Error(now.kind);
        expect(now.due).toBeGreaterThanOrEqual(NOW + age);
        expect(now.due).toBeLessThanOrEqual(NOW + PUSH_EXPIRES_MS);
        expect(Number.isSafeInteger(now.due)).toBe(true);
      }),
    );
  });
});
