/** Apple's service: HTTP/2, provider tokens checked, headers and payload by its published rules. */
import type { KeyObject } from 'node:crypto';
import {
  json,
  type Reply,
  type Request,
  type SecureServer,
  type ServerOptions,
  startSecureServer,
} from './secure-server.ts';
import { verifiedOf } from './tokens.ts';

export interface ApnsPush {
  readonly token: string;
  readonly topic: string;
  readonly pushType: string;
  readonly priority: string | undefined;
  readonly collapseId: string | undefined;
  /** Epoch seconds. */
  readonly expiration: number;
  readonly payload: {
    readonly aps: Readonly<Record<string, unknown>>;
    readonly lanes: Readonly<Record<string, unknown>>;
  };
  /** The provider token it came with. */
  readonly bearer: string;
}
export interface ApnsServer extends SecureServer {
  /** Taken, in order. */
  readonly pushes: readonly ApnsPush[];
  /** Provider tokens issued before this time are expired. */
  expireTokens(): void;
}
export interface ApnsServerOptions extends ServerOptions {
  readonly teamId: string;
  readonly keyId: string;
  readonly publicKey: KeyObject;
  readonly topics: readonly string[];
}

const PAYLOAD_BYTES = 4096;
const TOKEN_SECONDS = 60 * 60;

export async function startApnsServer(options: ApnsServerOptions): Promise<ApnsServer> {
  const pushes: ApnsPush[] = [];
  const expired = new Set<string>();
  const seen = new Set<string>();
  const server = await startSecureServer(options, (request) => {
    const refusal = refusalOf(request, options, expired);
    if (refusal !== undefined) return refusal;
    const push = pushOf(request);
    seen.add(push.bearer);
    pushes.push(push);
    return { status: 200, headers: { 'apns-id': `id-${pushes.length}` } };
  });
  return Object.assign(Object.create(server) as SecureServer, {
    pushes,
    expireTokens: () => {
      for (const token of seen) expired.add(token);
    },
  });
}

function refusalOf(request: Request, options: ApnsServerOptions, expired: ReadonlySet<string>): Reply | undefined {
  const { headers, path, body } = request;
  if (!request.isHttp2) return json(505, {});
  if (request.method !== 'POST') return json(405, { reason: 'MethodNotAllowed' });
  if (!/^\/3\/device\/[^/]+$/.test(path)) return json(404, { reason: 'BadPath' });
  if (!/^\/3\/device\/[0-9a-f]{64}$/.test(path)) return json(400, { reason: 'BadDeviceToken' });
  const token = /^bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
  if (token === undefined) return json(403, { reason: 'MissingProviderToken' });
  const verified = verifiedOf(token, 'ES256', options.publicKey);
  if (verified?.header.kid !== options.keyId || verified.claims.iss !== options.teamId)
    return json(403, { reason: 'InvalidProviderToken' });
  const age = Date.now() / 1000 - Number(verified.claims.iat);
  if (expired.has(token) || age > TOKEN_SECONDS) return json(403, { reason: 'ExpiredProviderToken' });
  if (!options.topics.includes(headers['apns-topic'] ?? '')) return json(400, { reason: 'TopicDisallowed' });
  if (!['alert', 'background'].includes(headers['apns-push-type'] ?? ''))
    return json(400, { reason: 'InvalidPushType' });
  if (Buffer.byteLength(headers['apns-collapse-id'] ?? '') > 64) return json(400, { reason: 'BadCollapseId' });
  if (!/^\d+$/.test(headers['apns-expiration'] ?? '0')) return json(400, { reason: 'BadExpirationDate' });
  if (headers['apns-push-type'] === 'background' && headers['apns-priority'] !== '5')
    return json(400, { reason: 'BadPriority' });
  if (body.length > PAYLOAD_BYTES) return json(413, { reason: 'PayloadTooLarge' });
  return body.length === 0 ? json(400, { reason: 'PayloadEmpty' }) : undefined;
}

function pushOf({ headers, path, body }: Request): ApnsPush {
  return {
    token: path.slice('/3/device/'.length),
    topic: headers['apns-topic'] ?? '',
    pushType: headers['apns-push-type'] ?? '',
    priority: headers['apns-priority'],
    collapseId: headers['apns-collapse-id'],
    expiration: Number(headers['apns-expiration'] ?? 0),
    payload: JSON.parse(body.toString()) as ApnsPush['payload'],
    bearer: (headers.authorization ?? '').slice('bearer '.length),
  };
}
