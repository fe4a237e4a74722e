/** Every HTTP request: who is let in, and which of the doors behind it answers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ExecutionResult, GraphQLError, OperationTypeNode } from 'graphql';
import type { Buckets } from '../buckets.ts';
import { isJson, readBody } from '../http-body.ts';
import type { Lanes } from '../journal/lanes.ts';
import type { Logger } from '../logger.ts';
import type { Admission } from './admission.ts';
import type { ApiMetrics } from './api-metrics.ts';
import type { Identity } from './auth.ts';
import type { Clients } from './clients.ts';
import { contextOf } from './context.ts';
import type { Prepared } from './documents.ts';
import { type Engine, isSubscription, NOT_HERE, type Operation, type Params, paramsOf } from './engine.ts';
import { apiError, badInput, publicError, unavailable } from './errors.ts';
import type { GraphiQL } from './graphiql.ts';
import { accepts, acceptsOnlyEvents, answer, refuse, statusOf } from './http-answer.ts';
import { corsHeadersOf, type Origins } from './origins.ts';
import type { Readiness } from './readiness.ts';
import { type EventStreams, writeEvents } from './sse.ts';
import { UnreadAnswers } from './unread-answers.ts';

export const GRAPHQL_PATH = '/graphql';

export interface HttpParts {
  readonly engine: Engine;
  readonly lanes: Lanes;
  /** What each user's answers may take. */
  readonly work: Buckets;
  readonly admission: Admission;
  readonly clients: Clients;
  readonly origins: Origins;
  readonly readiness: Readiness;
  readonly streams: EventStreams;
  /** Undefined: this installation shows no page. */
  readonly graphiql: GraphiQL | undefined;
  readonly metrics: ApiMetrics;
  readonly log: Logger;
}

export class HttpDoor {
  readonly #parts: HttpParts;
  readonly #unread = new UnreadAnswers();
  /** Requests being answered; streams are not among them. */
  #busy = 0;
  #onIdle: (() => void) | undefined;

  constructor(parts: HttpParts) {
    this.#parts = parts;
  }

