/** A receipts record's bytes, and back. */
import { isName, type Millis, revisionOf } from '../../schema/ids.ts';
import type { Mark, ReceiptRecord } from '../../schema/receipts.ts';
import { jsonOf } from './message.ts';
import type { StoredReceipts } from './receipts.ts';

const encoder = new TextEncoder();

export const encodeReceipts = (record: ReceiptRecord): Uint8Array => encoder.encode(JSON.stringify(record));

/** Bytes that are no record keep their place, and have no marks. */
export function storedReceiptsOf(
  partition: number,
  sequence: number,
  storedAt: Millis,
  payload: Uint8Array,
): StoredReceipts {
  const record = parseReceipts(payload);
  return { partition, revision: revisionOf(sequence), storedAt, id: record?.id ?? '', marks: record?.marks ?? [] };
}

/** Only parsed ids go further, whoever wrote them: a value that is an object would be an operator to MongoDB. */
function parseReceipts(payload: Uint8Array): ReceiptRecord | undefined {
  let value: Partial<ReceiptRecord> | null;
  try {
    value = jsonOf(payload) as Partial<ReceiptRecord> | null;
  } catch {
    return undefined;
  }
  if (value?.v !== 1 || !isName(value.id) || !Array.isArray(value.marks)) return undefined;
  return value.marks.length > 0 && value.marks.every(isMark) ? (value as ReceiptRecord) : undefined;
}

const isMark = (mark: Partial<Mark> | null): boolean =>
  isName(mark?.u) &&
  isName(mark.l) &&
  (mark.d === undefined || isName(mark.d)) &&
  (mark.k === 'delivered' || mark.k === 'read') &&
  isPlace(mark.s) &&
  isPlace(mark.at);

const isPlace = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
