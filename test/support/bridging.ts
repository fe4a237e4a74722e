/** Integrations on real servers: their doors open, a pump in this process or in one that can be killed, and who writes lanes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { AckPolicy, connect, DeliverPolicy, type JetStreamManager, type NatsConnection } from 'nats';
import { Registry } from 'prom-client';
import { openCallout } from '../../bridge/callout.ts';
import { type Credentials, credentialsOf, newIntegration, newSecret } from '../../bridge/credentials.ts';
import { openPump, type Pump } from '../../bridge/pump.ts';
import type { LaneEvent } from '../../schema/events.ts';
import { type AppId, type LaneId, parseAppId } from '../../schema/ids.ts';
import { APPS_JETSTREAM, appEvents, appStream } from '../../schema/subjects.ts';
import type { Config, Environment } from '../../services/config.ts';
import { Halts } from '../../services/halt-metrics.ts';
import type { Integration, Integrations } from '../../services/journal/integrations.ts';
import { openIntegrations } from '../../services/journal/integrations-jetstream.ts';
import { type JetStreamJournal, openJetStreamJournal } from '../../services/journal/jetstream.ts';
import { Lanes } from '../../services/journal/lanes.ts';
import { openLink } from '../../services/journal/link.ts';
import type { Logger } from '../../services/logger.ts';
import { silent } from './projecting.ts';
import { Scribe, until } from './scribe.ts';
import { type ServerOptions, startServers, type TestServers } from './servers.ts';

export interface Bridging {
  readonly servers: TestServers;
  readonly config: Config;
  readonly journal: JetStreamJournal;
  readonly registry: Integrations;
  readonly scribe: Scribe;
  /** JetStream of the integrations' account, as our own user. */
  readonly manager: JetStreamManager;
  readonly bridge: NatsConnection;
  add(name: string, scope?: Integration['scope'], createdAt?: number): Promise<Credentials>;
  /** As a third party, with its credentials and the client of its choice. */
  enter(credentials: Credentials): Promise<NatsConnection>;
  startPump(more?: Environment, log?: Logger): Promise<Pump>;
  /** A process of its own, that can be killed. Settles when it delivers. */
  spawnPump(): Promise<ChildProcess>;
  stop(): Promise<void>;
}

export const PARTITIONS = 2;
/** Of what is there already. */
const FETCH_MS = 10_000;
const CHILD = fileURLToPath(new URL('./pump-process.ts', import.meta.url));
export const app = (name: string): AppId => parseAppId(name) as AppId;

/** The whole of what a pump needs, opened on these settings; `stop` closes it all. */
export async function openPumping(config: Config, log: Logger): Promise<Pump> {
  const { nats, natsBridge, storeBytes: maxBytes, partitions, appStreams } = config;
  if (natsBridge === null) throw new Error('no user of the bridge');
  const link = await openLink({ ...natsBridge, name: 'bridge', log });
  const journal = await openJetStreamJournal({ ...nats, partitions, maxBytes, name: 'bridge', log });
  const integrations = await openIntegrations({ ...nats, name: 'bridge registry', log });
  const lanes = new Lanes(journal, { maxWeight: 100_000, log });
  const registry = new Registry();
  const pump = await openPump({
    journal,
    lanes,
    integrations,
    link,
    appStreams,
    storeBytes: maxBytes,
    registry,
    onHalt: new Halts(registry).of('bridge'),
    log,
    clock: Date.now,
  });
  return {
    ...{ replay: pump.replay.bind(pump) },
    stop: async () => {
      await pump.stop();
      await Promise.all([link.close(), journal.close(), integrations.close()]);
    },
  };
}

