/** `lanes resume receipts` */
import type { Config } from '../config.ts';
import { openJetStreamReceipts } from '../journal/receipts-jetstream.ts';
import type { Target } from '../journal/resume.ts';
import type { Logger } from '../logger.ts';
import { resumeReceipts } from '../projector/resume.ts';
import { withStores } from '../projector/stores.ts';
import { giveUp } from './resume.ts';

export const resuming = (
  config: Config,
  log: Logger,
  target: Target,
  use: (resume: (partition: number) => Promise<string | undefined>) => Promise<number>,
): Promise<number> =>
  withStores(config, log, 'resume', async ({ mongo }) => {
    const { nats, partitions } = config;
    const receipts = await openJetStreamReceipts({ ...nats, partitions, log, name: 'resume receipts' });
    try {
      return await use(async (partition) => {
        const resumed = await resumeReceipts({ receipts, mongo }, partition, target, giveUp());
        return resumed && `goes on behind sequence ${resumed.place.revision} of the log`;
      });
    } finally {
      await receipts.close();
    }
  });
