/**
 * One reader of one lane: a position, and what it is owed. It holds no events: while it keeps up it is given what the ring
 * holds after its position; when its sink is full it waits where it is, and goes on from the ring, or, once it has fallen
 * out of the ring, from the lane.
 *
 * What it gives rises by one from `StreamStarted` on, but for a `Reset`; nothing that its user may not see; and at a removal
 * of its user it gives that removal, and completes.
 */
import type { GraphQLError } from 'graphql';
import type { LaneEvent } from '../../schema/events.ts';
import type { Millis, UserId } from '../../schema/ids.ts';
import type { Loaded } from '../journal/lanes.ts';
import type { Audience } from './audience.ts';
import { type Behind, patiently, reachRing } from './catch-up.ts';
import { apiError, publicError } from './errors.ts';
import type { Operation } from './frames.ts';
import { Gate, type Viewer } from './gate.ts';
import type { Hub } from './hub.ts';
import type { SharedPayload, Sink } from './sink.ts';
import type { FrameSource, ResetReason } from './sources.ts';

/** `live`: given what the ring has. `parked`: its sink is full. `catching`: it reads what the ring no longer has. */
type Mode = 'starting' | 'live' | 'parked' | 'catching' | 'ended';

const NOTHING_OWED = -1;
/** A `CaughtUp` is owed; up to where is known when the lane's leader has been asked. */
const SOMEWHERE = Number.POSITIVE_INFINITY;

export class Follower implements Behind {
  readonly audience: Audience;
  /** Its place in the hub's list, kept by the hub. */
  place = -1;
  readonly #hub: Hub;
  readonly #sink: Sink;
  readonly #gate: Gate;
  #mode: Mode = 'starting';
  /** Raised when whatever waits for an answer is to forget it. */
  #turn = 0;
  #position = 0;
  #startOwed = true;
  #resetOwed: ResetReason | undefined;
  /** At this position a `CaughtUp` is due. */
  #caughtUpAt = NOTHING_OWED;
  /** For its user's budget. */
  #isWaiting = false;
  /** The version of the members' marks that it has been told. */
  #toldVersion = 0;

  constructor(hub: Hub, audience: Audience, viewer: Viewer, sink: Sink) {
    this.#hub = hub;
    this.audience = audience;
    this.#gate = new Gate(viewer);
    this.#sink = sink;
  }

  get operation(): Operation {
    return this.audience.operation;
  }

  get user(): UserId {
    return this.#gate.viewer.user;
  }

  get position(): number {
    return this.#position;
  }

  get end(): number {
    return this.#gate.end;
  }

