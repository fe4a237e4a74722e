/**
 * NATS's keys over Node's own Ed25519. The packages sign in plain JavaScript, 25 ms a signature: of two for each connection, a crowd
 * that comes back would wait longer than the server does.
 */
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import type { KeyPair } from '@nats-io/nkeys';

/** RFC 8410: what stands before the 32 bytes of a key. */
const PRIVATE_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_HEAD = Buffer.from('302a300506032b6570032100', 'hex');
const KEY_BYTES = 32;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 4648, without padding. Throws on any other character. */
function base32Of(text: string): Buffer {
  const bytes: number[] = [];
  let [held, bits] = [0, 0];
  for (const char of text) {
    const value = ALPHABET.indexOf(char);
    if (value < 0) throw new Error('not base32');
    held = ((held << 5) | value) & 0xffff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((held >> bits) & 0xff);
    }
  }
  return Buffer.from(bytes);
}

/** A key as NATS writes it: a byte for what it is, the key, a checksum. */
const keyIn = (encoded: string): Buffer => base32Of(encoded).subarray(1, 1 + KEY_BYTES);

/** The same pair, which signs natively. */
export function nativeSigner(pair: KeyPair): KeyPair {
  const der = Buffer.concat([PRIVATE_HEAD, keyIn(Buffer.from(pair.getPrivateKey()).toString('latin1'))]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return {
    getPublicKey: () => pair.getPublicKey(),
    getPrivateKey: () => pair.getPrivateKey(),
    getSeed: () => pair.getSeed(),
    sign: (input) => sign(null, input, key),
    verify: (input, signature) => pair.verify(input, signature),
    clear: () => pair.clear(),
    seal: (input, recipient, nonce) => pair.seal(input, recipient, nonce),
    open: (message, sender) => pair.open(message, sender),
  };
}

/** The claims of a token that its issuer has signed. Throws: it is no such token. */
export function readSigned(token: string): { readonly iss: string; readonly sub: string; readonly nats: unknown } {
  const [head, body, signature, ...more] = token.split('.');
  if (head === undefined || body === undefined || signature === undefined || more.length > 0)
    throw new Error('it is no token');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as {
    iss: string;
    sub: string;
    nats: unknown;
  };
  const der = Buffer.concat([PUBLIC_HEAD, keyIn(claims.iss)]);
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
  if (!verify(null, Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url')))
    throw new Error('it is not signed by its issuer');
  return claims;
}
