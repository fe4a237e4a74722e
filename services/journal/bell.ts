/**
 * A doorbell for whoever follows what becomes of a message: rung by the notifier after it has written down what it decided or
 * what a push came to. Lossy; nothing that it says has to be believed.
 */
import type { LaneId, Seq, UserId } from '../../schema/ids.ts';
import type { Stoppable } from './journal.ts';

export interface Ring {
  readonly lane: LaneId;
  readonly seq: Seq;
  /** Of whom; undefined: too many to say. */
  readonly users: readonly UserId[] | undefined;
}

export interface DeliveryBell {
  /** Never throws; does nothing while NATS is down. */
  ring(ring: Ring): void;
  /** `onRing` must not throw. */
  listen(lane: LaneId, onRing: (ring: Ring) => void): Stoppable;
  close(): Promise<void>;
}
