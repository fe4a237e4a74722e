/** A notifier on real servers with real providers beside it, and everybody else whom it needs: who writes, marks, registers, asks. */

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { MessageSent } from '../../schema/events.ts';
import { type DeviceId, type LaneId, seqOf, type UserId } from '../../schema/ids.ts';
import type { MarkKind } from '../../schema/receipts.ts';
import { openDeliveryBell } from '../../services/journal/bell-nats.ts';
import { type JetStreamJournal, openJetStreamJournal } from '../../services/journal/jetstream.ts';
import { Lanes } from '../../services/journal/lanes.ts';
import { Receipts } from '../../services/journal/receipts.ts';
import { openJetStreamReceipts } from '../../services/journal/receipts-jetstream.ts';
import { start } from '../../services/notifier/main.ts';
import { start as startProjector } from '../../services/projector/main.ts';
import type { Running } from '../../services/run.ts';
import { Mongo } from '../../services/views/connect.ts';
import { type Deliveries, type Delivery, openDeliveries } from '../../services/views/delivery.ts';
import { type Devices, openDevices } from '../../services/views/devices.ts';
import { openHistory } from '../../services/views/history.ts';
import type { PushAddress } from '../../services/views/push-address.ts';
import { openReads } from '../../services/views/reads.ts';
import { type MarksLimits, openReceiptBoard } from '../../services/views/receipts.ts';
import { silent } from './projecting.ts';
import { type ProvidersOptions, startProviders, type TestProviders } from './providers/all.ts';
import { laneId, Scribe, until, userId } from './scribe.ts';
import { startServers, type TestServers } from './servers.ts';

export interface Notifying {
  readonly servers: TestServers;
  readonly providers: TestProviders;
  readonly journal: JetStreamJournal;
  readonly mongo: Mongo;
  readonly scribe: Scribe;
  readonly devices: Devices;
  readonly deliveries: Deliveries;
  /** Inside this process. */
  startNotifier(settings?: Readonly<Record<string, string>>, limits?: MarksLimits): Promise<Running>;
  /** A process of its own, that can be killed. Settles when it is at work. */
  spawnNotifier(): Promise<ChildProcess>;
  /** A conversation of alice with these, and one message of hers; the others' phones are registered. Its seq is 2. */
  tell(name: string, ...users: readonly string[]): Promise<LaneId>;
  register(user: string, device?: string, address?: PushAddress): Promise<void>;
  mark(user: string, lane: LaneId, seq: number, kind?: MarkKind, device?: string): Promise<void>;
  deliveryOf(lane: LaneId, seq: number, user: string): Promise<Delivery>;
  /** It runs from the start on. */
  readonly projector: { stop(): Promise<void>; start(): Promise<void> };
  stop(): Promise<void>;
}

export const GRACE_MS = 300;
const partitions = 2;
const MAIN = fileURLToPath(new URL('../../services/cli/main.ts', import.meta.url));

export const fcm = (token: string): PushAddress => ({ provider: 'FCM', token });

/** `more`: settings of all rooms. */
export async function startNotifying(
  options: ProvidersOptions = {},
  more: Readonly<Record<string, string>> = {},
): Promise<Notifying> {
  const [servers, providers] = await Promise.all([startServers(), startProviders(options)]);
  const settings = {
    ...{ LANES_PARTITIONS: String(partitions), LANES_ADMIN_PORT: '0', LANES_NOTIFY_GRACE_MS: String(GRACE_MS) },
    ...providers.settings,
    ...more,
  };
  const config = servers.config(settings);
  const { nats, storeBytes: maxBytes } = config;
  const connecting = { ...nats, partitions, log: silent };
  const journal = await openJetStreamJournal({ ...connecting, maxBytes, name: 'test' });
  const log = await openJetStreamReceipts({ ...connecting, name: 'test receipts' });
  const bell = await openDeliveryBell({ ...connecting, name: 'test bell' });
  const mongo = new Mongo(config.mongo, silent, { socketTimeoutMs: 5_000, maxPoolSize: 8 });
  const history = openHistory(config, silent);
  const board = openReceiptBoard({ receipts: log, mongo, log: silent });
  const receipts = new Receipts(log, { clock: Date.now });
  const devices = openDevices(mongo, silent);
  const reads = openReads(history, journal);
  const lanes = new Lanes(journal, { maxWeight: 10_000, log: silent });
  const deliveries = openDeliveries({ mongo, board, devices, reads, bell, log: silent });
  let projector = await startProjector(config, silent);
  const scribe = new Scribe(journal, Date.now);
  const children: ChildProcess[] = [];
  const register: Notifying['register'] = async (user, device = 'phone', address = fcm(`${user}-${device}`)) => {
    await devices.register(userId(user), device as DeviceId, address);
  };
  return {
    ...{ servers, providers, journal, mongo, scribe, devices, deliveries, register },
    projector: {
      stop: () => projector.stop(),
      start: async () => {
        projector = await startProjector(config, silent);
      },
    },
    startNotifier: (other, limits) =>
      start(servers.config({ ...settings, ...other }), silent, undefined, {
        ...limits,
        allows: (address) => address === '127.0.0.1',
        timeoutMs: 1_500,
      }),
    spawnNotifier: async () => {
      const child = spawn(process.execPath, ['--import', 'tsx', MAIN, 'notifier'], {
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
        env: servers.environment({ ...settings, LANES_LOG_LEVEL: 'silent' }),
      });
      children.push(child);
      await new Promise<void>((resolve, reject) => {
        child.once('message', () => resolve());
        child.once('exit', (code) => reject(new Error(`the notifier ended with ${code}`)));
      });
      return child;
    },
    tell: async (name, ...users) => {
      for (const user of users) await register(user);
      await scribe.create(laneId(name), ...users);
      await scribe.say(laneId(name), 1);
      return laneId(name);
    },
    mark: async (user, l, seq, k = 'delivered', device) => {
      const d = device === undefined ? {} : { d: device as DeviceId };
      const outcome = await receipts.mark([{ u: userId(user), l, k, s: seqOf(seq), at: Date.now(), ...d }]);
      if (outcome.kind !== 'stored') throw new Error(outcome.message);
    },
    deliveryOf: async (lane, seq, user) => {
      const loaded = await lanes.fresh(lane);
      const message = scribe.events(lane)[seq - 1] as MessageSent;
      const found = await deliveries.of(loaded, message, [userId(user)]);
      return found.get(user as UserId) as Delivery;
    },
    stop: async () => {
      for (const child of children) child.kill('SIGKILL');
      await projector.stop();
      await receipts.stop();
      await board.stop();
      await Promise.all([journal.close(), log.close(), bell.close(), mongo.close(), history.close()]);
      await Promise.all([providers.stop(), servers.stop()]);
    },
  };
}

/** Looks until it is so; a look that fails is one at which it is not. */
export const untilSo = (look: () => Promise<boolean> | boolean, withinMs?: number): Promise<unknown> =>
  until(async () => Promise.resolve(look()).catch(() => false), Boolean, withinMs);
