/**
 * Who a token says you are. A token is verified once and remembered, by its hash, for as long as it stands; what it allows is
 * decided here and nowhere else.
 */
import { createSecretKey, hash } from 'node:crypto';
import { errors, type JWTPayload, jwtVerify } from 'jose';
import type { Actor } from '../../schema/commands.ts';
import { APP_PREFIX, ID_RULE, type Millis, parseUserId, type UserId } from '../../schema/ids.ts';
import type { TokenTrust } from '../config.ts';
import type { Revocations } from '../journal/revocations.ts';
import type { Logger } from '../logger.ts';
import { IssuerKeys } from './keys.ts';

/** What a token stands by, from its verification on. */
export interface Grounds {
  /** The token's own subject: a server's, where it acts for a user. */
  readonly subject: UserId;
  readonly expiresAt: Millis;
  /** Undefined: it does not say. */
  readonly issuedAt: Millis | undefined;
  /** Which of the issuer's keys verified it; undefined: a secret did. */
  readonly key: string | undefined;
}
/** `revoked`: its user's tokens of that age are. `unsigned`: its key is no longer the issuer's. */
export type Standing = 'good' | 'expired' | 'revoked' | 'unsigned';

export interface Identity extends Grounds {
  readonly actor: Actor;
  /** Claims for `User.name` and `User.avatarUrl` of `subject`. */
  readonly name: string | undefined;
  readonly avatarUrl: string | undefined;
}

export type Authentication =
  | { readonly kind: 'identity'; readonly identity: Identity }
  /** `unknown-key`: `learn` may help. */
  | { readonly kind: 'missing' | 'expired' | 'invalid' | 'revoked' | 'unknown-key'; readonly message: string }
  /** The token is good, and does not allow to act for another. */
  | { readonly kind: 'forbidden'; readonly message: string }
  /** Whom to act for is not a name. */
  | { readonly kind: 'bad-as'; readonly message: string }
  /** The keys that would tell are out of reach; `learn` may help. */
  | { readonly kind: 'unavailable'; readonly message: string };

