/** What the tests of inboxes share: lanes in memory, MongoDB as it is at some place behind them, and a device's marks. */
import { parse } from 'graphql';
import type { LaneEvent } from '../../schema/events.ts';
import { type DeviceId, type LaneId, type Millis, revisionOf, type Seq, type UserId } from '../../schema/ids.ts';
import { partitionOf } from '../../schema/subjects.ts';
import { Inboxes, type InboxLimits } from '../../services/api/inbox.ts';
import { eventResolvers } from '../../services/api/resolvers/events.ts';
import { inboxFrameResolvers } from '../../services/api/resolvers/inbox.ts';
import { receiptFrameResolvers } from '../../services/api/resolvers/receipts.ts';
import { schemaWith } from '../../services/api/resolvers/schema.ts';
import { newStreamCounts } from '../../services/api/stream-metrics.ts';
import type { StoredRecord } from '../../services/journal/journal.ts';
import { Lanes } from '../../services/journal/lanes.ts';
import { MemoryJournal } from '../../services/journal/memory.ts';
import { DEFAULT_SETTINGS, type DeviceRecord } from '../../services/views/devices.ts';
import { project } from '../../services/views/project.ts';
import { openReads } from '../../services/views/reads.ts';
import type { Progress } from '../../services/views/receipts.ts';
import type { ListedLane, UserLanes } from '../../services/views/user-lanes.ts';
import { FaultyJournal, GOOD_DAY } from './faulty-journal.ts';
import { NO_HISTORY, QUIET, Scribe, TestSink, turns } from './stream-rig.ts';

export const INBOX = parse(`subscription Inbox($device: ID!, $after: String) {
  inbox(device: $device, after: $after) {
    __typename conversationId seq
    ... on ConversationEvent { by { id name } }
    ... on MessageSent { message { text } }
    ... on Reset { resetReason }
    ... on ReceiptMoved { user { id } deliveredSeq readSeq unread }
    ... on InboxCaughtUp { cursor }
    ... on InboxPosition { cursor }
  }
}`);

export interface InboxFrame {
  readonly __typename: string;
  readonly conversationId: LaneId | null;
  readonly seq: number;
  readonly resetReason?: string;
  readonly cursor?: string;
}

/** As the projector leaves it: everything up to `listed`, and perhaps some of what comes after. */
export class ModelUserLanes implements UserLanes {
  readonly #records: readonly StoredRecord[];
  readonly #partitions: number;
  /** Of each partition's records, how many are listed, and how many are written. */
  listedShare = 0;
  writtenShare = 0;

  constructor(records: readonly StoredRecord[], partitions: number) {
    this.#records = records;
    this.#partitions = partitions;
  }

  listed = async () => this.#reach(this.listedShare);

