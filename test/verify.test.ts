import type { Db } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { LaneEvent } from '../schema/events.ts';
import type { LaneId, Seq } from '../schema/ids.ts';
import { ConfigError } from '../services/config.ts';
import { openJetStreamJournal } from '../services/journal/jetstream.ts';
import type { Journal } from '../services/journal/journal.ts';
import { Lanes } from '../services/journal/lanes.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { start } from '../services/projector/main.ts';
import { rebuild, rebuildHistory } from '../services/projector/rebuild.ts';
import { verify, verifyHistory } from '../services/projector/verify.ts';
import { Mongo } from '../services/views/connect.ts';
import { readGeneration } from '../services/views/generation.ts';
import { HistoryUnavailable, openHistory } from '../services/views/history.ts';
import { openReads } from '../services/views/reads.ts';
import { type EventDocument, eventId, generationOf, KEY_INDEX } from '../services/views/views.ts';
import { projectNow, silent } from './support/projecting.ts';
import { laneId, Scribe, until } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';

const C1 = laneId('c1');
const C2 = laneId('c2');
const C3 = laneId('c3');

let servers: TestServers;
let mongo: Mongo;
let db: Db;

beforeAll(async () => {
  servers = await startServers();
  mongo = new Mongo(servers.config().mongo, silent, { socketTimeoutMs: 5_000, maxPoolSize: 8 });
  db = await mongo.db();
});
afterAll(async () => {
  await mongo?.close();
  await servers?.stop();
});

const views = async () => generationOf(db, (await readGeneration(db)) ?? 'none');
const verified = async (journal: Journal, conversation?: LaneId) => {
  const lines: string[] = [];
  const { differences } = await verifyHistory(
    { journal, mongo },
    { print: (line) => lines.push(line), standstillMs: 300, ...(conversation ? { conversation } : {}) },
  );
  expect(differences).toBe(lines.length);
  return lines;
};
/** All that was made from the lanes; not when it was made. */
const contents = async () => {
  const { history, memberships, conversations, parked } = await views();
  const all = [history, memberships, conversations].map((one) =>
    (one as typeof history).find({}, { sort: { _id: 1 } }).toArray(),
  );
  return [
    ...(await Promise.all(all)),
    await parked.find({}, { sort: { _id: 1 }, projection: { parkedAt: 0 } }).toArray(),
  ];
};

type Damage = readonly [
  what: string,
  act: (v: Awaited<ReturnType<typeof views>>) => Promise<unknown>,
  lines: readonly RegExp[],
];
const copyOf = async ({ history }: Awaited<ReturnType<typeof views>>, seq: number): Promise<EventDocument> =>
  (await history.findOne({ _id: eventId(C1, seq) })) as EventDocument;
const DAMAGES: readonly Damage[] = [
  ['an event is missing', (v) => v.history.deleteOne({ _id: eventId(C1, 5) }), [/^c1: event 5 is missing$/]],
  ['the last event is missing', (v) => v.history.deleteOne({ _id: eventId(C1, 41) }), [/^c1: event 41 is missing$/]],
  [
    'a whole lane is missing',
    (v) => v.history.deleteMany({ '_id.l': C1 }),
    Array.from({ length: 41 }, (_, i) => new RegExp(`^c1: event ${i + 1} is missing$`)),
  ],
  [
    'a text is another',
    (v) => v.history.updateOne({ _id: eventId(C1, 5) }, { $set: { 'body.text': 'forged' } }),
    [/^c1: event 5 differs in body$/],
  ],
  [
    'a sender is another',
    (v) => v.history.updateOne({ _id: eventId(C1, 5) }, { $set: { by: 'mallory' as never } }),
    [/^c1: event 5 differs in by$/],
  ],
  [
    'two events changed places',
    async (v) => {
      const [five, six] = [await copyOf(v, 5), await copyOf(v, 6)];
      await v.history.deleteMany({ _id: { $in: [five._id, six._id] } });
      await v.history.insertMany([
        { ...five, _id: six._id },
        { ...six, _id: five._id },
      ]);
    },
    [/^c1: event 5 differs/, /^c1: event 6 differs/],
  ],
  [
    'an event too many at the end',
    async (v) => v.history.insertOne({ ...(await copyOf(v, 41)), _id: eventId(C1, 42), key: 'surplus' as never }),
    [/^c1: event 42 .* is in history and not in the lane$/],
  ],
  [
    'an event too many before the first',
    async (v) => v.history.insertOne({ ...(await copyOf(v, 41)), _id: eventId(C1, 0), key: 'surplus' as never }),
    [/^c1: event 0 .* is in history and not in the lane$/],
  ],
  [
    'a record is parked that is in history, too',
    async (v) =>
      v.parked.insertOne({
        _id: { p: 0, rev: (await copyOf(v, 5)).rev },
        lane: C1,
        reason: 'made up',
        payload: Buffer.from('') as never,
        storedAt: 1,
        parkedAt: new Date(),
      }),
    [/^c1: the record at stream sequence \d+ is parked: made up$/, /^c1: event 5 is in history, though/],
  ],
];

