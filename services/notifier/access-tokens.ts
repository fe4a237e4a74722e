/**
 * Access tokens for a Google service account: a signed assertion is exchanged for a token at the account's `token_uri`
 * (RFC 7523). One exchange at a time whoever asks, renewed before the end. Tokens are secrets.
 */
import type { KeyObject } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import { SignJWT } from 'jose';
import type { Millis } from '../../schema/ids.ts';
import { Patience } from '../patience.ts';
import { type Answer, jsonOf, retryAfterOf, type Silence, Wire, wordOf } from '../wire.ts';

export interface ServiceAccount {
  readonly projectId: string;
  readonly clientEmail: string;
  readonly privateKey: KeyObject;
  readonly privateKeyId: string | undefined;
  /** https. */
  readonly tokenUri: string;
}
export type Token =
  | { readonly kind: 'token'; readonly value: string }
  | { readonly kind: 'credentials'; readonly code: string }
  | { readonly kind: 'retry'; readonly code: string; readonly afterMs?: number | undefined };

const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const ASSERTION_SECONDS = 3600;
/** Before its end a token is renewed beside its use; in the last moments it is not used any more. */
const RENEW_BEFORE_MS = 5 * 60_000;
const LAST_MS = 10_000;
/** After a vain renewal with a token still good, how long until the next. */
const RENEW_AGAIN_MS = 10_000;
const EXCHANGE_MS = 8_000;

export class AccessTokens {
  readonly #account: ServiceAccount;
  readonly #wire: Wire;
  readonly #clock: () => Millis;
  #held: { readonly value: string; readonly until: Millis; renewAt: Millis } | undefined;
  #exchange: Promise<Token> | undefined;
  #exchanging: Patience | undefined;
  #stopped = false;

  constructor(account: ServiceAccount, trust: SecureContext | undefined, clock: () => Millis) {
    this.#account = account;
    this.#clock = clock;
    const { origin } = new URL(account.tokenUri);
    this.#wire = new Wire({ origin, trust, protocols: ['h2', 'http/1.1'], streams: 4, connections: 1 });
  }

  /** A token that is good now. Never rejects. */
  async token(): Promise<Token> {
    const held = this.#held;
    const now = this.#clock();
    if (held === undefined || now >= held.until - LAST_MS) return this.#renew();
    if (now >= held.renewAt) {
      held.renewAt = now + RENEW_AGAIN_MS;
      void this.#renew();
    }
    return { kind: 'token', value: held.value };
  }

  /** The host did not take this one: the next `token()` is another. */
  refused(value: string): void {
    if (this.#held?.value === value) this.#held = undefined;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#exchanging?.end('given-up');
    await this.#exchange;
    await this.#wire.stop();
  }

  #renew(): Promise<Token> {
    this.#exchange ??= this.#exchanged()
      .catch((): Token => ({ kind: 'retry', code: 'TOKEN_FAULT' }))
      .finally(() => {
        this.#exchange = undefined;
      });
    return this.#exchange;
  }

  async #exchanged(): Promise<Token> {
    const assertion = await this.#assertion();
    const { pathname, search } = new URL(this.#account.tokenUri);
    const body = new URLSearchParams({ grant_type: GRANT, assertion }).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const patience = new Patience().limit(EXCHANGE_MS);
    this.#exchanging = patience;
    if (this.#stopped) patience.end('given-up');
    const answer = await this.#wire.post({ path: `${pathname}${search}`, headers, body }, patience);
    patience.release();
    return this.#taken(answer);
  }

  #assertion(): Promise<string> {
    const { clientEmail, privateKey, privateKeyId, tokenUri } = this.#account;
    const issued = Math.floor(this.#clock() / 1000);
    return new SignJWT({ scope: SCOPE })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(privateKeyId === undefined ? {} : { kid: privateKeyId }) })
      .setIssuer(clientEmail)
      .setAudience(tokenUri)
      .setIssuedAt(issued)
      .setExpirationTime(issued + ASSERTION_SECONDS)
      .sign(privateKey);
  }

  #taken(answer: Answer | Silence): Token {
    if (answer.kind === 'silence') return { kind: 'retry', code: `TOKEN_${answer.code}` };
    const { status, headers } = answer;
    const { access_token: value, expires_in: seconds, error } = jsonOf(answer.body);
    if (status === 200 && typeof value === 'string' && value !== '' && typeof seconds === 'number' && seconds > 0) {
      const until = this.#clock() + seconds * 1000;
      this.#held = { value, until, renewAt: until - Math.min(RENEW_BEFORE_MS, seconds * 500) };
      return { kind: 'token', value };
    }
    const code = `TOKEN_${wordOf(error, String(status))}`;
    if (status === 429 || status >= 500 || status === 200)
      return { kind: 'retry', code, afterMs: retryAfterOf(headers['retry-after'], this.#clock()) };
    return { kind: 'credentials', code };
  }
}
