/** What a right build tells of every recipient of every message, from the marks and the ledger as they are in the end. */
import type { Grown } from './good-history.ts';
import type { Book, Logged } from './good-pushes.ts';
import type { DeliverySeen } from './push-trace.ts';

const TELLING = ['TOKEN_DEAD', 'DELIVERED_IN_TIME'];

export function tellDeliveries(
  lanes: readonly Grown[],
  users: readonly string[],
  log: readonly Logged[],
  book: Book,
): DeliverySeen[] {
  return lanes.flatMap((grown) =>
    grown.events.flatMap((event) => {
      if (event.type !== 'MessageSent') return [];
      const members = grown.states.at(-1)?.members;
      const isRecipient = (user: string): boolean => {
        const member = members?.get(user as never);
        return user !== event.by && member !== undefined && member.joinedSeq < event.seq;
      };
      return users.filter(isRecipient).map((user) => tell(grown, event, user, log, book));
    }),
  );
}

function tell(
  { lane, events }: Grown,
  { seq, at }: { readonly seq: number; readonly at: number },
  user: string,
  log: readonly Logged[],
  book: Book,
): DeliverySeen {
  const firstOf = (kind: Logged['kind']) =>
    log.find((mark) => mark.user === user && mark.lane === lane && mark.kind === kind && mark.seq >= seq);
  const [delivered, read] = [firstOf('delivered'), firstOf('read')];
  const wroteAt = events.find((event) => event.type === 'MessageSent' && event.by === user && event.seq > seq)?.at;
  const entries = [...book.entries.values()].filter(
    (entry) => entry.lane === lane && entry.seq === seq && entry.user === user,
  );
  const attempts = entries.flatMap((entry) =>
    entry.attempts.map(({ outcome, at: when }) => ({ device: entry.device, outcome, at: when })),
  );
  const sent = attempts.filter(({ outcome }) => outcome === 'SENT').map((attempt) => attempt.at);
  const notifiedAt = sent.length === 0 ? undefined : Math.min(...sent);
  const isRead = read !== undefined || wroteAt !== undefined;
  const state = isRead ? 'READ' : delivered ? 'DELIVERED' : notifiedAt !== undefined ? 'NOTIFIED' : 'ACCEPTED';
  const whys = entries.flatMap(({ why }) => (why === undefined ? [] : [why]));
  const reason = book.reasons.get(`${lane} ${seq} ${user}`) ?? TELLING.find((one) => whys.includes(one)) ?? whys[0];
  return {
    ...{ lane, seq, user, state, acceptedAt: at, notifiedAt },
    deliveredAt: delivered?.at ?? wroteAt,
    readAt: read?.at ?? wroteAt,
    deliveredTo: delivered?.device,
    noPushReason: notifiedAt === undefined ? (reason ?? 'DELIVERED_IN_TIME') : undefined,
    attempts,
  };
}
