/** Arguments, from whichever door, become what the inside trusts, or a `BadInput` that names the field and its rule. */
import {
  type ClientKey,
  type DeviceId,
  DIRECT_PREFIX,
  GROUP_PREFIX,
  ID_RULE,
  type LaneId,
  type Millis,
  parseChosenLaneId,
  parseClientKey,
  parseDeviceId,
  parseLaneId,
  parseUserId,
  type UserId,
} from '../../schema/ids.ts';

/** The caller's mistake; every door answers it as BAD_USER_INPUT with this message. */
export class BadInput extends Error {
  /** `rule` says what the field takes. */
  constructor(field: string, rule: string) {
    super(`${field}: ${rule}`);
  }
}

const orThrow = <T>(field: string, rule: string, parsed: T | undefined): T => {
  if (parsed === undefined) throw new BadInput(field, rule);
  return parsed;
};

export const laneIdOf = (field: string, value: unknown): LaneId => orThrow(field, ID_RULE, parseLaneId(value));
export const userIdOf = (field: string, value: unknown): UserId => orThrow(field, ID_RULE, parseUserId(value));
export const deviceIdOf = (field: string, value: unknown): DeviceId => orThrow(field, ID_RULE, parseDeviceId(value));
export const clientKeyOf = (field: string, value: unknown): ClientKey => orThrow(field, ID_RULE, parseClientKey(value));

export const chosenLaneIdOf = (field: string, value: unknown): LaneId =>
  orThrow(field, `${ID_RULE}, not beginning with "${GROUP_PREFIX}" or "${DIRECT_PREFIX}"`, parseChosenLaneId(value));

/** No doubles, in the order given. */
export function userIdsOf(field: string, values: readonly unknown[]): readonly UserId[] {
  return [...new Set(values.map((value, i) => userIdOf(`${field}[${i}]`, value)))];
}

/** Half of a surrogate pair: a string that is no text, and has no UTF-8. */
const LONE_SURROGATE = /\p{Surrogate}/u;

export function textOf(field: string, value: string): string {
  if (value === '') throw new BadInput(field, 'not empty');
  if (LONE_SURROGATE.test(value)) throw new BadInput(field, 'well-formed Unicode, without a lone surrogate');
  return value;
}

/** A place in a conversation as an argument: from 1. */
export function placeOf(field: string, value: number): number {
  if (value < 1) throw new BadInput(field, 'at least 1');
  return value;
}

/** A mark as an argument: from 0, which marks nothing. */
export function markSeqOf(field: string, value: number): number {
  if (value < 0) throw new BadInput(field, 'at least 0');
  return value;
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i;

export function timeOf(field: string, value: unknown): Millis {
  const at = typeof value === 'string' && RFC_3339.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at)) throw new BadInput(field, 'a time as RFC 3339 has it, such as 2025-06-01T12:00:00.000Z');
  return at;
}
