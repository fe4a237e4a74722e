/**
 * What a reader is owed of one lane, read and given: the events from its place on, or a `Reset` in their stead. What it may see
 * is asked of the lane's own state.
 */
import type { LaneEvent } from '../../schema/events.ts';
import { type LaneId, type Millis, type Revision, revisionOf, type UserId } from '../../schema/ids.ts';
import { type Journal, JournalUnavailable } from '../journal/journal.ts';
import { type Lanes, type Loaded, PoisonedLane } from '../journal/lanes.ts';
import { type Sight, sightOf } from '../lane/lane.ts';
import { lastSentBy } from '../lane/sent.ts';
import type { Logger } from '../logger.ts';
import type { Reads } from '../views/reads.ts';
import { RUN_BYTES, RUN_PARTS } from './audience.ts';
import type { Spent } from './catch-up.ts';
import type { Frames, Operation } from './frames.ts';
import type { InboxAnswers } from './inbox-answers.ts';
import { namedIn } from './inbox-tail.ts';
import { eventFrameOf } from './resolvers/events.ts';
import { type Part, SharedPayload } from './sink.ts';
import type { ResetFrame, ResetReason } from './sources.ts';
import type { StreamCounts } from './stream-metrics.ts';

/** Source: CONTRACT, on marks. */
export const BACKLOG_MAX = 500;

/** From where a reader is owed a lane's events. */
export type From =
  /** After this event. */
  | { readonly kind: 'seq'; readonly seq: number }
  /** After the events of the record that has this revision, or would have it. */
  | { readonly kind: 'revision'; readonly revision: Revision }
  /** The device has no mark in the lane; its user has one that says it has read so far, or 0. */
  | { readonly kind: 'unmarked'; readonly read: number }
  /** The lane is not the one that the reader knows. */
  | { readonly kind: 'rebuilt' };

export interface CatchUpParts {
  readonly journal: Pick<Journal, 'read'>;
  readonly lanes: Pick<Lanes, 'peek' | 'fresh'>;
  readonly reads: Pick<Reads, 'gap' | 'event'>;
  readonly frames: Frames;
  readonly answers: InboxAnswers;
  readonly counts: StreamCounts;
  readonly log: Logger;
  /** Where more events of a lane wait, a `Reset` takes their place. */
  readonly backlogMax: number;
}

/** The reader, as far as one lane concerns it. */
export interface Owing {
  readonly lane: LaneId;
  readonly user: UserId;
  readonly operation: Operation;
  /** When the reader's device was registered. */
  readonly since: Millis;
  readonly from: From;
  /** The last event that it is owed. */
  readonly upTo: number;
  /** Whether it is still owed, and there is room. */
  still(): boolean;
  /** The reader has come to the event `to`. False: it is full, or gone. */
  give(payload: SharedPayload, to: number): boolean;
  /** Nothing of what is left up to `to` is to be given. */
  pass(to: number): void;
}

/** Settles when everything up to `upTo` was given or passed, or it is no longer `still`. Throws JournalUnavailable, HistoryUnavailable. */
export async function catchUp(parts: CatchUpParts, owing: Owing): Promise<'had' | Spent> {
  try {
    return await giveOwed(parts, owing);
  } catch (error) {
    if (!(error instanceof PoisonedLane)) throw error;
    parts.log.error({ err: error, lane: owing.lane }, 'a poisoned lane cannot be given');
    if (owing.still()) await giveReset(parts, owing, owing.upTo, 'TOO_FAR_BEHIND');
    return 'had';
  }
}

async function giveOwed(parts: CatchUpParts, owing: Owing): Promise<'had' | Spent> {
  const { lane, user, upTo } = owing;
  const loaded = await stateOf(parts.lanes, lane, upTo);
  const sight = sightOf(loaded.lane, user, false);
  if (!sight) owing.pass(upTo);
  const after = sight && (await placeOf(parts, owing, loaded, sight));
  if (!sight || after === undefined || !owing.still()) return 'had';
  const end = Math.min(upTo, sight.to);
  const from = after === 'rebuilt' ? end : Math.max(after, sight.from - 1);
  if (after === 'rebuilt') await giveReset(parts, owing, end, 'STORE_REBUILT');
  else if (after > upTo) await giveReset(parts, owing, end, 'AHEAD');
  else if (end - from > parts.backlogMax) await giveReset(parts, owing, end, 'TOO_FAR_BEHIND');
  else {
    const given = from < end ? await giveEvents(parts, owing, loaded, { from, end }) : 'given';
    if (given === 'spent') return given;
    if (given === 'given') owing.pass(upTo);
  }
  return 'had';
}

/** The lane's state at the event `seq` or later. */
async function stateOf(lanes: CatchUpParts['lanes'], lane: LaneId, seq: number): Promise<Loaded> {
  const known = lanes.peek(lane);
  const loaded = known && known.lane.seq >= seq ? known : await lanes.fresh(lane);
  if (loaded.lane.seq < seq) throw new JournalUnavailable(`lane ${lane}: it does not show its event ${seq}`);
  return loaded;
}

