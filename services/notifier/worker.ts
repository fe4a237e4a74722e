/**
 * Takes work items and pushes: looks again whether each recipient still is to be told, claims each push in the ledger, and hands
 * it to its provider. An item is done when its pushes are claimed and under way: from then on the ledger answers for them.
 */
import type { NoPushReason, WorkItem } from '../../schema/delivery.ts';
import type { Millis, UserId } from '../../schema/ids.ts';
import { type Journal, JournalUnavailable } from '../journal/journal.ts';
import type { Taken, UndeliveredQueue } from '../journal/undelivered.ts';
import { pause } from '../persist.ts';
import type { Devices } from '../views/devices.ts';
import type { History } from '../views/history.ts';
import type { Claim, Ledger, Subject } from '../views/ledger.ts';
import { isLater, noticeKey } from '../views/ledger-documents.ts';
import { type BadgeParts, badgeOf, type Lists, listsOf } from './badges.ts';
import { note } from './decide-push.ts';
import type { Hearing, Hearings } from './hearing.ts';
import { freshLanes, type Judged, type JudgeParts, judge } from './judge.ts';
import { messagePushOf, readMessage, type Told } from './message.ts';
import type { NotifierMetrics } from './metrics.ts';
import type { Outcomes } from './outcomes.ts';
import type { PushMessage, PushResult } from './push.ts';
import type { Outlets } from './queue.ts';
import { settledBy } from './settle.ts';
import { takeTokenNews } from './token-news.ts';
import { Turns } from './turns.ts';
import { isExpired, type Target } from './undelivered.ts';

export interface WorkerParts extends JudgeParts, BadgeParts {
  readonly journal: Journal;
  readonly history: Pick<History, 'people'>;
  readonly devices: Pick<
    Devices,
    'of' | 'mutedIn' | 'settings' | 'dropToken' | 'replaceToken' | 'countRefusal' | 'clearRefusals'
  >;
  readonly ledger: Ledger;
  readonly queue: UndeliveredQueue;
  readonly hearings: Hearings;
  readonly outlets: Outlets;
  readonly outcomes: Outcomes;
  readonly metrics: Pick<NotifierMetrics, 'held' | 'putOff'>;
  readonly privacy: boolean;
}

const ITEMS_AT_ONCE = 32;
/** Taken and not done, at most about 35 kB each: what waits for the items of its lane, so that others can be taken from behind it. */
const ITEMS_HELD = 512;
/** Where many are held, what comes of a lane beyond is put off, and waits in the queue. */
const ITEMS_HELD_OF_LANE = 8;
const PUT_OFF_MS = 10_000;
/** Users of one item whose badge is counted at once. */
const USERS_AT_ONCE = 16;
/** Longer than a push can take: whoever finds a claim run out knows that nobody is at it. */
const CLAIM_MS = 30_000;
const AGAIN_MS = 1_000;
const WORKING_EVERY_MS = 3_000;
const FULL_MS = 200;

interface Push {
  readonly claim: Claim;
  readonly target: Target;
}
interface Job {
  readonly subject: Subject;
  readonly told: Told;
  readonly judged: Judged;
  readonly hearing: Hearing;
  readonly claimedUntil: number;
  /** Undefined: badges cannot be counted now. */
  readonly lists: Lists | undefined;
}

