/** Fills lanes with records of one message each, as the api writes them, at the speed of the NATS client. */
import { connect, type NatsConnection } from 'nats';
import type { LaneEvent, LaneRecord } from '../../../schema/events.ts';
import type { ClientKey, LaneId, Seq, UserId } from '../../../schema/ids.ts';
import { laneSubject, partitionOf } from '../../../schema/subjects.ts';
import { encodeRecord } from '../../../services/journal/record.ts';
import { keyMaker, TEXT } from './operations.ts';
import { serve } from './serve.ts';

export interface Fill {
  readonly open: {
    readonly url: string;
    readonly user: string;
    readonly password: string;
    readonly partitions: number;
  };
  readonly opened: undefined;
  /** Lanes `<prefix>0000` …, `events` each, all by their only member; where there are `guests`, one of them is in each, in turn. */
  readonly run: {
    readonly prefix: string;
    readonly lanes: number;
    readonly events: number;
    readonly guests?: readonly string[];
  };
  /** Records written. */
  readonly result: number;
}

const IN_FLIGHT = 512;
const WRITER = 'writer' as UserId;

let connection: NatsConnection | undefined;
let partitions = 0;
const key = keyMaker();

function recordOf(lane: LaneId, seq: number, guest: UserId | undefined): LaneRecord {
  const stamp = { seq: seq as Seq, at: Date.now(), by: WRITER, key: key() as ClientKey, hash: 'x'.repeat(16) };
  const event: LaneEvent =
    seq === 1
      ? { type: 'ConversationCreated', ...stamp, kind: 'GROUP', members: guest ? [WRITER, guest] : [WRITER] }
      : { type: 'MessageSent', ...stamp, text: TEXT };
  return { v: 1, id: key(), lane, events: [event] };
}

/** Lane by lane in turn, so that the events of one lane are far apart in its stream, as they are in life. */
function* records({ prefix, lanes, events, guests = [] }: Fill['run']): Generator<LaneRecord> {
  for (let seq = 1; seq <= events; seq++)
    for (let i = 0; i < lanes; i++)
      yield recordOf(
        `${prefix}${String(i).padStart(4, '0')}` as LaneId,
        seq,
        guests[i % guests.length] as UserId | undefined,
      );
}

serve<Fill>({
  open: async ({ url, user, password, partitions: count }) => {
    connection = await connect({ servers: url, user, pass: password });
    partitions = count;
    return undefined;
  },
  run: async (job) => {
    const js = connection?.jetstream({ timeout: 10_000 });
    let written = 0;
    const source = records(job);
    const worker = async () => {
      for (const record of source) {
        const subject = laneSubject(partitionOf(record.lane, partitions), record.lane);
        await js?.publish(subject, encodeRecord(record), { msgID: record.id });
        written++;
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
    return written;
  },
  close: async () => connection?.close(),
});
