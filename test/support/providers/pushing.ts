/** Providers as a notifier opens them, against the stand-ins, and pushes to send by them. */
import { createHash } from 'node:crypto';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { LaneId, Seq, UserId } from '../../../schema/ids.ts';
import { readSettings } from '../../../services/config.ts';
import { openProviders, type Providers, type ProvidersOptions } from '../../../services/notifier/providers.ts';
import type { MessagePush, PushMessage, PushResult, ReadPush } from '../../../services/notifier/push.ts';
import type { PushAddress } from '../../../services/views/push-address.ts';
import { startProviders, type TestProviders } from './all.ts';

export interface Pushing extends TestProviders {
  readonly providers: Providers;
  readonly registry: Registry;
  /** Every line that was logged. */
  readonly lines: readonly string[];
  push(address: PushAddress, message?: PushMessage, signal?: AbortSignal): Promise<PushResult>;
}

export async function startPushing(
  options: {
    readonly timeoutMs?: number;
    readonly fcmHttp1?: boolean;
    readonly settings?: Record<string, string>;
  } = {},
): Promise<Pushing> {
  const standIns = await startProviders(options);
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line) => void lines.push(line) });
  const registry = new Registry();
  const never = new AbortController().signal;
  const opening: ProvidersOptions = {
    ...{ log, registry, clock: Date.now, allows: (address: string) => address === '127.0.0.1' },
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  };
  const { push } = readSettings({ ...standIns.settings, ...options.settings });
  const providers = openProviders(push, opening);
  return {
    ...{ ...standIns, providers, registry, lines },
    push: async (address, message = messagePush(), signal = never) => {
      const provider = providers.on.get(address.provider);
      if (provider === undefined) throw new Error(`${address.provider} is off`);
      return provider.push(address, message, { signal });
    },
    stop: async () => {
      await providers.stop();
      await standIns.stop();
    },
  };
}

/** A token as Apple gives them. */
export const apnsToken = (name: string): string => createHash('sha256').update(name).digest('hex');

export const messagePush = (given: Partial<MessagePush> = {}): MessagePush => ({
  kind: 'message',
  conversationId: 'c1' as LaneId,
  seq: 7 as Seq,
  messageId: 'c1:7',
  senderId: 'alice' as UserId,
  senderName: 'Alice',
  title: 'Lunch',
  text: 'Noon?',
  unread: 2,
  badge: 5,
  expiresAt: Date.now() + 60 * 60 * 1000,
  privacy: false,
  ...given,
});
export const readPush = (given: Partial<ReadPush> = {}): ReadPush => ({
  kind: 'read',
  conversationId: 'c1' as LaneId,
  readSeq: 7 as Seq,
  badge: 3,
  expiresAt: Date.now() + 60 * 60 * 1000,
  ...given,
});
