/** What the resolvers of one request share: who asks, each lane as it was read once, and what its answer may still hold. */
import type { GraphQLResolveInfo } from 'graphql';
import type { LaneId, UserId } from '../../schema/ids.ts';
import type { Buckets } from '../buckets.ts';
import type { Lanes, Loaded } from '../journal/lanes.ts';
import { tooMany } from './admission.ts';
import type { Identity } from './auth.ts';
import { fieldsIn } from './document-limits.ts';
import { apiError } from './errors.ts';
import { MAX_ANSWER_BYTES, MAX_ROWS } from './limits.ts';

/** What a field takes in an answer, about: its name, and a value that has no great length. */
const FIELD_BYTES = 64;
/** What an answer holds is charged to its user in steps of this: one that is smaller costs nothing beside its request. */
const STEP_BYTES = 4 * 1024;
/** A field costs the processor about 1 µs (measured), a unit of work stands for 5. */
const BYTES_PER_UNIT = 4 * FIELD_BYTES;

/** Of one answer, or of one frame of a stream. */
export interface AnswerContext {
  /** Called before so many bytes are put into the answer, about. Throws BAD_USER_INPUT when it would be larger than one may be. */
  spend(bytes: number): void;
}

export interface RequestContext extends AnswerContext {
  readonly identity: Identity;
  /** The lane at least as new as when this request came; read once, however many fields ask. Throws JournalUnavailable, PoisonedLane. */
  fresh(id: LaneId): Promise<Loaded>;
  /** Called before rows are read. Throws BAD_USER_INPUT when it is more than one request may have. */
  charge(rows: number): void;
}

export interface ContextParts {
  readonly lanes: Pick<Lanes, 'fresh'>;
  /** What each user's answers may take. */
  readonly work: Pick<Buckets, 'take'>;
}

/** Its `spend` throws RATE_LIMITED, too: when the user's answers take more than its budget. */
export function contextOf(identity: Identity, { lanes, work }: ContextParts): RequestContext {
  // A send reads no lane, so none of this is made for it.
  let read: Map<LaneId, Promise<Loaded>> | undefined;
  let rows = 0;
  let spent = 0;
  let paid = 0;
  return {
    identity,
    fresh: (id) => {
      read ??= new Map();
      const reading = read.get(id) ?? lanes.fresh(id);
      read.set(id, reading);
      return reading;
    },
    charge: (more) => {
      rows += more;
      if (rows > MAX_ROWS)
        throw apiError('BAD_USER_INPUT', `One request asks for at most ${MAX_ROWS} rows in all its pages.`);
    },
    spend: (bytes) => {
      spent += bytes;
      assertFits(spent);
      if (spent - paid < STEP_BYTES) return;
      const wait = work.take(identity.actor.user, (spent - paid) / BYTES_PER_UNIT);
      paid = spent;
      if (wait > 0) throw tooMany('You ask for more than your budget of answers allows.', wait);
    },
  };
}

/** Of a frame that is made for this user: what it holds is charged, whatever is left of the budget. */
export function chargedContext(user: UserId, work: Pick<Buckets, 'charge'>): AnswerContext {
  const answer = answerContext();
  return {
    spend: (bytes) => {
      answer.spend(bytes);
      work.charge(user, bytes / BYTES_PER_UNIT);
    },
  };
}

/** Nobody pays. */
export function answerContext(): AnswerContext {
  let bytes = 0;
  return {
    spend: (more) => {
      bytes += more;
      assertFits(bytes);
    },
  };
}

function assertFits(bytes: number): void {
  if (bytes > MAX_ANSWER_BYTES)
    throw apiError(
      'BAD_USER_INPUT',
      `An answer holds at most ${MAX_ANSWER_BYTES / 1024 ** 2} MiB, estimated: ask for less.`,
    );
}

/** Before a list's rows are made: each of them has what the document selects of it, lists inside it counted for themselves. */
export function spendRows({ spend }: AnswerContext, rows: number, { fieldNodes, fragments }: GraphQLResolveInfo): void {
  spend(rows * fieldsIn(fieldNodes, fragments) * FIELD_BYTES);
}

/** The text, when the answer may hold it. */
export function spendText<Text extends string | null>({ spend }: AnswerContext, text: Text): Text {
  if (text !== null) spend(text.length);
  return text;
}
