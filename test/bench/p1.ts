/** P1, P1w, P1f: how many sends are accepted in a second, beside the same number of bare publishes in flight. */
import type { LaneRecord } from '../../schema/events.ts';
import { encodeRecord } from '../../services/journal/record.ts';
import { type Figure, figureOf, ratioAtLeast, type Sample, voidOf, type Wanted } from './figure.ts';
import type { LoadResult } from './generate/load.ts';
import { keyMaker, type Sender, TEXT } from './generate/operations.ts';
import type { Sends } from './generate/sends.ts';
import { type Generator, startGenerator } from './generator.ts';
import { LIFTED, type Rig } from './rig.ts';
import type { Room } from './room.ts';
import { byTurns, type Pace } from './rounds.ts';

export const LANES = 1000;
export const USERS = 100;
const MEMBERS = 10;
/** As many operations are in flight on each side. */
const IN_FLIGHT = 200;

const userOf = (i: number): string => `user${String(i % USERS).padStart(3, '0')}`;
const laneOf = (prefix: string, i: number): string => `${prefix}${String(i).padStart(4, '0')}`;

/** The bytes of a record of one such message, as the lane stores it. */
export function recordBytes(): number {
  const event = {
    type: 'MessageSent',
    seq: 1234,
    at: Date.now(),
    by: userOf(0),
    key: keyMaker()(),
    hash: 'x'.repeat(16),
    text: TEXT,
  };
  const record = { v: 1, id: keyMaker()(), lane: laneOf('bench', 0), events: [event] };
  return encodeRecord(record as unknown as LaneRecord).length;
}

/** 1,000 conversations of 10 members among 100 users; each user's lanes. */
export async function manyLanes(rig: Rig, api: Room, prefix: string): Promise<Sender[]> {
  const groups = USERS / MEMBERS;
  const lanes = Array.from({ length: LANES }, (_, i) => ({
    id: laneOf(prefix, i),
    members: Array.from({ length: MEMBERS }, (_, m) => userOf((i % groups) + m * groups)),
  }));
  await rig.createLanes(api.port, lanes);
  return Array.from({ length: USERS }, (_, u) => ({
    token: rig.tokenOf(userOf(u)),
    // Each begins at another of its lanes, so that they do not meet in one.
    lanes: rotate(
      lanes.filter((_, i) => i % groups === u % groups).map(({ id }) => id),
      Math.floor(u / groups) * 10,
    ),
  }));
}

const rotate = <T>(list: readonly T[], by: number): T[] => [...list.slice(by), ...list.slice(0, by)];

/** One conversation that all write to. */
export async function hotLane(rig: Rig, api: Room, id: string): Promise<Sender[]> {
  const users = Array.from({ length: USERS }, (_, u) => userOf(u));
  await rig.createLanes(api.port, [{ id, members: users }]);
  return users.map((user) => ({ token: rig.tokenOf(user), lanes: [id] }));
}

export const sampleOf = (result: LoadResult, value: number): Sample => ({
  value,
  ops: result.ops,
  cpu: result.cpu,
  void: result.failed > 0 ? `${result.failed} failed: ${result.firstError}` : voidOf(result.cpu),
});
/** The publishing client is itself the limit: it may use its whole core. */
export const limitSampleOf = (result: LoadResult, value: number): Sample => ({
  ...sampleOf(result, value),
  void: result.failed > 0 ? `${result.failed} publishes failed: ${result.firstError}` : undefined,
});

interface Setting {
  readonly wanted: Wanted;
  readonly over: 'http' | 'ws';
  readonly hot: boolean;
  readonly projector?: boolean;
}

async function measure(rig: Rig, pace: Pace, { wanted, over, hot, projector }: Setting): Promise<Figure> {
  const api = await rig.startApi();
  const projecting = projector === true ? await rig.startProjector() : undefined;
  const started: Generator<Sends>[] = [];
  try {
    const name = `${wanted.id}${over}${projector === true ? 'x' : ''}${hot ? 'hot' : ''}`.toLowerCase();
    const senders = hot ? await hotLane(rig, api, name) : await manyLanes(rig, api, name);
    const open: Sends['open'] =
      over === 'http'
        ? { kind: 'http', port: api.port, connections: IN_FLIGHT, senders }
        : { kind: 'ws', port: api.port, senders };
    const ours = await startGenerator<Sends>('generate/sends', open);
    started.push(ours);
    const limit = await startGenerator<Sends>('generate/sends', await rig.publishTo(hot ? 1 : LANES, recordBytes()));
    started.push(limit);
    const job = { kind: 'closed', inFlight: IN_FLIGHT, warmMs: pace.warmMs, ms: pace.ms } as const;
    const nats = { 'nats-server': rig.servers.nats.pid };
    const rooms = {
      api: api.pid,
      ...nats,
      ...(projecting === undefined ? {} : { projector: projecting.pid }),
      mongod: rig.servers.mongo.pid,
    };
    const results = await byTurns(
      pace,
      () => limit.run({ ...job, pids: nats }),
      () => ours.run({ ...job, pids: rooms }),
    );
    return figureOf(
      { ...wanted, notes: [`${IN_FLIGHT} in flight on each side; ${LIFTED}`] },
      results.ours.map((result) => sampleOf(result, result.perSecond)),
      results.limit.map((result) => limitSampleOf(result, result.perSecond)),
    );
  } finally {
    await Promise.all(started.map((generator) => generator.stop()));
    await projecting?.stop();
    await api.stop();
  }
}

const unit = 'sends/s';
const lanes = LANES.toLocaleString('en-US');

export async function* p1(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const what = `accepted sends over HTTP, ${lanes} lanes`;
  const goals = { target: ratioAtLeast(0.3), stretch: ratioAtLeast(0.5) };
  const base = { id: 'P1', mode: rig.mode, unit };
  yield await measure(rig, pace, { wanted: { ...base, what, ...goals }, over: 'http', hot: false });
  const beside = { ...base, what: `${what}, the projector and MongoDB working beside it` };
  yield await measure(rig, pace, { wanted: beside, over: 'http', hot: false, projector: true });
}

export async function* p1w(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const what = `accepted sends over one WebSocket per sender (${USERS}), ${lanes} lanes`;
  const wanted = { id: 'P1w', what, mode: rig.mode, unit, target: ratioAtLeast(0.4), stretch: ratioAtLeast(0.6) };
  yield await measure(rig, pace, { wanted, over: 'ws', hot: false });
}

export async function* p1f(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const base = { id: 'P1f', mode: rig.mode, unit };
  const many = {
    ...base,
    what: `accepted sends over WebSocket, a disk sync each, ${lanes} lanes`,
    target: ratioAtLeast(0.8),
  };
  const hot = {
    ...base,
    what: 'accepted sends over WebSocket, one hot lane (group commit)',
    target: ratioAtLeast(0.8),
    stretch: ratioAtLeast(1.5),
  };
  yield await measure(rig, pace, { wanted: many, over: 'ws', hot: false });
  yield await measure(rig, pace, { wanted: hot, over: 'ws', hot: true });
}
