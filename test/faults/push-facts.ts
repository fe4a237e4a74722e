/** What is certain about marks and pushes: who had what when, and for how long pushes could go. */
import { groupBy, type LaneFacts } from './facts.ts';
import type { AppDevice, LedgerEntry, Pushing, PushSeen, StoredMark } from './push-trace.ts';
import type { Trace } from './trace.ts';

/** What the services write down is NATS's time, right to half a round trip of a busy machine; the recorder's is its own. */
export const CLOCKS_MS = 50;

/** Something is known from `at` on of everything up to `seq`. */
interface Step {
  readonly at: number;
  readonly seq: number;
}

export interface PushFacts {
  readonly pushing: Pushing;
  readonly lanes: ReadonlyMap<string, LaneFacts>;
  /** Of one user, with pushes or without. */
  devicesOf(user: string): readonly AppDevice[];
  deviceOf(push: Pick<PushSeen, 'token'>): AppDevice | undefined;
  /** Messages that a provider took for a device, of one lane, in the order of their coming. */
  takenBy(device: AppDevice, lane: string): readonly PushSeen[];
  /** When its provider first said that the token is dead. */
  deadAt(device: AppDevice): number | undefined;
  entryOf(lane: string, seq: number, device: AppDevice): LedgerEntry | undefined;
  /** When somebody was first told that this user has the message: by an acknowledgement, a read mark, a message of its own. */
  answeredAt(user: string, lane: string, seq: number): number | undefined;
  /** The mark by which the store first knew that this user has, or has read, the message. */
  storedBy(user: string, lane: string, seq: number, kind: StoredMark['kind']): StoredMark | undefined;
  /** When the user first wrote into the lane at or after this place: that reads everything before. */
  wroteAt(user: string, lane: string, seq: number): number | undefined;
  isMuted(user: string, lane: string): boolean;
  /** For how long, of this time, nothing was down that a push by this provider needs. */
  upMs(gateway: string, from: number, to: number): number;
}

export function pushFactsOf(trace: Trace, pushing: Pushing, lanes: ReadonlyMap<string, LaneFacts>): PushFacts {
  const { devices, pushes, entries, muted, outages } = pushing;
  const byUser = groupBy(devices, ({ user }) => user);
  const byToken = new Map(devices.map((device) => [device.token, device]));
  const taken = groupBy(
    pushes.filter(({ kind, met }) => kind === 'message' && met === 'taken'),
    ({ token, lane }) => `${token} ${lane}`,
  );
  const dead = new Map<string, number>();
  for (const { met, token, cameAt } of pushes)
    if (met === 'dead') dead.set(token, Math.min(cameAt, dead.get(token) ?? cameAt));
  const entry = new Map(entries.map((one) => [`${one.lane} ${one.seq} ${one.user} ${one.device}`, one]));
  const answered = answeredOf(trace, pushing);
  const stored = storedOf(pushing);
  const wrote = wroteOf(lanes);
  const mutes = new Set(muted.map(({ user, lane }) => `${user} ${lane}`));
  const gateways = new Set(devices.map(({ gateway }) => gateway as string));
  const downs = new Map(
    [...gateways].map((gateway) => [gateway, unionOf(outages.filter(({ of }) => of === gateway || !gateways.has(of)))]),
  );
  return {
    ...{ pushing, lanes },
    devicesOf: (user) => byUser.get(user) ?? [],
    deviceOf: ({ token }) => byToken.get(token),
    takenBy: ({ token }, lane) => taken.get(`${token} ${lane}`) ?? [],
    deadAt: ({ token }) => dead.get(token),
    entryOf: (lane, seq, { user, device }) => entry.get(`${lane} ${seq} ${user} ${device}`),
    answeredAt: (user, lane, seq) => firstReach(answered.get(`${user} ${lane}`), seq)?.at,
    storedBy: (user, lane, seq, kind) => firstStored(stored.get(`${kind} ${user} ${lane}`), seq),
    wroteAt: (user, lane, seq) => firstReach(wrote.get(`${user} ${lane}`), seq)?.at,
    isMuted: (user, lane) => mutes.has(`${user} ${lane}`),
    upMs: (gateway, from, to) => to - from - within(downs.get(gateway) ?? [], from, to),
  };
}

/** The earliest that reaches so far. */
function firstReach(steps: readonly Step[] | undefined, seq: number): Step | undefined {
  let first: Step | undefined;
  for (const step of steps ?? []) if (step.seq >= seq && (!first || step.at < first.at)) first = step;
  return first;
}

function answeredOf({ attempts }: Trace, { marks }: Pushing): Map<string, Step[]> {
  const steps = marks.flatMap(({ user, lane, seq, answeredAt: at, answer }) =>
    answer !== 'unknown' && answer.kind === 'stored' ? [{ name: `${user} ${lane}`, seq, at }] : [],
  );
  for (const { user, lane, wish, answer, answeredWallAt: at } of attempts)
    if (wish.type === 'send' && answer.kind === 'accepted' && at !== undefined)
      steps.push({ name: `${user} ${lane}`, seq: answer.seq, at });
  return groupBy(steps, ({ name }) => name);
}

const storedOf = ({ stored }: Pushing): Map<string, StoredMark[]> =>
  groupBy(stored, ({ user, lane, kind }) => `${kind} ${user} ${lane}`);

/** Clocks of two processes may differ; the log has one order, and within one of its records marks rise. */
function firstStored(marks: readonly StoredMark[] | undefined, seq: number): StoredMark | undefined {
  let first: StoredMark | undefined;
  const isBefore = (a: StoredMark, b: StoredMark): boolean =>
    a.revision < b.revision || (a.revision === b.revision && a.seq < b.seq);
  for (const mark of marks ?? []) if (mark.seq >= seq && (!first || isBefore(mark, first))) first = mark;
  return first;
}

function wroteOf(lanes: ReadonlyMap<string, LaneFacts>): Map<string, Step[]> {
  const all = [...lanes.values()].flatMap(({ lane, events }) =>
    events.flatMap(({ type, by, seq, at }) => (type === 'MessageSent' ? [{ name: `${by} ${lane}`, seq, at }] : [])),
  );
  return groupBy(all, ({ name }) => name);
}

type Span = readonly [from: number, to: number];

function unionOf(outages: Pushing['outages']): Span[] {
  const spans: [number, number][] = [];
  for (const { fromAt, toAt } of [...outages].sort((a, b) => a.fromAt - b.fromAt)) {
    const last = spans.at(-1);
    if (last && fromAt <= last[1]) last[1] = Math.max(last[1], toAt);
    else spans.push([fromAt, toAt]);
  }
  return spans;
}

const within = (spans: readonly Span[], from: number, to: number): number =>
  spans.reduce((sum, [begin, end]) => sum + Math.max(0, Math.min(end, to) - Math.max(begin, from)), 0);
