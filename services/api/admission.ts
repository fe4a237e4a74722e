/** Who comes in, by whichever door: the token, and how much its bearer has asked already. */
import type { GraphQLError } from 'graphql';
import { Buckets, type Rate, requestsOf } from '../buckets.ts';
import { Slots } from '../slots.ts';
import type { Auth, Authentication, Identity, Standing } from './auth.ts';
import { apiError, badInput, unavailable } from './errors.ts';
import { VERIFICATIONS } from './limits.ts';
import type { People } from './people.ts';

export type Admitted =
  | { readonly kind: 'in'; readonly identity: Identity }
  | {
      readonly kind: 'out';
      readonly why: Exclude<Authentication['kind'], 'identity'>;
      readonly error: GraphQLError;
    };

const BUSY = { kind: 'unavailable', message: 'Too many tokens wait to be verified.' } as const;

export class Admission {
  readonly #auth: Auth;
  readonly #people: People;
  readonly #requests: Buckets;
  readonly #onVerified: (outcome: string) => void;
  readonly #verifications = new Slots(VERIFICATIONS);

  /** `onVerified` hears what came of each token that was not seen before. */
  constructor(auth: Auth, people: People, sends: Rate, onVerified: (outcome: string) => void) {
    this.#auth = auth;
    this.#people = people;
    this.#onVerified = onVerified;
    this.#requests = new Buckets(requestsOf(sends));
  }

  /**
   * At once for a token seen before, whatever else comes from its address. Nobody is refused for the bad tokens of others: each is
   * looked at, in its address's turn (`addressOf`: of the client). Never rejects.
   */
  authenticate(authorization: unknown, as: unknown, addressOf: () => string): Admitted | Promise<Admitted> {
    const known = this.#auth.recall(authorization, as);
    if (known) return this.#admitted(known);
    return this.#verified(authorization, as, addressOf()).then((verified) => {
      this.#onVerified(verified === BUSY ? 'busy' : verified.kind === 'identity' ? 'good' : verified.kind);
      return this.#admitted(verified);
    });
  }

  /** Counts one request or operation; the error RATE_LIMITED when it is one too many. */
  count({ actor }: Identity): GraphQLError | undefined {
    const wait = this.#requests.take(actor.user);
    return wait > 0 ? tooMany('Too many requests.', wait) : undefined;
  }

  standingOf(identity: Identity): Standing {
    return this.#auth.standingOf(identity);
  }

  async #verified(authorization: unknown, as: unknown, address: string): Promise<Authentication> {
    const verify = () => this.#verifications.tryHold(address, () => this.#auth.verify(authorization, as));
    const verified = await verify();
    if (verified?.kind !== 'unknown-key' && verified?.kind !== 'unavailable') return verified ?? BUSY;
    // Outside of the line: a slow key server holds up nobody whose key is known.
    await this.#auth.learn();
    return (await verify()) ?? BUSY;
  }

  #admitted(authentication: Authentication): Admitted {
    if (authentication.kind !== 'identity')
      return { kind: 'out', why: authentication.kind, error: errorOf(authentication) };
    const { identity } = authentication;
    const { subject, name, avatarUrl } = identity;
    this.#people.seen(subject, {
      ...(name === undefined ? {} : { name }),
      ...(avatarUrl === undefined ? {} : { avatarUrl }),
    });
    return { kind: 'in', identity };
  }
}

export const tooMany = (message: string, retryAfterMs: number): GraphQLError =>
  apiError('RATE_LIMITED', message, retryAfterMs);

function errorOf({ kind, message }: Exclude<Authentication, { kind: 'identity' }>): GraphQLError {
  switch (kind) {
    case 'missing':
    case 'expired':
    case 'invalid':
    case 'revoked':
    case 'unknown-key':
      return apiError('UNAUTHENTICATED', message);
    case 'forbidden':
      return apiError('FORBIDDEN', message);
    case 'bad-as':
      return badInput('Lanes-As', message);
    case 'unavailable':
      return unavailable(message);
    default:
      return kind satisfies never;
  }
}
