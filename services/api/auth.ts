/**
 * Who a token says you are. A token is verified once and remembered, by its hash, until it ends; what it allows is decided
 * here and nowhere else.
 */
import { createSecretKey, hash } from 'node:crypto';
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Actor } from '../../schema/commands.ts';
import { APP_PREFIX, ID_RULE, type Millis, parseUserId, type UserId } from '../../schema/ids.ts';
import type { TokenTrust } from '../config.ts';

export interface Identity {
  readonly actor: Actor;
  /** The token's own subject: a server's, where it acts for a user. */
  readonly subject: UserId;
  /** Claims for `User.name` and `User.avatarUrl` of `subject`. */
  readonly name: string | undefined;
  readonly avatarUrl: string | undefined;
  readonly expiresAt: Millis;
}

export type Authentication =
  | { readonly kind: 'identity'; readonly identity: Identity }
  | { readonly kind: 'missing' | 'expired' | 'invalid'; readonly message: string }
  /** The token is good, and does not allow to act for another. */
  | { readonly kind: 'forbidden'; readonly message: string }
  /** Whom to act for is not a name. */
  | { readonly kind: 'bad-as'; readonly message: string }
  /** The keys that would tell are out of reach. */
  | { readonly kind: 'unavailable'; readonly message: string };

/** What a token proves, before it is known for whom it acts. */
interface Claims {
  readonly subject: UserId;
  readonly admin: boolean;
  readonly server: boolean;
  readonly name: string | undefined;
  readonly avatarUrl: string | undefined;
  readonly expiresAt: Millis;
}
type Verified = { readonly kind: 'claims'; readonly claims: Claims } | Exclude<Authentication, { kind: 'identity' }>;

export const ADMIN_SCOPE = 'lanes:admin';
export const SERVER_SCOPE = 'lanes:server';
/** What RFC 8725 section 3.1 asks for: never what the token's own header says alone. */
const PUBLIC_KEY_ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];
/** A longer one is not looked at. */
const MAX_TOKEN_CHARS = 8_192;
const MAX_NAME_CHARS = 256;
const MAX_PICTURE_CHARS = 2_048;
/** Verified tokens remembered in this process; the longest unused goes first. */
const MAX_REMEMBERED = 20_000;
const JWKS_TIMEOUT_MS = 3_000;

