/**
 * A place in a stream: a sequence together with the identity of the record there. A server that lost the end of a stream, or
 * had an older copy put back, gives the same sequences again to other records: by the sequence alone nobody would notice.
 */
import type { Millis, Revision } from '../../schema/ids.ts';
import { asUnavailable, type Questions } from './ask.ts';

/** Of the record `revision`: its id. Null: it has none that this version can read. */
export type RecordId = string | null;

export interface Place {
  readonly revision: Revision;
  /** Undefined: it was not written down. What is there is believed once. */
  readonly id?: RecordId | undefined;
  /** When the record was stored. Undefined: it was not written down. */
  readonly at?: Millis | undefined;
}

/** The stream is not the one in which that place was reached: its end was lost, or it was restored or made anew. */
export class OtherStream extends Error {
  override readonly name = 'OtherStream';
}

/** How a stream stands around one sequence, as its leader has it. */
export interface Standing {
  readonly first: number;
  readonly end: number;
  /** Of the record there; undefined: there is none. */
  readonly id: RecordId | undefined;
}
interface StreamInfo {
  readonly state: { readonly messages: number; readonly first_seq: number; readonly last_seq: number };
}

/** Throws JournalUnavailable. */
export async function readStanding(
  questions: Pick<Questions, 'api' | 'stored'>,
  stream: string,
  sequence: number,
  idOf: (subject: string, payload: Uint8Array) => RecordId,
): Promise<Standing> {
  try {
    const { state } = await questions.api<StreamInfo>(`STREAM.INFO.${stream}`);
    const first = state.messages > 0 ? state.first_seq : state.last_seq + 1;
    const isInside = sequence >= first && sequence <= state.last_seq;
    const stored = isInside ? await questions.stored(stream, { seq: sequence }) : undefined;
    return { first, end: state.last_seq, id: stored && idOf(stored.subject, stored.data) };
  } catch (error) {
    throw asUnavailable(error);
  }
}

/** Undefined: it is the same stream, as far as can be told. What was removed from it says nothing. */
export function whyOther({ revision, id }: Place, standing: Standing): string | undefined {
  if (revision === 0) return undefined;
  if (standing.end < revision)
    return `stream sequence ${revision} was reached, and the stream ends at ${standing.end}: its end was lost, or it was restored or made anew`;
  if (id === undefined || standing.id === undefined || standing.id === id) return undefined;
  return `the stream has another record at ${revision} than the one that was read there: its end was lost, or it was restored or made anew`;
}

/** A node that was leader may answer for so long that a stream ends earlier than it does. */
const STALE_MS = 10_000;
const AGAIN_MS = 500;

/**
 * As `whyOther`, asked of the leader. Of several servers, one that says that the stream is shorter is asked again for a
 * while. Throws JournalUnavailable.
 */
export async function askWhyOther(
  place: Place,
  ask: () => Promise<Standing>,
  { isClustered, signal }: { readonly isClustered: boolean; readonly signal?: AbortSignal | undefined },
): Promise<{ readonly why: string | undefined; readonly standing: Standing }> {
  const since = performance.now();
  for (;;) {
    const standing = await ask();
    const why = whyOther(place, standing);
    const mayBeStale = isClustered && standing.end < place.revision && performance.now() - since < STALE_MS;
    if (!mayBeStale || signal?.aborted) return { why: signal?.aborted ? undefined : why, standing };
    await new Promise((wake) => setTimeout(wake, AGAIN_MS));
  }
}
