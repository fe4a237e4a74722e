/**
 * Endpoints that speak the protocol of Google Cloud Messaging, by node-gcm. Google closed its own, and the legacy one of
 * Firebase, in 2024: this is for gateways of others that still speak it, and off unless one is named.
 * Source of the answers: the legacy "FCM HTTP protocol reference".
 */
import { Agent } from 'node:https';
import type { SecureContext } from 'node:tls';
import gcm from 'node-gcm';
import type { Patience } from '../patience.ts';
import type { GcmAddress } from '../views/push-address.ts';
import { codeOf, jsonOf, objectOf, retryAfterOf, wordOf } from '../wire.ts';
import { MAX_TTL_SECONDS, READ_COLLAPSE_KEY } from './fcm.ts';
import type { Adapter, Attempt } from './guard.ts';
import { fittedPayload, jsonBytes } from './payload.ts';
import type { PushMessage } from './push.ts';

export interface GcmOptions {
  /** https; the whole address that is posted to. */
  readonly url: string;
  readonly key: string;
  readonly trust?: SecureContext | undefined;
  readonly clock?: () => number;
}

const DATA_BYTES = 4000;
const SMALLER_BYTES = 2000;
const CONNECTIONS = 32;
const ANSWER_BYTES = 64 * 1024;
/** So long the gateway wants to be left alone by one device's messages where it does not say how long. */
const DEVICE_PAUSE_MS = 60_000;

const LOST = new Set(['ECONNRESET', 'EPIPE']);

/** What came back, in one form: node-gcm tells a failure in four. */
type Heard =
  | {
      readonly kind: 'result';
      readonly result: Readonly<Record<string, unknown>>;
      readonly afterMs: number | undefined;
    }
  | { readonly kind: 'status'; readonly status: number; readonly afterMs: number | undefined }
  | { readonly kind: 'silence'; readonly code: string };

export class GcmAdapter implements Adapter<GcmAddress> {
  readonly provider = 'GCM';
  readonly #options: GcmOptions;
  readonly #origin: string;
  readonly #agent: Agent;
  readonly #clock: () => number;

  constructor(options: GcmOptions) {
    this.#options = options;
    this.#origin = new URL(options.url).origin;
    this.#clock = options.clock ?? Date.now;
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: CONNECTIONS,
      ...(options.trust === undefined ? {} : { secureContext: options.trust }),
    });
  }

  hostOf(): string {
    return this.#origin;
  }

  async attempt({ token }: GcmAddress, message: PushMessage, patience: Patience): Promise<Attempt> {
    const first = await this.#send(token, message, DATA_BYTES, patience);
    const code = 'code' in first ? first.code : '';
    if (code === 'MessageTooBig') return this.#send(token, message, SMALLER_BYTES, patience);
    // A kept connection that the gateway closed meanwhile.
    if (LOST.has(code) && !patience.ended) return this.#send(token, message, DATA_BYTES, patience);
    return first;
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
  }

  async #send(token: string, message: PushMessage, bytes: number, patience: Patience): Promise<Attempt> {
    const payload = fittedPayload(message, bytes - 'lanes'.length, jsonBytes);
    if (payload === undefined) return { kind: 'refused', code: 'MessageTooBig' };
    const seconds = Math.floor((message.expiresAt - this.#clock()) / 1000);
    const heard = await this.#post(
      token,
      new gcm.Message({
        collapseKey: message.kind === 'message' ? message.conversationId : READ_COLLAPSE_KEY,
        priority: message.kind === 'message' ? 'high' : 'normal',
        timeToLive: Math.min(MAX_TTL_SECONDS, Math.max(1, seconds)),
        data: { lanes: JSON.stringify(payload) },
      }),
      patience,
    );
    return attemptOf(heard);
  }

  /** Settles when the patience ends, at the latest. */
  #post(token: string, message: gcm.Message, patience: Patience): Promise<Heard> {
    const { url, key } = this.#options;
    let afterMs: number | undefined;
    const abort = new AbortController();
    const onEnd = () => abort.abort();
    patience.onEnd(onEnd);
    const sender = new gcm.Sender(key, {
      uri: url,
      signal: abort.signal,
      httpsAgent: this.#agent,
      // Neither a redirect nor a proxy of the environment may have the key.
      maxRedirects: 0,
      proxy: false,
      timeout: 0,
      maxContentLength: ANSWER_BYTES,
      responseType: 'text',
      // The only place where node-gcm lets an answer's headers through.
      transformResponse: [
        (body: unknown, headers: { get(name: string): unknown }) => {
          afterMs = retryAfterOf(String(headers.get('retry-after') ?? ''), this.#clock());
          return jsonOf(String(body));
        },
      ],
    });
    return new Promise((resolve) => {
      sender.sendNoRetry(message, token, (error, response) => {
        patience.off(onEnd);
        resolve(heardOf(error, response, afterMs));
      });
    });
  }
}

function heardOf(error: unknown, response: unknown, afterMs: number | undefined): Heard {
  if (typeof error === 'number') return { kind: 'status', status: error, afterMs };
  // An error of axios holds the request, and so the key and the token: only its code is read.
  if (error instanceof Error) return { kind: 'silence', code: codeOf(error) };
  // An answer without a body comes as an object with the made-up code 400.
  if (error !== null && error !== undefined) return { kind: 'silence', code: 'EMPTY_ANSWER' };
  const { results } = objectOf(response);
  const result = objectOf(Array.isArray(results) ? results[0] : undefined);
  return { kind: 'result', result, afterMs };
}

function attemptOf(heard: Heard): Attempt {
  switch (heard.kind) {
    case 'silence':
      return { kind: 'retry', code: heard.code, of: 'host' };
    case 'status': {
      const { status, afterMs } = heard;
      const code = String(status);
      if (status >= 500 || status === 429) return { kind: 'retry', code, of: 'host', afterMs };
      if (status === 413) return { kind: 'refused', code: 'MessageTooBig' };
      return { kind: status === 400 ? 'refused' : 'credentials', code };
    }
    case 'result':
      return resultOf(heard.result, heard.afterMs);
    default:
      return heard satisfies never;
  }
}

function resultOf(
  { error, message_id: id, registration_id: token }: Readonly<Record<string, unknown>>,
  afterMs?: number,
): Attempt {
  if (error === undefined && id === undefined) return { kind: 'retry', code: 'NO_RESULT', of: 'host' };
  if (error === undefined) {
    if (typeof token === 'string' && token !== '') return { kind: 'replaced', token };
    return { kind: 'sent', id: String(id) };
  }
  const code = wordOf(error, 'UNKNOWN');
  switch (code) {
    case 'NotRegistered':
    case 'InvalidRegistration':
    case 'MissingRegistration':
      return { kind: 'dead-token', code };
    case 'Unavailable':
    case 'InternalServerError':
    case 'QuotaExceeded':
      return { kind: 'retry', code, of: 'host', afterMs };
    case 'DeviceMessageRateExceeded':
    case 'DeviceQuotaExceeded':
      return { kind: 'retry', code, of: 'address', afterMs: afterMs ?? DEVICE_PAUSE_MS };
    // The endpoint does not do this any more, and says so as a success: somebody has to turn it off.
    case 'DeprecatedApi':
    case 'DeprecatedEndpoint':
      return { kind: 'credentials', code };
    default:
      // MessageTooBig, MismatchSenderId, InvalidParameters, InvalidTtl, InvalidPackageName, …
      return { kind: 'refused', code };
  }
}
