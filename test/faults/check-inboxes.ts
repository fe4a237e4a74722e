/** I5 on every inbox by itself, and I8 on all inboxes of one device together. */
import { isFinalClose, TYPED_ENDS } from './check-streams.ts';
import { groupBy, type LaneFacts, type Span } from './facts.ts';
import type { InboxFrame, InboxSession } from './push-trace.ts';
import type { Invariant, Violation } from './trace.ts';

/** Where more wait, a `Reset` may take their place. */
const BACKLOG_MAX = 500;

type Lanes = ReadonlyMap<string, LaneFacts>;
type Report = (what: string, evidence?: unknown, lane?: string, invariant?: Invariant) => void;

/** `devices` were registered before their users came into any conversation. */
export function checkInboxes(lanes: Lanes, sessions: readonly InboxSession[]): Violation[] {
  const byDevice = groupBy(sessions, ({ user, device }) => `${user} ${device}`);
  return [...byDevice.values()].flatMap((all) => checkDevice(lanes, all));
}

/** What one device has had, of one lane. */
interface Held {
  readonly seqs: Set<number>;
  /** Everything up to it, that it may see. */
  position: number;
}

function checkDevice(lanes: Lanes, sessions: readonly InboxSession[]): Violation[] {
  const found: Violation[] = [];
  const [{ user, device }] = sessions as [InboxSession];
  const held = new Map<string, Held>();
  for (const session of [...sessions].sort((a, b) => a.openedAt - b.openedAt)) {
    const who = { user, device, process: session.process, openedAt: session.openedAt };
    const report: Report = (what, evidence, lane, invariant = 'I5') =>
      found.push({
        invariant,
        ...(lane === undefined ? {} : { lane }),
        what: `inbox: ${what}`,
        evidence: { who, evidence },
      });
    checkSession(lanes, session, held, report);
  }
  for (const lane of lanes.values()) found.push(...checkWhole(lane, user, device, held.get(lane.lane)));
  return found;
}

const heldIn = (held: Map<string, Held>, lane: string): Held => {
  const had = held.get(lane) ?? { seqs: new Set(), position: 0 };
  held.set(lane, had);
  return had;
};

function checkSession(lanes: Lanes, session: InboxSession, held: Map<string, Held>, report: Report): void {
  const { user, frames, openedAt, end } = session;
  /** By lane, the last seq of this stream. */
  const last = new Map<string, number>();
  let isCaughtUp = false;
  for (const frame of frames) {
    if (frame.type === 'InboxCaughtUp') {
      if (!isCaughtUp)
        for (const lane of lanes.values()) checkCaughtUp(lane, user, openedAt, held.get(lane.lane), report);
      isCaughtUp = true;
    }
    const lane = frame.lane === undefined ? undefined : lanes.get(frame.lane);
    if (frame.lane !== undefined && !lane) report('a frame of what is no conversation', frame);
    if (!lane) continue;
    if (frame.type === 'Reset') checkReset(lane, frame, heldIn(held, lane.lane), report);
    else if (frame.content !== undefined)
      checkEvent(lane, user, frame, last.get(lane.lane), heldIn(held, lane.lane), report);
    else continue;
    last.set(lane.lane, frame.seq);
  }
  if (end.kind === 'completed') report('completed by itself');
  if (end.kind === 'error' && !TYPED_ENDS.has(end.code))
    report(`ended with an error that says nothing: ${end.code}`, end, undefined, 'I12');
  if (isFinalClose(end)) report(`closed with ${end.code}, which clients take as final`, end, undefined, 'I12');
}

function checkReset(lane: LaneFacts, frame: InboxFrame, held: Held, report: Report): void {
  const { seq, resetReason } = frame;
  if (seq > lane.lastSeq) report(`reset to ${seq}, past the lane's end`, frame, lane.lane);
  if (resetReason !== 'TOO_FAR_BEHIND')
    report(`reset as ${resetReason}, though nothing was restored`, frame, lane.lane);
  else if (seq - held.position <= BACKLOG_MAX)
    report(`reset from ${held.position} to ${seq}, where so little waited`, frame, lane.lane);
  for (let passed = held.position + 1; passed <= seq; passed++) held.seqs.add(passed);
  held.position = Math.max(held.position, seq);
}

function checkEvent(
  lane: LaneFacts,
  user: string,
  frame: InboxFrame,
  last: number | undefined,
  held: Held,
  report: Report,
): void {
  const { seq, at } = frame;
  const content = lane.content(seq);
  if (content === undefined) report(`brought seq ${seq}, which the lane has not`, frame, lane.lane);
  else if (content !== frame.content) report(`brought another content at seq ${seq}`, frame, lane.lane);
  if (lane.earliest(seq) > at) report(`brought seq ${seq} before it was sent`, frame, lane.lane);
  const sights = lane.spans(user).filter((span) => sees(span, seq) && lane.earliest(span.joined) <= at);
  if (sights.length === 0) report(`brought seq ${seq}, which is not ${user}'s to see`, frame, lane.lane);
  if (last !== undefined && seq <= last) report(`seq ${seq} after ${last}`, frame, lane.lane);
  // Only what is hidden from who came back is passed over.
  const before = last ?? held.position;
  const follows = (first: number): boolean =>
    last === undefined ? seq <= Math.max(before + 1, first) : seq === Math.max(before + 1, first);
  if (sights.length > 0 && !sights.some(({ first }) => follows(first)))
    report(`seq ${seq} after ${before}`, frame, lane.lane);
  held.seqs.add(seq);
  held.position = Math.max(held.position, seq);
}

const sees = ({ first, left }: Span, seq: number): boolean => first <= seq && seq <= left;

/** Everything that was known before the stream was opened has come. */
function checkCaughtUp(lane: LaneFacts, user: string, openedAt: number, held: Held | undefined, report: Report): void {
  const known = lane.knownBefore(openedAt);
  const sight = lane.spans(user).at(-1);
  if (!sight || sight.joined > known || sight.left !== Number.POSITIVE_INFINITY) return;
  const had = held?.position ?? 0;
  if (had < known)
    report(`says that it has caught up at ${had}, when ${known} was known before it was opened`, undefined, lane.lane);
}

/**
 * Everything since it was last hidden. What was hidden when the device came past it does not come again, even if it may be seen
 * later.
 */
function checkWhole(lane: LaneFacts, user: string, device: string, held: Held | undefined): Violation[] {
  const spans = lane.spans(user);
  const sight = spans.at(-1);
  if (!sight) return [];
  const missed: number[] = [];
  const from = Math.max(...spans.map(({ first }) => first));
  for (let seq = from; seq <= Math.min(lane.lastSeq, sight.left); seq++) if (!held?.seqs.has(seq)) missed.push(seq);
  if (missed.length === 0) return [];
  const what = `device ${device} of ${user} missed ${missed.length} events`;
  return [{ invariant: 'I8', lane: lane.lane, what, evidence: { from, missed: missed.slice(0, 20) } }];
}
