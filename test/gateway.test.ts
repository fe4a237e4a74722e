/** Many readers in one process: what they share, what it costs, and where it ends. */
import { type DocumentNode, parse } from 'graphql';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { LaneId, UserId } from '../schema/ids.ts';
import type { StreamLimits } from '../services/api/gateway.ts';
import { eventResolvers } from '../services/api/resolvers/events.ts';
import { schemaWith } from '../services/api/resolvers/schema.ts';
import type { SharedPayload, Sink } from '../services/api/sink.ts';
import { openStreams } from '../services/api/stream.ts';
import { newStreamCounts, registerStreamMetrics } from '../services/api/stream-metrics.ts';
import { Lanes } from '../services/journal/lanes.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { openReads } from '../services/views/reads.ts';
import { FaultyJournal, GOOD_DAY } from './support/faulty-journal.ts';
import { FOLLOW, LossyLive, NO_HISTORY, QUIET, Scribe, TestSink, turns, until } from './support/stream-rig.ts';

const alice = 'alice' as UserId;

/** `nameOf` is called once for each execution of a message's frame. */
function rig(limits: StreamLimits = {}, nameOf: (user: UserId) => unknown = (user) => user) {
  const inner = new MemoryJournal({ partitions: 1 });
  const live = new LossyLive(inner);
  const journal = new FaultyJournal(live, GOOD_DAY);
  const lanes = new Lanes(journal, { maxWeight: 1_000_000, log: QUIET });
  const counts = newStreamCounts();
  let executions = 0;
  const name = (user: UserId) => {
    executions++;
    return nameOf(user);
  };
  const schema = schemaWith({ ...eventResolvers, User: { id: (user: UserId) => user, name, avatarUrl: () => null } });
  const reads = openReads(NO_HISTORY, journal);
  const streams = openStreams({ schema, journal, lanes, reads, log: QUIET, counts, limits });
  const scribe = (lane: string) => new Scribe((to, payload) => inner.put(to, payload), lane as LaneId);
  const open = (
    lane: string,
    options: { document?: DocumentNode; after?: number | null; user?: UserId; variables?: object } = {},
  ) => {
    const { document = FOLLOW, after = null, user = alice, variables = {} } = options;
    const sink = new TestSink();
    const viewer = { user, admin: false };
    const stream = streams.open({ document, variables: { id: lane, after, ...variables }, viewer }, sink);
    return Object.assign(sink, { stop: () => stream.stop() });
  };
  return { live, journal, counts, streams, scribe, open, executions: () => executions };
}

class CountingSink implements Sink {
  parts = 0;
  seq = -1;
  onWrite: (() => void) | undefined;

  write(payload: SharedPayload, seq: number): boolean {
    this.parts += payload.parts.length;
    this.seq = seq;
    this.onWrite?.();
    return true;
  }
  onDrain(): void {}
  end(): void {}
}

const allCaughtUp = (sinks: readonly TestSink[]) =>
  until(() => sinks.every(({ frames }) => frames.at(-1)?.__typename === 'CaughtUp'));

