/** Streams and pages of a grown lane as a right server gives them, broken off and taken up again at any time. */

import type { UserId } from '../../schema/ids.ts';
import { type Lane, sightOf } from '../../services/lane/lane.ts';
import type { Grown } from './good-history.ts';
import type { Random } from './random.ts';
import { contentOf, type End, type Frame, type PageRead, type Session, seenOf } from './trace.ts';

const FOREVER = 100_000;

/** The number of events that the lane had at a time. */
export const countAt = ({ times }: Grown, time: number): number => times.findLastIndex((began) => began <= time);
const sightAt = (grown: Grown, user: string, count: number) =>
  sightOf(grown.states[count] as Lane, user as UserId, false);

export function readSome(random: Random, grown: Grown, users: readonly string[]) {
  const sessions: Session[] = [];
  const pages: PageRead[] = [];
  for (const user of users) {
    for (let n = 0; n < 2; n++) if (random.chance(0.5)) follow(random, grown, user, `${user}${n}`, sessions, pages);
    for (let n = random.int(0, 4); n > 0; n--) pages.push(readPage(random, grown, user, random.int(0, 2_500)));
  }
  return { sessions, pages };
}

interface Position {
  seq: number | null;
}

/** One reader: sessions until one that stays open past the end of everything. */
function follow(random: Random, grown: Grown, user: string, name: string, sessions: Session[], pages: PageRead[]) {
  const reader = `${name}@${grown.lane}`;
  const position: Position = { seq: random.pick([0, 0, null]) };
  let openedAt = random.int(0, 1_500);
  const stays = random.int(300, 2_600);
  for (;;) {
    const last = openedAt > stays;
    const closedAt = last ? FOREVER : openedAt + random.int(5, 600);
    const session = oneSession(random, grown, user, reader, position, openedAt, closedAt, pages);
    sessions.push(session);
    if (last && (session.end.kind === 'left' || openedAt > 2_600)) return;
    openedAt = session.endedAt + random.int(1, 300);
  }
}

function oneSession(
  random: Random,
  grown: Grown,
  user: string,
  reader: string,
  position: Position,
  openedAt: number,
  closedAt: number,
  pages: PageRead[],
): Session {
  const frames: Frame[] = [];
  const { lane } = grown;
  const door = random.pick(['ws', 'sse'] as const);
  const session = { reader, user, lane, process: random.pick(['api-0', 'api-1']), door, openedAt };
  const after = position.seq;
  const ended = (end: End, endedAt: number): Session => ({ ...session, after, frames, end, endedAt });
  let now = openedAt + random.int(0, 5);
  const began = countAt(grown, now);
  const sight = sightAt(grown, user, began);
  if (!sight) return ended({ kind: 'error', code: 'NOT_FOUND' }, now + 1);
  // Where nothing is left up to the leaving, either answer will do.
  const isOver = sight.to <= began && (after ?? began) >= sight.to;
  if (isOver && random.chance(0.5)) return ended({ kind: 'error', code: 'NOT_FOUND' }, now + 1);
  if (now > closedAt) return ended({ kind: 'left' }, closedAt);
  const end = Math.min(began, sight.to);
  let at = Math.max(after ?? end, sight.from - 1);
  frames.push({ type: 'StreamStarted', lane, seq: at, at: now });
  position.seq = Math.max(at, after ?? 0);
  if (end - at > 3 && random.chance(0.2)) {
    frames.push({ type: 'Reset', lane, seq: end, at: now, resetReason: 'TOO_FAR_BEHIND' });
    pages.push(pageOf(random, grown, user, reader, 'events', at + 1, end, began, now, now + 1));
    at = end;
    position.seq = at;
  }
  let caughtUp = false;
  for (;;) {
    if (!caughtUp && at >= end) {
      frames.push({ type: 'CaughtUp', lane, seq: at, at: now });
      caughtUp = true;
    }
    const seen = sightAt(grown, user, countAt(grown, now));
    if (seen?.to === at) return ended({ kind: 'completed' }, now);
    // Gone and back with the history hidden: this stream cannot go on.
    if (seen && seen.from > at + 1)
      return ended(random.pick([{ kind: 'closed', code: 1006 } as const, { kind: 'completed' } as const]), now);
    const came = grown.times[at + 1];
    if (came === undefined) return ended({ kind: 'left' }, closedAt);
    now = Math.max(now, came) + random.int(0, 3);
    if (now >= closedAt) return ended(random.chance(0.5) ? { kind: 'left' } : { kind: 'closed', code: 1006 }, closedAt);
    at++;
    const event = grown.events[at - 1] as Grown['events'][number];
    frames.push({ type: event.type, lane, seq: at, at: now, content: contentOf(seenOf(event)) });
    position.seq = at;
    // A slow reader is caught up again.
    if (caughtUp && random.chance(0.1)) frames.push({ type: 'CaughtUp', lane, seq: at, at: now });
  }
}

function readPage(random: Random, grown: Grown, user: string, askedAt: number): PageRead {
  const seenAt = askedAt + random.int(0, 10);
  const answeredAt = seenAt + random.int(1, 10);
  const kind = random.pick(['messages', 'events'] as const);
  const count = countAt(grown, seenAt);
  const sight = sightAt(grown, user, count);
  const process = random.pick(['api-0', 'api-1']);
  if (!sight || sight.to !== Number.POSITIVE_INFINITY)
    return { user, lane: grown.lane, process, kind, askedAt, answeredAt, page: null };
  const from = random.int(sight.from, Math.max(sight.from, count));
  const to = random.int(from, Math.max(from, count));
  return pageOf(random, grown, user, undefined, kind, from, to, count, askedAt, answeredAt);
}

function pageOf(
  random: Random,
  grown: Grown,
  user: string,
  reader: string | undefined,
  kind: PageRead['kind'],
  from: number,
  to: number,
  asOf: number,
  askedAt: number,
  answeredAt: number,
): PageRead {
  const fits = (event: Grown['events'][number]) => kind === 'events' || event.type === 'MessageSent';
  const sight = sightAt(grown, user, asOf);
  const seen = grown.events.slice(0, asOf).filter((event) => fits(event) && event.seq >= (sight?.from ?? 1));
  const nodes = seen.filter(({ seq }) => seq >= from && seq <= to);
  return {
    ...(reader === undefined ? {} : { reader }),
    user,
    lane: grown.lane,
    process: random.pick(['api-0', 'api-1']),
    kind,
    askedAt,
    answeredAt,
    page: {
      asOf,
      lastSeq: asOf,
      nodes: nodes.map((event) => ({ seq: event.seq, content: contentOf(seenOf(event)) })),
      hasPreviousPage: seen.some(({ seq }) => seq < from),
      hasNextPage: seen.some(({ seq }) => seq > to),
    },
  };
}
