/** A record's bytes, and back. */
import type { LaneEvent, LaneRecord } from '../../schema/events.ts';
import type { LaneId } from '../../schema/ids.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export const encodeRecord = (record: LaneRecord): Uint8Array => encoder.encode(JSON.stringify(record));

/** Undefined: these bytes are not a record of `lane`, and folding them would guess. */
export function parseRecord(lane: LaneId, payload: Uint8Array): LaneRecord | undefined {
  let value: Partial<LaneRecord> | null;
  try {
    value = JSON.parse(decoder.decode(payload));
  } catch {
    return undefined;
  }
  if (value?.v !== 1 || value.lane !== lane || typeof value.id !== 'string') return undefined;
  const { events } = value;
  return Array.isArray(events) && events.length > 0 && events.every(isEvent) && rising(events)
    ? (value as LaneRecord)
    : undefined;
}

const isEvent = (event: Partial<LaneEvent> | null): boolean =>
  typeof event?.type === 'string' &&
  Number.isSafeInteger(event.seq) &&
  Number.isSafeInteger(event.at) &&
  typeof event.by === 'string' &&
  typeof event.key === 'string' &&
  typeof event.hash === 'string' &&
  bodyHolds(event as LaneEvent);

/** Types of a later version are let through: they keep their place. */
function bodyHolds(event: LaneEvent): boolean {
  switch (event.type) {
    case 'MessageSent':
      return typeof event.text === 'string';
    case 'ConversationCreated':
    case 'MembersAdded':
      return Array.isArray(event.members);
    case 'MemberRemoved':
      return typeof event.member === 'string';
    default:
      event satisfies never;
      return true;
  }
}

const rising = (events: readonly LaneEvent[]): boolean =>
  events.every((event, i) => event.seq === (events[0] as LaneEvent).seq + i);