describe('a lane with many readers', () => {
  it('is listened to once, executed once and serialised once', async () => {
    const { scribe, open, live, counts, executions } = rig();
    const lane = scribe('c1');
    lane.create([alice]);
    const sinks = Array.from({ length: 50 }, (_, i) => open('c1', { after: i % 2 ? null : 1 }));
    await allCaughtUp(sinks);
    expect([live.listening, counts.followers, counts.hubs]).toEqual([1, 50, 1]);
    lane.say('hello');
    await until(() => sinks.every(({ frames }) => frames.length === 3));
    expect(executions()).toBe(1);
    expect(new Set(sinks.map(({ payloads }) => payloads.at(-1))).size).toBe(1);
    for (const sink of sinks.slice(1)) sink.stop();
    expect(live.listening).toBe(1);
    sinks[0]?.stop();
    expect([live.listening, counts.followers, counts.hubs]).toEqual([0, 0, 0]);
  });

  it('is executed once for each operation and each set of variables that it uses', async () => {
    const { scribe, open, executions } = rig();
    const lane = scribe('c1');
    lane.create([alice]);
    const document = parse(`subscription($id: ID!, $after: Int, $named: Boolean!) {
      conversation(id: $id, after: $after) {
        __typename seq ... on MessageSent { message { text sender { id name @include(if: $named) } } } } }`);
    const ask = (named: boolean) => open('c1', { document, variables: { named } });
    const sinks = [open('c1'), open('c1'), ask(true), ask(true), ask(false), ask(false)];
    await allCaughtUp(sinks);
    lane.say('hello');
    await until(() => sinks.every(({ frames }) => frames.length === 3));
    expect(executions()).toBe(2);
    expect(new Set(sinks.map(({ payloads }) => payloads.at(-1))).size).toBe(3);
  });

  it('writes what came together as one', async () => {
    const { scribe, open } = rig();
    const lane = scribe('c1');
    lane.create([alice]);
    const sinks = [open('c1'), open('c1')];
    await allCaughtUp(sinks);
    lane.say('two', 'three');
    lane.say('four');
    await until(() => sinks.every(({ frames }) => frames.length === 5));
    for (const { positions, payloads } of sinks) {
      expect(positions.at(-1)).toBe(4);
      expect(payloads.at(-1)?.parts.map(({ seq }) => seq)).toEqual([2, 3, 4]);
    }
  });

  it('reads once for all who come back from different positions', async () => {
    const { scribe, open, live, executions, counts } = rig();
    const lane = scribe('c1');
    lane.create([alice]);
    for (let i = 0; i < 200; i++) lane.say(`message ${i}`);
    const sinks = Array.from({ length: 100 }, (_, i) => open('c1', { after: 101 + (i % 100) }));
    await allCaughtUp(sinks);
    for (const [i, { frames }] of sinks.entries()) expect(frames.length).toBe(2 + 201 - (101 + (i % 100)));
    expect(executions()).toBe(100);
    expect(counts.catchUps).toBe(0);
    expect(live.reads).toBeLessThan(40);
  });

  it('keeps the order of frames whose fields have to wait', async () => {
    const waiting: (() => void)[] = [];
    const { scribe, open } = rig({}, (user) => new Promise((resolve) => waiting.push(() => resolve(user))));
    const lane = scribe('c1');
    lane.create([alice, 'bob' as UserId]);
    const sinks = [open('c1'), open('c1'), open('c1', { after: 0 })];
    await until(() => sinks.every(({ frames }) => frames.length >= 1));
    lane.say('two');
    lane.write({ type: 'MemberRemoved', member: 'bob' as UserId });
    lane.say('four');
    await turns(5);
    expect(sinks.map(({ frames }) => frames.at(-1)?.seq)).toEqual([1, 1, 1]);
    while (waiting.length > 0 || sinks.some(({ frames }) => frames.at(-1)?.seq !== 4)) {
      waiting.shift()?.();
      await turns(3);
    }
    expect(sinks.map(({ story }) => story.slice(-3))).toEqual(
      sinks.map(() => ['MessageSent 2', 'MemberRemoved 3', 'MessageSent 4']),
    );
  });

  it('gives a burst far longer than its ring to those who keep up, without a catch-up', async () => {
    const { scribe, open, live, counts } = rig({ ringEvents: 8 });
    const lane = scribe('c1');
    lane.create([alice]);
    const sinks = [open('c1'), open('c1')];
    await allCaughtUp(sinks);
    for (let i = 0; i < 300; i++) live.doom(lane.say(`message ${i}`).revision, 'lost');
    await turns(2);
    live.reconnect();
    await until(() => sinks.every(({ frames }) => frames.at(-1)?.seq === 301));
    expect(counts).toMatchObject({ falls: 0, catchUps: 0, gaps: 1 });
    for (const { frames } of sinks)
      expect(frames.map(({ seq }) => seq).slice(2)).toEqual(Array.from({ length: 300 }, (_, i) => i + 2));
  });
});

describe('a crowd that takes more than one turn of the process', () => {
  it('has its turn before more is read, however many leave meanwhile', async () => {
    const { scribe, live, counts, streams } = rig({ ringEvents: 8 });
    const lane = scribe('c1');
    lane.create([alice]);
    const crowd = Array.from({ length: 3_000 }, () => new CountingSink());
    const viewer = { user: alice, admin: false };
    const opened = crowd.map((sink) => streams.open({ document: FOLLOW, variables: { id: 'c1' }, viewer }, sink));
    await until(() => crowd.every(({ parts }) => parts === 2));
    for (let i = 0; i < 300; i++) live.doom(lane.say(`message ${i}`).revision, 'lost');
    await turns(2);
    // The last come first; one of them, in the middle of its turn, sends away all who come later but a few.
    const staying = [...crowd.slice(0, 20), ...crowd.slice(2_900)];
    const last = crowd[2_950] as CountingSink;
    last.onWrite = () => {
      if (last.seq < 200) return;
      for (const stream of opened.slice(20, 2_900)) stream.stop();
    };
    live.reconnect();
    await until(() => staying.every(({ seq }) => seq === 301));
    expect(counts).toMatchObject({ followers: 120, falls: 0, catchUps: 0, gaps: 1 });
    for (const { parts } of staying) expect(parts).toBe(302);
  });
});

