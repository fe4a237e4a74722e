/** What a lane's state knows for receipts: who wrote last where, and how many messages lie between two places. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { LaneEvent } from '../schema/events.ts';
import type { ClientKey, LaneId, Seq, UserId } from '../schema/ids.ts';
import { messagesBetween, NO_ASIDES, noteAside } from '../services/lane/asides.ts';
import { emptyLane, evolve } from '../services/lane/lane.ts';
import { lastSentBy, NOBODY_SENT, noteSent, sendersOf, sentOf, withoutSender } from '../services/lane/sent.ts';
import { laneOfSnapshot, snapshotOf } from '../services/lane/snapshot.ts';

const userOf = (n: number): UserId => `user-${n}` as UserId;

it('the last message of each sender is kept as a map would, and no older state changes', () => {
  const steps = fc.array(fc.record({ user: fc.nat({ max: 200 }), leaves: fc.boolean() }), { maxLength: 400 });
  fc.assert(
    fc.property(steps, (run) => {
      let sent = NOBODY_SENT;
      const model = new Map<UserId, number>();
      const older: { sent: typeof sent; model: Map<UserId, number> }[] = [];
      for (const [i, { user, leaves }] of run.entries()) {
        if (i % 100 === 0) older.push({ sent, model: new Map(model) });
        if (leaves && i % 3 === 0) {
          sent = withoutSender(sent, userOf(user));
          model.delete(userOf(user));
        } else {
          sent = noteSent(sent, userOf(user), (i + 1) as Seq);
          model.set(userOf(user), i + 1);
        }
      }
      for (const one of [...older, { sent, model }, { sent: sentOf(sendersOf(sent)), model }]) {
        expect(new Map(sendersOf(one.sent))).toEqual(one.model);
        expect(one.sent.size).toBe(one.model.size);
        for (let user = 0; user <= 200; user++)
          expect(lastSentBy(one.sent, userOf(user))).toBe(one.model.get(userOf(user)) ?? 0);
      }
    }),
    { numRuns: 50 },
  );
});

it('ten thousand senders are spread evenly', () => {
  const sent = sentOf(Array.from({ length: 10_000 }, (_, i) => [userOf(i), i as Seq] as const));
  expect(Math.max(...sent.buckets.map(({ length }) => length / 2))).toBeLessThan(32);
  expect(lastSentBy(sent, userOf(9_999))).toBe(9_999);
});

it('messages between two places are counted, or not told where too much is forgotten', () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { minLength: 1, maxLength: 3_000 }),
      fc.array(fc.tuple(fc.nat({ max: 3_000 }), fc.nat({ max: 3_000 })), { minLength: 1, maxLength: 20 }),
      (isMessage, ranges) => {
        let asides = NO_ASIDES;
        for (const [i, message] of isMessage.entries()) if (!message) asides = noteAside(asides, (i + 1) as Seq);
        expect(asides.seqs.length).toBeLessThanOrEqual(1_024);
        for (const [after, upTo] of ranges) {
          const to = Math.min(upTo, isMessage.length);
          const counted = messagesBetween(asides, after, to);
          if (counted === undefined) expect(after + 1).toBeLessThan(asides.from);
          else expect(counted).toBe(isMessage.slice(after, Math.max(after, to)).filter(Boolean).length);
        }
      },
    ),
    { numRuns: 50 },
  );
});

it('the state has both, also after a snapshot', () => {
  const stamp = (seq: number, by: string) => ({ seq, at: seq, by, key: `k${seq}` as ClientKey, hash: 'h' });
  const events = [
    { type: 'ConversationCreated', kind: 'GROUP', members: ['alice', 'bob'], ...stamp(1, 'alice') },
    { type: 'MessageSent', text: 'x', ...stamp(2, 'alice') },
    { type: 'MessageSent', text: 'x', ...stamp(3, 'bob') },
    { type: 'MemberRemoved', member: 'bob', ...stamp(4, 'bob') },
    { type: 'MessagePraised', ...stamp(5, 'alice') },
    { type: 'MessageSent', text: 'x', ...stamp(6, 'alice') },
  ] as unknown as LaneEvent[];
  const lane = events.reduce(evolve, emptyLane('c1' as LaneId));
  for (const one of [lane, laneOfSnapshot(JSON.parse(JSON.stringify(snapshotOf(lane))))]) {
    expect(lastSentBy(one.sent, 'alice' as UserId)).toBe(6);
    expect(lastSentBy(one.sent, 'bob' as UserId)).toBe(3);
    expect(messagesBetween(one.asides, 0, 6)).toBe(3);
    expect(messagesBetween(one.asides, 3, 6)).toBe(1);
  }
});
