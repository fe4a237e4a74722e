/** A replica that lags behind what is known to be stored is asked again, in all for about 1 s. */
import { JournalUnavailable } from './journal.ts';

const READS = 20;
const STEP_MS = 5;

/** Before the read of that number, from 0, is done again. Throws JournalUnavailable after the last one, with `why`. */
export async function lagged(reads: number, why: string): Promise<void> {
  if (reads >= READS) throw new JournalUnavailable(why);
  await new Promise((resolve) => setTimeout(resolve, (reads + 1) * STEP_MS));
}
