/**
 * Which integrations are told of which event. Pure: the same for every bridge, however late it reads, since it depends on nothing
 * but the lane's events up to this one.
 */
import type { LaneEvent } from '../schema/events.ts';
import { type AppId, appOfUser, type UserId } from '../schema/ids.ts';
import type { Lane } from '../services/lane/lane.ts';

/** The integrations among a lane's members at one moment, whether anybody has registered them or not. */
export type Company = ReadonlySet<AppId>;
export const NOBODY: Company = new Set();

export interface Told {
  /** Who sees the event: members after it, and who is removed by it. */
  readonly apps: Company;
  /** For whom it is the first of what they see: it names them as members. */
  readonly begins: Company;
  readonly after: Company;
}

export function toldOf(before: Company, event: LaneEvent): Told {
  switch (event.type) {
    case 'MessageSent':
      return { apps: before, begins: NOBODY, after: before };
    case 'ConversationCreated':
    case 'MembersAdded': {
      const come = appsOf(event.members).filter((app) => !before.has(app));
      if (come.length === 0) return { apps: before, begins: NOBODY, after: before };
      const after = new Set([...before, ...come]);
      return { apps: after, begins: new Set(come), after };
    }
    case 'MemberRemoved': {
      const app = appOfUser(event.member);
      if (app === undefined || !before.has(app)) return { apps: before, begins: NOBODY, after: before };
      const after = new Set(before);
      after.delete(app);
      return { apps: before, begins: NOBODY, after: after.size === 0 ? NOBODY : after };
    }
    default:
      event satisfies never;
      return { apps: before, begins: NOBODY, after: before };
  }
}

const appsOf = (users: readonly UserId[]): AppId[] =>
  users.map(appOfUser).filter((app): app is AppId => app !== undefined);

/** Former members beyond this are forgotten by the lane's state: it cannot tell any more who was there. */
const FORMER_KNOWN = 10_000;

/**
 * The company just after event `seq`, seen from a state that may be newer. Undefined: an integration has come or gone since, and
 * only the events themselves can tell.
 */
export function companyAt(lane: Lane, seq: number): Company | undefined {
  if (lane.seq < seq) return undefined;
  const apps = new Set<AppId>();
  for (const [user, { joinedSeq }] of lane.members) {
    const app = appOfUser(user);
    if (app === undefined) continue;
    if (joinedSeq > seq) return undefined;
    apps.add(app);
  }
  if (lane.seq > seq) {
    if (lane.former.size >= FORMER_KNOWN) return undefined;
    for (const [user, { leftSeq }] of lane.former) if (leftSeq > seq && appOfUser(user) !== undefined) return undefined;
  }
  return apps.size === 0 ? NOBODY : apps;
}
