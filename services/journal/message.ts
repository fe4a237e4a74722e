/**
 * Messages of the NATS client, read and written where they are hot. The client keeps headers in a map with canonical names
 * and checks each of them: 8 µs for a stored record, where a search in the raw text takes less than one.
 */
import type { Msg, MsgHdrs } from 'nats';
import { type LaneId, type Revision, revisionOf } from '../../schema/ids.ts';
import { laneOfSubject } from '../../schema/subjects.ts';
import type { StoredRecord } from './journal.ts';
import { parseRecord } from './record.ts';

/** An answer's headers as they came, '' where it has none, and its payload. */
export interface Answer {
  readonly head: string;
  readonly data: Uint8Array;
}

/** What the client's message holds inside (nats 2.29.3, msg.js); where it does not, its public headers are written out. */
interface Inside {
  readonly _rdata?: Uint8Array;
  readonly _msg?: { readonly hdr: number };
}

export function headOf(message: Msg): string {
  const { _rdata: bytes, _msg: at } = message as Msg & Inside;
  if (!bytes || typeof at?.hdr !== 'number') return message.headers?.toString() ?? '';
  return at.hdr > 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, at.hdr).toString('latin1') : '';
}

export const answerOf = (message: Msg): Answer => ({ head: headOf(message), data: message.data });

/** The status of an answer without a payload ("NATS/1.0 503"), 0 where it has none. */
export const statusOf = (head: string): number => (head.charCodeAt(8) === 32 ? Number(head.slice(9, 12)) : 0);

/** What stands after the status. */
export const statusTextOf = (head: string): string => head.slice(13, head.indexOf('\r\n'));

/** The last header of that name: the server writes its own after those that were stored. '' where there is none. */
export function headerOf(head: string, name: string): string {
  const at = head.lastIndexOf(`\r\n${name}: `);
  if (at < 0) return '';
  const from = at + name.length + 4;
  return head.slice(from, head.indexOf('\r\n', from));
}

export const numberOf = (head: string, name: string): number => Number(headerOf(head, name));

/** Header lines for a publish: the client only asks them for their bytes. */
export const headersOf = (lines: string): MsgHdrs =>
  ({ encode: () => Buffer.from(`NATS/1.0\r\n${lines}\r\n\r\n`, 'latin1') }) as unknown as MsgHdrs;

export const expectedHeader = (revision: Revision | 0): MsgHdrs =>
  headersOf(`Nats-Expected-Last-Subject-Sequence: ${revision}`);

/** A stored message as direct get and republish give it. */
export function storedRecordOf({ head, data }: Answer): StoredRecord {
  const lane = laneOfSubject(headerOf(head, 'Nats-Subject'));
  return recordFrom(lane, numberOf(head, 'Nats-Sequence'), headerOf(head, 'Nats-Time-Stamp'), data);
}

export const recordFrom = (lane: LaneId, sequence: number, time: string, payload: Uint8Array): StoredRecord => ({
  lane,
  revision: revisionOf(sequence),
  storedAt: Date.parse(time),
  payload,
  record: parseRecord(lane, payload),
});

export const jsonOf = (data: Uint8Array): unknown =>
  JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString('utf8'));