/** What a token proves, before it is known for whom it acts. */
interface Claims extends Grounds {
  readonly admin: boolean;
  readonly server: boolean;
  readonly name: string | undefined;
  readonly avatarUrl: string | undefined;
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

const BEARER = /^Bearer ([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/i;
const no = <Kind extends string>(kind: Kind, message: string) => ({ kind, message }) as const;
const MISSING = no('missing', 'No token: send it as "Bearer <token>".');
const MALFORMED = no('invalid', 'The token is malformed.');
const EXPIRED = no('expired', 'The token has expired.');
const REVOKED = no('revoked', 'The token was revoked.');
const FOREIGN = 'The token is not signed by whom this installation trusts.';

export interface AuthParts {
  readonly trust: TokenTrust;
  readonly revocations: Pick<Revocations, 'before'>;
  readonly log: Logger;
  readonly clock?: () => Millis;
  /** How often the issuer's keys are asked for. */
  readonly askEveryMs?: number;
}

export class Auth {
  readonly #key: ReturnType<typeof createSecretKey> | IssuerKeys;
  readonly #trust: TokenTrust;
  readonly #revocations: AuthParts['revocations'];
  readonly #clock: () => Millis;
  /** In order of use, the longest unused first. */
  readonly #remembered = new Map<string, Claims>();

  constructor({ trust, revocations, log, clock = Date.now, askEveryMs }: AuthParts) {
    this.#trust = trust;
    this.#revocations = revocations;
    this.#clock = clock;
    this.#key =
      trust.kind === 'secret'
        ? createSecretKey(Buffer.from(trust.secret, 'utf8'))
        : new IssuerKeys(trust.url, log, askEveryMs);
  }

  stop(): void {
    if (this.#key instanceof IssuerKeys) this.#key.stop();
  }

  /** Of a token that was good once. Costs next to nothing: asked of everything that is open, twice a second. */
  standingOf({ subject, expiresAt, issuedAt = 0, key }: Grounds): Standing {
    if (expiresAt <= this.#clock()) return 'expired';
    if (issuedAt < this.#revocations.before(subject)) return 'revoked';
    return key === undefined || (this.#key instanceof IssuerKeys && this.#key.trusts(key)) ? 'good' : 'unsigned';
  }

  /** Asks for keys that are not known yet. Settles in bounded time, whatever comes of it. Never rejects. */
  async learn(): Promise<void> {
    if (this.#key instanceof IssuerKeys) await this.#key.learn();
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
    const standing = this.standingOf(claims);
    switch (standing) {
      case 'good':
        this.#remembered.set(name, claims);
        return actingFor(claims, as);
      case 'expired':
        return EXPIRED;
      case 'revoked':
        return REVOKED;
      case 'unsigned':
        return undefined;
      default:
        return standing satisfies never;
    }
  }

  /** Never rejects. */
  async verify(authorization: unknown, as: unknown): Promise<Authentication> {
    const token = tokenOf(authorization);
    if (token === undefined) return MALFORMED;
    const verified = await this.#verify(token);
    if (verified.kind !== 'claims') return verified;
    if (this.standingOf(verified.claims) === 'revoked') return REVOKED;
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
    const { issuer, audience, userClaim } = this.#trust;
    const options = {
      requiredClaims: [userClaim, 'exp'],
      currentDate: new Date(this.#clock()),
      ...(issuer === null ? {} : { issuer }),
      ...(audience === null ? {} : { audience }),
    };
    try {
      const key = this.#key;
      if (key instanceof IssuerKeys) {
        if (!key.areKnown) return { kind: 'unavailable', message: 'The key server cannot be reached.' };
        const verified = await key.verify(token, { ...options, algorithms: PUBLIC_KEY_ALGORITHMS });
        return claimsOf(verified.payload, userClaim, verified.key);
      }
      const { payload } = await jwtVerify(token, key, { ...options, algorithms: ['HS256'] });
      return claimsOf(payload, userClaim, undefined);
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
  if (error instanceof errors.JWTClaimValidationFailed)
    return no('invalid', `The token's claim "${error.claim}" is missing or not acceptable.`);
  if (error instanceof errors.JWKSNoMatchingKey) return no('unknown-key', FOREIGN);
  if (error instanceof errors.JWSSignatureVerificationFailed) return no('invalid', FOREIGN);
  return MALFORMED;
}

function claimsOf(payload: JWTPayload, userClaim: string, key: string | undefined): Verified {
  const subject = parseUserId(payload[userClaim]);
  if (subject === undefined) return no('invalid', `The token's "${userClaim}" is not a user id: ${ID_RULE}.`);
  if (subject.startsWith(APP_PREFIX)) return no('invalid', `The token's "${userClaim}" begins with "${APP_PREFIX}".`);
  const { scope, name, picture } = payload;
  const scopes = typeof scope === 'string' ? scope.split(' ') : [];
  const claims: Claims = {
    subject,
    admin: scopes.includes(ADMIN_SCOPE),
    server: scopes.includes(SERVER_SCOPE),
    name: shown(name, MAX_NAME_CHARS),
    avatarUrl: shown(picture, MAX_PICTURE_CHARS),
    expiresAt: (payload.exp as number) * 1000,
    issuedAt: typeof payload.iat === 'number' ? payload.iat * 1000 : undefined,
    key,
  };
  return { kind: 'claims', claims };
}

/** A claim for others' eyes; one that is no text, or too long, is as good as none. */
const shown = (claim: unknown, maxChars: number): string | undefined =>
  typeof claim === 'string' && claim !== '' && claim.length <= maxChars && !/\p{Surrogate}/u.test(claim)
    ? claim
    : undefined;

function actingFor(claims: Claims, as: unknown): Authentication {
  const { admin, server, ...own } = claims;
  const { subject } = own;
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
