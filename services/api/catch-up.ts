/** How a reader that is behind the ring comes back to it: the ring reaches back for all, or the reader reads for itself. */
import type { LaneEvent } from '../../schema/events.ts';
import type { UserId } from '../../schema/ids.ts';
import { RUN_BYTES, RUN_PARTS } from './audience.ts';
import { codeOf, publicError } from './errors.ts';
import type { Operation } from './frames.ts';
import type { Hub, HubOptions } from './hub.ts';
import { type Part, SharedPayload } from './sink.ts';
import type { EventFrame } from './sources.ts';

/** Asking the ring to reach back this often, before the reader reads for itself. */
const REACHES = 8;
/** While the store is out of reach it is tried again; with these waits for about half a minute. */
const TRIES = 10;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 5_000;

/** The reader, as far as catching up concerns it. */
export interface Behind {
  readonly user: UserId;
  readonly operation: Operation;
  readonly position: number;
  /** The last event that it may be given. */
  readonly end: number;
  /** Asked for each event before it is put with those to give; it may move `end`. False: the stream has ended. */
  admits(event: LaneEvent): boolean;
  /** False: the stream has ended, or waits for room. */
  give(payload: SharedPayload, to: number): boolean;
}

/** `alone`: the reader had to read for itself. `left`: parked, ended or begun anew on the way. */
export type Reached = 'shared' | 'alone' | 'left';

/** Throws what could not be read, after a bounded number of tries. `still`: whether anybody waits for this catch-up. */
export async function reachRing(hub: Hub, reader: Behind, still: () => boolean): Promise<Reached> {
  const { feed, options } = hub;
  const outside = (): boolean => reader.position < feed.ring.first - 1;
  for (let i = 0; i < REACHES && outside() && feed.canReach(reader.position); i++) {
    const { first } = feed.ring;
    await patiently(hub, still, () => feed.reachBack(reader.position));
    if (!still()) return 'left';
    if (feed.ring.first >= first) break;
  }
  if (!outside()) return 'shared';
  options.counts.catchUps++;
  const reached = await patiently(hub, still, () => options.slots.hold(reader.user, () => readOn(hub, reader, still)));
  return reached && still() ? 'alone' : 'left';
}

/** Again while the store is out of reach. Undefined: the answer is no longer wanted. */
export async function patiently<T>(
  { options: { log, pause } }: { readonly options: Pick<HubOptions, 'log' | 'pause'> },
  still: () => boolean,
  read: () => Promise<T>,
): Promise<T | undefined> {
  for (let tried = 1; still(); tried++) {
    try {
      return await read();
    } catch (error) {
      if (!still()) break;
      if (tried === TRIES || codeOf(publicError(error, log)) !== 'UNAVAILABLE') throw error;
      await pause(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** tried));
    }
  }
  return undefined;
}

/** Reads and gives until the ring goes on. False: parked, ended or begun anew on the way. */
async function readOn(hub: Hub, reader: Behind, still: () => boolean): Promise<boolean> {
  const { feed, options } = hub;
  while (still() && reader.position < feed.ring.first - 1) {
    const from = reader.position;
    if (!feed.loaded) return false;
    for await (const events of options.reads.gap(feed.loaded, from)) {
      if (!still() || !(await giveEvents(hub, reader, events, still))) return false;
      if (reader.position >= feed.ring.first - 1) return true;
    }
    if (reader.position === from) throw new Error(`lane ${feed.lane}: nothing came after event ${from}`);
  }
  return still();
}

/** False: parked, ended or begun anew on the way. */
async function giveEvents(
  { feed, options: { frames, pause } }: Hub,
  reader: Behind,
  events: readonly LaneEvent[],
  still: () => boolean,
): Promise<boolean> {
  const { lane } = feed;
  let parts: Part[] = [];
  let bytes = 0;
  let last = reader.position;
  const give = (): boolean => {
    const payload = new SharedPayload(parts, last);
    parts = [];
    bytes = 0;
    return reader.give(payload, last);
  };
  for (const event of events) {
    if (event.seq <= last) continue;
    if (event.seq !== last + 1) throw new Error(`lane ${lane}: event ${event.seq} came after event ${last}`);
    if (!reader.admits(event)) return false;
    if (event.seq > reader.end) break;
    if (frames.shows(event.type)) {
      const source: EventFrame = { __typename: event.type, lane, seq: event.seq, event };
      for (let ms = frames.wait(source, reader.user); ms > 0 && still(); ms = frames.wait(source, reader.user))
        await pause(ms);
      const answer = frames.execute(reader.operation, source, reader.user);
      const part = answer instanceof Promise ? await answer : answer;
      if (!still()) return false;
      parts.push(part);
      bytes += part.utf8.byteLength;
    }
    last = event.seq;
    if ((parts.length >= RUN_PARTS || bytes >= RUN_BYTES) && !give()) return false;
  }
  return last === reader.position || give();
}
