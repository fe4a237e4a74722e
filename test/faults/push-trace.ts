/**
 * What is recorded of a run about devices, marks and pushes. Times named `…At` here are epoch milliseconds of the machine's
 * clock, which all processes share; those of frames are of the run's own clock, as everywhere in a trace.
 */
import type { End, Frame } from './trace.ts';

export const GATEWAYS = ['APNS', 'FCM'] as const;
export type GatewayName = (typeof GATEWAYS)[number];

/** One app on one phone, registered before any conversation that it is in had its first message. */
export interface AppDevice {
  readonly user: string;
  readonly device: string;
  readonly gateway: GatewayName;
  readonly token: string;
  /** From then on its provider knows it no more. */
  readonly deadAt?: number;
}

/** One mark, sent once. */
export interface MarkSent {
  readonly user: string;
  /** Of an acknowledgement. */
  readonly device?: string;
  readonly kind: 'delivered' | 'read';
  readonly lane: string;
  readonly seq: number;
  readonly sentAt: number;
  readonly answeredAt: number;
  /** `unknown`: it may be stored, or not. */
  readonly answer:
    | { readonly kind: 'stored' }
    | { readonly kind: 'refused' | 'error'; readonly code: string }
    | 'unknown';
}

/** One request as a provider had it. */
export interface PushSeen {
  readonly gateway: GatewayName;
  readonly token: string;
  readonly kind: 'message' | 'read';
  readonly lane: string;
  readonly seq: number;
  readonly cameAt: number;
  /** `taken`: answered that it will be delivered. `dead`: that there is no such token. `trouble`: anything else, or nothing. */
  readonly met: 'taken' | 'dead' | 'trouble';
}

/** One inbox from its opening to its end. */
export interface InboxSession {
  readonly user: string;
  readonly device: string;
  readonly process: string;
  readonly openedAt: number;
  readonly endedAt: number;
  readonly frames: readonly InboxFrame[];
  readonly end: End;
}
/** `lane` undefined: of no conversation. */
export type InboxFrame = Omit<Frame, 'lane'> & { readonly lane: string | undefined };

/** So long something that pushes need was down, or stopped, by plan. */
export interface Outage {
  /** A provider's name, or the name of a process. */
  readonly of: string;
  readonly fromAt: number;
  readonly toAt: number;
}

export interface LedgerAttempt {
  readonly at: number;
  readonly outcome: string;
  readonly code?: string;
  readonly asOf: number;
}
export interface LedgerEntry {
  readonly lane: string;
  readonly seq: number;
  readonly user: string;
  readonly device: string;
  readonly due?: number;
  readonly why?: string;
  readonly asOf?: number;
  readonly attempts: readonly LedgerAttempt[];
}
export interface LedgerDecision {
  readonly lane: string;
  readonly seq: number;
  readonly asOf: number;
  readonly push: readonly string[];
}
/** One mark that raised its user's place; what is read is delivered, too. */
export interface StoredMark {
  readonly lane: string;
  readonly user: string;
  readonly kind: 'delivered' | 'read';
  readonly seq: number;
  readonly at: number;
  readonly device?: string;
  /** The record that it was in. */
  readonly revision: number;
}

/** What an administrator was told of one recipient, when everything had come to rest. */
export interface DeliverySeen {
  readonly lane: string;
  readonly seq: number;
  readonly user: string;
  readonly state: string;
  readonly acceptedAt: number;
  readonly notifiedAt: number | undefined;
  readonly deliveredAt: number | undefined;
  readonly readAt: number | undefined;
  readonly deliveredTo: string | undefined;
  readonly noPushReason: string | undefined;
  readonly attempts: readonly { readonly device: string; readonly outcome: string; readonly at: number }[];
}

export interface Pushing {
  readonly graceMs: number;
  readonly devices: readonly AppDevice[];
  /** Who does not want to hear of which conversation, from before its first message on. */
  readonly muted: readonly { readonly user: string; readonly lane: string }[];
  readonly marks: readonly MarkSent[];
  readonly pushes: readonly PushSeen[];
  readonly inboxes: readonly InboxSession[];
  readonly outages: readonly Outage[];
  readonly entries: readonly LedgerEntry[];
  readonly decisions: readonly LedgerDecision[];
  readonly stored: readonly StoredMark[];
  readonly deliveries: readonly DeliverySeen[];
}
