/** The codes of errors: a request that was not answered, through whichever door. Refusals have theirs in `commands.ts`. */
import type { ErrorCode } from './generated.ts';

interface ErrorKind {
  /** The same request may be answered later without anybody changing anything. */
  readonly retryable: boolean;
  /** As HTTP numbers it; NATS micro services use the same numbers. */
  readonly status: number;
}

export const ERRORS: Readonly<Record<ErrorCode, ErrorKind>> = {
  GRAPHQL_PARSE_FAILED: { retryable: false, status: 400 },
  GRAPHQL_VALIDATION_FAILED: { retryable: false, status: 400 },
  BAD_USER_INPUT: { retryable: false, status: 400 },
  UNAUTHENTICATED: { retryable: false, status: 401 },
  FORBIDDEN: { retryable: false, status: 403 },
  NOT_FOUND: { retryable: false, status: 404 },
  INTERNAL_SERVER_ERROR: { retryable: false, status: 500 },
  OUTCOME_UNKNOWN: { retryable: true, status: 500 },
  UNAVAILABLE: { retryable: true, status: 503 },
  RATE_LIMITED: { retryable: true, status: 429 },
  UNKNOWN_DEVICE: { retryable: false, status: 400 },
};
/** A request over its limit of bytes: BAD_USER_INPUT with a number of its own. */
export const TOO_LARGE_STATUS = 413;

export type ErrorExtensions = {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
};

export const errorExtensionsOf = (code: ErrorCode, retryAfterMs?: number): ErrorExtensions => ({
  code,
  retryable: ERRORS[code].retryable,
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});
