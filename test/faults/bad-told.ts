/** Kinds of wrong tales of deliveries, and of broken inboxes. */
import { pushKind } from './bad-pushes.ts';
import type { DeliverySeen, InboxFrame, InboxSession, Pushing } from './push-trace.ts';
import type { Random } from './random.ts';
import { type Kind, some } from './spoil.ts';

const tale = (
  name: string,
  where: (told: DeliverySeen) => boolean,
  change: (told: DeliverySeen) => Partial<DeliverySeen>,
): Kind =>
  pushKind(name, 'told', ({ pushing, random }) => {
    const told = some(random, pushing.deliveries, where);
    if (!told) return undefined;
    const lie = { ...told, ...change(told) };
    return { deliveries: pushing.deliveries.map((other) => (other === told ? lie : other)) };
  });

const tales: readonly Kind[] = [
  tale(
    'notified, and told as delivered',
    ({ state }) => state === 'NOTIFIED',
    () => ({ state: 'DELIVERED' }),
  ),
  tale(
    'delivered, and told as notified',
    ({ state }) => state === 'DELIVERED',
    () => ({ state: 'NOTIFIED' }),
  ),
  tale(
    'read, and told as delivered',
    ({ state }) => state === 'READ',
    () => ({ state: 'DELIVERED' }),
  ),
  tale(
    'delivered at another time',
    ({ deliveredAt }) => deliveredAt !== undefined,
    ({ deliveredAt = 0 }) => ({ deliveredAt: deliveredAt + 1 }),
  ),
  tale(
    'delivered to another device',
    ({ deliveredTo }) => deliveredTo !== undefined,
    () => ({ deliveredTo: 'watch' }),
  ),
  tale(
    'accepted at another time',
    () => true,
    ({ acceptedAt }) => ({ acceptedAt: acceptedAt + 1 }),
  ),
  tale(
    'a push is told that no provider took',
    ({ attempts }) => attempts.length === 0,
    ({ acceptedAt: at }) => ({
      ...{ notifiedAt: at, noPushReason: undefined },
      attempts: [{ device: 'iphone', outcome: 'SENT', at }],
    }),
  ),
  tale(
    'no push, and no reason',
    ({ noPushReason }) => noPushReason !== undefined,
    () => ({ noPushReason: undefined }),
  ),
  tale(
    'no push as delivered in time, and it was not',
    ({ state, noPushReason }) => state === 'ACCEPTED' && noPushReason !== undefined,
    () => ({ noPushReason: 'DELIVERED_IN_TIME' }),
  ),
  tale(
    'no push, for a reason that is not the last word',
    ({ noPushReason }) => noPushReason !== undefined,
    () => ({ noPushReason: 'WAITING_PROVIDER' }),
  ),
  pushKind('a recipient is left out', 'told', ({ pushing, random, facts }) => {
    const told = some(
      random,
      pushing.deliveries,
      ({ user, lane, seq }) =>
        facts.devicesOf(user).length > 0 &&
        pushing.deliveries.some((other) => other.lane === lane && other.seq === seq && other.user !== user),
    );
    return told && { deliveries: pushing.deliveries.filter((other) => other !== told) };
  }),
];

const isEvent = (frame: InboxFrame | undefined): frame is InboxFrame => frame?.content !== undefined;

/** Changes the frames of one inbox; `change` answers undefined where it does not lend itself to it. */
const inbox = (
  name: string,
  finds: Kind['finds'],
  change: (
    frames: readonly InboxFrame[],
    session: InboxSession,
    pushing: Pushing,
    random: Random,
  ) => readonly InboxFrame[] | undefined,
): Kind =>
  pushKind(name, finds, ({ pushing, random }) => {
    const changed = pushing.inboxes.map((session) => ({
      session,
      frames: change(session.frames, session, pushing, random),
    }));
    const one = some(random, changed, ({ frames }) => frames !== undefined);
    if (!one?.frames) return undefined;
    const spoiled = { ...one.session, frames: one.frames };
    return { inboxes: pushing.inboxes.map((session) => (session === one.session ? spoiled : session)) };
  });

/** The place of an event after which the same lane's next one follows at once. */
const pairIn = (frames: readonly InboxFrame[]): number =>
  frames.findIndex((frame, i) => isEvent(frame) && isEvent(frames[i + 1]) && frames[i + 1]?.lane === frame.lane);

