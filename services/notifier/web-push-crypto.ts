/** Message encryption for Web Push (RFC 8291, with the content coding of RFC 8188): one record, for one subscription. */
import { createCipheriv, createECDH, createHmac, type ECDH, randomBytes } from 'node:crypto';

/** What a push service has to take (RFC 8030, 7.2). */
const BODY_BYTES = 4096;
const SALT_BYTES = 16;
const POINT_BYTES = 65;
const TAG_BYTES = 16;
/** Salt, record size, length of the key, key. */
const HEAD_BYTES = SALT_BYTES + 4 + 1 + POINT_BYTES;
/** Of the plain text, beside its delimiter. */
export const PLAIN_BYTES = BODY_BYTES - HEAD_BYTES - TAG_BYTES - 1;

export interface SubscriptionKeys {
  /** The browser's public key: an uncompressed point on P-256, 65 bytes. */
  readonly p256dh: Buffer;
  /** The shared secret, 16 bytes. */
  readonly auth: Buffer;
}

/** Of a subscription's two strings; undefined where they are no keys. */
export function parseSubscriptionKeys(p256dh: string, auth: string): SubscriptionKeys | undefined {
  const keys = { p256dh: Buffer.from(p256dh, 'base64url'), auth: Buffer.from(auth, 'base64url') };
  return keys.p256dh.length === POINT_BYTES && keys.p256dh[0] === 4 && keys.auth.length === 16 ? keys : undefined;
}

/** `own` and `salt` are given by tests alone: they may never be used twice. Throws where `p256dh` is not on the curve. */
export function encrypt(
  plain: Uint8Array,
  { p256dh, auth }: SubscriptionKeys,
  own: ECDH = freshKey(),
  salt: Buffer = randomBytes(SALT_BYTES),
): Buffer {
  const ownPublic = own.getPublicKey();
  const shared = own.computeSecret(p256dh);
  const keyInfo = Buffer.concat([Buffer.from('WebPush: info\0'), p256dh, ownPublic]);
  const keyMaterial = expand(hmac(auth, shared), keyInfo, 32);
  const random = hmac(salt, keyMaterial);
  const key = expand(random, Buffer.from('Content-Encoding: aes128gcm\0'), 16);
  const nonce = expand(random, Buffer.from('Content-Encoding: nonce\0'), 12);
  const cipher = createCipheriv('aes-128-gcm', key, nonce);
  const head = Buffer.alloc(HEAD_BYTES);
  salt.copy(head, 0);
  head.writeUInt32BE(BODY_BYTES, SALT_BYTES);
  head[SALT_BYTES + 4] = POINT_BYTES;
  ownPublic.copy(head, SALT_BYTES + 5);
  // 2: the delimiter of the last record.
  return Buffer.concat([head, cipher.update(plain), cipher.update(Buffer.of(2)), cipher.final(), cipher.getAuthTag()]);
}

function freshKey(): ECDH {
  const key = createECDH('prime256v1');
  key.generateKeys();
  return key;
}

const hmac = (key: Buffer, data: Buffer): Buffer => createHmac('sha256', key).update(data).digest();

/** HKDF-Expand (RFC 5869) of at most 32 bytes: its first block. */
const expand = (pseudoRandomKey: Buffer, info: Buffer, length: number): Buffer =>
  hmac(pseudoRandomKey, Buffer.concat([info, Buffer.of(1)])).subarray(0, length);
