/**
 * One reader of one lane: a position, and what it is owed. It holds no events: while it keeps up it is given what the hub's
 * ring holds after its position; when its sink is full it waits where it is, and goes on from the ring, or, once it has
 * fallen out of the ring, from the lane.
 *
 * What it gives rises by one from `StreamStarted` on, but for a `Reset`; nothing that its user may not see; and at a removal
 * of its user it gives that removal, and completes.
 */
import type { GraphQLError } from 'graphql';
import type { LaneEvent } from '../../schema/events.ts';
import type { UserId } from '../../schema/ids.ts';
import type { Loaded } from '../journal/lanes.ts';
import { type Lane, sightOf } from '../lane/lane.ts';
import { type Audience, RUN_BYTES, RUN_PARTS } from './audience.ts';
import { apiError, codeOf, publicError } from './errors.ts';
import type { Hub } from './hub.ts';
import { type Part, SharedPayload, type Sink } from './sink.ts';
import type { FrameSource, ResetReason } from './sources.ts';

export interface Viewer {
  readonly user: UserId;
  readonly admin: boolean;
}

/** A reader further behind gets a `Reset`: pages of history are quicker. */
export const CATCH_UP_MAX = 50_000;
/** Asking the hub's ring to reach back this often, before the reader reads for itself. */
const REACHES = 8;
/** While the store is out of reach a catch-up is tried again; with these waits that is about half a minute. */
const TRIES = 10;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 5_000;

/**
 * `live`: given what the ring has. `parked`: its sink is full. `catching`: it is reading what the ring no longer has.
 */
type Mode = 'starting' | 'live' | 'parked' | 'catching' | 'ended';

const NOTHING_OWED = -1;
/** A `CaughtUp` is owed; up to where is known when the lane's leader has been asked. */
const SOMEWHERE = Number.POSITIVE_INFINITY;

export class Follower {
  readonly viewer: Viewer;
  readonly audience: Audience;
  /** Its place in the hub's list, kept by the hub. */
  place = -1;
  readonly #hub: Hub;
  readonly #sink: Sink;
  #mode: Mode = 'starting';
  /** Raised when whatever waits for an answer is to forget it. */
  #turn = 0;
  #position = 0;
  /** The last event that it may see. */
  #end = Number.POSITIVE_INFINITY;
  /** The lane's last seq when it came: only a removal after it ends the stream. */
  #since = 0;
  /** The members among which the user was last looked up. */
  #members: Lane['members'] | undefined;
  #startOwed = true;
  #resetOwed: ResetReason | undefined;
  /** At this position a `CaughtUp` is due. */
  #caughtUpAt = NOTHING_OWED;

  constructor(hub: Hub, audience: Audience, viewer: Viewer, sink: Sink) {
    this.#hub = hub;
    this.audience = audience;
    this.viewer = viewer;
    this.#sink = sink;
  }

