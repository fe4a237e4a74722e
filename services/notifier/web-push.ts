/**
 * Web Push (RFC 8030): browsers, and UnifiedPush. An endpoint is whatever a user wrote, so: https only, push services that are
 * known or named by the operator, addresses of the public internet only, no redirects, and each push service has a gate and connections of its own.
 */
import type { SecureContext } from 'node:tls';
import { ForeignHosts, foreignUrlOf } from '../foreign-hosts.ts';
import type { Patience } from '../patience.ts';
import { isPushService } from '../push-services.ts';
import type { WebPushAddress } from '../views/push-address.ts';
import { type Answer, retryAfterOf, type Silence } from '../wire.ts';
import { MAX_TTL_SECONDS } from './fcm.ts';
import type { Adapter, Attempt } from './guard.ts';
import { KeyRefusals } from './key-refusals.ts';
import { conversationHash, fittedPayload, jsonBytes } from './payload.ts';
import type { PushMessage } from './push.ts';
import { Vapid, type VapidKey } from './vapid.ts';
import { encrypt, PLAIN_BYTES, parseSubscriptionKeys, type SubscriptionKeys } from './web-push-crypto.ts';

export interface WebPushOptions {
  readonly key: VapidKey;
  /** `mailto:` or https: whom a push service may turn to. */
  readonly subject: string;
  /** Push services beside those of the browsers. */
  readonly hosts: readonly string[];
  /** A push service, named by its origin, refuses one subscription after the other as made for another key. */
  readonly onKeyUnknown?: (service: string) => void;
  readonly trust?: SecureContext | undefined;
  readonly clock?: () => number;
  /** Which addresses may be connected to. Only tests give it, to reach push services on their own machine. */
  readonly allows?: (address: string) => boolean;
  /** The addresses of a name. Only tests give it. */
  readonly resolve?: (hostname: string) => Promise<readonly string[]>;
}

const SMALLER_BYTES = 1500;
const STREAMS = 100;
const CONNECTIONS = 16;
/** So long a push service wants to be left alone where it does not say how long. */
const PAUSE_MS = 60_000;

export class WebPushAdapter implements Adapter<WebPushAddress> {
  readonly provider = 'WEB_PUSH';
  readonly #vapid: Vapid;
  readonly #clock: () => number;
  readonly #hosts: ForeignHosts;
  readonly #refusals = new KeyRefusals();
  readonly #named: readonly string[];
  readonly #onKeyUnknown: WebPushOptions['onKeyUnknown'];

  constructor(options: WebPushOptions) {
    this.#clock = options.clock ?? Date.now;
    this.#named = options.hosts;
    this.#onKeyUnknown = options.onKeyUnknown;
    this.#vapid = new Vapid(options.key, options.subject, this.#clock);
    this.#hosts = new ForeignHosts({ ...options, connections: CONNECTIONS, streams: STREAMS });
  }

  hostOf({ endpoint }: WebPushAddress): string | undefined {
    return foreignUrlOf(endpoint)?.origin;
  }

  async attempt(address: WebPushAddress, message: PushMessage, patience: Patience): Promise<Attempt> {
    const endpoint = foreignUrlOf(address.endpoint);
    const keys = parseSubscriptionKeys(address.p256dh, address.auth);
    if (endpoint === undefined || keys === undefined) return { kind: 'dead-token', code: 'BAD_ADDRESS' };
    // The operator may name it tomorrow: the address stays for now.
    if (!isPushService(endpoint, this.#named)) return { kind: 'refused', code: 'FOREIGN_HOST', of: 'address' };
    const first = await this.#send(endpoint, keys, message, PLAIN_BYTES, patience);
    return first.tooLarge
      ? (await this.#send(endpoint, keys, message, SMALLER_BYTES, patience)).attempt
      : first.attempt;
  }

  async stop(): Promise<void> {
    await this.#hosts.stop();
  }

  async #send(
    endpoint: URL,
    keys: SubscriptionKeys,
    message: PushMessage,
    bytes: number,
    patience: Patience,
  ): Promise<Sent> {
    const payload = fittedPayload(message, bytes, jsonBytes);
    if (payload === undefined) return { attempt: { kind: 'refused', code: '413' } };
    let body: Buffer;
    try {
      body = encrypt(Buffer.from(JSON.stringify(payload)), keys);
    } catch {
      return { attempt: { kind: 'dead-token', code: 'BAD_ADDRESS' } };
    }
    const headers = { ...this.#headersOf(message), authorization: await this.#vapid.headerOf(endpoint.origin) };
    const post = { path: `${endpoint.pathname}${endpoint.search}`, headers, body };
    const answer = await this.#hosts.wireOf(endpoint.origin).post(post, patience);
    this.#learnOfKey(endpoint, answer);
    return { attempt: this.#attemptOf(answer, endpoint), tooLarge: answer.kind === 'answer' && answer.status === 413 };
  }

  #learnOfKey({ origin, href }: URL, answer: Answer | Silence): void {
    if (answer.kind === 'silence') return;
    const { status } = answer;
    if (status >= 200 && status < 300) this.#refusals.taken(origin);
    const isRefused = status === 401 || status === 403;
    if (isRefused && this.#refusals.refused(origin, href)) this.#onKeyUnknown?.(origin);
  }

  #headersOf({ kind, conversationId, expiresAt }: PushMessage): Record<string, string> {
    const seconds = Math.floor((expiresAt - this.#clock()) / 1000);
    return {
      ttl: String(Math.min(MAX_TTL_SECONDS, Math.max(1, seconds))),
      urgency: kind === 'message' ? 'high' : 'normal',
      // At most 32 characters of base64url, and not for the push service to know the conversation by.
      topic: conversationHash(kind, conversationId, 32),
      'content-type': 'application/octet-stream',
      'content-encoding': 'aes128gcm',
    };
  }

  #attemptOf(answer: Answer | Silence, { origin }: URL): Attempt {
    if (answer.kind === 'silence') {
      // Whoever wrote it, nobody of ours goes there. It may be a name that is resolved wrongly today: the address stays.
      if (answer.code === 'FORBIDDEN_ADDRESS') return { kind: 'refused', code: answer.code, of: 'address' };
      return { kind: 'retry', code: answer.code, of: 'host' };
    }
    const { status, headers } = answer;
    const code = String(status);
    const afterMs = retryAfterOf(headers['retry-after'], this.#clock());
    if (status >= 200 && status < 300) return { kind: 'sent' };
    if (status === 404 || status === 410) return { kind: 'dead-token', code };
    if (status === 429) return { kind: 'retry', code, of: 'address', afterMs: afterMs ?? PAUSE_MS };
    if (status >= 500) return { kind: 'retry', code, of: 'host', afterMs };
    // 401 and 403 as well: the subscription was made for another key, which is its own fault, and anybody can send us one.
    // Unless the service refuses everybody: then it is our key.
    const isOurs = (status === 401 || status === 403) && this.#refusals.isDoubted(origin);
    return { kind: 'refused', code, ...(isOurs || status === 413 ? {} : { of: 'address' }) };
  }
}

interface Sent {
  readonly attempt: Attempt;
  readonly tooLarge?: boolean;
}
