/** The commands of integrations on real servers: the service with its stores, the api beside it, and integrations that come in. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { MsgHdrs, NatsConnection } from 'nats';
import { Registry } from 'prom-client';
import type { ReplyJson } from '../../bridge/answers.ts';
import type { Commands, CommandsParts } from '../../bridge/commands.ts';
import { type Credentials, credentialsOf, newIntegration, newSecret } from '../../bridge/credentials.ts';
import { openCommands } from '../../bridge/open-commands.ts';
import { openService, type Service } from '../../bridge/service.ts';
import { type AppId, userOfApp } from '../../schema/ids.ts';
import { appCommand } from '../../schema/subjects.ts';
import type { Environment } from '../../services/config.ts';
import type { Integration } from '../../services/journal/integrations.ts';
import { openJetStreamJournal } from '../../services/journal/jetstream.ts';
import { Lanes } from '../../services/journal/lanes.ts';
import { openLink } from '../../services/journal/link.ts';
import { openJetStreamReceipts } from '../../services/journal/receipts-jetstream.ts';
import { start as startProjector } from '../../services/projector/main.ts';
import { Mongo } from '../../services/views/connect.ts';
import { openHistory } from '../../services/views/history.ts';
import { openReads } from '../../services/views/reads.ts';
import { startApi, type TestApi } from './api.ts';
import { type Doors, enterByNats, newApp, silent, startDoors } from './doors.ts';
import type { ServerOptions } from './servers.ts';

// biome-ignore lint/suspicious/noExplicitAny: an answer is whatever the test asked for
export type Json = any;

export interface App {
  readonly app: AppId;
  /** Its id as a member. */
  readonly user: string;
  readonly credentials: Credentials;
  readonly connection: NatsConnection;
  /** The reply's JSON. */
  ask(verb: string, body: unknown): Promise<Json>;
  /** Any bytes; with the headers of the reply. */
  raw(verb: string, body: Uint8Array | string, headers?: MsgHdrs): Promise<Answer>;
}
export interface Answer {
  readonly json: ReplyJson & Json;
  readonly headers: MsgHdrs | undefined;
}

export interface Commanding {
  readonly doors: Doors;
  readonly api: TestApi;
  readonly commands: Commands;
  readonly service: Service;
  readonly registry: Registry;
  enter(scope?: Integration['scope']): Promise<App>;
  /** Another service on the same servers. */
  openService(more?: Environment, replay?: CommandsParts['replay']): Promise<OpenedService>;
  stop(): Promise<void>;
}
interface OpenedService {
  readonly commands: Commands;
  readonly service: Service;
  readonly registry: Registry;
  stop(): Promise<void>;
}

const SETTINGS = { LANES_PARTITIONS: '2', LANES_SENDS_PER_SECOND: '10000', LANES_SENDS_BURST: '100000' };
const ANSWER_MS = 15_000;

export async function startCommanding(
  replay: CommandsParts['replay'],
  options: ServerOptions = {},
): Promise<Commanding> {
  const doors = await startDoors({ mongo: true, ...options });
  const { servers, registry: integrations } = doors;
  const api = await startApi(servers, SETTINGS);
  const projector = await startProjector(servers.config({ ...SETTINGS, LANES_ADMIN_PORT: '0' }), silent);
  const opened: { stop(): Promise<void> }[] = [];
  const open = async (more: Environment = {}, ownReplay = replay): Promise<OpenedService> => {
    const config = servers.config({ ...SETTINGS, ...more });
    const { nats, natsBridge, partitions, storeBytes: maxBytes } = config;
    if (natsBridge === null) throw new Error('no user of the bridge');
    const link = { ...nats, partitions, log: silent };
    const journal = await openJetStreamJournal({ ...link, maxBytes, name: 'bridge' });
    const receipts = await openJetStreamReceipts({ ...link, name: 'bridge receipts' });
    const history = openHistory(config, silent);
    const mongo = new Mongo(config.mongo, silent, { socketTimeoutMs: 5_000, maxPoolSize: 8 });
    const lanes = new Lanes(journal, { maxWeight: 100_000, log: silent });
    const reads = openReads(history, journal);
    const registry = new Registry();
    const stores = { journal, receipts, lanes, reads, history, mongo, integrations };
    const own = openCommands({ config, ...stores, replay: ownReplay, clock: Date.now, registry, log: silent });
    const door = await openLink({ ...natsBridge, name: 'bridge service', log: silent });
    const { commands, observer } = own;
    const service = await openService({ links: [door], commands, version: '1.2.3', log: silent, observer });
    const stop = async (): Promise<void> => {
      await service.stop();
      await own.stop();
      await Promise.all([door.close(), journal.close(), receipts.close(), history.close(), mongo.close()]);
    };
    opened.push({ stop });
    return { commands, service, registry, stop };
  };
  const first = await open();
  const connections: NatsConnection[] = [];
  return {
    ...{ doors, api, commands: first.commands, service: first.service, registry: first.registry },
    openService: open,
    enter: async (scope = 'member') => {
      const [app, secret] = [newApp(), newSecret()];
      await integrations.put(newIntegration(app, scope, secret, Date.now()));
      const credentials = credentialsOf(app, secret, doors.config.natsPublic);
      const connection = await enterByNats(credentials, {
        reconnect: true,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
      });
      connections.push(connection);
      const raw: App['raw'] = async (verb, body, headers) => {
        const subject = appCommand(app, verb);
        const message = await connection.request(subject, body, {
          timeout: ANSWER_MS,
          ...(headers ? { headers } : {}),
        });
        return { json: message.json(), headers: message.headers };
      };
      const ask = async (verb: string, body: unknown) => (await raw(verb, JSON.stringify(body))).json;
      return { app, user: userOfApp(app), credentials, connection, ask, raw };
    },
    stop: async () => {
      await Promise.all(connections.map((connection) => connection.close()));
      await Promise.all(opened.map((one) => one.stop()));
      await projector.stop();
      await api.stop();
      await doors.stop();
    },
  };
}

export const newKey = (): string => randomUUID();

/** The stock `nats` command line, where this machine has it. */
export function findNatsCli(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), join(homedir(), 'go', 'bin')];
  return folders.map((folder) => join(folder, 'nats')).find(existsSync);
}
