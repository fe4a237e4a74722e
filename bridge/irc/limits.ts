/** What one client, and all of them, may take. */

import type { Millis } from '../../schema/ids.ts';
import type { Rate } from '../../services/buckets.ts';

export interface Limits {
  readonly connections: number;
  /** Those of whom it is not known yet who they are. */
  readonly strangers: number;
  readonly connectionsOfUser: number;
  /** From connecting to being welcomed. */
  readonly registerWithinMs: Millis;
  /** After so much silence a client is asked whether it is there … */
  readonly pingAfterMs: Millis;
  /** … and after so much it is not. */
  readonly deadAfterMs: Millis;
  /** Over it a client's lines wait, unread. */
  readonly lines: Rate;
  /** Lines in a row that are none. */
  readonly badLines: number;
  /** What may wait to be taken by a client, in bytes, before its streams and commands wait too … */
  readonly waitingBytes: number;
  /** … and before it is closed. */
  readonly maxWaitingBytes: number;
  /** How long a message is tried. */
  readonly sendWithinMs: Millis;
  /** The past that a client is shown when it opens a channel, in messages. */
  readonly shownAtJoin: number;
}

export const LIMITS: Limits = {
  connections: 2_000,
  strangers: 200,
  connectionsOfUser: 20,
  registerWithinMs: 30_000,
  pingAfterMs: 60_000,
  deadAfterMs: 120_000,
  lines: { perSecond: 20, burst: 200 },
  badLines: 20,
  waitingBytes: 64 * 1024,
  maxWaitingBytes: 8 * 1024 * 1024,
  sendWithinMs: 30_000,
  shownAtJoin: 50,
};
