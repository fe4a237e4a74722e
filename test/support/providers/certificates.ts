/**
 * A certificate authority of a test's own, made as it runs: no key lies in the repository and nothing expires. X.509 v3 in DER
 * (RFC 5280), ECDSA on P-256, as little of it as OpenSSL wants.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';

export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** A key and a certificate for these names and IPv4 addresses, in PEM. */
  issue(...names: string[]): { readonly key: string; readonly cert: string };
}

const ECDSA_SHA256 = '06082a8648ce3d040302';
const COMMON_NAME = '0603550403';
const SUBJECT_ALT_NAME = '0603551d11';
const BASIC_CONSTRAINTS = '0603551d13';

export function createAuthority(name = 'test authority'): Authority {
  const own = pair();
  const isAuthority = extension(BASIC_CONSTRAINTS, sequence(der(0x01, Buffer.of(0xff))), true);
  const certificate = certificateOf(
    { issuer: name, subject: name, key: own.publicKey, extensions: [isAuthority] },
    own,
  );
  return {
    certificate,
    issue: (...names) => {
      const leaf = pair();
      const alternatives = names.map((one) =>
        isIPv4(one) ? der(0x87, Buffer.from(one.split('.').map(Number))) : der(0x82, Buffer.from(one)),
      );
      const extensions = [extension(SUBJECT_ALT_NAME, sequence(...alternatives))];
      const cert = certificateOf({ issuer: name, subject: names[0] ?? 'leaf', key: leaf.publicKey, extensions }, own);
      return { key: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, cert };
    },
  };
}

const pair = () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

interface Subject {
  readonly issuer: string;
  readonly subject: string;
  readonly key: KeyObject;
  readonly extensions: readonly Buffer[];
}

function certificateOf(
  { issuer, subject, key, extensions }: Subject,
  signer: { readonly privateKey: KeyObject },
): string {
  const algorithm = sequence(Buffer.from(ECDSA_SHA256, 'hex'));
  const hour = 60 * 60 * 1000;
  const serial = randomBytes(8);
  serial[0] = 0x01;
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, serial),
    algorithm,
    nameOf(issuer),
    sequence(timeOf(Date.now() - 24 * hour), timeOf(Date.now() + 365 * 24 * hour)),
    nameOf(subject),
    key.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', toBeSigned, signer.privateKey);
  const whole = sequence(toBeSigned, algorithm, der(0x03, Buffer.concat([Buffer.of(0), signature])));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: Buffer[]): Buffer => der(0x30, Buffer.concat(parts));
const nameOf = (text: string): Buffer =>
  sequence(der(0x31, sequence(Buffer.from(COMMON_NAME, 'hex'), der(0x0c, Buffer.from(text)))));
const timeOf = (at: number): Buffer =>
  der(
    0x17,
    Buffer.from(
      `${new Date(at)
        .toISOString()
        .replace(/[-:T]|\.\d+/g, '')
        .slice(2, 14)}Z`,
    ),
  );
const extension = (oid: string, value: Buffer, critical = false): Buffer =>
  sequence(Buffer.from(oid, 'hex'), ...(critical ? [der(0x01, Buffer.of(0xff))] : []), der(0x04, value));
