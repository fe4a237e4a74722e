/** Real servers with the doors for integrations open, and everything an integration needs to come in. */
import { randomUUID } from 'node:crypto';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { connect, type NatsConnection } from 'nats';
import { type CalloutParts, openCallout } from '../../bridge/callout.ts';
import { type Credentials, credentialsOf, newIntegration, newSecret } from '../../bridge/credentials.ts';
import { type AppId, parseAppId } from '../../schema/ids.ts';
import { appEvents, appReplays, appStream } from '../../schema/subjects.ts';
import type { Config } from '../../services/config.ts';
import type { Integrations } from '../../services/journal/integrations.ts';
import { openIntegrations } from '../../services/journal/integrations-jetstream.ts';
import { openJetStreamJournal } from '../../services/journal/jetstream.ts';
import { createLogger } from '../../services/logger.ts';
import { type ServerOptions, startServers, type TestServers } from './servers.ts';

export const silent = createLogger({ logLevel: 'silent' }, 'test', 2);

export const newApp = (): AppId => parseAppId(`t${randomUUID().replaceAll('-', '').slice(0, 12)}`) as AppId;

export interface Doors {
  readonly servers: TestServers;
  readonly config: Config;
  readonly registry: Integrations;
  /** Our own user in the integrations' account, which may do everything there. */
  readonly bridge: NatsConnection;
  /** Our own user in the lanes' account. */
  readonly lanes: NatsConnection;
  /** Enrolled, with a stream of its own that holds `events` events. */
  enrol(events?: number): Promise<Credentials>;
  openCallout(more?: Partial<CalloutParts>): Promise<{ stop(): Promise<void> }>;
  stop(): Promise<void>;
}

/** The callout is open, unless told otherwise. */
export async function startDoors(options: ServerOptions & { readonly callout?: boolean } = {}): Promise<Doors> {
  const servers = await startServers({ mongo: false, listeners: true, ...options });
  const config = servers.config({ LANES_PARTITIONS: '2' });
  const link = { ...config.nats, log: silent, name: 'test' };
  // Makes the streams.
  await (await openJetStreamJournal({ ...link, partitions: 2, maxBytes: config.storeBytes })).close();
  const registry = await openIntegrations(link);
  const open = (more: Partial<CalloutParts> = {}) => openCallout({ config, registry, log: silent, ...more });
  const callout = options.callout === false ? undefined : await open();
  const { url, user, password } = servers.nats;
  const lanes = await connect({ servers: url, user, pass: password });
  const bridge = await connect({
    servers: url,
    user: config.natsBridge?.user ?? '',
    pass: config.natsBridge?.password ?? '',
  });
  const manager = await bridge.jetstreamManager({ apiPrefix: 'chat.js.api' });
  return {
    servers,
    config,
    registry,
    bridge,
    lanes,
    enrol: async (events = 3) => {
      const [app, secret] = [newApp(), newSecret()];
      await registry.put(newIntegration(app, 'member', secret, Date.now()));
      await manager.streams.add({ name: appStream(app), subjects: [appEvents(app), appReplays(app)] });
      for (let i = 1; i <= events; i++) await bridge.jetstream().publish(`chat.app.${app}.event.c1`, String(i));
      return credentialsOf(app, secret, config.natsPublic);
    },
    openCallout: open,
    stop: async () => {
      await callout?.stop();
      await registry.close();
      await Promise.all([bridge.close(), lanes.close()]);
      await servers.stop();
    },
  };
}

export const enterByNats = ({ nats }: Credentials, more: Record<string, unknown> = {}): Promise<NatsConnection> =>
  connect({
    servers: nats.url,
    user: nats.user,
    pass: nats.password,
    inboxPrefix: nats.inboxPrefix,
    reconnect: false,
    timeout: 5_000,
    ...more,
  });

/** Settles when it is in; rejects when it is refused. */
export function enterByMqtt({ mqtt: door }: Credentials, more: IClientOptions = {}): Promise<MqttClient> {
  const options = {
    username: door.user,
    password: door.password,
    clientId: door.clientId,
    reconnectPeriod: 0,
    connectTimeout: 5_000,
    ...more,
  };
  return new Promise((resolve, reject) => {
    const client = mqtt.connect(door.url ?? '', options);
    const refused = (error: Error): void => {
      client.end(true);
      reject(error);
    };
    client.once('connect', () => {
      client.removeListener('error', refused);
      client.on('error', () => undefined);
      resolve(client);
    });
    client.once('error', refused);
    client.once('close', () => refused(new Error('the connection was closed')));
  });
}
