/** Pages, by every door: what their arguments may be, and cursors, which are opaque to everybody else. */
import type { Maybe, PageInfo } from '../../schema/generated.ts';
import { type LaneId, type Millis, parseLaneId, parseUserId, type UserId } from '../../schema/ids.ts';
import { BadInput } from '../lane/parse.ts';

export const MAX_PAGE = 100;
const USUAL_PAGE = 50;

export interface Edge<Node> {
  readonly cursor: string;
  readonly node: Node;
}
export interface Connection<Node> {
  readonly edges: readonly Edge<Node>[];
  readonly nodes: readonly Node[];
  readonly pageInfo: PageInfo;
}

export function connectionOf<Node>(
  nodes: readonly Node[],
  cursorOf: (node: Node) => string,
  more: { readonly before: boolean; readonly after: boolean },
): Connection<Node> {
  const edges = nodes.map((node) => ({ cursor: cursorOf(node), node }));
  const pageInfo = {
    hasNextPage: more.after,
    hasPreviousPage: more.before,
    startCursor: edges[0]?.cursor ?? null,
    endCursor: edges.at(-1)?.cursor ?? null,
  };
  return { edges, nodes, pageInfo };
}

export function sizeOf(field: string, value: number): number {
  if (value < 1 || value > MAX_PAGE) throw new BadInput(field, `1 to ${MAX_PAGE}`);
  return value;
}

interface LanePageArgs {
  readonly first?: Maybe<number>;
  readonly after?: Maybe<string>;
  readonly last?: Maybe<number>;
  readonly before?: Maybe<string>;
  readonly aroundSeq?: Maybe<number>;
}
/** Undefined stands for absent: what is null and what is left out means the same. */
export interface LanePageAsk {
  readonly first?: number;
  readonly after?: number;
  readonly last?: number;
  readonly before?: number;
  readonly aroundSeq?: number;
}

/** The arguments of `messages` and `events`. Exactly one of `first` and `last` is in the answer. */
export function lanePageOf(args: LanePageArgs): LanePageAsk {
  const { first, last, after, before, aroundSeq } = args;
  if (isGiven(first) && isGiven(last)) throw new BadInput('first', 'not together with last');
  const size = isGiven(first) ? { first: sizeOf('first', first) } : { last: sizeOf('last', last ?? USUAL_PAGE) };
  if (!isGiven(aroundSeq))
    return {
      ...size,
      ...(isGiven(after) ? { after: seqOfCursor('after', after) } : {}),
      ...(isGiven(before) ? { before: seqOfCursor('before', before) } : {}),
    };
  if (isGiven(after)) throw new BadInput('aroundSeq', 'not together with after');
  if (isGiven(before)) throw new BadInput('aroundSeq', 'not together with before');
  if (aroundSeq < 1) throw new BadInput('aroundSeq', 'at least 1');
  return { ...size, aroundSeq };
}

const isGiven = <T>(value: Maybe<T> | undefined): value is T => value !== null && value !== undefined;

/** The letter is the list's, the digit the form's version. */
type CursorKind = 's1' | 'm1' | 'c1' | 'u1';
const cursor = (kind: CursorKind, ...parts: readonly (string | number)[]): string =>
  Buffer.from([kind, ...parts].join(':'), 'latin1').toString('base64url');

function partsOf(kind: CursorKind, field: string, value: string, count: number): readonly string[] {
  const [found, ...parts] = Buffer.from(value, 'base64url').toString('latin1').split(':');
  if (found !== kind || parts.length !== count) throw notACursor(field);
  return parts;
}
const notACursor = (field: string) => new BadInput(field, 'a cursor that this list gave');

function numberOf(field: string, value: string | undefined): number {
  if (value === undefined || !/^\d{1,15}$/.test(value)) throw notACursor(field);
  return Number(value);
}

export const seqCursor = (seq: number): string => cursor('s1', seq);
const seqOfCursor = (field: string, value: string): number => numberOf(field, partsOf('s1', field, value, 1)[0]);

export const memberCursor = (joinedSeq: number, user: UserId): string => cursor('m1', joinedSeq, user);
export function memberOfCursor(field: string, value: string): { readonly joinedSeq: number; readonly user: UserId } {
  const [joinedSeq, id] = partsOf('m1', field, value, 2);
  const user = parseUserId(id);
  if (user === undefined) throw notACursor(field);
  return { joinedSeq: numberOf(field, joinedSeq), user };
}

export const userCursor = (user: UserId): string => cursor('u1', user);
export function userOfCursor(field: string, value: string): UserId {
  const user = parseUserId(partsOf('u1', field, value, 1)[0]);
  if (user === undefined) throw notACursor(field);
  return user;
}

export const activityCursor = (at: Millis, lane: LaneId): string => cursor('c1', at, lane);
export function activityOfCursor(
  field: string,
  value: string,
): { readonly lastActivityAt: Millis; readonly lane: LaneId } {
  const [at, id] = partsOf('c1', field, value, 2);
  const lane = parseLaneId(id);
  if (lane === undefined) throw notACursor(field);
  return { lastActivityAt: numberOf(field, at), lane };
}
