/** Turns on the way to what is costly, and what a user's streams may hold of documents. */
import { GraphQLError, parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import type { UserId } from '../schema/ids.ts';
import { Shares } from '../services/api/shares.ts';
import { Slots } from '../services/slots.ts';

const alice = 'alice' as UserId;
const bob = 'bob' as UserId;

describe('slots', () => {
  /** Work that goes on until it is ended. */
  function rig(slots: Slots) {
    const began: string[] = [];
    const ends = new Map<string, () => void>();
    const come = (who: string, name: string): Promise<string> =>
      slots.hold(who, async () => {
        began.push(name);
        await new Promise<void>((end) => ends.set(name, end));
        return name;
      });
    const end = async (name: string, all: Promise<string>): Promise<void> => {
      ends.get(name)?.();
      await all;
      await new Promise((turn) => setImmediate(turn));
    };
    return { began, come, end };
  }

  it('go round among those who wait, however many of one came first', async () => {
    const { began, come, end } = rig(new Slots({ running: 1 }));
    const all = new Map(['a1', 'a2', 'a3', 'a4', 'b1', 'c1'].map((name) => [name, come(name.slice(0, 1), name)]));
    for (const name of ['a1', 'a2', 'b1', 'c1', 'a3', 'a4']) await end(name, all.get(name) as Promise<string>);
    expect(began).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'a4']);
  });

  it('are not all one’s own, whatever is free', async () => {
    const slots = new Slots({ running: 4, each: 2 });
    const { began, come, end } = rig(slots);
    const all = new Map(['a1', 'a2', 'a3', 'b1'].map((name) => [name, come(name.slice(0, 1), name)]));
    expect([began, slots.running]).toEqual([['a1', 'a2', 'b1'], 3]);
    await end('b1', all.get('b1') as Promise<string>);
    expect(began).toEqual(['a1', 'a2', 'b1']);
    await end('a1', all.get('a1') as Promise<string>);
    expect([began, slots.running]).toEqual([['a1', 'a2', 'b1', 'a3'], 2]);
    for (const name of ['a2', 'a3']) await end(name, all.get(name) as Promise<string>);
    expect(slots.running).toBe(0);
  });

  it('are free again after work that failed', async () => {
    const slots = new Slots({ running: 1, each: 1 });
    await expect(slots.hold('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await slots.hold('a', async () => 'done')).toBe('done');
  });
});

describe('the documents that a user’s streams hold', () => {
  const documents = Array.from({ length: 40 }, (_, i) => parse(`subscription { conversation(id: "c${i}") { seq } }`));
  const refused: string[] = [];
  const shares = new Shares({ weightOf: () => 4_000, onRefused: (share) => refused.push(share) });
  const hold = (i: number, user = alice, isService = false) =>
    shares.hold('conversation', documents[i] as (typeof documents)[0], { user, admin: false, isService });

  it('weigh once each, and no more than its share together', () => {
    const first = Array.from({ length: 100 }, () => hold(0));
    const six = Array.from({ length: 6 }, (_, i) => hold(i));
    const seventh = hold(6);
    expect([...first, ...six].filter((held) => held instanceof GraphQLError)).toEqual([]);
    expect(seventh).toMatchObject({ extensions: { code: 'RATE_LIMITED', retryable: true, retryAfterMs: 5_000 } });
    expect(refused).toEqual(['documents']);
    expect(hold(6, bob)).toBeTypeOf('function');
    // One with a document that is held already is welcome, as is another in the place of one that has gone.
    expect(hold(5)).toBeTypeOf('function');
    for (const held of [six[1]]) if (typeof held === 'function') held();
    expect(hold(6)).toBeTypeOf('function');
    const server = Array.from({ length: 24 }, (_, i) => hold(i, 'host' as UserId, true));
    expect(server.filter((held) => held instanceof GraphQLError)).toEqual([]);
  });
});