export class Worker {
  readonly #parts: WorkerParts;
  readonly #stopping = new AbortController();
  readonly #turns = new Turns({ running: ITEMS_AT_ONCE, held: ITEMS_HELD, heldOfLane: ITEMS_HELD_OF_LANE });
  #pushing = 0;
  #idle: (() => void) | undefined;
  readonly #loop: Promise<void>;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#loop = this.#run();
  }

  /** Takes nothing more, calls back what is on its way, and settles when all of that is with `outcomes`. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    this.#parts.hearings.callBackAll();
    while (this.#turns.held > 0) await this.#turns.left();
    while (this.#pushing > 0)
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const room = Math.min(ITEMS_AT_ONCE, this.#turns.room);
      if (room === 0) await this.#turns.left();
      else if (this.#parts.outcomes.isFull) await pause(FULL_MS, signal);
      else for (const taken of await this.#parts.queue.take(room, signal)) this.#accept(taken);
      this.#parts.metrics.held(this.#turns.held);
    }
  }

  #accept(taken: Taken): void {
    const beat = setInterval(() => taken.working(), WORKING_EVERY_MS);
    taken.working();
    const job = () => this.#process(taken).finally(() => clearInterval(beat));
    if (this.#turns.add(taken.item.l, job)) return;
    clearInterval(beat);
    taken.again(PUT_OFF_MS);
    this.#parts.metrics.putOff();
  }

  /** Never rejects. */
  async #process(taken: Taken): Promise<void> {
    if (this.#stopping.signal.aborted) return taken.again(0);
    try {
      await this.#work(taken.item);
      await taken.done();
    } catch (error) {
      this.#parts.log.debug({ err: error, lane: taken.item.l }, 'not pushed now, tried again');
      taken.again(AGAIN_MS);
    }
  }

  /** Throws what the stores throw; whatever was not done then is done when the item comes again, or when its claims run out. */
  async #work(item: WorkItem): Promise<void> {
    const { ledger, hearings, clock, privacy, journal } = this.#parts;
    const { l: lane, s: seq, r: revision, at: acceptedAt, c: part } = item;
    const subject: Subject = { lane, seq, revision, acceptedAt, part };
    const hearing = hearings.open(lane, seq);
    const release = this.#hold(hearing);
    try {
      const asOf = clock();
      const loaded = (await freshLanes(this.#parts, [lane])).get(lane);
      // A lane that cannot be read says nothing of its messages: they wait for as long as somebody may want to hear of them.
      if (!loaded && !isExpired(item, asOf)) throw new JournalUnavailable(`lane ${lane}: it cannot be read`);
      const event = loaded && (await readMessage(journal, loaded, item));
      if (!loaded || !event) return await ledger.withdraw(subject, new Map([['EXPIRED', item.u]]));
      const among = new Set(item.u);
      const messages = [{ seq, by: event.by, at: event.at, revision }];
      const [judged] = (await judge(this.#parts, [{ loaded, messages, among }])) as [Judged];
      // At one moment: whoever is heard of later is claimed, and closed by that.
      const reasons = reasonsOf(item, judged, hearing);
      const wanted = pushesOf(subject, judged, hearing, asOf);
      await ledger.withdraw(subject, reasons);
      const pushes = await this.#claimable(subject, wanted);
      const claimedUntil = clock() + CLAIM_MS;
      const claims = pushes.map(({ claim }) => claim);
      const now = clock();
      const given = await ledger.claim(claims, claimedUntil, now, item.due);
      if (item.due !== undefined) await ledger.abandon(subject, item.u, { now, at: item.due }, deadOf(item, judged));
      const mine = pushes.filter((_, i) => given[i]);
      if (mine.length === 0) return;
      const told = { loaded, event, senderName: await this.#nameOf(event.by), privacy };
      const lists = await this.#listsOf(mine);
      await this.#pushAll({ subject, told, judged, hearing, claimedUntil, lists }, mine, release);
    } finally {
      release();
    }
  }

  /** The hearing ends when whoever holds it has released it. Each call of the function that is returned counts once. */
  #hold(hearing: Hearing): { (): void; more(): void } {
    let held = 1;
    const release = (): void => {
      if (--held === 0) hearing.stop();
    };
    return Object.assign(release, { more: () => void held++ });
  }

  /** Without the devices that had a push for a later message. */
  async #claimable(subject: Subject, pushes: readonly Push[]): Promise<Push[]> {
    const { ledger } = this.#parts;
    if (pushes.length === 0) return [];
    const claims = pushes.map(({ claim }) => claim);
    const noticed = await ledger.noticed(subject.lane, claims);
    const isLate = ({ user, device }: Claim) => isLater(noticed.get(noticeKey(user, device)), subject);
    await ledger.close(claims.filter(isLate), 'SUPERSEDED');
    return pushes.filter(({ claim }) => !isLate(claim));
  }

  /** Settles when every push is on its way, or was turned away. */
  async #pushAll(job: Job, pushes: readonly Push[], release: { (): void; more(): void }): Promise<void> {
    const byUser = new Map<UserId, Push[]>();
    for (const push of pushes) byUser.set(push.claim.user, [...(byUser.get(push.claim.user) ?? []), push]);
    const waiting = [...byUser].reverse();
    const work = async (): Promise<void> => {
      for (let next = waiting.pop(); next; next = waiting.pop()) await this.#pushTo(job, ...next, release);
    };
    await Promise.all(Array.from({ length: Math.min(USERS_AT_ONCE, waiting.length) }, work));
  }

  async #pushTo(job: Job, user: UserId, pushes: readonly Push[], release: { (): void; more(): void }): Promise<void> {
    const { hearing } = job;
    const message = await this.#messageTo(job, user);
    for (const push of pushes) {
      if (!message || hearing.has(user)) {
        this.#settle(job, push, { kind: 'retry', code: 'ABORTED', afterMs: AGAIN_MS });
        continue;
      }
      release.more();
      this.#pushing++;
      await this.#parts.outlets.send(push.target.push, message, hearing.signalOf(user), (result) => {
        void this.#answered(job, push, result).finally(() => {
          release();
          if (--this.#pushing === 0) this.#idle?.();
        });
      });
    }
  }

  #listsOf(pushes: readonly Push[]): Promise<Lists | undefined> {
    const users = [...new Set(pushes.map(({ claim }) => claim.user))];
    return listsOf(this.#parts, users).catch((error: unknown) => this.#uncounted(error));
  }

  /** Undefined: what it is to say cannot be counted now. */
  async #messageTo({ told, judged, lists }: Job, user: UserId): Promise<PushMessage | undefined> {
    const exact = { loaded: judged.loaded, readSeq: judged.readSeqOf(user) };
    if (!lists) return undefined;
    const badge = await badgeOf(this.#parts, lists, user, exact).catch((error: unknown) => this.#uncounted(error));
    return badge && messagePushOf(told, badge);
  }

  #uncounted(error: unknown): undefined {
    this.#parts.log.debug({ err: error }, 'a badge cannot be counted now');
    return undefined;
  }

  async #answered(job: Job, push: Push, result: PushResult): Promise<void> {
    this.#settle(job, push, result, await takeTokenNews(this.#parts, push.target, result));
  }

  #settle({ subject, hearing, claimedUntil }: Job, { claim }: Push, result: PushResult, isDropped?: boolean): void {
    const { acceptedAt } = subject;
    const isDelivered = hearing.has(claim.user);
    const dropped = isDropped === undefined ? {} : { isDropped };
    const settled = settledBy(result, { acceptedAt, now: this.#parts.clock(), isDelivered, ...dropped });
    this.#parts.outcomes.add({ claim, claimedUntil, ...settled });
  }

  /** A name is a courtesy. */
  async #nameOf(user: UserId): Promise<string | undefined> {
    if (this.#parts.privacy) return undefined;
    const people = await this.#parts.history.people([user]).catch(() => undefined);
    return people?.get(user)?.name;
  }
}

