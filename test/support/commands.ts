/** Commands as the edge would make them, for tests of the pure parts. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { Actor, Command } from '../../schema/commands.ts';
import type { ClientKey, LaneId, UserId } from '../../schema/ids.ts';

export const LANE = 'c1' as LaneId;

export type Body =
  | { type: 'CreateConversation'; kind: 'GROUP' | 'DIRECT'; title?: string; members: readonly string[] }
  | { type: 'SendMessage'; text: string }
  | { type: 'AddMembers'; members: readonly string[]; hideHistory: boolean }
  | { type: 'RemoveMember'; member: string }
  | { type: 'LeaveConversation' };

export const by = (user: string): Actor => ({ user: user as UserId, admin: false, server: false });

export const commandOf = (user: string, key: string, body: Body, lane: LaneId = LANE): Command =>
  ({
    ...body,
    lane,
    actor: by(user),
    key: key as ClientKey,
    hash: createHash('sha256').update(JSON.stringify(body)).digest('base64url').slice(0, 16),
  }) as Command;

const someone = fc.constantFrom('alice', 'bob', 'carol', 'dora');
export const anyBody: fc.Arbitrary<Body> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('CreateConversation'),
      kind: fc.constantFrom('GROUP', 'DIRECT'),
      members: fc.uniqueArray(someone, { minLength: 1, maxLength: 1 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ type: fc.constant('SendMessage'), text: fc.string({ minLength: 1, maxLength: 5 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('AddMembers'),
      members: fc.uniqueArray(someone, { minLength: 1, maxLength: 2 }),
      hideHistory: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('RemoveMember'), member: someone }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('LeaveConversation') }) },
) as fc.Arbitrary<Body>;