const BEARER = /^Bearer ([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/i;
const no = (kind: 'missing' | 'expired' | 'invalid', message: string) => ({ kind, message }) as const;
const MISSING = no('missing', 'No token: send it as "Bearer <token>".');
const MALFORMED = no('invalid', 'The token is malformed.');
const EXPIRED = no('expired', 'The token has expired.');

export class Auth {
  readonly #key: ReturnType<typeof createSecretKey> | JWTVerifyGetKey;
  readonly #algorithms: string[];
  readonly #trust: TokenTrust;
  readonly #clock: () => Millis;
  /** In order of use, the longest unused first. */
  readonly #remembered = new Map<string, Claims>();

  constructor(trust: TokenTrust, clock: () => Millis = Date.now) {
    this.#trust = trust;
    this.#clock = clock;
    this.#algorithms = trust.kind === 'secret' ? ['HS256'] : PUBLIC_KEY_ALGORITHMS;
    this.#key =
      trust.kind === 'secret'
        ? createSecretKey(Buffer.from(trust.secret, 'utf8'))
        : createRemoteJWKSet(new URL(trust.url), { timeoutDuration: JWKS_TIMEOUT_MS });
  }

  /**
   * What is known without a look at a signature: that there is no token, or what was verified before. Undefined: `verify` tells.
   * `authorization`: `Bearer <token>`; `as`: the user a server acts for.
   */
  recall(authorization: unknown, as: unknown): Authentication | undefined {
    if (authorization === undefined || authorization === null || authorization === '') return MISSING;
    const token = tokenOf(authorization);
    if (token === undefined) return MALFORMED;
    const name = hashOf(token);
    const claims = this.#remembered.get(name);
    if (!claims) return undefined;
    this.#remembered.delete(name);
    if (claims.expiresAt <= this.#clock()) return EXPIRED;
    this.#remembered.set(name, claims);
    return actingFor(claims, as);
  }

  /** Never rejects. */
  async verify(authorization: unknown, as: unknown): Promise<Authentication> {
    const token = tokenOf(authorization);
    if (token === undefined) return MALFORMED;
    const verified = await this.#verify(token);
    if (verified.kind !== 'claims') return verified;
    this.#remember(hashOf(token), verified.claims);
    return actingFor(verified.claims, as);
  }

  #remember(name: string, claims: Claims): void {
    this.#remembered.set(name, claims);
    if (this.#remembered.size <= MAX_REMEMBERED) return;
    const [longestUnused] = this.#remembered.keys();
    if (longestUnused !== undefined) this.#remembered.delete(longestUnused);
  }

  async #verify(token: string): Promise<Verified> {
    const { issuer, audience } = this.#trust;
    const options = {
      algorithms: this.#algorithms,
      requiredClaims: ['sub', 'exp'],
      currentDate: new Date(this.#clock()),
      ...(issuer === null ? {} : { issuer }),
      ...(audience === null ? {} : { audience }),
    };
    try {
      const key = this.#key;
      const { payload } =
        typeof key === 'function' ? await jwtVerify(token, key, options) : await jwtVerify(token, key, options);
      return claimsOf(payload);
    } catch (error) {
      return failureOf(error);
    }
  }
}

function tokenOf(authorization: unknown): string | undefined {
  if (typeof authorization !== 'string' || authorization.length > MAX_TOKEN_CHARS) return undefined;
  return BEARER.exec(authorization)?.[1];
}

const hashOf = (token: string): string => hash('sha256', token, 'base64');

function failureOf(error: unknown): Verified {
  if (error instanceof errors.JWTExpired) return EXPIRED;
  if (error instanceof errors.JWKSTimeout) return { kind: 'unavailable', message: 'The key server does not answer.' };
  if (error instanceof errors.JWTClaimValidationFailed)
    return no('invalid', `The token's claim "${error.claim}" is missing or not acceptable.`);
  if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWKSNoMatchingKey)
    return no('invalid', 'The token is not signed by whom this installation trusts.');
  // jose throws the plain JOSEError where the key server answers with something else than keys, fetch a TypeError.
  const keysFailed = !(error instanceof errors.JOSEError) || error.code === 'ERR_JOSE_GENERIC';
  return keysFailed ? { kind: 'unavailable', message: 'The key server cannot be reached.' } : MALFORMED;
}

function claimsOf(payload: JWTPayload): Verified {
  const subject = parseUserId(payload.sub);
  if (subject === undefined) return no('invalid', `The token's "sub" is not a user id: ${ID_RULE}.`);
  if (subject.startsWith(APP_PREFIX)) return no('invalid', `The token's "sub" begins with "${APP_PREFIX}".`);
  const { scope, name, picture } = payload;
  const scopes = typeof scope === 'string' ? scope.split(' ') : [];
  const claims: Claims = {
    subject,
    admin: scopes.includes(ADMIN_SCOPE),
    server: scopes.includes(SERVER_SCOPE),
    name: shown(name, MAX_NAME_CHARS),
    avatarUrl: shown(picture, MAX_PICTURE_CHARS),
    expiresAt: (payload.exp as number) * 1000,
  };
  return { kind: 'claims', claims };
}

/** A claim for others' eyes; one that is no text, or too long, is as good as none. */
const shown = (claim: unknown, maxChars: number): string | undefined =>
  typeof claim === 'string' && claim !== '' && claim.length <= maxChars && !/\p{Surrogate}/u.test(claim)
    ? claim
    : undefined;

function actingFor(claims: Claims, as: unknown): Authentication {
  const { subject, admin, server, name, avatarUrl, expiresAt } = claims;
  const own = { subject, name, avatarUrl, expiresAt };
  if (as === undefined || as === null || as === '') {
    // What an administrator does is marked as done by that right.
    const actor: Actor = { user: subject, admin, server, ...(admin ? { via: subject } : {}) };
    return { kind: 'identity', identity: { ...own, actor } };
  }
  if (!server) return { kind: 'forbidden', message: `Acting for another user needs the scope ${SERVER_SCOPE}.` };
  const user = parseUserId(as);
  if (user === undefined || user.startsWith(APP_PREFIX))
    return { kind: 'bad-as', message: `a user id, ${ID_RULE}, not beginning with "${APP_PREFIX}"` };
  return { kind: 'identity', identity: { ...own, actor: { user, via: subject, admin: false, server } } };
}
