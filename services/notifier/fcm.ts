/**
 * Firebase Cloud Messaging, HTTP v1: a service account's token and one POST for each message. Data only: the app decides what
 * is shown. Sources: Firebase, REST resource `projects.messages`, `ErrorCode`, and "FCM error codes".
 */
import type { SecureContext } from 'node:tls';
import type { Patience } from '../patience.ts';
import type { FcmAddress } from '../views/push-address.ts';
import { type Answer, jsonOf, objectOf, retryAfterOf, type Silence, Wire, wordOf } from '../wire.ts';
import { AccessTokens, type ServiceAccount } from './access-tokens.ts';
import type { Adapter, Attempt } from './guard.ts';
import { fittedPayload, type Payload } from './payload.ts';
import type { PushMessage } from './push.ts';

export interface FcmOptions {
  /** https; null: Google's own. */
  readonly url: string | null;
  readonly account: ServiceAccount;
  readonly trust?: SecureContext | undefined;
  readonly clock?: () => number;
}

const GOOGLE = 'https://fcm.googleapis.com';
/** Keys and values of `data` count, up to 4,096; a margin, since Google does not say how it counts. */
const DATA_BYTES = 4000;
const SMALLER_BYTES = 2000;
export const MAX_TTL_SECONDS = 28 * 24 * 60 * 60;
/**
 * Of all marks one key: Google keeps four keys a device, and which of more it keeps nobody knows. Any push wakes the app,
 * which then asks for everything.
 */
export const READ_COLLAPSE_KEY = 'lanes.read';
/** Google asks for it where a quota was exceeded and no time was said. */
const QUOTA_PAUSE_MS = 60_000;

export class FcmAdapter implements Adapter<FcmAddress> {
  readonly provider = 'FCM';
  readonly #origin: string;
  readonly #path: string;
  readonly #tokens: AccessTokens;
  readonly #wire: Wire;
  readonly #clock: () => number;

  constructor({ url, account, trust, clock = Date.now }: FcmOptions) {
    const { origin, pathname } = new URL(url ?? GOOGLE);
    this.#origin = origin;
    this.#path = `${pathname.replace(/\/$/, '')}/v1/projects/${encodeURIComponent(account.projectId)}/messages:send`;
    this.#clock = clock;
    this.#tokens = new AccessTokens(account, trust, clock);
    this.#wire = new Wire({ origin, trust, protocols: ['h2', 'http/1.1'], streams: 100, connections: 16 });
  }

  hostOf(): string {
    return this.#origin;
  }

