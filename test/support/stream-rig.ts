/** What the tests of live streams share: a lane written by hand, a live copy that can lose, and a sink that can be full. */
import { type GraphQLError, parse } from 'graphql';
import { pino } from 'pino';
import type { LaneEvent, LaneRecord } from '../../schema/events.ts';
import type { ClientKey, LaneId, Revision, Seq, UserId } from '../../schema/ids.ts';
import { eventResolvers } from '../../services/api/resolvers/events.ts';
import { schemaWith } from '../../services/api/resolvers/schema.ts';
import type { SharedPayload, Sink } from '../../services/api/sink.ts';
import type { Journal, Stoppable, StoredRecord } from '../../services/journal/journal.ts';
import { encodeRecord } from '../../services/journal/record.ts';
import { type History, HistoryUnavailable } from '../../services/views/history.ts';

export const QUIET = pino({ level: 'silent' });

/** The published schema with the resolvers of frames; a user's name is its id in capitals. */
export const FRAME_SCHEMA = schemaWith({
  ...eventResolvers,
  User: { id: (user: UserId) => user, name: (user: UserId) => user.toUpperCase(), avatarUrl: () => null },
});

export const FOLLOW = parse(`subscription Follow($id: ID!, $after: Int) {
  conversation(id: $id, after: $after) {
    __typename conversationId seq
    ... on ConversationEvent { at by { id } }
    ... on MessageSent { message { id text sender { id name } clientKey } }
    ... on MembersAdded { members { id } }
    ... on MemberRemoved { member { id } }
    ... on Reset { resetReason }
  }
}`);

/** MongoDB is down. */
const down = (): Promise<never> => Promise.reject(new HistoryUnavailable('down'));
export const NO_HISTORY: History = {
  at: down,
  knownWatermark: () => undefined,
  conversationsOf: down,
  people: down,
  rememberPeople: down,
  close: async () => {},
};

type Body =
  | { readonly type: 'MessageSent'; readonly text: string }
  | { readonly type: 'MembersAdded'; readonly members: readonly UserId[]; readonly hideHistory?: true }
  | { readonly type: 'MemberRemoved'; readonly member: UserId };

/** Writes one lane, event by event, and keeps what it wrote. */
export class Scribe {
  readonly lane: LaneId;
  readonly events: LaneEvent[] = [];
  readonly #put: (lane: LaneId, payload: Uint8Array) => StoredRecord;
  readonly #name: string;
  #records = 0;

  constructor(put: (lane: LaneId, payload: Uint8Array) => StoredRecord, lane: LaneId, name = 'r') {
    this.lane = lane;
    this.#put = put;
    this.#name = name;
  }

  create(members: readonly UserId[]): StoredRecord {
    const [by] = members;
    return this.#write([{ ...this.#stamp(0, by), type: 'ConversationCreated', kind: 'GROUP', members }]);
  }

  /** One record. */
  write(...bodies: readonly Body[]): StoredRecord {
    return this.#write(bodies.map((body, i) => ({ ...this.#stamp(i), ...body })));
  }

  say(...texts: readonly string[]): StoredRecord {
    return this.write(...texts.map((text): Body => ({ type: 'MessageSent', text })));
  }

  #write(events: readonly LaneEvent[]): StoredRecord {
    this.events.push(...events);
    const record: LaneRecord = { v: 1, id: `${this.#name}${++this.#records}`, lane: this.lane, events };
    return this.#put(this.lane, encodeRecord(record));
  }

  #stamp(place: number, by = 'writer' as UserId) {
    const seq = (this.events.length + place + 1) as Seq;
    return { seq, at: 1_700_000_000_000 + seq, by, key: `k${seq}` as ClientKey, hash: '' };
  }
}

export type Fate = 'heard' | 'lost' | 'twice' | 'late';

/** A journal whose live copy is as lossy as the port allows, and whose store can be replaced by another one. */
export class LossyLive implements Journal {
  #inner: Journal;
  readonly #fates = new Map<Revision, Fate>();
  readonly #listeners = new Set<(record: StoredRecord) => void>();
  readonly #held: StoredRecord[] = [];
  readonly #reconnects = new Set<() => void>();
  #heard: Stoppable | undefined;
  listening = 0;
  reads = 0;

  constructor(inner: Journal) {
    this.#inner = inner;
  }

  get partitions(): number {
    return this.#inner.partitions;
  }

  /** What becomes of the live copy of this record. */
  doom(revision: Revision, fate: Fate): void {
    this.#fates.set(revision, fate);
  }

