/** I5 on every stream by itself, and I8 on all streams of one reader together. */
import { groupBy, type LaneFacts, type Span } from './facts.ts';
import type { End, Frame, Invariant, PageRead, Session, Violation } from './trace.ts';

export const TYPED_ENDS = new Set(['NOT_FOUND', 'UNAVAILABLE', 'RATE_LIMITED', 'UNAUTHENTICATED', 'OUTCOME_UNKNOWN']);
/** Clients take these as final, so the server never closes with them for a passing fault. */
const FINAL_CLOSES = new Set([1000, 4500]);

type Report = (what: string, evidence?: unknown, invariant?: Invariant) => void;

export function checkSession(facts: LaneFacts, session: Session): Violation[] {
  const found: Violation[] = [];
  const { frames, reader, process, after, openedAt } = session;
  const who = { reader, process, after, openedAt };
  const report: Report = (what, evidence, invariant = 'I5') =>
    found.push({ invariant, lane: facts.lane, what: `stream: ${what}`, evidence: { who, evidence } });
  const sights = sightsOf(facts, session);
  const [first, ...rest] = frames;
  if (!first) {
    if (session.end.kind === 'completed') report('completed without a frame');
    checkEnd(facts, session, undefined, report);
    return found;
  }
  if (first.type !== 'StreamStarted') {
    report(`began with ${first.type}`, first);
    return found;
  }
  if (first.lane !== facts.lane) report('a frame of another lane', first);
  if (sights.length === 0) report('opened to a stranger', first);
  else checkStart(facts, session, first, rest[0], sights, report);
  const position = checkFrames(facts, session, first.seq, rest, sights, report);
  checkEnd(facts, session, position, report);
  return found;
}

/** The belongings by which this stream may have been opened or gone on: not past when it was opened, not later than its end. */
function sightsOf(facts: LaneFacts, { user, openedAt, endedAt }: Session): Span[] {
  const known = facts.knownBefore(openedAt);
  const spans = facts.spans(user);
  return spans.filter(
    (span, i) => facts.earliest(span.joined) <= endedAt && (spans[i + 1]?.joined ?? Number.POSITIVE_INFINITY) > known,
  );
}

const sees = (span: Span, seq: number): boolean => span.first <= seq && seq <= span.left;

function checkStart(
  facts: LaneFacts,
  { after, openedAt }: Session,
  started: Frame,
  next: Frame | undefined,
  sights: readonly Span[],
  report: Report,
): void {
  if (next?.type === 'Reset') return;
  const known = facts.knownBefore(openedAt);
  if (after === null) {
    if (sights.every(({ left }) => started.seq < Math.min(known, left)))
      report(`started at ${started.seq}, with what had been there before`, { known });
  } else if (started.seq > after) {
    // Only what this reader may not see is passed over.
    const skips = ({ first, left }: Span) => Math.max(after + 1, first) <= Math.min(started.seq, left);
    if (sights.every(skips)) report(`started at ${started.seq} and skipped what follows ${after}`);
  } else if (started.seq < after && sights.every(({ left }) => left > after))
    report(`started at ${started.seq}, before ${after}`);
  if (started.seq > facts.lastSeq) report(`started at ${started.seq}, past the lane's end`);
}

function checkFrames(
  facts: LaneFacts,
  { user, openedAt, after }: Session,
  from: number,
  frames: readonly Frame[],
  sights: readonly Span[],
  report: Report,
): number {
  let position = from;
  let caughtUp = false;
  let removedAt: number | undefined;
  const known = facts.knownBefore(openedAt);
  for (const frame of frames) {
    if (frame.lane !== facts.lane) report('a frame of another lane', frame);
    else if (frame.type === 'StreamStarted') report('started twice', frame);
    else if (frame.type === 'Reset') {
      if (frame.seq > facts.lastSeq) report(`reset to ${frame.seq}, past the lane's end`, frame);
      if (frame.resetReason === 'AHEAD' && (after ?? 0) <= facts.lastSeq)
        report('reset as ahead of a lane that is not behind', frame);
      position = frame.seq;
    } else if (frame.type === 'CaughtUp') {
      if (frame.seq > position) report(`says that all up to ${frame.seq} was sent at ${position}`, frame);
      if (!caughtUp && sights.length > 0 && sights.every(({ left }) => frame.seq < Math.min(known, left)))
        report(`says that it has caught up at ${frame.seq}, when ${known} was known before it was opened`, frame);
      caughtUp = true;
    } else if (frame.content !== undefined) {
      if (frame.seq !== position + 1) report(`seq ${frame.seq} after ${position}`, frame);
      position = Math.max(position, frame.seq);
      const content = facts.content(frame.seq);
      if (content === undefined) report(`brought seq ${frame.seq}, which the lane has not`, frame);
      else if (content !== frame.content) report(`brought another content at seq ${frame.seq}`, frame);
      else if (!sights.some((span) => sees(span, frame.seq) && facts.earliest(span.joined) <= frame.at))
        report(`brought seq ${frame.seq}, which is not ${user}'s to see`, frame);
      if (facts.earliest(frame.seq) > frame.at) report(`brought seq ${frame.seq} before it was sent`, frame);
    }
    if (removedAt !== undefined && frame.type !== 'CaughtUp' && !isBack(facts, user, removedAt, frame.at))
      report(`went on after the removal at ${removedAt}`, frame);
    const event = frame.content === undefined ? undefined : facts.at(frame.seq);
    if (event?.type === 'MemberRemoved' && event.member === user) removedAt = frame.seq;
  }
  return position;
}

