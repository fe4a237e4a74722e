/**
 * The public keys of the issuer, by their address (JWKS). They are asked for every half minute, and when a token names a key that is not known,
 * which anybody can make it do, so that is bounded. While the key server does not answer, the keys that it named last stand.
 */
import { hash } from 'node:crypto';
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  createRemoteJWKSet,
  exportJWK,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose';
import { Buckets } from '../buckets.ts';
import type { Logger } from '../logger.ts';

/** How long a key counts at most that the issuer has taken out of its set, while the key server answers; and its answer's time. */
const ASK_EVERY_MS = 30_000;
const ANSWER_WITHIN_MS = 3_000;
/** For tokens with keys that are not known. */
const UNKNOWN_KEYS = { perSecond: 0.2, burst: 5 };

interface Known {
  readonly find: JWTVerifyGetKey;
  /** Thumbprints (RFC 7638) of the keys, and the name of the whole set. */
  readonly names: ReadonlySet<string>;
  readonly setName: string;
}

export class IssuerKeys {
  readonly #remote: ReturnType<typeof createRemoteJWKSet>;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  readonly #asks = new Buckets(UNKNOWN_KEYS);
  #known: Known | undefined;
  #asking: Promise<void> | undefined;

  constructor(url: string, log: Logger, askEveryMs = ASK_EVERY_MS) {
    this.#remote = createRemoteJWKSet(new URL(url), { timeoutDuration: ANSWER_WITHIN_MS });
    this.#log = log;
    this.#timer = setInterval(() => void this.#ask(), askEveryMs).unref();
  }

  /** False: the key server has not answered yet. */
  get areKnown(): boolean {
    return this.#known !== undefined;
  }

  /** `key`: for `trusts`. Rejects as jose does. */
  async verify(
    token: string,
    options: JWTVerifyOptions,
  ): Promise<{ readonly payload: JWTPayload; readonly key: string }> {
    const known = this.#known;
    if (!known) throw new Error('no keys are known');
    const { payload, key } = await jwtVerify(token, known.find, options);
    const name = await calculateJwkThumbprint(await exportJWK(key));
    // A set may write a key in another form than ours; then it is good for as long as the set is the same.
    return { payload, key: known.names.has(name) ? name : known.setName };
  }

  /** Whether a key that verified a token is still the issuer's. */
  trusts(key: string): boolean {
    return this.#known?.names.has(key) ?? false;
  }

  /** Asks the issuer, unless it was asked too often lately. Settles in bounded time, with its answer or without. Never rejects. */
  learn(): Promise<void> {
    if (!this.#asking && this.#asks.take('') > 0) return Promise.resolve();
    return this.#ask();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #ask(): Promise<void> {
    this.#asking ??= this.#read()
      .catch((error: unknown) => this.#log.warn({ err: error }, 'the key server gives no keys: the last ones stand'))
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  async #read(): Promise<void> {
    await this.#remote.reload();
    const { keys } = this.#remote.jwks() ?? { keys: [] };
    const setName = hash('sha256', JSON.stringify(keys), 'base64url');
    if (this.#known?.setName === setName) return;
    // A form that no thumbprint is known for is none that verifies.
    const thumbprints = await Promise.all(keys.map((jwk) => calculateJwkThumbprint(jwk).catch(() => setName)));
    // The mark of a key that may not be exported: it is public, and named by its thumbprint.
    const named = keys.map(({ ext: _, ...jwk }) => jwk);
    this.#known = { find: createLocalJWKSet({ keys: named }), names: new Set([...thumbprints, setName]), setName };
  }
}
