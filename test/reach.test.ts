/** How far two bridges are for one integration, put together. */
import { expect, test } from 'vitest';
import { mergedOf, move, placeOf, reachFrom, restore } from '../bridge/reach.ts';
import { revisionOf } from '../schema/ids.ts';

const placed = (revision: number) => ({ revision: revisionOf(revision), id: `r${revision}`, at: revision });

test('what an operator said of one partition leaves what another bridge has delivered in the others', () => {
  const told = reachFrom([12, 3]);
  restore(told, 0, placed(6), 40);
  const going = reachFrom([12, 3]);
  move(going, 0, placed(13));
  move(going, 1, placed(9));
  for (const merged of [mergedOf(told, going), mergedOf(going, told)]) {
    expect(placeOf(merged, 0)).toEqual(placed(6));
    expect(placeOf(merged, 1)).toEqual(placed(9));
    expect(merged).toMatchObject({ restores: 1, rebuilt: [{ from: 7, upTo: 40 }, null] });
  }
  expect(placeOf(told, 1).revision).toBe(3);
});
