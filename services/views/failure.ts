/** What callers of every door are told of what was thrown inside. */
import type { ErrorCode } from '../../schema/generated.ts';
import { JournalUnavailable } from '../journal/journal.ts';
import { PoisonedLane } from '../journal/lanes.ts';
import { BadInput } from '../lane/parse.ts';
import { HistoryUnavailable } from './history.ts';

export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  /** Somebody has to look at it: it goes into the log. */
  readonly isAlarming: boolean;
}

export const OUT_OF_REACH = 'A part of the system is out of reach. Nothing was read or decided.';

/** Undefined: a fault, which is nobody's to know. */
export function failureOf(thrown: unknown): Failure | undefined {
  if (thrown instanceof BadInput) return { code: 'BAD_USER_INPUT', message: thrown.message, isAlarming: false };
  if (thrown instanceof JournalUnavailable || thrown instanceof HistoryUnavailable)
    return { code: 'UNAVAILABLE', message: OUT_OF_REACH, isAlarming: false };
  if (thrown instanceof PoisonedLane)
    return { code: 'UNAVAILABLE', message: 'This conversation cannot be read now.', isAlarming: true };
  return undefined;
}
