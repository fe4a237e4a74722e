/** What a lane remembers of client keys: a key that was used is never called new, however long ago and whatever time it claims. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClientKey, Seq, UserId } from '../schema/ids.ts';
import {
  type Keys,
  keysHeld,
  keysOfSnapshot,
  lookUpKey,
  NO_KEYS,
  rememberKey,
  snapshotOfKeys,
  timeOfKey,
} from '../services/lane/keys.ts';

const T0 = 1_700_000_000_000;
const alice = 'alice' as UserId;

const uuidv7 = (time: number, n: number): ClientKey => {
  const t = time.toString(16).padStart(12, '0');
  return `${t.slice(0, 8)}-${t.slice(8)}-7000-8000-${n.toString(16).padStart(12, '0')}` as ClientKey;
};

interface Used {
  readonly sender: UserId;
  readonly key: ClientKey;
}
/** `count` events, `stepMs` apart, with the key that `keyAt` gives for each. */
function used(
  count: number,
  stepMs: number,
  keyAt: (i: number, at: number) => Used,
): { keys: Keys; all: Used[]; now: number } {
  let keys = NO_KEYS;
  const all: Used[] = [];
  for (let i = 0; i < count; i++) {
    const at = T0 + i * stepMs;
    const use = keyAt(i, at);
    keys = rememberKey(keys, use.sender, use.key, { seq: (i + 1) as Seq, at, hash: `h${i}` });
    all.push(use);
  }
  return { keys, all, now: T0 + count * stepMs };
}

describe('a key', () => {
  it('is read for its time only where it is a UUIDv7', () => {
    expect(timeOfKey(uuidv7(T0, 1))).toBe(T0);
    expect(timeOfKey('k1' as ClientKey)).toBeUndefined();
    expect(timeOfKey('0f8fad5b-d9cb-469f-a165-70867728950e' as ClientKey)).toBeUndefined();
  });

  it('that is made now is new without a look-up, in a lane that forgot much, busy or quiet', () => {
    for (const stepMs of [1, 5, 1_000]) {
      const { keys, now } = used(20_000, stepMs, (i, at) => ({ sender: alice, key: uuidv7(Math.floor(at), i) }));
      expect(keys.from).toBeGreaterThan(1);
      expect(lookUpKey(keys, alice, uuidv7(Math.ceil(now), 1)).kind).toBe('new');
    }
  });

  it('without a time, or of an old time, is looked up where anything is forgotten', () => {
    const { keys } = used(6_000, 1_000, (i) => ({ sender: alice, key: `k${i}` as ClientKey }));
    expect(lookUpKey(keys, alice, 'new' as ClientKey).kind).toBe('look-up');
    expect(lookUpKey(keys, alice, uuidv7(T0, 5)).kind).toBe('look-up');
    expect(lookUpKey(keys, alice, 'k5999' as ClientKey)).toMatchObject({ kind: 'known', event: { seq: 6_000 } });
  });

  it('is known in a lane that forgot nothing, or new', () => {
    const { keys } = used(4_000, 1, (i) => ({ sender: alice, key: `k${i}` as ClientKey }));
    expect(lookUpKey(keys, alice, 'k0' as ClientKey).kind).toBe('known');
    expect(lookUpKey(keys, alice, 'x' as ClientKey).kind).toBe('new');
    expect(lookUpKey(keys, 'bob' as UserId, 'k0' as ClientKey).kind).toBe('new');
  });

  it('takes a bounded place, however many come from the future', () => {
    const { keys } = used(12_000, 1_000, (i, at) => ({
      sender: `u${i % 400}` as UserId,
      key: uuidv7(at + 1e9 + i, i),
    }));
    expect(keys.future.size).toBeLessThanOrEqual(256);
    for (const { keys: held } of keys.future.values()) expect(held.size).toBeLessThanOrEqual(32);
    expect(keysHeld(keys)).toBeLessThan(5_000);
  });
});

it('a key that was used is never new, and a snapshot remembers the same', () => {
  const skew = fc.oneof(
    fc.constant(0),
    fc.integer({ min: -100_000, max: 100_000 }),
    fc.integer({ min: 0, max: 20_000_000 }),
  );
  fc.assert(
    fc.property(
      fc.array(fc.record({ skew, sender: fc.integer({ min: 0, max: 5 }), plain: fc.boolean() }), {
        minLength: 50,
        maxLength: 200,
      }),
      fc.constantFrom(1, 300, 4_000),
      (pattern, stepMs) => {
        const { keys, all } = used(5_500, stepMs, (i, at) => {
          const { skew: ahead, sender, plain } = pattern[i % pattern.length] as (typeof pattern)[number];
          return { sender: `u${sender}` as UserId, key: plain ? (`k${i}` as ClientKey) : uuidv7(at + ahead, i) };
        });
        for (const { sender, key } of all) expect(lookUpKey(keys, sender, key).kind).not.toBe('new');
        expect(keysOfSnapshot(JSON.parse(JSON.stringify(snapshotOfKeys(keys))))).toEqual(keys);
      },
    ),
    { numRuns: 10 },
  );
});
