/** The checker of pushes, marks and inboxes: every kind of broken promise is found, by its name, and nothing where none is broken. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PUSH_KINDS } from './faults/bad-pushes.ts';
import { TOLD_KINDS } from './faults/bad-told.ts';
import { countOf } from './faults/check-pushes.ts';
import { check } from './faults/checker.ts';
import { goodPhones } from './faults/good-pushes.ts';
import { randomOf } from './faults/random.ts';
import type { Kind } from './faults/spoil.ts';

const KINDS: readonly Kind[] = [...PUSH_KINDS, ...TOLD_KINDS];
/** How many histories of each kind are spoiled, and among how many they are looked for. */
const SPOILED = 10;
const LOOKED_AT = 2_000;

test('1,000 random good histories of people with phones: no false alarm', () => {
  const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
  const holds = (seed: number) => {
    expect(check(goodPhones(seed)), `seed ${seed}`).toEqual([]);
  };
  fc.assert(fc.property(seeds, holds), { numRuns: 1_000 });
});

test('good histories are worth checking', () => {
  const all = Array.from({ length: 100 }, (_, seed) => goodPhones(seed).pushing);
  const namesOf = (names: readonly (string | undefined)[]) => [...new Set(names)].filter((name) => name !== undefined);
  expect(namesOf(all.flatMap(({ deliveries }) => deliveries.map(({ state }) => state))).sort()).toEqual([
    ...['ACCEPTED', 'DELIVERED', 'NOTIFIED', 'READ'],
  ]);
  expect(namesOf(all.flatMap(({ deliveries }) => deliveries.map(({ noPushReason }) => noPushReason))).sort()).toEqual([
    ...['DELIVERED_IN_TIME', 'MUTED', 'NO_DEVICE', 'SUPERSEDED', 'TOKEN_DEAD'],
  ]);
  expect(namesOf(all.flatMap(({ pushes }) => pushes.map(({ met }) => met))).sort()).toEqual([
    'dead',
    'taken',
    'trouble',
  ]);
  const twice = all.filter(({ pushes }) => countOf(pushes).taken > countOf(pushes).offered);
  expect(twice.length).toBeGreaterThan(0);
});

describe(`${KINDS.length} kinds of bad history`, () => {
  test.each(KINDS)('$finds: $name', ({ name, finds, spoil }) => {
    let spoiled = 0;
    for (let seed = 0; spoiled < SPOILED && seed < LOOKED_AT; seed++) {
      const trace = spoil(goodPhones(seed), randomOf(seed).fork(name));
      if (!trace) continue;
      spoiled++;
      expect([...new Set(check(trace).map(({ invariant }) => invariant))], `seed ${seed}`).toContain(finds);
    }
    expect(spoiled).toBe(SPOILED);
  });
});