const inboxes: readonly Kind[] = [
  pushKind('a device misses the end of a conversation', 'I8', ({ pushing, random, facts }) => {
    const session = some(random, pushing.inboxes, ({ frames }) => frames.some(isEvent));
    const frame = session && some(random, session.frames, isEvent);
    const last = frame?.lane === undefined ? undefined : facts.lanes.get(frame.lane)?.lastSeq;
    if (!session || !frame || last === undefined) return undefined;
    const isIt = ({ lane, seq }: InboxFrame) => lane === frame.lane && seq === last;
    const isHad = pushing.inboxes.some(
      (one) => one.user === session.user && one.device === session.device && one.frames.some(isIt),
    );
    if (!isHad) return undefined;
    return {
      inboxes: pushing.inboxes.map((one) =>
        one.user === session.user && one.device === session.device
          ? { ...one, frames: one.frames.filter((other) => !isIt(other)) }
          : one,
      ),
    };
  }),
  inbox('an inbox leaves an event out', 'I5', (frames) => {
    const at = frames.findIndex((frame, i) => {
      const rest = frames.slice(i + 1).filter((other) => isEvent(other) && other.lane === frame.lane);
      const before = frames.slice(0, i).some((other) => isEvent(other) && other.lane === frame.lane);
      return isEvent(frame) && before && rest[0]?.seq === frame.seq + 1;
    });
    return at < 0 ? undefined : frames.toSpliced(at, 1);
  }),
  inbox('an inbox brings two events in the other order', 'I5', (frames) => {
    const at = pairIn(frames);
    return at < 0 ? undefined : frames.toSpliced(at, 2, frames[at + 1] as InboxFrame, frames[at] as InboxFrame);
  }),
  inbox('an inbox brings an event twice', 'I5', (frames) => {
    const at = frames.findIndex(isEvent);
    return at < 0 ? undefined : frames.toSpliced(at, 0, frames[at] as InboxFrame);
  }),
  inbox('an inbox brings other content', 'I5', (frames) => {
    const at = frames.findIndex(isEvent);
    return at < 0 ? undefined : frames.with(at, { ...(frames[at] as InboxFrame), content: 1 });
  }),
  inbox('an inbox is reset where little waits', 'I5', (frames) => {
    const at = frames.findIndex(isEvent);
    const { content: _, ...frame } = (frames[at] ?? {}) as InboxFrame;
    return at < 0 ? undefined : frames.with(at, { ...frame, type: 'Reset', resetReason: 'TOO_FAR_BEHIND' });
  }),
  inbox('an inbox is reset as restored', 'I5', (frames) => {
    const at = frames.findIndex(isEvent);
    const { content: _, ...frame } = (frames[at] ?? {}) as InboxFrame;
    return at < 0 ? undefined : frames.toSpliced(at + 1, 0, { ...frame, type: 'Reset', resetReason: 'STORE_REBUILT' });
  }),
  pushKind('an inbox says that it has caught up when it has not', 'I5', ({ pushing, random, facts }) => {
    const first = some(random, pushing.inboxes, ({ user, device, frames, openedAt }) => {
      const isFirst = !pushing.inboxes.some(
        (one) => one.user === user && one.device === device && one.openedAt < openedAt,
      );
      return isFirst && frames.some((frame) => waits(frame, user, openedAt));
    });
    function waits({ lane, content }: InboxFrame, user: string, openedAt: number): boolean {
      const its = lane === undefined ? undefined : facts.lanes.get(lane);
      const span = its?.spans(user).at(-1);
      const known = its?.knownBefore(openedAt) ?? 0;
      return (
        content !== undefined && span !== undefined && span.joined <= known && span.left === Number.POSITIVE_INFINITY
      );
    }
    if (!first) return undefined;
    const early = { type: 'InboxCaughtUp', lane: undefined, seq: 0, at: first.openedAt + 1 };
    const spoiled = { ...first, frames: [early, ...first.frames] };
    return { inboxes: pushing.inboxes.map((session) => (session === first ? spoiled : session)) };
  }),
  pushKind('an inbox ends by itself', 'I5', ({ pushing, random }) => {
    const session = some(random, pushing.inboxes);
    const spoiled = session && { ...session, end: { kind: 'completed' } as const };
    return spoiled && { inboxes: pushing.inboxes.map((other) => (other === session ? spoiled : other)) };
  }),
];

export const TOLD_KINDS: readonly Kind[] = [...tales, ...inboxes];
