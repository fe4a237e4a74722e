/**
 * One connection to NATS that never gives up, and the questions asked over it: one inbox for all answers, one timer for all
 * deadlines, and nothing is ever written while the connection is known to be down (the client would keep it and send it later).
 */
import { readFileSync } from 'node:fs';
import {
  connect,
  createInbox,
  credsAuthenticator,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type PublishOptions,
  type Subscription,
} from 'nats';
import { ConfigError, type NatsAddress } from '../config.ts';
import type { Logger } from '../logger.ts';
import type { Stoppable } from './journal.ts';
import { watchSilence } from './silence.ts';

export type LinkOptions = NatsAddress & {
  readonly log: Logger;
  /** As the server's monitoring shows it. */
  readonly name: string;
  /** Ends the waiting for a first connection. */
  readonly signal?: AbortSignal | undefined;
};

const RECONNECT_MS = 100;
const RECONNECT_JITTER_MS = 150;
const DIAL_MS = 2_000;
/** A half-open connection is given up after two of these; of several servers, sooner (silence.ts). */
const PING_MS = 5_000;
const SWEEP_MS = 50;
/** Payloads above it are not gathered: the client looks at their size, and throws, at once. */
const GATHERED_BYTES = 64 * 1024;
const WAIT_LINE_MS = 5_000;

interface Outgoing {
  readonly subject: string;
  readonly payload: Uint8Array | string | undefined;
  readonly options: PublishOptions;
}

/** Who waits for the answers to one question. */
export interface Asker {
  /** The question is given up when `performance.now()` is past this; may be moved by `answered`. */
  readonly deadline: number;
  /** One answer; true: it was the last. Must not throw. */
  answered(message: Msg): boolean;
  /** No more answers come: a disconnect, or the deadline. Called at once for all who wait. Must not throw. */
  lost(why: 'disconnected' | 'timeout'): void;
}

/** Settles when connected, however long that takes; refuses at once where the server does not let us in. */
export async function openLink(options: LinkOptions): Promise<Link> {
  const { log, signal } = options;
  let saidAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    signal?.throwIfAborted();
    try {
      return new Link(await connect(connectOptionsOf(options)), options);
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      if (code === 'AUTHORIZATION_VIOLATION')
        throw new ConfigError(
          `NATS at ${options.servers.join(', ')} refused our credentials: correct LANES_NATS_USER and LANES_NATS_PASSWORD, or LANES_NATS_CREDS_FILE`,
        );
      if (performance.now() - saidAt > WAIT_LINE_MS) {
        saidAt = performance.now();
        log.warn({ servers: options.servers, reason: message }, 'waiting for NATS');
      }
      await new Promise((wake) => setTimeout(wake, RECONNECT_MS));
    }
  }
}

const connectOptionsOf = ({ servers, user, password, credsFile, name }: LinkOptions) => ({
  servers: [...servers],
  name,
  ...(user === null ? {} : { user }),
  ...(password === null ? {} : { pass: password }),
  ...(credsFile === null ? {} : { authenticator: credsAuthenticator(readFileSync(credsFile)) }),
  maxReconnectAttempts: -1,
  ignoreAuthErrorAbort: true,
  reconnectTimeWait: RECONNECT_MS,
  reconnectJitter: RECONNECT_JITTER_MS,
  reconnectJitterTLS: RECONNECT_JITTER_MS,
  timeout: DIAL_MS,
  pingInterval: PING_MS,
  maxPingOut: 2,
  noAsyncTraces: true,
});

export class Link {
  /** The subject under which JetStream's API is asked. */
  readonly jsApi: string;
  readonly #nc: NatsConnection;
  readonly #log: Logger;
  readonly #inbox = `${createInbox()}.`;
  readonly #askers = new Map<string, Asker>();
  readonly #listeners = new Set<(up: boolean) => void>();
  /** What this turn of the event loop sends, for one write: the client would write each message by itself. */
  #outgoing: Outgoing[] = [];
  #tokens = 0;
  #up = true;
  #isClustered = false;
  #sweeping: NodeJS.Timeout | undefined;
  readonly #silence: Stoppable;

