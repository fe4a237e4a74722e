/**
 * The notifier goes on after a loss. What the ledger holds of pushes of lost messages goes first: other messages come in their
 * place with the same numbers, and would count as pushed.
 */
import { revisionOf } from '../../schema/ids.ts';
import { partitionOf } from '../../schema/subjects.ts';
import type { Journal } from '../journal/journal.ts';
import type { Place } from '../journal/place.ts';
import { placeToResume, resumableLanes, type Target } from '../journal/resume.ts';
import type { Mongo } from '../views/connect.ts';
import { Ledger } from '../views/ledger.ts';
import { forgetPushes } from '../views/ledger-cut.ts';

export interface Resumed {
  /** It goes on behind it. */
  readonly place: Place;
  /** Messages whose pushes were forgotten. */
  readonly messages: number;
}

/** Undefined: it does not stand still. Throws ConfigError, JournalUnavailable, what MongoDB throws; then it may be repeated. */
export async function resumeNotifier(
  { journal, mongo }: { readonly journal: Journal; readonly mongo: Mongo },
  partition: number,
  target: Target,
  signal: AbortSignal,
): Promise<Resumed | undefined> {
  const ledger = new Ledger(() => mongo.db());
  const position = await ledger.position(partition);
  if (!position) return undefined;
  const { w: revision, rid: id, at } = position;
  const place = await placeToResume(resumableLanes(journal, partition, signal), { revision, id, at }, target);
  if (!place) return undefined;
  const isOurs = (lane: Parameters<typeof partitionOf>[0]) => partitionOf(lane, journal.partitions) === partition;
  const messages = await forgetPushes(await mongo.db(), revisionOf(place.revision + 1), isOurs);
  await ledger.advance(partition, place);
  return { place, messages };
}
