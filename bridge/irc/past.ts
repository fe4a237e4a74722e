/**
 * Messages of the past, by place or by time. The api's pages go by cursors, and a place's cursor is read from the page of one
 * event around it; a time's place is searched for: times never fall along places.
 */
import { z } from 'zod';
import type { LaneId, Millis } from '../../schema/ids.ts';
import type { Answer, Api } from './api.ts';
import { eventsQuery, eventsShape, type Frame } from './documents.ts';

type Asker = Pick<Api, 'ask'>;
export type Message = Extract<Frame, { kind: 'message' }>;

/** Messages with `after` < seq < `before`, at most `limit`: the newest of them, or the oldest. Rising by seq. */
export interface Range {
  readonly after?: number | undefined;
  readonly before?: number | undefined;
  readonly limit: number;
  readonly end: 'newest' | 'oldest';
}

/** Pages read for one range at most: where hardly anything but coming and going happened, fewer messages are found. */
const MAX_PAGES = 10;
const PAGE = 100;
/** Places that one request looks at: the api takes 50 aliases. */
const PROBES = 16;
/** More than any lane takes: 16 probes a round leave a seventeenth. */
const MAX_ROUNDS = 12;

/** Null: there is no such conversation, or it is not this user's. */
export async function readMessages(api: Asker, id: LaneId, range: Range): Promise<Answer<readonly Message[] | null>> {
  const cursors = await readCursors(api, id, range);
  if (cursors.kind === 'trouble' || cursors.data === null) return cursors as Answer<null>;
  let { after, before } = cursors.data;
  let found: Message[] = [];
  const newest = range.end === 'newest';
  for (let pages = 0; pages < MAX_PAGES && found.length < range.limit; pages++) {
    const args = [`${newest ? 'last' : 'first'}: ${PAGE}`, `after: $after`, `before: $before`].join(', ');
    const query = `query($id: ID!, $after: String, $before: String) { conversation(id: $id) { ${eventsQuery(args)} } }`;
    const answer: Answer<z.infer<typeof pageShape>> = await api.ask(query, { id, after, before }, pageShape);
    if (answer.kind === 'trouble') return answer;
    if (!answer.data.conversation) return { kind: 'data', data: null };
    const { edges, pageInfo } = answer.data.conversation.events;
    const messages = edges.map(({ node }) => node).filter((node): node is Message => isWithin(node, range));
    found = newest ? [...messages, ...found] : [...found, ...messages];
    if (edges.length === 0 || !(newest ? pageInfo.hasPreviousPage : pageInfo.hasNextPage)) break;
    if (newest) before = edges[0]?.cursor;
    else after = edges.at(-1)?.cursor;
  }
  return { kind: 'data', data: newest ? found.slice(-range.limit) : found.slice(0, range.limit) };
}

const pageShape = z.object({ conversation: z.object({ events: eventsShape }).nullable() });

const isWithin = (frame: Frame, { after = 0, before = Number.POSITIVE_INFINITY }: Range): boolean =>
  frame.kind === 'message' && frame.seq > after && frame.seq < before;

/** The cursors at both ends; none where everything on that side may be read. */
async function readCursors(api: Asker, id: LaneId, { after, before }: Range) {
  const ends = [after, before].map((seq, i) =>
    seq === undefined || seq < 1 ? undefined : { seq, name: i === 0 ? 'a' : 'b' },
  );
  const asked = ends.filter((end) => end !== undefined);
  if (asked.length === 0) return { kind: 'data', data: {} as Cursors } as const;
  const fields = asked.map(({ name, seq }) => `${name}: ${eventsQuery(`aroundSeq: ${seq}, first: 1`)}`).join(' ');
  const answer = await api.ask(`query($id: ID!) { conversation(id: $id) { ${fields} } }`, { id }, cursorsShape);
  if (answer.kind === 'trouble') return answer;
  const { conversation } = answer.data;
  if (!conversation) return { kind: 'data', data: null } as const;
  // A place that may not be seen has a neighbour for an answer: it bounds the page only from its own side.
  const [a] = conversation.a?.edges ?? [];
  const [b] = conversation.b?.edges ?? [];
  const data: Cursors = {
    ...(a && after !== undefined && a.node.seq <= after ? { after: a.cursor } : {}),
    ...(b && before !== undefined && b.node.seq >= before ? { before: b.cursor } : {}),
  };
  return { kind: 'data', data } as const;
}

type Cursors = { after?: string | undefined; before?: string | undefined };
const cursorsShape = z.object({
  conversation: z.object({ a: eventsShape.optional(), b: eventsShape.optional() }).nullable(),
});

/** The last place whose time is before `at` (or, `including`, not after it); 0: there is none. Null: as above. */
export async function readPlace(
  api: Asker,
  id: LaneId,
  at: Millis,
  { including }: { readonly including: boolean },
): Promise<Answer<number | null>> {
  const isBefore = (time: string) => Date.parse(time) < at || (including && Date.parse(time) === at);
  let low = 0;
  let high = Number.POSITIVE_INFINITY;
  for (let round = 0; round < MAX_ROUNDS && low < high; round++) {
    const fields = probesOf(low, high).map(
      (seq, i) => `p${i}: events(aroundSeq: ${seq}, first: 1) { nodes { seq at } }`,
    );
    const query = `query($id: ID!) { conversation(id: $id) { firstSeq lastSeq ${fields.join(' ')} } }`;
    const answer: Answer<z.infer<typeof probesShape>> = await api.ask(query, { id }, probesShape);
    if (answer.kind === 'trouble') return answer;
    const { conversation } = answer.data;
    if (!conversation) return { kind: 'data', data: null };
    const { firstSeq, lastSeq, ...probes } = conversation;
    if (high === Number.POSITIVE_INFINITY) {
      low = firstSeq - 1;
      high = lastSeq;
      continue;
    }
    const nodes = Object.values(probes).flatMap((probe) => (probe as z.infer<typeof probeShape>).nodes);
    low = Math.max(low, ...nodes.filter((node) => isBefore(node.at)).map(({ seq }) => seq));
    high = Math.min(high, ...nodes.filter((node) => !isBefore(node.at)).map(({ seq }) => seq - 1));
  }
  return { kind: 'data', data: low };
}

const probeShape = z.object({ nodes: z.array(z.object({ seq: z.number(), at: z.string() })) });
const probesShape = z.object({
  conversation: z.object({ firstSeq: z.number(), lastSeq: z.number() }).catchall(probeShape).nullable(),
});

/** Places above `low` up to `high`, as far from each other as they can be. Of an unknown range: none. */
export function probesOf(low: number, high: number): readonly number[] {
  if (high === Number.POSITIVE_INFINITY) return [];
  const count = Math.min(PROBES, high - low);
  return Array.from(
    { length: count },
    (_, i) => low + Math.ceil(((i + 1) * (high - low)) / (count + (count < PROBES ? 0 : 1))),
  );
}
