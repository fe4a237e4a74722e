/**
 * The port to push providers. A push is a hint: the app fetches what it says. Adapters are apns.ts, fcm.ts, gcm.ts and
 * web-push.ts; providers.ts opens those that the settings turn on.
 */
import type { LaneId, Millis, Seq, UserId } from '../../schema/ids.ts';
import type { PushAddress, PushProviderName } from '../views/push-address.ts';

interface Pushed {
  readonly conversationId: LaneId;
  /** The user's unread messages over all conversations: what an app's icon shows. */
  readonly badge: number;
  /** After it nobody wants the push any more; the provider is told so. */
  readonly expiresAt: Millis;
}
export interface MessagePush extends Pushed {
  readonly kind: 'message';
  readonly seq: Seq;
  readonly messageId: string;
  readonly senderId: UserId;
  /** Absent: not known. */
  readonly senderName?: string;
  /** The conversation's; absent where it has none. */
  readonly title?: string;
  readonly text: string;
  /** Of this conversation. */
  readonly unread: number;
  /** Nothing that a person wrote, and no name, leaves the house: `senderName`, `title` and `text` are left out. */
  readonly privacy: boolean;
}
/** The user has read up to `readSeq` elsewhere: the device may take its notification away. Best effort. */
export interface ReadPush extends Pushed {
  readonly kind: 'read';
  readonly readSeq: Seq;
}
export type PushMessage = MessagePush | ReadPush;

/** `code` is the provider's own word where it said one, else one of ours in capitals; never a secret. */
export type PushResult =
  /** The provider has it: no proof of delivery. */
  | { readonly kind: 'sent'; readonly id?: string }
  /** The address is no longer one. `before`: it was so then; an address registered later is another. */
  | { readonly kind: 'dead-token'; readonly code: string; readonly before?: Millis }
  /** Sent, and from now on the device has this token (a secret) in place of the one used. */
  | { readonly kind: 'replaced'; readonly token: string }
  /** Not sent, as far as is known. Try again, not before `afterMs`. */
  | { readonly kind: 'retry'; readonly afterMs: number; readonly code: string }
  /** Never this push to this address; the address may be good. `of`: the reason is in the address; one that is refused again and again is none. */
  | { readonly kind: 'refused'; readonly code: string; readonly of?: 'address' }
  /** The provider does not take what we are or how we are set up: somebody has to change it. Nothing of it is the device's fault. */
  | { readonly kind: 'credentials'; readonly code: string; readonly afterMs: number };

export interface PushProvider {
  readonly provider: PushProviderName;
  /**
   * One push: sent, or why not. Never rejects. Settles within seconds whatever the provider does (guard.ts),
   * and at once, as `retry` with the code `ABORTED`, when the signal fires. May be called as often as one likes: what is
   * more than the provider takes waits in a bounded queue, and what does not fit there is `retry` at once.
   */
  push(address: PushAddress, message: PushMessage, options: { readonly signal: AbortSignal }): Promise<PushResult>;
  /** Settles when no push is under way and every connection is closed; what takes longer than a few seconds is cut off. */
  stop(): Promise<void>;
}
