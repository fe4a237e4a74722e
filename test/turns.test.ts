/** Who of what a notifier holds is worked on: whatever one conversation has to do, the others have their turns. */
import { expect, test } from 'vitest';
import type { LaneId } from '../schema/ids.ts';
import { FairLine } from '../services/fair-line.ts';
import { Turns } from '../services/notifier/turns.ts';
import { laneId } from './support/scribe.ts';

/** Jobs that end when they are told to, and what has begun, in order. */
function rigOf(limits: ConstructorParameters<typeof Turns>[0]) {
  const turns = new Turns(limits);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    turns,
    begun,
    add: (lane: LaneId, name: string) =>
      turns.add(lane, () => {
        begun.push(name);
        return new Promise<void>((end) => ends.set(name, end));
      }),
    end: async (name: string) => {
      const left = turns.left();
      ends.get(name)?.();
      await left;
    },
  };
}
const [A, B, C] = [laneId('a'), laneId('b'), laneId('c')];

test('what waits for its lane has no place, and lanes take turns', async () => {
  const { turns, begun, add, end } = rigOf({ running: 2, held: 100, heldOfLane: 100 });
  for (const name of ['a1', 'a2', 'a3']) add(A, name);
  add(B, 'b1');
  add(B, 'b2');
  add(C, 'c1');
  expect(begun).toEqual(['a1', 'b1']);
  await end('a1');
  expect(begun).toEqual(['a1', 'b1', 'c1']);
  await end('c1');
  await end('b1');
  expect(begun).toEqual(['a1', 'b1', 'c1', 'a2', 'b2']);
  await end('a2');
  await end('a3');
  await end('b2');
  expect(turns.held).toBe(0);
  add(A, 'a4');
  expect(begun.at(-1)).toBe('a4');
});

test('beyond its bound, where much is held, a lane’s jobs are turned away, and others have room', async () => {
  const { turns, begun, add, end } = rigOf({ running: 10, held: 8, heldOfLane: 2 });
  // Up to half, one lane may have it all.
  const taken = Array.from({ length: 8 }, (_, i) => add(A, `a${i + 1}`));
  expect(taken).toEqual([true, true, true, true, false, false, false, false]);
  expect(turns.room).toBe(4);
  await end('a1');
  expect(begun).toEqual(['a1', 'a2']);
  expect(add(A, 'a9')).toBe(true);
  expect(add(A, 'a10')).toBe(false);
  expect(add(B, 'b1')).toBe(true);
  expect(begun.at(-1)).toBe('b1');
});

test('in a line of many of one and one of another, the other is second', () => {
  const line = new FairLine<string, number>();
  for (let i = 0; i < 5; i++) line.add('group', i);
  line.add('one', 100);
  line.delete('group', 1);
  const out: (number | undefined)[] = [];
  while (line.size > 0) out.push(line.next());
  expect(out).toEqual([0, 100, 2, 3, 4]);
  expect(line.next()).toBeUndefined();
});
