/** Limit and ours by turns, so that whatever else the machine does meets both alike. */
import type { CpuUse } from './cpu.ts';
import { OTHERS_MOST } from './figure.ts';

export interface Pace {
  readonly rounds: number;
  readonly warmMs: number;
  readonly ms: number;
  /** So many more rounds may be run where the machine was busy with something else. */
  readonly moreRounds: number;
}
export const FULL: Pace = { rounds: 5, warmMs: 1500, ms: 4000, moreRounds: 5 };
export const QUICK: Pace = { rounds: 2, warmMs: 700, ms: 1500, moreRounds: 0 };

interface Measured {
  readonly cpu?: CpuUse;
}
interface Pair<T> {
  readonly ours: T;
  readonly limit: T;
  /** What other processes used, on the worse side; a share of a core. */
  readonly others: number;
}

/** Every second round begins with the other side. A first round of each is thrown away: code is compiled as it runs. */
export async function byTurns<T extends Measured>(
  pace: Pick<Pace, 'rounds' | 'moreRounds'>,
  limit: () => Promise<T>,
  ours: () => Promise<T>,
  options: { readonly warmUp?: boolean } = {},
): Promise<{ readonly ours: T[]; readonly limit: T[] }> {
  if (options.warmUp !== false) await turn(1, limit, ours);
  const best = await quietest(pace, (round) => turn(round, limit, ours));
  return { ours: best.map((pair) => pair.ours), limit: best.map((pair) => pair.limit) };
}

/**
 * Rounds in which others kept the machine busy are made up for, as far as `moreRounds` goes; of all, those count in which
 * the others did least. What came out has no say in it.
 */
export async function quietest<T extends { readonly others: number }>(
  { rounds, moreRounds }: Pick<Pace, 'rounds' | 'moreRounds'>,
  measure: (round: number) => Promise<T>,
): Promise<T[]> {
  const all: T[] = [];
  const quiet = () => all.filter(({ others }) => others <= OTHERS_MOST).length;
  for (let round = 0; round < rounds + moreRounds && quiet() < rounds; round++) all.push(await measure(round));
  return all.sort((a, b) => a.others - b.others).slice(0, rounds);
}

async function turn<T extends Measured>(
  round: number,
  limit: () => Promise<T>,
  ours: () => Promise<T>,
): Promise<Pair<T>> {
  const before = round % 2 === 0 ? await limit() : undefined;
  const mine = await ours();
  const theirs = before ?? (await limit());
  return { ours: mine, limit: theirs, others: Math.max(mine.cpu?.others ?? 0, theirs.cpu?.others ?? 0) };
}
