/**
 * A NATS micro service (ADR-32): found with `nats micro ls`, described with `info`, counted with `stats`. All endpoints are one
 * subscription, so that a verb that there is not has an answer, too, and so that what is counted is the answer, not the beginning
 * of it. Whatever a listener does, the service goes on; where the server ends a subscription it is made again. What it
 * is, is text that is there already: whoever asks again and again costs little.
 */
import { type Msg, nuid } from 'nats';
import type { Link } from '../services/journal/link.ts';
import type { Logger } from '../services/logger.ts';

export interface EndpointInfo {
  readonly name: string;
  readonly subject: string;
  readonly metadata: Readonly<Record<string, string>>;
}
export interface MicroOptions {
  /** Where requests come: each to one of them. */
  readonly links: readonly Pick<Link, 'serve'>[];
  readonly discovery: Pick<Link, 'serve' | 'send'>;
  readonly name: string;
  /** Semantic. */
  readonly version: string;
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Of all processes that serve it each request comes to one. */
  readonly queue: string;
  /** Covers every endpoint's. */
  readonly subject: string;
  readonly endpoints: readonly EndpointInfo[];
  /** `at`: on which of the links. Must not throw. */
  readonly onRequest: (message: Msg, at: number) => void;
  readonly log: Logger;
}

const VERBS = ['PING', 'INFO', 'STATS'] as const;
type DiscoveryVerb = (typeof VERBS)[number];
/** Whoever discovers waits in an inbox. An answer that goes anywhere else is asked for by nobody honest. */
const INBOX = '_INBOX';
const AGAIN_MS = 1_000;

interface EndpointStats {
  requests: number;
  errors: number;
  lastError: string;
  /** Milliseconds of all requests together. */
  took: number;
}

export class Micro {
  readonly #options: MicroOptions;
  readonly #id = nuid.next();
  readonly #started = new Date().toISOString();
  readonly #stats: ReadonlyMap<string, EndpointStats>;
  readonly #serving = new Map<string, { drain(): Promise<void> }>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #ping: string;
  readonly #info: string;
  #isStopped = false;

  constructor(options: MicroOptions) {
    this.#options = options;
    this.#stats = new Map(
      options.endpoints.map(({ name }) => [name, { requests: 0, errors: 0, lastError: '', took: 0 }]),
    );
    this.#ping = JSON.stringify(this.#about('PING'));
    this.#info = JSON.stringify(this.#about('INFO'));
    for (const [i, link] of options.links.entries()) {
      const at = { key: `${options.subject} ${i}`, subject: options.subject, queue: options.queue };
      this.#serve(link, at, (message) => options.onRequest(message, i));
    }
    for (const verb of VERBS)
      for (const subject of this.#discoverySubjects(verb))
        this.#serve(options.discovery, { key: subject, subject }, (message) => this.#tell(verb, message));
  }

  /** One request of an endpoint is answered; `error`: with an error. */
  count(endpoint: string, tookMs: number, error?: string): void {
    const stats = this.#stats.get(endpoint);
    if (!stats) return;
    stats.requests++;
    stats.took += tookMs;
    if (error === undefined) return;
    stats.errors++;
    stats.lastError = error.slice(0, 256);
  }

  /** Hears nothing more; what the server had given out before is heard still. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all([...this.#serving.values()].map((one) => one.drain()));
  }

  #discoverySubjects(verb: DiscoveryVerb): readonly string[] {
    const { name } = this.#options;
    return [`$SRV.${verb}`, `$SRV.${verb}.${name}`, `$SRV.${verb}.${name}.${this.#id}`];
  }

  #serve(
    link: Pick<Link, 'serve'>,
    at: { readonly key: string; readonly subject: string; readonly queue?: string },
    onMessage: (message: Msg) => void,
  ): void {
    const { log } = this.#options;
    const again = (): void => {
      if (this.#isStopped) return;
      log.warn({ subject: at.subject }, 'a subscription of the service ended; it is made again');
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.#serve(link, at, onMessage);
      }, AGAIN_MS);
      this.#timers.add(timer);
    };
    this.#serving.set(at.key, link.serve(at, onMessage, again));
  }

  #tell(verb: DiscoveryVerb, { reply }: Msg): void {
    if (reply?.startsWith(INBOX)) this.#options.discovery.send(reply, this.#textOf(verb));
  }

  #textOf(verb: DiscoveryVerb): string {
    switch (verb) {
      case 'PING':
        return this.#ping;
      case 'INFO':
        return this.#info;
      case 'STATS':
        return JSON.stringify(this.#about('STATS'));
      default:
        return verb satisfies never;
    }
  }

  #about(verb: DiscoveryVerb): object {
    const { name, version, description, metadata, endpoints, queue } = this.#options;
    const self = { type: `io.nats.micro.v1.${verb.toLowerCase()}_response`, name, id: this.#id, version, metadata };
    switch (verb) {
      case 'PING':
        return self;
      case 'INFO':
        return { ...self, description, endpoints: endpoints.map((one) => ({ ...one, queue_group: queue })) };
      case 'STATS':
        return { ...self, started: this.#started, endpoints: endpoints.map((one) => this.#statsOf(one)) };
      default:
        return verb satisfies never;
    }
  }

  #statsOf({ name, subject }: EndpointInfo): object {
    const { requests = 0, errors = 0, lastError = '', took = 0 } = this.#stats.get(name) ?? {};
    const nanoseconds = Math.round(took * 1e6);
    return {
      name,
      subject,
      queue_group: this.#options.queue,
      num_requests: requests,
      num_errors: errors,
      last_error: lastError,
      processing_time: nanoseconds,
      average_processing_time: requests === 0 ? 0 : Math.round(nanoseconds / requests),
    };
  }
}
