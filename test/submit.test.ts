/** The way into a lane, with everything that can go wrong on it. The model is a list. */
import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { Command, Outcome } from '../schema/commands.ts';
import type { LaneEvent } from '../schema/events.ts';
import { type LaneId, revisionOf, type Seq } from '../schema/ids.ts';
import type { Journal } from '../services/journal/journal.ts';
import { Lanes } from '../services/journal/lanes.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { DEFAULT_LIMITS, type KeyHistory, Submit } from '../services/journal/submit.ts';
import { DEFAULT_RULES } from '../services/lane/decide.ts';
import { anyBody, type Body, commandOf, LANE } from './support/commands.ts';
import { type AppendFault, FaultyJournal, GOOD_DAY, type Misfortune } from './support/faulty-journal.ts';

const log = pino({ level: 'silent' });

/** Every event of a lane, as it stands in the store. */
async function eventsOf(journal: Journal, lane: LaneId): Promise<LaneEvent[]> {
  const events: LaneEvent[] = [];
  for (let from = 1; ; ) {
    const { records, complete } = await journal.read(lane, revisionOf(from));
    for (const { record, revision } of records) {
      events.push(...(record?.events ?? []));
      from = revision + 1;
    }
    if (complete) return events;
  }
}

/** History as the lane itself tells it: exact, and now and then not to be had. */
const historyOf = (journal: Journal, misfortune: () => boolean): KeyHistory => ({
  async findKeys({ lane }, wanted) {
    if (misfortune()) throw new Error('history is down');
    const events = (await eventsOf(journal, lane.id)).filter(({ seq }) => seq <= lane.seq);
    return {
      upTo: lane.seq,
      found: wanted.map(({ sender, key }) => events.find((event) => event.by === sender && event.key === key)),
    };
  },
});

interface Process {
  readonly journal: FaultyJournal;
  readonly submit: Submit;
}

class World {
  readonly store = new MemoryJournal({ partitions: 1 });
  now = 1_700_000_000_000;
  readonly processes: Process[] = [];
  misfortune: Misfortune = GOOD_DAY;

  start(): Process {
    const journal = new FaultyJournal(this.store, {
      append: () => this.misfortune.append(),
      read: () => this.misfortune.read(),
    });
    const lanes = new Lanes(journal, { maxWeight: 100_000, log });
    const submit = new Submit(
      journal,
      lanes,
      historyOf(this.store, () => this.misfortune.read()),
      {
        rules: { ...DEFAULT_RULES, maxMembers: 5 },
        clock: () => this.now,
        log,
        limits: { answerMs: 200 },
        // Waiting makes time pass, and nothing else does.
        wait: async (ms) => {
          this.now += Math.ceil(ms);
          await new Promise((resolve) => setImmediate(resolve));
        },
      },
    );
    const process = { journal, submit };
    this.processes.push(process);
    return process;
  }
}

