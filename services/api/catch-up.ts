/** How a reader that is behind the ring comes back to it: the ring reaches back for all, or the reader reads for itself. */
import type { LaneEvent } from '../../schema/events.ts';
import type { UserId } from '../../schema/ids.ts';
import type { Slots } from '../slots.ts';
import { RUN_BYTES, RUN_PARTS } from './audience.ts';
import { codeOf, publicError } from './errors.ts';
import type { FeedOptions } from './feed.ts';
import type { Frames, Operation } from './frames.ts';
import type { Hub } from './hub.ts';
import { type Part, SharedPayload } from './sink.ts';
import type { EventFrame } from './sources.ts';

/** Asking the ring to reach back this often, before the reader reads for itself. */
const REACHES = 8;
/** While the store is out of reach it is tried again; with these waits for about half a minute. */
const TRIES = 10;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 5_000;
/** Whose budget is spent waits for so long at least: what is read anew then is several small frames, not one. */
const SPENT_MS = 100;

/** For `Turns.payers`: of each user one. */
export const PAYERS = { running: Number.POSITIVE_INFINITY, each: 1 };
/** `spent`: the reader's user may have no more made for now. */
export type Spent = 'spent';
/** What all readers of a process that catch up share. */
export interface Turns extends Pick<FeedOptions, 'log' | 'pause'> {
  readonly frames: Frames;
  /** Places to read in. */
  readonly slots: Slots;
  /** Where those wait whose budget is spent, the streams of one user one after the other: not in a place that others wait for. */
  readonly payers: Slots;
}

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
  const reached = await inTurn(options, reader.user, still, () => readOn(hub, reader, still));
  return reached === 'reached' && still() ? 'alone' : 'left';
}

/** Reads in the user's turn; where its budget is spent, again when it has something. Undefined: the answer is no longer wanted. */
export async function inTurn<T>(
  turns: Turns,
  user: UserId,
  still: () => boolean,
  read: () => Promise<T | Spent>,
): Promise<T | undefined> {
  const { slots, payers, frames, pause } = turns;
  const take = () => patiently({ options: turns }, still, () => slots.hold(user, read));
  const pay = async () => {
    for (let ms = SPENT_MS; ms > 0 && still(); ms = frames.debt(user)) await pause(Math.max(SPENT_MS, ms));
    return take();
  };
  let got = await take();
  while (got === 'spent') got = await payers.hold(user, pay);
  return got;
}

/** Again while the store is out of reach. Undefined: the answer is no longer wanted. */
export async function patiently<T>(
  { options: { log, pause } }: { readonly options: Pick<FeedOptions, 'log' | 'pause'> },
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

/** `left`: parked, ended or begun anew on the way. */
type Given = 'given' | 'left' | Spent;

/** Reads and gives until the ring goes on. */
async function readOn(hub: Hub, reader: Behind, still: () => boolean): Promise<'reached' | 'left' | Spent> {
  const { feed, options } = hub;
  while (still() && reader.position < feed.ring.first - 1) {
    const from = reader.position;
    if (!feed.loaded) return 'left';
    for await (const events of options.reads.gap(feed.loaded, from)) {
      const given = still() ? await giveEvents(hub, reader, events, still) : 'left';
      if (given !== 'given') return given;
      if (reader.position >= feed.ring.first - 1) return 'reached';
    }
    if (reader.position === from) throw new Error(`lane ${feed.lane}: nothing came after event ${from}`);
  }
  return still() ? 'reached' : 'left';
}

async function giveEvents(
  { feed, options: { frames } }: Hub,
  reader: Behind,
  events: readonly LaneEvent[],
  still: () => boolean,
): Promise<Given> {
  const { lane } = feed;
  let parts: Part[] = [];
  let bytes = 0;
  let last = reader.position;
  const give = (): Given => {
    if (last === reader.position) return 'given';
    const payload = new SharedPayload(parts, last);
    parts = [];
    bytes = 0;
    return reader.give(payload, last) ? 'given' : 'left';
  };
  for (const event of events) {
    if (event.seq <= last) continue;
    if (event.seq !== last + 1) throw new Error(`lane ${lane}: event ${event.seq} came after event ${last}`);
    if (!reader.admits(event)) return 'left';
    if (event.seq > reader.end) break;
    if (frames.shows(event.type)) {
      const source: EventFrame = { __typename: event.type, lane, seq: event.seq, event };
      if (frames.wait(source, reader.user) > 0) return give() === 'given' ? 'spent' : 'left';
      const answer = frames.execute(reader.operation, source, reader.user);
      const part = answer instanceof Promise ? await answer : answer;
      if (!still()) return 'left';
      parts.push(part);
      bytes += part.utf8.byteLength;
    }
    last = event.seq;
    if ((parts.length >= RUN_PARTS || bytes >= RUN_BYTES) && give() === 'left') return 'left';
  }
  return give();
}
