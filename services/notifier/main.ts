/** The notifier as a process of its own: pushes what stayed undelivered. */
import type { Millis } from '../../schema/ids.ts';
import type { Config } from '../config.ts';
import { Halts } from '../halt-metrics.ts';
import { clockFigure } from '../journal/figures.ts';
import { openJetStreamJournal } from '../journal/jetstream.ts';
import { Lanes } from '../journal/lanes.ts';
import { openJetStreamReceipts } from '../journal/receipts-jetstream.ts';
import { openUndelivered } from '../journal/undelivered-jetstream.ts';
import type { Logger } from '../logger.ts';
import { adminPortOf, createRegistry, startAdmin } from '../metrics.ts';
import type { Running } from '../run.ts';
import { unprojectedFigures } from '../unprojected-metrics.ts';
import { Mongo } from '../views/connect.ts';
import { openDevices } from '../views/devices.ts';
import { openHistory } from '../views/history.ts';
import { openLanesOfUsers } from '../views/lanes-of-users.ts';
import { Ledger } from '../views/ledger.ts';
import { openReads } from '../views/reads.ts';
import { type MarksLimits, openReceiptBoard } from '../views/receipts.ts';
import { openUnread } from '../views/unread.ts';
import { notifierMetrics } from './metrics.ts';
import { Notifier } from './notifier.ts';
import { openProviders, type ProvidersOptions } from './providers.ts';
import { Outlets } from './queue.ts';

/** Folded lanes kept, in entries of about 150 bytes: some 75 MB. */
const LANES_WEIGHT = 500_000;
/** Longer than MongoDB takes for the largest write on a slow disk. */
const MONGO_ANSWER_MS = 10_000;

/** Settles when it is at work, whether MongoDB answers or not. `stop` settles when what was under way is written down. */
export async function start(
  config: Config,
  log: Logger,
  stopping?: AbortSignal,
  test: Pick<ProvidersOptions, 'allows' | 'timeoutMs'> & MarksLimits = {},
): Promise<Running> {
  const registry = createRegistry('notifier');
  const halts = new Halts(registry);
  const closing: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const one of closing.splice(0).reverse()) await one();
  };
  try {
    let clock: () => Millis = Date.now;
    const providers = openProviders(config.push, { ...test, log, registry, clock: () => clock() });
    closing.push(() => providers.stop());
    const admin = await startAdmin({ host: config.adminHost, port: adminPortOf(config, 'notifier'), registry, halts });
    closing.push(() => admin.stop());
    const stores = await openStores(config, log, stopping, closing, test);
    clock = stores.journal.clock.now;
    clockFigure([registry], stores.journal.clock);
    halts.also(stores.journal.clock);
    unprojectedFigures([registry], () => [stores.board.unprojected]);
    if (providers.on.size === 0) log.warn('no push provider is set up: nothing is pushed');
    const notifier = new Notifier({
      ...stores,
      metrics: notifierMetrics(registry, halts.of('notifier')),
      providers: new Set(providers.on.keys()),
      outlets: new Outlets(providers.on),
      graceMs: config.notifyGraceMs,
      privacy: config.pushPrivacy,
      clock,
      log,
    });
    closing.push(() => notifier.stop());
    return { stop: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What a notifier reads and writes. What has to be closed is added to `closing`. */
export async function openStores(
  config: Config,
  log: Logger,
  signal: AbortSignal | undefined,
  closing: (() => Promise<unknown>)[],
  { maxMarks, timedMarks }: MarksLimits = {},
) {
  const { nats, partitions, storeBytes: maxBytes } = config;
  const options = { ...nats, partitions, log, signal };
  const journal = await openJetStreamJournal({ ...options, maxBytes, name: 'notifier' });
  closing.push(() => journal.close());
  const receipts = await openJetStreamReceipts({ ...options, name: 'notifier receipts' });
  closing.push(() => receipts.close());
  const { queue, bell } = await openUndelivered({ ...options, name: 'notifier queue' });
  closing.push(() => queue.close());
  const mongo = new Mongo(config.mongo, log, { socketTimeoutMs: MONGO_ANSWER_MS, maxPoolSize: 32 });
  const history = openHistory(config, log);
  closing.push(() => Promise.all([mongo.close(), history.close()]));
  const lanes = new Lanes(journal, { maxWeight: LANES_WEIGHT, log });
  const board = openReceiptBoard({ receipts, mongo, log, maxMarks, timedMarks });
  closing.push(() => board.stop());
  const unread = openUnread({ lanes, reads: openReads(history, journal), board, mongo, log });
  const ledger = new Ledger(() => mongo.db(), journal.clock.now);
  const lanesOf = openLanesOfUsers(mongo, log);
  return {
    journal,
    queue,
    bell,
    mongo,
    history,
    lanes,
    board,
    unread,
    lanesOf,
    devices: openDevices(mongo, log, journal.clock.now),
    ledger,
  };
}
