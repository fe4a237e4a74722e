/** The newest events of one lane, held for all its followers: a dense window that moves with the lane. */
import type { LaneEvent } from '../../schema/events.ts';
import type { LaneId, Revision } from '../../schema/ids.ts';
import type { EventFrame } from './sources.ts';

/** What a ring keeps between two rounds of its followers … */
export const RING_EVENTS = 512;
const RING_BYTES = 1024 * 1024;
/** … and keeps where all rings of the process together are over their limit … */
const RING_BYTES_SHORT = 16 * 1024;
const ALL_RINGS_BYTES = 256 * 1024 * 1024;
/** … and never goes beyond, times this, also when its followers had no turn yet. */
const HARD = 8;

export interface RingLimits {
  readonly events: number;
  /** Bytes held by all rings of the process. */
  readonly budget: { bytes: number };
}

export class Ring {
  readonly #lane: LaneId;
  readonly #limits: RingLimits;
  #frames: EventFrame[] = [];
  /** Index in `#frames` of the first that is still held. */
  #start = 0;
  #bytes = 0;
  /** The last event's seq; everything up to it has been here. */
  head = 0;
  /** Of the record that holds `head`. */
  revision = 0 as Revision;
  recordId = '';
  /** The last event here that took somebody out of the lane; 0: none was seen. */
  lastRemoval = 0;

  constructor(lane: LaneId, limits: RingLimits) {
    this.#lane = lane;
    this.#limits = limits;
  }

  /** The seq of the first event held; `head` + 1 when none is. A reader at `first` - 1 or later goes on from here. */
  get first(): number {
    return this.head + 1 - this.size;
  }

  get size(): number {
    return this.#frames.length - this.#start;
  }

  /** The event `seq`, which must be held. */
  at(seq: number): EventFrame {
    return this.#frames[this.#start + seq - this.first] as EventFrame;
  }

  /** The events of one record, which directly follow. */
  push(events: readonly LaneEvent[], revision: Revision, recordId: string): void {
    for (const event of events) {
      this.#frames.push(this.#frameOf(event));
      this.head = event.seq;
      if (event.type === 'MemberRemoved') this.lastRemoval = event.seq;
    }
    this.revision = revision;
    this.recordId = recordId;
    this.#shrink(HARD * this.#limits.events, HARD * RING_BYTES);
  }

  /** Older events, the last of which is `first` - 1; as many of the newest as there is room for. */
  extendBack(events: readonly LaneEvent[]): void {
    const room = this.#limits.events - this.size;
    if (room <= 0 || events.at(-1)?.seq !== this.first - 1) return;
    const older = events.slice(-room).map((event) => this.#frameOf(event));
    this.#frames = [...older, ...this.#frames.slice(this.#start)];
    this.#start = 0;
    for (const { event } of older)
      if (event.type === 'MemberRemoved') this.lastRemoval = Math.max(this.lastRemoval, event.seq);
    this.trim();
  }

  /** Lets go of what is over the limit. Called when every follower that keeps up has had its turn. */
  trim(): void {
    const { events, budget } = this.#limits;
    this.#shrink(events, budget.bytes > ALL_RINGS_BYTES ? RING_BYTES_SHORT : RING_BYTES);
  }

  /** Forgets all; the lane is at `head` now. */
  reset(head: number, revision: Revision, recordId: string): void {
    this.#shrink(0, 0);
    this.head = head;
    this.revision = revision;
    this.recordId = recordId;
    this.lastRemoval = 0;
  }

  #shrink(events: number, bytes: number): void {
    while (this.size > 0 && (this.size > events || this.#bytes > bytes)) {
      const frame = this.#frames[this.#start] as EventFrame;
      this.#count(-bytesOf(frame.event));
      this.#start++;
    }
    if (this.#start > 64 && this.#start * 2 > this.#frames.length) {
      this.#frames = this.#frames.slice(this.#start);
      this.#start = 0;
    } else if (this.size === 0) {
      this.#frames = [];
      this.#start = 0;
    }
  }

  #frameOf(event: LaneEvent): EventFrame {
    this.#count(bytesOf(event));
    return { __typename: event.type, lane: this.#lane, seq: event.seq, event };
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#limits.budget.bytes += bytes;
  }
}

/** About what an event takes in memory. */
function bytesOf(event: LaneEvent): number {
  switch (event.type) {
    case 'MessageSent':
      return 400 + 2 * event.text.length;
    case 'ConversationCreated':
    case 'MembersAdded':
      return 400 + 64 * event.members.length;
    default:
      return 400;
  }
}
