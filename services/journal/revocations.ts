/**
 * Users whose tokens were revoked, and from when on theirs count again. Reads come from memory, which every process keeps current by itself: the
 * doors know it while MongoDB, or NATS, is down.
 */
import { type Millis, parseUserId, type UserId } from '../../schema/ids.ts';
import {
  allRevocationSubjects,
  liveRevocationSubjects,
  REVOCATION_STREAM,
  revocationSubject,
} from '../../schema/subjects.ts';
import { JournalUnavailable } from './journal.ts';
import { type LastValues, openLastValues } from './last-values.ts';
import type { LinkOptions } from './link.ts';

interface Revocation {
  readonly user: UserId;
  readonly before: Millis;
}

/** Those revoked last; an earlier one is forgotten. The stream holds at least as many. */
const REVOCATIONS_MAX = 40_000;
const TRIES = 5;

export class Revocations {
  readonly #values: LastValues<UserId, Revocation>;

  constructor(values: LastValues<UserId, Revocation>) {
    this.#values = values;
  }

  /** Tokens of `user` that were issued before it are no good; 0: all are. At most a second behind the store while NATS answers. */
  before(user: UserId): Millis {
    return this.#values.get(user)?.before ?? 0;
  }

  /** Stored durably. It never moves back: the later of two counts. Gives what counts. Throws JournalUnavailable; then it may be stored or not. */
  async revoke(user: UserId, before: Millis): Promise<Millis> {
    for (let tries = 0; tries < TRIES; tries++) {
      if (this.before(user) >= before) return this.before(user);
      if ((await this.#values.put(user, revocationSubject(user), { user, before })) === 'stored') return before;
    }
    throw new JournalUnavailable('others revoke the same user at the same moment');
  }

  close(): Promise<void> {
    return this.#values.close();
  }
}

/** Settles when all have been read, however long that takes (`signal` ends it). */
export const openRevocations = async (options: LinkOptions): Promise<Revocations> =>
  new Revocations(
    await openLastValues<UserId, Revocation>(options, {
      stream: REVOCATION_STREAM,
      subjects: allRevocationSubjects,
      liveSubjects: liveRevocationSubjects,
      alarm: 'revocation',
      what: 'the revoked users',
      max: REVOCATIONS_MAX,
      parse: (subject, json) => {
        const { user, before } = json as { readonly user?: unknown; readonly before?: unknown };
        const id = parseUserId(user);
        return id !== undefined && typeof before === 'number' && subject === revocationSubject(id)
          ? { key: id, value: { user: id, before } }
          : undefined;
      },
    }),
  );
