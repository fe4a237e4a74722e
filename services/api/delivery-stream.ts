/**
 * `Subscription.delivery`: how far one message has come, of each recipient that the viewer may see, and again after each
 * change. What is given is looked up anew each time, together with the viewer's rights: nothing that is heard is believed.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { GraphQLError, type GraphQLSchema } from 'graphql';
import type { MessageSent } from '../../schema/events.ts';
import { ID_RULE, type LaneId, parseLaneId, type Seq, type UserId } from '../../schema/ids.ts';
import type { Stoppable } from '../journal/journal.ts';
import type { Lanes, Loaded } from '../journal/lanes.ts';
import { sightOf } from '../lane/lane.ts';
import type { Logger } from '../logger.ts';
import { Slots } from '../slots.ts';
import type { Deliveries } from '../views/delivery.ts';
import type { Reads } from '../views/reads.ts';
import { apiError, badInput, publicError } from './errors.ts';
import { Frames, type Operation } from './frames.ts';
import type { Viewer } from './gate.ts';
import { RETRY_AFTER_MS } from './limits.ts';
import { deliverySourceOf, insightOf } from './resolvers/delivery.ts';
import { type Part, SharedPayload, type Sink } from './sink.ts';
import type { StreamOperation } from './stream.ts';
import type { OpensStreams } from './subscriptions.ts';

/** Recipients looked up, and written, together. */
const LOOK_USERS = 100;
/** What changes within this is looked up together. */
const GATHER_MS = 50;
/** A change that was not heard is found after so long. */
const LOOK_AGAIN_MS = 15_000;
/** After a failed look. */
const RETRY_MS = 2_000;
/** Followers that look at once, a quarter of them one user's at the most; the others wait their turn. */
const LOOKS = { running: 16, each: 4 };
/** Past it a new stream is refused with the error `RATE_LIMITED`. */
const FOLLOWERS_MAX = 5_000;

export interface DeliveryStreamParts {
  readonly schema: GraphQLSchema;
  readonly lanes: Pick<Lanes, 'fresh'>;
  readonly reads: Pick<Reads, 'event'>;
  readonly deliveries: Deliveries;
  readonly log: Logger;
}

export class DeliveryStreams implements OpensStreams {
  readonly #parts: DeliveryStreamParts;
  readonly #frames: Frames;
  readonly #slots = new Slots(LOOKS);
  readonly #followers = new Set<DeliveryFollower>();

  /** Throws if the schema has no such subscription. */
  constructor(parts: DeliveryStreamParts) {
    this.#parts = parts;
    this.#frames = new Frames(parts, 'delivery');
  }

  get size(): number {
    return this.#followers.size;
  }

