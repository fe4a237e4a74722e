/** Client keys as clients make them: by a good clock, by a wrong one, or by no clock at all. */
import { randomBytes } from 'node:crypto';

/** A UUIDv7 (RFC 9562 section 5.7) of a clock that is `skewMs` ahead. */
export function timedKey(skewMs = 0): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now() + skewMs, 0, 6);
  bytes[6] = 0x70 | ((bytes[6] as number) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] as number) & 0x3f);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export const plainKey = (): string => randomBytes(12).toString('base64url');

const HOUR_MS = 60 * 60 * 1000;

/** Each sender has one kind for good; most have the recommended one. */
export function keyMakerOf(sender: number): () => string {
  switch (sender % 10) {
    case 6:
    case 7:
      return plainKey;
    case 8:
      return () => timedKey(5 * 60 * 1000);
    case 9:
      return () => timedKey(-HOUR_MS);
    default:
      return () => timedKey();
  }
}
