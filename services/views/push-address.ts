/** Where a device is reached. Tokens and endpoints are secrets: never in a log, an error or an answer of the API. */

export type PushAddress = ApnsAddress | FcmAddress | GcmAddress | WebPushAddress;
export type PushProviderName = PushAddress['provider'];

export interface ApnsAddress {
  readonly provider: 'APNS';
  readonly token: string;
  /** The app's bundle id; absent: `LANES_APNS_TOPIC`. */
  readonly topic?: string;
  /** Which of Apple's two the token is of; absent: production. Without effect where `LANES_APNS_URL` is set. */
  readonly environment?: 'production' | 'sandbox';
}
export interface FcmAddress {
  readonly provider: 'FCM';
  readonly token: string;
}
export interface GcmAddress {
  readonly provider: 'GCM';
  readonly token: string;
}
/** A `PushSubscription` of a browser (RFC 8291): its endpoint, and `p256dh` and `auth` of its keys in base64url. */
export interface WebPushAddress {
  readonly provider: 'WEB_PUSH';
  readonly endpoint: string;
  readonly p256dh: string;
  readonly auth: string;
}
