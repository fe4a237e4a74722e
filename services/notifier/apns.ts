/**
 * Apple's push notification service, by apns2 over connections of ours.
 * Source of headers, limits and reasons: Apple, "Sending notification requests to APNs" and "Handling notification responses
 * from APNs".
 */
import type { SecureContext } from 'node:tls';
import { ApnsClient, Notification, type NotificationOptions, Priority, PushType } from 'apns2';
import type { Patience } from '../patience.ts';
import type { ApnsAddress } from '../views/push-address.ts';
import { type Answer, jsonOf, retryAfterOf, Wire, wordOf } from '../wire.ts';
import { ApnsSeam } from './apns-seam.ts';
import type { Adapter, Attempt } from './guard.ts';
import {
  conversationHash,
  fittedPayload,
  jsonBytes,
  type MessagePayload,
  NEW_MESSAGE,
  type Payload,
} from './payload.ts';
import type { PushMessage } from './push.ts';

export interface ApnsOptions {
  /** https; null: Apple's own, by each address's environment. */
  readonly url: string | null;
  /** PEM of the key (`.p8`, P-256). */
  readonly signingKey: string;
  readonly keyId: string;
  readonly teamId: string;
  /** Of addresses that name none. */
  readonly topic: string;
  /** The authorities to believe; absent: Node's own. */
  readonly trust?: SecureContext | undefined;
  readonly clock?: () => number;
}

export const APPLE = {
  production: 'https://api.push.apple.com',
  sandbox: 'https://api.sandbox.push.apple.com',
} as const;

/** Of the whole body. Where the provider says that it is too large all the same, half of it is tried. */
const PAYLOAD_BYTES = 4096;
const SMALLER_BYTES = 2048;
/** More at once on one connection, and single ones wait for seconds. */
const STREAMS = 100;
const CONNECTIONS = 4;
/** As many pushes may be under way as there are streams. */
export const APNS_UNDER_WAY = STREAMS * CONNECTIONS;
/** Apple asks for it after `TooManyProviderTokenUpdates`: a token may be made new every 20 minutes. */
const TOKEN_PAUSE_MS = 60_000;

export class ApnsAdapter implements Adapter<ApnsAddress> {
  readonly provider = 'APNS';
  readonly #options: ApnsOptions;
  readonly #origin: string | null;
  readonly #hosts = new Map<string, { readonly client: ApnsClient; readonly seam: ApnsSeam }>();
  readonly #clock: () => number;

  constructor(options: ApnsOptions) {
    this.#options = options;
    this.#origin = options.url === null ? null : new URL(options.url).origin;
    this.#clock = options.clock ?? Date.now;
  }

  hostOf({ environment = 'production' }: ApnsAddress): string {
    return this.#origin ?? APPLE[environment];
  }

