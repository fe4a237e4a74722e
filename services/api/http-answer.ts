/** How an answer leaves by HTTP: its status, its media type, and what a caller is to do next. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionResult, GraphQLError } from 'graphql';
import { ERRORS } from '../../schema/errors.ts';
import { codeOf, errorsBody } from './errors.ts';

const GRAPHQL_JSON = 'application/graphql-response+json';
/** Where nothing better is known. */
const RETRY_AFTER_S = 2;

/** These stand whatever the caller asked for. */
const STANDING = new Set([401, 429, 503]);

export const accepts = ({ headers: { accept } }: IncomingMessage, type: string): boolean =>
  accept?.includes(type) ?? false;

/** Of an answer without `data`, where the caller asked for statuses (GraphQL over HTTP, section 6.4.2). */
export const statusOf = (error: GraphQLError): number => ERRORS[codeOf(error) ?? 'INTERNAL_SERVER_ERROR'].status;

/** An event stream and nothing else will do. */
export const acceptsOnlyEvents = (request: IncomingMessage): boolean =>
  accepts(request, 'text/event-stream') && !accepts(request, 'json') && !accepts(request, '*/*');

/** A GraphQL answer, be it data, errors or both. */
export function answer(request: IncomingMessage, response: ServerResponse, result: ExecutionResult): void {
  const asked = accepts(request, GRAPHQL_JSON);
  const [error] = result.errors ?? [];
  const wouldBe = result.data === undefined && error ? statusOf(error) : 200;
  const status = asked || STANDING.has(wouldBe) ? wouldBe : 200;
  write(response, status, result, error, asked ? GRAPHQL_JSON : 'application/json');
}

/** No GraphQL answer at all: what came is no GraphQL request, or is not let in. */
export function refuse(response: ServerResponse, status: number, error: GraphQLError): void {
  write(response, status, errorsBody([error]), error, 'application/json');
}

function write(
  response: ServerResponse,
  status: number,
  body: unknown,
  error: GraphQLError | undefined,
  type: string,
): void {
  if (response.headersSent || response.destroyed) return;
  // A string leaves in one write with the headers.
  const json = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': `${type}; charset=utf-8`,
    'content-length': Buffer.byteLength(json),
    'cache-control': 'no-store',
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    ...(status === 429 || status === 503 ? { 'retry-after': retryAfterOf(error) } : {}),
    ...(status === 413 ? { connection: 'close' } : {}),
  });
  response.end(json);
}

function retryAfterOf(error: GraphQLError | undefined): string {
  const { retryAfterMs } = error?.extensions ?? {};
  return String(typeof retryAfterMs === 'number' ? Math.max(1, Math.ceil(retryAfterMs / 1000)) : RETRY_AFTER_S);
}
