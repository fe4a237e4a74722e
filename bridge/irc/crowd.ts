/** Who makes room for a newcomer. Pure. */
import { addressOf, groupOf } from '../../services/networks.ts';

export interface Present {
  /** As `wayOf` gives it. */
  readonly address: string;
  /** It is not known yet who it is. */
  readonly isStranger: boolean;
  /** It has said a line. */
  readonly hasSpoken: boolean;
  /** It was told to go. */
  readonly isClosing: boolean;
}

/**
 * Whose place is taken: somebody who was told to go and lingers, else a stranger of the address that has most strangers, the longest
 * silent one before those that have spoken. Undefined: everybody is known. `present`: in the order of coming.
 */
export function placeOf<P extends Present>(present: readonly P[]): P | undefined {
  const strangers = present.filter(({ isStranger, isClosing }) => isStranger && !isClosing);
  const counts = new Map<string, number>();
  for (const { address } of strangers) counts.set(address, (counts.get(address) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const crowd = strangers.filter(({ address }) => counts.get(address) === most);
  return present.find(({ isClosing }) => isClosing) ?? crowd.find(({ hasSpoken }) => !hasSpoken) ?? crowd[0];
}

/** What a client's address counts as, here as in the api: of IPv6 its network. */
export function wayOf(address: string): string {
  const parsed = addressOf(address);
  return parsed ? groupOf(parsed) : address;
}
