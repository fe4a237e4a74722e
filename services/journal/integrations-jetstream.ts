/**
 * The registry in NATS JetStream, a subject for each integration, on a connection of its own. What is known is kept in memory for
 * ever: with NATS down the doors know whom they knew. Its stream is made with those of the lanes.
 */
import { type AppId, parseAppId, revisionOf } from '../../schema/ids.ts';
import {
  allIntegrationSubjects,
  appOfSubject,
  INTEGRATION_STREAM,
  integrationSubject,
  liveIntegrationSubjects,
} from '../../schema/subjects.ts';
import type { Logger } from '../logger.ts';
import { outcomeOf } from './append-outcome.ts';
import { ApiRefusal, Questions } from './ask.ts';
import type { Integration, Integrations } from './integrations.ts';
import { JournalUnavailable, type Stoppable } from './journal.ts';
import { type Link, type LinkOptions, openLink } from './link.ts';
import { type Answer, expectedHeader, headerOf, jsonOf, numberOf } from './message.ts';
import { INTEGRATIONS_MAX } from './topology.ts';

const BATCH = 256;
/** The live copy may be lost: this often the stream itself is asked. */
const POLL_MS = 1_000;
const RETRY_MS = 200;

/**
 * Settles when the registry has been read, however long that takes (`signal` ends it). Throws ConfigError where NATS refuses our
 * credentials.
 */
export async function openIntegrations(options: LinkOptions): Promise<Integrations> {
  const link = await openLink(options);
  const registry = new JetStreamIntegrations(link, options.log);
  try {
    for (let said = false; !(await registry.read()); said = true) {
      options.signal?.throwIfAborted();
      if (!said)
        options.log.warn('waiting for the registry of integrations: the api or the projector makes its stream');
      await new Promise((wake) => setTimeout(wake, RETRY_MS));
    }
  } catch (error) {
    await registry.close();
    throw error;
  }
  registry.follow();
  return registry;
}

interface Known {
  readonly integration: Integration;
  readonly revision: number;
}

class JetStreamIntegrations implements Integrations {
  readonly #link: Link;
  readonly #questions: Questions;
  readonly #log: Logger;
  readonly #known = new Map<AppId, Known>();
  readonly #listeners = new Set<(integration: Integration) => void>();
  readonly #stops: Stoppable[] = [];
  /** Every record before it was seen. */
  #next = 1;
  #reading: Promise<boolean> | undefined;
  #again = false;
  #polling: NodeJS.Timeout | undefined;

  constructor(link: Link, log: Logger) {
    this.#link = link;
    this.#questions = new Questions(link);
    this.#log = log;
  }

  get(app: AppId): Integration | undefined {
    return this.#known.get(app)?.integration;
  }

  async refresh(): Promise<void> {
    await this.read();
  }

  list(): readonly Integration[] {
    const all = [...this.#known.values()].map(({ integration }) => integration);
    return all.sort((a, b) => (a.app < b.app ? -1 : 1));
  }

  revision(app: AppId): number {
    return this.#known.get(app)?.revision ?? 0;
  }

  listen(onChange: (integration: Integration) => void): Stoppable {
    this.#listeners.add(onChange);
    return { stop: () => void this.#listeners.delete(onChange) };
  }

  async put(integration: Integration, expected = this.revision(integration.app)): Promise<'stored' | 'conflict'> {
    const { app } = integration;
    if (expected === 0 && this.#known.size >= INTEGRATIONS_MAX)
      throw new JournalUnavailable(`there are ${INTEGRATIONS_MAX} integrations: no more are kept`);
    const payload = Buffer.from(JSON.stringify(integration));
    const header = expectedHeader(expected === 0 ? 0 : revisionOf(expected));
    const answer = await this.#questions.publish(integrationSubject(app), payload, header);
    const outcome = answer && outcomeOf(answer);
    if (outcome?.kind === 'conflict') {
      await this.read();
      return 'conflict';
    }
    if (outcome?.kind !== 'stored')
      throw new JournalUnavailable(`not stored: ${outcome && 'message' in outcome ? outcome.message : 'no answer'}`);
    this.#learn(app, { integration, revision: outcome.revision });
    return 'stored';
  }

  async close(): Promise<void> {
    clearInterval(this.#polling);
    for (const one of this.#stops) one.stop();
    this.#listeners.clear();
    await this.#link.close();
    await this.#reading;
  }

  follow(): void {
    this.#stops.push(
      this.#link.subscribe(liveIntegrationSubjects, () => void this.read()),
      this.#link.onChange((up) => void (up && this.read())),
    );
    this.#polling = setInterval(() => void this.read(), POLL_MS);
    void this.read();
  }

  /** Whatever was stored since. False: the store cannot be read now. Never rejects. */
  read(): Promise<boolean> {
    if (this.#reading) {
      this.#again = true;
      return this.#reading;
    }
    this.#reading = this.#readOn().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readOn(): Promise<boolean> {
    try {
      for (let pending = 1; pending > 0 || this.#again; ) {
        this.#again = false;
        const request = { seq: this.#next, next_by_subj: allIntegrationSubjects, batch: BATCH };
        const batch = await this.#questions.batch(INTEGRATION_STREAM, request);
        for (const answer of batch.messages) this.#came(answer);
        pending = batch.pending;
      }
      return true;
    } catch (error) {
      this.#again = false;
      if (!(error instanceof JournalUnavailable || error instanceof ApiRefusal)) throw error;
      return false;
    }
  }

  #came(answer: Answer): void {
    const revision = numberOf(answer.head, 'Nats-Sequence');
    const app = appOfSubject(headerOf(answer.head, 'Nats-Subject'));
    const integration = app && integrationOf(app, answer);
    if (app && integration) this.#learn(app, { integration, revision });
    else this.#log.error({ alarm: 'integration', revision }, 'a record of the registry cannot be read: it is nobody');
    this.#next = Math.max(this.#next, revision + 1);
  }

  #learn(app: AppId, known: Known): void {
    if (this.revision(app) >= known.revision) return;
    this.#known.set(app, known);
    for (const listener of [...this.#listeners])
      try {
        listener(known.integration);
      } catch (error) {
        this.#log.error({ err: error, app }, 'a listener of the registry threw');
      }
  }
}

/** Undefined: no record of ours. */
function integrationOf(app: AppId, { data }: Answer): Integration | undefined {
  try {
    const value = jsonOf(data) as Partial<Integration> | null;
    const isOurs =
      value !== null &&
      typeof value === 'object' &&
      parseAppId(value.app) === app &&
      (value.scope === 'member' || value.scope === 'all') &&
      typeof value.secretHash === 'string' &&
      typeof value.createdAt === 'number';
    return isOurs ? (value as Integration) : undefined;
  } catch {
    return undefined;
  }
}
