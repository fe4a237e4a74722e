/** What lies in an integration's stream: how long, what becomes of what is not read or not taken, and that it is told. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeadLetter } from '../bridge/dead-letters.ts';
import { lagOf } from '../bridge/lag.ts';
import type { Pump } from '../bridge/pump.ts';
import { listDead, redrive } from '../bridge/redrive.ts';
import { isUnread, matches } from '../bridge/unread.ts';
import { appStream } from '../schema/subjects.ts';
import { Questions } from '../services/journal/ask.ts';
import { type Link, openLink } from '../services/journal/link.ts';
import { app, type Bridging, type Got, Reader, range, startBridging } from './support/bridging.ts';
import { silent } from './support/projecting.ts';
import { laneId, until } from './support/scribe.ts';

describe('the stream of an integration', () => {
  let bridging: Bridging;
  let pump: Pump;
  let link: Link;
  let questions: Questions;

  beforeAll(async () => {
    bridging = await startBridging();
    pump = await bridging.startPump({ LANES_APP_STREAM_BYTES: String(1024 * 1024) });
    link = await openLink({ ...(bridging.config.natsBridge as never as object), name: 'test', log: silent } as never);
    questions = new Questions(link);
  });
  afterAll(async () => {
    await link?.close();
    await bridging?.stop();
  });

  const large = async (lane: string, count: number): Promise<void> => {
    for (let i = 0; i < count; i++)
      await bridging.scribe.write(laneId(lane), [{ type: 'MessageSent', text: `${i}${'x'.repeat(20_000)}` }]);
  };
  /** As a strict client reads: the next, or a Reset and then the one after it. */
  const expectTold = (got: readonly Got[], lane: string): void => {
    let position = 0;
    for (const { type, seq } of got.filter(({ conversationId }) => conversationId === lane)) {
      if (type === 'Reset') position = Math.max(position, seq);
      else if (seq > position) {
        expect(seq).toBe(position + 1);
        position = seq;
      }
    }
    expect(position).toBe(bridging.scribe.events(laneId(lane)).length);
  };

  it('tells a reader that was too far behind, in every conversation where something went unread', async () => {
    const { scribe } = bridging;
    const reader = new Reader(await bridging.enter(await bridging.add('slow1')), 'slow1');
    await reader.open();
    for (const lane of ['s1', 's2', 's3']) await scribe.create(laneId(lane), 'app_slow1');
    await reader.read((got) => got.length >= 3);
    await scribe.say(laneId('s1'), 3);
    await large('s2', 120);
    await scribe.say(laneId('s3'), 2);
    await until(
      async () =>
        (await lagOf({ link, questions, journal: bridging.journal, clock: Date.now }, app('slow1'))).behindRecords,
      (behind) => behind === 0,
    );
    await scribe.say(laneId('s3'), 2);
    await reader.read((got) => got.some(({ conversationId, seq }) => conversationId === 's3' && seq === 5));
    for (const lane of ['s1', 's2', 's3']) expectTold(reader.got, lane);
    const resets = reader.got.filter(({ type }) => type === 'Reset');
    // Nothing comes in s1 any more: without the Reset it would never be missed.
    expect(resets).toContainEqual({ type: 'Reset', conversationId: 's1', seq: 4, resetReason: 'TOO_FAR_BEHIND' });
    expect(resets.map(({ conversationId }) => conversationId)).toContain('s2');
  });

  it('tells a reader that keeps up nothing of what goes', { timeout: 60_000 }, async () => {
    const { scribe, manager } = bridging;
    const reader = new Reader(await bridging.enter(await bridging.add('quick1')), 'quick1');
    await scribe.create(laneId('q1'), 'app_quick1');
    await scribe.create(laneId('q2'), 'app_quick1');
    for (let i = 0; i < 8; i++) {
      await large('q1', 15);
      const { length } = scribe.events(laneId('q1'));
      await reader.read((got) => got.some(({ conversationId, seq }) => conversationId === 'q1' && seq === length));
    }
    expect((await manager.streams.info('APP_quick1')).state.first_seq).toBeGreaterThan(1);
    await scribe.say(laneId('q2'), 1);
    await reader.read((got) => got.some(({ conversationId, seq }) => conversationId === 'q2' && seq === 2));
    expect(reader.got.map(({ type }) => type)).not.toContain('Reset');
    expect(reader.seqs(laneId('q1'))).toEqual(range(1, 121));
    expect(reader.seqs(laneId('q2'))).toEqual([1, 2]);
  });

  it('keeps what was refused for good, or never acknowledged, with the reason, and gives it again', {
    timeout: 60_000,
  }, async () => {
    const { scribe } = bridging;
    const connection = await bridging.enter(await bridging.add('picky1'));
    await scribe.create(laneId('p1'), 'app_picky1');
    await scribe.say(laneId('p1'), 2);
    const reader = new Reader(connection, 'picky1', 'worker', { max_deliver: 2, ack_wait: 200_000_000 });
    await reader.open();
    const consumer = await connection.jetstream().consumers.get(appStream(app('picky1')), 'worker');
    const taken: Got[] = [];
    const dead = async (): Promise<DeadLetter[]> => {
      const all: DeadLetter[] = [];
      for await (const { letter } of listDead(questions, app('picky1'))) all.push(letter);
      return all;
    };
    const letters = await until(
      async () => {
        const message = await consumer.next({ expires: 1_000 });
        const event = message?.json<Got>();
        if (event?.seq === 2) message?.term('I do not know this');
        else if (event?.seq !== 3) message?.ack();
        return dead();
      },
      (all) => all.length === 2,
    );
    expect(letters.find(({ seq }) => seq === 2)).toMatchObject({
      ...{ type: 'DeadLetter', conversationId: 'p1', reason: 'TERMINATED', message: 'I do not know this' },
      ...{ consumer: 'worker', event: { type: 'MessageSent', conversationId: 'p1', seq: 2 } },
    });
    expect(letters.find(({ seq }) => seq === 3)).toMatchObject({ reason: 'MAX_DELIVERIES', deliveries: 2 });
    for await (const listed of listDead(questions, app('picky1'))) await redrive(questions, app('picky1'), listed);
    expect(await dead()).toEqual([]);
    await until(
      async () => {
        const message = await consumer.next({ expires: 1_000 });
        if (message?.subject === 'chat.app.picky1.event.p1.again') taken.push(message.json<Got>());
        message?.ack();
        return taken.map(({ seq }) => seq).sort();
      },
      (seqs) => seqs.length === 2,
    );
    expect(taken.map(({ seq }) => seq).sort()).toEqual([2, 3]);
    // What comes afterwards comes as if nothing had been.
    await scribe.say(laneId('p1'), 1);
    const next = await until(
      () => consumer.next({ expires: 1_000 }).then((message) => message?.json<Got>()),
      (event) => event !== undefined,
    );
    expect(next).toMatchObject({ type: 'MessageSent', seq: 4 });
  });

  it('holds no more of a replay than there is room for, and says how far it came', async () => {
    const { scribe } = bridging;
    const connection = await bridging.enter(await bridging.add('again1'));
    await scribe.create(laneId('r1'), 'app_again1');
    const live = new Reader(connection, 'again1');
    for (let i = 0; i < 8; i++) {
      await large('r1', 10);
      const { length } = scribe.events(laneId('r1'));
      await live.read((got) => got.some(({ seq }) => seq === length));
    }
    const replayed = new Reader(connection, 'again1', 'replays', { filter_subject: 'chat.app.again1.replay.>' });
    await replayed.open();
    let after = 0;
    while (after < 81) {
      const ask = { conversationId: laneId('r1'), after };
      const answer = await until(
        () => pump.replay(app('again1'), ask),
        ({ kind }) => kind === 'started',
      );
      expect(answer).toMatchObject({ from: after + 1, to: 81 });
      const from = replayed.got.length;
      await replayed.read((got) => got.slice(from).some(({ type }) => type === 'CaughtUp'));
      const end = replayed.got.at(-1)?.seq as number;
      expect(replayed.got.slice(from, -1).map(({ seq }) => seq)).toEqual(range(after + 1, end));
      expect(end).toBeGreaterThan(after);
      after = end;
    }
    expect(after).toBe(81);
    expect(live.got.map(({ type }) => type)).not.toContain('Reset');
  }, 90_000);

  it('takes two replays of an integration at a time, also where many are asked for at once', async () => {
    const { scribe } = bridging;
    const live = new Reader(await bridging.enter(await bridging.add('many1')), 'many1');
    await live.open();
    await scribe.create(laneId('r2'), 'app_many1');
    await large('r2', 20);
    await live.read((got) => got.some(({ seq }) => seq === 21));
    const asked = Array.from({ length: 20 }, () =>
      pump.replay(app('many1'), { conversationId: laneId('r2'), after: 0 }),
    );
    const kinds = (await Promise.all(asked)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'started')).toHaveLength(2);
    expect(kinds.filter((kind) => kind === 'busy')).toHaveLength(18);
  }, 60_000);

  it('says how far behind an integration is', async () => {
    const { scribe } = bridging;
    const reader = new Reader(await bridging.enter(await bridging.add('lag1')), 'lag1');
    await scribe.create(laneId('l1'), 'app_lag1');
    await reader.read((got) => got.length === 1);
    await scribe.say(laneId('l1'), 5);
    const lag = () => lagOf({ link, questions, journal: bridging.journal, clock: Date.now }, app('lag1'));
    const seen = await until(lag, ({ unread, behindRecords }) => unread === 5 && behindRecords === 0);
    expect(seen).toMatchObject({ app: 'lag1', messages: 6, consumers: [{ name: 'mine', durable: true, unread: 5 }] });
    expect(seen.consumers[0]?.oldestMs).toBeGreaterThanOrEqual(0);
  });
});

