/**
 * Webhooks: each event that an integration sees is posted to the URL that it gave, signed, in the order of its conversation, at
 * least once. One of several bridges does it at a time.
 */
import type { SecureContext } from 'node:tls';
import type { Registry } from 'prom-client';
import type { AppId, Millis } from '../schema/ids.ts';
import { webhookStreamOf } from '../schema/streams.ts';
import { appDead } from '../schema/subjects.ts';
import { outcomeOf } from '../services/journal/append-outcome.ts';
import { Questions } from '../services/journal/ask.ts';
import type { Integration, Integrations, Webhook } from '../services/journal/integrations.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import type { Link } from '../services/journal/link.ts';
import { headersOf } from '../services/journal/message.ts';
import type { Logger } from '../services/logger.ts';
import { persist } from '../services/persist.ts';
import { ensureStream } from './app-streams.ts';
import { PATIENCE, type Patience } from './receiver.ts';
import { LEASE_TIMES, type LeaseTimes, WebhookLease } from './webhook-lease.ts';
import { webhookLetterOf } from './webhook-letter.ts';
import { webhookMetrics } from './webhook-metrics.ts';
import { WebhookPoster } from './webhook-post.ts';
import { WebhookSender } from './webhook-sender.ts';
import { type SourceEvent, WebhookSource } from './webhook-source.ts';
import { WebhookState } from './webhook-state.ts';

export interface WebhooksOutParts {
  readonly integrations: Integrations;
  /** The bridge's connection to the integrations' account. */
  readonly link: Link;
  readonly registry: Registry;
  readonly clock: () => Millis;
  readonly log: Logger;
  /** Authorities believed; absent: Node's own. */
  readonly trust?: SecureContext | undefined;
  /** What all streams of the installation may hold. */
  readonly storeBytes: number;
  /** Of the stream of places; default: 3 in a cluster, else 1. */
  readonly replicas?: number;
  /** Only tests give these: to reach receivers on their own machine, and to wait less. */
  readonly testing?: {
    readonly allows?: (address: string) => boolean;
    readonly resolve?: (hostname: string) => Promise<readonly string[]>;
    readonly patience?: Partial<Patience>;
    readonly lease?: LeaseTimes;
    readonly timeoutMs?: number;
  };
}

/** Settles when its stream is there, however long that takes (`signal` ends it: Abandoned). */
export async function openWebhooksOut(
  parts: WebhooksOutParts,
  signal: AbortSignal = new AbortController().signal,
): Promise<{ stop(): Promise<void> }> {
  const { link, log, storeBytes: maxBytes, replicas = link.isClustered ? 3 : 1 } = parts;
  const questions = new Questions(link);
  await persist('make the stream of webhooks', () => ensureStream(questions, webhookStreamOf({ replicas, maxBytes })), {
    ...{ signal, log },
  });
  return new WebhooksOut(parts, questions);
}

class WebhooksOut {
  readonly #parts: WebhooksOutParts;
  readonly #questions: Questions;
  readonly #state: WebhookState;
  readonly #log: Logger;
  readonly #metrics: ReturnType<typeof webhookMetrics>;
  readonly #lease: WebhookLease;
  readonly #senders = new Map<AppId, { readonly sender: WebhookSender; readonly since: Millis; url: string }>();
  /** Senders that were told to stop; one of the same integration begins after it. */
  readonly #leaving = new Map<AppId, Promise<void>>();
  readonly #budget = { behind: 0 };
  readonly #stopping = new AbortController();
  readonly #listening: { stop(): void };
  readonly #disabling = new Set<Promise<void>>();

