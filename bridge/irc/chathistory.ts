/** The command CHATHISTORY (IRCv3 chathistory): what it asks for, and the answer to it. */
import type { LaneId, Millis } from '../../schema/ids.ts';
import type { Answer, Api } from './api.ts';
import { readConversations } from './directory.ts';
import type { Line } from './line.ts';
import { type Message, type Range, readMessages, readPlace } from './past.ts';
import { channelOf, fail, MAX_HISTORY, SERVER } from './replies.ts';
import { laneOf } from './translate.ts';

type Ref = { readonly kind: 'seq'; readonly seq: number } | { readonly kind: 'time'; readonly at: Millis };
const REFERENCES = { LATEST: 1, BEFORE: 1, AFTER: 1, AROUND: 1, BETWEEN: 2 } as const;
type Verb = keyof typeof REFERENCES;

export type Ask =
  | {
      readonly kind: 'messages';
      readonly verb: Verb;
      readonly lane: LaneId;
      readonly refs: readonly Ref[];
      readonly limit: number;
    }
  | { readonly kind: 'targets'; readonly from: Millis; readonly to: Millis; readonly limit: number }
  | { readonly kind: 'bad'; readonly line: Line };

export type Found =
  | { readonly kind: 'messages'; readonly lane: LaneId; readonly messages: readonly Message[] }
  | { readonly kind: 'targets'; readonly lines: readonly Line[] }
  | { readonly kind: 'failed'; readonly line: Line };

const bad = (code: string, rest: readonly string[], message: string): Extract<Ask, { kind: 'bad' }> => ({
  kind: 'bad',
  line: fail('CHATHISTORY', code, ...rest.filter((param) => param !== ''), message),
});

/** What the parameters ask for. Pure. */
export function parseAsk(params: readonly string[]): Ask {
  const [given = '', ...rest] = params;
  const name = given.toUpperCase();
  if (name === 'TARGETS') return parseTargets(rest);
  if (!Object.hasOwn(REFERENCES, name)) return bad('UNKNOWN_COMMAND', [given || '*'], 'There is no such command');
  const verb = name as Verb;
  const count = REFERENCES[verb];
  const [target = ''] = rest;
  const limit = limitOf(rest[count + 1]);
  if (limit === undefined || rest.length !== count + 2)
    return bad('INVALID_PARAMS', [verb], `It takes a channel, ${count} of msgid= or timestamp=, and a limit`);
  const lane = laneOf(target);
  if (!lane) return bad('INVALID_TARGET', [verb, target], 'There is no such conversation, or you are not in it');
  const refs = rest.slice(1, count + 1);
  if (verb === 'LATEST' && refs[0] === '*') return { kind: 'messages', verb, lane, refs: [], limit };
  const parsed = refs.map((ref) => refOf(lane, ref));
  const wrong = parsed.indexOf(undefined);
  if (wrong >= 0)
    return bad('INVALID_PARAMS', [verb, target], `${refs[wrong]} is neither a msgid= of this channel nor a timestamp=`);
  return { kind: 'messages', verb, lane, refs: parsed.filter((ref) => ref !== undefined), limit };
}

function parseTargets([one = '', other = '', limit]: readonly string[]): Ask {
  const [from, to] = [timeOf(one), timeOf(other)];
  const most = limitOf(limit);
  if (from === undefined || to === undefined || most === undefined)
    return bad('INVALID_PARAMS', ['TARGETS'], 'It takes two of timestamp=, and a limit');
  return { kind: 'targets', from: Math.min(from, to), to: Math.max(from, to), limit: most };
}

const limitOf = (text = ''): number | undefined =>
  /^[1-9]\d{0,8}$/.test(text) ? Math.min(Number(text), MAX_HISTORY) : undefined;

function refOf(lane: LaneId, text: string): Ref | undefined {
  const at = timeOf(text);
  if (at !== undefined) return { kind: 'time', at };
  const [, id, seq] = /^msgid=([^:]+):([1-9]\d{0,9})$/.exec(text) ?? [];
  return id === lane ? { kind: 'seq', seq: Number(seq) } : undefined;
}

function timeOf(text: string): Millis | undefined {
  const [, time = ''] = /^timestamp=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z)$/.exec(text) ?? [];
  const at = Date.parse(time);
  return Number.isNaN(at) ? undefined : at;
}