describe('verify, and rebuild of one conversation', () => {
  let journal: MemoryJournal;
  let scribe: Scribe;
  beforeEach(async () => {
    await db.dropDatabase();
    journal = new MemoryJournal({ partitions: 1 });
    scribe = new Scribe(journal);
    for (const lane of [C1, C2]) await scribe.create(lane, 'bob');
    await scribe.say(C1, 40);
    await scribe.say(C2, 20, 3);
    await projectNow(journal, mongo);
  });

  test.each(DAMAGES)('%s: it is said, in a line each, and mended in place', async (_, damage, lines) => {
    const before = await contents();
    expect(await verified(journal)).toEqual([]);
    await damage(await views());
    for (const found of [await verified(journal), await verified(journal, C1)]) {
      expect(found.length).toBe(lines.length);
      for (const line of lines) expect(found.some((one) => line.test(one))).toBe(true);
    }
    expect(await verified(journal, C2)).toEqual([]);
    await rebuildHistory({ journal, mongo }, silent, { conversation: C1, print: () => undefined });
    expect(await verified(journal)).toEqual([]);
    expect(await contents()).toEqual(before);
  });

  test('memberships and the last activity of a conversation are mended with it', async () => {
    const before = await contents();
    const { memberships, conversations } = await views();
    await memberships.updateMany({ '_id.l': C1 }, { $set: { member: false } });
    await memberships.insertOne({ _id: { u: 'mallory', l: C1 }, seq: 2, member: true } as never);
    await conversations.updateOne({ _id: C1 }, { $set: { at: 1 } });
    await rebuildHistory({ journal, mongo }, silent, { conversation: C1, print: () => undefined });
    expect(await contents()).toEqual(before);
  });

  test('a lane that does not exist, and a missing index, are said, and a lane that does not exist is mended away', async () => {
    const { history } = await views();
    const document = await copyOf(await views(), 3);
    await history.insertOne({ ...document, _id: eventId(C3, 1) });
    await history.dropIndex(KEY_INDEX);
    expect(await verified(journal)).toEqual([
      expect.stringContaining('index'),
      expect.stringMatching(/^c3: history has 1 events/),
    ]);
    expect(await verified(journal, C3)).toEqual([
      expect.stringContaining('index'),
      expect.stringMatching(/^c3: .*no such lane/),
    ]);
    await rebuildHistory({ journal, mongo }, silent, { conversation: C3, print: () => undefined });
    expect(await history.countDocuments({ '_id.l': C3 })).toBe(0);
  });

  test('what nobody projected is not awaited for ever: one clear line', async () => {
    await scribe.say(C1, 3);
    await expect(verified(journal)).rejects.toThrow(
      /projector stands still: partition 0 is projected up to \d+ of \d+/,
    );
    await expect(verified(journal)).rejects.toThrow(ConfigError);
    expect(await verified(journal, C2)).toEqual([]);
  });

  test('a parked record stays parked as long as it cannot be in history, and comes in when it can', async () => {
    const { revision } = journal.put(C1, new TextEncoder().encode('poison'));
    await projectNow(journal, mongo);
    await rebuildHistory({ journal, mongo }, silent, { conversation: C1, print: () => undefined });
    expect(await verified(journal)).toEqual([
      `c1: the record at stream sequence ${revision} is parked: not a record of this lane that this version can read`,
    ]);
    const { history, parked } = await views();
    await history.insertOne({
      ...(await copyOf(await views(), 41)),
      _id: eventId(C2, 22),
      key: 'in the way' as never,
    } as never);
    await scribe.say(C2, 1);
    await projectNow(journal, mongo);
    expect(await parked.countDocuments({ lane: C2 })).toBe(1);
    await rebuildHistory({ journal, mongo }, silent, { conversation: C2, print: () => undefined });
    expect(await parked.countDocuments({ lane: C2 })).toBe(0);
    expect(await verified(journal, C2)).toEqual([]);
  });

  test('rebuilt twice, it is the same; nothing of the old generations is left', async () => {
    journal.put(C2, new TextEncoder().encode('poison'));
    await projectNow(journal, mongo);
    const before = await contents();
    const names = new Set<string>();
    for (let i = 0; i < 2; i++) {
      await rebuildHistory({ journal, mongo }, silent, { print: () => undefined, dropAfterMs: 0 });
      names.add((await views()).name);
      expect(await contents()).toEqual(before);
      expect((await db.listCollections().toArray()).filter(({ name }) => name.startsWith('history_'))).toHaveLength(1);
    }
    expect(names.size).toBe(2);
  });

  test('of two rebuilds at once one is refused', async () => {
    const both = await Promise.allSettled(
      [1, 2].map(() => rebuildHistory({ journal, mongo }, silent, { print: () => undefined, dropAfterMs: 0 })),
    );
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await verified(journal)).toEqual([]);
  });
});

