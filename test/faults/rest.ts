/** After the load: everything comes to rest, and what everybody sees of it then is read. */
import { deliveriesOf, deliveryRequestOf } from './app-documents.ts';
import { pause } from './commands.ts';
import { post, tokenOf } from './doors.ts';
import { spansOf } from './facts.ts';
import type { Phones } from './phones.ts';
import { readUnfinished } from './push-stores.ts';
import type { DeliverySeen } from './push-trace.ts';
import type { Reader } from './readers.ts';
import type { Recorder } from './recorder.ts';
import type { Senders } from './senders.ts';
import { countEvents, readHistory, readLanes } from './stores.ts';
import type { StoredLaneRecord } from './trace.ts';
import { until, type World } from './world.ts';

/** For commands to settle, readers to reach the end, history to be whole. */
const SETTLE_MS = 60_000;
/** For pushes: the time of grace, a claim whose owner died, and what providers may ask for. */
const PUSHED_MS = 75_000;
const ASKED_AT_ONCE = 8;
const AGAIN_MS = 200;
const VAIN_MAX = 100;

export interface Run {
  readonly world: World;
  readonly recorder: Recorder;
  readonly senders: Senders;
  readonly readers: readonly Reader[];
  readonly phones: Phones;
}

/** Everything is up, every command settled, every reader at the end, every record projected, every push made. Answers what did not come. */
export async function quietDown({ world, recorder, senders, readers, phones }: Run): Promise<string[]> {
  const problems: string[] = [];
  const reach = async (work: Promise<void>) => {
    await work.catch((error: Error) => problems.push(error.message));
  };
  await reach(world.ready());
  await Promise.all([reach(senders.stop(SETTLE_MS)), reach(phones.calm(SETTLE_MS))]);
  const givenUp = recorder.counted('given up');
  if (givenUp > 0) problems.push(`${givenUp} commands had no answer in ${SETTLE_MS / 1000} s of calm`);
  const lanes = await readLanes(world.servers);
  for (const reader of readers) reader.calm();
  const isAtEnd = (reader: Reader) => reader.position >= lastSeqOf(lanes.get(reader.options.lane));
  await reach(
    until('every reader is at the end', SETTLE_MS, () => readers.every(isAtEnd)).finally(async () => {
      for (const reader of readers) await reader.stop();
    }),
  );
  await reach(untilAppsHave(phones, lanes));
  const wanted = countEvents(lanes);
  const isWhole = async () => {
    const { history, parked } = await readHistory(world.servers.mongo.url);
    return [...history.values()].reduce((count, events) => count + events.length, 0) >= wanted || parked.length > 0;
  };
  await reach(until('history has every event', SETTLE_MS, isWhole));
  await reach(untilPushed(world));
  return problems;
}

const lastSeqOf = (records: readonly StoredLaneRecord[] = []): number => records.at(-1)?.events?.at(-1)?.seq ?? 0;

/** Every app holds what its user may see, and has said so. */
async function untilAppsHave(phones: Phones, lanes: ReadonlyMap<string, readonly StoredLaneRecord[]>): Promise<void> {
  const ends = new Map<string, Map<string, number>>();
  for (const [lane, records] of lanes)
    for (const [user, spans] of spansOf(records.flatMap(({ events }) => events ?? []))) {
      const end = Math.min(spans.at(-1)?.left ?? 0, lastSeqOf(records));
      ends.set(user, (ends.get(user) ?? new Map<string, number>()).set(lane, end));
    }
  const lacks = () =>
    phones.apps.flatMap((app) => {
      const { user, device } = app.options.device;
      const missing = [...(ends.get(user) ?? [])].filter(([lane, end]) => app.heldOf(lane) < end);
      if (missing.length === 0) return app.saidAll ? [] : [`${user} ${device} has not said all that it has`];
      return missing.map(([lane, end]) => `${user} ${device} has ${lane} up to ${app.heldOf(lane)} of ${end}`);
    });
  try {
    await until('every app has everything', SETTLE_MS, () => lacks().length === 0);
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${lacks().slice(0, 5).join('; ')}`);
  } finally {
    await phones.stop();
  }
}

async function untilPushed({ servers }: World): Promise<void> {
  let left = '';
  const isDone = async () => {
    left = await readUnfinished(servers);
    if (left !== '') await pause(AGAIN_MS);
    return left === '';
  };
  await until('nothing is to be pushed any more', PUSHED_MS, isDone).catch((error: Error) => {
    throw new Error(`${error.message}: ${left}`);
  });
}

/** What an administrator is told of every message in these conversations. */
export async function readDeliveries(world: World, lanes: readonly string[]): Promise<DeliverySeen[]> {
  const stored = await readLanes(world.servers);
  const due = lanes.flatMap((lane) =>
    (stored.get(lane) ?? [])
      .flatMap(({ events }) => events ?? [])
      .filter(({ type }) => type === 'MessageSent')
      .map(({ seq }) => ({ lane, seq: seq as number })),
  );
  const token = tokenOf(world.secret, 'auditor', 'lanes:admin');
  const [door] = world.doors;
  const all: DeliverySeen[] = [];
  let vain = 0;
  if (!door) return all;
  const work = async (): Promise<void> => {
    for (let next = due.pop(); next; next = due.pop()) {
      const { lane, seq } = next;
      const found = deliveriesOf(await post(door, token, deliveryRequestOf(lane, seq)), lane, seq);
      if (found) all.push(...found);
      else if (++vain > VAIN_MAX) throw new Error(`what became of ${lane}:${seq} is not told`);
      else {
        due.push(next);
        await pause(AGAIN_MS);
      }
    }
  };
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, work));
  return all;
}
