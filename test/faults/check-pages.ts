/** I13 and the freshness of I6 on every page that somebody read. */
import type { LaneFacts } from './facts.ts';
import type { Invariant, PageRead, Violation } from './trace.ts';

export function checkPage(facts: LaneFacts, read: PageRead): Violation[] {
  const found: Violation[] = [];
  const { user, process, kind, askedAt, answeredAt, page } = read;
  const who = { user, process, kind, askedAt };
  const report = (invariant: Invariant, what: string, evidence?: unknown) =>
    found.push({ invariant, lane: facts.lane, what: `page: ${what}`, evidence: { who, evidence } });
  const known = facts.knownBefore(askedAt);
  const spans = facts.spans(user);
  if (page === null) {
    if (spans.some((span) => span.joined <= known && span.left === Number.POSITIVE_INFINITY))
      report('I6', `null to who was a member since before it was asked`, { known });
    return found;
  }
  const { asOf, lastSeq, nodes } = page;
  if (asOf < known) report('I6', `asOf ${asOf}, when ${known} was known before it was asked`);
  if (lastSeq < known) report('I6', `lastSeq ${lastSeq}, when ${known} was known before it was asked`);
  if (asOf > facts.lastSeq) report('I13', `asOf ${asOf}, past the lane's end`);
  if (facts.earliest(asOf) > answeredAt) report('I6', `asOf ${asOf} before that was sent`);
  const sights = spans.filter((span) => facts.earliest(span.joined) <= answeredAt);
  let last: number | undefined;
  for (const { seq, content } of nodes) {
    if (last !== undefined && seq <= last) report('I13', `seq ${seq} after ${last}`);
    const between = last === undefined ? [] : placesBetween(last, seq);
    const hole = between.find((place) => kind === 'events' || facts.at(place)?.type === 'MessageSent');
    if (hole !== undefined) report('I13', `seq ${hole} is missing between ${last} and ${seq}`);
    last = seq;
    if (facts.content(seq) !== content) report('I13', `seq ${seq} is not what the lane has there`, facts.at(seq));
    if (seq > asOf) report('I13', `seq ${seq} after its asOf ${asOf}`);
    if (!sights.some((span) => span.first <= seq && seq <= span.left))
      report('I13', `seq ${seq} is not ${user}'s to see`);
  }
  const sight = spans.find((span) => span.joined <= asOf && asOf < span.left);
  const isThere = (from: number, to: number): boolean => {
    for (let seq = Math.max(from, sight?.first ?? 1); sight && seq <= Math.min(to, facts.lastSeq); seq++)
      if (kind === 'events' || facts.at(seq)?.type === 'MessageSent') return true;
    return false;
  };
  const first = nodes[0]?.seq;
  if (first !== undefined && !page.hasPreviousPage && isThere(1, first - 1)) report('I13', `nothing before ${first}`);
  if (!page.hasNextPage && (first !== undefined || !page.hasPreviousPage) && isThere((last ?? 0) + 1, asOf))
    report('I13', `nothing after ${last ?? 'nothing'}, asOf ${asOf}`);
  return found;
}

const placesBetween = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from - 1) }, (_, i) => from + 1 + i);
