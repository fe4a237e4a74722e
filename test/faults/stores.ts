/** Reads what the stores hold, past the product: the lanes straight from JetStream, history straight from MongoDB. */
import { MongoClient } from 'mongodb';
import { AckPolicy, connect, type NatsConnection } from 'nats';
import type { LaneEvent } from '../../schema/events.ts';
import { laneOfSubject, laneStream } from '../../schema/subjects.ts';
import type { TestServers } from '../support/servers.ts';
import { groupBy } from './facts.ts';
import type { HistoryEvent, StoredLaneRecord, Stores } from './trace.ts';

export const PARTITIONS = 4;
const BATCH = 500;

export async function readLanes({ nats }: TestServers): Promise<Map<string, StoredLaneRecord[]>> {
  const { url, user, password } = nats;
  const connection = await connect({ servers: url, user, pass: password });
  try {
    const lanes = new Map<string, StoredLaneRecord[]>();
    for (let partition = 0; partition < PARTITIONS; partition++) await readPartition(connection, partition, lanes);
    return lanes;
  } finally {
    await connection.close();
  }
}

async function readPartition(
  connection: NatsConnection,
  partition: number,
  lanes: Map<string, StoredLaneRecord[]>,
): Promise<void> {
  const stream = laneStream(partition);
  const manager = await connection.jetstreamManager();
  let left = (await manager.streams.info(stream)).state.messages;
  if (left === 0) return;
  const { name } = await manager.consumers.add(stream, { ack_policy: AckPolicy.None, mem_storage: true });
  const consumer = await connection.jetstream().consumers.get(stream, name);
  while (left > 0) {
    const batch = await consumer.fetch({ max_messages: Math.min(left, BATCH), expires: 10_000 });
    let came = 0;
    for await (const message of batch) {
      came++;
      const lane = laneOfSubject(message.subject);
      const had = lanes.get(lane) ?? [];
      had.push({ revision: message.seq, events: eventsOf(lane, message.data) });
      lanes.set(lane, had);
    }
    if (came === 0) throw new Error(`${stream} gave ${left} records less than it has`);
    left -= came;
  }
  await manager.consumers.delete(stream, name);
}

/** Undefined: no record of this lane. */
function eventsOf(lane: string, payload: Uint8Array): readonly LaneEvent[] | undefined {
  try {
    const record = JSON.parse(Buffer.from(payload).toString('utf8')) as { lane?: string; events?: LaneEvent[] };
    return record.lane === lane && Array.isArray(record.events) ? record.events : undefined;
  } catch {
    return undefined;
  }
}

interface EventDocument {
  readonly _id: { readonly l: string; readonly s: number };
  readonly rev: number;
  readonly t: string;
  readonly at: number;
  readonly by: string;
  readonly via?: string;
  readonly key: string;
  readonly hash: string;
  readonly body: Readonly<Record<string, unknown>>;
}
interface ParkedDocument {
  readonly _id: { readonly p: number; readonly rev: number };
  readonly lane: string;
}

/** The generation in use. `url` as for MongoClient. */
export async function readHistory(url: string): Promise<Pick<Stores, 'history' | 'parked'>> {
  const client = await new MongoClient(url).connect();
  try {
    const db = client.db();
    const meta = await db.collection<{ _id: string; current: string }>('meta').findOne({ _id: 'generation' });
    if (!meta) return { history: new Map(), parked: [] };
    const events = await db.collection<EventDocument>(`history_${meta.current}`).find().sort({ _id: 1 }).toArray();
    const parked = await db.collection<ParkedDocument>(`parked_${meta.current}`).find().toArray();
    const history = new Map<string, HistoryEvent[]>();
    for (const [lane, documents] of groupBy(events, ({ _id }) => _id.l))
      history.set(
        lane,
        documents.map((document) => ({ revision: document.rev, event: eventOf(document) })),
      );
    return { history, parked: parked.map(({ _id, lane }) => ({ lane, revision: _id.rev })) };
  } finally {
    await client.close();
  }
}

function eventOf({ _id, t, at, by, via, key, hash, body }: EventDocument): LaneEvent {
  const server = via === undefined ? {} : { via };
  return { type: t, seq: _id.s, at, by, ...server, key, hash, ...body } as unknown as LaneEvent;
}

export const countEvents = (lanes: ReadonlyMap<string, readonly StoredLaneRecord[]>): number =>
  [...lanes.values()].flat().reduce((count, { events }) => count + (events?.length ?? 0), 0);
