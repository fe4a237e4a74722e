/**
 * One conversation that a client has open: its stream from the api, by a position that outlives the socket to the api. Each
 * event after the position is shown once, in order, whatever is cut on the way; while the client takes nothing the stream is
 * closed, and opened again from the position.
 */
import { type LaneId, type Millis, seqOf, type UserId } from '../../schema/ids.ts';
import type { Api, StreamEnd } from './api.ts';
import type { Frame } from './documents.ts';
import type { Line } from './line.ts';
import { Outbox, type OutboxParts, type Send } from './outbox.ts';
import { channelOf, maskOf, SERVER } from './replies.ts';
import { eventLines } from './translate.ts';

export interface ChannelParts extends Omit<OutboxParts, 'api' | 'lane'> {
  readonly api: Api;
  readonly lane: LaneId;
  readonly me: UserId;
  write(lines: readonly Line[]): void;
  /** What was said here comes back in its place. */
  onOwn(send: Send, lines: readonly Line[]): void;
  /** The channel is closed: its user is no member any more, or it cannot be followed. */
  onEnd(): void;
  /** The token is no good any more: the whole connection ends. */
  onToken(reason: string): void;
}

const FIRST_WAIT_MS = 250;
const MAX_WAIT_MS = 5_000;
/** Source: PROTOCOL, section 10: after 1013. */
const OVERLOADED = 1013;

export class Channel {
  readonly outbox: Outbox;
  readonly #parts: ChannelParts;
  #position: number;
  #stream: { stop(): void } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #wait = FIRST_WAIT_MS;
  #state: 'new' | 'following' | 'parked' | 'closed' = 'new';

  /** `position`: where it begins. */
  constructor(parts: ChannelParts, position: number) {
    this.#parts = parts;
    this.#position = position;
    this.outbox = new Outbox(parts);
  }

  get lane(): LaneId {
    return this.#parts.lane;
  }

  /** The last event that the client knows of. */
  get position(): number {
    return this.#position;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  open(): void {
    if (this.#state === 'closed') return;
    this.#state = 'following';
    this.#stream = this.#parts.api.follow(this.lane, this.#position, {
      frame: (frame) => this.#frame(frame),
      ended: (end) => this.#ended(end),
    });
  }

  /** The client takes nothing more for now. */
  park(): void {
    if (this.#state !== 'following') return;
    this.#state = 'parked';
    this.#leave();
  }

  resume(): void {
    if (this.#state === 'parked') this.open();
  }

  /** Nothing more is shown; what was said still goes its way. */
  close(): void {
    this.#state = 'closed';
    this.#leave();
  }

  #leave(): void {
    clearTimeout(this.#timer);
    this.#stream?.stop();
    this.#stream = undefined;
  }

  #frame(frame: Frame): void {
    if (this.#state !== 'following') return;
    this.#wait = FIRST_WAIT_MS;
    const isEvent = frame.kind !== 'started' && frame.kind !== 'caught-up' && frame.kind !== 'reset';
    if (isEvent && frame.seq <= this.#position) return;
    // A `Reset` alone may lead back.
    this.#position = frame.kind === 'reset' ? seqOf(frame.seq) : Math.max(this.#position, frame.seq);
    const lines = eventLines(this.lane, frame);
    const own = frame.kind === 'message' ? this.outbox.arrived(frame.clientKey) : undefined;
    if (own) this.#parts.onOwn(own, lines);
    else if (lines.length > 0) this.#parts.write(lines);
    if (frame.kind === 'removed' && frame.member === this.#parts.me) this.#end();
  }

  #ended(end: StreamEnd): void {
    if (this.#state !== 'following') return;
    this.#stream = undefined;
    if (end.kind === 'dropped' && end.code === 4403) this.#parts.onToken(end.reason);
    else if (end.kind === 'trouble' && end.code === 'UNAUTHENTICATED') this.#parts.onToken('token-invalid');
    else if (end.kind === 'trouble' && !end.retryable) {
      this.#parts.write([this.#kick(end.code === 'NOT_FOUND' ? 'not in the conversation any more' : end.message)]);
      this.#end();
    } else this.#again(end);
  }

  #again(end: StreamEnd): void {
    const least =
      end.kind === 'trouble' ? (end.retryAfterMs ?? 0) : end.kind === 'dropped' && end.code === OVERLOADED ? 5_000 : 0;
    const pause: Millis = least + this.#wait * (0.5 + Math.random() / 2);
    this.#wait = Math.min(2 * this.#wait, MAX_WAIT_MS);
    this.#timer = setTimeout(() => this.open(), pause);
  }

  #end(): void {
    this.close();
    this.#parts.onEnd();
  }

  #kick(why: string): Line {
    const { me } = this.#parts;
    return { prefix: SERVER, command: 'KICK', params: [channelOf(this.lane), me, why] };
  }
}

/** What a client is shown of its own closing. */
export const partLine = (me: UserId, lane: LaneId): Line => ({
  prefix: maskOf(me),
  command: 'PART',
  params: [channelOf(lane), 'closed here; you are still in the conversation'],
});
