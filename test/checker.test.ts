/** The checker itself: every kind of broken promise is found, by its name, and nothing is found where none is broken. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ANSWER_KINDS } from './faults/bad-answers.ts';
import { HISTORY_KINDS } from './faults/bad-history.ts';
import { LANE_KINDS } from './faults/bad-lanes.ts';
import { READ_KINDS } from './faults/bad-reads.ts';
import { check } from './faults/checker.ts';
import { goodHistory } from './faults/good-history.ts';
import { randomOf } from './faults/random.ts';
import type { Kind } from './faults/spoil.ts';
import type { Violation } from './faults/trace.ts';

const KINDS: readonly Kind[] = [...LANE_KINDS, ...HISTORY_KINDS, ...ANSWER_KINDS, ...READ_KINDS];
/** How many histories of each kind are spoiled, and among how many they are looked for. */
const SPOILED = 10;
const LOOKED_AT = 2_000;

const namesOf = (found: readonly Violation[]): string[] => [...new Set(found.map(({ invariant }) => invariant))].sort();

test('1,000 random good histories: no false alarm', () => {
  const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
  const holds = (seed: number) => {
    expect(check(goodHistory(seed)), `seed ${seed}`).toEqual([]);
  };
  fc.assert(fc.property(seeds, holds), { numRuns: 1_000 });
});

test('good histories are worth checking', () => {
  const traces = Array.from({ length: 100 }, (_, seed) => goodHistory(seed));
  const answers = new Set(
    traces.flatMap(({ attempts }) =>
      attempts.map(({ answer: { kind, ...more } }) => ('code' in more ? more.code : kind)),
    ),
  );
  const frames = new Set(
    traces.flatMap(({ sessions }) => sessions.flatMap((session) => session.frames.map(({ type }) => type))),
  );
  const ends = new Set(traces.flatMap(({ sessions }) => sessions.map(({ end }) => end.kind)));
  expect([...answers]).toEqual(
    expect.arrayContaining(['accepted', 'lost', 'KEY_REUSED', 'OUTCOME_UNKNOWN', 'NOT_FOUND', 'NOT_ALLOWED']),
  );
  expect([...frames]).toEqual(
    expect.arrayContaining(['StreamStarted', 'CaughtUp', 'Reset', 'MessageSent', 'MemberRemoved']),
  );
  expect([...ends].sort()).toEqual(['closed', 'completed', 'error', 'left']);
});

describe(`${KINDS.length} kinds of bad history`, () => {
  test.each(KINDS)('$finds: $name', ({ name, finds, spoil }) => {
    let spoiled = 0;
    for (let seed = 0; spoiled < SPOILED && seed < LOOKED_AT; seed++) {
      const trace = spoil(goodHistory(seed), randomOf(seed).fork(name));
      if (!trace) continue;
      spoiled++;
      expect(namesOf(check(trace)), `seed ${seed}`).toContain(finds);
    }
    expect(spoiled).toBe(SPOILED);
  });
});