  async attempt({ token }: FcmAddress, message: PushMessage, patience: Patience): Promise<Attempt> {
    const first = await this.#send(token, message, DATA_BYTES, patience);
    if (first.why === undefined) return first.attempt;
    const bytes = first.why === 'too-large' ? SMALLER_BYTES : DATA_BYTES;
    return (await this.#send(token, message, bytes, patience)).attempt;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#tokens.stop(), this.#wire.stop()]);
  }

  /** `why`: it may go better once more. */
  async #send(token: string, message: PushMessage, bytes: number, patience: Patience): Promise<Sent> {
    const lanes = dataOf(message, bytes);
    if (lanes === undefined) return { attempt: { kind: 'refused', code: 'INVALID_ARGUMENT' } };
    const access = await this.#tokens.token();
    if (access.kind === 'retry') return { attempt: { ...access, of: 'host' } };
    if (access.kind === 'credentials') return { attempt: access };
    const answer = await this.#wire.post(
      {
        path: this.#path,
        headers: { authorization: `Bearer ${access.value}`, 'content-type': 'application/json' },
        body: JSON.stringify({ message: { token, data: { lanes }, android: this.#androidOf(message) } }),
      },
      patience,
    );
    if (answer.kind === 'answer' && answer.status === 401 && errorOf(answer).code !== 'THIRD_PARTY_AUTH_ERROR') {
      this.#tokens.refused(access.value);
      return { attempt: { kind: 'credentials', code: errorOf(answer).code }, why: 'token' };
    }
    return this.#sentOf(answer);
  }

  #androidOf({ kind, conversationId, expiresAt }: PushMessage) {
    const seconds = Math.min(MAX_TTL_SECONDS, Math.max(1, Math.floor((expiresAt - this.#clock()) / 1000)));
    // High priority that shows nothing costs an app its high priority: a mark shows nothing.
    return kind === 'message'
      ? { priority: 'HIGH', ttl: `${seconds}s`, collapse_key: conversationId }
      : { priority: 'NORMAL', ttl: `${seconds}s`, collapse_key: READ_COLLAPSE_KEY };
  }

  #sentOf(answer: Answer | Silence): Sent {
    if (answer.kind === 'silence') return { attempt: { kind: 'retry', code: answer.code, of: 'host' } };
    const { status, headers } = answer;
    if (status === 200) return { attempt: sentOf(answer) };
    const { code, aboutToken, aboutForm, aboutDevice } = errorOf(answer);
    const afterMs = retryAfterOf(headers['retry-after'], this.#clock());
    if (code === 'UNREGISTERED' || aboutToken) return { attempt: { kind: 'dead-token', code } };
    if (status === 429)
      return {
        attempt: { kind: 'retry', code, of: aboutDevice ? 'address' : 'host', afterMs: afterMs ?? QUOTA_PAUSE_MS },
      };
    if (status >= 500) return { attempt: { kind: 'retry', code, of: 'host', afterMs } };
    // Too large is not told apart from other faults of form: half of it is tried.
    if (status === 400 || status === 413)
      return { attempt: { kind: 'refused', code }, ...(aboutForm ? {} : { why: 'too-large' }) };
    // The token is of another Firebase project: perhaps one device's, perhaps all devices'. No reason to forget any.
    if (code === 'SENDER_ID_MISMATCH' || code === 'THIRD_PARTY_AUTH_ERROR')
      return { attempt: { kind: 'refused', code } };
    return { attempt: { kind: 'credentials', code } };
  }
}

interface Sent {
  readonly attempt: Attempt;
  readonly why?: 'token' | 'too-large';
}

function dataOf(message: PushMessage, bytes: number): string | undefined {
  const textOf = (payload: Payload): string => JSON.stringify(payload);
  const payload = fittedPayload(message, bytes - 'lanes'.length, (candidate) => Buffer.byteLength(textOf(candidate)));
  return payload && textOf(payload);
}

function sentOf({ body }: Answer): Attempt {
  const { name } = jsonOf(body);
  return { kind: 'sent', ...(typeof name === 'string' ? { id: name } : {}) };
}

interface FcmError {
  readonly code: string;
  /** It says that the registration token is none. */
  readonly aboutToken: boolean;
  /** It names a field: making the push smaller does not help. */
  readonly aboutForm: boolean;
  /** The quota that was exceeded is one device's. */
  readonly aboutDevice: boolean;
}

function errorOf({ status, body }: Answer): FcmError {
  const { error } = jsonOf(body);
  const { status: canonical, message, details: given } = objectOf(error);
  const details = listOf(given);
  const named = details.map(({ errorCode }) => errorCode).find((code) => code !== undefined);
  const fields = details.flatMap(({ fieldViolations }) => listOf(fieldViolations).map(({ field }) => field));
  const saysSo = /registration token is not a valid/i.test(String(message));
  return {
    code: wordOf(named ?? canonical, String(status)),
    aboutToken: status === 400 && (fields.includes('message.token') || saysSo),
    aboutForm: fields.length > 0 && !/too (big|large)|exceed/i.test(body),
    aboutDevice: details.some(({ violations }) => /device/i.test(JSON.stringify(listOf(violations)))),
  };
}

const listOf = (value: unknown): Readonly<Record<string, unknown>>[] =>
  Array.isArray(value) ? value.map(objectOf) : [];