  of = async (user: UserId) => {
    const listed = this.#reach(this.listedShare);
    await turns(1);
    const written = this.#reach(Math.max(this.listedShare, this.writtenShare));
    const lanes = new Map<LaneId, ListedLane>();
    for (const stored of this.#records) {
      const projected = project(stored);
      if (projected.kind !== 'events') continue;
      if (stored.revision > (written[partitionOf(stored.lane, this.#partitions)] ?? 0)) continue;
      const { seq, at } = projected.activity;
      for (const change of projected.memberships)
        if (change.user === user)
          lanes.set(stored.lane, { seq: 0 as Seq, at: 0, left: change.member ? undefined : change.seq });
      const had = lanes.get(stored.lane);
      if (had) lanes.set(stored.lane, { ...had, seq, at });
    }
    return { kind: 'listed' as const, listed, lanes };
  };

  #reach(share: number) {
    const ends = Array.from({ length: this.#partitions }, () => 0);
    for (const { lane, revision } of this.#records) ends[partitionOf(lane, this.#partitions)] = revision;
    return ends.map((end) => revisionOf(Math.floor(end * share)));
  }
}

export class InboxSink extends TestSink {
  get inbox(): readonly InboxFrame[] {
    return this.frames as unknown as readonly InboxFrame[];
  }

  /** `c1 MessageSent 4`, `InboxCaughtUp`. */
  get words(): string[] {
    return this.inbox.map(({ __typename: type, conversationId, seq, resetReason }) =>
      conversationId === null
        ? type
        : `${conversationId} ${type}${resetReason ? ` ${resetReason}` : ''}${seq > 0 ? ` ${seq}` : ''}`,
    );
  }

  get cursor(): string | undefined {
    return this.inbox.findLast(({ cursor }) => cursor !== undefined)?.cursor;
  }

  get isCaughtUp(): boolean {
    return this.inbox.some(({ __typename: type }) => type === 'InboxCaughtUp');
  }
}

export interface InboxRigOptions {
  readonly partitions?: number;
  readonly limits?: InboxLimits;
  /** Names are answered a little later. */
  readonly slowNames?: boolean;
  readonly inner?: MemoryJournal;
}

export function inboxRig({ partitions = 2, limits = {}, slowNames = false, inner }: InboxRigOptions = {}) {
  const memory = inner ?? new MemoryJournal({ partitions });
  const journal = new FaultyJournal(memory, GOOD_DAY);
  const records: StoredRecord[] = [];
  const put = (lane: LaneId, payload: Uint8Array): StoredRecord => {
    const stored = memory.put(lane, payload);
    records.push(stored);
    return stored;
  };
  const lanes = new Lanes(journal, { maxWeight: 1_000_000, log: QUIET });
  const userLanes = new ModelUserLanes(records, partitions);
  const registered = new Map<string, Millis>();
  const acknowledged = new Map<string, Map<LaneId, number>>();
  const read = new Map<string, number>();
  const counts = newStreamCounts();
  const nameOf = (user: UserId) =>
    slowNames ? new Promise((resolve) => setImmediate(() => resolve(user.toUpperCase()))) : user.toUpperCase();
  const schema = schemaWith(eventResolvers, receiptFrameResolvers, inboxFrameResolvers, {
    User: { id: (user: UserId) => user, name: nameOf, avatarUrl: () => null },
  });
  const inboxes = new Inboxes({
    schema,
    journal,
    clock: Date.now,
    lanes,
    // MongoDB is down, and had nothing: everything is read from the lanes.
    reads: openReads({ ...NO_HISTORY, knownWatermark: () => revisionOf(0) }, journal),
    userLanes,
    devices: {
      get: async (user, device) => {
        const since = registered.get(`${user} ${device}`);
        return since === undefined ? undefined : ({ user, device, since, lastSeenAt: since } satisfies DeviceRecord);
      },
      seen: async (user, device) => registered.has(`${user} ${device}`),
      settings: async (users) => new Map(users.map((user) => [user, DEFAULT_SETTINGS])),
    },
    board: {
      progress: async (user, device) => {
        const all = new Map<LaneId, Progress>();
        for (const [name, seq] of read)
          if (name.startsWith(`${user} `))
            all.set(name.slice(user.length + 1) as LaneId, { read: seq, delivered: seq, acknowledged: 0 });
        for (const [lane, seq] of acknowledged.get(`${user} ${device}`) ?? [])
          all.set(lane, { read: 0, delivered: seq, ...all.get(lane), acknowledged: seq });
        return all;
      },
      of: async () => new Map(),
      ofUser: async () => new Map(),
      listen: () => ({ stop: () => {} }),
    },
    unread: { of: async () => 0 },
    counts,
    log: QUIET,
    limits,
  });
  return {
    journal,
    memory,
    lanes,
    userLanes,
    inboxes,
    counts,
    put,
    scribe: (lane: string, name?: string) => new Scribe(put, lane as LaneId, name),
    register: (user: string, device = 'phone', since: Millis = 0) => void registered.set(`${user} ${device}`, since),
    acknowledge: (user: string, lane: string, seq: number, device = 'phone') => {
      const name = `${user} ${device}`;
      acknowledged.set(name, (acknowledged.get(name) ?? new Map()).set(lane as LaneId, seq));
    },
    markRead: (user: string, lane: string, seq: number) => void read.set(`${user} ${lane}`, seq),
    open: (
      user: string,
      options: { device?: string; after?: string | null; room?: number; lastSeen?: string } = {},
    ) => {
      const { device = 'phone', after = null, room, lastSeen } = options;
      const sink = new InboxSink(room);
      const viewer = { user: user as UserId, admin: false };
      const stream = inboxes.open({ document: INBOX, variables: { device, after }, viewer, lastSeen }, sink);
      return Object.assign(sink, { stop: () => stream.stop() });
    },
  };
}

export type { DeviceId, LaneEvent };
