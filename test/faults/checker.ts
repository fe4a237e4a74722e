/**
 * Compares what was promised with what the stores hold. Pure: a trace comes in, the broken promises come out, by name.
 * An empty answer means that every invariant held for what was recorded.
 */
import { checkAnswers, checkOrder } from './check-answers.ts';
import { checkHistory } from './check-history.ts';
import { checkInboxes } from './check-inboxes.ts';
import { checkPage } from './check-pages.ts';
import { checkPushes } from './check-pushes.ts';
import { checkReaders, checkSession } from './check-streams.ts';
import { checkTold } from './check-told.ts';
import { factsOf } from './facts.ts';
import { pushFactsOf } from './push-facts.ts';
import type { Trace, Violation } from './trace.ts';

export function check(trace: Trace): Violation[] {
  const facts = factsOf(trace);
  const found: Violation[] = trace.surprises.map(({ process, what }) => ({
    invariant: 'I12',
    what: `${process} ${what}`,
  }));
  for (const lane of facts.values()) found.push(...checkOrder(lane), ...checkAnswers(lane));
  found.push(...checkHistory(trace.stores));
  for (const session of trace.sessions) {
    const lane = facts.get(session.lane);
    if (lane) found.push(...checkSession(lane, session));
  }
  found.push(...checkReaders(facts, trace.sessions, trace.pages));
  for (const read of trace.pages) {
    const lane = facts.get(read.lane);
    if (lane) found.push(...checkPage(lane, read));
  }
  if (!trace.pushing) return found;
  const pushes = pushFactsOf(trace, trace.pushing, facts);
  return [...found, ...checkPushes(pushes), ...checkTold(pushes), ...checkInboxes(facts, trace.pushing.inboxes)];
}
