/** `lanes resume receipts` */
import { openJetStreamReceipts } from '../journal/receipts-jetstream.ts';
import { resumeReceipts } from '../projector/resume.ts';
import { withStores } from '../projector/stores.ts';
import { giveUp, type With } from './resume.ts';

export const resuming: With = (config, log, target, use) =>
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
