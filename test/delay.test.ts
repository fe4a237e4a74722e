import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { afterGrace } from '../services/notifier/delay.ts';

interface Stored {
  readonly n: number;
  readonly storedAt: number;
}
interface Came extends Stored {
  readonly at: number;
}

/** A clock that only waiting moves: what is waited for takes exactly as long as was asked. */
function laboratory(graceMs: number, stopAt = Number.POSITIVE_INFINITY) {
  let now = 1_000_000;
  const stop = new AbortController();
  const options = {
    graceMs,
    clock: () => now,
    signal: stop.signal,
    wait: async (ms: number) => {
      now += ms;
      if (now >= stopAt) stop.abort();
    },
  };
  return {
    options,
    pass: (ms: number) => {
      now += ms;
    },
    now: () => now,
  };
}

async function* given(batches: readonly (readonly Stored[])[]): AsyncGenerator<readonly Stored[]> {
  yield* batches;
}

/** Records in the order of a stream: their times never fall, and nothing is read before it is stored. */
const streams = fc.array(fc.array(fc.nat(400), { minLength: 1, maxLength: 8 }), { maxLength: 12 }).map((gaps) => {
  let at = 1_000_000 - gaps.flat().reduce((sum, gap) => sum + gap, 0);
  let n = 0;
  return gaps.map((batch) =>
    batch.map((gap): Stored => {
      at += gap;
      return { n: n++, storedAt: at };
    }),
  );
});
const batchOf = (...agoMs: readonly number[]): Stored[] => agoMs.map((ms, n) => ({ n, storedAt: 1_000_000 - ms }));

describe('the delay line', () => {
  test('gives every record once, in order, never before its grace is over, and not a moment later', async () => {
    await fc.assert(
      fc.asyncProperty(streams, fc.nat(5_000), async (batches, graceMs) => {
        const { options, now } = laboratory(graceMs);
        const came: Came[] = [];
        for await (const due of afterGrace(given(batches), options)) {
          expect(due.length).toBeGreaterThan(0);
          for (const record of due) came.push({ ...record, at: now() });
        }
        const all = batches.flat();
        expect(came.map(({ n }) => n)).toEqual(all.map(({ n }) => n));
        // The clock moves by waiting alone: what was due when it was read came then, all others at their very time.
        for (const { at, storedAt } of came) expect(at).toBe(Math.max(1_000_000, storedAt + graceMs));
      }),
    );
  });

  test('waits exactly until the first is due, and then takes all that are', async () => {
    const { options, now } = laboratory(100);
    const batch = batchOf(60, 50, 50, 0);
    const seen: [number, number[]][] = [];
    for await (const due of afterGrace(given([batch]), options)) seen.push([now() - 1_000_000, due.map(({ n }) => n)]);
    expect(seen).toEqual([
      [40, [0]],
      [50, [1, 2]],
      [100, [3]],
    ]);
  });

  test('what became due while the last ones were worked on comes at once and together', async () => {
    const { options, pass, now } = laboratory(600);
    const batch = batchOf(500, 490, 480, 0);
    const seen: [number, number[]][] = [];
    for await (const due of afterGrace(given([batch]), options)) {
      seen.push([now() - 1_000_000, due.map(({ n }) => n)]);
      pass(300);
    }
    expect(seen).toEqual([
      [100, [0]],
      [400, [1, 2]],
      [700, [3]],
    ]);
  });

  test('a server whose clock is ahead makes nobody wait longer than the grace', async () => {
    const { options, now } = laboratory(100);
    for await (const _ of afterGrace(given([[{ n: 0, storedAt: 9_000_000 }]]), options)) void _;
    expect(now()).toBe(1_000_100);
  });

  test('gives nothing more once it is stopped', async () => {
    const { options } = laboratory(100, 1_000_050);
    const batch = batchOf(90, 60, 20);
    const seen: number[] = [];
    for await (const due of afterGrace(given([batch]), options)) seen.push(...due.map(({ n }) => n));
    expect(seen).toEqual([0, 1]);
  });
});
