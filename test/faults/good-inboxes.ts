/** Inboxes of apps as a right server gives them: broken off and taken up again, each after what came before. */
import type { UserId } from '../../schema/ids.ts';
import { sightOf } from '../../services/lane/lane.ts';
import type { Grown } from './good-history.ts';
import { countAt } from './good-reads.ts';
import type { AppDevice, InboxFrame, InboxSession } from './push-trace.ts';
import type { Random } from './random.ts';
import { contentOf, seenOf } from './trace.ts';

const FOREVER = 100_000;
const QUIET_AT = 3_000;

export function readInboxes(random: Random, lanes: readonly Grown[], devices: readonly AppDevice[]): InboxSession[] {
  return devices.flatMap((device) => readInbox(random, lanes, device));
}

/** Sessions until one that stays open past the end of everything. */
function readInbox(random: Random, lanes: readonly Grown[], { user, device }: AppDevice): InboxSession[] {
  const sessions: InboxSession[] = [];
  const positions = new Map<string, number>();
  for (let openedAt = random.int(0, 800); ; ) {
    const isLast = openedAt > QUIET_AT;
    const endedAt = isLast ? FOREVER : openedAt + random.int(20, 1_500);
    const frames = framesOf(random, lanes, user, positions, openedAt, endedAt);
    const end = random.chance(0.5) ? ({ kind: 'left' } as const) : ({ kind: 'closed', code: 1006 } as const);
    sessions.push({ user, device, process: random.pick(['api-0', 'api-1']), openedAt, endedAt, frames, end });
    if (isLast) return sessions;
    openedAt = endedAt + random.int(1, 600);
  }
}

function framesOf(
  random: Random,
  lanes: readonly Grown[],
  user: string,
  positions: Map<string, number>,
  openedAt: number,
  endedAt: number,
): InboxFrame[] {
  const begun = openedAt + random.int(1, 10);
  if (begun >= endedAt) return [];
  const frames: InboxFrame[] = [];
  for (const grown of lanes) {
    const position = positions.get(grown.lane) ?? 0;
    // What it had not acknowledged comes again.
    let at = Math.max(0, position - random.int(0, 2));
    let now = begun;
    for (let count = countAt(grown, begun); count <= grown.events.length; count++) {
      now = Math.max(now, grown.times[count] as number) + random.int(0, 3);
      if (now >= endedAt) break;
      const sight = sightOf(grown.states[count] as Grown['states'][number], user as UserId, false);
      for (; sight && at < Math.min(count, sight.to); ) {
        at = Math.max(at + 1, sight.from);
        if (at > Math.min(count, sight.to)) break;
        const event = grown.events[at - 1] as Grown['events'][number];
        frames.push({ type: event.type, lane: grown.lane, seq: at, at: now, content: contentOf(seenOf(event)) });
      }
    }
    positions.set(grown.lane, Math.max(position, at));
  }
  frames.sort((a, b) => a.at - b.at);
  const live = frames.findIndex(({ at }) => at > begun + 3);
  const caughtUp = { type: 'InboxCaughtUp', lane: undefined, seq: 0, at: begun + 3 };
  return live < 0 ? [...frames, caughtUp] : frames.toSpliced(live, 0, caughtUp);
}
