/** What the kinds of bad history are made with. */
import type { LaneEvent } from '../../schema/events.ts';
import type { Random } from './random.ts';
import type { Attempt, HistoryEvent, Invariant, StoredLaneRecord, Trace } from './trace.ts';

/** Undefined: this history has nothing that can be broken in this way. */
export interface Kind {
  readonly name: string;
  readonly finds: Invariant;
  spoil(trace: Trace, random: Random): Trace | undefined;
}

export const eventsOf = (trace: Trace, lane: string): readonly LaneEvent[] =>
  (trace.stores.lanes.get(lane) ?? []).flatMap(({ events }) => events ?? []);

export function some<T>(random: Random, from: readonly T[], where: (item: T) => boolean = () => true): T | undefined {
  const fit = from.filter(where);
  return fit.length === 0 ? undefined : random.pick(fit);
}

/** The answers that acknowledge the event. */
export const acksOf = (trace: Trace, lane: string, { by, key }: LaneEvent): readonly Attempt[] =>
  trace.attempts.filter(
    ({ lane: its, user, key: name, answer }) =>
      its === lane && user === by && name === key && answer.kind === 'accepted' && answer.changed,
  );

export type Place = { readonly lane: string; readonly event: LaneEvent };
export const someEvent = (trace: Trace, random: Random, where: (place: Place) => boolean): Place | undefined =>
  some(
    random,
    [...trace.stores.lanes.keys()].flatMap((lane) => eventsOf(trace, lane).map((event) => ({ lane, event }))),
    where,
  );

export const withStores = (trace: Trace, stores: Partial<Trace['stores']>): Trace => ({
  ...trace,
  stores: { ...trace.stores, ...stores },
});
export const withHistory = (trace: Trace, lane: string, history: readonly HistoryEvent[]): Trace =>
  withStores(trace, { history: new Map(trace.stores.history).set(lane, history) });
const withRecords = (trace: Trace, lane: string, records: readonly StoredLaneRecord[]): Trace =>
  withStores(trace, { lanes: new Map(trace.stores.lanes).set(lane, records) });

/** The lane with other events, and history as true to it as before. */
export function relaid(trace: Trace, lane: string, events: readonly LaneEvent[]): Trace {
  const records = events.map((event, i) => ({ revision: 10 + i, events: [event] }));
  const history = events.map((event, i) => ({ revision: 10 + i, event }));
  const parked = trace.stores.parked.filter((record) => record.lane !== lane);
  return withStores(withHistory(withRecords(trace, lane, records), lane, history), { parked });
}
