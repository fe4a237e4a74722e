/**
 * What goes from one integration's stream when, and how. Each step may be the last before a kill, and be done again: a Reset is
 * stored first, and what it replaces goes afterwards.
 */
import { type AppId, isName, type LaneId, type Millis } from '../schema/ids.ts';
import { appDeads, appEvent, appEventAgain, appEvents, appReplays, branchOfSubject } from '../schema/subjects.ts';
import type { Questions } from '../services/journal/ask.ts';
import { headerOf, numberOf } from '../services/journal/message.ts';
import type { AppFeed } from './app-feed.ts';
import { readStream, type StreamInfo } from './app-streams.ts';
import type { ConsumerInfo } from './lag.ts';
import { startOfReplay } from './replays.ts';
import { isUnread } from './unread.ts';

export interface TrimParts {
  readonly questions: Questions;
  readonly retentionMs: number;
  readonly clock: () => Millis;
  readonly onReset: (app: AppId) => void;
}
export interface Trimmed {
  readonly app: AppId;
  readonly name: string;
  readonly info: StreamInfo;
  readonly consumers: readonly ConsumerInfo[];
  /** Undefined: it is revoked, and nobody is told anything. */
  readonly feed: AppFeed | undefined;
  /** Room has been short for a while: what was not read goes, too. */
  readonly unreadToo: boolean;
  readonly signal: AbortSignal;
}

/** Shares of what the stream may hold. Above it, what was read goes, so that there is room for replays. */
const READ_SHARE = 0.5;
/** Above the first, what was not read goes, too, down to the second. */
const SHORT_SHARE = 0.85;
const ENOUGH_SHARE = 0.7;
/** What dead letters may take of a stream that is short of room. */
const DEAD_SHARE = 0.25;
/** Nobody reads a replay for so long; where room is short: after it was read, and in any case. */
const REPLAY_MS = 24 * 60 * 60 * 1000;
const REPLAY_READ_MS = 10_000;
const REPLAY_UNREAD_MS = 10 * 60_000;
const CHUNK = 500;
const CHUNK_BYTES = 1024 * 1024;

interface Lying {
  readonly at: number;
  readonly subject: string;
  readonly storedAt: Millis;
  readonly bytes: number;
}

/** So short that what was not read has to go. */
export const isShortOfRoom = ({ state, config }: StreamInfo): boolean => state.bytes > SHORT_SHARE * config.max_bytes;

/** Events that are older than the retention, and the oldest where room is short. Conversations of which something went unread. */
export async function trimEvents(parts: TrimParts, trimmed: Trimmed): Promise<number> {
  const { app, name, consumers, signal } = trimmed;
  const max = trimmed.info.config.max_bytes;
  let { bytes } = trimmed.info.state;
  const isShort = trimmed.unreadToo && isShortOfRoom(trimmed.info);
  const olderThan = parts.clock() - parts.retentionMs;
  let told = 0;
  for (let from = 1; trimmed.info.state.messages > 0 && !signal.aborted; ) {
    const chunk = await read(parts.questions, name, from, appEvents(app));
    const unreadToo = isShort ? bytes - ENOUGH_SHARE * max : 0;
    const readOnly = bytes - READ_SHARE * max;
    let freed = 0;
    const end = chunk.findIndex((message) => {
      const goes =
        message.storedAt < olderThan || freed < unreadToo || (freed < readOnly && !isUnread(message, consumers));
      if (goes) freed += message.bytes;
      return !goes;
    });
    const going = end < 0 ? chunk : chunk.slice(0, end);
    const last = going.at(-1);
    if (!last) break;
    told += await tell(parts, trimmed, going);
    await purge(parts.questions, name, { filter: appEvents(app), seq: last.at + 1 });
    if (end >= 0) break;
    from = last.at + 1;
    bytes = (await readStream(parts.questions, name))?.state.bytes ?? 0;
  }
  return told;
}

