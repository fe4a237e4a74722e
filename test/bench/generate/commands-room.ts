/** A bridge that only answers commands: in a process of its own, as a generator is, with nothing else beside it. */
import { Registry } from 'prom-client';
import { openCommands } from '../../../bridge/open-commands.ts';
import { openService } from '../../../bridge/service.ts';
import type { Config } from '../../../services/config.ts';
import { openIntegrations } from '../../../services/journal/integrations-jetstream.ts';
import { openJetStreamJournal } from '../../../services/journal/jetstream.ts';
import { Lanes } from '../../../services/journal/lanes.ts';
import { openLink } from '../../../services/journal/link.ts';
import { openJetStreamReceipts } from '../../../services/journal/receipts-jetstream.ts';
import { createLogger } from '../../../services/logger.ts';
import { Mongo } from '../../../services/views/connect.ts';
import { openHistory } from '../../../services/views/history.ts';
import { openReads } from '../../../services/views/reads.ts';
import { serve } from './serve.ts';

export interface CommandsRoom {
  readonly open: Config;
  readonly opened: undefined;
  readonly run: undefined;
  readonly result: undefined;
}

/** As of the bridge. */
const LANES_WEIGHT = 500_000;

let stop: (() => Promise<void>) | undefined;

serve<CommandsRoom>({
  open: async (config) => {
    const { nats, natsBridge, partitions, storeBytes: maxBytes } = config;
    if (natsBridge === null) throw new Error('no user of the bridge');
    const log = createLogger({ logLevel: 'warn' }, 'bridge', 2);
    const options = { ...nats, partitions, log };
    const journal = await openJetStreamJournal({ ...options, maxBytes, name: 'bridge' });
    const receipts = await openJetStreamReceipts({ ...options, name: 'bridge receipts' });
    const integrations = await openIntegrations({ ...options, name: 'bridge integrations' });
    const link = await openLink({ ...natsBridge, log, name: 'bridge apps' });
    const mongo = new Mongo(config.mongo, log, { socketTimeoutMs: 5_000, maxPoolSize: 16 });
    const history = openHistory(config, log);
    const lanes = new Lanes(journal, { maxWeight: LANES_WEIGHT, log });
    const reads = openReads(history, journal);
    const stores = { journal, receipts, integrations, mongo, history, lanes, reads };
    const replay = async () => ({ kind: 'not-found' }) as const;
    const own = openCommands({ ...stores, config, replay, clock: Date.now, registry: new Registry(), log });
    const service = await openService({
      links: [link],
      commands: own.commands,
      version: '0.0.0',
      log,
      observer: own.observer,
    });
    stop = async () => {
      await service.stop();
      await own.stop();
      await Promise.all([journal.close(), receipts.close(), integrations.close(), link.close()]);
      await Promise.all([mongo.close(), history.close()]);
    };
    return undefined;
  },
  run: () => Promise.resolve(undefined),
  close: async () => stop?.(),
});
