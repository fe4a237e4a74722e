/** I3 and I4: history against the lanes, event by event and record by record. */
import { groupBy } from './facts.ts';
import type { HistoryEvent, StoredLaneRecord, Stores, Violation } from './trace.ts';

export function checkHistory({ lanes, history, parked }: Stores): Violation[] {
  const parkedBy = groupBy(parked, ({ lane }) => lane);
  const names = new Set([...lanes.keys(), ...history.keys(), ...parkedBy.keys()]);
  return [...names].flatMap((lane) => {
    const revisions = (parkedBy.get(lane) ?? []).map(({ revision }) => revision);
    const [records, events] = [lanes.get(lane) ?? [], history.get(lane) ?? []];
    return [
      ...checkEvents(lane, records, events, new Set(revisions)),
      ...checkRecords(lane, records, events, revisions),
    ];
  });
}

function checkEvents(
  lane: string,
  records: readonly StoredLaneRecord[],
  history: readonly HistoryEvent[],
  parked: ReadonlySet<number>,
): Violation[] {
  const found: Violation[] = [];
  const report = (what: string, evidence: unknown) => found.push({ invariant: 'I3', lane, what, evidence });
  const wanted = new Map(
    records.flatMap(({ revision, events }) =>
      (events ?? []).map((event) => [event.seq as number, { revision, event, form: formOf(event) }] as const),
    ),
  );
  let last = 0;
  for (const { event, revision } of history) {
    if (event.seq === last) report(`history has seq ${event.seq} twice`, event);
    else if (event.seq < last) report(`history has seq ${event.seq} after ${last}`, event);
    last = event.seq;
    const lanes = wanted.get(event.seq);
    if (!lanes) report(`history has seq ${event.seq}, and the lane has not`, event);
    else if (lanes.form !== formOf(event)) report(`history differs at seq ${event.seq}`, { lane: lanes.event, event });
    else if (lanes.revision !== revision)
      report(`history has seq ${event.seq} from record ${revision}, the lane in ${lanes.revision}`, event);
  }
  const had = new Set(history.map(({ event }) => event.seq as number));
  for (const [seq, { revision, event }] of wanted)
    if (!had.has(seq) && !parked.has(revision)) report(`history has no seq ${seq}`, event);
  return found;
}

function checkRecords(
  lane: string,
  records: readonly StoredLaneRecord[],
  history: readonly HistoryEvent[],
  parked: readonly number[],
): Violation[] {
  const found: Violation[] = [];
  const report = (what: string, revision: number) =>
    found.push({ invariant: 'I4', lane, what, evidence: { revision } });
  const had = new Set(history.map(({ event }) => event.seq as number));
  const known = new Set(records.map(({ revision }) => revision));
  for (const revision of parked) if (!known.has(revision)) report('parked, and not in the lane', revision);
  if (new Set(parked).size < parked.length) report('parked twice', parked[0] as number);
  for (const { revision, events } of records) {
    const stored = (events ?? []).filter((event) => had.has(event.seq)).length;
    const whole = events !== undefined && stored === events.length;
    if (!parked.includes(revision)) {
      if (events === undefined) report('cannot be read, and is not parked', revision);
      else if (stored === 0) report('neither in history nor parked', revision);
      else if (!whole) report('in history in part', revision);
    } else if (stored > 0) report('parked, and in history too', revision);
    else if (events !== undefined) report('parked, though it can be read', revision);
  }
  return found;
}

/** One text for one content, whatever the order of the fields in which a store gives it. */
const formOf = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    part && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
