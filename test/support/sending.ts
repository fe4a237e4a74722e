/** What sends webhooks, opened on an installation's servers: in this process, or in one that can be killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSecureContext } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import type { Patience } from '../../bridge/receiver.ts';
import { newWebhookSecret } from '../../bridge/signature.ts';
import { openWebhooksOut } from '../../bridge/webhooks-out.ts';
import type { AppId } from '../../schema/ids.ts';
import type { Config } from '../../services/config.ts';
import type { Integrations, Webhook } from '../../services/journal/integrations.ts';
import { openIntegrations } from '../../services/journal/integrations-jetstream.ts';
import { openLink } from '../../services/journal/link.ts';
import type { Logger } from '../../services/logger.ts';

export interface Sending {
  readonly registry: Registry;
  stop(): Promise<void>;
}
export interface SendingOptions {
  /** PEM. */
  readonly authority: string;
  readonly patience?: Partial<Patience>;
  readonly timeoutMs?: number;
  /** Default: every address may be connected to. */
  readonly guarded?: boolean;
  /** Names and their addresses. */
  readonly names?: Readonly<Record<string, readonly string[]>>;
}

const CHILD = fileURLToPath(new URL('./sending-process.ts', import.meta.url));
/** Long enough that a busy machine does not lose it, short enough to wait for. */
const LEASE = { renewMs: 200, validMs: 2_000 };

export async function openSending(config: Config, log: Logger, options: SendingOptions): Promise<Sending> {
  const { nats, natsBridge } = config;
  if (natsBridge === null) throw new Error('no user of the bridge');
  const { authority, patience = {}, timeoutMs, guarded, names } = options;
  const link = await openLink({ ...natsBridge, name: 'bridge', log });
  const integrations = await openIntegrations({ ...nats, name: 'bridge registry', log });
  const registry = new Registry();
  const sending = await openWebhooksOut({
    storeBytes: 1024 ** 3,
    ...{ integrations, link, registry, clock: Date.now, log, trust: createSecureContext({ ca: [authority] }) },
    testing: {
      ...(guarded ? {} : { allows: () => true }),
      ...(names ? { resolve: async (name) => names[name] ?? [] } : {}),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      patience: { firstMs: 50, mostMs: 400, probeMs: 200, ...patience },
      lease: LEASE,
    },
  });
  return {
    registry,
    stop: async () => {
      await sending.stop();
      await Promise.all([integrations.close(), link.close()]);
    },
  };
}

/** A process of its own. */
export function spawnSending(environment: Record<string, string>, options: SendingOptions): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', CHILD, JSON.stringify(options)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: environment,
  });
}

/** Sets an integration's webhook, as the command line does. */
export async function hook(
  registry: Integrations,
  app: AppId,
  url: string,
  more: Partial<Webhook> = {},
): Promise<Webhook> {
  const integration = registry.get(app);
  if (!integration) throw new Error(`no ${app}`);
  const webhook = { url, secret: newWebhookSecret(), since: Date.now() - 60_000, ...more };
  await registry.put({ ...integration, webhook });
  return webhook;
}
