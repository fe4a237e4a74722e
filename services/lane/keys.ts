/**
 * What a lane remembers of the client keys that wrote it, so that a repeated command is answered and not done again.
 *
 * Persistent: every operation gives a new memory and leaves the old one as it was, and costs one small chunk.
 * Oldest first, a bounded number is kept. Of what is forgotten only the horizon stays: no forgotten event is younger.
 */
import type { ClientKey, Millis, Seq, UserId } from '../../schema/ids.ts';

/** Always remembered, at the least. */
const KEEP_KEYS = 4_096;
/** Of a busy lane more is remembered, so that a key made just now is younger than all that is forgotten … */
const KEEP_MS = 15_000;
/** … but never more than this. */
const KEEP_KEYS_MAX = 65_536;
/** Remembering copies the young ones, and now and then one chunk: about 1 µs a key, and a look-up asks about ten maps. */
const YOUNG = 32;
/** A multiple of YOUNG, so that chunks are filled to the last place. */
const CHUNK = 512;
/** How far a client's clock may run ahead of ours before its keys cost anything. */
export const CLOCK_MARGIN_MS = 2_000;
/** Keys from further ahead, remembered for each sender until their time has passed. */
const FUTURE_KEYS_PER_SENDER = 32;
/** Senders of such keys, in one lane; past this every key of every sender is looked up until the last of their times. */
const FUTURE_SENDERS = 256;

export interface RememberedKey {
  readonly seq: Seq;
  readonly at: Millis;
  readonly hash: string;
}
type Chunk = ReadonlyMap<string, RememberedKey>;

interface FutureKeys {
  /** Key → the time it claims and its event. */
  readonly keys: ReadonlyMap<string, RememberedKey & { readonly claims: Millis }>;
  /** The set overflowed: until a forgotten event is this young, every key of the sender is looked up. */
  readonly lookUpUntil: Millis;
}

export interface Keys {
  /** Every event with seq ≥ this is remembered. */
  readonly from: Seq;
  /** The highest `at` of a forgotten event; 0 while nothing is forgotten. */
  readonly horizon: Millis;
  /** The oldest first; all but the last are full. */
  readonly chunks: readonly Chunk[];
  /** Younger than all in the chunks. */
  readonly young: Chunk;
  readonly future: ReadonlyMap<UserId, FutureKeys>;
  readonly lookUpAllUntil: Millis;
}

export const NO_KEYS: Keys = {
  from: 1 as Seq,
  horizon: 0,
  chunks: [],
  young: new Map(),
  future: new Map(),
  lookUpAllUntil: 0,
};

const nameOf = (sender: UserId, key: ClientKey): string => `${sender} ${key}`;

