/**
 * What a fault run records: every attempt, stream and page as its client had it, and what the stores hold at the end.
 *
 * Times are milliseconds of one clock that never falls. A time of sending is taken before the bytes leave, a time of an answer
 * after they came: so "answered before sent" is true of the servers too.
 */
import type { LaneEvent } from '../../schema/events.ts';
import type { Pushing } from './push-trace.ts';
import { digestOf } from './random.ts';

export type Invariant =
  | 'I1'
  | 'I2'
  | 'I3'
  | 'I4'
  | 'I5'
  | 'I6'
  | 'I7'
  | 'I8'
  | 'I9'
  | 'I10'
  | 'I11'
  | 'I12'
  | 'I13'
  | 'I14'
  | 'told';

export const INVARIANTS: Readonly<Record<Invariant, string>> = {
  I1: 'no acknowledged message lost',
  I2: 'none twice; every answer for one key carries one seq',
  I3: 'history equals the lane, in order and content',
  I4: 'every record is in history or parked, never both, never neither',
  I5: 'each subscription: rising, no gap unless reset, nothing foreign',
  I6: 'one dense order, which respects real time',
  I7: 'rebuilt, the history is the same',
  I8: 'over all its sessions a reader saw everything, and so did a device by its inboxes',
  I9: 'every undelivered message was pushed or permanently refused within grace + 60 s',
  I10: 'no push decided after a recorded acknowledgement',
  I11: 'nothing that nobody sent; the sender is the authenticated one',
  I12: 'failures are typed, nothing crashes',
  I13: 'a page once read stands',
  I14: 'pushes/offered ≤ 1.2',
  told: 'what is told of each delivery is what happened',
};

export interface Violation {
  readonly invariant: Invariant;
  readonly lane?: string;
  readonly what: string;
  /** Whatever shows it, small enough to print. */
  readonly evidence?: unknown;
}

/** What a command said. */
export type Wish =
  | { readonly type: 'create'; readonly kind: 'GROUP' | 'DIRECT'; readonly title?: string; readonly members: string[] }
  | { readonly type: 'send'; readonly text: string }
  | { readonly type: 'add'; readonly members: string[]; readonly hideHistory: boolean }
  | { readonly type: 'remove'; readonly member: string }
  | { readonly type: 'leave' };

export type Answer =
  /** `at`: epoch milliseconds. */
  | { readonly kind: 'accepted'; readonly seq: number; readonly at: number; repeated: boolean; changed: boolean }
  | { readonly kind: 'refused'; readonly code: string; readonly retryable: boolean; readonly waitMs?: number }
  | { readonly kind: 'error'; readonly code: string; readonly retryable: boolean; readonly waitMs?: number }
  /** No answer: the connection went, or nothing came in time. */
  | { readonly kind: 'lost'; readonly why: string }
  /** It was never sent: there was nobody to connect to. */
  | { readonly kind: 'unsent'; readonly why: string };

/** One command, sent once. */
export interface Attempt {
  readonly user: string;
  readonly lane: string;
  readonly key: string;
  readonly wish: Wish;
  /** Which server process it went to, and by which door. */
  readonly process: string;
  readonly door: 'http' | 'ws';
  readonly sentAt: number;
  readonly answeredAt: number;
  /** `answeredAt` by the machine's clock, in epoch milliseconds. */
  readonly answeredWallAt?: number;
  readonly answer: Answer;
}

export interface Frame {
  readonly type: string;
  readonly lane: string;
  readonly seq: number;
  readonly at: number;
  /** Of an event: `contentOf` it. */
  readonly content?: number;
  readonly resetReason?: string;
}

/** How one stream ended. `left`: the reader closed it; `closed`: the connection went, with the close code if there was one. */
export type End =
  | { readonly kind: 'completed' }
  | { readonly kind: 'error'; readonly code: string }
  | { readonly kind: 'closed'; readonly code?: number; readonly reason?: string }
  | { readonly kind: 'left' };

/** One subscription, from its opening to its end. */
export interface Session {
  /** All sessions of one reader are one client's, with one position in one lane. */
  readonly reader: string;
  readonly user: string;
  readonly lane: string;
  readonly process: string;
  readonly door: 'ws' | 'sse';
  readonly after: number | null;
  readonly openedAt: number;
  readonly endedAt: number;
  readonly frames: readonly Frame[];
  readonly end: End;
}

export interface PageRead {
  /** Set where a reader filled with it what a reset left out. */
  readonly reader?: string;
  readonly user: string;
  readonly lane: string;
  readonly process: string;
  readonly kind: 'messages' | 'events';
  readonly askedAt: number;
  readonly answeredAt: number;
  /** Null: the answer was that there is no such conversation. */
  readonly page: null | {
    readonly asOf: number;
    readonly lastSeq: number;
    readonly nodes: readonly { readonly seq: number; readonly content: number }[];
    readonly hasPreviousPage: boolean;
    readonly hasNextPage: boolean;
  };
}

export interface StoredLaneRecord {
  readonly revision: number;
  /** Undefined: not a record that can be read. */
  readonly events: readonly LaneEvent[] | undefined;
}
export interface HistoryEvent {
  readonly revision: number;
  readonly event: LaneEvent;
}
export interface Stores {
  /** By lane, rising by revision. */
  readonly lanes: ReadonlyMap<string, readonly StoredLaneRecord[]>;
  /** By lane, in the order in which history gives them. */
  readonly history: ReadonlyMap<string, readonly HistoryEvent[]>;
  readonly parked: readonly { readonly lane: string; readonly revision: number }[];
}

export interface Trace {
  readonly attempts: readonly Attempt[];
  readonly sessions: readonly Session[];
  readonly pages: readonly PageRead[];
  /** What processes did that they never do: ended though nobody killed them, answered what nobody understands. */
  readonly surprises: readonly { readonly process: string; readonly at: number; readonly what: string }[];
  readonly stores: Stores;
  /** Absent: nobody had a device. */
  readonly pushing?: Pushing;
}

/** What everybody may see of an event. */
export interface Seen {
  readonly type: string;
  readonly seq: number;
  readonly at: number;
  readonly by: string;
  readonly text?: string | null;
  readonly clientKey?: string | null;
  readonly kind?: string;
  readonly title?: string | null;
  readonly members?: readonly string[];
  readonly member?: string;
}

export const contentOf = (seen: Seen): number =>
  digestOf(
    JSON.stringify([
      seen.type,
      seen.seq,
      seen.at,
      seen.by,
      seen.text ?? null,
      seen.clientKey ?? null,
      seen.kind ?? null,
      seen.title ?? null,
      seen.members ?? null,
      seen.member ?? null,
    ]),
  );

/** An event of the lane as a client is to see it. */
export function seenOf(event: LaneEvent): Seen {
  const { type, seq, at, by } = event;
  switch (event.type) {
    case 'ConversationCreated':
      return { type, seq, at, by, kind: event.kind, title: event.title ?? null, members: event.members };
    case 'MessageSent':
      return { type, seq, at, by, text: event.text, clientKey: event.key };
    case 'MembersAdded':
      return { type, seq, at, by, members: event.members };
    case 'MemberRemoved':
      return { type, seq, at, by, member: event.member };
    default:
      event satisfies never;
      return { type, seq, at, by };
  }
}