  async attempt(address: ApnsAddress, message: PushMessage, patience: Patience): Promise<Attempt> {
    const first = await this.#send(address, message, PAYLOAD_BYTES, patience);
    // The token of ours had ended; the one of the second time is new.
    const again = first.reason === 'ExpiredProviderToken';
    const second = again ? await this.#send(address, message, PAYLOAD_BYTES, patience) : first;
    if (second.reason !== 'PayloadTooLarge') return second.attempt;
    return (await this.#send(address, message, SMALLER_BYTES, patience)).attempt;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#hosts.values()].map(({ seam }) => seam.stop()));
  }

  async #send(address: ApnsAddress, message: PushMessage, bytes: number, patience: Patience) {
    const { topic = this.#options.topic } = address;
    const options = notificationOf(message, bytes, topic);
    if (options === undefined) return { attempt: { kind: 'refused', code: 'PayloadTooLarge' } as Attempt };
    const { client, seam } = this.#openHost(this.hostOf(address));
    const heard = await seam.send(patience, () => client.send(new Notification(address.token, options)));
    if (heard.kind === 'silence') {
      const attempt: Attempt = { kind: 'retry', code: heard.code, of: 'host' };
      return { attempt };
    }
    if (heard.status === 200) {
      const id = heard.headers['apns-id'];
      return { attempt: { kind: 'sent', ...(id === undefined ? {} : { id }) } as Attempt };
    }
    const { reason, timestamp } = reasonOf(heard);
    return { reason, attempt: this.#attemptOf(heard, reason, timestamp, topic !== this.#options.topic) };
  }

  /** `foreign`: the topic is the address's own, so that only the address can be blamed for it. */
  #attemptOf({ status, headers }: Answer, reason: string, timestamp: number | undefined, foreign: boolean): Attempt {
    const afterMs = retryAfterOf(headers['retry-after'], this.#clock());
    if (status === 410 || DEAD.has(reason))
      return { kind: 'dead-token', code: reason, ...(timestamp === undefined ? {} : { before: timestamp }) };
    if (TOPIC.has(reason)) return { kind: foreign ? 'dead-token' : 'credentials', code: reason };
    if (reason === 'TooManyRequests') return { kind: 'retry', code: reason, of: 'address', afterMs };
    if (reason === 'TooManyProviderTokenUpdates')
      return { kind: 'retry', code: reason, of: 'host', afterMs: afterMs ?? TOKEN_PAUSE_MS };
    if (status >= 500 || status === 429 || reason === 'IdleTimeout')
      return { kind: 'retry', code: reason, of: 'host', afterMs };
    // Refused for its form, whatever it said, other pushes may be good; what is said of us is said of all.
    if (status === 400 || status === 413) return { kind: 'refused', code: reason };
    return { kind: 'credentials', code: reason };
  }

  #openHost(host: string) {
    let opened = this.#hosts.get(host);
    if (opened === undefined) {
      const { teamId: team, keyId, signingKey, topic: defaultTopic, trust } = this.#options;
      // `keepAlive: false`: no timer of its own; connections are kept by ours.
      const { hostname } = new URL(host);
      const client = new ApnsClient({ team, keyId, signingKey, defaultTopic, host: hostname, keepAlive: false });
      const wire = new Wire({ origin: host, trust, protocols: ['h2'], streams: STREAMS, connections: CONNECTIONS });
      opened = { client, seam: new ApnsSeam(client, wire) };
      this.#hosts.set(host, opened);
    }
    return opened;
  }
}

/** The device's fault, beside every 410. */
const DEAD = new Set(['BadDeviceToken', 'DeviceTokenNotForTopic', 'MissingDeviceToken']);
const TOPIC = new Set(['BadTopic', 'MissingTopic', 'TopicDisallowed']);

function reasonOf({ status, body }: Answer): { reason: string; timestamp?: number } {
  const { reason, timestamp } = jsonOf(body);
  const before = typeof timestamp === 'number' && timestamp > 0 ? { timestamp } : {};
  return { reason: wordOf(reason, String(status)), ...before };
}

/** Undefined: too large even without its text. */
function notificationOf(message: PushMessage, bytes: number, topic: string): NotificationOptions | undefined {
  // The words stand in it twice: in the alert, and in the published object.
  const payload = fittedPayload(message, bytes, (candidate) => jsonBytes(bodyOf(message, candidate, topic)), 2);
  return payload && optionsOf(message, payload, topic);
}

/**
 * At most 64 bytes. Marks have an id beside the messages': one that replaced a message which the phone has not had yet would
 * take a notification away that nobody has read.
 */
const collapseIdOf = ({ kind, conversationId }: PushMessage): string =>
  kind === 'message' ? conversationId : `read.${conversationHash('read', conversationId, 43)}`;

const bodyOf = (message: PushMessage, payload: Payload, topic: string): unknown =>
  new Notification('', optionsOf(message, payload, topic)).buildApnsOptions();

function optionsOf(message: PushMessage, payload: Payload, topic: string): NotificationOptions {
  const data = { lanes: payload };
  const collapseId = collapseIdOf(message);
  // Seconds; 0 would mean: do not keep it.
  const expiration = Math.max(1, Math.floor(message.expiresAt / 1000));
  // A background push holds `content-available` and nothing else in `aps`, or Apple may not deliver it.
  if (payload.kind === 'read') {
    const [type, priority] = [PushType.background, Priority.throttled];
    return { topic, collapseId, expiration, type, priority, contentAvailable: true, data };
  }
  return {
    topic,
    collapseId,
    expiration,
    type: PushType.alert,
    priority: Priority.immediate,
    alert: alertOf(payload),
    badge: payload.badge,
    sound: 'default',
    threadId: payload.conversationId,
    mutableContent: true,
    data,
  };
}

function alertOf({ title, senderName, text = NEW_MESSAGE }: MessagePayload): NonNullable<NotificationOptions['alert']> {
  if (title !== undefined) return { title, ...(senderName === undefined ? {} : { subtitle: senderName }), body: text };
  return senderName === undefined ? text : { title: senderName, body: text };
}