describe('on servers, while it is written and read', () => {
  test('a rebuild shows nobody a hole; verify before, during and after finds nothing; a dropped history comes back', async () => {
    await db.dropDatabase();
    const config = servers.config({ LANES_PARTITIONS: '2', LANES_ADMIN_PORT: '0' });
    const journal = await openJetStreamJournal({
      ...config.nats,
      partitions: 2,
      maxBytes: config.storeBytes,
      log: silent,
      name: 'test',
    });
    const projector = await start(config, silent);
    const history = openHistory(config, silent);
    try {
      const reads = openReads(history, journal);
      const lanes = new Lanes(journal, { maxWeight: 1e6, log: silent });
      const scribe = new Scribe(journal);
      const names = Array.from({ length: 6 }, (_, i) => laneId(`live-${i}`));
      for (const lane of names) {
        await scribe.create(lane, 'bob');
        await scribe.say(lane, 200, 5);
      }
      let going = true;
      let isDropped = false;
      const writers = names.map(async (lane) => {
        while (going) await scribe.say(lane, 4, 2);
      });
      let pages = 0;
      const readers = names.map(async (lane) => {
        while (going) {
          const loaded = await lanes.fresh(lane);
          const known: readonly LaneEvent[] = scribe.events(lane);
          const sight = { from: 1 as Seq, to: Number.POSITIVE_INFINITY };
          const page = await reads.page(loaded, sight, { last: 80 }).catch((error: unknown) => {
            // Of a history that somebody dropped nothing can be read, until readers have noticed.
            if (isDropped && error instanceof HistoryUnavailable) return undefined;
            throw error;
          });
          if (!page) continue;
          const top = page.asOf;
          expect(page.events.map(({ seq }) => seq)).toEqual(Array.from({ length: 80 }, (_, i) => top - 79 + i));
          expect(top).toBe(loaded.lane.seq);
          const both = page.events.filter(({ seq }) => seq <= known.length);
          expect(both).toEqual(both.map(({ seq }) => known[seq - 1]));
          pages++;
        }
      });
      const lines: string[] = [];
      const print = (line: string) => lines.push(line);
      const whole = async () => (await verify({ config, log: silent, print })).differences;
      expect(await whole()).toBe(0);
      await rebuild({ config, log: silent, print: () => undefined, dropAfterMs: 8_000 });
      expect(await whole()).toBe(0);
      isDropped = true;
      await db.dropDatabase();
      await until(
        () => readGeneration(db),
        (name) => name !== undefined,
      );
      const after = pages;
      await until(
        () => pages,
        (now) => now > after + 20,
      );
      expect(await whole()).toBe(0);
      going = false;
      await Promise.all([...writers, ...readers]);
      expect(await whole()).toBe(0);
      expect(lines).toEqual([]);
    } finally {
      await Promise.all([projector.stop(), history.close()]);
      await journal.close();
    }
  }, 90_000);
});
