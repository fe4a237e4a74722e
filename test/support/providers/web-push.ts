/** A push service and the browsers behind it: checks who sends (RFC 8292), and decrypts as a browser does (RFC 8291, 8188). */
import { createDecipheriv, createECDH, createPublicKey, hkdfSync, randomBytes } from 'node:crypto';
import { type Reply, type Request, type SecureServer, type ServerOptions, startSecureServer } from './secure-server.ts';
import { verifiedOf } from './tokens.ts';

export interface Subscription {
  readonly provider: 'WEB_PUSH';
  readonly endpoint: string;
  readonly p256dh: string;
  readonly auth: string;
}
export interface WebPushed {
  readonly endpoint: string;
  readonly ttl: number;
  readonly urgency: string | undefined;
  readonly topic: string | undefined;
  /** Decrypted. */
  readonly lanes: Readonly<Record<string, unknown>>;
}
export interface WebPushServer extends SecureServer {
  readonly pushes: readonly WebPushed[];
  /** A browser subscribes. `host`: the endpoint's, in place of the server's own address. */
  subscribe(host?: string): Subscription;
}

const BODY_BYTES = 4096;
const DAY_SECONDS = 24 * 60 * 60;

export async function startWebPushServer(
  /** The key that subscriptions are made for: base64url of the point. */
  options: ServerOptions & { readonly applicationServerKey: string; readonly subject: string },
): Promise<WebPushServer> {
  const pushes: WebPushed[] = [];
  const browsers = new Map<string, { readonly keys: ReturnType<typeof createECDH>; readonly auth: Buffer }>();
  const origins = new Set<string>();
  const server = await startSecureServer(options, (request) => {
    const browser = browsers.get(request.path);
    if (browser === undefined) return { status: 404 };
    const refusal = refusalOf(request, options, origins);
    if (refusal !== undefined) return refusal;
    const plain = decrypted(request.body, browser.keys, browser.auth);
    const { headers } = request;
    pushes.push({
      endpoint: request.path,
      ttl: Number(headers.ttl),
      urgency: headers.urgency,
      topic: headers.topic,
      lanes: JSON.parse(plain.toString()) as WebPushed['lanes'],
    });
    return { status: 201, headers: { location: `${server.url}/message/${pushes.length}` } };
  });
  return Object.assign(Object.create(server) as SecureServer, {
    pushes,
    subscribe: (host = `127.0.0.1:${server.port}`): Subscription => {
      const keys = createECDH('prime256v1');
      keys.generateKeys();
      const auth = randomBytes(16);
      const path = `/push/${randomBytes(16).toString('base64url')}`;
      browsers.set(path, { keys, auth });
      origins.add(`https://${host}`);
      return {
        provider: 'WEB_PUSH',
        endpoint: `https://${host}${path}`,
        p256dh: keys.getPublicKey('base64url'),
        auth: auth.toString('base64url'),
      };
    },
  });
}

function refusalOf(
  { headers, body }: Request,
  { applicationServerKey, subject }: { readonly applicationServerKey: string; readonly subject: string },
  origins: ReadonlySet<string>,
): Reply | undefined {
  if (!/^\d+$/.test(headers.ttl ?? '')) return { status: 400, body: 'TTL' };
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(headers.topic ?? 'none')) return { status: 400, body: 'Topic' };
  if (!['very-low', 'low', 'normal', 'high'].includes(headers.urgency ?? 'normal'))
    return { status: 400, body: 'Urgency' };
  if (headers['content-encoding'] !== 'aes128gcm') return { status: 400, body: 'Content-Encoding' };
  if (body.length > BODY_BYTES) return { status: 413 };
  const [, token = '', key = ''] = /^vapid t=([\w.-]+), ?k=([\w-]+)$/.exec(headers.authorization ?? '') ?? [];
  if (key !== applicationServerKey) return { status: 403, body: 'not the key that was subscribed with' };
  const point = Buffer.from(key, 'base64url');
  const jwk = { kty: 'EC', crv: 'P-256', x: point.toString('base64url', 1, 33), y: point.toString('base64url', 33) };
  const claims = verifiedOf(token, 'ES256', createPublicKey({ key: jwk, format: 'jwk' }))?.claims;
  const left = Number(claims?.exp) - Date.now() / 1000;
  const good = origins.has(String(claims?.aud)) && claims?.sub === subject && left > 0 && left <= DAY_SECONDS;
  return good ? undefined : { status: 401 };
}

function decrypted(body: Buffer, keys: ReturnType<typeof createECDH>, auth: Buffer): Buffer {
  const salt = body.subarray(0, 16);
  const recordSize = body.readUInt32BE(16);
  const idLength = body[20] ?? 0;
  const sender = body.subarray(21, 21 + idLength);
  const record = body.subarray(21 + idLength);
  if (record.length > recordSize) throw new Error('more than one record');
  const shared = keys.computeSecret(sender);
  const info = Buffer.concat([Buffer.from('WebPush: info\0'), keys.getPublicKey(), sender]);
  const material = Buffer.from(hkdfSync('sha256', shared, auth, info, 32));
  const part = (name: string, length: number) =>
    Buffer.from(hkdfSync('sha256', material, salt, Buffer.from(`Content-Encoding: ${name}\0`), length));
  const decipher = createDecipheriv('aes-128-gcm', part('aes128gcm', 16), part('nonce', 12));
  decipher.setAuthTag(record.subarray(-16));
  const padded = Buffer.concat([decipher.update(record.subarray(0, -16)), decipher.final()]);
  const end = padded.lastIndexOf(2);
  if (padded.subarray(end + 1).some((byte) => byte !== 0)) throw new Error('bad padding');
  return padded.subarray(0, end);
}
