/**
 * The seq of each sender's last message in a lane. Persistent: an operation gives a new one and leaves the old as it was. A
 * message copies one bucket of about eight senders, and the list of the buckets: under 1 µs, also of 10,000 senders.
 */
import type { Seq, UserId } from '../../schema/ids.ts';

/** Senders and seqs in turn. */
type Bucket = readonly (UserId | Seq)[];

export interface Sent {
  /** How many senders. */
  readonly size: number;
  /** As many as a power of two; a sender is in the one that its hash names. */
  readonly buckets: readonly Bucket[];
}

const EMPTY: Bucket = [];
export const NOBODY_SENT: Sent = { size: 0, buckets: [EMPTY] };
/** Senders in a bucket, on the average; past it there are twice as many buckets. */
const IN_BUCKET = 8;

export function lastSentBy({ buckets }: Sent, user: UserId): Seq | 0 {
  const bucket = buckets[placeOf(user, buckets.length)] as Bucket;
  const at = bucket.indexOf(user);
  return at < 0 ? 0 : (bucket[at + 1] as Seq);
}

export function noteSent(sent: Sent, user: UserId, seq: Seq): Sent {
  const place = placeOf(user, sent.buckets.length);
  const bucket = (sent.buckets[place] as Bucket).slice();
  const at = bucket.indexOf(user);
  if (at < 0) bucket.push(user, seq);
  else bucket[at + 1] = seq;
  const next = { size: sent.size + (at < 0 ? 1 : 0), buckets: replaced(sent.buckets, place, bucket) };
  return next.size > IN_BUCKET * next.buckets.length ? spread(sendersOf(next), 2 * next.buckets.length) : next;
}

export function withoutSender(sent: Sent, user: UserId): Sent {
  const place = placeOf(user, sent.buckets.length);
  const bucket = sent.buckets[place] as Bucket;
  const at = bucket.indexOf(user);
  if (at < 0) return sent;
  return { size: sent.size - 1, buckets: replaced(sent.buckets, place, bucket.toSpliced(at, 2)) };
}

/** Each once. */
export const sendersOf = ({ buckets }: Sent): (readonly [UserId, Seq])[] =>
  buckets.flatMap((bucket) =>
    Array.from({ length: bucket.length / 2 }, (_, i) => [bucket[2 * i] as UserId, bucket[2 * i + 1] as Seq] as const),
  );

export function sentOf(senders: readonly (readonly [UserId, Seq])[]): Sent {
  let buckets = 1;
  while (senders.length > IN_BUCKET * buckets) buckets *= 2;
  return spread(senders, buckets);
}

function spread(senders: readonly (readonly [UserId, Seq])[], count: number): Sent {
  const buckets = Array.from({ length: count }, (): (UserId | Seq)[] => []);
  for (const [user, seq] of senders) buckets[placeOf(user, count)]?.push(user, seq);
  return { size: senders.length, buckets };
}

function replaced(buckets: readonly Bucket[], place: number, bucket: Bucket): readonly Bucket[] {
  const next = buckets.slice();
  next[place] = bucket;
  return next;
}

/** FNV-1a over the id's ASCII characters, stirred so that its lowest bits differ, too. */
function placeOf(user: UserId, buckets: number): number {
  if (buckets === 1) return 0;
  let hash = 0x811c9dc5;
  for (let i = 0; i < user.length; i++) hash = Math.imul(hash ^ user.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) & (buckets - 1);
}
