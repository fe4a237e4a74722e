/** The projector as a process of its own: history and receipts, from their logs to MongoDB. */
import type { Config } from '../config.ts';
import { Halts } from '../halt-metrics.ts';
import { clockFigure } from '../journal/figures.ts';
import { openJetStreamJournal } from '../journal/jetstream.ts';
import { openJetStreamReceipts } from '../journal/receipts-jetstream.ts';
import type { Logger } from '../logger.ts';
import { adminPortOf, createRegistry, startAdmin } from '../metrics.ts';
import type { Running } from '../run.ts';
import { Mongo } from '../views/connect.ts';
import { projectorMetrics } from './metrics.ts';
import { Projector } from './projector.ts';
import { receiptsProjectorMetrics } from './receipts-metrics.ts';
import { ReceiptsProjector } from './receipts-projector.ts';

/** Longer than MongoDB takes for the largest insert on a slow disk. */
const MONGO_ANSWER_MS = 20_000;

/** Settles when it is at work, whether MongoDB answers or not. `stop` settles when what was under way is in history. */
export async function start(config: Config, log: Logger, stopping?: AbortSignal): Promise<Running> {
  const registry = createRegistry('projector');
  const halts = new Halts(registry);
  const metrics = projectorMetrics(registry, halts.of('projector'));
  const admin = await startAdmin({ host: config.adminHost, port: adminPortOf(config, 'projector'), registry, halts });
  try {
    const { partitions, nats, storeBytes: maxBytes } = config;
    const journal = await openJetStreamJournal({
      ...nats,
      partitions,
      maxBytes,
      log,
      name: 'projector',
      signal: stopping,
    });
    const receipts = await openJetStreamReceipts({
      ...nats,
      partitions,
      log,
      name: 'projector-receipts',
      signal: stopping,
    });
    const mongo = new Mongo(config.mongo, log, { socketTimeoutMs: MONGO_ANSWER_MS, maxPoolSize: 16 });
    const clock = journal.clock.now;
    clockFigure([registry], journal.clock);
    halts.also(journal.clock);
    const projector = new Projector({ journal, mongo, metrics, clock, log });
    const observe = receiptsProjectorMetrics(registry, halts.of('receipts'));
    const receiptsProjector = new ReceiptsProjector({ receipts, mongo, observe, clock, log });
    return {
      stop: async () => {
        await Promise.all([projector.stop(), receiptsProjector.stop()]);
        await Promise.all([journal.close(), receipts.close(), mongo.close(), admin.stop()]);
      },
    };
  } catch (error) {
    await admin.stop();
    throw error;
  }
}
