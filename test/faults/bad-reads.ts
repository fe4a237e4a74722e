/** Kinds of broken streams and pages: each takes a good history and spoils what one reader was given. */
import { acksOf, eventsOf, type Kind, some, someEvent } from './spoil.ts';
import { contentOf, type Frame, type PageRead, type Session, seenOf, type Trace } from './trace.ts';

const isEvent = (frame: Frame | undefined): frame is Frame => frame?.content !== undefined;

/** Changes one stream; `change` answers undefined where the stream does not lend itself to it. */
const stream = (
  name: string,
  finds: Kind['finds'],
  change: (session: Session, trace: Trace) => Partial<Session> | undefined,
): Kind => ({
  name,
  finds,
  spoil: (trace, random) => {
    const found = some(random, trace.sessions, (session) => change(session, trace) !== undefined);
    if (!found) return undefined;
    const session = { ...found, ...change(found, trace) };
    return { ...trace, sessions: trace.sessions.map((other) => (other === found ? session : other)) };
  },
});

/** Changes the frames from the first place in which `where` finds something. */
const frames = (
  name: string,
  where: (frame: Frame, next: Frame | undefined, session: Session, trace: Trace) => boolean,
  by: (frame: Frame, next: Frame) => readonly Frame[],
  finds: Kind['finds'] = 'I5',
): Kind =>
  stream(name, finds, (session, trace) => {
    const { frames: all } = session;
    const at = all.findIndex((frame, i) => where(frame, all[i + 1], session, trace));
    if (at < 0) return undefined;
    return { frames: all.toSpliced(at, 2, ...by(all[at] as Frame, all[at + 1] as Frame).filter(Boolean)) };
  });

const twoEvents = (frame: Frame, next: Frame | undefined): boolean => isEvent(frame) && isEvent(next);

