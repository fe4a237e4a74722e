/**
 * From where a reader begins in each lane: after what its device has acknowledged, or after the place that it had. Looked up
 * first, and put together at one moment with where the feed is then, so that nothing falls between.
 */
import type { DeviceId, LaneId, Millis, Seq, UserId } from '../../schema/ids.ts';
import { partitionOf } from '../../schema/subjects.ts';
import type { Fresh } from '../journal/fresh.ts';
import type { Journal } from '../journal/journal.ts';
import type { Devices } from '../views/devices.ts';
import { HistoryUnavailable } from '../views/history.ts';
import type { Progress, ReceiptBoard } from '../views/receipts.ts';
import type { ListedLane, Listing } from '../views/user-lanes.ts';
import { apiError } from './errors.ts';
import type { InboxPlace } from './inbox-cursor.ts';
import type { InboxFeed } from './inbox-feed.ts';
import type { IndexedUser } from './inbox-index.ts';
import type { Beginning, Debt } from './inbox-reader.ts';
import { unknownDevice } from './resolvers/receipts.ts';

/** Lanes in one question for their last records. */
const LANES_AT_ONCE = 2_000;
/** Lanes that the user came into and left again while the device was away, as far as they are looked at: the newest. */
const LEFT_MAX = 100;
/** While much is stored a list is soon too old; it is read again. */
const TRIES = 3;
const RETRY_AFTER_MS = 60_000;

export interface StartParts {
  readonly journal: Pick<Journal, 'partitions' | 'lastRevisions'>;
  readonly listings: Pick<Fresh<UserId, Listing>, 'ask'>;
  readonly devices: Pick<Devices, 'get' | 'seen'>;
  readonly board: Pick<ReceiptBoard, 'progress'>;
}
export interface StartAsk {
  readonly user: UserId;
  readonly device: DeviceId;
  /** Undefined: from what the device has not acknowledged. */
  readonly place: InboxPlace | undefined;
}

/** What was looked up. */
interface Looked {
  readonly since: Millis;
  readonly listing: Listing & { readonly kind: 'listed' };
  readonly begins: DeviceBegins | PlaceBegins;
}
interface DeviceBegins {
  readonly kind: 'device';
  readonly progress: ReadonlyMap<LaneId, Progress>;
}
interface PlaceBegins {
  readonly kind: 'place';
  readonly place: InboxPlace;
  /** Last revisions, where the tails do not reach back to the place. */
  readonly last: ReadonlyMap<LaneId, number>;
  /** Partitions that are not those in which the place was given. */
  readonly rebuilt: ReadonlySet<number>;
}
export interface Start {
  readonly since: Millis;
  /** What the user belongs to now, and what it has left. */
  readonly lanes: ReadonlyMap<LaneId, ListedLane>;
  /** From where the reader begins, where the user is indexed as it is now. */
  beginning(indexed: IndexedUser): Beginning;
}

/**
 * `begin` is called at the moment for which the start is true. Throws what the client is to be told, and HistoryUnavailable and
 * JournalUnavailable.
 */
export async function startInbox(
  parts: StartParts,
  feed: InboxFeed,
  ask: StartAsk,
  begin: (start: Start) => void,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const looked = await look(parts, feed, ask);
    const lanes = foldedLanes(feed, ask.user, looked.listing);
    if (lanes) {
      begin({ since: looked.since, lanes, beginning: (indexed) => beginningOf(feed, looked, indexed, lanes) });
      return;
    }
    if (tries >= TRIES) throw new HistoryUnavailable('the lists of conversations are too far behind');
  }
}

async function look(parts: StartParts, feed: InboxFeed, { user, device, place }: StartAsk): Promise<Looked> {
  const [record, isThere] = await Promise.all([parts.devices.get(user, device), parts.devices.seen(user, device)]);
  if (!record || !isThere) throw unknownDevice();
  const { since } = record;
  const [listing, progress] = await Promise.all([
    parts.listings.ask(user),
    place ? undefined : parts.board.progress(user, device, since),
  ]);
  if (listing.kind === 'too-many')
    throw apiError('RATE_LIMITED', 'You are in more conversations than an inbox can follow.', RETRY_AFTER_MS);
  const begins = progress
    ? ({ kind: 'device', progress } as const)
    : await lookByPlace(parts, feed, listing, place as InboxPlace);
  // Last: the feed comes to have all that anything here was made from.
  await feed.upToEnd();
  const rebuilt = begins.kind === 'place' ? await rebuiltPartitions(feed, begins.place) : undefined;
  return { since, listing, begins: begins.kind === 'place' && rebuilt ? { ...begins, rebuilt } : begins };
}