/** The seq after which the reader is owed. */
async function placeOf(parts: CatchUpParts, owing: Owing, loaded: Loaded, sight: Sight): Promise<number | 'rebuilt'> {
  const { from } = owing;
  switch (from.kind) {
    case 'seq':
      return from.seq;
    case 'rebuilt':
      return 'rebuilt';
    case 'revision':
      return placeOfRevision(parts, owing, loaded, { sight, revision: from.revision });
    case 'unmarked':
      return placeUnmarked(parts.reads, owing, loaded, { sight, read: from.read });
    default:
      return from satisfies never;
  }
}

async function placeOfRevision(
  parts: CatchUpParts,
  owing: Owing,
  loaded: Loaded,
  { sight, revision }: { readonly sight: Sight; readonly revision: Revision },
): Promise<number> {
  const { lane, upTo } = owing;
  if (loaded.revision <= revision) return upTo;
  const { records } = await parts.journal.read(lane, revisionOf(revision + 1), { limit: 1 });
  const first = records[0];
  if (!first) throw new JournalUnavailable(`lane ${lane}: it does not show its record ${loaded.revision}`);
  const next = first.record?.events[0]?.seq;
  if (next === undefined) throw new PoisonedLane(`lane ${lane}: its record ${first.revision} cannot be read`);
  // What came before the joining was not the reader's at its place.
  return (await hasJoinedSince(parts, owing, loaded, { sight, next })) ? sight.from - 1 : next - 1;
}

/** Whether the user was taken in by the event `next` or later. Of who has left again the lane's state does not say. */
async function hasJoinedSince(
  { reads, backlogMax }: CatchUpParts,
  { user }: Owing,
  loaded: Loaded,
  { sight, next }: { readonly sight: Sight; readonly next: number },
): Promise<boolean> {
  const member = loaded.lane.members.get(user);
  if (member) return member.joinedSeq >= next;
  if (sight.to - next >= backlogMax) return false;
  for await (const events of reads.gap(loaded, next - 1))
    for (const event of events) {
      if (event.seq > sight.to) return false;
      if (event.seq >= next && namedIn(event).includes(user)) return event.type !== 'MemberRemoved';
    }
  return false;
}

/**
 * Of what was there when the device was registered it begins where its user has read to; what came later is its own to
 * acknowledge, whoever has read it elsewhere.
 */
async function placeUnmarked(
  reads: CatchUpParts['reads'],
  { user, since, upTo }: Owing,
  loaded: Loaded,
  { sight, read }: { readonly sight: Sight; readonly read: number },
): Promise<number> {
  const { lane } = loaded;
  const wasThere = async (seq: number): Promise<boolean> => {
    const event = await reads.event(loaded, seq);
    return event !== undefined && event.at <= since;
  };
  const isOld = lane.lastAt <= since;
  // Who had left before has no lane here.
  if (sight.to < Number.POSITIVE_INFINITY && (isOld || (await wasThere(sight.to)))) return upTo;
  let low = sight.from - 1;
  let high = Math.min(upTo, Math.max(read, lastSentBy(lane.sent, user)));
  if (high <= low) return low;
  if (isOld || (await wasThere(high))) return high;
  // Times never fall within a lane: the last event that was there, by halving.
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (await wasThere(middle)) low = middle;
    else high = middle;
  }
  return low;
}

async function giveReset(
  { frames, counts }: CatchUpParts,
  owing: Owing,
  seq: number,
  resetReason: ResetReason,
): Promise<void> {
  const reset: ResetFrame = { __typename: 'Reset', lane: owing.lane, seq, resetReason };
  const part = await frames.execute(owing.operation, reset);
  if (!owing.still() || !owing.give(new SharedPayload([part], 0), seq)) return;
  counts.resets[resetReason]++;
  owing.pass(owing.upTo);
}

/** `left`: it is full, or gone. */
type Given = 'given' | 'left' | Spent;

async function giveEvents(
  { reads, answers, frames }: CatchUpParts,
  owing: Owing,
  loaded: Loaded,
  { from, end }: { readonly from: number; readonly end: number },
): Promise<Given> {
  const { lane, operation, user } = owing;
  let parts: Part[] = [];
  let bytes = 0;
  let last = from;
  const give = (): Given => {
    const payload = new SharedPayload(parts, 0);
    parts = [];
    bytes = 0;
    return owing.give(payload, last) ? 'given' : 'left';
  };
  const take = async (event: LaneEvent): Promise<Given> => {
    if (event.seq !== last + 1) throw new Error(`lane ${lane}: event ${event.seq} came after event ${last}`);
    const frame = eventFrameOf(lane, event);
    if (frames.wait(frame, user) > 0) return give() === 'given' ? 'spent' : 'left';
    const answer = answers.of(operation, frame, user);
    const part = answer instanceof Promise ? await answer : answer;
    if (!owing.still()) return 'left';
    last = event.seq;
    if (part) parts.push(part);
    bytes += part?.utf8.byteLength ?? 0;
    return parts.length < RUN_PARTS && bytes < RUN_BYTES ? 'given' : give();
  };
  for await (const events of reads.gap(loaded, from)) {
    if (!owing.still()) return 'left';
    for (const event of events) {
      if (event.seq <= last || event.seq > end) continue;
      const given = await take(event);
      if (given !== 'given') return given;
    }
    if (last >= end) break;
  }
  return give();
}