const steps = fc.array(
  fc.record({
    process: fc.integer({ min: 0, max: 2 }),
    user: fc.constantFrom('alice', 'bob', 'carol'),
    key: fc.integer({ min: 0, max: 15 }).map((n) => `k${n}`),
    body: anyBody,
    crash: fc.integer({ min: 0, max: 12 }).map((n) => n === 0),
    wait: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
);
const faults = fc.infiniteStream(
  fc.oneof(
    { weight: 1, arbitrary: fc.constant<AppendFault>('none') },
    {
      weight: 1,
      arbitrary: fc.constantFrom<AppendFault>('lost-before', 'lost-after', 'late', 'spurious-conflict', 'busy', 'full'),
    },
  ),
);
const failedReads = fc.infiniteStream(fc.integer({ min: 0, max: 9 }).map((n) => n === 0));

interface Attempt {
  readonly command: Command;
  readonly sentAt: number;
  answeredAt: number;
  outcome: Outcome | undefined;
}

/** What must hold between the answers that were given and the lane as it is. */
function check(attempts: readonly Attempt[], events: readonly LaneEvent[]): void {
  const bySender = new Map(events.map((event) => [`${event.by} ${event.key}`, event]));
  expect(bySender.size, 'one event a key').toBe(events.length);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
  for (const { command, outcome } of attempts) {
    if (outcome?.kind !== 'accepted' || !outcome.ack.changed) continue;
    const event = bySender.get(`${command.actor.user} ${command.key}`);
    expect(event, 'what was accepted is there').toMatchObject({ seq: outcome.ack.seq, hash: command.hash });
  }
  const wroteFor = new Set(
    attempts
      .filter(({ outcome }) => !outcome || outcome.kind === 'accepted' || outcome.kind === 'unknown')
      .map(({ command }) => `${command.actor.user} ${command.key} ${command.hash}`),
  );
  for (const event of events)
    expect(wroteFor, 'what was certainly not accepted is not there').toContain(
      `${event.by} ${event.key} ${event.hash}`,
    );
  const firsts = attempts.filter(
    ({ outcome }) => outcome?.kind === 'accepted' && outcome.ack.changed && !outcome.ack.repeated,
  );
  for (const a of firsts)
    for (const b of firsts)
      if (a.answeredAt < b.sentAt && a.outcome?.kind === 'accepted' && b.outcome?.kind === 'accepted')
        expect(a.outcome.ack.seq, 'answered before sent is before in the lane').toBeLessThan(b.outcome.ack.seq);
}

describe('submit', () => {
  it('loses nothing, doubles nothing and gives one answer a key, whatever goes wrong', async () => {
    await fc.assert(
      fc.asyncProperty(steps, faults, failedReads, async (run, faultStream, readStream) => {
        const world = new World();
        const alive = [world.start(), world.start(), world.start()];
        world.misfortune = { append: () => faultStream.next().value, read: () => readStream.next().value };
        let turn = 0;
        const attempts: Attempt[] = [];
        const send = (process: Process, command: Command): Promise<Attempt> => {
          const attempt: Attempt = {
            command,
            sentAt: turn++,
            answeredAt: Number.POSITIVE_INFINITY,
            outcome: undefined,
          };
          attempts.push(attempt);
          return process.submit
            .submit(command)
            .then((outcome) => Object.assign(attempt, { outcome, answeredAt: turn++ }));
        };
        const open = new Map<Process, Promise<Attempt>[]>(alive.map((process) => [process, []]));
        for (const { process: at, user, key, body, crash, wait } of run) {
          const process = alive[at] as Process;
          const sent = send(process, commandOf(user, key, body));
          open.get(process)?.push(sent);
          if (wait) await sent;
          if (!crash) continue;
          process.journal.kill();
          alive[at] = world.start();
          open.delete(process);
          open.set(alive[at], []);
        }
        await Promise.all([...open.values()].flat());
        world.misfortune = GOOD_DAY;
        for (const { journal } of world.processes) for (let i = 0; i < 50; i++) await journal.land();
        check(attempts, await eventsOf(world.store, LANE));
        // Everybody asks again, with the same key, until there is an answer that is final.
        for (const { command } of [...attempts]) {
          const { outcome } = await send(alive[0] as Process, command);
          expect(['accepted', 'refused'], 'a good day gives a final answer').toContain(outcome?.kind);
        }
        check(attempts, await eventsOf(world.store, LANE));
      }),
      { numRuns: 250 },
    );
  });

  it('puts commands that come while one is under way into one record', async () => {
    const world = new World();
    const { submit } = world.start();
    await submit.submit(commandOf('alice', 'c', { type: 'CreateConversation', kind: 'GROUP', members: [] }));
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        submit.submit(commandOf('alice', `k${i}`, { type: 'SendMessage', text: 'x' })),
      ),
    );
    expect(answers.map((a) => a.kind === 'accepted' && a.ack.seq)).toEqual(answers.map((_, i) => i + 2));
    const { records } = await world.store.read(LANE, revisionOf(1));
    expect(records.length).toBeLessThanOrEqual(3);
  });

  it('closes a record before it grows over its limit', async () => {
    const world = new World();
    const { submit } = world.start();
    await submit.submit(commandOf('alice', 'c', { type: 'CreateConversation', kind: 'GROUP', members: [] }));
    const text = '\u0001'.repeat(16_000);
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => submit.submit(commandOf('alice', `k${i}`, { type: 'SendMessage', text }))),
    );
    const { records } = await world.store.read(LANE, revisionOf(1));
    for (const { payload } of records) expect(payload.byteLength).toBeLessThanOrEqual(256 * 1024);
    expect((await eventsOf(world.store, LANE)).length).toBe(41);
  });

  it('answers "unknown" in time while the store is silent, and settles it when the store is back', async () => {
    const world = new World();
    const { submit } = world.start();
    await submit.submit(commandOf('alice', 'c', { type: 'CreateConversation', kind: 'GROUP', members: [] }));
    world.misfortune = { append: () => 'lost-before', read: () => false };
    const message = commandOf('alice', 'k', { type: 'SendMessage', text: 'x' });
    expect(await submit.submit(message)).toMatchObject({ kind: 'unknown' });
    const behind = submit.submit(commandOf('alice', 'k2', { type: 'SendMessage', text: 'y' }));
    expect((await behind).kind).toBe('unknown');
    world.misfortune = GOOD_DAY;
    expect(await submit.submit(message)).toMatchObject({ kind: 'accepted', ack: { seq: 2, repeated: true } });
  });

  it('never says "not accepted" of what may have been, nor "accepted" of what may not', async () => {
    const world = new World();
    const { submit } = world.start();
    await submit.submit(commandOf('alice', 'c', { type: 'CreateConversation', kind: 'GROUP', members: [] }));
    const faults: AppendFault[] = ['late'];
    world.misfortune = { append: () => faults.shift() ?? 'busy', read: () => false };
    const message = commandOf('alice', 'k', { type: 'SendMessage', text: 'x' });
    const [first, again] = await Promise.all([submit.submit(message), submit.submit(message)]);
    expect([first.kind, again.kind]).toEqual(['unknown', 'unknown']);
  });

  it('refuses, and never calls unknown, what is certainly not stored', async () => {
    const world = new World();
    const { submit } = world.start();
    await submit.submit(commandOf('alice', 'c', { type: 'CreateConversation', kind: 'GROUP', members: [] }));
    world.misfortune = { append: () => 'full', read: () => false };
    const message = commandOf('alice', 'k', { type: 'SendMessage', text: 'x' });
    expect(await submit.submit(message)).toMatchObject({ kind: 'refused', refusal: { code: 'STORE_FULL' } });
    world.misfortune = { append: () => 'busy', read: () => false };
    expect(await submit.submit(message)).toMatchObject({ kind: 'unavailable' });
    world.misfortune = { append: () => 'none', read: () => true };
    world.start();
    expect(await world.processes[1]?.submit.submit(message)).toMatchObject({ kind: 'unavailable' });
    expect((await eventsOf(world.store, LANE)).length).toBe(1);
  });

  it('refuses on a state that is new: a member whom another process added may send at once', async () => {
    const world = new World();
    const [a, b] = [world.start(), world.start()];
    await a.submit.submit(commandOf('alice', 'c', { type: 'CreateConversation', kind: 'GROUP', members: [] }));
    const bobs = (key: string) => commandOf('bob', key, { type: 'SendMessage', text: 'x' });
    expect(await b.submit.submit(bobs('k1'))).toMatchObject({ kind: 'refused', refusal: { code: 'NOT_FOUND' } });
    await a.submit.submit(commandOf('alice', 'm', { type: 'AddMembers', members: ['bob'], hideHistory: false }));
    expect(await b.submit.submit(bobs('k2'))).toMatchObject({ kind: 'accepted', ack: { seq: 3 } });
    await a.submit.submit(commandOf('alice', 'r', { type: 'RemoveMember', member: 'bob' }));
    expect(await b.submit.submit(bobs('k3'))).toMatchObject({ kind: 'refused', refusal: { code: 'NOT_FOUND' } });
  });

  it('knows a key again after 10,000 further messages, from a process that never saw it, and refuses it for other content', async () => {
    const world = new World();
    const { submit } = world.start();
    const create = commandOf('alice', 'c', { type: 'CreateConversation', kind: 'GROUP', members: ['bob'] });
    await submit.submit(create);
    const first = commandOf('alice', 'first', { type: 'SendMessage', text: 'x' });
    await submit.submit(first);
    for (let i = 0; i < 10_000; i += 500) {
      world.now += 5_000;
      const body: Body = { type: 'SendMessage', text: 'y' };
      await Promise.all(Array.from({ length: 500 }, (_, n) => submit.submit(commandOf('bob', `b${i + n}`, body))));
    }
    const other = world.start().submit;
    // Also where the command would be refused, or change nothing, if it came for the first time now.
    expect(await other.submit(create)).toMatchObject({ kind: 'accepted', ack: { seq: 1, repeated: true } });
    expect(await other.submit(first)).toMatchObject({ kind: 'accepted', ack: { seq: 2, repeated: true } });
    const reused = commandOf('alice', 'first', { type: 'SendMessage', text: 'other' });
    expect(await other.submit(reused)).toMatchObject({ kind: 'refused', refusal: { code: 'KEY_REUSED' } });
    // With history down the answer is "not now", never a guess.
    world.misfortune = { append: () => 'none', read: () => true };
    expect(await submit.submit(commandOf('alice', 'plain', { type: 'SendMessage', text: 'z' }))).toMatchObject({
      kind: 'unavailable',
    });
  });

  it('gives who has left the first answer to a key that the lane has forgotten, and asks nothing for a stranger', async () => {
    const world = new World();
    const { submit } = world.start();
    await submit.submit(
      commandOf('alice', 'c', { type: 'CreateConversation', kind: 'GROUP', members: ['bob', 'carol'] }),
    );
    const bobs = commandOf('bob', 'b', { type: 'SendMessage', text: 'x' });
    const leaving = commandOf('bob', 'l', { type: 'LeaveConversation' });
    expect(await submit.submit(bobs)).toMatchObject({ kind: 'accepted', ack: { seq: 2 } });
    expect(await submit.submit(leaving)).toMatchObject({ kind: 'accepted', ack: { seq: 3 } });
    for (let i = 0; i < 5_000; i += 500) {
      world.now += 5_000;
      const body: Body = { type: 'SendMessage', text: 'y' };
      await Promise.all(Array.from({ length: 500 }, (_, n) => submit.submit(commandOf('carol', `c${i + n}`, body))));
    }
    expect(await submit.submit(bobs)).toMatchObject({ kind: 'accepted', ack: { seq: 2, repeated: true } });
    expect(await submit.submit(leaving)).toMatchObject({ kind: 'accepted', ack: { seq: 3, repeated: true } });
    // Only history would fail here: the stranger's refusal comes without it.
    let historyIsDown = false;
    const stranger = commandOf('mallory', 'm', { type: 'SendMessage', text: 'x' });
    const lanes = new Lanes(world.store, { maxWeight: 1_000, log });
    const alone = new Submit(
      world.store,
      lanes,
      historyOf(world.store, () => historyIsDown),
      {
        rules: DEFAULT_RULES,
        clock: () => world.now,
        log,
      },
    );
    historyIsDown = true;
    expect(await alone.submit(stranger)).toMatchObject({ kind: 'refused', refusal: { code: 'NOT_FOUND' } });
  });

  it('has a limit on what waits, and the limit has a name', async () => {
    const world = new World();
    const journal = new FaultyJournal(world.store, GOOD_DAY);
    const lanes = new Lanes(journal, { maxWeight: 1_000, log });
    const limits = { ...DEFAULT_LIMITS, waiting: 20, waitingPerLane: 10 };
    const submit = new Submit(
      journal,
      lanes,
      historyOf(world.store, () => false),
      { rules: DEFAULT_RULES, clock: () => world.now, log, limits },
    );
    const send = (lane: string, i: number) =>
      submit.submit(commandOf('alice', `k${i}`, { type: 'SendMessage', text: 'x' }, lane as LaneId));
    const outcomes = await Promise.all([
      ...Array.from({ length: 15 }, (_, i) => send('c1', i)),
      ...Array.from({ length: 15 }, (_, i) => send('c2', i)),
    ]);
    const names = outcomes.map((o) => (o.kind === 'refused' ? o.refusal.code : o.kind));
    expect(names.filter((name) => name === 'CONTENDED').length).toBe(4);
    expect(names.filter((name) => name === 'unavailable').length).toBe(6);
    expect(names.filter((name) => name === 'NOT_FOUND').length).toBe(20);
  });

  it('answers "unavailable" in time while nothing can be sent, and never sends it afterwards', async () => {
    const world = new World();
    const { submit: writer } = world.start();
    await writer.submit(commandOf('alice', 'c', { type: 'CreateConversation', kind: 'GROUP', members: [] }));
    const { submit, journal } = world.start();
    // The reads hang, each for longer than a sender waits.
    let goOn = (): void => {};
    const hanging = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const { last, read } = journal;
    journal.last = (lane) => hanging.then(() => last(lane));
    journal.read = (...ask) => hanging.then(() => read(...ask));
    const hi = (key: string) => commandOf('alice', key, { type: 'SendMessage', text: 'x' });
    const sent = [submit.submit(hi('k1')), submit.submit(hi('k2'))];
    world.now += 201;
    expect((await Promise.all(sent)).map(({ kind }) => kind)).toEqual(['unavailable', 'unavailable']);
    goOn();
    expect(await submit.submit(hi('k3'))).toMatchObject({ kind: 'accepted', ack: { seq: 2 } });
    expect((await eventsOf(world.store, LANE)).map(({ key }) => key)).toEqual(['c', 'k3']);
  });

  it('answers "unknown" to who sent the same once more, while the first is on its way', async () => {
    const world = new World();
    const { submit, journal } = world.start();
    await submit.submit(commandOf('alice', 'c', { type: 'CreateConversation', kind: 'GROUP', members: [] }));
    let goOn = (): void => {};
    const hanging = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const append = journal.append.bind(journal);
    let isSent: () => void = () => {};
    const sending = new Promise<void>((resolve) => {
      isSent = resolve;
    });
    journal.append = (...record) => {
      isSent();
      return hanging.then(() => append(...record));
    };
    const message = commandOf('alice', 'k', { type: 'SendMessage', text: 'x' });
    const first = submit.submit(message);
    await sending;
    const again = submit.submit(message);
    world.now += 201;
    expect((await again).kind).toBe('unknown');
    goOn();
    expect(await first).toMatchObject({ kind: 'accepted', ack: { seq: 2 } });
  });

  it('answers only those in time whose time is over, and sends what came later', async () => {
    const world = new World();
    const { submit } = world.start();
    await submit.submit(commandOf('alice', 'c', { type: 'CreateConversation', kind: 'GROUP', members: [] }));
    let isBusy = true;
    world.misfortune = { append: () => (isBusy ? 'busy' : 'none'), read: () => false };
    const hi = (key: string) => commandOf('alice', key, { type: 'SendMessage', text: 'x' });
    const first = submit.submit(hi('k1'));
    world.now += 150;
    const second = submit.submit(hi('k2'));
    expect((await first).kind).toBe('unavailable');
    isBusy = false;
    expect(await second).toMatchObject({ kind: 'accepted', ack: { seq: 2 } });
  });

  it('repeats an append of an unknown end a bounded number of times, and then goes on with what waits behind it', async () => {
    const world = new World();
    const { submit } = world.start();
    await submit.submit(commandOf('alice', 'c', { type: 'CreateConversation', kind: 'GROUP', members: [] }));
    let appends = 0;
    world.misfortune = {
      append: () => (++appends <= DEFAULT_LIMITS.attempts ? 'lost-before' : 'none'),
      read: () => false,
    };
    const hi = (key: string) => commandOf('alice', key, { type: 'SendMessage', text: 'x' });
    expect(await submit.submit(hi('first'))).toMatchObject({ kind: 'unknown' });
    const behind: Outcome[] = [];
    while (behind.at(-1)?.kind !== 'accepted' && behind.length < 100)
      behind.push(await submit.submit(hi(`b${behind.length}`)));
    // Behind what may be stored nothing is called certain.
    expect(new Set(behind.slice(0, -1).map(({ kind }) => kind))).toEqual(new Set(['unknown']));
    expect(behind.at(-1)).toMatchObject({ kind: 'accepted', ack: { seq: 2 } });
    expect(appends).toBe(DEFAULT_LIMITS.attempts + 1);
    expect(await submit.submit(hi('first'))).toMatchObject({ kind: 'accepted', ack: { seq: 3 } });
  });

  it('stops: what is in flight is answered, what comes later is turned away', async () => {
    const world = new World();
    const { submit } = world.start();
    const sent = submit.submit(commandOf('alice', 'c', { type: 'CreateConversation', kind: 'GROUP', members: [] }));
    const stopped = submit.stop();
    expect(await submit.submit(commandOf('alice', 'k', { type: 'SendMessage', text: 'x' }))).toMatchObject({
      kind: 'unavailable',
    });
    expect(await sent).toMatchObject({ kind: 'accepted', ack: { seq: 1 as Seq } });
    await stopped;
  });
});
