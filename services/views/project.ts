/**
 * A stored record as what views keep of it. Pure: the same record always gives the same documents. The projector writes
 * them, readers fold the lane's tail by them, `verify` compares with them.
 */
import type { LaneEvent, LaneRecord } from '../../schema/events.ts';
import { isName, type LaneId, type Millis, type Seq, type UserId } from '../../schema/ids.ts';
import type { StoredRecord } from '../journal/journal.ts';
import { type EventDocument, eventId } from './views.ts';

export interface MembershipChange {
  readonly user: UserId;
  readonly lane: LaneId;
  readonly seq: Seq;
  readonly member: boolean;
}
export interface Activity {
  readonly lane: LaneId;
  readonly seq: Seq;
  readonly at: Millis;
}

export type Projected =
  | {
      readonly kind: 'events';
      /** Rising by seq, never empty. */
      readonly documents: readonly EventDocument[];
      /** In the order of the events. */
      readonly memberships: readonly MembershipChange[];
      readonly activity: Activity;
    }
  | { readonly kind: 'poison'; readonly reason: string };

const poison = (reason: string): Projected => ({ kind: 'poison', reason });

export function project(stored: StoredRecord): Projected {
  const { record } = stored;
  if (!record) return poison('not a record of this lane that this version can read');
  const fault = faultOf(record);
  if (fault) return poison(fault);
  const last = record.events.at(-1);
  if (!last) return poison('no event');
  return {
    kind: 'events',
    documents: record.events.map((event, i) => documentOf(stored, record, event, i)),
    memberships: record.events.flatMap((event) => membershipsOf(record.lane, event)),
    activity: { lane: record.lane, seq: last.seq, at: last.at },
  };
}

function documentOf(stored: StoredRecord, record: LaneRecord, event: LaneEvent, i: number): EventDocument {
  const { type: t, seq, at, by, via, key, hash, ...body } = event;
  return {
    _id: eventId(record.lane, seq),
    rid: record.id,
    i,
    rev: stored.revision,
    t,
    at,
    by,
    ...(via === undefined ? {} : { via }),
    key,
    hash,
    body,
  };
}

/** The event, field for field as the lane holds it. */
export function eventOf(document: EventDocument): LaneEvent {
  const { _id, t: type, at, by, via, key, hash, body } = document;
  return { type, seq: _id.s, at, by, ...(via === undefined ? {} : { via }), key, hash, ...body } as LaneEvent;
}

function membershipsOf(lane: LaneId, event: LaneEvent): MembershipChange[] {
  const { seq } = event;
  switch (event.type) {
    case 'ConversationCreated':
    case 'MembersAdded':
      return event.members.map((user) => ({ user, lane, seq, member: true }));
    case 'MemberRemoved':
      return [{ user: event.member, lane, seq, member: false }];
    case 'MessageSent':
      return [];
    default:
      event satisfies never;
      return [];
  }
}

/** What MongoDB would not give back as it was: half of a surrogate pair. */
const HALF_PAIR = /\p{Surrogate}/u;

/**
 * Only parsed ids reach MongoDB, also when a record was not written by us: a value that is an object would be an operator.
 */
function faultOf(record: LaneRecord): string | undefined {
  if (!isName(record.lane)) return 'its lane is not an id';
  if (HALF_PAIR.test(record.id)) return 'its id is not well-formed text';
  for (const event of record.events) {
    const fault = faultOfEvent(event);
    if (fault) return `event ${event.seq}: ${fault}`;
  }
  return undefined;
}

function faultOfEvent(event: LaneEvent): string | undefined {
  if (!(event.seq >= 1)) return 'its seq is not a place in a lane';
  if (!(event.at >= 0)) return 'its time is not a time';
  if (!isName(event.by) || !isName(event.key) || (event.via !== undefined && !isName(event.via)))
    return 'its sender or key is not an id';
  if (HALF_PAIR.test(event.hash) || HALF_PAIR.test(event.type)) return 'not well-formed text';
  switch (event.type) {
    case 'MessageSent':
      return HALF_PAIR.test(event.text) ? 'its text is not well-formed' : undefined;
    case 'ConversationCreated':
      if (typeof (event.title ?? '') !== 'string' || HALF_PAIR.test(event.title ?? ''))
        return 'its title is not well-formed text';
      return event.members.every(isName) ? undefined : 'a member is not an id';
    case 'MembersAdded':
      return event.members.every(isName) ? undefined : 'a member is not an id';
    case 'MemberRemoved':
      return isName(event.member) && (event.newOwner === undefined || isName(event.newOwner))
        ? undefined
        : 'a member is not an id';
    default:
      event satisfies never;
      return undefined;
  }
}