  /** Never rejected. `after`: null for what comes only. */
  async start(after: number | null): Promise<void> {
    const turn = ++this.#turn;
    try {
      const loaded = await this.#hub.feed.fresh();
      if (turn === this.#turn) this.#begin(loaded, after);
    } catch (error) {
      if (turn === this.#turn) this.#finish(publicError(error, this.#hub.options.log));
    }
  }

  /** The reader is gone; its sink hears nothing more. */
  stop(): void {
    if (this.#mode === 'ended') return;
    this.#mode = 'ended';
    this.#turn++;
    this.#hub.leave(this);
  }

  /** Gives what there is to give, as far as the sink takes it. Called when there may be something. Never throws. */
  advance(): void {
    try {
      this.#advance();
    } catch (error) {
      this.#finish(publicError(error, this.#hub.options.log));
    }
  }

  #advance(): void {
    while (this.#mode === 'live') {
      if (!this.#isAdmitted() || !this.#giveOwed()) return;
      if (this.#position >= this.#gate.end) {
        this.#finish();
        return;
      }
      const { ring } = this.#hub.feed;
      if (this.#position < ring.first - 1) this.#fallBehind();
      else if (this.#position < ring.head) {
        const run = this.audience.run(this.#position, this.#gate.end, this.user);
        if (typeof run === 'number') this.#waitForBudget(run);
        if (typeof run !== 'object' || !this.#take(run.payload, run.to)) return;
      } else if (this.#caughtUpAt === SOMEWHERE) this.#catchUp();
      else {
        if (this.#caughtUpAt === NOTHING_OWED) this.#tellReceipts();
        return;
      }
    }
  }

  /** The lane is not the one that was followed: the reader goes on at the end of this one. */
  rebuilt({ lane }: Loaded): void {
    if (this.#mode === 'ended' || this.#mode === 'starting') return;
    this.#turn++;
    if (!this.#gate.open(lane)) {
      this.#finish(notFound());
      return;
    }
    this.#resetTo(lane.seq, 'STORE_REBUILT');
    if (this.#mode === 'catching') this.#mode = 'live';
    this.#hub.ready(this);
  }

  admits(event: LaneEvent): boolean {
    if (!this.#isAdmitted()) return false;
    this.#gate.pass(event);
    return true;
  }

  give(payload: SharedPayload, to: number): boolean {
    if (!this.#take(payload, to)) return false;
    if (to < this.#gate.end) return true;
    this.#finish();
    return false;
  }

  #begin({ lane }: Loaded, after: number | null): void {
    const sight = this.#gate.open(lane);
    const last = lane.seq;
    // Who is no member gets what is left up to the leaving; where nothing is left, there is no such conversation.
    if (!sight || (sight.to <= last && (after ?? last) >= sight.to)) {
      this.#finish(notFound());
      return;
    }
    const end = Math.min(sight.to, last);
    this.#position = Math.max(after ?? last, sight.from - 1);
    this.#caughtUpAt = last;
    if (this.#position > last) this.#resetTo(last, 'AHEAD');
    else if (end - this.#position > this.#hub.options.catchUpMax) this.#resetTo(end, 'TOO_FAR_BEHIND');
    this.#mode = 'live';
    this.#hub.ready(this);
  }

  #resetTo(seq: number, reason: ResetReason): void {
    this.#hub.options.counts.resets[reason]++;
    this.#position = seq;
    this.#caughtUpAt = seq;
    this.#resetOwed = reason;
  }

  /** False: the stream has ended. */
  #isAdmitted(): boolean {
    const { loaded, ring } = this.#hub.feed;
    if (!loaded) return false;
    if (!this.#gate.isStale(loaded.lane, ring, this.#position)) return true;
    const seen = this.#gate.review(loaded.lane, ring, this.#position);
    if (seen === 'sees') return true;
    this.#finish(seen === 'stranger' ? notFound() : undefined);
    return false;
  }

  /** False: it is not ready, or the sink is full. */
  #giveOwed(): boolean {
    const { lane } = this.#hub.feed;
    const seq = this.#position;
    if (this.#startOwed) {
      if (!this.#mark({ __typename: 'StreamStarted', lane, seq })) return false;
      this.#startOwed = false;
    }
    if (this.#resetOwed) {
      if (!this.#mark({ __typename: 'Reset', lane, seq, resetReason: this.#resetOwed })) return false;
      this.#resetOwed = undefined;
    }
    if (this.#caughtUpAt !== NOTHING_OWED && seq >= this.#caughtUpAt && seq < this.end) {
      const told = this.#hub.receipts?.ready(this.#gate.viewer) === false ? 'not-ready' : this.#tellReceipts();
      // Events do not wait for marks; the `CaughtUp` comes at a later place.
      if (told === 'not-ready') return true;
      if (told === 'full' || !this.#mark({ __typename: 'CaughtUp', lane, seq })) return false;
      this.#caughtUpAt = NOTHING_OWED;
    }
    return true;
  }

  /** Gives the members' marks that have moved since it was told last, each member's newest. */
  #tellReceipts(): 'told' | 'not-ready' | 'full' {
    const { receipts } = this.#hub;
    if (!receipts || receipts.version === this.#toldVersion) return 'told';
    const { version } = receipts;
    const moved = receipts.movedAfter(this.#toldVersion, this.#gate.viewer, this.#position);
    if (!moved) return 'not-ready';
    if (moved.length > 0) {
      const payload = this.audience.receipts(moved, this.#position);
      if (!payload) return 'not-ready';
      if (!this.#take(payload, this.#position)) return 'full';
    }
    this.#toldVersion = version;
    return 'told';
  }

  /** False: it is not ready, or the sink is full. */
  #mark(source: FrameSource): boolean {
    const payload = this.audience.mark(source);
    return payload !== undefined && this.#take(payload, source.seq);
  }

  /** False: the sink is full, and the reader waits where it is. */
  #take(payload: SharedPayload, to: number): boolean {
    if (payload.parts.length > 0 && !this.#sink.write(payload, to)) {
      this.#park();
      return false;
    }
    this.#position = to;
    this.#hub.options.counts.deliveries += payload.parts.length;
    return true;
  }

  /** Comes back when the frame after its position may be made for its user. */
  #waitForBudget(ms: Millis): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    setTimeout(() => {
      this.#isWaiting = false;
      if (this.#mode === 'live') this.#hub.ready(this);
    }, ms).unref();
  }

  #park(): void {
    this.#mode = 'parked';
    this.#sink.onDrain(() => {
      if (this.#mode !== 'parked') return;
      this.#mode = 'live';
      this.advance();
    });
  }

  #fallBehind(): void {
    if (this.#caughtUpAt === NOTHING_OWED) {
      this.#hub.options.counts.falls++;
      this.#caughtUpAt = SOMEWHERE;
    }
    this.#catchUp();
  }

  #catchUp(): void {
    this.#mode = 'catching';
    const turn = ++this.#turn;
    const still = (): boolean => turn === this.#turn;
    this.#comeBack(still).then(
      (back) => {
        if (!back || !still()) return;
        this.#mode = 'live';
        this.#hub.ready(this);
      },
      (error: unknown) => {
        if (still()) this.#finish(publicError(error, this.#hub.options.log));
      },
    );
  }

  /** False: parked, ended or begun anew on the way. */
  async #comeBack(still: () => boolean): Promise<boolean> {
    const reached = await reachRing(this.#hub, this, still);
    if (reached === 'left') return false;
    if (reached === 'shared' && this.#caughtUpAt !== SOMEWHERE) return true;
    const loaded = await patiently(this.#hub, still, () => this.#hub.feed.fresh());
    if (!loaded || !still()) return false;
    this.#caughtUpAt = loaded.lane.seq;
    return true;
  }

  #finish(error?: GraphQLError): void {
    this.stop();
    this.#sink.end(error);
  }
}

const notFound = (): GraphQLError => apiError('NOT_FOUND', 'There is no such conversation, or you are not in it.');