  open({ viewer, ...given }: StreamOperation, sink: Sink): Stoppable {
    const read = this.#frames.read({ ...given, admin: viewer.admin });
    if (read.kind === 'bad') return refused(sink, read.error);
    const asked = placeOf(read.args);
    if (asked instanceof GraphQLError) return refused(sink, asked);
    if (this.#followers.size >= FOLLOWERS_MAX)
      return refused(sink, apiError('RATE_LIMITED', 'This server follows as much as it can.', RETRY_AFTER_MS));
    const parts = { ...this.#parts, frames: this.#frames, slots: this.#slots };
    const follower = new DeliveryFollower(parts, { ...asked, operation: read.operation, viewer }, sink, () =>
      this.#followers.delete(follower),
    );
    this.#followers.add(follower);
    void follower.run();
    return follower;
  }

  /** Ends following. Sinks hear nothing of it: whoever owns the connections closes them. */
  stop(): void {
    for (const follower of this.#followers) follower.stop();
  }
}

interface Followed {
  readonly lane: LaneId;
  readonly seq: Seq;
  readonly operation: Operation;
  readonly viewer: Viewer;
}

const READ = Symbol('read');

interface FollowerParts extends DeliveryStreamParts {
  readonly frames: Frames;
  readonly slots: Slots;
}

class DeliveryFollower implements Stoppable {
  readonly #parts: FollowerParts;
  readonly #followed: Followed;
  readonly #sink: Sink;
  readonly #onEnd: () => void;
  readonly #stopping = new AbortController();
  /** What was given of each recipient last: only what differs is given. READ is the end. */
  readonly #given = new Map<UserId, Buffer | typeof READ>();
  /** To be looked at: all, or these. */
  #changed: Set<UserId> | 'all' = 'all';
  #wake: (() => void) | undefined;

  constructor(parts: FollowerParts, followed: Followed, sink: Sink, onEnd: () => void) {
    this.#parts = parts;
    this.#followed = followed;
    this.#sink = sink;
    this.#onEnd = onEnd;
  }

  /** The reader is gone; its sink hears nothing more. */
  stop(): void {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    this.#onEnd();
  }

  /** Never rejected. */
  async run(): Promise<void> {
    const { lane, seq } = this.#followed;
    let heard: Stoppable | undefined;
    try {
      // Listening comes before the first look: what changes between the two is heard.
      heard = this.#parts.deliveries.watch(lane, seq, (users) => this.#hear(users));
      const message = await this.#message();
      let isFirst = true;
      while (message && !this.#isStopped) {
        if (!(await this.#look(message, isFirst))) break;
        isFirst = false;
        await this.#untilChanged();
      }
      this.#end(message ? undefined : notFound());
    } catch (error) {
      this.#end(publicError(error, this.#parts.log));
    } finally {
      heard?.stop();
    }
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  #end(error: GraphQLError | undefined): void {
    if (this.#isStopped) return;
    this.stop();
    this.#sink.end(error);
  }

  #hear(users: readonly UserId[] | undefined): void {
    if (users === undefined) this.#changed = 'all';
    else if (this.#changed !== 'all')
      for (const user of users) if (this.#given.get(user) !== READ) this.#changed.add(user);
    if (this.#changed === 'all' || this.#changed.size > 0) this.#wake?.();
  }

  /** Undefined: there is none that this viewer may see anything of. */
  async #message(): Promise<MessageSent | undefined> {
    const { lanes, reads } = this.#parts;
    const { lane, seq } = this.#followed;
    const loaded = await lanes.fresh(lane);
    if (!this.#sees(loaded)) return undefined;
    const event = await reads.event(loaded, seq);
    if (event?.type !== 'MessageSent') return undefined;
    const { users, isWhole } = insightOf(loaded, event, this.#followed.viewer);
    return isWhole || users.length > 0 ? event : undefined;
  }

  #sees({ lane }: Loaded): boolean {
    const { viewer, seq } = this.#followed;
    const sight = sightOf(lane, viewer.user, viewer.admin);
    return sight !== undefined && sight.to === Number.POSITIVE_INFINITY && seq >= sight.from && seq <= lane.seq;
  }

  /** Gives what is new of those who have changed. False: the viewer sees nothing of it any more. Throws if the first look fails. */
  async #look(message: MessageSent, isFirst: boolean): Promise<boolean> {
    const { lanes, slots, log } = this.#parts;
    const changed = this.#changed;
    this.#changed = new Set();
    try {
      const loaded = await lanes.fresh(this.#followed.lane);
      if (!this.#sees(loaded)) return false;
      const { users, isWhole } = insightOf(loaded, message, this.#followed.viewer);
      if (!isWhole && users.length === 0) return false;
      const unread = users.filter((user) => this.#given.get(user) !== READ);
      const wanted = changed === 'all' ? unread : unread.filter((user) => changed.has(user));
      for (let i = 0; i < wanted.length && !this.#isStopped; i += LOOK_USERS) {
        const some = wanted.slice(i, i + LOOK_USERS);
        await this.#give(await slots.hold(this.#followed.viewer.user, () => this.#partsOf(loaded, message, some)));
      }
    } catch (error) {
      if (isFirst) throw error;
      log.debug({ err: error, lane: this.#followed.lane }, 'deliveries could not be read; tried again');
      this.#changed = 'all';
      await this.#pause(RETRY_MS);
    }
    return true;
  }

  async #partsOf(loaded: Loaded, message: MessageSent, users: readonly UserId[]): Promise<Part[]> {
    const { deliveries, frames } = this.#parts;
    const { operation, viewer } = this.#followed;
    const found = await deliveries.of(loaded, message, users);
    const parts: Part[] = [];
    for (const user of users) {
      const delivery = found.get(user);
      if (!delivery) continue;
      const source = deliverySourceOf(delivery, viewer);
      const part = await frames.execute(operation, source);
      // What changed may be nothing that this viewer sees, or that its document asks for.
      const given = this.#given.get(user);
      if (given !== READ && given?.equals(part.utf8)) continue;
      parts.push(part);
      this.#given.set(user, source.delivery.state === 'READ' ? READ : part.utf8);
    }
    return parts;
  }

  /** Settles when the sink has it, or the reader is gone. */
  async #give(parts: readonly Part[]): Promise<void> {
    if (parts.length === 0) return;
    const payload = new SharedPayload(parts, 0);
    while (!this.#isStopped && !this.#sink.write(payload, 0)) {
      await new Promise<void>((resolve) => {
        this.#stopping.signal.addEventListener('abort', () => resolve(), { once: true });
        this.#sink.onDrain(resolve);
      });
    }
  }

  async #untilChanged(): Promise<void> {
    if (this.#changed === 'all' || this.#changed.size > 0) return this.#pause(GATHER_MS);
    const heard = new Promise<'heard'>((resolve) => {
      this.#wake = () => resolve('heard');
    });
    const late = new AbortController();
    const signal = AbortSignal.any([late.signal, this.#stopping.signal]);
    const first = await Promise.race([heard, wait(LOOK_AGAIN_MS, 'late', { signal, ref: false }).catch(() => 'late')]);
    late.abort();
    this.#wake = undefined;
    if (first === 'heard') await this.#pause(GATHER_MS);
    else this.#changed = 'all';
  }

  #pause(ms: number): Promise<void> {
    return wait(ms, undefined, { signal: this.#stopping.signal, ref: false }).catch(() => {});
  }
}

function placeOf(args: Readonly<Record<string, unknown>>): { readonly lane: LaneId; readonly seq: Seq } | GraphQLError {
  const { conversationId, seq } = args;
  const lane = parseLaneId(conversationId);
  if (!lane) return badInput('conversationId', ID_RULE);
  return typeof seq === 'number' && seq >= 1 ? { lane, seq: seq as Seq } : badInput('seq', 'at least 1');
}

function refused(sink: Sink, error: GraphQLError): Stoppable {
  sink.end(error);
  return { stop: () => {} };
}

const notFound = (): GraphQLError => apiError('NOT_FOUND', 'There is no such message, or it is not yours to see.');