describe('limits', () => {
  it('on readers and lanes refuse with an error that says when to come again', async () => {
    const { scribe, open, counts } = rig({ followers: 3, hubs: 2 });
    for (const id of ['c1', 'c2', 'c3']) scribe(id).create([alice]);
    const sinks = [open('c1'), open('c2')];
    await allCaughtUp(sinks);
    const lane = open('c3');
    expect(lane.error?.extensions).toEqual({ code: 'RATE_LIMITED', retryable: true, retryAfterMs: 5_000 });
    await allCaughtUp([open('c1')]);
    expect(open('c1').code).toBe('RATE_LIMITED');
    expect(counts).toMatchObject({ refused: 2, followers: 3 });
    sinks[1]?.stop();
    await allCaughtUp([open('c3')]);
  });
});

describe('the store out of reach', () => {
  const noAnswer = { ...GOOD_DAY, read: () => true };

  it('refuses who comes, as something that passes', async () => {
    const { scribe, open, journal, live } = rig();
    scribe('c1').create([alice]);
    journal.misfortune = noAnswer;
    const sink = open('c1');
    await until(() => sink.ended);
    expect(sink.error?.extensions).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    expect([sink.frames, live.listening]).toEqual([[], 0]);
  });

  it('leaves who is there waiting, and brings them everything once it is back', async () => {
    const { scribe, open, journal, live } = rig({ ringEvents: 4 });
    const lane = scribe('c1');
    lane.create([alice]);
    const [there, slow] = [open('c1'), open('c1')];
    await allCaughtUp([there, slow]);
    slow.room = 0;
    for (let i = 2; i <= 20; i++) {
      lane.say(`message ${i}`);
      await turns(2);
    }
    journal.misfortune = noAnswer;
    live.doom(lane.say('unheard').revision, 'lost');
    lane.say('heard');
    slow.drain(Number.POSITIVE_INFINITY);
    await turns(20);
    expect([there.ended, slow.ended]).toEqual([false, false]);
    journal.misfortune = GOOD_DAY;
    await until(() => [there, slow].every(({ frames }) => frames.some(({ seq }) => seq === 22)));
    await until(() => slow.frames.at(-1)?.__typename === 'CaughtUp');
    for (const sink of [there, slow])
      expect(sink.frames.filter(({ __typename }) => __typename === 'MessageSent').map(({ seq }) => seq)).toEqual(
        Array.from({ length: 21 }, (_, i) => i + 2),
      );
  });

  it('passes for a poisoned lane too, which nobody else notices', async () => {
    const { scribe, open, live } = rig();
    const lane = scribe('c1');
    lane.create([alice]);
    scribe('c2').create([alice]);
    const [sink, other] = [open('c1'), open('c2')];
    await allCaughtUp([sink, other]);
    await live.append(
      { v: 1, id: 'x', lane: 'c1' as LaneId, events: [] },
      (await live.last('c1' as LaneId))?.revision ?? (0 as never),
    );
    const late = open('c1');
    await until(() => late.ended);
    expect(late.code).toBe('UNAVAILABLE');
    expect(sink.ended).toBe(false);
    await new Promise((resolve) => setImmediate(resolve));
    expect(other.ended).toBe(false);
  });
});

describe('stopping', () => {
  it('leaves no listener and no reader, and says nothing to the sinks', async () => {
    const { scribe, open, live, streams, counts } = rig();
    const lane = scribe('c1');
    lane.create([alice]);
    const sink = open('c1');
    await allCaughtUp([sink]);
    const opening = open('c1', { after: 0 });
    await streams.stop();
    lane.say('two');
    await turns(5);
    expect([sink.ended, opening.ended, opening.frames.length, sink.frames.length]).toEqual([false, false, 0, 2]);
    expect([live.listening, counts.followers, counts.hubs]).toEqual([0, 0, 0]);
    expect(open('c1').code).toBe('RATE_LIMITED');
  });
});

describe('figures', () => {
  it('are there for whoever asks the registry', async () => {
    const { scribe, open, counts } = rig();
    const registry = new Registry();
    registerStreamMetrics(registry, counts);
    scribe('c1').create([alice]);
    await allCaughtUp([open('c1'), open('c1', { after: 9 })]);
    const text = await registry.metrics();
    for (const line of [
      'lanes_live_subscribers 2',
      'lanes_live_lanes 1',
      'lanes_deliveries_total 5',
      'lanes_resets_total{reason="AHEAD"} 1',
    ])
      expect(text.split('\n')).toContain(line);
    expect(await registry.metrics()).toBe(text);
  });
});