/** Puts a Reset in the place of every conversation of which something goes unread. How many there were. */
async function tell(
  parts: TrimParts,
  { app, name, consumers, feed }: Trimmed,
  going: readonly Lying[],
): Promise<number> {
  if (!feed) return 0;
  const last = (going.at(-1) as Lying).at;
  const lost = new Set<LaneId>();
  for (const message of going) {
    const [lane] = branchOfSubject(message.subject).rest;
    if (isName(lane) && isUnread(message, consumers)) lost.add(lane as LaneId);
  }
  for (const lane of lost) {
    const at = await feed.reset(lane, (reset) => reset <= last);
    parts.onReset(app);
    if (at > 0) await purge(parts.questions, name, { filter: appEvent(app, lane), seq: at });
    await purge(parts.questions, name, { filter: appEventAgain(app, lane), seq: last + 1 });
  }
  return lost.size;
}

/** Whole ones: half of a replay is none. Whoever has not read it sees no `CaughtUp`, and asks again. */
export async function dropReplays(parts: TrimParts, { app, name, info, consumers }: Trimmed): Promise<void> {
  const { state, config } = info;
  const now = parts.clock();
  const isShort = state.bytes > READ_SHARE * config.max_bytes;
  if (state.messages === 0 || (!isShort && Date.parse(state.first_ts) > now - REPLAY_MS)) return;
  const there = await readStream(parts.questions, name, { subjects_filter: appReplays(app) });
  for (const subject of Object.keys(there?.state.subjects ?? {})) {
    const age = now - startOfReplay(branchOfSubject(subject).rest[0] ?? '');
    const isOld = age > REPLAY_MS || (isShort && age > REPLAY_UNREAD_MS);
    const mayGo = isShort && age > REPLAY_READ_MS;
    if (isOld || (mayGo && !(await isReading(parts.questions, name, subject, consumers))))
      await purge(parts.questions, name, { filter: subject });
  }
}

/** A durable consumer has not acknowledged all of it. */
async function isReading(
  questions: Questions,
  name: string,
  subject: string,
  consumers: readonly ConsumerInfo[],
): Promise<boolean> {
  if (!consumers.some(({ config }) => config.durable_name !== undefined)) return false;
  const { messages } = await questions.batch(name, { multi_last: [subject] });
  const [last] = messages;
  return last !== undefined && isUnread({ at: numberOf(last.head, 'Nats-Sequence'), subject }, consumers);
}

/** Dead letters that are older than the retention; the oldest, where there are so many that nothing else has room. */
export async function dropDead(parts: TrimParts, { app, name, info }: Trimmed): Promise<void> {
  const { state, config } = info;
  const olderThan = parts.clock() - parts.retentionMs;
  const isShort = isShortOfRoom(info);
  if (state.messages === 0 || (!isShort && Date.parse(state.first_ts) >= olderThan)) return;
  const chunk = await read(parts.questions, name, 1, appDeads(app));
  let going = chunk.filter(({ storedAt }) => storedAt < olderThan);
  if (isShort && chunk.length > 0) {
    const there = await readStream(parts.questions, name, { subjects_filter: appDeads(app) });
    const count = Object.values(there?.state.subjects ?? {}).reduce((sum, one) => sum + one, 0);
    const each = chunk.reduce((sum, { bytes }) => sum + bytes, 0) / chunk.length;
    if (count * each > DEAD_SHARE * config.max_bytes) going = chunk;
  }
  const last = going.at(-1);
  if (last) await purge(parts.questions, name, { filter: appDeads(app), seq: last.at + 1 });
}

async function read(questions: Questions, name: string, seq: number, filter: string): Promise<Lying[]> {
  const request = { seq, batch: CHUNK, max_bytes: CHUNK_BYTES, next_by_subj: filter };
  const { messages } = await questions.batch(name, request);
  return messages.map(({ head, data }) => ({
    at: numberOf(head, 'Nats-Sequence'),
    subject: headerOf(head, 'Nats-Subject'),
    storedAt: Date.parse(headerOf(head, 'Nats-Time-Stamp')),
    bytes: head.length + data.length,
  }));
}

const purge = (
  questions: Questions,
  name: string,
  request: { readonly filter: string; readonly seq?: number },
): Promise<unknown> => questions.api(`STREAM.PURGE.${name}`, request);