  /** What was late comes now, the youngest first. */
  release(): void {
    for (const record of this.#held.splice(0).reverse()) this.#tell(record);
  }

  reconnect(): void {
    for (const callback of this.#reconnects) callback();
  }

  /** The store was restored from a copy: everything is as `inner` has it. */
  restore(inner: Journal, lane: LaneId): void {
    this.#inner = inner;
    this.#heard?.stop();
    this.#heard = inner.listen(lane, (record) => this.#arrive(record));
  }

  read: Journal['read'] = (lane, from, options) => {
    this.reads++;
    return this.#inner.read(lane, from, options);
  };
  append: Journal['append'] = (record, expected) => this.#inner.append(record, expected);
  last: Journal['last'] = (lane) => this.#inner.last(lane);
  lastRevisions: Journal['lastRevisions'] = (lanes) => this.#inner.lastRevisions(lanes);
  next: Journal['next'] = (lane, from) => this.#inner.next(lane, from);
  readSnapshot: Journal['readSnapshot'] = (lane) => this.#inner.readSnapshot(lane);
  writeSnapshot: Journal['writeSnapshot'] = (lane, snapshot) => this.#inner.writeSnapshot(lane, snapshot);
  partitionEnd: Journal['partitionEnd'] = (partition) => this.#inner.partitionEnd(partition);
  whyOther: Journal['whyOther'] = (partition, place) => this.#inner.whyOther(partition, place);
  consume: Journal['consume'] = (partition, from, options) => this.#inner.consume(partition, from, options);
  lanes: Journal['lanes'] = (partition) => this.#inner.lanes(partition);
  close: Journal['close'] = () => this.#inner.close();

  listen: Journal['listen'] = (lane, onRecord) => {
    this.#heard ??= this.#inner.listen(lane, (record) => this.#arrive(record));
    this.#listeners.add(onRecord);
    this.listening++;
    return {
      stop: () => {
        this.#listeners.delete(onRecord);
        this.listening--;
      },
    };
  };

  onReconnect: Journal['onReconnect'] = (callback) => {
    this.#reconnects.add(callback);
    return { stop: () => this.#reconnects.delete(callback) };
  };

  #arrive(record: StoredRecord): void {
    switch (this.#fates.get(record.revision) ?? 'heard') {
      case 'lost':
        return;
      case 'late':
        this.#held.push(record);
        return;
      case 'twice':
        this.#tell(record);
        this.#tell(record);
        return;
      case 'heard':
        this.#tell(record);
    }
  }

  #tell(record: StoredRecord): void {
    for (const listener of this.#listeners) listener(record);
  }
}

/** A frame as the client has it. */
export interface Frame {
  readonly __typename: string;
  readonly conversationId: string;
  readonly seq: number;
  readonly resetReason?: string;
  readonly message?: { readonly text: string };
  readonly member?: { readonly id: string };
}

/** Takes `room` writes, then is full until it is drained. */
export class TestSink implements Sink {
  readonly frames: Frame[] = [];
  readonly payloads: SharedPayload[] = [];
  /** Positions as they were given with each write. */
  readonly positions: number[] = [];
  room: number;
  ended = false;
  error: GraphQLError | undefined;
  #drained: (() => void) | undefined;

  constructor(room = Number.POSITIVE_INFINITY) {
    this.room = room;
  }

  write(payload: SharedPayload, seq: number): boolean {
    if (this.ended) throw new Error('written after the end');
    if (this.#drained) throw new Error('written while it is full');
    if (this.room === 0) return false;
    this.room--;
    this.payloads.push(payload);
    this.positions.push(seq);
    for (const { utf8 } of payload.parts) {
      const { conversation, inbox } = JSON.parse(utf8.toString()).data;
      this.frames.push(conversation ?? inbox);
    }
    return true;
  }

  onDrain(callback: () => void): void {
    if (this.#drained) throw new Error('asked twice');
    this.#drained = callback;
  }

  end(error?: GraphQLError): void {
    if (this.ended) throw new Error('ended twice');
    this.ended = true;
    this.error = error;
  }

  get isFull(): boolean {
    return this.#drained !== undefined;
  }

  drain(room: number): void {
    this.room = room;
    const drained = this.#drained;
    if (room === 0 || !drained) return;
    this.#drained = undefined;
    drained();
  }

  get code(): unknown {
    const { code } = this.error?.extensions ?? {};
    return code;
  }

  /** The frames as short words: `StreamStarted 3`, `MessageSent 4`. */
  get story(): string[] {
    return this.frames.map(
      ({ __typename, seq, resetReason }) => `${__typename}${resetReason ? ` ${resetReason}` : ''} ${seq}`,
    );
  }
}

/** Lets everything that is under way go on. */
export const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** Waits for a fact, for at most about ten seconds. */
export async function until(fact: () => boolean, what = () => 'it did not come true'): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!fact()) {
    if (Date.now() > deadline) throw new Error(what());
    await turns(1);
  }
}
