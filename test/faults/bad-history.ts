/** Kinds of broken history and parking, under lanes that are right. */
import type { LaneEvent } from '../../schema/events.ts';
import type { Seq } from '../../schema/ids.ts';
import { type Kind, some, withHistory, withStores } from './spoil.ts';
import type { HistoryEvent, Invariant, StoredLaneRecord } from './trace.ts';

type Change = (history: readonly HistoryEvent[], records: readonly StoredLaneRecord[]) => readonly HistoryEvent[];
const history = (name: string, finds: Invariant, change: Change, atLeast = 1): Kind => ({
  name,
  finds,
  spoil: (trace, random) => {
    const found = some(random, [...trace.stores.history], ([, events]) => events.length >= atLeast);
    return found && withHistory(trace, found[0], change(found[1], trace.stores.lanes.get(found[0]) ?? []));
  },
});
const replaced = <T>(items: readonly T[], at: number, ...by: T[]): T[] => items.toSpliced(at, 1, ...by);

export const HISTORY_KINDS: readonly Kind[] = [
  history('history lacks its last event', 'I3', (events) => events.slice(0, -1)),
  history('history lacks an event in the middle', 'I3', (events) => replaced(events, events.length >> 1), 3),
  history('the history of a lane is gone', 'I3', () => []),
  history('history has other content', 'I3', (events) =>
    replaced(events, 0, { ...(events[0] as HistoryEvent), event: { ...events[0]?.event, at: 1 } as LaneEvent }),
  ),
  history('history lacks a field', 'I3', (events) => {
    const { hash: _, ...event } = (events[0] as HistoryEvent).event;
    return replaced(events, 0, { revision: events[0]?.revision ?? 0, event: event as LaneEvent });
  }),
  history('history has an event twice', 'I3', (events) => [...events, events.at(-1) as HistoryEvent]),
  history('history has two events in the other order', 'I3', (events) => events.toReversed(), 2),
  history('history has an event that the lane has not', 'I3', (events) => {
    const { revision, event } = events.at(-1) as HistoryEvent;
    return [...events, { revision: revision + 1, event: { ...event, seq: (event.seq + 1) as Seq } }];
  }),
  history('history says that an event came from another record', 'I3', (events) =>
    replaced(events, 0, { ...(events[0] as HistoryEvent), revision: 999_999 }),
  ),
  history('a record is neither in history nor parked', 'I4', (events, records) =>
    events.filter(({ revision }) => revision !== records[0]?.revision),
  ),
  {
    name: 'a record is in history in part',
    finds: 'I4',
    spoil: (trace, random) => {
      const lanes = [...trace.stores.lanes].flatMap(([lane, records]) => records.map((record) => ({ lane, record })));
      const found = some(random, lanes, ({ record }) => (record.events?.length ?? 0) > 1);
      const seq = found?.record.events?.[0]?.seq;
      const had = found && trace.stores.history.get(found.lane);
      return (
        found &&
        had &&
        withHistory(
          trace,
          found.lane,
          had.filter(({ event }) => event.seq !== seq),
        )
      );
    },
  },
  {
    name: 'a record is parked and in history',
    finds: 'I4',
    spoil: (trace, random) => {
      const found = some(random, [...trace.stores.lanes], ([, records]) => records.length > 0);
      const revision = found?.[1][0]?.revision;
      if (!found || revision === undefined) return undefined;
      return withStores(trace, { parked: [...trace.stores.parked, { lane: found[0], revision }] });
    },
  },
  {
    name: 'a record is parked that could be read',
    finds: 'I4',
    spoil: (trace, random) => {
      const found = some(random, [...trace.stores.lanes], ([, records]) => records[0]?.events !== undefined);
      const had = found && trace.stores.history.get(found[0]);
      const revision = found?.[1][0]?.revision;
      if (!found || !had || revision === undefined) return undefined;
      const without = withHistory(
        trace,
        found[0],
        had.filter((event) => event.revision !== revision),
      );
      return withStores(without, { parked: [...trace.stores.parked, { lane: found[0], revision }] });
    },
  },
  {
    name: 'a poison record is passed over in silence',
    finds: 'I4',
    spoil: (trace) => (trace.stores.parked.length === 0 ? undefined : withStores(trace, { parked: [] })),
  },
  {
    name: 'parking names a record that is in no lane',
    finds: 'I4',
    spoil: (trace) => withStores(trace, { parked: [...trace.stores.parked, { lane: 'lane1', revision: 123_456 }] }),
  },
];
