/** What every process knows of integrations and of revoked users, for a command: open, with its streams made where they are not there yet. */
import { APP_RULE, type AppId, type Millis, parseAppId } from '../../schema/ids.ts';
import { type Config, ConfigError, readSettings } from '../config.ts';
import { openConfig } from '../embedded/data-dir.ts';
import type { Integration, Integrations } from '../journal/integrations.ts';
import { JournalUnavailable } from '../journal/journal.ts';
import type { LinkOptions } from '../journal/link.ts';
import type { Revocations } from '../journal/revocations.ts';
import { createLogger } from '../logger.ts';
import { UsageError } from './command.ts';

const ANSWER_MS = 10_000;

export function appOf(word: string | undefined): AppId {
  const app = parseAppId(word);
  if (app === undefined) throw new UsageError(`an integration is ${APP_RULE}`);
  return app;
}

/** Gets the time as NATS has it, too: what a command writes is compared with others' times, and the machine's clock may be wrong. */
type Use<Opened, T> = (opened: Opened, config: Config, now: () => Millis) => Promise<T>;

/** What `use` answers; the registry is closed then. Throws ConfigError where NATS does not answer in time. */
export const withRegistry = <T>(use: Use<Integrations, T>): Promise<T> =>
  withOpened(async (link) => (await import('../journal/integrations-jetstream.ts')).openIntegrations(link), use);

/** As `withRegistry`. */
export const withRevocations = <T>(use: Use<Revocations, T>): Promise<T> =>
  withOpened(async (link) => (await import('../journal/revocations.ts')).openRevocations(link), use);

async function withOpened<Opened extends { close(): Promise<void> }, T>(
  open: (link: LinkOptions) => Promise<Opened>,
  use: Use<Opened, T>,
): Promise<T> {
  const config = openConfig(readSettings());
  const log = createLogger({ logLevel: config.logLevel === 'info' ? 'warn' : config.logLevel }, 'lanes', 2);
  const signal = AbortSignal.timeout(ANSWER_MS);
  const link = { ...config.nats, log, name: 'lanes-command', signal };
  try {
    const { openJetStreamJournal } = await import('../journal/jetstream.ts');
    const { partitions, storeBytes: maxBytes } = config;
    const journal = await openJetStreamJournal({ ...link, partitions, maxBytes });
    await journal.close();
    const opened = await open(link);
    try {
      return await use(opened, config, journal.clock.now);
    } finally {
      await opened.close();
    }
  } catch (error) {
    if (error instanceof JournalUnavailable) throw new ConfigError(error.message);
    if (signal.aborted) throw new ConfigError(`NATS at ${config.nats.servers.join(', ')} does not answer`);
    throw error;
  }
}

/** The integration, which must be there and not be revoked. */
export function liveOf(registry: Integrations, app: AppId): Integration {
  const integration = registry.get(app);
  if (integration === undefined)
    throw new ConfigError(`there is no integration ${app}: "lanes integration list" names them`);
  if (integration.revokedAt !== undefined) throw new ConfigError(`${app} is revoked, for good: add another one`);
  return integration;
}

/** Somebody else wrote it at the same moment. */
export const CONFLICT = 'somebody else changed it at the same moment: look at "lanes integration list", then try again';