export async function startBridging(options: ServerOptions = {}): Promise<Bridging> {
  const servers = await startServers({ mongo: false, ...options });
  const settings = { LANES_PARTITIONS: String(PARTITIONS) };
  const config = servers.config(settings);
  const { nats, natsBridge, storeBytes: maxBytes } = config;
  const journal = await openJetStreamJournal({ ...nats, partitions: PARTITIONS, maxBytes, name: 'test', log: silent });
  const registry = await openIntegrations({ ...nats, name: 'test registry', log: silent });
  const callout = await openCallout({ config, registry, log: silent });
  const bridge = await connect({
    servers: servers.nats.url,
    user: natsBridge?.user ?? '',
    pass: natsBridge?.password ?? '',
    maxReconnectAttempts: -1,
  });
  const manager = await bridge.jetstreamManager({ apiPrefix: APPS_JETSTREAM });
  const pumps = new Set<Pump>();
  const children: ChildProcess[] = [];
  const entered: NatsConnection[] = [];
  return {
    ...{ servers, config, journal, registry, manager, bridge },
    scribe: new Scribe(journal, Date.now),
    add: async (name, scope = 'member', createdAt = Date.now()) => {
      const secret = newSecret();
      await registry.put(newIntegration(app(name), scope, secret, createdAt));
      return credentialsOf(app(name), secret, config.natsPublic);
    },
    enter: async ({ nats: { url, user, password, inboxPrefix } }) => {
      const connection = await connect({
        servers: url,
        user,
        pass: password,
        inboxPrefix,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
      });
      entered.push(connection);
      return connection;
    },
    startPump: async (more = {}, log = silent) => {
      const pump = await openPumping(servers.config({ ...settings, ...more }), log);
      pumps.add(pump);
      return pump;
    },
    spawnPump: async () => {
      const child = spawn(process.execPath, ['--import', 'tsx', CHILD], {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        env: servers.environment({ ...settings, LANES_LOG_LEVEL: 'silent' }),
      });
      children.push(child);
      await new Promise<void>((resolve, reject) => {
        child.once('message', () => resolve());
        child.once('exit', (code) => reject(new Error(`the pump ended with ${code}`)));
      });
      return child;
    },
    stop: async () => {
      for (const child of children) child.kill('SIGKILL');
      await Promise.all(entered.map((connection) => connection.close()));
      await Promise.all([...pumps].map((pump) => pump.stop().catch(() => undefined)));
      await callout.stop();
      await Promise.all([journal.close(), registry.close(), bridge.close()]);
      await servers.stop();
    },
  };
}

export interface Got {
  readonly type: string;
  readonly conversationId: string;
  readonly seq: number;
  readonly resetReason?: string;
  readonly [field: string]: unknown;
}

/** A durable pull consumer of the integration's own making; it is made where it is missing. */
export class Reader {
  readonly #connection: NatsConnection;
  readonly #app: AppId;
  readonly #durable: string;
  readonly #config: object;
  #isOpen = false;
  readonly got: Got[] = [];

  /** `config`: of the consumer, beside what every reader's has. */
  constructor(connection: NatsConnection, name: string, durable = 'mine', config: object = {}) {
    this.#config = config;
    this.#connection = connection;
    this.#app = app(name);
    this.#durable = durable;
  }

  /** Takes and acknowledges what is there, for at most `ms` without anything new; until `isSo` says that it is enough. */
  async read(isSo: (got: readonly Got[]) => boolean, ms = 20_000): Promise<readonly Got[]> {
    const js = this.#connection.jetstream();
    await this.open();
    const consumer = await js.consumers.get(appStream(this.#app), this.#durable);
    await until(
      async () => {
        // What is there, and time for it: what comes after a fetch has expired comes again much later, and out of order.
        const { num_pending: there } = await consumer.info();
        if (there === 0) return this.got;
        const messages = await consumer.fetch({ max_messages: Math.min(500, there), expires: FETCH_MS });
        for await (const message of messages) {
          this.got.push(message.json<Got>());
          message.ack();
        }
        return this.got;
      },
      (got) => isSo(got),
      ms,
    );
    return this.got;
  }

  async open(): Promise<void> {
    if (this.#isOpen) return;
    const manager = await this.#connection.jetstreamManager({ checkAPI: false });
    await until(
      () =>
        manager.consumers
          .add(appStream(this.#app), {
            durable_name: this.#durable,
            ack_policy: AckPolicy.Explicit,
            deliver_policy: DeliverPolicy.All,
            filter_subject: appEvents(this.#app),
            ...this.#config,
          })
          .then(
            () => '',
            (error: Error) => error.message,
          ),
      (message) => message === '',
    );
    this.#isOpen = true;
  }

  /** Per conversation, first of each seq only: at least once is what is promised. */
  seqs(lane: LaneId): number[] {
    return seqsOf(this.got, lane);
  }
}

export const seqsOf = (got: readonly Got[], lane: LaneId): number[] => {
  const seqs: number[] = [];
  for (const { conversationId, seq } of got) if (conversationId === lane && seq > (seqs.at(-1) ?? 0)) seqs.push(seq);
  return seqs;
};

export const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);

export const textOf = (event: LaneEvent): string | undefined => (event.type === 'MessageSent' ? event.text : undefined);
