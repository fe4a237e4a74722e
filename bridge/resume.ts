/** The pump goes on after a loss: every integration is told by a Reset of what it had and its conversations have lost. */
import { appStream } from '../schema/subjects.ts';
import { Questions } from '../services/journal/ask.ts';
import type { Integrations } from '../services/journal/integrations.ts';
import type { Journal } from '../services/journal/journal.ts';
import type { Link } from '../services/journal/link.ts';
import { placeToResume, resumableLanes, type Target } from '../services/journal/resume.ts';
import { readStream } from './app-streams.ts';
import { placeOf, restore } from './reach.ts';
import { Reaches } from './reaches.ts';

export interface Resumed {
  readonly app: string;
  /** It goes on behind it. */
  readonly revision: number;
}

/** Of every integration whose place is not in this stream. Throws ConfigError, JournalUnavailable; then it may be repeated. */
export async function resumeBridge(
  {
    journal,
    integrations,
    link,
  }: {
    readonly journal: Journal;
    readonly integrations: Pick<Integrations, 'list'>;
    /** In the integrations' account. */
    readonly link: Link;
  },
  partition: number,
  target: Target,
  signal: AbortSignal,
): Promise<readonly Resumed[]> {
  const questions = new Questions(link);
  const reaches = new Reaches(link, questions, journal.partitions);
  const resumed: Resumed[] = [];
  for (const { app, revokedAt } of integrations.list()) {
    const reach = revokedAt === undefined ? await reaches.read(app) : undefined;
    if (!reach) continue;
    const place = await placeToResume(resumableLanes(journal, partition, signal), placeOf(reach, partition), target);
    if (!place) continue;
    const last = (await readStream(questions, appStream(app)))?.state.last_seq ?? 0;
    restore(reach, partition, place, last);
    await reaches.write({ app, reach, isMoved: true });
    resumed.push({ app, revision: place.revision });
  }
  return resumed;
}
