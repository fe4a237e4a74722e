/** Who we are to push services (VAPID, RFC 8292): one key pair, one signed token for each push service. */
import { createECDH, createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import type { Millis } from '../../schema/ids.ts';

export interface VapidKey {
  readonly privateKey: KeyObject;
  /** base64url of the uncompressed point: what browsers call `applicationServerKey`. */
  readonly publicKey: string;
}

/** At most 24 hours (RFC 8292, 2); used for half of it. */
const TOKEN_MS = 12 * 60 * 60_000;
const RENEW_MS = TOKEN_MS / 2;
const AUDIENCES = 512;

export class Vapid {
  readonly #key: VapidKey;
  readonly #subject: string;
  readonly #clock: () => Millis;
  /** By push service; the one made last stands last. */
  readonly #made = new Map<string, { readonly at: Millis; readonly header: Promise<string> }>();

  constructor(key: VapidKey, subject: string, clock: () => Millis) {
    this.#key = key;
    this.#subject = subject;
    this.#clock = clock;
  }

  /** The `authorization` for a push service, named by its origin. */
  headerOf(origin: string): Promise<string> {
    const now = this.#clock();
    const known = this.#made.get(origin);
    if (known !== undefined && now - known.at < RENEW_MS) return known.header;
    this.#made.delete(origin);
    const [oldest] = this.#made.keys();
    if (oldest !== undefined && this.#made.size >= AUDIENCES) this.#made.delete(oldest);
    const header = this.#header(origin, now);
    this.#made.set(origin, { at: now, header });
    return header;
  }

  async #header(origin: string, now: Millis): Promise<string> {
    const token = await new SignJWT({})
      .setProtectedHeader({ typ: 'JWT', alg: 'ES256' })
      .setAudience(origin)
      .setSubject(this.#subject)
      .setExpirationTime(Math.floor((now + TOKEN_MS) / 1000))
      .sign(this.#key.privateKey);
    return `vapid t=${token}, k=${this.#key.publicKey}`;
  }
}

/**
 * A key file: PEM of a P-256 key (`openssl ecparam -name prime256v1 -genkey -noout`), or JSON, as a JWK or as
 * `web-push generate-vapid-keys --json` prints it. Throws where it is none of these.
 */
export function parseVapidKey(text: string): VapidKey {
  const privateKey = text.trimStart().startsWith('{') ? fromJson(text) : createPrivateKey(text);
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('not a key on P-256');
  const { x = '', y = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  return { privateKey, publicKey: point.toString('base64url') };
}

function fromJson(text: string): KeyObject {
  const { d, privateKey } = JSON.parse(text) as { d?: unknown; privateKey?: unknown };
  const secret = d ?? privateKey;
  if (typeof secret !== 'string') throw new Error('neither "d" nor "privateKey" in it');
  const pair = createECDH('prime256v1');
  pair.setPrivateKey(Buffer.from(secret, 'base64url'));
  const point = pair.getPublicKey();
  const coordinate = (from: number): string => point.subarray(from, from + 32).toString('base64url');
  const key: JsonWebKey = { kty: 'EC', crv: 'P-256', d: secret, x: coordinate(1), y: coordinate(33) };
  return createPrivateKey({ key, format: 'jwk' });
}
