/**
 * Webhooks that come in: `POST /hooks/<app>` with the integration's hook secret sends a message as `app_<app>`, by the same
 * command, with the same answers, as on NATS. What a caller that only looks at the status needs to know is in the status.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { MAX_REQUEST_BYTES, type RefusalCode } from '../schema/commands.ts';
import { TOO_LARGE_STATUS } from '../schema/errors.ts';
import { type AppId, parseAppId } from '../schema/ids.ts';
import { Counts } from '../services/buckets.ts';
import { isJson, readBytes } from '../services/http-body.ts';
import type { Integrations } from '../services/journal/integrations.ts';
import type { Logger } from '../services/logger.ts';
import { portErrorOf } from '../services/port-error.ts';
import { errorReply, type Reply, type ReplyJson } from './answers.ts';
import type { Commands } from './commands.ts';
import { isSecretOf, NOBODYS_HASH } from './judge.ts';
import { BadHookKey, keyedBody } from './webhook-key.ts';
import { hookMetrics } from './webhook-metrics.ts';

export interface WebhooksInParts {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly integrations: Pick<Integrations, 'get'>;
  readonly commands: Pick<Commands, 'handle'>;
  readonly registry: Registry;
  readonly log: Logger;
}

const HEADERS_WITHIN_MS = 10_000;
const REQUEST_WITHIN_MS = 30_000;
const CHECK_EVERY_MS = 5_000;
const CONNECTIONS = 2_000;
/** Of one integration, read or under way: past it 429. Each may hold the largest body. */
const AT_ONCE = 32;
const DEADLINE_MS = 10_000;
const STOP_MS = 5_000;
const PATH = /^\/hooks\/([^/?]+)$/;

/** Refused is decided and final, or to be tried again later: callers of webhooks know the difference by the status. */
const REFUSAL_STATUS: Readonly<Record<RefusalCode, number>> = {
  NOT_FOUND: 404,
  NOT_ALLOWED: 403,
  ALREADY_EXISTS: 409,
  KEY_REUSED: 409,
  TOO_LARGE: TOO_LARGE_STATUS,
  MEMBER_LIMIT: 409,
  CONTENDED: 503,
  STORE_FULL: 503,
  RATE_LIMITED: 429,
  DEVICE_LIMIT: 409,
};

/** Settles when it listens. Rejects with a ConfigError that names LANES_BRIDGE_PORT where the port cannot be had. */
export async function openWebhooksIn(
  parts: WebhooksInParts,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const door = new HookDoor(parts);
  const { host, port } = parts;
  const server = createServer(
    {
      headersTimeout: HEADERS_WITHIN_MS,
      requestTimeout: REQUEST_WITHIN_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
    },
    (request, response) => void door.handle(request, response),
  );
  server.maxConnections = CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(portErrorOf(error, port, 'webhooks', 'LANES_BRIDGE_PORT') ?? error));
    server.listen(port, host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    stop: () => stopServer(server),
  };
}

/** What is under way is answered, for a while. */
async function stopServer(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), STOP_MS);
  await closed;
  clearTimeout(timer);
}

class HookDoor {
  readonly #parts: WebhooksInParts;
  readonly #atOnce = new Counts(AT_ONCE);
  readonly #count: (outcome: string) => void;

  constructor(parts: WebhooksInParts) {
    this.#parts = parts;
    this.#count = hookMetrics(parts.registry);
  }

  /** Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/';
    if (path === '/healthz') {
      response.end('ok\n');
      return;
    }
    const named = PATH.exec(path)?.[1];
    if (named === undefined)
      return this.#end(response, errorReply('NOT_FOUND', 'There is nothing here: POST /hooks/<app>'));
    const app = this.#appOf(named, request.headers.authorization);
    if (app === undefined)
      return this.#end(
        response,
        errorReply('UNAUTHENTICATED', 'No hook of that name has this secret: Authorization: Bearer <secret>'),
      );
    if (request.method !== 'POST') {
      response.setHeader('allow', 'POST');
      return this.#end(response, errorReply('BAD_USER_INPUT', 'the method: POST', { status: 405 }));
    }
    if (!this.#atOnce.enter(app))
      return this.#end(response, errorReply('RATE_LIMITED', 'Too many requests at once.', { retryAfterMs: 1_000 }));
    try {
      await this.#send(app, request, response);
    } finally {
      this.#atOnce.leave(app);
    }
  }

  /** The same work and the same answer, whether there is no such integration, or none with a hook, or another secret. */
  #appOf(name: string, authorization: string | undefined): AppId | undefined {
    const app = parseAppId(name);
    const integration = app && this.#parts.integrations.get(app);
    const secret = /^Bearer +([\w.~+/=-]{1,256})$/i.exec(authorization ?? '')?.[1] ?? '';
    const isRight = isSecretOf(secret, integration?.hookHash ?? NOBODYS_HASH);
    const isOpen = integration?.hookHash !== undefined && integration.revokedAt === undefined;
    return isRight && isOpen && secret !== '' ? app : undefined;
  }

  async #send(app: AppId, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!isJson(request))
      return this.#end(
        response,
        errorReply('BAD_USER_INPUT', 'the request: application/json in UTF-8', { status: 415 }),
      );
    const body = await readBytes(request);
    switch (body.kind) {
      case 'gone':
        return this.#count('gone');
      case 'too-large': {
        const rule = `the request: at most ${MAX_REQUEST_BYTES.toLocaleString('en-US')} bytes`;
        return this.#end(response, errorReply('BAD_USER_INPUT', rule, { status: TOO_LARGE_STATUS }));
      }
      case 'bytes': {
        let keyed: Uint8Array;
        try {
          keyed = keyedBody(body.bytes, request.headers);
        } catch (error) {
          if (!(error instanceof BadHookKey)) throw error;
          return this.#end(response, errorReply('BAD_USER_INPUT', error.message));
        }
        return this.#end(response, await this.#parts.commands.handle(app, 'send', keyed, { deadlineMs: DEADLINE_MS }));
      }
      default:
        return body satisfies never;
    }
  }

  #end(response: ServerResponse, reply: Reply): void {
    const { status, outcome, retryAfterMs } = statusOf(reply);
    this.#count(outcome);
    if (response.headersSent || response.destroyed) return;
    const json = JSON.stringify(reply.json);
    const isLater = status === 429 || status === 503;
    response.writeHead(status, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(json),
      'cache-control': 'no-store',
      ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
      ...(isLater ? { 'retry-after': String(Math.max(1, Math.ceil((retryAfterMs ?? 1_000) / 1_000))) } : {}),
      // What was not read is not read on.
      ...(status === 200 || response.req.complete ? {} : { connection: 'close' }),
    });
    response.end(json);
  }
}

function statusOf({ json, errorCode = 500 }: { readonly json: ReplyJson; readonly errorCode?: number }): {
  readonly status: number;
  readonly outcome: string;
  readonly retryAfterMs?: number | null | undefined;
} {
  if ('errors' in json) {
    const { code, retryAfterMs } = json.errors[0].extensions;
    return { status: errorCode, outcome: code, retryAfterMs };
  }
  if ('refused' in json) {
    const { code, retryAfterMs } = json.refused;
    return { status: REFUSAL_STATUS[code], outcome: code, retryAfterMs };
  }
  return { status: 200, outcome: 'accepted' };
}
