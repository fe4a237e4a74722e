/** Deliberately broken builds: the checker catches each, and finds nothing in the right build that went through the same. */
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Outcome } from '../schema/commands.ts';
import { revisionOf } from '../schema/ids.ts';
import type { Journal } from '../services/journal/journal.ts';
import { Lanes } from '../services/journal/lanes.ts';
import { type KeyHistory, Submit } from '../services/journal/submit.ts';
import { DEFAULT_RULES } from '../services/lane/decide.ts';
import { projectPartition } from '../services/projector/partition.ts';
import { Session } from '../services/projector/session.ts';
import { Mongo } from '../services/views/connect.ts';
import { ensureGeneration } from '../services/views/generation.ts';
import { Store } from '../services/views/store.ts';
import {
  blindHistory,
  deathOf,
  killedAfterInsert,
  killedBeforeInsert,
  PoweredJournal,
  watermarkFirst,
  withoutUniqueIndex,
} from './faults/builds.ts';
import { check } from './faults/checker.ts';
import { readHistory } from './faults/stores.ts';
import type { Answer, Attempt, Invariant, StoredLaneRecord, Stores, Wish } from './faults/trace.ts';
import { commandOf, LANE } from './support/commands.ts';
import { observing } from './support/projecting.ts';
import { startServers, type TestServers } from './support/servers.ts';

const log = pino({ level: 'silent' });
const TEXTS = 20;

const answerOf = (outcome: Outcome): Answer => {
  switch (outcome.kind) {
    case 'accepted': {
      const { seq, at, repeated, changed } = outcome.ack;
      return { kind: 'accepted', seq, at, repeated, changed };
    }
    case 'refused':
      return { kind: 'refused', code: outcome.refusal.code, retryable: false };
    case 'unknown':
      return { kind: 'error', code: 'OUTCOME_UNKNOWN', retryable: true };
    case 'unavailable':
      return { kind: 'error', code: 'UNAVAILABLE', retryable: true };
    default:
      return outcome satisfies never;
  }
};

/** The lane itself as history, as far as it reaches: what a right look-up finds. */
const laneAsHistory = (journal: Journal): KeyHistory => ({
  findKeys: async ({ lane }, wanted) => {
    const events = [...(await recordsOf(journal))].flatMap((record) => record.events ?? []);
    const find = (sender: string, key: string) => events.find((event) => event.by === sender && event.key === key);
    return { upTo: lane.seq, found: wanted.map(({ sender, key }) => find(sender, key)) };
  },
});

async function recordsOf(journal: Journal): Promise<StoredLaneRecord[]> {
  const stored: StoredLaneRecord[] = [];
  for (let from = 1; ; ) {
    const { records, complete } = await journal.read(LANE, revisionOf(from));
    for (const { revision, record } of records) {
      stored.push({ revision, events: record?.events });
      from = revision + 1;
    }
    if (complete) return stored;
  }
}

/** A process that takes commands, and those who give them. */
class Desk {
  readonly attempts: Attempt[];
  readonly #submit: Submit;
  #now = 1_750_000_000_000;

  constructor(journal: Journal, history: KeyHistory, attempts: Attempt[] = []) {
    this.attempts = attempts;
    const lanes = new Lanes(journal, { maxWeight: 1_000_000, log });
    // Each look at the clock takes a while, so that much happens in a little time.
    const clock = () => {
      this.#now += 10;
      return this.#now;
    };
    this.#submit = new Submit(journal, lanes, history, { rules: DEFAULT_RULES, clock, log });
  }

