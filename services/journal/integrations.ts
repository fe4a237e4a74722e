/**
 * The port to the registry of integrations: who they are, what they may, and the hash of what they prove it with. Reads come
 * from memory, which every process keeps current by itself, so that the doors go on while MongoDB is down.
 */
import type { AppId, Millis } from '../../schema/ids.ts';
import type { Stoppable } from './journal.ts';

export interface Integration {
  readonly app: AppId;
  /** `member`: sees the conversations that it is in. `all`: sees every one, as an admin does, and acts as a member alone. */
  readonly scope: 'member' | 'all';
  /** SHA-256, base64url, of a random password of 256 bits: nothing weaker is ever hashed by it. */
  readonly secretHash: string;
  readonly createdAt: Millis;
  readonly rotatedAt?: Millis;
  /** It is nobody any more; its name is never given again. */
  readonly revokedAt?: Millis;
  readonly webhook?: Webhook;
  /** Of the secret that inbound webhooks bring; SHA-256, base64url. */
  readonly hookHash?: string;
}

/** Where an integration's events are posted to. */
export interface Webhook {
  /** https. */
  readonly url: string;
  /** `whsec_…`: what is sent is signed with it, so it cannot be a hash. */
  readonly secret: string;
  /** Events stored from then on are sent. Another URL or secret leaves it as it is, and so the place. */
  readonly since: Millis;
  /** After a rotation: signs beside the new one until then. */
  readonly oldSecret?: { readonly secret: string; readonly until: Millis };
  /** Nothing is sent any more, since the receiver said so. */
  readonly off?: { readonly at: Millis; readonly why: string };
}

export interface Integrations {
  /** Undefined: never heard of. Revoked ones are given. At most a second behind the registry while NATS answers. */
  get(app: AppId): Integration | undefined;
  /** Settles when `get` is at least as new as the registry was at the call, or when that cannot be read now. Never rejects. */
  refresh(): Promise<void>;
  /** Rising by name, revoked ones among them. */
  list(): readonly Integration[];
  /** Every change from now on, this process's own among them, once each. What `onChange` throws is logged. */
  listen(onChange: (integration: Integration) => void): Stoppable;
  /** Where the app's stored form stands, what `put` expects; 0: there is none. */
  revision(app: AppId): number;
  /**
   * Stored durably, and in this process's memory. `conflict`: somebody else wrote it since `expected` (default: what this
   * process knows), nothing is changed. Throws JournalUnavailable; then it may be stored or not.
   */
  put(integration: Integration, expected?: number): Promise<'stored' | 'conflict'>;
  close(): Promise<void>;
}
