/** Slots: how much of one runs, how much waits, and whose waits. */
import { expect, it } from 'vitest';
import { Slots } from '../services/slots.ts';

/** Work that begins when it has its turn, and ends when it is told. */
class Work {
  readonly began: string[] = [];
  readonly #ends = new Map<string, () => void>();

  do(name: string): () => Promise<string> {
    return () => {
      this.began.push(name);
      return new Promise((resolve) => this.#ends.set(name, () => resolve(name)));
    };
  }

  end(name: string): void {
    this.#ends.get(name)?.();
  }
}

it('one that has as many running as it may leaves the other places to others', async () => {
  const slots = new Slots({ running: 3, each: 2, waiting: 100 });
  const work = new Work();
  const names = ['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'b2'];
  const all = names.map((name) => slots.tryHold(name.slice(0, 1), work.do(name)));
  await expect.poll(() => work.began).toEqual(['a1', 'a2', 'b1']);
  for (const [ended, begun] of [
    ['b1', 'c1'],
    ['c1', 'b2'],
    ['a1', 'a3'],
    ['b2', undefined],
    ['a2', 'a4'],
  ] as const) {
    const before = work.began.length;
    work.end(ended);
    await all[names.indexOf(ended)];
    await expect.poll(() => work.began.slice(before)).toEqual(begun === undefined ? [] : [begun]);
  }
  for (const name of ['a3', 'a4']) work.end(name);
  expect(await Promise.all(all)).toEqual(names);
});

it('what waits is weighed: the last ones of who has most make room', async () => {
  const slots = new Slots({ running: 1, waiting: 10 });
  const work = new Work();
  const first = slots.tryHold('a', work.do('a0'));
  const heavy = [4, 4].map((weight, i) => slots.tryHold('a', work.do(`a${i + 1}`), weight));
  expect(await slots.tryHold('a', work.do('a3'), 4)).toBeUndefined();
  const other = slots.tryHold('b', work.do('b1'), 3);
  expect(await heavy[1]).toBeUndefined();
  for (const name of ['a0', 'a1', 'b1']) {
    await expect.poll(() => work.began).toContain(name);
    work.end(name);
  }
  expect(await Promise.all([first, heavy[0], other])).toEqual(['a0', 'a1', 'b1']);
});

it('work that fails gives its place back', async () => {
  const slots = new Slots({ running: 1, waiting: 1 });
  await expect(slots.tryHold('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await slots.tryHold('a', () => Promise.resolve('yes'))).toBe('yes');
});
