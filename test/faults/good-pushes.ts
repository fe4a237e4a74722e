/**
 * Phones, marks and pushes beside grown lanes, as a right build leaves them: marks whose answers are lost, looks that come just
 * before or after a mark, providers in trouble, tokens that die, notifiers that die after a push was taken.
 */
import type { UserId } from '../../schema/ids.ts';
import { sightOf } from '../../services/lane/lane.ts';
import { EPOCH, type Grown, grow, USERS } from './good-history.ts';
import { readInboxes } from './good-inboxes.ts';
import { countAt } from './good-reads.ts';
import { tellDeliveries } from './good-told.ts';
import type {
  AppDevice,
  LedgerAttempt,
  LedgerDecision,
  LedgerEntry,
  MarkSent,
  Outage,
  Pushing,
  PushSeen,
  StoredMark,
} from './push-trace.ts';
import { type Random, randomOf } from './random.ts';
import type { Trace } from './trace.ts';

const GRACE_MS = 2_000;
const CLAIM_MS = 30_000;
/** After it nothing happens in lanes, and no mark is given. */
const QUIET_AT = 6_000;

/** A mark in the log: from `from` on whoever looks sees it. */
export interface Logged extends StoredMark {
  readonly from: number;
}
type Mutable<T> = { -readonly [key in keyof T]: T[key] };
export interface Book {
  readonly entries: Map<string, Mutable<LedgerEntry> & { attempts: LedgerAttempt[] }>;
  readonly decisions: LedgerDecision[];
  /** Why a push that was decided did not go after all, or was not decided; by lane, seq and user. */
  readonly reasons: Map<string, string>;
  readonly pushes: PushSeen[];
}

/** A good history of people with phones. */
export function goodPhones(seed: number): Trace & { readonly pushing: Pushing } {
  const { trace, lanes } = grow(seed);
  return { ...trace, pushing: goodPushing(randomOf(seed).fork('phones'), lanes, USERS) };
}

function goodPushing(random: Random, lanes: readonly Grown[], users: readonly string[]): Pushing {
  const devices = users.flatMap((user) => devicesOf(random, user));
  const muted = lanes.flatMap(({ lane }) => users.flatMap((user) => (random.chance(0.05) ? [{ user, lane }] : [])));
  const { marks, log } = markSome(random, lanes, devices);
  const outages = outagesOf(random);
  const book: Book = { entries: new Map(), decisions: [], reasons: new Map(), pushes: [] };
  const isMuted = (user: string, lane: string) => muted.some((one) => one.user === user && one.lane === lane);
  const desk = new Desk(random, book, devices, log, outages, isMuted);
  for (const grown of lanes) desk.notify(grown);
  const stored = log.map(({ from: _, ...mark }) => mark);
  const entries = [...book.entries.values()];
  const seen = { graceMs: GRACE_MS, devices, muted, marks, pushes: book.pushes, outages, entries, stored };
  const facts = { decisions: book.decisions, inboxes: readInboxes(random, lanes, devices) };
  return { ...seen, ...facts, deliveries: tellDeliveries(lanes, users, log, book) };
}

function devicesOf(random: Random, user: string): AppDevice[] {
  const both = [
    { user, device: 'iphone', gateway: 'APNS', token: `apns ${user}` },
    { user, device: 'android', gateway: 'FCM', token: `fcm ${user}` },
  ] as const;
  const some = both.slice(0, random.int(0, 2));
  return some.map((device) => (random.chance(0.15) ? { ...device, deadAt: EPOCH + random.int(0, QUIET_AT) } : device));
}

/** Marks for what the user may see, in the order in which the log has them. */
function markSome(random: Random, lanes: readonly Grown[], devices: readonly AppDevice[]) {
  const given = lanes.flatMap((grown) =>
    devices.flatMap(({ user, device }) =>
      Array.from({ length: random.int(0, 3) }, () => ({ grown, user, device, at: random.int(100, QUIET_AT) })),
    ),
  );
  const marks: MarkSent[] = [];
  const log: Logged[] = [];
  let revision = 0;
  for (const { grown, user, device, at } of given.sort((a, b) => a.at - b.at)) {
    const count = countAt(grown, at);
    const sight = sightOf(grown.states[count] as Grown['states'][number], user as UserId, false);
    const last = Math.min(count, sight?.to ?? 0);
    if (!sight || last < sight.from) continue;
    const kind = random.chance(0.3) ? ('read' as const) : ('delivered' as const);
    const named = kind === 'delivered' ? { device } : {};
    const sentAt = EPOCH + at;
    const mark = { user, ...named, kind, lane: grown.lane, seq: random.int(sight.from, last), sentAt };
    const from = sentAt + random.int(1, 5);
    const answeredAt = from + random.int(0, 5);
    const fate = random.next();
    if (fate < 0.1) marks.push({ ...mark, answeredAt, answer: { kind: 'error', code: 'UNAVAILABLE' } });
    else marks.push({ ...mark, answeredAt, answer: fate < 0.25 ? 'unknown' : { kind: 'stored' } });
    // What became of a mark whose answer was lost is open.
    if (fate < 0.18) continue;
    revision++;
    for (const raised of kind === 'read' ? (['delivered', 'read'] as const) : (['delivered'] as const)) {
      const had = log.filter((one) => one.user === user && one.lane === grown.lane && one.kind === raised);
      if (had.some(({ seq }) => seq >= mark.seq)) continue;
      log.push({ lane: grown.lane, user, kind: raised, seq: mark.seq, at: sentAt + 1, ...named, revision, from });
    }
  }
  return { marks, log };
}

