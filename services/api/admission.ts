/** Who comes in, by whichever door: the token, and how much its bearer and its address have asked already. */
import type { GraphQLError } from 'graphql';
import { Buckets, type Rate, requestsOf } from '../buckets.ts';
import type { Auth, Authentication, Identity } from './auth.ts';
import { apiError, badInput, unavailable } from './errors.ts';
import { FAILED_AUTH } from './limits.ts';
import type { People } from './people.ts';

export type Admitted =
  | { readonly kind: 'in'; readonly identity: Identity }
  | {
      readonly kind: 'out';
      readonly why: Exclude<Authentication['kind'], 'identity'> | 'too-many';
      readonly error: GraphQLError;
    };

export class Admission {
  readonly #auth: Auth;
  readonly #people: People;
  readonly #requests: Buckets;
  readonly #failures = new Buckets(FAILED_AUTH);

  constructor(auth: Auth, people: People, sends: Rate) {
    this.#auth = auth;
    this.#people = people;
    this.#requests = new Buckets(requestsOf(sends));
  }

  /** At once for a token seen before. Never rejects. */
  authenticate(authorization: unknown, as: unknown, address: string): Admitted | Promise<Admitted> {
    const known = this.#auth.recall(authorization, as);
    if (known) return this.#admitted(known);
    const wait = this.#failures.wait(address);
    if (wait > 0)
      return { kind: 'out', why: 'too-many', error: tooMany('Too many bad tokens came from this address.', wait) };
    return this.#auth.verify(authorization, as).then((verified) => {
      if (verified.kind === 'invalid' || verified.kind === 'expired') this.#failures.take(address);
      return this.#admitted(verified);
    });
  }

  /** Counts one request or operation; the error RATE_LIMITED when it is one too many. */
  count({ actor }: Identity): GraphQLError | undefined {
    const wait = this.#requests.take(actor.user);
    return wait > 0 ? tooMany('Too many requests.', wait) : undefined;
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