async function lookByPlace(
  { journal }: StartParts,
  feed: InboxFeed,
  { lanes }: Looked['listing'],
  place: InboxPlace,
): Promise<PlaceBegins> {
  const isOld = feed.tails.map(({ from }, partition) => (place.revisions[partition] ?? 0) < from);
  const asked = isOld.includes(true)
    ? [...lanes.keys()].filter((lane) => isOld[partitionOf(lane, journal.partitions)])
    : [];
  const last = new Map<LaneId, number>();
  for (let i = 0; i < asked.length; i += LANES_AT_ONCE)
    for (const [lane, revision] of await journal.lastRevisions(asked.slice(i, i + LANES_AT_ONCE)))
      last.set(lane, revision);
  return { kind: 'place', place, last, rebuilt: new Set() };
}

/** A place after the end, or at another record than there is, is of a store that was there before a restore. */
async function rebuiltPartitions(feed: InboxFeed, { revisions, prints }: InboxPlace): Promise<ReadonlySet<number>> {
  const rebuilt = new Set<number>();
  const look = async (partition: number): Promise<void> => {
    const revision = revisions[partition];
    if (!revision) return;
    const isAfter = revision > (feed.tails[partition]?.to ?? 0);
    if (isAfter || (await feed.printAt(partition, revision)) !== prints[partition]) rebuilt.add(partition);
  };
  await Promise.all(revisions.map((_, partition) => look(partition)));
  return rebuilt;
}

/** The user's lanes as of where the feed is. Undefined: too much has passed since they were read. */
function foldedLanes(feed: InboxFeed, user: UserId, listing: Looked['listing']): Map<LaneId, ListedLane> | undefined {
  const lanes = new Map(listing.lanes);
  for (const [partition, tail] of feed.tails.entries())
    if (!tail.fold(user, listing.listed[partition] ?? (0 as never), lanes)) return undefined;
  for (const [lane, listed] of lanes) {
    const newest = feed.tails[partitionOf(lane, feed.tails.length)]?.newest(lane);
    if (newest && newest.seq >= listed.seq) lanes.set(lane, { ...listed, seq: newest.seq, at: newest.at });
  }
  return lanes;
}

/** The newest conversations first. */
function beginningOf(
  feed: InboxFeed,
  { since, begins }: Looked,
  indexed: IndexedUser,
  lanes: ReadonlyMap<LaneId, ListedLane>,
): Beginning {
  const owes = (lane: LaneId, listed: ListedLane): Debt | undefined =>
    begins.kind === 'device' ? owedSinceMark(begins, since, lane, listed) : owedSincePlace(feed, begins, lane, listed);
  const debts: { readonly debt: Debt; readonly at: Millis }[] = [];
  for (const { lane, seq, at } of indexed.lanes) {
    const debt = owes(lane, { seq: seq as ListedLane['seq'], at });
    if (debt) debts.push({ debt, at });
  }
  let unmarked = 0;
  const left = new Map<LaneId, Seq>();
  const gone = [...lanes].filter(([, listed]) => listed.left !== undefined).sort(([, a], [, b]) => b.at - a.at);
  for (const [lane, listed] of gone) {
    const debt = owes(lane, listed);
    if (debt?.from.kind === 'unmarked' && ++unmarked > LEFT_MAX) continue;
    if (debt) debts.push({ debt, at: listed.at });
    if (debt || hasHad(begins, lane)) left.set(lane, listed.left as Seq);
  }
  return { debts: debts.sort((a, b) => b.at - a.at).map(({ debt }) => debt), left };
}

/** Of a lane of which nothing is owed: whether the reader has had it to its end. */
const hasHad = (begins: DeviceBegins | PlaceBegins, lane: LaneId): boolean =>
  begins.kind === 'place' || (begins.progress.get(lane)?.acknowledged ?? 0) > 0;

function owedSinceMark(
  { progress }: DeviceBegins,
  since: Millis,
  lane: LaneId,
  { seq, at, left }: ListedLane,
): Debt | undefined {
  const upTo = left ?? seq;
  const { acknowledged, read } = progress.get(lane) ?? { acknowledged: 0, read: 0 };
  if (acknowledged > 0)
    return acknowledged === upTo ? undefined : { lane, from: { kind: 'seq', seq: acknowledged }, upTo };
  // Nothing has come since the device was registered; what was there its user has read, or has left.
  if (at <= since && (read >= seq || left !== undefined)) return undefined;
  return { lane, from: { kind: 'unmarked', read }, upTo };
}

function owedSincePlace(
  feed: InboxFeed,
  { place, last, rebuilt }: PlaceBegins,
  lane: LaneId,
  { seq, left }: ListedLane,
): Debt | undefined {
  const partition = partitionOf(lane, feed.tails.length);
  const tail = feed.tails[partition];
  const upTo = left ?? seq;
  if (rebuilt.has(partition)) return left === undefined ? { lane, from: { kind: 'rebuilt' }, upTo } : undefined;
  const revision = place.revisions[partition];
  if (!tail || revision === undefined) return undefined;
  const newest =
    tail.newest(lane)?.revision ?? (revision < tail.from ? (last.get(lane) ?? Number.POSITIVE_INFINITY) : 0);
  return newest > revision ? { lane, from: { kind: 'revision', revision }, upTo } : undefined;
}