export async function readAsk(api: Pick<Api, 'ask'>, ask: Exclude<Ask, { kind: 'bad' }>): Promise<Found> {
  if (ask.kind === 'targets') return readTargets(api, ask);
  const { verb, lane } = ask;
  const answer = await readVerb(api, ask);
  if (answer.kind === 'trouble')
    return { kind: 'failed', line: fail('CHATHISTORY', 'MESSAGE_ERROR', verb, channelOf(lane), answer.message) };
  if (answer.data !== null) return { kind: 'messages', lane, messages: answer.data };
  const message = 'There is no such conversation, or you are not in it';
  return { kind: 'failed', line: fail('CHATHISTORY', 'INVALID_TARGET', verb, channelOf(lane), message) };
}

type Messages = Answer<readonly Message[] | null>;

async function readVerb(api: Pick<Api, 'ask'>, ask: Extract<Ask, { kind: 'messages' }>): Promise<Messages> {
  const { verb, lane, refs, limit } = ask;
  const bounds: Bound[] = [];
  for (const ref of refs) {
    const bound = await readBound(api, lane, ref);
    if (bound.kind === 'trouble' || bound.data === null) return bound as Answer<null>;
    bounds.push(bound.data);
  }
  const read = (range: Range) => readMessages(api, lane, range);
  const [one, other] = bounds;
  switch (verb) {
    case 'LATEST':
      return read({ after: one?.upTo, limit, end: 'newest' });
    case 'AFTER':
      return read({ after: one?.upTo, limit, end: 'oldest' });
    case 'BEFORE':
      return read({ before: one?.from, limit, end: 'newest' });
    case 'BETWEEN':
      return one && other && one.from <= other.from
        ? read({ after: one.upTo, before: other.from, limit, end: 'oldest' })
        : read({ after: other?.upTo, before: one?.from, limit, end: 'newest' });
    case 'AROUND':
      return around(read, one?.from ?? 1, limit);
    default:
      return verb satisfies never;
  }
}

async function around(read: (range: Range) => Promise<Messages>, from: number, limit: number): Promise<Messages> {
  const older = await read({ before: from, limit: Math.floor(limit / 2), end: 'newest' });
  if (older.kind === 'trouble' || older.data === null) return older;
  const newer = await read({ after: from - 1, limit: limit - older.data.length, end: 'oldest' });
  if (newer.kind === 'trouble' || newer.data === null) return newer;
  return { kind: 'data', data: [...older.data, ...newer.data] };
}

/** The places of a reference: before `from` lies what is before it, after `upTo` what is after it. */
interface Bound {
  readonly from: number;
  readonly upTo: number;
}

async function readBound(api: Pick<Api, 'ask'>, lane: LaneId, ref: Ref): Promise<Answer<Bound | null>> {
  if (ref.kind === 'seq') return { kind: 'data', data: { from: ref.seq, upTo: ref.seq } };
  const before = await readPlace(api, lane, ref.at, { including: false });
  if (before.kind === 'trouble' || before.data === null) return before as Answer<null>;
  const upTo = await readPlace(api, lane, ref.at, { including: true });
  if (upTo.kind === 'trouble' || upTo.data === null) return upTo as Answer<null>;
  return { kind: 'data', data: { from: before.data + 1, upTo: upTo.data } };
}

async function readTargets(api: Pick<Api, 'ask'>, ask: Extract<Ask, { kind: 'targets' }>): Promise<Found> {
  const answer = await readConversations(api);
  if (answer.kind === 'trouble')
    return { kind: 'failed', line: fail('CHATHISTORY', 'MESSAGE_ERROR', 'TARGETS', answer.message) };
  const lines = answer.data
    .filter(({ lastActivityAt }) => Date.parse(lastActivityAt) > ask.from && Date.parse(lastActivityAt) < ask.to)
    .slice(0, ask.limit)
    .reverse()
    .map(({ id, lastActivityAt }) => ({
      prefix: SERVER,
      command: 'CHATHISTORY',
      params: ['TARGETS', channelOf(id), lastActivityAt],
    }));
  return { kind: 'targets', lines };
}
