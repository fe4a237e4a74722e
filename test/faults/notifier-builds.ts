/** Notifiers as a careless hand could have built them: only the part itself is broken, everything around it is the product. */

import { type Claim, Ledger, type Settled } from '../../services/views/ledger.ts';
import type { ReceiptBoard } from '../../services/views/receipts.ts';

/** Decides without looking who has a message, and hears nobody. */
export const blindBoard = (board: ReceiptBoard): ReceiptBoard => ({
  of: async () => new Map(),
  listen: () => ({ stop: () => undefined }),
  ofUser: (...given) => board.ofUser(...given),
  device: (...given) => board.device(...given),
  progress: (...given) => board.progress(...given),
  when: (...given) => board.when(...given),
  whenAll: (...given) => board.whenAll(...given),
  unprojected: board.unprojected,
  stop: () => board.stop(),
});

/** Pushes what it did not claim. */
export class UnclaimingLedger extends Ledger {
  override async claim(claims: readonly Claim[]): Promise<boolean[]> {
    return claims.map(() => true);
  }
}

/** A push that a provider does not take now is over. */
export class HastyLedger extends Ledger {
  override settle(settled: readonly Settled[]): Promise<void> {
    const over = { kind: 'over', why: 'EXPIRED' } as const;
    return super.settle(settled.map((one) => (one.now.kind === 'again' ? { ...one, now: over } : one)));
  }
}
