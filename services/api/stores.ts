/** What the api reads and writes: the lanes and receipts in NATS, and the views in MongoDB. Made in order, closed together. */
import type { Config } from '../config.ts';
import type { DeliveryBell } from '../journal/bell.ts';
import { openDeliveryBell } from '../journal/bell-nats.ts';
import { openJetStreamJournal } from '../journal/jetstream.ts';
import { Lanes } from '../journal/lanes.ts';
import type { ReceiptLog } from '../journal/receipts.ts';
import { openJetStreamReceipts } from '../journal/receipts-jetstream.ts';
import { openRevocations, type Revocations } from '../journal/revocations.ts';
import type { Logger } from '../logger.ts';
import { Mongo } from '../views/connect.ts';
import { openDeliveries } from '../views/delivery.ts';
import { openDevices } from '../views/devices.ts';
import { openHistory } from '../views/history.ts';
import { openReads } from '../views/reads.ts';
import { type MarksLimits, openReceiptBoard } from '../views/receipts.ts';
import { StoreCheck } from '../views/store-check.ts';
import { openUnread } from '../views/unread.ts';
import { openUserLanes } from '../views/user-lanes.ts';

/** Folded lanes kept, in entries of about 150 bytes: some 150 MB. */
const LANES_WEIGHT = 1_000_000;
/** As for history: who waits longer has long been answered that it is out of reach. */
const MONGO_ANSWER_MS = 5_000;
const MONGO_POOL = 32;

export type JetStream = Awaited<ReturnType<typeof openJetStreamJournal>>;
/** The connections to NATS. */
export interface Connections {
  readonly journal: JetStream;
  readonly receipts: ReceiptLog;
  readonly bell: DeliveryBell;
  readonly revocations: Revocations;
}

/** Settles when NATS is there, however long that takes (`signal` ends it). Rejects with a ConfigError for what waiting does not mend. */
export async function connect(config: Config, log: Logger, signal?: AbortSignal): Promise<Connections> {
  const { nats, partitions, storeBytes: maxBytes } = config;
  const options = { ...nats, partitions, log, signal };
  const journal = await openJetStreamJournal({ ...options, maxBytes, lowers: true, name: 'api' });
  const opened: { close(): Promise<void> }[] = [journal];
  try {
    // The streams of receipts are made with those of the lanes, so this comes after.
    const receipts = await openJetStreamReceipts({ ...options, name: 'api receipts' });
    opened.push(receipts);
    const bell = await openDeliveryBell({ ...options, name: 'api deliveries' });
    opened.push(bell);
    const revocations = await openRevocations({ ...options, name: 'api revocations' });
    return { journal, receipts, bell, revocations };
  } catch (error) {
    await Promise.all(opened.map((one) => one.close()));
    throw error;
  }
}

export const disconnect = ({ journal, receipts, bell, revocations }: Connections): Promise<unknown> =>
  Promise.all([journal.close(), receipts.close(), bell.close(), revocations.close()]);

export type Stores = ReturnType<typeof openStores>;

/** Does not wait for MongoDB. `close` leaves the connections to NATS open. */
export function openStores(
  config: Config,
  log: Logger,
  { journal, receipts, bell }: Connections,
  marks: MarksLimits = {},
) {
  const history = openHistory(config, log);
  const mongo = new Mongo(config.mongo, log, { socketTimeoutMs: MONGO_ANSWER_MS, maxPoolSize: MONGO_POOL });
  const check = new StoreCheck({ journal, mongo, log });
  const lanes = new Lanes(journal, { maxWeight: LANES_WEIGHT, log, confirmEmpty: (id) => check.confirmEmpty(id) });
  const reads = openReads(history, journal);
  const devices = openDevices(mongo, log, journal.clock.now);
  const board = openReceiptBoard({ ...marks, receipts, mongo, log });
  const unread = openUnread({ lanes, reads, board, mongo, log });
  const userLanes = openUserLanes({ mongo, partitions: journal.partitions, log });
  const deliveries = openDeliveries({ mongo, board, devices, reads, bell, log, clock: journal.clock.now });
  return {
    history,
    check,
    lanes,
    reads,
    devices,
    board,
    unread,
    deliveries,
    userLanes,
    close: async (): Promise<void> => {
      check.stop();
      await board.stop();
      await Promise.all([history.close(), mongo.close()]);
    },
  };
}