describe('what is unread', () => {
  const consumer = (more: object = {}, config: object = {}) =>
    ({
      name: 'c',
      config: { durable_name: 'c', ...config },
      ack_floor: { stream_seq: 10 },
      num_pending: 1,
      num_ack_pending: 0,
      ...more,
    }) as never;
  const at = (seq: number, subject = 'chat.app.a.event.c1') => ({ at: seq, subject });

  it('is what a durable consumer is to get and has not acknowledged', () => {
    expect(isUnread(at(11), [consumer()])).toBe(true);
    expect(isUnread(at(10), [consumer()])).toBe(false);
    expect(isUnread(at(11), [consumer({ num_pending: 0 })])).toBe(false);
    expect(isUnread(at(11), [consumer({ num_pending: 0, num_ack_pending: 1 })])).toBe(true);
    expect(isUnread(at(11), [consumer({}, { filter_subject: 'chat.app.a.event.c2' })])).toBe(false);
    expect(isUnread(at(11), [consumer({}, { filter_subjects: ['chat.app.a.dead.>', 'chat.app.a.event.>'] })])).toBe(
      true,
    );
    expect(isUnread(at(9), [consumer(), consumer({ ack_floor: { stream_seq: 5 } })])).toBe(true);
  });

  it('is everything where nobody durable reads', () => {
    expect(isUnread(at(1), [])).toBe(true);
    expect(isUnread(at(1), [consumer({ num_pending: 0 }, { durable_name: undefined })])).toBe(true);
  });

  it('goes by filters as NATS reads them', () => {
    for (const [filter, subject, is] of [
      ['>', 'a.b', true],
      ['a.>', 'a', false],
      ['a.*', 'a.b', true],
      ['a.*', 'a.b.c', false],
      ['a.*.c', 'a.b.c', true],
      ['a.b', 'a.b.c', false],
      ['a.b.c', 'a.b', false],
    ] as const)
      expect([filter, subject, matches(filter, subject)]).toEqual([filter, subject, is]);
  });
});