  constructor(nc: NatsConnection, { log, name, jsApi }: Pick<LinkOptions, 'log' | 'name' | 'jsApi'>) {
    this.#nc = nc;
    this.#isClustered = nc.info?.cluster !== undefined;
    this.jsApi = jsApi ?? '$JS.API';
    this.#log = log.child({ connection: name });
    nc.subscribe(`${this.#inbox}*`, { callback: (_error, message) => this.#answered(message) });
    void this.#watch();
    this.#silence = watchSilence(nc, () => this.#up && this.isClustered, this.#log);
  }

  get up(): boolean {
    return this.#up;
  }

  /** The version of the server that we are connected to. */
  get serverVersion(): string {
    return this.#nc.info?.version ?? '';
  }

  /** One of several servers: what a stream's leader has stored, another may not have yet. */
  get isClustered(): boolean {
    // While it connects anew the client knows nothing of its server.
    this.#isClustered ||= this.#nc.info?.cluster !== undefined;
    return this.#isClustered;
  }

  /**
   * Sends a question. False: the connection is down, nothing was sent and `asker` hears nothing.
   * Throws what the client throws on a payload that is too large, having sent nothing.
   */
  ask(asker: Asker, subject: string, payload?: Uint8Array | string, headers?: MsgHdrs): boolean {
    if (!this.#up) return false;
    const token = (this.#tokens++).toString(36);
    const reply = this.#inbox + token;
    this.#publish({ subject, payload, options: headers ? { reply, headers } : { reply } });
    this.#askers.set(token, asker);
    this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_MS);
    return true;
  }

  /** Sends what nobody answers, or whose answers come to a subscription. False: the connection is down, nothing was sent. */
  send(subject: string, payload?: Uint8Array | string, reply?: string, headers?: MsgHdrs): boolean {
    const options = { ...(reply === undefined ? {} : { reply }), ...(headers === undefined ? {} : { headers }) };
    if (this.#up) this.#publish({ subject, payload, options });
    return this.#up;
  }

  #publish(outgoing: Outgoing): void {
    if ((outgoing.payload?.length ?? 0) > GATHERED_BYTES) {
      this.#flush();
      this.#nc.publish(outgoing.subject, outgoing.payload, outgoing.options);
    } else if (this.#outgoing.push(outgoing) === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    if (this.#nc.isClosed()) return;
    for (const { subject, payload, options } of outgoing) this.#nc.publish(subject, payload, options);
  }

  /**
   * Every message on `subject` from now on; none once the link is closed. What `onMessage` throws is logged. Of all who name the
   * same `queue`, one gets each message.
   */
  subscribe(subject: string, onMessage: (message: Msg) => void, queue?: string): Stoppable {
    if (this.#nc.isClosed()) return { stop: () => undefined };
    const subscription = this.#subscribe(subject, onMessage, queue);
    return { stop: () => !subscription.isClosed() && !this.#nc.isClosed() && subscription.unsubscribe() };
  }

  /**
   * As `subscribe`, for who answers: `drain` hears what the server had given out before, and nothing after; `onEnd` is called
   * where the server ends the subscription, and nothing more comes then.
   */
  serve(
    { subject, queue }: { readonly subject: string; readonly queue?: string },
    onMessage: (message: Msg) => void,
    onEnd: () => void,
  ): { drain(): Promise<void> } {
    if (this.#nc.isClosed()) return { drain: () => Promise.resolve() };
    let isDraining = false;
    const subscription = this.#subscribe(subject, onMessage, queue);
    const ended = (): void => void (isDraining || this.#nc.isClosed() || onEnd());
    subscription.closed.then(ended, ended);
    return {
      drain: async () => {
        isDraining = true;
        if (subscription.isClosed() || this.#nc.isClosed()) return;
        if (this.#up) await subscription.drain().catch(() => undefined);
        else subscription.unsubscribe();
      },
    };
  }

  #subscribe(subject: string, onMessage: (message: Msg) => void, queue: string | undefined): Subscription {
    const callback = (error: Error | null, message: Msg): void => {
      try {
        if (error) this.#log.error({ subject, err: error }, 'subscription refused');
        else onMessage(message);
      } catch (thrown) {
        this.#log.error({ subject, err: thrown }, 'a listener threw');
      }
    };
    return this.#nc.subscribe(subject, queue === undefined ? { callback } : { callback, queue });
  }

  /** Called at each loss of the connection and at each return. */
  onChange(callback: (up: boolean) => void): Stoppable {
    this.#listeners.add(callback);
    return { stop: () => this.#listeners.delete(callback) };
  }

  /** True as soon as the connection is up, false after `ms` without one. */
  whenUp(ms: number): Promise<boolean> {
    if (this.#up || this.#nc.isClosed()) return Promise.resolve(this.#up);
    return new Promise((resolve) => {
      const settle = (): void => {
        clearTimeout(timer);
        listening.stop();
        resolve(this.#up);
      };
      const timer = setTimeout(settle, ms);
      const listening = this.onChange(settle);
    });
  }

  async close(): Promise<void> {
    this.#flush();
    await this.#nc.close();
    this.#changed(false);
    clearInterval(this.#sweeping);
    this.#silence.stop();
  }

  async #watch(): Promise<void> {
    for await (const { type, data } of this.#nc.status()) {
      if (type === 'disconnect') {
        if (this.#up) this.#log.warn({ server: data }, 'NATS connection lost');
        this.#changed(false);
      } else if (type === 'reconnect') {
        this.#log.info({ server: data }, 'NATS connection is back');
        this.#changed(true);
      } else if (type === 'error') this.#log.error({ reason: data }, 'NATS error');
    }
  }

  #changed(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    if (!up) {
      this.#outgoing = [];
      const askers = [...this.#askers.values()];
      this.#askers.clear();
      for (const asker of askers) asker.lost('disconnected');
    }
    for (const callback of [...this.#listeners]) callback(up);
  }

  #answered(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length);
    const asker = this.#askers.get(token);
    if (asker?.answered(message)) this.#askers.delete(token);
  }

  #sweep(): void {
    if (this.#askers.size === 0) {
      clearInterval(this.#sweeping);
      this.#sweeping = undefined;
      return;
    }
    const now = performance.now();
    for (const [token, asker] of this.#askers)
      if (asker.deadline <= now) {
        this.#askers.delete(token);
        asker.lost('timeout');
      }
  }
}