/** Why recipients of the item are not to be told any more. */
function reasonsOf(item: WorkItem, { loaded, message, verdicts }: Judged, hearing: Hearing) {
  const reasons = new Map<NoPushReason, UserId[]>();
  for (const user of item.u) {
    const verdict = verdicts.get(user);
    const joinedSeq = loaded.lane.members.get(user)?.joinedSeq ?? message.seq;
    if (joinedSeq >= message.seq) note(reasons, 'NOT_A_MEMBER', user);
    else if (!verdict || hearing.has(user)) note(reasons, 'DELIVERED_IN_TIME', user);
    else if (verdict.kind === 'no') note(reasons, verdict.reason, user);
  }
  return reasons;
}

const deadOf = ({ u }: WorkItem, { devices }: Judged) =>
  u.flatMap((user) => (devices.get(user) ?? []).filter(({ tokenState }) => tokenState === 'DEAD'));

const pushesOf = (subject: Subject, { verdicts }: Judged, hearing: Hearing, asOf: Millis): Push[] =>
  [...verdicts].flatMap(([user, verdict]) =>
    verdict.kind === 'no' || hearing.has(user)
      ? []
      : verdict.targets.map((target) => ({
          target,
          claim: { subject, user, device: target.device, provider: target.push.provider, asOf },
        })),
  );
