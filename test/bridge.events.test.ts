/** What integrations are sent, as third parties with a client of their own see it. */

import type { NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { externalEvent } from '../bridge/external.ts';
import { partitionOf } from '../schema/subjects.ts';
import { app, type Bridging, PARTITIONS, Reader, range, startBridging } from './support/bridging.ts';
import { laneId, until } from './support/scribe.ts';
import { nextMoment } from './support/until.ts';

/** What is stored from now on, and nothing that was stored before: clocks are allowed to differ by 5 s. */
const fromNow = async (): Promise<number> => (await nextMoment()) + 5_000;

describe('events for integrations', () => {
  let bridging: Bridging;
  const lane = (name: string) => laneId(name);
  const enterAs = async (name: string, scope: 'member' | 'all' = 'member'): Promise<NatsConnection> =>
    bridging.enter(await bridging.add(name, scope));

  beforeAll(async () => {
    bridging = await startBridging();
    await bridging.startPump();
  });
  afterAll(() => bridging?.stop());

  it('come whole and in order, from what names it to its removal, and again from its return', async () => {
    const { scribe } = bridging;
    const reader = new Reader(await enterAs('a1'), 'a1');
    const c = lane('c1');
    await scribe.create(c, 'bob');
    await scribe.say(c, 2);
    await scribe.write(c, [{ type: 'MembersAdded', members: ['app_a1'] }]);
    await scribe.say(c, 5, 5);
    await scribe.write(c, [{ type: 'MemberRemoved', member: 'app_a1' }]);
    await scribe.say(c, 3);
    await scribe.write(c, [{ type: 'MembersAdded', members: ['app_a1'] }]);
    await scribe.say(c, 1);
    const got = await reader.read((seen) => seen.some(({ seq }) => seq === 15));
    expect(got.map(({ seq }) => seq)).toEqual([...range(4, 10), 14, 15]);
    const events = scribe.events(c);
    expect(got).toEqual(got.map(({ seq }) => JSON.parse(JSON.stringify(externalEvent(c, events[seq - 1] as never)))));
    expect(got.map(({ type }) => type)).not.toContain('Reset');
  });

  it('of every conversation for one that sees all, from its creation on', async () => {
    const { scribe } = bridging;
    const old = lane('old1');
    await scribe.create(old);
    await scribe.say(old, 3);
    const reader = new Reader(await bridging.enter(await bridging.add('all1', 'all', await fromNow())), 'all1');
    const fresh = lane('new1');
    await scribe.create(fresh);
    await scribe.say(fresh, 2);
    await reader.open();
    await reader.read((seen) => seen.some((one) => one.conversationId === fresh && one.seq === 3));
    expect(reader.seqs(fresh)).toEqual([1, 2, 3]);
    await scribe.say(old, 1);
    await reader.read((seen) => seen.some((one) => one.conversationId === old && one.seq === 5));
    expect(
      reader.got.filter(({ conversationId }) => conversationId === old).map(({ type, seq }) => [type, seq]),
    ).toEqual([
      ['Reset', 4],
      ['MessageSent', 5],
    ]);
  });

  it('begin with a Reset in conversations that it was in before it was registered', async () => {
    const { scribe } = bridging;
    const [p0, p1] = [0, 1].map((p) =>
      lane(['b0', 'b1', 'b2', 'b3'].find((id) => partitionOf(lane(id), PARTITIONS) === p) as string),
    );
    for (const c of [p0, p1]) {
      await scribe.create(c as never, 'app_late1');
      await scribe.say(c as never, 2);
    }
    const reader = new Reader(await bridging.enter(await bridging.add('late1', 'member', await fromNow())), 'late1');
    await reader.open();
    for (const c of [p0, p1]) await scribe.say(c as never, 2);
    await reader.read((seen) => seen.filter(({ seq }) => seq === 5).length === 2);
    for (const c of [p0, p1])
      expect(
        reader.got.filter(({ conversationId }) => conversationId === c).map(({ type, seq }) => [type, seq]),
      ).toEqual([
        ['Reset', 3],
        ['MessageSent', 4],
        ['MessageSent', 5],
      ]);
  });

  it('carry the ids that a client deduplicates by, and a durable consumer goes on without a hole', async () => {
    const { scribe, manager } = bridging;
    const connection = await enterAs('a2');
    const reader = new Reader(connection, 'a2');
    const c = lane('c2');
    await scribe.create(c, 'app_a2');
    await scribe.say(c, 4);
    await reader.read((seen) => seen.length >= 3);
    await scribe.say(c, 20, 4);
    const again = new Reader(connection, 'a2');
    await again.read((seen) => seen.some(({ seq }) => seq === 25));
    expect([...new Set([...reader.got, ...again.got].map(({ seq }) => seq))].sort((a, b) => a - b)).toEqual(
      range(1, 25),
    );
    const stored = await manager.streams.getMessage('APP_a2', { last_by_subj: 'chat.app.a2.event.c2' });
    expect(stored.header.get('Nats-Msg-Id')).toBe('c2:25');
  });

  it('are not sent to one that is revoked, whose stream stays', async () => {
    const { scribe, registry, manager } = bridging;
    await enterAs('gone1');
    await enterAs('stays1');
    const c = lane('c3');
    await scribe.create(c, 'app_gone1', 'app_stays1');
    const count = async (name: string) => (await manager.streams.info(`APP_${name}`)).state.messages;
    await until(
      async () => [await count('gone1').catch(() => 0), await count('stays1').catch(() => 0)],
      ([a, b]) => a === 1 && b === 1,
    );
    await registry.put({ ...(registry.get(app('gone1')) as never as object), revokedAt: Date.now() } as never);
    await until(
      async () => {
        await scribe.say(c, 1);
        const before = await count('gone1');
        const seq = scribe.events(c).length;
        await until(
          () => count('stays1'),
          (n) => n === seq,
        );
        return before;
      },
      (before) => before < scribe.events(c).length - 1,
    );
  });

  it('are replayed beside what is live, and end with CaughtUp', async () => {
    const { scribe } = bridging;
    const pump = await bridging.startPump();
    const connection = await enterAs('r1');
    const c = lane('c4');
    await scribe.create(c, 'app_r1');
    await scribe.say(c, 300, 50);
    await new Reader(connection, 'r1').read((seen) => seen.some(({ seq }) => seq === 301));
    const answer = await until(
      () => pump.replay(app('r1'), { conversationId: c, after: 10, upTo: 200 }),
      ({ kind }) => kind === 'started',
    );
    if (answer.kind !== 'started') throw new Error(answer.kind);
    expect(answer).toMatchObject({ from: 11, to: 200 });
    const filter_subject = `chat.app.r1.replay.${answer.replayId}.c4`;
    const replayed = new Reader(connection, 'r1', 'replay', { filter_subject });
    await replayed.read((seen) => seen.at(-1)?.type === 'CaughtUp');
    expect(replayed.got.slice(0, -1).map(({ seq }) => seq)).toEqual(range(11, 200));
    expect(replayed.got.at(-1)).toEqual({ type: 'CaughtUp', conversationId: 'c4', seq: 200 });
    expect(await pump.replay(app('r1'), { conversationId: lane('c1'), after: 0 })).toEqual({ kind: 'not-found' });
  });
});
