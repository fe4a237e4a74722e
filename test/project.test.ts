import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LaneEvent, LaneRecord } from '../schema/events.ts';
import { revisionOf } from '../schema/ids.ts';
import type { StoredRecord } from '../services/journal/journal.ts';
import { encodeRecord, parseRecord } from '../services/journal/record.ts';
import { eventOf, project } from '../services/views/project.ts';
import { laneId } from './support/scribe.ts';

const LANE = laneId('c1');
const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const body = fc.oneof(
  fc.record({ type: fc.constant('MessageSent'), text }),
  fc.record(
    {
      type: fc.constant('ConversationCreated'),
      kind: fc.constantFrom('GROUP', 'DIRECT'),
      title: text,
      members: fc.array(name),
    },
    { requiredKeys: ['type', 'kind', 'members'] },
  ),
  fc.record(
    { type: fc.constant('MembersAdded'), members: fc.array(name), hideHistory: fc.constant(true) },
    { requiredKeys: ['type', 'members'] },
  ),
  fc.record({ type: fc.constant('MemberRemoved'), member: name, newOwner: name }, { requiredKeys: ['type', 'member'] }),
  fc.record({ type: fc.constant('SomethingOfALaterVersion'), what: fc.dictionary(name, fc.oneof(text, fc.integer())) }),
);
const stamp = fc.record(
  { at: fc.integer({ min: 0, max: 2 ** 45 }), by: name, via: name, key: name, hash: text },
  { requiredKeys: ['at', 'by', 'key', 'hash'] },
);
const record = fc
  .tuple(fc.array(fc.tuple(body, stamp), { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 2 ** 40 }), name)
  .map(
    ([events, first, id]) =>
      ({
        v: 1,
        id,
        lane: LANE,
        events: events.map(([b, s], i) => ({ ...b, ...s, seq: first + i })),
      }) as unknown as LaneRecord,
  );

const storedOf = (of: unknown, revision = 7): StoredRecord => {
  const payload = encodeRecord(of as LaneRecord);
  return { lane: LANE, revision: revisionOf(revision), storedAt: 1, payload, record: parseRecord(LANE, payload) };
};
const plain = { at: 1, by: 'alice', key: 'k1', hash: 'h', seq: 1 };
const one = (event: object) => storedOf({ v: 1, id: 'r1', lane: LANE, events: [{ ...plain, ...event }] });

describe('project', () => {
  test('keeps every event, whatever its type, field for field', () => {
    fc.assert(
      fc.property(record, (written) => {
        const stored = storedOf(written);
        const projected = project(stored);
        if (projected.kind !== 'events') throw new Error(projected.reason);
        expect(projected.documents.map(eventOf)).toEqual(stored.record?.events);
        expect(projected.documents.map(({ _id, rid, i, rev }) => [_id.l, _id.s, rid, i, rev])).toEqual(
          written.events.map(({ seq }, i) => [LANE, seq, written.id, i, 7]),
        );
        expect(Object.keys(projected.documents[0]?._id ?? {})).toEqual(['l', 's']);
        const last = written.events.at(-1) as LaneEvent;
        expect(projected.activity).toEqual({ lane: LANE, seq: last.seq, at: last.at });
      }),
    );
  });

  test('says who belongs to the lane after each event', () => {
    const events = [
      { ...plain, type: 'ConversationCreated', kind: 'GROUP', members: ['alice', 'bob'] },
      { ...plain, seq: 2, key: 'k2', type: 'MemberRemoved', member: 'bob' },
      { ...plain, seq: 3, key: 'k3', type: 'MembersAdded', members: ['bob', 'carol'] },
    ];
    const projected = project(storedOf({ v: 1, id: 'r', lane: LANE, events }));
    expect(projected.kind === 'events' && projected.memberships.map((m) => [m.user, m.seq, m.member])).toEqual([
      ['alice', 1, true],
      ['bob', 1, true],
      ['bob', 2, false],
      ['bob', 3, true],
      ['carol', 3, true],
    ]);
  });

  test.each([
    ['bytes that are no record', storedOf('nonsense')],
    [
      'a record of another lane',
      storedOf({ v: 1, id: 'r1', lane: 'other', events: [{ ...plain, type: 'MessageSent', text: 'x' }] }),
    ],
    [
      'a record of a later version',
      storedOf({ v: 2, id: 'r1', lane: LANE, events: [{ ...plain, type: 'MessageSent', text: 'x' }] }),
    ],
    ['an operator for a sender', one({ type: 'MessageSent', text: 'x', by: { $gt: '' } })],
    ['a sender that is no id', one({ type: 'MessageSent', text: 'x', by: 'a.b' })],
    ['a key that is no id', one({ type: 'MessageSent', text: 'x', key: '$where' })],
    ['an operator for a member', one({ type: 'MemberRemoved', member: { $ne: 1 } })],
    ['an operator among members', one({ type: 'MembersAdded', members: ['bob', { $ne: 1 }] })],
    ['an operator for a title', one({ type: 'ConversationCreated', kind: 'GROUP', members: [], title: { $gt: 1 } })],
    ['half of a surrogate pair', one({ type: 'MessageSent', text: '\ud800' })],
    ['a seq before the first', one({ type: 'MessageSent', text: 'x', seq: 0 })],
  ])('takes %s for poison', (_, stored) => {
    expect(project(stored).kind).toBe('poison');
  });
});
