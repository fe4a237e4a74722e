/** Limit and ours by turns, so that whatever else the machine does meets both alike. */

export interface Pace {
  readonly rounds: number;
  readonly warmMs: number;
  readonly ms: number;
}
export const FULL: Pace = { rounds: 5, warmMs: 1500, ms: 4000 };
export const QUICK: Pace = { rounds: 2, warmMs: 700, ms: 1500 };

/** Every second round begins with the other side. A first round of each is thrown away: code is compiled as it runs. */
export async function byTurns<T>(
  rounds: number,
  limit: () => Promise<T>,
  ours: () => Promise<T>,
  options: { readonly warmUp?: boolean } = {},
): Promise<{ readonly ours: T[]; readonly limit: T[] }> {
  const results: { ours: T[]; limit: T[] } = { ours: [], limit: [] };
  for (let round = options.warmUp === false ? 0 : -1; round < rounds; round++) {
    const sides = [
      async () => keep(results.limit, round, await limit()),
      async () => keep(results.ours, round, await ours()),
    ];
    for (const side of round % 2 === 0 ? sides : sides.reverse()) await side();
  }
  return results;
}

const keep = <T>(to: T[], round: number, value: T): void => {
  if (round >= 0) to.push(value);
};
