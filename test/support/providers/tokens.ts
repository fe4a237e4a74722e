/** Signed tokens as a provider checks them. */
import { type KeyObject, verify } from 'node:crypto';

export interface Verified {
  readonly header: { readonly alg?: unknown; readonly kid?: unknown };
  readonly claims: Readonly<Partial<Record<'iss' | 'aud' | 'sub' | 'scope' | 'iat' | 'exp', unknown>>>;
}

/** Undefined: not a token, of another algorithm, or not signed by this key. */
export function verifiedOf(token: string, algorithm: 'ES256' | 'RS256', key: KeyObject): Verified | undefined {
  const [head = '', body = '', signature = ''] = token.split('.');
  try {
    const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Verified['header'];
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Verified['claims'];
    const by = algorithm === 'ES256' ? ({ key, dsaEncoding: 'ieee-p1363' } as const) : key;
    const good = verify('sha256', Buffer.from(`${head}.${body}`), by, Buffer.from(signature, 'base64url'));
    return good && header.alg === algorithm ? { header, claims } : undefined;
  } catch {
    return undefined;
  }
}
