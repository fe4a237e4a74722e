/** One attempt to give one event to a receiver: signed, in bounded time and memory, and what its answer means. */
import type { Millis } from '../schema/ids.ts';
import { ForeignHosts, type ForeignHostsOptions, foreignUrlOf } from '../services/foreign-hosts.ts';
import type { Webhook } from '../services/journal/integrations.ts';
import { Patience } from '../services/patience.ts';
import { type Answer, retryAfterOf, type Silence } from '../services/wire.ts';
import type { Failure } from './receiver.ts';
import { signedHeaders } from './signature.ts';

/** `gone` (410): the receiver wants no more of them, ever. */
export type Attempt =
  | { readonly kind: 'taken' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'stopped' }
  | ({ readonly kind: 'failed' } & Failure);

export const TIMEOUT_MS = 15_000;
/** To one receiver at once. */
export const CONNECTIONS = 16;
const NETWORK =
  /^(E[A-Z_]+|CONNECT_TIMEOUT|FORBIDDEN_ADDRESS|CERT_\w+|ERR_TLS_\w+|UNABLE_TO_\w+|DEPTH_\w+|SELF_SIGNED_\w+)$/;

export type PosterOptions = Pick<ForeignHostsOptions, 'trust' | 'allows' | 'resolve'> & {
  readonly timeoutMs?: number | undefined;
  readonly clock: () => Millis;
};

/** The connections to one webhook's receiver: nobody else's requests wait for them, whichever hosts they share. */
export class WebhookPoster {
  readonly #hosts: ForeignHosts;
  readonly #options: PosterOptions;
  readonly #underWay = new Set<Patience>();

  constructor(options: PosterOptions) {
    this.#options = options;
    this.#hosts = new ForeignHosts({ ...options, connections: CONNECTIONS, streams: CONNECTIONS });
  }

  /** Never rejects; settles within the time limit. */
  async post(webhook: Webhook, event: { readonly id: string; readonly body: Uint8Array }): Promise<Attempt> {
    const { clock, timeoutMs = TIMEOUT_MS } = this.#options;
    const url = foreignUrlOf(webhook.url);
    if (url === undefined) return { kind: 'failed', why: 'not an https URL', isNetwork: true };
    const patience = new Patience().limit(timeoutMs);
    this.#underWay.add(patience);
    try {
      const headers = {
        'content-type': 'application/json',
        'user-agent': 'Lanes-Webhooks',
        ...signedHeaders(webhook, event, clock()),
      };
      const post = { path: `${url.pathname}${url.search}`, headers, body: event.body };
      return attemptOf(await this.#hosts.wireOf(url.origin).post(post, patience), clock());
    } finally {
      patience.release();
      this.#underWay.delete(patience);
    }
  }

  /** What is under way is given up. */
  async stop(): Promise<void> {
    for (const patience of [...this.#underWay]) patience.end('given-up');
    await this.#hosts.stop();
  }
}

function attemptOf(answer: Answer | Silence, now: Millis): Attempt {
  if (answer.kind === 'silence') {
    if (answer.code === 'ABORTED') return { kind: 'stopped' };
    return { kind: 'failed', why: answer.code, isNetwork: NETWORK.test(answer.code) };
  }
  const { status, headers } = answer;
  if (status >= 200 && status < 300) return { kind: 'taken' };
  if (status === 410) return { kind: 'gone' };
  // Only these say that it is about the receiver and not about this event (RFC 6585, 4; RFC 9110, 15.6.4).
  const isPause = status === 429 || status === 503;
  const retryAfterMs = isPause ? retryAfterOf(headers['retry-after'], now) : undefined;
  const why = status >= 300 && status < 400 ? `${status}: redirects are not followed` : String(status);
  return { kind: 'failed', why, isNetwork: false, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}
