/** What a user says of a device and of its own settings: each argument parsed. No answer ever repeats an address. */
import type {
  ApnsAddressInput,
  DoNotDisturbInput,
  PushAddressInput,
  WebPushAddressInput,
} from '../../../schema/generated.ts';
import { isPushService } from '../../push-services.ts';
import type { DoNotDisturb } from '../../views/devices.ts';
import type { PushAddress } from '../../views/push-address.ts';
import { badInput } from '../errors.ts';

const APNS_TOKEN = /^[0-9A-Fa-f]{1,512}$/;
/** A reverse domain name, and what Apple hangs on it (`.voip`, `.complication`). */
const APNS_TOPIC = /^[A-Za-z0-9.-]{1,255}$/;
const TOKEN = /^[!-~]{1,4096}$/;
const MAX_ENDPOINT_CHARS = 2_048;
/** Source: RFC 8291, section 3: an uncompressed point of P-256, and 16 bytes. */
const P256DH_BYTES = 65;
const UNCOMPRESSED = 0x04;
const AUTH_BYTES = 16;
const BASE64URL = /^[A-Za-z0-9_-]+={0,2}$/;

/** `services`: hosts of Web Push beside those of the browsers. */
export function pushAddressOf(
  field: string,
  { apns, fcm, gcm, webPush }: PushAddressInput,
  services: readonly string[],
): PushAddress {
  if (apns) return apnsOf(`${field}.apns`, apns);
  if (fcm) return { provider: 'FCM', token: tokenOf(`${field}.fcm.token`, fcm.token) };
  if (gcm) return { provider: 'GCM', token: tokenOf(`${field}.gcm.token`, gcm.token) };
  return webPushOf(`${field}.webPush`, webPush, services);
}

function apnsOf(field: string, { token, topic, environment }: ApnsAddressInput): PushAddress {
  if (!APNS_TOKEN.test(token)) throw badInput(`${field}.token`, '1 to 512 hexadecimal digits');
  if (topic !== null && topic !== undefined && !APNS_TOPIC.test(topic))
    throw badInput(`${field}.topic`, 'a bundle id of at most 255 characters');
  return {
    provider: 'APNS',
    token,
    ...(topic ? { topic } : {}),
    ...(environment ? { environment: environment === 'SANDBOX' ? 'sandbox' : 'production' } : {}),
  };
}

function tokenOf(field: string, token: string): string {
  if (!TOKEN.test(token)) throw badInput(field, '1 to 4,096 visible ASCII characters');
  return token;
}

function webPushOf(
  field: string,
  { endpoint, p256dh, auth }: WebPushAddressInput,
  services: readonly string[],
): PushAddress {
  const url = endpoint.length <= MAX_ENDPOINT_CHARS && URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '')
    throw badInput(`${field}.endpoint`, 'an https URL of at most 2,048 characters');
  if (!isPushService(url, services))
    throw badInput(`${field}.endpoint`, 'a push service of a browser, or one that this installation names');
  const point = bytesOf(p256dh);
  if (point?.byteLength !== P256DH_BYTES || point[0] !== UNCOMPRESSED)
    throw badInput(`${field}.p256dh`, '65 bytes in base64url, an uncompressed point of P-256');
  if (bytesOf(auth)?.byteLength !== AUTH_BYTES) throw badInput(`${field}.auth`, '16 bytes in base64url');
  return { provider: 'WEB_PUSH', endpoint, p256dh, auth };
}

const bytesOf = (base64url: string): Buffer | undefined =>
  BASE64URL.test(base64url) ? Buffer.from(base64url, 'base64url') : undefined;

const TIME_OF_DAY = /^([01]\d|2[0-3]):[0-5]\d$/;

export function doNotDisturbOf(field: string, { from, to, timeZone }: DoNotDisturbInput): DoNotDisturb {
  for (const [name, time] of Object.entries({ from, to }))
    if (!TIME_OF_DAY.test(time)) throw badInput(`${field}.${name}`, 'HH:MM, from 00:00 to 23:59');
  if (from === to) throw badInput(`${field}.to`, 'another time than from');
  if (!isTimeZone(timeZone)) throw badInput(`${field}.timeZone`, 'the IANA name of a time zone, such as Europe/Berlin');
  return { from, to, timeZone };
}

/** Offsets such as `+01:00` are known to Intl too, and are no names. */
function isTimeZone(name: string): boolean {
  if (name.length > 64 || !/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