  constructor(parts: WebhooksOutParts, questions: Questions) {
    this.#parts = parts;
    this.#questions = questions;
    this.#state = new WebhookState(questions);
    this.#log = parts.log.child({ part: 'webhooks' });
    this.#metrics = webhookMetrics(parts.registry, () => ({
      senders: this.#senders.size,
      down: [...this.#senders.values()].filter(({ sender }) => sender.isDown).length,
      behind: this.#budget.behind,
    }));
    this.#listening = parts.integrations.listen((integration) => this.#changed(integration));
    this.#lease = new WebhookLease(
      this.#state,
      this.#log,
      (isHeld) => this.#held(isHeld),
      parts.testing?.lease ?? LEASE_TIMES,
    );
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#listening.stop();
    for (const app of [...this.#senders.keys()]) this.#leave(app);
    await Promise.all([...this.#leaving.values(), ...this.#disabling]);
    await this.#lease.stop();
  }

  #held(isHeld: boolean): void {
    if (isHeld) for (const integration of this.#parts.integrations.list()) this.#changed(integration);
    else for (const app of [...this.#senders.keys()]) this.#leave(app);
  }

  #changed({ app }: Integration): void {
    const webhook = this.#webhookOf(app);
    const had = this.#senders.get(app);
    if (had && had.since !== webhook?.since) this.#leave(app);
    if (had && !this.#parts.integrations.get(app)?.webhook) void this.#leaving.get(app)?.then(() => this.#forget(app));
    else if (had && webhook && had.url !== webhook.url) {
      had.url = webhook.url;
      had.sender.changed();
    }
    if (webhook && !this.#senders.has(app)) this.#start(app, webhook);
  }

  #webhookOf(app: AppId): Webhook | undefined {
    const integration = this.#parts.integrations.get(app);
    const webhook = integration?.revokedAt === undefined ? integration?.webhook : undefined;
    return webhook?.off === undefined ? webhook : undefined;
  }

  #start(app: AppId, { since, url }: Webhook): void {
    if (this.#stopping.signal.aborted || !this.#lease.isHeld) return;
    const leaving = this.#leaving.get(app);
    if (leaving) {
      void leaving.then(() => this.#changed({ app } as Integration));
      return;
    }
    const { link, trust, clock, testing = {} } = this.#parts;
    const { allows, resolve, timeoutMs, patience } = testing;
    const sender: WebhookSender = new WebhookSender({
      app,
      webhook: () => this.#webhookOf(app),
      source: new WebhookSource(app, link, this.#questions),
      state: this.#state,
      poster: new WebhookPoster({ trust, allows, resolve, timeoutMs, clock }),
      bury: (event, reason, deliveries) => this.#bury(app, event, reason, deliveries),
      onGone: () => this.#disable(app, since),
      budget: this.#budget,
      mayGo: () => this.#lease.isHeld,
      patience: { ...PATIENCE, ...patience },
      ...{ clock, metrics: this.#metrics, log: this.#log },
    });
    this.#senders.set(app, { sender, since, url });
  }

  #leave(app: AppId): void {
    const had = this.#senders.get(app);
    if (!had) return;
    this.#senders.delete(app);
    const left = had.sender.stop().finally(() => this.#leaving.delete(app));
    this.#leaving.set(app, left);
  }

  /** It has none any more: a new one begins anew. What is left behind where this fails harms nobody. */
  async #forget(app: AppId): Promise<void> {
    if (!this.#lease.isHeld || this.#senders.has(app)) return;
    await this.#state.drop(app).catch((error: unknown) => this.#log.debug({ app, err: error }, 'not forgotten'));
  }

  async #bury(app: AppId, event: SourceEvent, reason: string, deliveries: number): Promise<void> {
    const letter = webhookLetterOf(event, { message: reason, deliveries, at: this.#parts.clock() });
    const payload = Buffer.from(JSON.stringify(letter));
    const answer = await this.#questions.publish(
      appDead(app, event.lane),
      payload,
      headersOf(`Nats-Msg-Id: dead:webhook:${event.at}`),
    );
    const outcome = answer && outcomeOf(answer);
    if (outcome?.kind !== 'stored')
      throw new JournalUnavailable(
        `no dead letter can be stored now: ${outcome && 'message' in outcome ? outcome.message : ''}`,
      );
    this.#log.warn({ app, event: event.id, reason, deliveries }, 'a webhook was given up: a dead letter');
  }

  /** Its receiver answered 410: nothing more goes there until somebody sets the URL again. */
  #disable(app: AppId, since: Millis): void {
    this.#leave(app);
    this.#metrics.alarm();
    this.#log.error({ alarm: 'webhook gone', app }, 'the receiver of a webhook answered 410: it is turned off');
    const { integrations } = this.#parts;
    const store = async (): Promise<void> => {
      for (;;) {
        const integration = integrations.get(app);
        const revision = integrations.revision(app);
        const webhook = integration?.webhook;
        if (!integration || webhook?.since !== since || webhook.off !== undefined) return;
        const off = { at: this.#parts.clock(), why: '410 Gone' };
        if ((await integrations.put({ ...integration, webhook: { ...webhook, off } }, revision)) === 'stored') return;
      }
    };
    const done = persist('turn a webhook off', store, { signal: this.#stopping.signal, log: this.#log })
      .catch((error: unknown) => this.#log.warn({ app, err: error }, 'not turned off in the registry'))
      .finally(() => this.#disabling.delete(done));
    this.#disabling.add(done);
  }
}
