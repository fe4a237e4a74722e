/**
 * The errors that a client sees, made in one place; and what becomes of every other one: its story goes into the log, and
 * the client gets a number to ask about.
 */
import { randomUUID } from 'node:crypto';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { ERRORS, errorExtensionsOf } from '../../schema/errors.ts';
import type { ErrorCode } from '../../schema/generated.ts';
import type { Logger } from '../logger.ts';
import { failureOf, OUT_OF_REACH } from '../views/failure.ts';

export const apiError = (code: ErrorCode, message: string, retryAfterMs?: number): GraphQLError =>
  new GraphQLError(message, { extensions: errorExtensionsOf(code, retryAfterMs) });

/** `rule` says what the field takes. */
export const badInput = (field: string, rule: string): GraphQLError => apiError('BAD_USER_INPUT', `${field}: ${rule}`);

export const unavailable = (message = OUT_OF_REACH) => apiError('UNAVAILABLE', message);

/** The published code of an error that `publicError` has passed. */
export const codeOf = (error: GraphQLError): ErrorCode | undefined => {
  const { code } = error.extensions;
  return typeof code === 'string' && Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : undefined;
};

/** The same error at the same place of the document and of the answer, with another message and code. */
const recoded = (error: GraphQLError, message: string, extensions: Record<string, unknown>): GraphQLError =>
  new GraphQLError(message, {
    nodes: error.nodes ?? null,
    source: error.source ?? null,
    positions: error.positions ?? null,
    path: error.path ?? null,
    extensions,
  });

export const withCode = (error: GraphQLError, code: ErrorCode): GraphQLError =>
  codeOf(error) ? error : recoded(error, error.message, errorExtensionsOf(code));

/** An error as the client may see it. What is not one of ours and not the client's own fault is logged and masked. */
export function publicError(error: unknown, log: Logger): GraphQLError {
  if (!(error instanceof GraphQLError))
    return publicError(new GraphQLError('', { originalError: asError(error) }), log);
  if (codeOf(error)) return error;
  const cause = causeOf(error);
  if (cause === undefined) return recoded(error, error.message, errorExtensionsOf('BAD_USER_INPUT'));
  const failure = failureOf(cause);
  if (failure) {
    if (failure.isAlarming) log.error({ err: cause, path: error.path }, 'a poisoned lane was asked for');
    return recoded(error, failure.message, errorExtensionsOf(failure.code));
  }
  const faultId = randomUUID();
  log.error({ err: cause, path: error.path, faultId }, 'fault');
  return recoded(error, `A fault of the server's: its log has it as ${faultId}.`, {
    ...errorExtensionsOf('INTERNAL_SERVER_ERROR'),
    faultId,
  });
}

/** What was thrown, below the errors that graphql-js wraps it in; undefined where graphql-js itself objects to the request. */
function causeOf(error: GraphQLError): Error | undefined {
  const { originalError } = error;
  return originalError instanceof GraphQLError ? causeOf(originalError) : originalError;
}

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/** The body of an answer that is errors only. */
export const errorsBody = (errors: readonly GraphQLError[]): { readonly errors: readonly GraphQLFormattedError[] } => ({
  errors: errors.map((error) => error.toJSON()),
});
