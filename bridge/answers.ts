/**
 * The four forms of a reply. Codes, messages and what may be tried again are those of the GraphQL API; only errors have a
 * number beside them, as NATS micro services give it.
 */
import { randomUUID } from 'node:crypto';
import { type Acknowledgement, type Outcome, REFUSALS, type Refusal } from '../schema/commands.ts';
import { ERRORS, type ErrorExtensions, errorExtensionsOf, TOO_LARGE_STATUS } from '../schema/errors.ts';
import type { ErrorCode } from '../schema/generated.ts';
import type { LaneId } from '../schema/ids.ts';
import type { Logger } from '../services/logger.ts';
import { failureOf } from '../services/views/failure.ts';
import { BodyTooLarge } from './json.ts';

export interface Accepted {
  readonly conversationId: LaneId;
  readonly seq: number;
  /** RFC 3339, UTC, milliseconds. */
  readonly acceptedAt: string;
  readonly repeated: boolean;
  readonly changed: boolean;
}
export interface Refused {
  readonly code: Refusal['code'];
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs: number | null;
}
export interface ReplyError {
  readonly message: string;
  readonly extensions: ErrorExtensions & { readonly faultId?: string };
}
export type ReplyJson =
  | { readonly accepted: Accepted }
  | { readonly refused: Refused }
  | { readonly result: object }
  | { readonly errors: readonly [ReplyError] };

export interface Reply {
  readonly json: ReplyJson;
  /** Of `errors` alone: for the headers `Nats-Service-Error-Code` and `Nats-Service-Error`. */
  readonly errorCode?: number;
  readonly errorText?: string;
}

export const acceptedReply = ({ lane, seq, at, repeated, changed }: Acknowledgement): Reply => ({
  json: { accepted: { conversationId: lane, seq, acceptedAt: new Date(at).toISOString(), repeated, changed } },
});

export const refusedReply = ({ code, message, retryAfterMs }: Refusal): Reply => ({
  json: { refused: { code, message, retryable: REFUSALS[code].retryable, retryAfterMs: retryAfterMs ?? null } },
});

export const resultReply = (result: object): Reply => ({ json: { result } });

export function errorReply(
  code: ErrorCode,
  message: string,
  more: { readonly retryAfterMs?: number; readonly faultId?: string; readonly status?: number } = {},
): Reply {
  const { retryAfterMs, faultId, status = ERRORS[code].status } = more;
  const extensions = { ...errorExtensionsOf(code, retryAfterMs), ...(faultId === undefined ? {} : { faultId }) };
  return { json: { errors: [{ message, extensions }] }, errorCode: status, errorText: message };
}

export function outcomeReply(outcome: Outcome): Reply {
  switch (outcome.kind) {
    case 'accepted':
      return acceptedReply(outcome.ack);
    case 'refused':
      return refusedReply(outcome.refusal);
    case 'unknown':
      return errorReply('OUTCOME_UNKNOWN', outcome.message);
    case 'unavailable':
      return errorReply('UNAVAILABLE', outcome.message);
    default:
      return outcome satisfies never;
  }
}

/** Of whatever was thrown: a fault is told in the log, and the caller gets a number to ask about. */
export function thrownReply(thrown: unknown, log: Logger, about: object): Reply {
  if (thrown instanceof BodyTooLarge) return errorReply('BAD_USER_INPUT', thrown.message, { status: TOO_LARGE_STATUS });
  const failure = failureOf(thrown);
  if (failure) {
    if (failure.isAlarming) log.error({ err: thrown, ...about }, 'a poisoned lane was asked for');
    return errorReply(failure.code, failure.message);
  }
  const faultId = randomUUID();
  log.error({ err: thrown, ...about, faultId }, 'fault');
  return errorReply('INTERNAL_SERVER_ERROR', `A fault of the server's: its log has it as ${faultId}.`, { faultId });
}