const streamKinds: readonly Kind[] = [
  stream('a stream leaves an event out', 'I5', ({ frames: all }) => {
    const at = all.findIndex((frame, i) => isEvent(frame) && isEvent(all[i + 1]));
    return at < 0 ? undefined : { frames: all.toSpliced(at, 1) };
  }),
  frames('a stream brings two events in the other order', twoEvents, (one, two) => [two, one]),
  frames('a stream brings an event twice', isEvent, (frame, next) => [frame, frame, next]),
  frames('a stream brings an event of another lane', isEvent, (frame, next) => [{ ...frame, lane: 'elsewhere' }, next]),
  frames('a stream brings other content', isEvent, (frame, next) => [{ ...frame, content: 1 }, next]),
  frames(
    'a stream says that more was sent than was',
    (frame) => frame.type === 'CaughtUp',
    (frame, next) => [{ ...frame, seq: frame.seq + 1 }, next],
  ),
  frames(
    'a stream says that it has caught up when it has not',
    (frame, next, { openedAt, frames: all }, { attempts, stores, ...rest }) =>
      frame.type === 'StreamStarted' &&
      isEvent(next) &&
      next.type === 'MessageSent' &&
      all.some(({ type }) => type === 'CaughtUp') &&
      acksOf(
        { attempts, stores, ...rest },
        next.lane,
        eventsOf({ attempts, stores, ...rest }, next.lane)[next.seq - 1] as never,
      ).some(({ answeredAt }) => answeredAt < openedAt),
    (frame, next) => [frame, { ...frame, type: 'CaughtUp' }, next],
  ),
  stream('a stream does not say where it starts', 'I5', ({ frames: all }) =>
    all.length > 1 ? { frames: all.slice(1) } : undefined,
  ),
  frames('a stream starts twice', isEvent, (frame, next) => [
    { ...frame, type: 'StreamStarted', content: undefined } as never,
    frame,
    next,
  ]),
  frames('a reset to a place that the lane has not', isEvent, (frame, next) => [
    frame,
    next,
    { type: 'Reset', lane: frame.lane, seq: 900_000, at: frame.at, resetReason: 'AHEAD' },
  ]),
  stream('a stream brings an event that the lane has not', 'I5', ({ frames: all, lane }, trace) => {
    const last = all.at(-1);
    if (!isEvent(last) || last.seq !== eventsOf(trace, lane).length) return undefined;
    return { frames: [...all, { ...last, seq: last.seq + 1 }] };
  }),
  stream('a stream completes for who did not leave', 'I5', ({ frames: all, end, user, lane }, trace) => {
    const events = eventsOf(trace, lane);
    const moved = events.some(
      (event) =>
        (event.type === 'MemberRemoved' && event.member === user) ||
        (event.type === 'MembersAdded' && event.members.includes(user as never)),
    );
    return end.kind === 'left' && all.length > 0 && !moved ? { end: { kind: 'completed' } } : undefined;
  }),
  stream('a member is refused a stream', 'I5', ({ frames: all, lane, openedAt }, trace) => {
    const created = eventsOf(trace, lane)[0];
    const known = created && acksOf(trace, lane, created).some(({ answeredAt }) => answeredAt < openedAt);
    const gone = eventsOf(trace, lane).some((event) => event.type === 'MemberRemoved' && event.member === created?.by);
    const from = created?.type === 'ConversationCreated' && all.length > 0 && known && !gone;
    return from ? { user: created.by, frames: [], end: { kind: 'error', code: 'NOT_FOUND' } } : undefined;
  }),
  stream('a stranger is given a stream', 'I5', ({ frames: all }) =>
    all.length > 0 ? { user: 'mallory', reader: 'mallory' } : undefined,
  ),
  stream('a stream starts after what it was to bring', 'I5', ({ frames: all, after, user, lane }, trace) => {
    const [first, ...rest] = all;
    const at = rest.findIndex(isEvent);
    if (!first || at < 0 || rest.some(({ type }) => type === 'Reset') || after !== first.seq) return undefined;
    const skipped = rest[at] as Frame;
    const came = eventsOf(trace, lane).some(
      (event) => event.type === 'MembersAdded' && event.members.includes(user as never),
    );
    return came ? undefined : { frames: [{ ...first, seq: skipped.seq }, ...rest.slice(at + 1)] };
  }),
  stream('a stream shows what was before the joining', 'I5', ({ frames: all, lane, user }, trace) => {
    const [first, ...rest] = all;
    const joined = eventsOf(trace, lane).find(
      (event) => event.type === 'MembersAdded' && event.hideHistory && event.members.includes(user as never),
    );
    const before = first && eventsOf(trace, lane)[first.seq - 1];
    const names = eventsOf(trace, lane).filter((event) => 'members' in event && event.members.includes(user as never));
    if (!first || !before || joined?.seq !== first.seq + 1 || names.length > 1) return undefined;
    const { seq, type } = before;
    const shown = { type, lane, seq, at: first.at, content: contentOf(seenOf(before)) };
    return { frames: [{ ...first, seq: seq - 1 }, shown, ...rest] };
  }),
  stream('a stream goes on after the removal', 'I5', ({ frames: all, lane, user }, trace) => {
    const events = eventsOf(trace, lane);
    const last = all.at(-1);
    const removal = last && events[last.seq - 1];
    const next = last && events[last.seq];
    const back = events.some(
      ({ seq, ...event }) => 'members' in event && event.members.includes(user as never) && seq > (last?.seq ?? 0),
    );
    if (!isEvent(last) || removal?.type !== 'MemberRemoved' || removal.member !== user || !next || back)
      return undefined;
    const more = { type: next.type, lane, seq: next.seq, at: last.at + 10_000, content: contentOf(seenOf(next)) };
    return { frames: [...all, more], endedAt: last.at + 10_000 };
  }),
  stream('a socket is closed for good', 'I12', ({ end }) =>
    end.kind === 'closed' ? { end: { kind: 'closed', code: 4500 } } : undefined,
  ),
  {
    name: 'a reader never gets the last event',
    finds: 'I8',
    spoil: (trace, random) => {
      const found = some(random, trace.sessions, ({ frames: all, lane, endedAt }) => {
        const last = all.findLast(isEvent);
        return endedAt >= 100_000 && last !== undefined && last.seq === eventsOf(trace, lane).length;
      });
      const seq = found?.frames.findLast(isEvent)?.seq ?? 0;
      if (!found) return undefined;
      const without = { ...found, frames: found.frames.filter((frame) => frame.seq < seq) };
      return { ...trace, sessions: trace.sessions.map((other) => (other === found ? without : other)) };
    },
  },
  {
    name: 'a reset is not followed by the pages that it leaves out',
    finds: 'I8',
    spoil: (trace, random) => {
      const filled = trace.pages.filter((read) => read.reader !== undefined);
      const read = some(random, filled, ({ page, reader }) => {
        const seqs = page?.nodes.map(({ seq }) => seq) ?? [];
        const streamed = trace.sessions
          .filter((session) => session.reader === reader)
          .flatMap(({ frames: all }) => all);
        return seqs.some((seq) => !streamed.some((frame) => isEvent(frame) && frame.seq === seq));
      });
      const gone = read && trace.sessions.find(({ reader }) => reader === read.reader);
      const hides = eventsOf(trace, gone?.lane ?? '').some(
        (event) => event.type === 'MembersAdded' || event.type === 'MemberRemoved',
      );
      return read && !hides ? { ...trace, pages: trace.pages.filter((other) => other !== read) } : undefined;
    },
  },
];