  async give(user: string, key: string, wish: Wish): Promise<void> {
    const body =
      wish.type === 'create'
        ? ({ type: 'CreateConversation', kind: wish.kind, members: wish.members } as const)
        : ({ type: 'SendMessage', text: wish.type === 'send' ? wish.text : '' } as const);
    const sentAt = performance.now();
    const answer = answerOf(await this.#submit.submit(commandOf(user, key, body)));
    const answeredAt = performance.now();
    this.attempts.push({ user, lane: LANE, key, wish, process: 'desk', door: 'http', sentAt, answeredAt, answer });
  }

  create(): Promise<void> {
    return this.give('alice', 'k0', { type: 'create', kind: 'GROUP', members: ['bob'] });
  }

  async send(from: number, to: number): Promise<void> {
    for (let n = from; n <= to; n++) await this.give('alice', `k${n}`, { type: 'send', text: `say ${n}` });
  }
}

const found = (attempts: readonly Attempt[], stores: Stores): Invariant[] => [
  ...new Set(check({ attempts, sessions: [], pages: [], surprises: [], stores }).map(({ invariant }) => invariant)),
];
/** As if history were as it should be. */
const storesWith = (records: readonly StoredLaneRecord[]): Stores => ({
  lanes: new Map([[LANE as string, records]]),
  history: new Map([
    [LANE as string, records.flatMap(({ revision, events = [] }) => events.map((event) => ({ revision, event })))],
  ]),
  parked: [],
});

describe('acknowledge before store', () => {
  /** A power cut in the midst of sending. */
  async function powerCut(syncEvery: number): Promise<Invariant[]> {
    const before = new PoweredJournal(syncEvery);
    const desk = new Desk(before, laneAsHistory(before));
    await desk.create();
    await desk.send(1, TEXTS);
    const after = before.restarted();
    await new Desk(after, laneAsHistory(after), desk.attempts).send(TEXTS + 1, TEXTS + 5);
    return found(desk.attempts, storesWith(await recordsOf(after)));
  }

  test('is caught', async () => expect(await powerCut(8)).toContain('I1'));
  test('the right build passes', async () => expect(await powerCut(1)).toEqual([]));
});

describe('no unique index: an old key is not found', () => {
  /** The first command again, after so many others that the lane has forgotten its key. */
  async function longAgo(historyOf: (journal: Journal) => KeyHistory): Promise<Invariant[]> {
    const journal = new PoweredJournal(1);
    const desk = new Desk(journal, historyOf(journal));
    await desk.create();
    await desk.send(1, 1);
    const others = Array.from({ length: 8_500 }, (_, n) => `other${n}`);
    for (let n = 0; n < others.length; n += 500)
      await Promise.all(others.slice(n, n + 500).map((key) => desk.give('bob', key, { type: 'send', text: key })));
    await desk.send(1, 1);
    return found(desk.attempts, storesWith(await recordsOf(journal)));
  }

  test('is caught', async () => expect(await longAgo(() => blindHistory)).toContain('I2'));
  test('the right build passes', async () => expect(await longAgo(laneAsHistory)).toEqual([]));
});

describe('broken projectors', () => {
  let servers: TestServers;
  let databases = 0;
  beforeAll(async () => {
    servers = await startServers({ nats: false });
  });
  afterAll(() => servers.stop());

  type First = (
    db: Parameters<typeof killedAfterInsert>[0],
    generation: string,
    death: ReturnType<typeof deathOf>,
  ) => Store;

  /** A projector of the build `first` is killed where the build says; one of the build `second` goes on. */
  async function killed(first: First, second: First = (db, name) => new Store(db, name)): Promise<Invariant[]> {
    const journal = new PoweredJournal(1);
    const desk = new Desk(journal, laneAsHistory(journal));
    await desk.create();
    await desk.send(1, TEXTS);
    const url = servers.mongo.url.replace('/lanes?', `/broken${++databases}?`);
    const mongo = new Mongo(servers.config({ LANES_MONGO_URL: url }).mongo, log, {
      socketTimeoutMs: 20_000,
      maxPoolSize: 4,
    });
    try {
      const name = await ensureGeneration(await mongo.db());
      const death = deathOf();
      const sessionOf = (build: First) => {
        const observe = observing({ alarms: 0, rows: 0 });
        return new Session(
          build(() => mongo.db(), name, death),
          { log, observe, listEveryMs: 50 },
        );
      };
      const [dying, living] = [sessionOf(first), sessionOf(second)];
      const { signal } = new AbortController();
      void projectPartition(journal, dying, 0, { signal }).catch(() => undefined);
      await death.died;
      const until = await journal.partitionEnd(0);
      await projectPartition(journal, living, 0, { signal, until });
      await Promise.all([living.stop(10_000), dying.stop(0)]);
      const { history, parked } = await readHistory(url);
      return found(desk.attempts, { ...storesWith(await recordsOf(journal)), history, parked });
    } finally {
      await mongo.close();
    }
  }

  test('no unique index: inserted again, it is there twice', async () => {
    const careless: First = (db, name, { die }) => withoutUniqueIndex(die)(db, name);
    const goesOn: First = (db, name) => withoutUniqueIndex(async (done) => done)(db, name);
    expect(await killed(careless, goesOn)).toContain('I3');
  });
  test('acknowledge before insert: a watermark above what is written', async () => {
    const names = await killed(watermarkFirst);
    expect(names).toContain('I4');
    expect(names).toContain('I3');
  });
  test('the right build, killed after an insert, passes', async () =>
    expect(await killed(killedAfterInsert)).toEqual([]));
  test('the right build, killed before an insert, passes', async () =>
    expect(await killed(killedBeforeInsert)).toEqual([]));
});
