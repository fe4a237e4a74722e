/** Which pages may speak to this server. A request without an `Origin` comes from no page, and is not held up here. */
import type { IncomingMessage } from 'node:http';
import type { Config } from '../config.ts';

/**
 * The token is the only credential, and `Authorization` and a JSON body are what no HTML form can send: a browser asks first,
 * and is answered for the origins that are let in. That is the whole of the protection against forged requests.
 */
const HEADERS = [
  ...['authorization', 'content-type', 'accept', 'lanes-as', 'last-event-id'],
  ...['x-requested-with', 'graphql-require-preflight', 'apollo-require-preflight'],
];

const CORS_HEADERS = {
  'access-control-allow-methods': 'GET, POST, OPTIONS',
  'access-control-allow-headers': HEADERS.join(', '),
  'access-control-expose-headers': 'retry-after',
  'access-control-max-age': '7200',
};

export class Origins {
  readonly #listed: ReadonlySet<string> | null;
  readonly #loopback: boolean;

  constructor({ origins, environment }: Pick<Config, 'origins' | 'environment'>) {
    this.#listed = origins === null ? null : new Set(origins);
    this.#loopback = origins === null && environment === 'development';
  }

  allows({ headers: { origin, host } }: IncomingMessage): boolean {
    if (origin === undefined) return true;
    if (this.#listed) return this.#listed.has(origin);
    if (!URL.canParse(origin)) return false;
    const url = new URL(origin);
    return url.host === host || (this.#loopback && isLoopbackName(url.hostname));
  }
}

/** What a page needs to read the answer. Only for a request that is allowed. */
export const corsHeadersOf = ({ headers: { origin }, method }: IncomingMessage): Record<string, string> =>
  origin === undefined
    ? {}
    : {
        'access-control-allow-origin': origin,
        vary: 'origin',
        ...(method === 'OPTIONS' ? CORS_HEADERS : { 'access-control-expose-headers': 'retry-after' }),
      };

export const isLoopbackName = (hostname: string): boolean =>
  hostname === 'localhost' ||
  hostname.endsWith('.localhost') ||
  hostname === '[::1]' ||
  /^127(\.\d{1,3}){3}$/.test(hostname);