type Page = NonNullable<PageRead['page']>;
const page = (
  name: string,
  finds: Kind['finds'],
  change: (page: Page, read: PageRead, trace: Trace) => Partial<Page> | null | undefined,
): Kind => ({
  name,
  finds,
  spoil: (trace, random) => {
    const found = some(
      random,
      trace.pages,
      (read) => read.page !== null && change(read.page, read, trace) !== undefined,
    );
    if (!found?.page) return undefined;
    const changed = change(found.page, found, trace);
    const read = { ...found, page: changed ? { ...found.page, ...changed } : null };
    return { ...trace, pages: trace.pages.map((other) => (other === found ? read : other)) };
  },
});

const pageKinds: readonly Kind[] = [
  page('a page leaves an event out', 'I13', ({ nodes }) =>
    nodes.length > 2 ? { nodes: nodes.toSpliced(1, 1) } : undefined,
  ),
  page('a page has other content', 'I13', ({ nodes: [first, ...rest] }) =>
    first ? { nodes: [{ ...first, content: 1 }, ...rest] } : undefined,
  ),
  page('a page falls', 'I13', ({ nodes }) => (nodes.length > 1 ? { nodes: nodes.toReversed() } : undefined)),
  page('a page has what is after its asOf', 'I13', ({ nodes }) =>
    nodes.length > 0 ? { asOf: (nodes.at(-1)?.seq ?? 0) - 1 } : undefined,
  ),
  page('a page says that it is the last, and it is not', 'I13', ({ hasNextPage, nodes }) =>
    hasNextPage && nodes.length > 0 ? { hasNextPage: false } : undefined,
  ),
  page('a page says that it is the first, and it is not', 'I13', ({ hasPreviousPage, nodes }) =>
    hasPreviousPage && nodes.length > 0 ? { hasPreviousPage: false } : undefined,
  ),
  {
    name: 'a page is older than what was known when it was asked for',
    finds: 'I6',
    spoil: (trace, random) => {
      const place = someEvent(
        trace,
        random,
        ({ lane, event }) => acksOf(trace, lane, event).length > 0 && event.seq > 1,
      );
      const known = place && acksOf(trace, place.lane, place.event)[0];
      if (!place || !known) return undefined;
      const askedAt = known.answeredAt + 1;
      const old = {
        asOf: place.event.seq - 1,
        lastSeq: place.event.seq - 1,
        nodes: [],
        hasPreviousPage: true,
        hasNextPage: false,
      };
      const read = { user: known.user, lane: place.lane, process: 'api-0', kind: 'events' as const, askedAt };
      return { ...trace, pages: [...trace.pages, { ...read, answeredAt: askedAt + 1, page: old }] };
    },
  },
  page('a member is told that there is no such conversation', 'I6', (_, { user, lane, askedAt }, trace) => {
    const events = eventsOf(trace, lane);
    const [created] = events;
    const stayed = !events.some((event) => event.type === 'MemberRemoved' && event.member === user);
    const known = created && acksOf(trace, lane, created).some(({ answeredAt }) => answeredAt < askedAt);
    return created?.type === 'ConversationCreated' && created.by === user && stayed && known ? null : undefined;
  }),
];

export const READ_KINDS: readonly Kind[] = [...streamKinds, ...pageKinds];