const outagesOf = (random: Random): Outage[] =>
  ['APNS', 'FCM', 'notifier-0', 'mongod'].flatMap((of) => {
    if (random.chance(0.5)) return [];
    const fromAt = EPOCH + random.int(0, 8_000);
    return [{ of, fromAt, toAt: fromAt + random.int(500, 90_000) }];
  });

/** The notifier: one message after the other, one device after the other; times only move forward within a device's lane. */
class Desk {
  readonly #random: Random;
  readonly #book: Book;
  readonly #devices: readonly AppDevice[];
  readonly #log: readonly Logged[];
  readonly #outages: readonly Outage[];
  readonly #isMuted: (user: string, lane: string) => boolean;
  /** Tokens that were taken away. */
  readonly #dropped = new Map<string, number>();

  constructor(
    random: Random,
    book: Book,
    devices: readonly AppDevice[],
    log: readonly Logged[],
    outages: readonly Outage[],
    isMuted: (user: string, lane: string) => boolean,
  ) {
    this.#random = random;
    this.#book = book;
    this.#devices = devices;
    this.#log = log;
    this.#outages = outages;
    this.#isMuted = isMuted;
  }

  notify(grown: Grown): void {
    // What waits long may find that a later one was quicker.
    const events = this.#random.chance(0.5) ? grown.events : grown.events.toReversed();
    for (const event of events) {
      if (event.type !== 'MessageSent') continue;
      const asOf = this.#after(event.at + GRACE_MS, ['notifier-0', 'mongod']) + this.#random.int(0, 40);
      const { members } = grown.states.at(countAt(grown, asOf - EPOCH)) as Grown['states'][number];
      const push: string[] = [];
      for (const [user, { joinedSeq }] of members) {
        if (user === event.by || joinedSeq >= event.seq || this.#has(grown, user, event.seq, asOf)) continue;
        const name = `${grown.lane} ${event.seq} ${user}`;
        const own = this.#devices.filter((device) => device.user === user);
        const alive = own.filter(({ token }) => (this.#dropped.get(token) ?? Number.POSITIVE_INFINITY) > asOf);
        if (this.#isMuted(user, grown.lane)) this.#book.reasons.set(name, 'MUTED');
        else if (own.length === 0) this.#book.reasons.set(name, 'NO_DEVICE');
        else if (alive.length === 0) this.#book.reasons.set(name, 'TOKEN_DEAD');
        else push.push(user);
        if (push.at(-1) === user) for (const device of alive) this.#push(grown, event.seq, device, asOf);
      }
      if (push.length > 0) this.#book.decisions.push({ lane: grown.lane, seq: event.seq, asOf, push });
    }
  }

  /** By a mark or by a message of one's own. */
  #has({ lane, events }: Grown, user: string, seq: number, asOf: number): boolean {
    const isMarked = this.#log.some(
      (mark) => mark.user === user && mark.lane === lane && mark.seq >= seq && mark.from <= asOf,
    );
    return (
      isMarked ||
      events.some((event) => event.type === 'MessageSent' && event.by === user && event.seq > seq && event.at <= asOf)
    );
  }

  /** The first moment from `at` on at which none of these is down. */
  #after(at: number, of: readonly string[]): number {
    let now = at;
    for (let again = true; again; ) {
      const down = this.#outages.find((one) => of.includes(one.of) && one.fromAt <= now && now < one.toAt);
      again = down !== undefined;
      if (down) now = down.toAt;
    }
    return now;
  }

  #push(grown: Grown, seq: number, device: AppDevice, decidedAt: number): void {
    const { lane } = grown;
    const { user, token, gateway } = device;
    const name = `${lane} ${seq} ${user}`;
    let asOf = decidedAt;
    for (let tries = 0; ; tries++) {
      asOf = this.#after(asOf + this.#random.int(1, 20), ['notifier-0', 'mongod']);
      const entry = this.#book.entries.get(`${name} ${device.device}`);
      if (this.#has(grown, user, seq, asOf)) {
        if (entry) entry.why = 'DELIVERED_IN_TIME';
        this.#book.reasons.set(name, 'DELIVERED_IN_TIME');
        return;
      }
      const open = entry ?? { lane, seq, user, device: device.device, attempts: [] };
      this.#book.entries.set(`${name} ${device.device}`, open);
      const isLater = (push: PushSeen): boolean =>
        push.token === token && push.lane === lane && push.seq > seq && push.met === 'taken' && push.cameAt < asOf;
      if (this.#book.pushes.some(isLater)) {
        open.why = 'SUPERSEDED';
        return;
      }
      open.asOf = asOf;
      const cameAt = asOf + this.#random.int(1, 50);
      const isDown = this.#after(cameAt, [gateway]) > cameAt;
      const isDead = cameAt >= (device.deadAt ?? Number.POSITIVE_INFINITY);
      const met = isDown ? 'trouble' : isDead ? 'dead' : 'taken';
      this.#book.pushes.push({ gateway, token, kind: 'message', lane, seq, cameAt, met });
      const at = cameAt + this.#random.int(0, 5);
      // It died before it wrote what became of it.
      if (tries < 1 && this.#random.chance(0.01)) asOf += CLAIM_MS;
      else if (met === 'trouble') {
        open.attempts.push({ at, outcome: 'RETRYING', code: '503', asOf });
        asOf = this.#after(at + 1_000, [gateway]);
      } else if (met === 'dead') {
        open.attempts.push({ at, outcome: 'REFUSED', code: '410', asOf });
        this.#dropped.set(token, Math.min(at, this.#dropped.get(token) ?? at));
        open.why = 'TOKEN_DEAD';
        return;
      } else {
        open.attempts.push({ at, outcome: 'SENT', asOf });
        return;
      }
    }
  }
}