const isBack = (facts: LaneFacts, user: string, removedAt: number, time: number): boolean =>
  facts.spans(user).some((span) => span.joined > removedAt && facts.earliest(span.joined) <= time);

function checkEnd(facts: LaneFacts, session: Session, position: number | undefined, report: Report): void {
  const { end, user } = session;
  if (end.kind === 'completed' && position !== undefined && !endsThere(facts, session, position))
    report(`completed at ${position}, where ${user} did not leave`, end);
  if (end.kind === 'error') {
    if (!TYPED_ENDS.has(end.code)) report(`ended with an error that says nothing: ${end.code}`, end, 'I12');
    if (end.code === 'NOT_FOUND' && wasTheirs(facts, session))
      report(`ended as NOT_FOUND, though it was ${user}'s`, end);
  }
  if (isFinalClose(end)) report(`closed with ${end.code}, which clients take as final`, end, 'I12');
}

export const isFinalClose = (end: End): end is Extract<End, { kind: 'closed' }> =>
  end.kind === 'closed' && end.code !== undefined && FINAL_CLOSES.has(end.code);

/** Whether it was there to be followed: to a member always, to a former one while something is left up to the leaving. */
function wasTheirs(facts: LaneFacts, { user, after, openedAt }: Session): boolean {
  const last = facts.spans(user).at(-1);
  if (!last || last.joined > facts.knownBefore(openedAt)) return false;
  return last.left === Number.POSITIVE_INFINITY || (after !== null && after < last.left);
}

/** Removed there, or gone and back with what comes next hidden: then the stream cannot go on. */
const endsThere = (facts: LaneFacts, { user, endedAt }: Session, position: number): boolean =>
  facts
    .spans(user)
    .some(
      ({ left, joined, first }) =>
        left === position || (joined > position && first > position + 1 && facts.earliest(joined) <= endedAt),
    );

/** A reader that came to the end of the run has every event after its first start that it may see. */
export function checkReader(facts: LaneFacts, sessions: readonly Session[], pages: readonly PageRead[]): Violation[] {
  const [{ reader, user }] = sessions as [Session, ...Session[]];
  const had = new Set<number>();
  let start = Number.POSITIVE_INFINITY;
  const hiddenOnce = Math.max(0, ...facts.spans(user).map(({ first }) => first - 1));
  for (const { frames, after } of [...sessions].sort((a, b) => a.openedAt - b.openedAt)) {
    const [first] = frames;
    if (first && start === Number.POSITIVE_INFINITY) start = first.seq;
    // What was hidden when the reader came past it does not come again, even if it may be seen later.
    if (first && after !== null) for (let seq = after + 1; seq <= Math.min(first.seq, hiddenOnce); seq++) had.add(seq);
    for (const frame of frames) if (frame.content !== undefined) had.add(frame.seq);
  }
  for (const { page } of pages) for (const node of page?.nodes ?? []) had.add(node.seq);
  const sight = facts.spans(user).at(-1);
  if (!sight || start === Number.POSITIVE_INFINITY) return [];
  const missed: number[] = [];
  for (let seq = Math.max(start + 1, sight.first); seq <= Math.min(facts.lastSeq, sight.left); seq++)
    if (!had.has(seq)) missed.push(seq);
  if (missed.length === 0) return [];
  const what = `reader ${reader} missed ${missed.length} events`;
  return [{ invariant: 'I8', lane: facts.lane, what, evidence: { user, start, missed: missed.slice(0, 20) } }];
}

export function checkReaders(
  facts: ReadonlyMap<string, LaneFacts>,
  sessions: readonly Session[],
  pages: readonly PageRead[],
): Violation[] {
  const filled = groupBy(
    pages.filter((page) => page.reader !== undefined),
    (page) => page.reader as string,
  );
  return [...groupBy(sessions, (session) => session.reader)].flatMap(([reader, all]) => {
    const lane = facts.get((all[0] as Session).lane);
    return lane ? checkReader(lane, all, filled.get(reader) ?? []) : [];
  });
}