  /** Never rejected. `after`: null for what comes only. */
  async start(after: number | null): Promise<void> {
    const turn = ++this.#turn;
    try {
      const loaded = await this.#hub.fresh();
      if (turn === this.#turn) this.#begin(loaded, after);
    } catch (error) {
      if (turn === this.#turn) this.#fail(error);
    }
  }

  /** The reader is gone; its sink hears nothing more. */
  stop(): void {
    if (this.#mode === 'ended') return;
    this.#mode = 'ended';
    this.#turn++;
    this.#hub.leave(this);
  }

  /** Gives what there is to give, as far as the sink takes it. Called when there may be something. */
  advance(): void {
    while (this.#mode === 'live') {
      const { ring } = this.#hub;
      if (this.#membersMayHaveChanged() && !this.#review()) return;
      if (!this.#settleMarks()) return;
      if (this.#position >= this.#end) {
        this.#finish();
        return;
      }
      if (this.#position < ring.head) {
        if (this.#position < ring.first - 1) {
          this.#fallBehind();
          return;
        }
        const run = this.audience.run(this.#position, this.#end);
        if (!run || !this.#give(run.payload, run.to)) return;
      } else if (this.#caughtUpAt === SOMEWHERE) {
        this.#catchUp();
      } else {
        if (this.#caughtUpAt === NOTHING_OWED || this.#position < this.#caughtUpAt) return;
        if (!this.#mark({ __typename: 'CaughtUp', lane: this.#hub.lane, seq: this.#position })) return;
        this.#caughtUpAt = NOTHING_OWED;
      }
    }
  }

  /** The lane is not the one that was followed: it was restored from an earlier copy. */
  rebuilt(loaded: Loaded): void {
    if (this.#mode === 'ended' || this.#mode === 'starting') return;
    this.#turn++;
    this.#members = undefined;
    this.#resetTo(loaded.lane.seq, 'STORE_REBUILT');
    if (this.#mode === 'catching') this.#mode = 'live';
    this.#hub.ready(this);
  }

  #begin({ lane }: Loaded, after: number | null): void {
    const { user, admin } = this.viewer;
    const sight = sightOf(lane, user, admin);
    const last = lane.seq;
    // Who is no member gets what is left up to the leaving; where nothing is left, there is no such conversation.
    if (!sight || (sight.to <= last && (after ?? last) >= sight.to)) {
      this.#finish(notFound());
      return;
    }
    this.#members = lane.members;
    this.#end = sight.to;
    this.#since = last;
    this.#caughtUpAt = last;
    this.#position = Math.max(after ?? last, sight.from - 1);
    if (this.#position > last) this.#resetTo(last, 'AHEAD');
    else if (Math.min(sight.to, last) - this.#position > CATCH_UP_MAX)
      this.#resetTo(Math.min(sight.to, last), 'TOO_FAR_BEHIND');
    this.#mode = 'live';
    this.#hub.ready(this);
  }

  #resetTo(seq: number, reason: ResetReason): void {
    this.#hub.counts.resets[reason]++;
    this.#position = seq;
    this.#since = seq;
    this.#caughtUpAt = seq;
    this.#resetOwed = reason;
  }

  /** False: they are not ready, or the sink is full. */
  #settleMarks(): boolean {
    const { lane } = this.#hub;
    const seq = this.#position;
    if (this.#startOwed) {
      if (!this.#mark({ __typename: 'StreamStarted', lane, seq })) return false;
      this.#startOwed = false;
    }
    if (this.#resetOwed) {
      if (!this.#mark({ __typename: 'Reset', lane, seq, resetReason: this.#resetOwed })) return false;
      this.#resetOwed = undefined;
    }
    return true;
  }

  /** False: it is not ready, or the sink is full. */
  #mark(source: FrameSource): boolean {
    const payload = this.audience.mark(source);
    return payload !== undefined && this.#give(payload, source.seq);
  }

  /** False: the sink is full. The reader waits where it is. */
  #give(payload: SharedPayload, to: number): boolean {
    if (payload.parts.length > 0 && !this.#sink.write(payload, to)) {
      this.#park();
      return false;
    }
    this.#position = to;
    this.#hub.counts.deliveries += payload.parts.length;
    return true;
  }

  #park(): void {
    this.#mode = 'parked';
    this.#sink.onDrain(() => {
      if (this.#mode !== 'parked') return;
      this.#mode = 'live';
      this.advance();
    });
  }

  /** A removal ahead is looked at whenever it is ahead: the state may already know of a return after it. */
  #membersMayHaveChanged(): boolean {
    const { loaded, ring } = this.#hub;
    return loaded?.lane.members !== this.#members || ring.lastRemoval > this.#position;
  }

  /** False: the stream has ended. */
  #review(): boolean {
    const { loaded, ring } = this.#hub;
    if (!loaded) return false;
    const { user, admin } = this.viewer;
    const sight = sightOf(loaded.lane, user, admin);
    if (!sight) {
      this.#finish(notFound());
      return false;
    }
    // Removed, and back with a later beginning, while this stream was behind: to go on would show a hole.
    if (sight.from > this.#position + 1) {
      this.#finish();
      return false;
    }
    this.#members = loaded.lane.members;
    this.#end = sight.to;
    for (let seq = Math.max(this.#position + 1, ring.first); seq <= ring.lastRemoval; seq++)
      if (this.#isOwnRemoval(ring.at(seq).event)) this.#end = Math.min(this.#end, seq);
    return true;
  }

  #isOwnRemoval(event: LaneEvent): boolean {
    const { user, admin } = this.viewer;
    return event.type === 'MemberRemoved' && event.member === user && event.seq > this.#since && !admin;
  }

  #fallBehind(): void {
    if (this.#caughtUpAt === NOTHING_OWED) {
      this.#hub.counts.falls++;
      this.#caughtUpAt = SOMEWHERE;
    }
    this.#catchUp();
  }

  #catchUp(): void {
    this.#mode = 'catching';
    const turn = ++this.#turn;
    this.#reachRing(turn).then(
      (reached) => {
        if (turn !== this.#turn || !reached) return;
        this.#mode = 'live';
        this.#hub.ready(this);
      },
      (error: unknown) => {
        if (turn === this.#turn) this.#fail(error);
      },
    );
  }

  /** True: what comes next is in the ring. False: parked or ended on the way. */
  async #reachRing(turn: number): Promise<boolean> {
    const { ring } = this.#hub;
    const outside = (): boolean => this.#position < ring.first - 1;
    for (let i = 0; i < REACHES && outside() && this.#hub.canReach(this.#position); i++) {
      const { first } = ring;
      await this.#patiently(turn, () => this.#hub.reachBack(this.#position));
      if (turn !== this.#turn) return false;
      if (ring.first >= first) break;
    }
    const alone = outside();
    if (alone) {
      this.#hub.counts.catchUps++;
      const reached = await this.#patiently(turn, () => this.#hub.slots.hold(() => this.#readOn(turn)));
      if (!reached || turn !== this.#turn) return false;
    }
    if (!alone && this.#caughtUpAt !== SOMEWHERE) return true;
    const loaded = await this.#patiently(turn, () => this.#hub.fresh());
    if (!loaded || turn !== this.#turn) return false;
    this.#caughtUpAt = loaded.lane.seq;
    return true;
  }

  /** Again while the store is out of reach, a bounded number of times. Undefined: the answer is no longer wanted. */
  async #patiently<T>(turn: number, read: () => Promise<T>): Promise<T | undefined> {
    for (let tried = 1; turn === this.#turn; tried++) {
      try {
        return await read();
      } catch (error) {
        if (turn !== this.#turn) break;
        if (tried === TRIES || codeOf(publicError(error, this.#hub.log)) !== 'UNAVAILABLE') throw error;
        await this.#hub.pause(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** tried));
      }
    }
    return undefined;
  }

  /** Reads and gives until the ring goes on. False: parked or ended on the way. */
  async #readOn(turn: number): Promise<boolean> {
    const { ring, reads } = this.#hub;
    while (turn === this.#turn && this.#position < ring.first - 1) {
      const { loaded } = this.#hub;
      const from = this.#position;
      if (!loaded) return false;
      for await (const events of reads.gap(loaded, from)) {
        if (turn !== this.#turn || !(await this.#giveEvents(events, turn))) return false;
        if (this.#position >= ring.first - 1) return true;
      }
      if (this.#position === from) throw new Error(`lane ${this.#hub.lane}: nothing came after event ${from}`);
    }
    return turn === this.#turn;
  }

  /** False: parked or ended on the way. */
  async #giveEvents(events: readonly LaneEvent[], turn: number): Promise<boolean> {
    const { frames, lane } = this.#hub;
    let parts: Part[] = [];
    let bytes = 0;
    let last = this.#position;
    const give = (): boolean => {
      const payload = new SharedPayload(parts, last);
      parts = [];
      bytes = 0;
      if (!this.#give(payload, last)) return false;
      if (last >= this.#end) this.#finish();
      return last < this.#end;
    };
    for (const event of events) {
      if (event.seq <= last) continue;
      if (event.seq !== last + 1) throw new Error(`lane ${lane}: event ${event.seq} came after event ${last}`);
      if (this.#membersMayHaveChanged() && !this.#review()) return false;
      if (event.seq > this.#end) break;
      if (this.#isOwnRemoval(event)) this.#end = event.seq;
      if (frames.shows(event.type)) {
        const answer = frames.execute(this.audience.operation, { __typename: event.type, lane, seq: event.seq, event });
        const part = answer instanceof Promise ? await answer : answer;
        if (turn !== this.#turn) return false;
        parts.push(part);
        bytes += part.utf8.byteLength;
      }
      last = event.seq;
      if ((parts.length >= RUN_PARTS || bytes >= RUN_BYTES) && !give()) return false;
    }
    return last === this.#position || give();
  }

  #fail(error: unknown): void {
    this.#finish(publicError(error, this.#hub.log));
  }

  #finish(error?: GraphQLError): void {
    this.stop();
    this.#sink.end(error);
  }
}

const notFound = (): GraphQLError => apiError('NOT_FOUND', 'There is no such conversation, or you are not in it.');