  /** Never throws. */
  handle(request: IncomingMessage, response: ServerResponse): void {
    this.#busy++;
    this.#route(request, response)
      .catch((error: unknown) => refuse(response, 500, publicError(error, this.#parts.log)))
      .finally(() => {
        if (--this.#busy === 0) this.#onIdle?.();
      });
  }

  /** Settles when no request is being answered. */
  idle(): Promise<void> {
    if (this.#busy === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { readiness, graphiql, origins } = this.#parts;
    const path = pathOf(request);
    if (path === '/healthz') return text(response, 200, 'ok');
    if (path === '/readyz') {
      const status = await readiness.check();
      if (!status.isReady) return text(response, 503, status.reason);
      return text(response, 200, status.notice === undefined ? 'ready' : `ready, but ${status.notice}`);
    }
    if (!origins.allows(request))
      return refuse(response, 403, apiError('FORBIDDEN', 'Pages of this origin are not let in.'));
    for (const [name, value] of Object.entries(corsHeadersOf(request))) response.setHeader(name, value);
    if (await graphiql?.serve(request, response, path)) return;
    if (path !== GRAPHQL_PATH) return text(response, 404, 'not found');
    if (request.method === 'OPTIONS') return void response.writeHead(204).end();
    if (readiness.draining) return refuse(response, 503, unavailable('This server is stopping.'));
    if (request.method === 'POST') return this.#post(request, response);
    if (request.method === 'GET') return this.#get(request, response);
    response.setHeader('allow', 'GET, POST, OPTIONS');
    return refuse(response, 405, badInput('method', 'GET or POST'));
  }

  async #post(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now();
    if (!isJson(request))
      return refuse(response, 415, badInput('Content-Type', 'application/json, in UTF-8, not compressed'));
    const identity = await this.#admit(request, response);
    if (!identity) return;
    const body = await readBody(request);
    if (body.kind === 'gone') return;
    if (body.kind === 'too-large') return refuse(response, 413, badInput('request', 'a body of at most 256 KiB'));
    if (body.kind === 'bad') return refuse(response, 400, badInput('request', `a body in ${body.rule}`));
    // It may have come long after its token was looked at.
    if (this.#parts.admission.standingOf(identity) !== 'good')
      return refuse(response, 401, apiError('UNAUTHENTICATED', 'The token is no longer good.'));
    const params = paramsOf(body.value);
    if (params instanceof GraphQLError) return refuse(response, 400, params);
    await this.#run(request, response, params, identity, startedAt);
  }

  /** Streams and queries. */
  async #get(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now();
    const identity = await this.#admit(request, response);
    if (!identity) return;
    const params = paramsOfUrl(request);
    if (params instanceof GraphQLError) return refuse(response, 400, params);
    await this.#run(request, response, params, identity, startedAt);
  }

  /** Undefined: not let in, and told so. */
  async #admit(request: IncomingMessage, response: ServerResponse): Promise<Identity | undefined> {
    const { authorization, 'lanes-as': as } = request.headers;
    const addressOf = () => this.#parts.clients.of(request);
    const admission = this.#parts.admission.authenticate(authorization, as, addressOf);
    const admitted = admission instanceof Promise ? await admission : admission;
    const error = admitted.kind === 'out' ? admitted.error : this.#parts.admission.count(admitted.identity);
    if (!error && admitted.kind === 'in') return admitted.identity;
    if (error) refuse(response, statusOf(error), error);
    return undefined;
  }

  async #run(
    request: IncomingMessage,
    response: ServerResponse,
    params: Params,
    identity: Identity,
    startedAt: number,
  ): Promise<void> {
    const { engine, streams, metrics } = this.#parts;
    const prepared = engine.documents.prepare(params.query, params.operationName, identity.actor.user);
    if (request.method === 'GET' && isMutation(prepared)) {
      response.setHeader('allow', 'POST');
      return refuse(response, 405, badInput('method', 'POST for a mutation'));
    }
    if (prepared.kind === 'operation' && isSubscription(prepared.operation) && accepts(request, 'text/event-stream'))
      return streams.open(request, response, { ...prepared, variables: params.variables }, identity);
    const result =
      prepared.kind === 'bad'
        ? { errors: prepared.errors }
        : await this.#result({ ...prepared, variables: params.variables }, contextOf(identity, this.#parts));
    metrics.answered('http', !result.errors, performance.now() - startedAt);
    if (acceptsOnlyEvents(request)) writeEvents(response, result);
    else answer(request, response, result);
    this.#unread.hold(identity.actor.user, response, request.socket);
  }

  #result(operation: Operation, context: ReturnType<typeof contextOf>): Promise<ExecutionResult> | ExecutionResult {
    return isSubscription(operation.operation)
      ? { errors: [apiError('BAD_USER_INPUT', NOT_HERE)] }
      : this.#parts.engine.execute(operation, context);
  }
}

const isMutation = (prepared: Prepared): boolean =>
  prepared.kind === 'operation' && prepared.operation.operation === OperationTypeNode.MUTATION;

const pathOf = ({ url = '/' }: IncomingMessage): string => {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
};

function text(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`${body}\n`);
}

/** `query`, `operationName` and `variables` (JSON) of a URL. */
function paramsOfUrl({ url = '/' }: IncomingMessage): Params | GraphQLError {
  const search = new URLSearchParams(url.slice(url.indexOf('?') + 1));
  const variables = search.get('variables');
  try {
    return paramsOf({
      query: search.get('query') ?? undefined,
      operationName: search.get('operationName'),
      variables: variables === null || variables === '' ? null : JSON.parse(variables),
    });
  } catch {
    return badInput('variables', 'JSON');
  }
}