const UUID_V7 = /^[0-9a-f]{8}-?[0-9a-f]{4}-?7[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i;

/** The time in a UUIDv7 key (RFC 9562 section 5.7: its first 48 bits are epoch milliseconds). */
export function timeOfKey(key: ClientKey): Millis | undefined {
  if (!UUID_V7.test(key)) return undefined;
  return Number.parseInt(key.replace('-', '').slice(0, 12), 16);
}

export type KeyAnswer =
  | { readonly kind: 'known'; readonly event: RememberedKey }
  | { readonly kind: 'new' }
  /** This memory cannot tell: look in history, and in the lane for what history has not yet. */
  | { readonly kind: 'look-up' };

export function lookUpKey(keys: Keys, sender: UserId, key: ClientKey): KeyAnswer {
  const name = nameOf(sender, key);
  const young = keys.young.get(name);
  if (young) return { kind: 'known', event: young };
  for (let i = keys.chunks.length - 1; i >= 0; i--) {
    const event = keys.chunks[i]?.get(name);
    if (event) return { kind: 'known', event };
  }
  const future = keys.future.get(sender);
  const ahead = future?.keys.get(key);
  if (ahead) return { kind: 'known', event: ahead };
  if (keys.from === 1) return { kind: 'new' };
  const time = timeOfKey(key);
  const horizon = keys.horizon + CLOCK_MARGIN_MS;
  const isYounger = time !== undefined && time > horizon;
  return isYounger && !future?.lookUpUntil && !keys.lookUpAllUntil ? { kind: 'new' } : { kind: 'look-up' };
}

export function rememberKey(keys: Keys, sender: UserId, key: ClientKey, event: RememberedKey): Keys {
  const young = new Map(keys.young).set(nameOf(sender, key), event);
  const next = rememberFuture({ ...keys, young }, sender, key, event);
  return young.size < YOUNG ? next : forget(settled(next), event.at);
}

/** Moves the young ones into the chunks. */
function settled(keys: Keys): Keys {
  const last = keys.chunks.at(-1);
  if (!last || last.size >= CHUNK) return { ...keys, chunks: [...keys.chunks, keys.young], young: NO_KEYS.young };
  const chunk = new Map(last);
  for (const [name, event] of keys.young) chunk.set(name, event);
  return { ...keys, chunks: [...keys.chunks.slice(0, -1), chunk], young: NO_KEYS.young };
}

/** A key that claims a time to come would look young at its retry, after its event is forgotten: it is kept apart. */
function rememberFuture(keys: Keys, sender: UserId, key: ClientKey, event: RememberedKey): Keys {
  const claims = timeOfKey(key);
  if (claims === undefined || claims <= event.at + CLOCK_MARGIN_MS) return keys;
  const had = keys.future.get(sender);
  if (!had && keys.future.size >= FUTURE_SENDERS)
    return { ...keys, lookUpAllUntil: Math.max(keys.lookUpAllUntil, claims) };
  const full = had !== undefined && had.keys.size >= FUTURE_KEYS_PER_SENDER;
  const next: FutureKeys = full
    ? { keys: had.keys, lookUpUntil: Math.max(had.lookUpUntil, claims) }
    : { keys: new Map(had?.keys).set(key, { ...event, claims }), lookUpUntil: had?.lookUpUntil ?? 0 };
  return { ...keys, future: new Map(keys.future).set(sender, next) };
}

function forget(keys: Keys, now: Millis): Keys {
  let { chunks, horizon, from } = keys;
  let size = keysHeld(keys);
  while (size - CHUNK >= KEEP_KEYS) {
    const oldest = [...(chunks[0] as Chunk).values()];
    const youngest = oldest.at(-1) as RememberedKey;
    if (youngest.at > now - KEEP_MS && size <= KEEP_KEYS_MAX) break;
    chunks = chunks.slice(1);
    size -= CHUNK;
    horizon = Math.max(horizon, youngest.at);
    from = (youngest.seq + 1) as Seq;
  }
  if (chunks === keys.chunks) return keys;
  return { ...passed({ ...keys, chunks, horizon, from }) };
}

/** Drops what was kept for a time that the horizon has passed: such keys are looked up anyhow. */
function passed(keys: Keys): Keys {
  const horizon = keys.horizon + CLOCK_MARGIN_MS;
  const lookUpAllUntil = keys.lookUpAllUntil > horizon ? keys.lookUpAllUntil : 0;
  if (keys.future.size === 0) return { ...keys, lookUpAllUntil };
  const future = new Map<UserId, FutureKeys>();
  for (const [sender, had] of keys.future) {
    const left = new Map([...had.keys].filter(([, key]) => key.claims > horizon));
    const lookUpUntil = had.lookUpUntil > horizon ? had.lookUpUntil : 0;
    if (left.size > 0 || lookUpUntil > 0) future.set(sender, { keys: left, lookUpUntil });
  }
  return { ...keys, future, lookUpAllUntil };
}

/** How many entries are held, for whoever bounds memory. */
export const keysHeld = ({ chunks, young }: Keys): number =>
  Math.max(0, chunks.length - 1) * CHUNK + (chunks.at(-1)?.size ?? 0) + young.size;

export interface KeysSnapshot {
  readonly from: number;
  readonly horizon: number;
  readonly keys: readonly (readonly [name: string, seq: number, at: number, hash: string])[];
  readonly future: readonly (readonly [
    sender: string,
    lookUpUntil: number,
    keys: readonly (readonly [key: string, claims: number, seq: number, at: number, hash: string])[],
  ])[];
  readonly lookUpAllUntil: number;
}

export const snapshotOfKeys = (keys: Keys): KeysSnapshot => ({
  from: keys.from,
  horizon: keys.horizon,
  keys: [...keys.chunks, keys.young].flatMap((chunk) =>
    [...chunk].map(([name, k]) => [name, k.seq, k.at, k.hash] as const),
  ),
  future: [...keys.future].map(
    ([sender, f]) =>
      [sender, f.lookUpUntil, [...f.keys].map(([key, k]) => [key, k.claims, k.seq, k.at, k.hash] as const)] as const,
  ),
  lookUpAllUntil: keys.lookUpAllUntil,
});

export function keysOfSnapshot(from: KeysSnapshot): Keys {
  const mapOf = (some: KeysSnapshot['keys']): Chunk =>
    new Map(some.map(([name, seq, at, hash]) => [name, { seq: seq as Seq, at, hash }]));
  const settledKeys = from.keys.length - (from.keys.length % YOUNG);
  const chunks: Chunk[] = [];
  for (let i = 0; i < settledKeys; i += CHUNK) chunks.push(mapOf(from.keys.slice(i, Math.min(i + CHUNK, settledKeys))));
  const future = from.future.map(([sender, lookUpUntil, keys]): [UserId, FutureKeys] => [
    sender as UserId,
    {
      lookUpUntil,
      keys: new Map(keys.map(([key, claims, seq, at, hash]) => [key, { claims, seq: seq as Seq, at, hash }])),
    },
  ]);
  return {
    from: from.from as Seq,
    horizon: from.horizon,
    chunks,
    young: mapOf(from.keys.slice(settledKeys)),
    future: new Map(future),
    lookUpAllUntil: from.lookUpAllUntil,
  };
}
