/** Google's two: the token endpoint of service accounts (RFC 7523), and Firebase Cloud Messaging HTTP v1. */
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

export interface OauthServer extends SecureServer {
  /** Issued, in order. */
  readonly issued: readonly string[];
  /** Whether this access token is good now. */
  isGood(token: string): boolean;
  /** Of tokens issued from now on. */
  setLifetime(seconds: number): void;
  /** Every token issued so far is worth nothing any more. */
  revoke(): void;
}
export interface OauthServerOptions extends ServerOptions {
  readonly clientEmail: string;
  readonly privateKeyId: string;
  readonly publicKey: KeyObject;
}

const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

export async function startOauthServer(options: OauthServerOptions): Promise<OauthServer> {
  const issued: string[] = [];
  const good = new Map<string, number>();
  let lifetime = 3600;
  const server = await startSecureServer(options, (request) => {
    const refusal = refusalOf(request, options, () => `${server.url}/token`);
    if (refusal !== undefined) return refusal;
    const token = `ya29.test-${issued.length}-${Math.random().toString(36).slice(2)}`;
    issued.push(token);
    good.set(token, Date.now() + lifetime * 1000);
    return json(200, { access_token: token, expires_in: lifetime, token_type: 'Bearer' });
  });
  return Object.assign(Object.create(server) as SecureServer, {
    issued,
    isGood: (token: string) => (good.get(token) ?? 0) > Date.now(),
    setLifetime: (seconds: number) => {
      lifetime = seconds;
    },
    revoke: () => good.clear(),
  });
}

function refusalOf(
  { path, method, body }: Request,
  options: OauthServerOptions,
  audience: () => string,
): Reply | undefined {
  if (method !== 'POST' || path !== '/token') return json(404, { error: 'not_found' });
  const form = new URLSearchParams(body.toString());
  if (form.get('grant_type') !== GRANT) return json(400, { error: 'unsupported_grant_type' });
  const verified = verifiedOf(form.get('assertion') ?? '', 'RS256', options.publicKey);
  if (verified === undefined) return json(400, { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' });
  const { iss, aud, scope, iat, exp } = verified.claims;
  const now = Date.now() / 1000;
  const inTime = Number(iat) <= now + 60 && Number(exp) > now && Number(exp) - Number(iat) <= 3600;
  if (iss !== options.clientEmail || verified.header.kid !== options.privateKeyId)
    return json(401, { error: 'invalid_client' });
  if (aud !== audience() || !inTime) return json(400, { error: 'invalid_grant' });
  return scope === SCOPE ? undefined : json(400, { error: 'invalid_scope' });
}

export interface FcmPush {
  readonly token: string;
  readonly data: { readonly lanes: string };
  readonly android: { readonly priority?: string; readonly ttl?: string; readonly collapse_key?: string };
  readonly lanes: Readonly<Record<string, unknown>>;
}
export interface FcmServer extends SecureServer {
  readonly pushes: readonly FcmPush[];
}

const DATA_BYTES = 4096;

export async function startFcmServer(
  options: ServerOptions & { readonly projectId: string; readonly oauth: Pick<OauthServer, 'isGood'> },
): Promise<FcmServer> {
  const pushes: FcmPush[] = [];
  const server = await startSecureServer(options, ({ path, method, headers, body }) => {
    if (method !== 'POST' || path !== `/v1/projects/${options.projectId}/messages:send`) return { status: 404 };
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
    if (token === undefined || !options.oauth.isGood(token)) return fcmError(401, 'UNAUTHENTICATED');
    const { message } = JSON.parse(body.toString()) as { message: Omit<FcmPush, 'lanes'> };
    const size = Object.entries(message.data).reduce((sum, [key, value]) => sum + Buffer.byteLength(key + value), 0);
    // Firebase says no more than this about a message that is too large.
    if (size > DATA_BYTES) return fcmError(400, 'INVALID_ARGUMENT');
    if (Object.values(message.data).some((value) => typeof value !== 'string'))
      return fcmError(400, 'INVALID_ARGUMENT');
    const lanes = JSON.parse(message.data.lanes) as FcmPush['lanes'];
    pushes.push({ ...message, lanes });
    return json(200, { name: `projects/${options.projectId}/messages/${pushes.length}` });
  });
  return Object.assign(Object.create(server) as SecureServer, { pushes });
}

/** An error as Firebase writes it. `fields` are the fields that it says were bad. */
export function fcmError(
  status: number,
  canonical: string,
  { code, fields = [], message = 'no', headers }: FcmErrorOptions = {},
): Reply {
  const details = [
    ...(code === undefined
      ? []
      : [{ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode: code }]),
    ...(fields.length === 0
      ? []
      : [
          { '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: fields.map((field) => ({ field })) },
        ]),
  ];
  return json(status, { error: { code: status, message, status: canonical, details } }, headers);
}
export interface FcmErrorOptions {
  readonly code?: string;
  readonly fields?: readonly string[];
  readonly message?: string;
  readonly headers?: Readonly<Record<string, string>>;
}
