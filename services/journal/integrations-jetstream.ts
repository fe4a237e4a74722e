/** The registry in NATS JetStream, a subject for each integration: with NATS down the doors know whom they knew. */
import { type AppId, parseAppId } from '../../schema/ids.ts';
import { INTEGRATIONS_MAX } from '../../schema/streams.ts';
import {
  allIntegrationSubjects,
  appOfSubject,
  INTEGRATION_STREAM,
  integrationSubject,
  liveIntegrationSubjects,
} from '../../schema/subjects.ts';
import type { Integration, Integrations } from './integrations.ts';
import { JournalUnavailable, type Stoppable } from './journal.ts';
import { type LastValues, openLastValues } from './last-values.ts';
import type { LinkOptions } from './link.ts';

/**
 * Settles when the registry has been read, however long that takes (`signal` ends it). Throws ConfigError where NATS refuses our
 * credentials.
 */
export async function openIntegrations(options: LinkOptions): Promise<Integrations> {
  const values = await openLastValues<AppId, Integration>(options, {
    stream: INTEGRATION_STREAM,
    subjects: allIntegrationSubjects,
    liveSubjects: liveIntegrationSubjects,
    alarm: 'integration',
    what: 'the registry of integrations',
    parse: (subject, json) => {
      const app = appOfSubject(subject);
      return app && isIntegration(app, json) ? { key: app, value: json } : undefined;
    },
  });
  return new JetStreamIntegrations(values);
}

class JetStreamIntegrations implements Integrations {
  readonly #values: LastValues<AppId, Integration>;

  constructor(values: LastValues<AppId, Integration>) {
    this.#values = values;
  }

  get(app: AppId): Integration | undefined {
    return this.#values.get(app);
  }

  async refresh(): Promise<void> {
    await this.#values.read();
  }

  list(): readonly Integration[] {
    return this.#values.values().sort((a, b) => (a.app < b.app ? -1 : 1));
  }

  revision(app: AppId): number {
    return this.#values.revision(app);
  }

  listen(onChange: (integration: Integration) => void): Stoppable {
    return this.#values.listen(onChange);
  }

  async put(integration: Integration, expected = this.revision(integration.app)): Promise<'stored' | 'conflict'> {
    const { app } = integration;
    if (expected === 0 && this.#values.size >= INTEGRATIONS_MAX)
      throw new JournalUnavailable(`there are ${INTEGRATIONS_MAX} integrations: no more are kept`);
    return this.#values.put(app, integrationSubject(app), integration, expected);
  }

  close(): Promise<void> {
    return this.#values.close();
  }
}

function isIntegration(app: AppId, json: unknown): json is Integration {
  const value = json as Partial<Integration> | null;
  return (
    value !== null &&
    typeof value === 'object' &&
    parseAppId(value.app) === app &&
    (value.scope === 'member' || value.scope === 'all') &&
    typeof value.secretHash === 'string' &&
    typeof value.createdAt === 'number'
  );
}
